package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// The last minute of the day closes although nobody comes any more.
func ExampleCloseIdleAfter() {
	b := weir.NewBuilder()
	perMinute := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(10 * time.Second))
	weir.Count(perMinute, "views-per-minute", weir.EmitOnClose(), weir.CloseIdleAfter(30*time.Second)).ToStream().ForEach(func(k window.Key[string], n int64) {
		fmt.Println(k.Key, k.Start.Format(time.TimeOnly), n)
	})

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(5*time.Second))
	d.AdvanceWallClock(29 * time.Second)
	fmt.Println("a second later:")
	d.AdvanceWallClock(time.Second)
	in.SendAt("ann", "/pots", eightOClock.Add(7*time.Second)) // within the grace, and late
	fmt.Println(d.Dropped())
	// Output:
	// a second later:
	// ann 08:00:00 2
	// map[count-1:map[late:1]]
}
