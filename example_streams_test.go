package weir_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
)

// skipped passes over what fails, and says why.
var skipped = weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
	fmt.Println("skipped:", e.Err)
	return weir.Skip()
})

// Each record of the topics, once, as it is read; null keys and values pass. No record is late: that is a matter of windows.
func ExampleFrom() {
	b := weir.NewBuilder()
	weir.From(b, weir.Topics(orders, baskets)).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, baskets).Send("jam", 2)
	weirtest.In(d, orders).SendRecord(weir.Tombstone[int64]("tea", d.Now()))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// jam 2
	// tea deleted
}

// The records for which the function is false, at once. A null value is shown as the zero value, and stays null.
func ExampleStream_FilterNot() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).FilterNot(func(_, page string) bool { return strings.HasPrefix(page, "/admin") }).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("bob", "/admin/users")
	in.SendRecord(weir.Tombstone[string]("eve", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// ann /tea
	// eve deleted
}

// A filter that sees the whole record, so that it can tell null from zero, and that may fail: then OnError decides.
func ExampleStream_TryFilter() {
	b := weir.NewBuilder()
	weir.From(b, orders).TryFilter(func(_ context.Context, r weir.Record[string, int64]) (bool, error) {
		if r.Value < 0 {
			return false, fmt.Errorf("%d pieces of %s", r.Value, r.Key)
		}
		return !r.IsNull(), nil
	}, skipped).To(tallies)

	d := driven(b)
	in := weirtest.In(d, orders)
	in.Send("tea", 0)
	in.Send("jam", -1)
	in.SendRecord(weir.Tombstone[int64]("rye", d.Now()))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// skipped: -1 pieces of jam
	// tea 0
}

// Every record goes on as it is, after the function has seen it; null as the zero value.
func ExampleStream_Peek() {
	b := weir.NewBuilder()
	weir.From(b, orders).Peek(func(product string, n int64) { fmt.Println("ordered:", product, n) }).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	printAll(weirtest.Out(d, tallies))
	// Output:
	// ordered: tea 3
	// tea 3
}

// A record goes on if the function has seen it without an error; otherwise OnError decides.
func ExampleStream_TryPeek() {
	b := weir.NewBuilder()
	weir.From(b, orders).TryPeek(func(_ context.Context, r weir.Record[string, int64]) error {
		if r.IsNull() {
			return fmt.Errorf("no number of %s", r.Key)
		}
		return nil
	}, skipped).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, orders).SendRecord(weir.Tombstone[int64]("jam", d.Now()))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// skipped: no number of jam
	// tea 3
}

// A line for each record, which goes on as it is.
func ExampleStream_Print() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).Print(os.Stdout)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, pageViews).SendRecord(weir.Tombstone[string]("ann", d.Now()))
	// Output:
	// ann, /tea
	// ann, null
}

// The end of a stream: nothing is emitted. Null is shown as the zero value.
func ExampleStream_ForEach() {
	b := weir.NewBuilder()
	weir.From(b, orders).ForEach(func(product string, n int64) { fmt.Println(product, n) })

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, orders).SendRecord(weir.Tombstone[int64]("jam", d.Now()))
	// Output:
	// tea 3
	// jam 0
}

// What fails may be tried again, here a second later; the records behind it wait.
func ExampleStream_TryForEach() {
	busy := errors.New("busy")
	retried := weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Retry(time.Second) })
	b := weir.NewBuilder()
	weir.From(b, orders).TryForEach(func(_ context.Context, r weir.Record[string, int64]) (err error) {
		err, busy = busy, nil
		fmt.Println(r.Key, r.Value, err)
		return err
	}, retried)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, orders).Send("jam", 2)
	// Output:
	// tea 3 busy
	// tea 3 <nil>
	// jam 2 <nil>
}

// The records of both streams as they come, null ones too.
func ExampleStream_Merge() {
	b := weir.NewBuilder()
	weir.From(b, orders).Merge(weir.From(b, baskets)).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, baskets).Send("jam", 2)
	weirtest.In(d, baskets).SendRecord(weir.Tombstone[int64]("jam", d.Now()))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// jam 2
	// jam deleted
}

// What another key, or another number of partitions, should bring together passes a topic of its own. A null key is dropped, a null value passes.
func ExampleStream_Repartition() {
	b := weir.NewBuilder()
	weir.From(b, orders).Repartition("by-product", weir.Partitions(3)).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	d.SendRaw("orders", 0, nil, nil, d.Now())
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Topics(), d.Dropped())
	// Output:
	// tea 3
	// [orders tallies test-by-product-repartition] map[by-product-repartition-filter:map[null key:1]]
}

// One record in the topic for each of the stream, with its time and headers; null keys and values are written as null.
func ExampleStream_To() {
	b := weir.NewBuilder()
	weir.From(b, orders).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).SendAt("tea", 3, eightOClock)
	weirtest.In(d, orders).SendRecord(weir.Tombstone[int64]("tea", eightOClock.Add(time.Minute)))
	for _, r := range weirtest.Out(d, tallies).All() {
		fmt.Println(r.Time.Format(time.TimeOnly), r.Key, r.Value, r.IsNull())
	}
	// Output:
	// 08:00:00 tea 3 false
	// 08:01:00 tea 0 true
}

// The topic is chosen for each record; the zero Topic drops it.
func ExampleStream_ToFunc() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).ToFunc(func(r weir.Record[string, string]) (none weir.Topic[string, string]) {
		switch {
		case r.IsNull():
			return none
		case strings.HasPrefix(r.Value, "/offers"):
			return offers
		}
		return output
	})

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("bob", "/offers/tea")
	in.SendRecord(weir.Tombstone[string]("eve", d.Now()))
	printAll(weirtest.Out(d, output))
	printAll(weirtest.Out(d, offers))
	fmt.Println(d.Dropped())
	// Output:
	// ann /tea
	// bob /offers/tea
	// map[to-func-1:map[no topic:1]]
}

// Each record under another key, at once; a null value stays null. What keeps state below gets it through a repartition topic.
func ExampleKeyBy() {
	b := weir.NewBuilder()
	weir.KeyBy(weir.From(b, pageViews), func(_, page string) string { return page }).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	printAll(weirtest.Out(d, output))
	// Output: /tea /tea
}
