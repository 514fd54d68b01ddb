package enginetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/weirstream/weir/state"
)

// model is an engine that is too dumb to be wrong: a map, and a sort for every walk.
type model map[string]string

func (m model) apply(ops []state.Op) {
	for _, op := range ops {
		k, v := string(op.Key), string(op.Value)
		switch op.Kind {
		case state.OpSet:
			m[k] = v
		case state.OpDelete:
			delete(m, k)
		case state.OpDeleteRange:
			maps.DeleteFunc(m, func(key, _ string) bool { return k <= key && key < v })
		}
	}
}

func (m model) rows(lo, hi []byte, reverse bool) (rows []pair) {
	for k, v := range m {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			rows = append(rows, pair{k, v})
		}
	}
	slices.SortFunc(rows, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	if reverse {
		slices.Reverse(rows)
	}
	return rows
}

// random applies random batches to an engine and a model, and compares reads of the engine, of snapshots and of iterators that were
// made some batches ago.
func random(t T, e state.Engine, seed uint64) {
	w := &walker{t: t, e: e, r: rand.New(rand.NewPCG(seed, 0)), seed: seed, m: model{}}
	for w.step = range 400 {
		w.act()
	}
	for len(w.open) > 0 {
		w.finish()
	}
}

// walker is the state of a random test.
type walker struct {
	t    T
	e    state.Engine
	r    *rand.Rand
	seed uint64
	step int
	m    model
	b    state.Batch
	open []view
}

// view is a snapshot, or an iterator in mid-walk, with the rows that it must still show.
type view struct {
	s    state.Snapshot
	m    model // of s
	it   state.Iterator
	rows []pair // of it
}

func (w *walker) act() {
	switch n := w.r.IntN(100); {
	case n < 50:
		w.apply()
	case n < 65:
		w.compare("engine", w.e, w.m)
	case n < 72:
		w.open = append(w.open, view{s: w.e.Snapshot(), m: maps.Clone(w.m)})
	case n < 80:
		w.beginIter()
	case n < 98:
		w.finish()
	default:
		flush(w.t, w.e)
	}
}

func (w *walker) apply() {
	w.b.Reset()
	for range w.r.IntN(12) {
		w.add()
	}
	w.m.apply(w.b.Ops())
	apply(w.t, w.e, &w.b)
}

func (w *walker) add() {
	switch n := w.r.IntN(10); {
	case n < 6:
		w.b.Set(w.key(), fmt.Append(nil, strings.Repeat("v", w.r.IntN(40)), w.step))
	case n < 9:
		w.b.Delete(w.key())
	default:
		w.b.DeleteRange(w.key(), w.key())
	}
}

// key is one of a few hundred, of one to three bytes, among them the least and the greatest.
func (w *walker) key() []byte {
	k := make([]byte, 1+w.r.IntN(3))
	for i := range k {
		k[i] = []byte{0, 1, 'a', 'b', 'c', 0xfe, 0xff}[w.r.IntN(7)]
	}
	return k
}

func (w *walker) bounds() (lo, hi []byte) {
	if w.r.IntN(4) > 0 {
		lo = w.key()
	}
	if w.r.IntN(4) > 0 {
		hi = w.key()
	}
	return lo, hi
}

func (w *walker) beginIter() {
	lo, hi := w.bounds()
	reverse := w.r.IntN(2) == 0
	v := view{it: iter(w.t, w.e, lo, hi, reverse), rows: w.m.rows(lo, hi, reverse)}
	for n := w.r.IntN(5); n > 0 && len(v.rows) > 0 && v.it.Next(); n-- {
		w.same("iterator", pair{string(v.it.Key()), string(v.it.Value())}, v.rows[0])
		v.rows = v.rows[1:]
	}
	w.open = append(w.open, v)
}

// finish takes a random open view, reads it to its end and closes it.
func (w *walker) finish() {
	if len(w.open) == 0 {
		return
	}
	i := w.r.IntN(len(w.open))
	v := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	if v.it != nil {
		w.same("rest of an older iterator", drain(w.t, v.it), v.rows)
		return
	}
	w.compare("older snapshot", v.s, v.m)
	closeSnapshot(w.t, v.s)
}

// compare reads r by a few points and a few walks.
func (w *walker) compare(what string, r state.Reader, m model) {
	for range 5 {
		k := w.key()
		got, ok, err := r.Get([]byte("dst"), k)
		want, has := m[string(k)]
		w.same(what, fmt.Sprintf("get %q: %q %v %v", k, got, ok, err), fmt.Sprintf("get %q: %q %v %v", k, "dst"+want, has, error(nil)))
	}
	for range 3 {
		lo, hi := w.bounds()
		reverse := w.r.IntN(2) == 0
		w.same(fmt.Sprintf("%s: walk [%q, %q) reverse=%v", what, lo, hi, reverse), walk(w.t, r, lo, hi, reverse), m.rows(lo, hi, reverse))
	}
}

func (w *walker) same(what string, got, want any) {
	w.t.Helper()
	if g, x := fmt.Sprint(got), fmt.Sprint(want); g != x {
		w.t.Fatalf("seed %d, step %d: %s\n got %s\nwant %s", w.seed, w.step, what, g, x)
	}
}
