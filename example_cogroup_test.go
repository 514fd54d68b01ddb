package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// Views and purchases, streams of different values, make one summary of each user.
func ExampleCogroup() {
	type user struct{ Views, Cents int }
	purchases := weir.NewTopic("purchases", serde.String(), serde.Int64()) // cents by user
	b := weir.NewBuilder()
	users := weir.Cogroup(func() user { return user{} },
		weir.Adding(weir.From(b, pageViews).GroupByKey(), func(_, _ string, u user) user { u.Views++; return u }),
		weir.Adding(weir.From(b, purchases).GroupByKey(), func(_ string, cents int64, u user) user { u.Cents += int(cents); return u }),
	)
	weir.AggregateCogroup(users, "users", weir.ValueSerde(serde.JSON[user]())).ToStream().ForEach(func(name string, u user) { fmt.Println(name, u) })

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	weirtest.In(d, purchases).Send("ann", 450)
	weirtest.In(d, pageViews).Send("bob", "/tea")
	weirtest.In(d, pageViews).Send("ann", "/cups")
	// Output:
	// ann {1 0}
	// ann {1 450}
	// bob {1 0}
	// ann {2 450}
}

// pieces adds what was ordered of a product, and what was put into baskets.
func pieces(b *weir.Builder) weir.Cogrouped[string, int64] {
	plus := func(_ string, n, sum int64) int64 { return sum + n }
	return weir.Cogroup(func() int64 { return 0 }, weir.Adding(weir.From(b, orders).GroupByKey(), plus), weir.Adding(weir.From(b, baskets).GroupByKey(), plus))
}

// One stream of a cogroup, with the function that adds its values. A null key or value is dropped, and counted at this stream's node.
func ExampleAdding() {
	b := weir.NewBuilder()
	ordered := weir.Adding(weir.From(b, orders).GroupByKey(), func(_ string, n, sum int64) int64 { return sum + n }, weir.Named("ordered"))
	returned := weir.Adding(weir.From(b, baskets).GroupByKey(), func(_ string, n, sum int64) int64 { return sum - n }, weir.Named("returned"))
	weir.AggregateCogroup(weir.Cogroup(func() int64 { return 0 }, ordered, returned), "sold").ToStream().To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, baskets).Send("tea", 1)
	weirtest.In(d, baskets).SendRecord(weir.Tombstone[int64]("tea", d.Now()))
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// tea 3
	// tea 2
	// map[returned:map[null value:1]]
}

// One table of all streams: an update at each value of any of them.
func ExampleAggregateCogroup() {
	b := weir.NewBuilder()
	weir.AggregateCogroup(pieces(b), "pieces").ToStream().To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, baskets).Send("tea", 2)
	weirtest.In(d, baskets).Send("jam", 1)
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// tea 5
	// jam 1
}

// One stream more.
func ExampleCogrouped_And() {
	b := weir.NewBuilder()
	delivered := weir.Adding(weir.From(b, stock).GroupByKey(), func(_ string, n, sum int64) int64 { return sum - n })
	weir.AggregateCogroup(pieces(b).And(delivered), "missing").ToStream().To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, stock).Send("tea", 2)
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// tea 1
}

// Sessions need to know what two of them are together: a tombstone for each of the two, then the one that they have become.
func ExampleCogrouped_MergeBy() {
	b := weir.NewBuilder()
	sessions := pieces(b).MergeBy(func(_ string, a, b int64) int64 { return a + b }).WindowedBy(window.Session(5 * time.Minute).Grace(time.Hour))
	weir.Unwindow(weir.AggregateCogroup(sessions, "pieces").ToStream()).To(tallies)

	d := driven(b)
	weirtest.In(d, orders).SendAt("tea", 3, eightOClock)
	weirtest.In(d, baskets).SendAt("tea", 2, eightOClock.Add(8*time.Minute))
	weirtest.In(d, orders).SendAt("tea", 1, eightOClock.Add(4*time.Minute))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// tea 2
	// tea deleted
	// tea deleted
	// tea 6
}

// An aggregate for which the function is true is deleted, and a tombstone forwarded; the next value begins anew.
func ExampleCogrouped_DropIf() {
	b := weir.NewBuilder()
	weir.AggregateCogroup(pieces(b).DropIf(func(sum int64) bool { return sum >= 5 }), "pieces").ToStream().To(tallies)

	d := driven(b)
	weirtest.In(d, orders).Send("tea", 3)
	weirtest.In(d, baskets).Send("tea", 2)
	weirtest.In(d, orders).Send("tea", 1)
	printAll(weirtest.Out(d, tallies))
	// Output:
	// tea 3
	// tea deleted
	// tea 1
}

// By window too. A record is late by the time of its own stream: here a basket is, and the order of the same time is not.
func ExampleCogrouped_WindowedBy() {
	b := weir.NewBuilder()
	perMinute := pieces(b).WindowedBy(window.Tumbling(time.Minute))
	weir.Unwindow(weir.AggregateCogroup(perMinute, "pieces").ToStream()).To(tallies)

	d := driven(b)
	weirtest.In(d, baskets).SendAt("tea", 2, eightOClock.Add(time.Minute))
	weirtest.In(d, baskets).SendAt("tea", 1, eightOClock)
	weirtest.In(d, orders).SendAt("tea", 3, eightOClock)
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// tea 2
	// tea 3
	// map[adding-2:map[late:1]]
}
