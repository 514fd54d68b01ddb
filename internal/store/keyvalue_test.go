package store_test

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

type timed struct {
	v  string
	at int64
}

// kvMachine compares a key-value store with a map.
type kvMachine struct {
	*world
	fresh     func() state.Provider
	now, kept map[string]timed
}

func (m *kvMachine) store() state.KeyValue[string, string] {
	return facade[state.KeyValue[string, string]](m.world, "kv")
}

func kvKey(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xff}), 0, 3).Draw(t, "key"))
}

func (m *kvMachine) step(t *rapid.T) string {
	m.ctx.Time, m.ctx.Offset = rapid.Int64Range(0, 50).Draw(t, "at"), m.ctx.Offset+1
	return kvKey(t)
}

func (m *kvMachine) put(t *rapid.T) {
	k, v := m.step(t), rapid.StringN(0, 2, -1).Draw(t, "v")
	m.must(m.store().Put(k, v))
	m.now[k] = timed{v, m.ctx.Time}
}

func (m *kvMachine) delete(t *rapid.T) {
	k := m.step(t)
	m.must(m.store().Delete(k))
	delete(m.now, k)
}

func (m *kvMachine) putIfAbsent(t *rapid.T) {
	k := m.step(t)
	old, had, err := m.store().PutIfAbsent(k, "fresh")
	m.must(err)
	want, ok := m.now[k]
	if had != ok || old != want.v {
		t.Fatalf("PutIfAbsent(%q) = %q, %v, want %q, %v", k, old, had, want.v, ok)
	}
	if !ok {
		m.now[k] = timed{"fresh", m.ctx.Time}
	}
}

func (m *kvMachine) get(t *rapid.T) { m.checkGet(t, m.store(), m.now, m.step(t)) }

func (m *kvMachine) checkGet(t *rapid.T, s state.ReadOnlyKeyValue[string, string], model map[string]timed, k string) {
	v, at, ok, err := s.GetWithTime(k)
	m.must(err)
	want, has := model[k]
	if ok != has || v != want.v || ok && at.UnixMilli() != want.at {
		t.Fatalf("GetWithTime(%q) = %q, %v, %v, want %v, %v", k, v, at, ok, want, has)
	}
	if v2, ok2, err := s.Get(k); v2 != v || ok2 != ok || err != nil {
		t.Fatalf("Get(%q) = %q, %v, %v", k, v2, ok2, err)
	}
}

func (m *kvMachine) scan(t *rapid.T) { m.checkScan(t, m.store(), m.now) }

func (m *kvMachine) checkScan(t *rapid.T, s state.ReadOnlyKeyValue[string, string], model map[string]timed) {
	lo, hi := kvKey(t), kvKey(t)
	for name, c := range map[string]struct {
		got     iter.Seq2[string, string]
		in      func(k string) bool
		reverse bool
	}{
		"All":          {s.All(), func(string) bool { return true }, false},
		"ReverseAll":   {s.ReverseAll(), func(string) bool { return true }, true},
		"Range":        {s.Range(lo, hi), func(k string) bool { return k >= lo && k <= hi }, false},
		"ReverseRange": {s.ReverseRange(lo, hi), func(k string) bool { return k >= lo && k <= hi }, true},
		"From":         {s.From(lo), func(k string) bool { return k >= lo }, false},
		"Upto":         {s.Upto(hi), func(k string) bool { return k <= hi }, false},
		"Prefix":       {s.Prefix([]byte(lo)), func(k string) bool { return strings.HasPrefix(k, lo) }, false},
	} {
		want := slices.DeleteFunc(slices.Sorted(maps.Keys(model)), func(k string) bool { return !c.in(k) })
		if c.reverse {
			slices.Reverse(want)
		}
		var got []string
		for k, v := range c.got {
			if v != model[k].v {
				t.Fatalf("%s(%q, %q): %q holds %q, want %q", name, lo, hi, k, v, model[k].v)
			}
			got = append(got, k)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s(%q, %q): %q, want %q", name, lo, hi, got, want)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatalf("Err: %v", err)
	}
}

// scanAndChange deletes and puts while it scans: the scan sees the store as it was when it began.
func (m *kvMachine) scanAndChange(t *rapid.T) {
	was, s := maps.Clone(m.now), m.store()
	stop := rapid.IntRange(0, 10).Draw(t, "stop")
	seen := 0
	for k := range s.All() {
		if _, ok := was[k]; !ok {
			t.Fatalf("the scan saw %q, put while it ran", k)
		}
		if seen++; seen == stop {
			return
		}
		m.must(s.Delete(k))
		m.must(s.Put(k+"b", "new"))
		delete(m.now, k)
		m.now[k+"b"] = timed{"new", m.ctx.Time}
	}
	if seen != len(was) {
		t.Fatalf("the scan saw %d rows of %d", seen, len(was))
	}
}

func (m *kvMachine) commitAll(t *rapid.T) {
	m.commit()
	m.kept = maps.Clone(m.now)
}

func (m *kvMachine) discardAll(t *rapid.T) {
	m.discard()
	m.now = maps.Clone(m.kept)
}

func (m *kvMachine) reopenAll(t *rapid.T) {
	m.reopen()
	m.now = maps.Clone(m.kept)
}

func (m *kvMachine) loseAll(t *rapid.T) {
	m.lost(m.fresh())
	m.now = maps.Clone(m.kept)
}

func (m *kvMachine) trim(t *rapid.T) { m.must(m.set.Trim(0)) }

func (m *kvMachine) view(t *rapid.T) {
	viewOf(m.world, "kv", func(v state.ReadOnlyKeyValue[string, string]) {
		m.checkScan(t, v, m.kept)
		m.checkGet(t, v, m.kept, kvKey(t))
	})
}

func (m *kvMachine) check(t *rapid.T) {
	if m.stuck != nil {
		t.Fatalf("stuck: %v", m.stuck)
	}
}

func TestKeyValueAgainstMap(t *testing.T) {
	onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
		rapid.Check(t, func(t *rapid.T) {
			d := state.KeyValueStore("kv", serde.String(), serde.String(), opts...)
			m := &kvMachine{world: newWorld(t, p(), spec(d)), fresh: p, now: map[string]timed{}, kept: map[string]timed{}}
			t.Repeat(map[string]func(*rapid.T){
				"put": m.put, "delete": m.delete, "putIfAbsent": m.putIfAbsent, "get": m.get, "scan": m.scan, "scanAndChange": m.scanAndChange,
				"commit": m.commitAll, "discard": m.discardAll, "reopen": m.reopenAll, "lose": m.loseAll, "trim": m.trim, "view": m.view, "": m.check,
			})
			m.close()
		})
	})
}

