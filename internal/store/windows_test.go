package store_test

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

const (
	retention = int64(200_000)
	interval  = int64(100_000) // segments
	size      = int64(5000)
)

type stamp struct {
	k     string
	start int64
}

// windowMachine compares a store of windows with a map and the rules of visibility.
type windowMachine struct {
	*world
	fresh              func() state.Provider
	aligned            bool
	now, kept          map[stamp]string
	observed, keptTime int64
	expiredPuts        int
}

type windowStore interface {
	state.Window[string, string]
}

func (m *windowMachine) store() windowStore { return facade[windowStore](m.world, "w") }

func windowTime(t *rapid.T, name string) time.Time {
	return time.UnixMilli(rapid.Int64Range(0, 600).Draw(t, name) * 1000).UTC()
}

func windowUserKey(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{"", "a", "a\x00", "ab", "b"}).Draw(t, name)
}

func (m *windowMachine) put(t *rapid.T) {
	k, at := windowUserKey(t, "key"), windowTime(t, "start")
	v := rapid.SampledFrom([]string{"x", "y", ""}).Draw(t, "v")
	m.ctx.Time = at.UnixMilli() + 7
	m.must(m.store().Put(k, at, v))
	if m.alive(at.UnixMilli()) {
		m.now[stamp{k, at.UnixMilli()}] = v
	}
}

// alive observes a put's time and says whether its segment is live.
func (m *windowMachine) alive(at int64) bool {
	m.observed = max(m.observed, at)
	if floor := m.observed - retention; floor >= 0 && at/interval < floor/interval {
		m.expiredPuts++
		return false
	}
	return true
}

func (m *windowMachine) delete(t *rapid.T) {
	k, at := windowUserKey(t, "key"), windowTime(t, "start")
	m.must(m.store().Delete(k, at))
	if m.alive(at.UnixMilli()) {
		delete(m.now, stamp{k, at.UnixMilli()})
	}
}

func (m *windowMachine) get(t *rapid.T) {
	k, at := windowUserKey(t, "key"), windowTime(t, "start")
	v, ok, err := m.store().Get(k, at)
	m.must(err)
	want, has := m.now[stamp{k, at.UnixMilli()}]
	if has = has && at.UnixMilli() > m.observed-retention; !has {
		want = ""
	}
	if v != want || ok != has {
		t.Fatalf("Get(%q, %d) = %q, %v, want %q, %v; observed %d", k, at.UnixMilli(), v, ok, want, has, m.observed)
	}
}

// visible is what a scan of model must see, in the layout's order.
func (m *windowMachine) visible(model map[stamp]string, observed int64, in func(stamp) bool) []stamp {
	all := slices.Collect(maps.Keys(model))
	all = slices.DeleteFunc(all, func(s stamp) bool { return s.start <= observed-retention || !in(s) })
	slices.SortFunc(all, func(a, b stamp) int {
		if m.aligned {
			return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.k, b.k))
		}
		return cmp.Or(cmp.Compare(a.start/interval, b.start/interval), cmp.Compare(a.k, b.k), cmp.Compare(a.start, b.start))
	})
	return all
}

func (m *windowMachine) scan(t *rapid.T) { m.checkScan(t, m.store(), m.now, m.observed) }

