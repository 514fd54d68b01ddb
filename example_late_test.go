package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var lateViews = weir.NewTopic("late-views", serde.String(), serde.JSON[weir.Late[string]]())

// What comes after its minute, and ten seconds more, goes to a topic of its own.
func ExampleLateTo() {
	b := weir.NewBuilder()
	perMinute := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(10 * time.Second))
	weir.Count(perMinute, "views-per-minute", weir.LateTo(lateViews))

	d := driven(b)
	in, late := weirtest.In(d, pageViews), weirtest.Out(d, lateViews)
	in.SendAt("ann", "/tea", eightOClock.Add(75*time.Second))
	in.SendAt("bob", "/cups", eightOClock.Add(50*time.Second))
	for _, r := range late.All() {
		fmt.Println(r.Key, r.Value.Value, "missed", r.Value.Start.Format(time.TimeOnly), "to", r.Value.End.Format(time.TimeOnly), "by", r.Value.By)
	}
	// Output:
	// bob /cups missed 08:00:00 to 08:01:00 by 5s
}

// What no aggregation of a group took is a stream, on which one can go on.
func ExampleLateOf() {
	b := weir.NewBuilder()
	perMinute := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute))
	weir.Count(perMinute, "views-per-minute")
	weir.Reduce(perMinute, "last-page", func(_, page string) string { return page })
	weir.LateOf(perMinute).ForEach(func(user string, late weir.Late[string]) {
		fmt.Println(user, late.Value, "came", late.By, "too late")
	})

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock.Add(75*time.Second))
	in.SendAt("bob", "/cups", eightOClock.Add(50*time.Second))
	fmt.Println(d.Dropped())
	// Output:
	// bob /cups came 15s too late
	// map[count-1:map[late:1] reduce-1:map[late:1]]
}
