package weir_test

import (
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// One result per window: each count is held back until its window has closed.
func ExampleTable_Suppress() {
	var (
		visits = weir.NewTopic("visits", serde.String(), serde.String())
		final  = weir.NewTopic("visits-per-minute", window.KeySerde(serde.String(), time.Minute), serde.Int64())
	)
	b := weir.NewBuilder()
	perMinute := weir.From(b, visits).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(10 * time.Second))
	weir.Count(perMinute, "visits").Suppress("final-visits", weir.UntilWindowCloses()).ToStream().To(final)
	d := driven(b)
	in, out := weirtest.In(d, visits), weirtest.Out(d, final)
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	in.SendAt("ann", "/home", noon)
	in.SendAt("ann", "/cart", noon.Add(50*time.Second))
	in.SendAt("bob", "/home", noon.Add(65*time.Second))
	in.SendAt("ann", "/pay", noon.Add(59*time.Second)) // late, within the grace
	fmt.Println("before it closes:", len(out.All()))
	in.SendAt("bob", "/cart", noon.Add(70*time.Second))
	for _, r := range out.All() {
		fmt.Println(r.Key.Key, r.Key.Start.Format(time.TimeOnly), r.Value)
	}
	// Output:
	// before it closes: 0
	// ann 12:00:00 3
}