func (m *windowMachine) checkScan(t *rapid.T, s state.ReadOnlyWindow[string, string], model map[stamp]string, observed int64) {
	lo, hi, from, to := windowUserKey(t, "lo"), windowUserKey(t, "hi"), windowTime(t, "from"), windowTime(t, "to")
	if rapid.Bool().Draw(t, "wide") {
		from, to = time.Time{}, time.UnixMilli(math.MaxInt64)
	}
	inTime := func(x stamp) bool { return x.start >= from.UnixMilli() && x.start <= to.UnixMilli() }
	byKey := func(all iter.Seq2[time.Time, string]) iter.Seq2[window.Key[string], string] {
		return func(yield func(window.Key[string], string) bool) {
			for at, v := range all {
				if !yield(window.NewKey(lo, at.UnixMilli(), at.UnixMilli()+size), v) {
					return
				}
			}
		}
	}
	everything := func(stamp) bool { return true }
	ofKey := func(x stamp) bool { return x.k == lo && inTime(x) }
	ofKeys := func(x stamp) bool { return x.k >= lo && x.k <= hi && inTime(x) }
	for name, c := range map[string]struct {
		got     iter.Seq2[window.Key[string], string]
		in      func(stamp) bool
		reverse bool
	}{
		"Fetch":             {byKey(s.Fetch(lo, from, to)), ofKey, false},
		"ReverseFetch":      {byKey(s.ReverseFetch(lo, from, to)), ofKey, true},
		"FetchRange":        {s.FetchRange(lo, hi, from, to), ofKeys, false},
		"ReverseFetchRange": {s.ReverseFetchRange(lo, hi, from, to), ofKeys, true},
		"FetchAll":          {s.FetchAll(from, to), inTime, false},
		"ReverseFetchAll":   {s.ReverseFetchAll(from, to), inTime, true},
		"All":               {s.All(), everything, false},
		"ReverseAll":        {s.ReverseAll(), everything, true},
	} {
		want := m.visible(model, observed, c.in)
		if c.reverse {
			slices.Reverse(want)
		}
		var got []stamp
		for k, v := range c.got {
			x := stamp{k.Key, k.StartMs()}
			if v != model[x] || k.EndMs() != k.StartMs()+size {
				t.Fatalf("%s: %v holds %q, want %q", name, k, v, model[x])
			}
			got = append(got, x)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s(%q, %q, %d, %d): %v, want %v; observed %d", name, lo, hi, from.UnixMilli(), to.UnixMilli(), got, want, observed)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatalf("Err: %v", err)
	}
}

// scanAndChange puts and deletes while it scans.
func (m *windowMachine) scanAndChange(t *rapid.T) {
	want := m.visible(m.now, m.observed, func(stamp) bool { return true })
	var got []stamp
	for k := range m.store().All() {
		got = append(got, stamp{k.Key, k.StartMs()})
		m.must(m.store().Delete(k.Key, k.Start))
		m.must(m.store().Put(k.Key+"z", k.Start, "new"))
		m.alive(k.StartMs())
		if m.alive(k.StartMs()) {
			delete(m.now, stamp{k.Key, k.StartMs()})
			m.now[stamp{k.Key + "z", k.StartMs()}] = "new"
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("a scan that changes the store saw %v, want %v", got, want)
	}
}

func (m *windowMachine) commitAll(t *rapid.T) {
	m.commit()
	m.kept, m.keptTime = maps.Clone(m.now), m.observed
}

func (m *windowMachine) back() { m.now, m.observed = maps.Clone(m.kept), m.keptTime }

func (m *windowMachine) discardAll(t *rapid.T) { m.discard(); m.back() }
func (m *windowMachine) reopenAll(t *rapid.T)  { m.reopen(); m.back() }
func (m *windowMachine) loseAll(t *rapid.T)    { m.lost(m.fresh()); m.back() }
func (m *windowMachine) trim(t *rapid.T)       { m.must(m.set.Trim(0)) }

func (m *windowMachine) view(t *rapid.T) {
	viewOf(m.world, "w", func(v state.ReadOnlyWindow[string, string]) { m.checkScan(t, v, m.kept, m.keptTime) })
}

func (m *windowMachine) check(t *rapid.T) {
	if m.stuck != nil {
		t.Fatalf("stuck: %v", m.stuck)
	}
	if m.expired != m.expiredPuts {
		t.Fatalf("%d puts counted as expired, want %d", m.expired, m.expiredPuts)
	}
}

func TestWindowsAgainstMap(t *testing.T) {
	for name, w := range map[string]rows.Windowing{
		"aligned":   {Size: size, Advance: 1000, Retention: retention},
		"segmented": {Size: size, Retention: retention},
		"indexed":   {Size: size, Retention: retention, Indexed: true},
	} {
		t.Run(name, func(t *testing.T) {
			onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
				rapid.Check(t, func(t *rapid.T) {
					flags := spec(state.KeyValueStore("", serde.String(), serde.String(), opts...))
					s := rows.NewWindow("w", serde.String(), serde.String(), w)
					s.Cached, s.InMemory = flags.Cached, flags.InMemory
					m := &windowMachine{world: newWorld(t, p(), s), fresh: p, aligned: w.Advance > 0, observed: -1, keptTime: -1,
						now: map[stamp]string{}, kept: map[stamp]string{}}
					t.Repeat(map[string]func(*rapid.T){
						"put": m.put, "put2": m.put, "put3": m.put, "delete": m.delete, "get": m.get, "scan": m.scan, "scanAndChange": m.scanAndChange,
						"commit": m.commitAll, "discard": m.discardAll, "reopen": m.reopenAll, "lose": m.loseAll, "trim": m.trim, "view": m.view, "": m.check,
					})
					m.close()
				})
			})
		})
	}
}

// TestDuplicates keeps several values of one key and start, over a restart too, and logs Kafka's sequence numbers.
func TestDuplicates(t *testing.T) {
	d := state.WindowStore("w", serde.String(), serde.String(), time.Second, state.Duplicates(), state.Retention(time.Minute))
	w := newWorld(t, providers["mem"](), spec(d))
	at := time.UnixMilli(1000)
	for range 2 {
		s := facade[state.Window[string, string]](w, "w")
		w.must(s.Put("k", at, "a"))
		w.must(s.Put("k", at, "a"))
		w.must(s.Delete("k", at))
		w.commit()
		w.reopen()
	}
	var got []string
	for _, v := range facade[state.Window[string, string]](w, "w").Fetch("k", at, at) {
		got = append(got, v)
	}
	if len(got) != 4 {
		t.Errorf("%d values, want 4: a tombstone deletes none, and a new life overwrites none", len(got))
	}
	for i, r := range w.log["w"][:3] {
		if want := fmt.Sprintf("k\x00\x00\x00\x00\x00\x00\x03\xe8\x00\x00\x00%c", i+1); string(r.Key) != want {
			t.Errorf("changelog key %d is %q, want %q", i, r.Key, want)
		}
	}
	if w.log["w"][2].Value != nil {
		t.Error("the tombstone is not in the changelog")
	}
}

// TestExpiryDeletes looks below the rules of visibility: rows that have expired leave the engine at a commit, once their segment has.
func TestExpiryDeletes(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		disk := providers["mem"]()
		w := newWorld(t, disk, rows.NewWindow("w", serde.String(), serde.String(), rows.Windowing{Size: size, Retention: retention, Indexed: indexed}))
		s := facade[windowStore](w, "w")
		w.must(s.Put("k", time.UnixMilli(0), "old"))
		w.must(s.Put("k", time.UnixMilli(interval), "next"))
		w.commit()
		w.must(s.Put("k", time.UnixMilli(retention+interval), "new"))
		w.commit()
		w.close()
		want := 2
		if indexed {
			want = 4
		}
		if n := countRows(t, disk); n != want {
			t.Errorf("indexed=%v: %d rows on disk, want %d", indexed, n, want)
		}
	}
}

// countRows counts the rows of all stores.
func countRows(t *testing.T, p state.Provider) (n int) {
	e, err := p.Open("dir", "0_0")
	if err != nil {
		t.Fatal(err)
	}
	it, err := e.Iter([]byte{0, 1}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}
