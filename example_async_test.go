package weir_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	baskets = weir.NewTopic("baskets", serde.String(), serde.Int64())
	answers = weir.NewTopic("answers", serde.String(), serde.String())
)

// Many calls at once, in order per key: what follows from a result runs on the task's goroutine, as if the record were just taken.
func ExampleAsyncMapValues() {
	rates := func(_ context.Context, r weir.Record[string, int64]) (string, error) { // asks somebody else
		return fmt.Sprintf("%d.00 €", r.Value), nil
	}
	b := weir.NewBuilder()
	weir.AsyncMapValues(weir.From(b, baskets), rates, weir.Named("rates"), weir.Concurrency(32), weir.Timeout(time.Second)).To(answers)
	d := driven(b)
	in, out := weirtest.In(d, baskets), weirtest.Out(d, answers)
	in.Send("ann", 3)
	in.Send("bob", 5)
	for _, r := range out.All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// ann 3.00 €
	// bob 5.00 €
}

// The key may change too; the order is that of the input's keys.
func ExampleAsyncMap() {
	owner := func(_ context.Context, r weir.Record[string, int64]) (string, string, error) {
		return "owner of " + r.Key, fmt.Sprint(r.Value), nil
	}
	b := weir.NewBuilder()
	weir.AsyncMap(weir.From(b, baskets), owner, weir.Named("owner")).To(answers)
	d := driven(b)
	weirtest.In(d, baskets).Send("ann", 3)
	for _, r := range weirtest.Out(d, answers).All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// owner of ann 3
}

// Any number of results, in their order.
func ExampleAsyncFlatMapValues() {
	parts := func(_ context.Context, r weir.Record[string, int64]) (all []string, err error) {
		for i := range r.Value {
			all = append(all, fmt.Sprint("part ", i+1))
		}
		return all, nil
	}
	b := weir.NewBuilder()
	weir.AsyncFlatMapValues(weir.From(b, baskets), parts, weir.Named("parts")).To(answers)
	d := driven(b)
	weirtest.In(d, baskets).Send("ann", 2)
	for _, r := range weirtest.Out(d, answers).All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// ann part 1
	// ann part 2
}

// A call that fails is repeated, after a while that doubles; what never succeeds meets OnError. Other keys do not wait for it.
func ExampleStream_AsyncFilter() {
	tries := 0
	allowed := func(_ context.Context, r weir.Record[string, int64]) (bool, error) {
		if r.Key != "ann" {
			return true, nil
		}
		if tries++; tries < 3 {
			return false, errors.New("busy")
		}
		return true, nil
	}
	b := weir.NewBuilder()
	accepted := weir.NewTopic("accepted", serde.String(), serde.Int64())
	weir.From(b, baskets).AsyncFilter(allowed, weir.Named("allowed"), weir.Backoff(3, 100*time.Millisecond)).To(accepted)
	d := driven(b)
	in, out := weirtest.In(d, baskets), weirtest.Out(d, accepted)
	in.Send("ann", 3)
	in.Send("bob", 5)
	d.AdvanceWallClock(100 * time.Millisecond)
	d.AdvanceWallClock(200 * time.Millisecond)
	for _, r := range out.All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// bob 5
	// ann 3
}

// At least one call for each record, also over restarts.
func ExampleStream_AsyncForEach() {
	notify := func(_ context.Context, r weir.Record[string, int64]) error {
		fmt.Println("notified", r.Key)
		return nil
	}
	b := weir.NewBuilder()
	weir.From(b, baskets).AsyncForEach(notify, weir.Named("notify"), weir.Unordered())
	d := driven(b)
	weirtest.In(d, baskets).Send("ann", 3)
	d.Restart() // it was done: nobody is notified again
	// Output:
	// notified ann
}
