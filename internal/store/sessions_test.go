package store_test

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

type sessionKey struct {
	k          string
	start, end int64
}

func (s sessionKey) window() window.Key[string] { return window.NewKey(s.k, s.start, s.end) }

func keyOf(k window.Key[string]) sessionKey { return sessionKey{k.Key, k.StartMs(), k.EndMs()} }

// sessionMachine compares a store of sessions with a map and the rules of visibility.
type sessionMachine struct {
	*world
	fresh              func() state.Provider
	now, kept          map[sessionKey]string
	observed, keptTime int64
}

func (m *sessionMachine) store() state.Session[string, string] {
	return facade[state.Session[string, string]](m.world, "s")
}

func (m *sessionMachine) draw(t *rapid.T) sessionKey {
	if have := slices.SortedFunc(maps.Keys(m.now), bySession); len(have) > 0 && rapid.Bool().Draw(t, "known") {
		return rapid.SampledFrom(have).Draw(t, "session")
	}
	start := windowTime(t, "start").UnixMilli()
	return sessionKey{windowUserKey(t, "key"), start, start + rapid.Int64Range(0, 50).Draw(t, "length")*1000}
}

func bySession(a, b sessionKey) int {
	return cmp.Or(cmp.Compare(a.end/interval, b.end/interval), cmp.Compare(a.k, b.k), cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start))
}

func (m *sessionMachine) alive(end int64) bool {
	m.observed = max(m.observed, end)
	floor := m.observed - retention
	return floor < 0 || end/interval >= floor/interval
}

func (m *sessionMachine) put(t *rapid.T) {
	s, v := m.draw(t), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "v")
	m.ctx.Time = s.end
	m.must(m.store().Put(s.window(), v))
	if m.alive(s.end) {
		m.now[s] = v
	}
}

func (m *sessionMachine) delete(t *rapid.T) {
	s := m.draw(t)
	m.must(m.store().Delete(s.window()))
	if m.alive(s.end) {
		delete(m.now, s)
	}
}

func (m *sessionMachine) get(t *rapid.T) {
	s := m.draw(t)
	v, ok, err := m.store().Get(s.window())
	m.must(err)
	want, has := m.now[s]
	if has = has && s.end > m.observed-retention; !has {
		want = ""
	}
	if v != want || ok != has {
		t.Fatalf("Get(%v) = %q, %v, want %q, %v", s, v, ok, want, has)
	}
}

func (m *sessionMachine) scan(t *rapid.T) { m.checkScan(t, m.store(), m.now, m.observed) }

func (m *sessionMachine) checkScan(t *rapid.T, s state.ReadOnlySession[string, string], model map[sessionKey]string, observed int64) {
	lo, hi, end, start := windowUserKey(t, "lo"), windowUserKey(t, "hi"), windowTime(t, "earliestEnd"), windowTime(t, "latestStart")
	inTime := func(x sessionKey) bool { return x.end >= end.UnixMilli() && x.start <= start.UnixMilli() }
	for name, c := range map[string]struct {
		got     iter.Seq2[window.Key[string], string]
		in      func(sessionKey) bool
		reverse bool
	}{
		"Fetch":               {s.Fetch(lo), func(x sessionKey) bool { return x.k == lo }, false},
		"FindSessions":        {s.FindSessions(lo, end, start), func(x sessionKey) bool { return x.k == lo && inTime(x) }, false},
		"ReverseFindSessions": {s.ReverseFindSessions(lo, end, start), func(x sessionKey) bool { return x.k == lo && inTime(x) }, true},
		"FindSessionsRange":   {s.FindSessionsRange(lo, hi, end, start), func(x sessionKey) bool { return x.k >= lo && x.k <= hi && inTime(x) }, false},
		"All":                 {s.All(), func(sessionKey) bool { return true }, false},
	} {
		want := slices.SortedFunc(maps.Keys(model), bySession)
		want = slices.DeleteFunc(want, func(x sessionKey) bool { return x.end <= observed-retention || !c.in(x) })
		if c.reverse {
			slices.Reverse(want)
		}
		var got []sessionKey
		for k, v := range c.got {
			if v != model[keyOf(k)] {
				t.Fatalf("%s: %v holds %q, want %q", name, k, v, model[keyOf(k)])
			}
			got = append(got, keyOf(k))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s(%q, %q, %d, %d): %v, want %v", name, lo, hi, end.UnixMilli(), start.UnixMilli(), got, want)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatalf("Err: %v", err)
	}
}

// byTime walks sessions by end; it sees expired ones too as long as they are kept.
func (m *sessionMachine) byTime(t *rapid.T) {
	from, to := windowTime(t, "from").UnixMilli(), windowTime(t, "to").UnixMilli()
	var got []sessionKey
	for k, it := range facade[*rows.Sessions[string, string]](m.world, "s").T.ByTime(from, to) {
		if it.Value != m.now[keyOf(k)] {
			t.Fatalf("ByTime: %v holds %q, want %q", k, it.Value, m.now[keyOf(k)])
		}
		got = append(got, keyOf(k))
	}
	want := slices.DeleteFunc(slices.Collect(maps.Keys(m.now)), func(x sessionKey) bool { return x.end < from || x.end > to })
	slices.SortFunc(want, func(a, b sessionKey) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start), cmp.Compare(a.k, b.k))
	})
	if !slices.Equal(got, want) {
		t.Fatalf("ByTime(%d, %d): %v, want %v", from, to, got, want)
	}
}

