package enginetest

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/state"
)

// T is as much of a *testing.T as a check needs. It is an interface so that the suite can be shown broken engines and be heard to
// complain.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// check is one thing that an engine must do. It leaves the engine open, with no snapshot or iterator of its own.
type check struct {
	name string
	run  func(t T, e state.Engine)
}

var checks = []check{
	{"get of a missing row", getMissing},
	{"get appends to dst", getAppends},
	{"get gives a copy", getCopies},
	{"empty values", emptyValues},
	{"set replaces", setReplaces},
	{"delete", deleteRow},
	{"delete range", deleteRange},
	{"batch in order", batchInOrder},
	{"batch of every kind", batchMixed},
	{"batch is not kept", batchReuse},
	{"empty batch", emptyBatch},
	{"large batch", largeBatch},
	{"iterator in order", iterOrder},
	{"iterator bounds", iterBounds},
	{"iterator of nothing", iterEmpty},
	{"iterator closed early", iterClosedEarly},
	{"iterator copies its bounds", iterCopiesBounds},
	{"iterator is stable", iterStable},
	{"iterator and deletes", iterDeletes},
	{"snapshot is isolated", snapshotIsolated},
	{"snapshot iterator is isolated", snapshotIter},
	{"snapshots of several moments", snapshotsMany},
	{"flush keeps rows", flushKeeps},
	{"readers see whole batches", concurrentReaders},
	{"random operations", func(t T, e state.Engine) { random(t, e, 1) }},
	{"random operations, other seed", func(t T, e state.Engine) { random(t, e, 2) }},
}

// Run checks the engines that open makes, each of them empty.
func Run(t *testing.T, open func(t *testing.T) state.Engine) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			e := open(t)
			c.run(t, e)
			closeEngine(t, e)
		})
	}
}

// RunDurable checks engines that live in a directory: open opens the engine of dir, or makes it where there is none. The names of
// directories are those of t.TempDir, which exist on disk; an opener with a file system of its own takes them as mere names.
func RunDurable(t *testing.T, open func(t *testing.T, dir string) state.Engine) {
	Run(t, func(t *testing.T) state.Engine { return open(t, t.TempDir()) })
	for _, c := range durableChecks {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			c.run(t, func() state.Engine { return open(t, dir) })
		})
	}
}

func closeEngine(t T, e state.Engine) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// pair is a row as tests write it.
type pair struct{ key, value string }

func (p pair) String() string { return fmt.Sprintf("%q=%q", p.key, p.value) }

// batch builds a batch from pairs.
func batch(rows ...pair) *state.Batch {
	var b state.Batch
	for _, r := range rows {
		b.Set([]byte(r.key), []byte(r.value))
	}
	return &b
}

func apply(t T, e state.Engine, b *state.Batch) {
	t.Helper()
	if err := e.Apply(b); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// wantGet checks one row; missing is a nil want.
func wantGet(t T, r state.Reader, key string, want *string) {
	t.Helper()
	got, ok, err := r.Get(nil, []byte(key))
	switch {
	case err != nil:
		t.Fatalf("get %q: %v", key, err)
	case ok != (want != nil):
		t.Errorf("get %q: found %v, want %v", key, ok, want != nil)
	case ok && string(got) != *want:
		t.Errorf("get %q: %q, want %q", key, got, *want)
	}
}

// wantRows checks a walk with bounds, where "" is no bound.
func wantRows(t T, r state.Reader, lo, hi string, reverse bool, want ...pair) {
	t.Helper()
	got := walk(t, r, bound(lo), bound(hi), reverse)
	if len(got) != len(want) {
		t.Errorf("iter [%q, %q) reverse=%v: %d rows %v, want %d %v", lo, hi, reverse, len(got), got, len(want), want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("iter [%q, %q) reverse=%v: row %d is %v, want %v", lo, hi, reverse, i, got[i], want[i])
		}
	}
}

func bound(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func iter(t T, r state.Reader, lo, hi []byte, reverse bool) state.Iterator {
	t.Helper()
	it, err := r.Iter(lo, hi, reverse)
	if err != nil {
		t.Fatalf("iter [%q, %q) reverse=%v: %v", lo, hi, reverse, err)
	}
	return it
}

func walk(t T, r state.Reader, lo, hi []byte, reverse bool) []pair {
	t.Helper()
	return drain(t, iter(t, r, lo, hi, reverse))
}

// drain reads an iterator to its end, asks once more, and closes it.
func drain(t T, it state.Iterator) (rows []pair) {
	t.Helper()
	for it.Next() {
		rows = append(rows, pair{string(it.Key()), string(it.Value())})
	}
	if it.Next() {
		t.Errorf("iter: a row after the end: %q", it.Key())
	}
	if err := it.Err(); err != nil {
		t.Errorf("iter: %v", err)
	}
	closeIter(t, it)
	return rows
}

func closeIter(t T, it state.Iterator) {
	t.Helper()
	if err := it.Close(); err != nil {
		t.Errorf("close iterator: %v", err)
	}
}

func closeSnapshot(t T, s state.Snapshot) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close snapshot: %v", err)
	}
}

func p[V any](v V) *V { return &v }