func TestPutAll(t *testing.T) {
	w := newWorld(t, providers["mem"](), spec(state.KeyValueStore("kv", serde.String(), serde.Int64())))
	kv := facade[state.KeyValue[string, int64]](w, "kv")
	w.must(kv.PutAll(maps.All(map[string]int64{"a": 1, "b": 2})))
	if got := maps.Collect(kv.All()); !maps.Equal(got, map[string]int64{"a": 1, "b": 2}) {
		t.Errorf("after PutAll: %v", got)
	}
}

// TestNilDeletes puts nil of a nilable kind, and a nil key.
func TestNilDeletes(t *testing.T) {
	onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
		w := newWorld(t, p(), spec(state.KeyValueStore("kv", serde.Bytes(), serde.Nullable(serde.Int64()), opts...)))
		kv := facade[state.KeyValue[[]byte, *int64]](w, "kv")
		n := int64(7)
		w.must(kv.Put([]byte("k"), &n))
		w.must(kv.Put([]byte("k"), nil))
		if v, ok, err := kv.Get([]byte("k")); v != nil || ok || err != nil {
			t.Errorf("after a put of nil: %v, %v, %v", v, ok, err)
		}
		if err := kv.Put(nil, &n); err == nil || !strings.Contains(err.Error(), `store "kv"`) {
			t.Errorf("a nil key: %v", err)
		}
		w.commit()
		last := w.log["kv"][len(w.log["kv"])-1]
		if last.Value != nil || last.Time != w.ctx.Time {
			t.Errorf("the changelog ends with %v", last)
		}
	})
}

// TestChangelogOfTimestampedStore checks the changelog's bytes: the value without a timestamp, the time in the record.
func TestChangelogOfTimestampedStore(t *testing.T) {
	w := newWorld(t, providers["mem"](), spec(state.KeyValueStore("kv", serde.String(), serde.Int64())))
	w.ctx.Time = 1234
	w.must(facade[state.KeyValue[string, int64]](w, "kv").Put("k", 1))
	w.commit()
	r := w.log["kv"][0]
	if string(r.Key) != "k" || string(r.Value) != "\x00\x00\x00\x00\x00\x00\x00\x01" || r.Time != 1234 {
		t.Errorf("changelog record %q %q at %d", r.Key, r.Value, r.Time)
	}
	_, at, _, err := facade[state.KeyValue[string, int64]](w, "kv").GetWithTime("k")
	if err != nil || !at.Equal(time.UnixMilli(1234)) {
		t.Errorf("GetWithTime: %v, %v", at, err)
	}
}
