package store_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

const benchKeys = 100_000

func benchNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("user-%07d", i*7919%n)
	}
	return names
}

type counts = rows.Table[string, int64]

func benchTable(b *testing.B, e state.Engine, cached bool) (*store.Set, *counts) {
	s := rows.NewKeyValue("counts", serde.String(), serde.Int64())
	s.Cached = cached
	set, err := store.Open(e, nil, []*rows.Spec{s})
	if err != nil {
		b.Fatal(err)
	}
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	if err := set.Start(log, &rows.Context{Topic: "in"}, func(err error) { b.Fatal(err) }, nil); err != nil {
		b.Fatal(err)
	}
	kv, _ := set.Store("counts")
	t := kv.(*rows.KeyValue[string, int64]).T
	t.OnUpdate(func(rows.Update[string, int64]) error { return nil }, false)
	return set, t
}

func onDisk(b *testing.B) state.Engine {
	e, err := pebble.New().Open(b.TempDir(), "0_0")
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func count(b *testing.B, t *counts, k string, at int64) {
	r, err := t.Ref(k)
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Put(r, r.Value+1, max(r.At, at)); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkHit is a count whose row is in the cache: one hot key, and 100,000.
func BenchmarkHit(b *testing.B) {
	for _, n := range []int{1, benchKeys} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			names := benchNames(n)
			_, t := benchTable(b, mem.New(), true)
			for _, k := range names {
				count(b, t, k, 1)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				count(b, t, names[i%n], 1)
				i++
			}
		})
	}
}

// BenchmarkMap is what BenchmarkHit is compared with: a hand-written map of pointers.
func BenchmarkMap(b *testing.B) {
	names := benchNames(benchKeys)
	m, dirty := map[string]*[16]byte{}, map[string]*[16]byte{}
	key := make([]byte, 0, 64)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		key = append(key[:0], names[i%benchKeys]...)
		e := m[string(key)]
		if e == nil {
			e = new([16]byte)
			m[string(key)] = e
		}
		binary.BigEndian.PutUint64(e[:], binary.BigEndian.Uint64(e[:])+1)
		dirty[string(key)] = e
		i++
	}
}

// BenchmarkFlush is the flush and commit of 100,000 dirty keys into Pebble, counted by the key.
func BenchmarkFlush(b *testing.B) {
	set, t := benchTable(b, onDisk(b), true)
	names := benchNames(benchKeys)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for _, k := range names {
			count(b, t, k, 1)
		}
		if err := set.FlushCaches(); err != nil {
			b.Fatal(err)
		}
		if err := set.Commit(map[string]int64{"counts": int64(n)}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchKeys), "ns/key")
	b.ReportMetric(float64(set.CacheBytes())/benchKeys, "cacheB/key")
	if err := set.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUncached is a count without a cache on Pebble, with a commit every 10,000.
func BenchmarkUncached(b *testing.B) {
	set, t := benchTable(b, onDisk(b), false)
	names := benchNames(benchKeys)
	for _, k := range names {
		count(b, t, k, 1)
	}
	if err := set.Commit(nil); err != nil {
		b.Fatal(err)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		count(b, t, names[i%benchKeys], 1)
		if i++; i%10_000 == 0 {
			if err := set.Commit(nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := set.Close(); err != nil {
		b.Fatal(err)
	}
}
