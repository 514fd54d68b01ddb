package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// nearMachine writes windows as an aggregation does, by what the store remembers of their starts, and compares that with scans.
type nearMachine struct {
	*world
	now int64
}

func (m *nearMachine) store() *rows.Windows[string, string] {
	return facade[*rows.Windows[string, string]](m.world, "w")
}

// around are the starts that the store knows of.
func (m *nearMachine) around(t *rapid.T, k string) []int64 {
	from := m.now - rapid.Int64Range(-20_000, 2*retention).Draw(t, "from")
	to := from + rapid.Int64Range(-10, 40_000).Draw(t, "length")
	var want []int64
	if rapid.Bool().Draw(t, "compare") {
		for start := range m.store().Between(k, from, to, false) {
			want = append(want, start)
		}
		if got := m.near(k, from, to); !slices.Equal(got, want) {
			t.Fatalf("Near(%q, %d, %d) = %v, a scan finds %v; now %d", k, from, to, got, want, m.now)
		}
	}
	return m.near(k, from, to)
}

func (m *nearMachine) near(k string, from, to int64) []int64 {
	all, err := m.store().Near(nil, k, from, to, 5000)
	m.must(err)
	return all
}

func (m *nearMachine) look(t *rapid.T) { m.around(t, windowUserKey(t, "key")) }

// put puts some windows of one key, in order or not.
func (m *nearMachine) put(t *rapid.T) {
	k := windowUserKey(t, "key")
	m.around(t, k)
	for range rapid.IntRange(1, 12).Draw(t, "windows") {
		start := max(0, m.now+rapid.Int64Range(-3000, 4000).Draw(t, "start"))
		m.now = max(m.now, start)
		m.near(k, start, start)
		row, err := m.store().Window(start)
		m.must(err)
		m.must(m.store().T.Put(row, fmt.Sprint(start), start))
		m.store().Note(start, true)
		row, err = m.store().Window(start)
		m.must(err)
		if !row.Has || row.Value != fmt.Sprint(start) {
			t.Fatalf("the window of %q at %d is %v %q", k, start, row.Has, row.Value)
		}
	}
}

// drop drops a window that is known.
func (m *nearMachine) drop(t *rapid.T) {
	k := windowUserKey(t, "key")
	all := m.around(t, k)
	if len(all) == 0 {
		return
	}
	start := rapid.SampledFrom(all).Draw(t, "start")
	row, err := m.store().Window(start)
	m.must(err)
	m.must(m.store().T.Drop(row, start))
	m.store().Note(start, false)
}

// other is a write by someone else than the aggregation.
func (m *nearMachine) other(t *rapid.T) {
	m.must(m.store().Put(windowUserKey(t, "key"), time.UnixMilli(max(0, m.now-100)), "x"))
}

func (m *nearMachine) jump(t *rapid.T) {
	m.now += rapid.Int64Range(0, 2*retention).Draw(t, "by")
}

func TestNearIsWhatAScanFinds(t *testing.T) {
	onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
		rapid.Check(t, func(t *rapid.T) {
			flags := spec(state.KeyValueStore("", serde.String(), serde.String(), opts...))
			s := rows.NewWindow("w", serde.String(), serde.String(), rows.Windowing{Size: size, Retention: retention})
			s.Cached, s.InMemory = flags.Cached, flags.InMemory
			m := &nearMachine{world: newWorld(t, p(), s)}
			t.Repeat(map[string]func(*rapid.T){
				"put": m.put, "put2": m.put, "drop": m.drop, "look": m.look, "other": m.other, "jump": m.jump,
				"commit": func(*rapid.T) { m.commit() }, "reopen": func(*rapid.T) { m.commit(); m.reopen() },
				"": func(t *rapid.T) {
					if m.stuck != nil {
						t.Fatalf("stuck: %v", m.stuck)
					}
				},
			})
			m.close()
		})
	})
}

// A store that has seen very many keys remembers some, and finds the others.
func TestNearForgets(t *testing.T) {
	m := &nearMachine{world: newWorld(t, providers["mem"](), rows.NewWindow("w", serde.String(), serde.String(), rows.Windowing{Size: size, Retention: retention}))}
	for i := range 1 << 17 {
		k := fmt.Sprint("key-", i)
		if m.near(k, 0, 10); i%1000 != 0 {
			continue
		}
		row, err := m.store().Window(7)
		m.must(err)
		m.must(m.store().T.Put(row, k, 7))
		m.store().Note(7, true)
	}
	for i := 0; i < 1<<17; i += 500 {
		if n := len(m.near(fmt.Sprint("key-", i), 0, 10)); (n == 1) != (i%1000 == 0) {
			t.Fatalf("%d windows of key %d", n, i)
		}
	}
}
