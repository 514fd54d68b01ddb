package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
)

// lender is a set with a global store "g", and a set that borrows it.
func lender(t testing.TB) (owner, borrower *Set, put func(k string, v int64), lent *rows.KeyValue[string, int64]) {
	t.Helper()
	open := func(specs ...*rows.Spec) *Set {
		s, err := Open(nil, mem.New(), specs)
		if err == nil {
			err = s.Start(nil, &rows.Context{}, func(err error) { t.Error(err) }, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	spec := rows.NewKeyValue("g", serde.String(), serde.Int64())
	spec.Logged, spec.Sourced = false, true
	owner, borrower = open(spec), open()
	owner.LendMemory(1 << 20)
	if err := borrower.Borrow("g", owner); err != nil {
		t.Fatal(err)
	}
	own, _ := owner.Store("g")
	of, ok := borrower.Store("g")
	if !ok {
		t.Fatal("a borrowed store is not found by name")
	}
	put = func(k string, v int64) {
		if err := own.(*rows.KeyValue[string, int64]).Put(k, v); err != nil {
			t.Fatal(err)
		}
	}
	return owner, borrower, put, of.(*rows.KeyValue[string, int64])
}

func commit(t testing.TB, s *Set) {
	t.Helper()
	if err := s.Commit(map[string]int64{"g": 1}); err != nil {
		t.Fatal(err)
	}
}

func TestLentRowsAreCommitted(t *testing.T) {
	owner, borrower, put, lent := lender(t)
	l, _ := borrower.Lent("g")
	seen := l.Watched(func(budget int64) Watcher { return rows.NewSeen[int64](budget) }).(*rows.Seen[int64])
	holds := func(when string, want int64, has bool) {
		t.Helper()
		for range 2 { // read, and seen
			v, _, ok, err := lent.T.Glance("a", seen)
			if v != want || ok != has || err != nil {
				t.Errorf("%s: %d, %v, %v", when, v, ok, err)
			}
		}
		if v, ok, err := lent.Get("a"); v != want || ok != has || err != nil {
			t.Errorf("%s: Get: %d, %v, %v", when, v, ok, err)
		}
		n := 0
		for range lent.All() {
			n++
		}
		if (n == 1) != has {
			t.Errorf("%s: %d rows", when, n)
		}
	}
	holds("empty", 0, false)
	put("a", 1)
	holds("not committed", 0, false)
	commit(t, owner)
	holds("committed", 1, true)
	put("a", 2)
	holds("changed", 1, true)
	commit(t, owner)
	holds("committed again", 2, true)
	put("a", 3)
	if err := owner.Discard(); err != nil {
		t.Fatal(err)
	}
	holds("discarded", 2, true)
	if err := owner.Forget("g"); err != nil {
		t.Fatal(err)
	}
	holds("forgotten", 0, false)
}

func TestLentStoresAreReadOnly(t *testing.T) {
	_, borrower, _, lent := lender(t)
	for what, err := range map[string]error{"put": lent.Put("a", 1), "delete": lent.Delete("a")} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := borrower.Borrow("none", borrower); err == nil {
		t.Error("a store that nobody has was borrowed")
	}
	if borrower.Has("g") {
		t.Error("a borrowed store counts as the task's own: a query would find its rows twice")
	}
}

func TestGlanceAllocatesNothing(t *testing.T) {
	owner, borrower, put, lent := lender(t)
	put("a", 1)
	commit(t, owner)
	l, _ := borrower.Lent("g")
	seen := l.Watched(func(budget int64) Watcher { return rows.NewSeen[int64](budget) }).(*rows.Seen[int64])
	if n := testing.AllocsPerRun(100, func() { _, _, _, _ = lent.T.Glance("a", seen) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkGlance looks rows of a global table up in what was seen already, and below, in memory.
func BenchmarkGlance(b *testing.B) {
	owner, borrower, put, lent := lender(b)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("key-", i)
		put(keys[i], int64(i))
	}
	commit(b, owner)
	l, _ := borrower.Lent("g")
	seen := l.Watched(func(budget int64) Watcher { return rows.NewSeen[int64](budget) }).(*rows.Seen[int64])
	b.Run("seen", func(b *testing.B) {
		for i := range b.N {
			_, _, _, _ = lent.T.Glance(keys[i%len(keys)], seen)
		}
	})
	b.Run("below", func(b *testing.B) {
		for i := range b.N {
			_, _, _, _ = lent.T.Get(keys[i%len(keys)])
		}
	})
}
