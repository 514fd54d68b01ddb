//go:build !race

package flow_test

import (
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// TestQueueAllocates is the budget of a record from Push to Run: what the serdes allocate, that is nothing for numbers and one for a string.
func TestQueueAllocates(t *testing.T) {
	e := newQueueEnv()
	numbers := flow.NewSource(e.node, flow.Decoder[int64, int64]{Key: serde.Int64(), Value: serde.Int64(),
		EventTime: func(r processor.Record[int64, int64], _ int64) (int64, error) { return r.Value, nil },
	}, func(processor.Record[int64, int64]) error { return nil }).Queue("t", 0)
	strings := flow.NewSource(e.node, texts(), func(processor.Record[string, int64]) error { return nil }).Queue("t", 0)
	for name, c := range map[string]struct {
		q      flow.Queue
		budget float64
	}{"numbers": {numbers, 0}, "a string": {strings, 1}} {
		raw := flow.Raw{Key: []byte("12345678"), Value: int64s(7), Headers: processor.Headers{{Key: "h"}}}
		got := testing.AllocsPerRun(200, func() {
			c.q.Push(raw)
			raw.Offset++
			if _, ok, err := c.q.Head(); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if err := c.q.Run(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.budget {
			t.Errorf("%s: %v allocations a record, want at most %v", name, got, c.budget)
		}
	}
}

func BenchmarkQueue(b *testing.B) {
	e := newQueueEnv()
	q := flow.NewSource(e.node, flow.Decoder[int64, int64]{Key: serde.Int64(), Value: serde.Int64()},
		func(processor.Record[int64, int64]) error { return nil }).Queue("t", 0)
	raw := flow.Raw{Key: int64s(1), Value: int64s(7)}
	b.ReportAllocs()
	for b.Loop() {
		q.Push(raw)
		_, _, _ = q.Head()
		_ = q.Run()
	}
}
