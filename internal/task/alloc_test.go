//go:build !race

package task_test

import (
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
)

// TestStepAllocates is the budget of a record that a task takes: nothing beyond the serdes' own, with headers one more, for the stores' context.
func TestStepAllocates(t *testing.T) {
	for name, c := range map[string]struct {
		raw    flow.Raw
		budget float64
	}{"plain": {flow.Raw{}, 0}, "headers": {flow.Raw{Headers: processor.Headers{{Key: "h"}}}, 1}} {
		got := testing.AllocsPerRun(200, stepper(t, c.raw))
		if got > c.budget {
			t.Errorf("%s: %v allocations a record, want at most %v", name, got, c.budget)
		}
	}
}

// stepper returns a function that pushes one record and takes it.
func stepper(t testing.TB, raw flow.Raw) func() {
	ran := make([]seen, 0, 1)
	made, err := modelTask(-1, 0, &ran, nil)
	if err != nil {
		t.Fatal(err)
	}
	recs := []flow.Raw{raw}
	return func() {
		ran = ran[:0]
		if _, err := made.Push(modelInputs[0], recs); err != nil {
			t.Fatal(err)
		}
		recs[0].Offset++
		if n, err := made.Step(1, 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
}

// BenchmarkStep is one record of a batch of 500 that comes from one partition of a task with three.
func BenchmarkStep(b *testing.B) {
	const batch = 500
	ran := make([]seen, 0, batch)
	made, err := modelTask(-1, 0, &ran, nil)
	if err != nil {
		b.Fatal(err)
	}
	recs := make([]flow.Raw, batch)
	b.ReportAllocs()
	for left, next := b.N, int64(0); left > 0; left -= batch {
		for i := range recs {
			recs[i].Offset = next
			next++
		}
		ran = ran[:0]
		if _, err := made.Push(modelInputs[0], recs); err != nil {
			b.Fatal(err)
		}
		if n, err := made.Step(1, batch); n != batch || err != nil {
			b.Fatal(n, err)
		}
	}
}
