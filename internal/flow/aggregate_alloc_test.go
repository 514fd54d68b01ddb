//go:build !race

package flow

import (
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

func countNode(t testing.TB) Receiver[string, int64] {
	spec := rows.NewKeyValue("counts", serde.String(), serde.Int64())
	spec.Cached = true
	n := started(t, spec)
	s, _ := n.Env.Stores.Store("counts")
	return Aggregate(n, s.(*rows.KeyValue[string, int64]).T, counting[string, int64](), false, Fan[string, Change[int64]](nil))
}

func windowNode(t testing.TB, w window.TimeWindows) Receiver[string, int64] {
	spec := rows.NewWindow("counts", serde.String(), serde.Int64(), rows.Windowing{Size: w.SizeMs(), Advance: w.AdvanceMs(), Retention: w.RetentionMs()})
	spec.Cached = true
	n := started(t, spec)
	s, _ := n.Env.Stores.Store("counts")
	return AggregateWindows(n, "counts", s.(*rows.Windows[string, int64]).T, w, counting[string, int64](), nil, false, Fan[window.Key[string], Change[int64]](nil))
}

func slidingNode(t testing.TB, w window.SlidingWindows) (*Node, Receiver[string, int64]) {
	spec := rows.NewWindow("counts", serde.String(), serde.Int64(), rows.Windowing{Size: w.DiffMs(), Retention: w.RetentionMs()})
	spec.Cached = true
	n := started(t, spec)
	s, _ := n.Env.Stores.Store("counts")
	return n, AggregateSliding(n, "counts", s.(*rows.Windows[string, int64]), w, counting[string, int64](), nil, false, Fan[window.Key[string], Change[int64]](nil))
}

// A record at the time of the one before it enters the windows that exist.
func TestSlidingCacheHitAllocatesNothing(t *testing.T) {
	_, take := slidingNode(t, window.Sliding(time.Second))
	for _, ms := range []int64{3_600_000, 3_600_100, 3_600_200} {
		if err := take(processor.NewRecord("merchant-17", int64(5), time.UnixMilli(ms))); err != nil {
			t.Fatal(err)
		}
	}
	r := processor.NewRecord("merchant-17", int64(5), time.UnixMilli(3_600_200))
	failed := error(nil)
	if allocs := testing.AllocsPerRun(1000, func() { failed = take(r) }); allocs > 0 || failed != nil {
		t.Errorf("%v allocations, error %v", allocs, failed)
	}
}

// Each record enters ten windows or so, and makes two.
func BenchmarkSlidingCount(b *testing.B) {
	n, take := slidingNode(b, window.Sliding(10*time.Millisecond))
	i := 0
	benchmarkTake(b, func(r processor.Record[string, int64]) error {
		if i++; i%10_000 == 0 {
			if err := n.Env.Stores.FlushCaches(); err != nil {
				return err
			}
			if err := n.Env.Stores.Commit(nil); err != nil {
				return err
			}
			if err := n.Env.Stores.Trim(1 << 20); err != nil {
				return err
			}
		}
		r.Time = time.UnixMilli(3_600_000 + int64(i)/64).UTC()
		return take(r)
	})
}

func TestCacheHitAllocatesNothing(t *testing.T) {
	for name, take := range map[string]Receiver[string, int64]{"count": countNode(t), "windowed count": windowNode(t, window.Tumbling(time.Hour))} {
		r := processor.NewRecord("merchant-17", int64(5), time.UnixMilli(3_600_000))
		r.Headers = processor.Headers{{Key: "h"}}
		failed := error(nil)
		allocs := testing.AllocsPerRun(1000, func() {
			r.Time = r.Time.Add(time.Millisecond)
			if err := take(r.WithHeaders(nil)); err != nil {
				failed = err
			}
		})
		if allocs > 0 || failed != nil {
			t.Errorf("%s: %v allocations, error %v", name, allocs, failed)
		}
	}
}

func BenchmarkCount(b *testing.B) { benchmarkTake(b, countNode(b)) }

func BenchmarkWindowedCount(b *testing.B) {
	benchmarkTake(b, windowNode(b, window.Tumbling(time.Hour)))
}

func benchmarkTake(b *testing.B, take Receiver[string, int64]) {
	keys := [64]string{}
	for i := range keys {
		keys[i] = "merchant-" + string(rune('a'+i))
	}
	start := time.UnixMilli(3_600_000).UTC()
	b.ReportAllocs()
	for i := range b.N {
		if err := take(processor.NewRecord(keys[i%64], int64(i), start.Add(time.Duration(i)*time.Microsecond))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessionCount(b *testing.B) {
	spec := rows.NewSession("counts", serde.String(), serde.Int64(), 1000, false)
	spec.Cached = true
	n := started(b, spec)
	s, _ := n.Env.Stores.Store("counts")
	f := counting[string, int64]()
	f.Merge = func(_ string, n int64, _ bool, more int64) (int64, error) { return n + more, nil }
	take := AggregateSessions(n, "counts", s.(*rows.Sessions[string, int64]), window.Session(time.Second), f, nil, false, Fan[window.Key[string], Change[int64]](nil))
	i := 0
	benchmarkTake(b, func(r processor.Record[string, int64]) error {
		if i++; i%10_000 == 0 { // as often as a task commits, or more
			if err := n.Env.Stores.FlushCaches(); err != nil {
				return err
			}
			if err := n.Env.Stores.Commit(nil); err != nil {
				return err
			}
		}
		return take(r)
	})
}