func (m *sessionMachine) commitAll(t *rapid.T) {
	m.commit()
	m.kept, m.keptTime = maps.Clone(m.now), m.observed
}

func (m *sessionMachine) back() { m.now, m.observed = maps.Clone(m.kept), m.keptTime }

func (m *sessionMachine) discardAll(t *rapid.T) { m.discard(); m.back() }
func (m *sessionMachine) reopenAll(t *rapid.T)  { m.reopen(); m.back() }
func (m *sessionMachine) loseAll(t *rapid.T)    { m.lost(m.fresh()); m.back() }
func (m *sessionMachine) trim(t *rapid.T)       { m.must(m.set.Trim(0)) }

func (m *sessionMachine) view(t *rapid.T) {
	viewOf(m.world, "s", func(v state.ReadOnlySession[string, string]) { m.checkScan(t, v, m.kept, m.keptTime) })
}

func (m *sessionMachine) check(t *rapid.T) {
	if m.stuck != nil {
		t.Fatalf("stuck: %v", m.stuck)
	}
}

func TestSessionsAgainstMap(t *testing.T) {
	for _, emits := range []bool{false, true} {
		onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
			rapid.Check(t, func(t *rapid.T) {
				flags := spec(state.KeyValueStore("", serde.String(), serde.String(), opts...))
				s := rows.NewSession("s", serde.String(), serde.String(), retention, emits)
				s.Cached, s.InMemory, s.Emits = flags.Cached, flags.InMemory, emits
				m := &sessionMachine{world: newWorld(t, p(), s), fresh: p, observed: -1, keptTime: -1, now: map[sessionKey]string{}, kept: map[sessionKey]string{}}
				actions := map[string]func(*rapid.T){
					"put": m.put, "put2": m.put, "delete": m.delete, "get": m.get, "scan": m.scan, "commit": m.commitAll,
					"discard": m.discardAll, "reopen": m.reopenAll, "lose": m.loseAll, "trim": m.trim, "view": m.view, "": m.check,
				}
				if emits {
					actions["byTime"] = m.byTime
				}
				t.Repeat(actions)
				m.close()
			})
		})
	}
}

// TestKeepHoldsExpiry keeps windows that were not emitted, however far time has moved, and lets them go when they were.
func TestKeepHoldsExpiry(t *testing.T) {
	s := rows.NewWindow("w", serde.String(), serde.Int64(), rows.Windowing{Size: size, Advance: size, Retention: retention})
	s.Emits = true
	disk := providers["mem"]()
	w := newWorld(t, disk, s)
	table := facade[*rows.Windows[string, int64]](w, "w").T
	w.must(table.Set(window.NewKey("k", 0, size), 1, 0))
	w.must(table.Set(window.NewKey("k", 10*retention, 10*retention+size), 2, 0))
	w.commit()
	if n := seen(table); n != 2 {
		t.Fatalf("ByTime sees %d windows, want both", n)
	}
	table.Host().Keep(10 * retention)
	w.commit()
	if n := seen(table); n != 1 {
		t.Errorf("ByTime sees %d windows after the first was given up, want 1", n)
	}
}

func seen(t *rows.Table[window.Key[string], int64]) (n int) {
	for range t.ByTime(0, math.MaxInt64) {
		n++
	}
	return n
}
