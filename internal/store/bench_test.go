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
	"github.com/weirstream/weir/window"
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

// BenchmarkSession is what a session aggregation does with a record: find the key's sessions, drop the one that it is in, put it longer.
func BenchmarkSession(b *testing.B) {
	for _, cached := range []bool{false, true} {
		b.Run(fmt.Sprintf("cached=%v", cached), func(b *testing.B) { benchSession(b, cached) })
	}
}

func benchSession(b *testing.B, cached bool) {
	s := rows.NewSession("s", serde.String(), serde.Int64(), 3_600_000, false)
	s.Cached = cached
	set, err := store.Open(onDisk(b), nil, []*rows.Spec{s})
	must(b, err)
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	must(b, set.Start(log, &rows.Context{Topic: "in"}, func(err error) { b.Fatal(err) }, nil))
	got, _ := set.Store("s")
	sessions := got.(*rows.Sessions[string, int64])
	names := benchNames(1000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		k, at := names[i%1000], int64(i)
		sum, start := int64(1), at
		var old []window.Key[string]
		for w, it := range sessions.Find(k, at-5000, at+5000) {
			sum, start = sum+it.Value, w.StartMs()
			old = append(old, w)
		}
		for _, w := range old {
			must(b, sessions.T.Delete(w, at))
		}
		must(b, sessions.T.Set(window.NewKey(k, start, at), sum, at))
		if i++; i%10_000 == 0 {
			must(b, set.FlushCaches())
			must(b, set.Commit(nil))
		}
	}
	must(b, set.Close())
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkJoin is what a stream join does with a record: look into the other side's window, put into its own.
func BenchmarkJoin(b *testing.B) {
	side := func(name string) *rows.Spec {
		return rows.NewWindow(name, serde.String(), serde.Int64(), rows.Windowing{Size: 10_000, Retention: 600_000, Duplicates: true})
	}
	set, err := store.Open(onDisk(b), nil, []*rows.Spec{side("left"), side("right")})
	must(b, err)
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	must(b, set.Start(log, &rows.Context{Topic: "in"}, func(err error) { b.Fatal(err) }, nil))
	var sides [2]*rows.Windows[string, int64]
	for i, name := range []string{"left", "right"} {
		got, _ := set.Store(name)
		sides[i] = got.(*rows.Windows[string, int64])
	}
	names := benchNames(1000)
	b.ReportAllocs()
	i, found := 0, 0
	for b.Loop() {
		k, at := names[i/2%1000], int64(i)
		for range sides[1-i%2].Between(k, at-5000, at+5000, false) {
			found++
		}
		must(b, sides[i%2].PutAt(k, at, 1, at))
		if i++; i%10_000 == 0 {
			must(b, set.Commit(nil))
		}
	}
	b.ReportMetric(float64(found)/float64(i), "found/op")
	must(b, set.Close())
}
