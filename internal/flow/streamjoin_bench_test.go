package flow

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
	"github.com/weirstream/weir/window"
)

// pairing is an inner or left join of two streams of strings on one engine.
type pairing struct {
	set         *store.Set
	left, right Receiver[string, string]
	results     int
}

func newPairing(t testing.TB, e state.Engine, left bool) *pairing {
	w := window.Within(5 * time.Second).Grace(3 * time.Second)
	specs := []*rows.Spec{
		rows.NewSide("l", serde.String(), serde.String(), w.SizeMs(), w.RetentionMs()),
		rows.NewSide("r", serde.String(), serde.String(), w.SizeMs(), w.RetentionMs()),
		rows.NewPending("p", serde.String(), "string"),
	}
	set, err := store.Open(e, nil, specs)
	if err != nil {
		t.Fatal(err)
	}
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	if err := set.Start(log, &rows.Context{}, func(err error) { t.Error(err) }, func(string) {}); err != nil {
		t.Fatal(err)
	}
	n := NewNode(&Env{Stores: set, Stats: &Stats{}, StreamTime: -1, EmitEvery: 1000}, "join", nil, nil)
	p := &pairing{set: set}
	next := func(processor.Record[string, string]) error { p.results++; return nil }
	pair := func(_ *processor.Record[string, string], other string) (string, error) { return other, nil }
	l, r := stored[*rows.Side[string, string]](set, "l"), stored[*rows.Side[string, string]](set, "r")
	sides := [2]StreamJoin[string, string, string, string]{
		rows.RightSide: {Window: w.Mirror(), Own: r, Others: l, Pair: pair, Side: rows.RightSide, Value: serde.String()},
		rows.LeftSide:  {Window: w, Own: l, Others: r, Pair: pair, Side: rows.LeftSide, Value: serde.String()},
	}
	if left {
		lone := NewLonely(n.Env, "p", stored[*rows.Pending[string]](set, "p"), w, -1, [2]func(string, []byte) (string, error){
			rows.LeftSide: func(_ string, raw []byte) (string, error) { return string(raw), nil },
		})
		sides[rows.LeftSide].Alone = func(_, v string) (string, error) { return v, nil }
		sides[rows.LeftSide].Lone, sides[rows.RightSide].Lone = lone, lone
	}
	p.left = KeepSide(n, l, JoinStreams(n, sides[rows.LeftSide], next))
	p.right = KeepSide(n, r, JoinStreams(n, sides[rows.RightSide], next))
	return p
}

func stored[S any](set *store.Set, name string) S {
	s, _ := set.Store(name)
	return s.(S)
}

// run takes n records, by turns from the left and the right, ten a millisecond, and commits now and then.
func (p *pairing) run(t testing.TB, keys []string, n int, cache int64) {
	start := time.UnixMilli(1_700_000_000_000).UTC()
	const value = "a value of some length, as they come: 0123456789 0123456789 0123456789 0123456789 0123456789"
	for i := range n {
		r := processor.NewRecord(keys[(i/2*7919+i%2*31)%len(keys)], value, start.Add(time.Duration(i)*100*time.Microsecond))
		to := p.left
		if i&1 == 1 {
			to = p.right
		}
		err := to(r)
		if err == nil {
			err = p.set.Trim(cache)
		}
		if err == nil && i%10_000 == 9_999 {
			err = p.set.Commit(nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// cpu is the processor time of this process: what a benchmark takes beside others.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkStreamJoin is a record of a join within 5 s at 10,000 records a second of event time, of 100,000 keys and of 10,000:
// without results, and with 2 a record. Without a cache every walk is a scan.
func BenchmarkStreamJoin(b *testing.B) {
	for _, left := range []bool{false, true} {
		for _, keys := range []int{100_000, 10_000} {
			for _, cache := range []int64{64 << 20, 0} {
				b.Run(fmt.Sprintf("left=%v/keys=%d/cache=%dM", left, keys, cache>>20), func(b *testing.B) {
					e, err := pebble.New().Open(b.TempDir(), "0_0")
					if err != nil {
						b.Fatal(err)
					}
					p := newPairing(b, e, left)
					names := make([]string, keys)
					for i := range names {
						names[i] = fmt.Sprintf("user-%07d", i)
					}
					b.ReportAllocs()
					b.ResetTimer()
					before := cpu(b)
					p.run(b, names, b.N, cache)
					b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
					b.ReportMetric(float64(p.results)/float64(b.N), "results/op")
				})
			}
		}
	}
}

// A join allocates the values that it decodes, and what keeping records costs now and then.
func TestStreamJoinAllocates(t *testing.T) {
	p := newPairing(t, mem.New(), false)
	keys := []string{"a", "b", "c"}
	p.run(t, keys, 3000, 64<<20)
	before := p.results
	allocs := testing.AllocsPerRun(1, func() { p.run(t, keys[:1], 1000, 64<<20) })
	if results := p.results - before; float64(results) < allocs-200 {
		t.Errorf("%v allocations for %d results", allocs, results)
	}
}
