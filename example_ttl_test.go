package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// Who was not heard of for a minute of event time is forgotten: the row leaves as a tombstone, at its deadline.
func ExampleTTL() {
	beats := weir.NewTopic("beats", serde.String(), serde.String())
	alive := weir.NewTopic("alive", serde.String(), serde.String())

	b := weir.NewBuilder()
	weir.TableFrom(b, beats, "alive", weir.TTL(time.Minute)).ToStream().To(alive)

	driver := driven(b)
	in := weirtest.In(driver, beats)
	in.SendAt("ann", "up", time.Unix(0, 0))
	in.SendAt("bob", "up", time.Unix(30, 0))
	in.SendAt("bob", "still up", time.Unix(70, 0))
	for _, r := range weirtest.Out(driver, alive).All() {
		fmt.Println(r.Time.Unix(), r.Key, r.Value, r.IsNull())
	}
	// Output:
	// 0 ann up false
	// 30 bob up false
	// 60 ann  true
	// 70 bob still up false
}

// A row leaves an hour of wall-clock time after it was written, also when nothing comes any more.
func ExampleWallTTL() {
	places := weir.NewTopic("places", serde.String(), serde.String())
	known := weir.NewTopic("known", serde.String(), serde.String())

	b := weir.NewBuilder()
	weir.From(b, places).ToTable("where", weir.WallTTL(time.Hour)).ToStream().To(known)

	driver := driven(b)
	in := weirtest.In(driver, places)
	in.SendAt("ann", "hall", driver.Now())
	driver.AdvanceWallClock(30 * time.Minute)
	in.SendAt("bob", "roof", driver.Now())
	driver.AdvanceWallClock(30 * time.Minute)
	printAll(weirtest.Out(driver, known))
	// Output:
	// ann hall
	// bob roof
	// ann deleted
}
