//go:build !race

package store_test

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

func allocSet(t *testing.T, s *rows.Spec) *store.Set {
	set, err := store.Open(mem.New(), nil, []*rows.Spec{s})
	if err != nil {
		t.Fatal(err)
	}
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	if err := set.Start(log, &rows.Context{Topic: "in"}, func(err error) { t.Fatal(err) }, nil); err != nil {
		t.Fatal(err)
	}
	return set
}

func wantAllocs(t *testing.T, what string, want float64, f func()) {
	t.Helper()
	f()
	if got := testing.AllocsPerRun(200, f); got > want {
		t.Errorf("%s: %v allocations, want %v", what, got, want)
	}
}

// TestHitAllocates nothing, in key-value and in window stores.
func TestHitAllocates(t *testing.T) {
	s := rows.NewKeyValue("kv", serde.String(), serde.Int64())
	s.Cached = true
	kv, _ := allocSet(t, s).Store("kv")
	table := kv.(*rows.KeyValue[string, int64]).T
	wantAllocs(t, "a hit", 0, func() {
		r, err := table.Ref("key-000001")
		if err != nil || table.Put(r, r.Value+1, 5) != nil {
			t.Fatal(err)
		}
	})
	w := rows.NewWindow("w", serde.String(), serde.Int64(), rows.Windowing{Size: 1000, Advance: 1000, Retention: 60_000})
	w.Cached = true
	got, _ := allocSet(t, w).Store("w")
	windows := got.(*rows.Windows[string, int64]).T
	key := window.NewKey("key-000001", 5000, 6000)
	wantAllocs(t, "a hit of a window", 0, func() {
		r, err := windows.Ref(key)
		if err != nil || windows.Put(r, r.Value+1, 5) != nil {
			t.Fatal(err)
		}
	})
}

// TestFlushAllocates one string per forwarded key, and little per flush.
func TestFlushAllocates(t *testing.T) {
	s := rows.NewKeyValue("kv", serde.String(), serde.Int64())
	s.Cached = true
	set := allocSet(t, s)
	kv, _ := set.Store("kv")
	table := kv.(*rows.KeyValue[string, int64]).T
	table.OnUpdate(func(rows.Update[string, int64]) error { return nil }, false)
	names := benchNames(100)
	wantAllocs(t, "a flush of 100 keys", 110, func() {
		for _, k := range names {
			r, err := table.Ref(k)
			if err != nil || table.Put(r, 1, 5) != nil {
				t.Fatal(err)
			}
		}
		if err := set.FlushCaches(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestUncachedAllocates nothing for a read and a write of a row that was written before.
func TestUncachedAllocates(t *testing.T) {
	kv, _ := allocSet(t, rows.NewKeyValue("kv", serde.String(), serde.Int64())).Store("kv")
	table := kv.(*rows.KeyValue[string, int64]).T
	wantAllocs(t, "a read and a write without a cache", 0, func() {
		r, err := table.Ref("key-000001")
		if err != nil || table.Put(r, r.Value+1, 5) != nil {
			t.Fatal(err)
		}
	})
}

// A store whose rows leave costs no allocation either while none leaves: one write moves a deadline, another one comes by.
func TestTTLAllocates(t *testing.T) {
	for _, wall := range []bool{false, true} {
		for _, cached := range []bool{false, true} {
			s := rows.NewKeyValue("kv", serde.String(), serde.Int64())
			s.Cached = cached
			s.Expiring(1_000_000, wall)
			set := allocSet(t, s)
			kv, _ := set.Store("kv")
			table := kv.(*rows.KeyValue[string, int64]).T
			at := int64(1)
			write := func() {
				at++
				set.SetWall(at)
				if err := table.Advance(at); err != nil {
					t.Fatal(err)
				}
				if err := table.Set("k", at, at); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 { // the first look at what may be over leaves uncommitted rows in order until they are committed
				write()
				if err := set.Commit(nil); err != nil {
					t.Fatal(err)
				}
			}
			wantAllocs(t, fmt.Sprintf("a put of a row that lives on, wall=%v, cached=%v", wall, cached), 0, write)
		}
	}
}
