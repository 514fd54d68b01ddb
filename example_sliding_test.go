package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// How many pages within ten minutes: a window ends at each record, and one begins after it.
func ExampleGrouped_WindowedBy() {
	b := weir.NewBuilder()
	within := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Sliding(10 * time.Minute).Grace(time.Minute))
	weir.Count(within, "views-within").ToStream().ForEach(func(k window.Key[string], n int64) {
		fmt.Println(k.Start.Format("15:04:05.000"), k.End.Format("15:04:05.000"), n)
	})

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(6*time.Minute))
	in.SendAt("ann", "/pots", eightOClock.Add(12*time.Minute))
	// Output:
	// 07:50:00.000 08:00:00.000 1
	// 08:00:00.001 08:10:00.001 1
	// 07:56:00.000 08:06:00.000 2
	// 08:06:00.001 08:16:00.001 1
	// 08:02:00.000 08:12:00.000 2
}
