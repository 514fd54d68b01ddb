//go:build !race

package flow

import (
	"testing"
	"time"

	"github.com/weirstream/weir/processor"
)

// TestStatelessHopsDoNotAllocate is the budget of a hop: nothing.
func TestStatelessHopsDoNotAllocate(t *testing.T) {
	type rec = processor.Record[int64, int64]
	n := NewNode(&Env{Stats: new(Stats)}, "n", nil, nil)
	var sum int64
	end := Receiver[int64, int64](func(r rec) error { sum += r.Value; return nil })
	double := func(v int64) int64 { return 2 * v }
	hops := map[string]Receiver[int64, int64]{
		"Filter": Filter(n, func(r rec) (bool, error) { return Call2(func(k, v int64) bool { return v > 0 }, r.Key, r.Value) }, end),
		"Peek":   Peek(n, func(rec) error { return nil }, end),
		"Map": Map(n, DropNulls, func(r rec) (rec, error) {
			v, err := Call1(double, r.Value)
			return processor.WithValue(r, v), err
		}, nil, end),
		"FlatMap":   FlatMap(n, PassNullValues, func(r rec, emit func(rec)) error { emit(r); emit(r); return nil }, end, end),
		"Split":     Split(n, []func(k, v int64) bool{func(_, v int64) bool { return v > 1 }}, []Receiver[int64, int64]{end, end}),
		"Fan":       Fan([]Receiver[int64, int64]{end, end}),
		"KeyFilter": KeyFilter(n, end),
		"Process":   Process(n, passing{Forwarding(n, end)}),
	}
	r := processor.NewRecord[int64, int64](1, 2, time.UnixMilli(3))
	for name, hop := range hops {
		if err := hop(r); err != nil {
			t.Fatal(name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = hop(r) }); n != 0 {
			t.Errorf("%s allocates %v times a record", name, n)
		}
	}
	if sum == 0 {
		t.Error("nothing came through")
	}
}

type passing struct {
	out processor.Forward[int64, int64]
}

func (passing) Init(processor.Context, processor.Forward[int64, int64]) error { return nil }
func (p passing) Process(r processor.Record[int64, int64]) error              { return p.out(r) }
