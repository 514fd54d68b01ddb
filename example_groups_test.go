package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// The records of a stream under a new key, by way of a repartition topic. A null value is not aggregated.
func ExampleGroupBy() {
	b := weir.NewBuilder()
	byShelf := weir.GroupBy(weir.From(b, orders), func(product string, _ int64) string { return product[:1] })
	weir.Reduce(byShelf, "pieces-by-shelf", func(sum, n int64) int64 { return sum + n }).ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, orders)
	in.Send("tea", 3)
	in.Send("toast", 2)
	in.Send("jam", 1)
	in.SendRecord(weir.Tombstone[int64]("tea", d.Now()))
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// t 3
	// t 5
	// j 1
	// map[reduce-1:map[null value:1]]
}

// The key stays as it is: nothing is repartitioned where it has not been changed. A null key is dropped.
func ExampleStream_GroupByKey() {
	b := weir.NewBuilder()
	weir.Count(weir.From(b, pageViews).GroupByKey(), "views").ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("ann", "/cups")
	d.SendRaw("page-views", 0, nil, []byte("/pots"), d.Now())
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Topics(), d.Dropped())
	// Output:
	// ann 1
	// ann 2
	// [page-views tallies test-views-changelog] map[count-1:map[null key:1]]
}

// The first value is the first result; each that follows gives another. Here the longest page of each minute: a page that comes when its minute is over
// is dropped.
func ExampleReduce() {
	b := weir.NewBuilder()
	perMinute := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute))
	weir.Reduce(perMinute, "longest", func(longest, page string) string {
		if len(page) > len(longest) {
			return page
		}
		return longest
	}).ToStream().ForEach(func(k window.Key[string], page string) { fmt.Println(k.Start.Format("15:04"), k.Key, page) })

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(time.Second))
	in.SendAt("ann", "/jam", eightOClock.Add(time.Minute))
	in.SendAt("ann", "/teapots", eightOClock.Add(2*time.Second)) // late
	fmt.Println(d.Dropped())
	// Output:
	// 08:00 ann /tea
	// 08:00 ann /cups
	// 08:01 ann /jam
	// map[reduce-1:map[late:1]]
}

// The key without its window, at once; nulls pass.
func ExampleUnwindow() {
	b := weir.NewBuilder()
	perMinute := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute))
	weir.Unwindow(weir.Count(perMinute, "views-per-minute").ToStream()).To(tallies)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(time.Second))
	in.SendAt("ann", "/jam", eightOClock.Add(time.Minute))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// ann 1
	// ann 2
	// ann 1
}

// What the windows hold, to be read by key and start: in an App with ReadStore.
func ExampleWindowStoreOf() {
	b := weir.NewBuilder()
	perMinute := weir.Count(weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(time.Hour)), "views-per-minute")

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(time.Second))
	in.SendAt("ann", "/jam", eightOClock.Add(time.Minute))
	for start, n := range weirtest.Store(d, weir.WindowStoreOf(perMinute)).Fetch("ann", eightOClock, eightOClock.Add(time.Hour)) {
		fmt.Println(start.Format("15:04"), n)
	}
	// Output:
	// 08:00 2
	// 08:01 1
}

// What the sessions hold. Two that a record brings together have become one.
func ExampleSessionStoreOf() {
	b := weir.NewBuilder()
	visit := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Session(5 * time.Minute).Grace(time.Hour))
	views := weir.Count(visit, "views-per-visit")

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/pay", eightOClock.Add(8*time.Minute))
	in.SendAt("ann", "/cups", eightOClock.Add(4*time.Minute)) // within five minutes of both
	for k, n := range weirtest.Store(d, weir.SessionStoreOf(views)).Fetch("ann") {
		fmt.Println(k.Start.Format("15:04"), k.End.Format("15:04"), n)
	}
	// Output: 08:00 08:08 3
}
