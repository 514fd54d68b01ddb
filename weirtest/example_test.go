package weirtest_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// t stands for a test's: examples have none.
var t testing.TB = exampleT{}

type exampleT struct{ testing.TB }

func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(args ...any)         { log.Fatal(args...) }
func (exampleT) Fatalf(s string, a ...any) { log.Fatalf(s, a...) }

var (
	clicks = weir.NewTopic("clicks", serde.String(), serde.String())
	counts = weir.NewTopic("counts", serde.String(), serde.Int64())
	hourly = weir.NewTopic("hourly", window.KeySerde(serde.String(), time.Hour), serde.Int64())
)

func counting() (*weir.Topology, weir.Table[string, int64]) {
	b := weir.NewBuilder()
	table := weir.Count(weir.From(b, clicks).GroupByKey(), "clicks-by-user")
	table.ToStream().To(counts)
	topo, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	return topo, table
}

func Example() {
	topo, table := counting()
	d := weirtest.New(t, topo)
	in, out := weirtest.In(d, clicks), weirtest.Out(d, counts)

	in.Send("ann", "/home")
	in.Send("bob", "/home")
	in.Send("ann", "/cart")

	for _, r := range out.All() {
		fmt.Println(r.Key, r.Value)
	}
	n, _, _ := weirtest.Store(d, table.Store()).Get("ann")
	fmt.Println("in the store:", n)
	// Output:
	// ann 1
	// bob 1
	// ann 2
	// in the store: 2
}

// Event time comes from the records: a window closes when a later record says so.
func Example_windows() {
	b := weir.NewBuilder()
	perHour := weir.From(b, clicks).GroupByKey().WindowedBy(window.Tumbling(time.Hour).Grace(time.Minute))
	weir.Count(perHour, "clicks-per-hour", weir.EmitOnClose()).ToStream().To(hourly)
	topo, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	d := weirtest.New(t, topo, weirtest.With(weir.OnDropped(func(_ context.Context, x weir.Dropped) {
		fmt.Println("dropped:", x.Reason)
	})))
	nine := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	in, out := weirtest.In(d, clicks).From(nine).Every(25*time.Minute), weirtest.Out(d, hourly)

	in.Send("ann", "/home")                          // 9:00
	in.Send("ann", "/cart")                          // 9:25
	in.Send("ann", "/pay")                           // 9:50
	fmt.Println("closed:", !out.Empty())             //
	in.Send("ann", "/home")                          // 10:15
	in.SendAt("ann", "/late", nine.Add(time.Hour-1)) // the window is closed

	for _, r := range out.All() {
		fmt.Println(r.Key.Key, r.Key.Start.Format(time.TimeOnly), r.Value)
	}
	// Output:
	// closed: false
	// dropped: late
	// ann 09:00:00 3
}

// Between commits a cache merges the updates of a key.
func ExampleCommitEvery() {
	topo, _ := counting()
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	in, out := weirtest.In(d, clicks), weirtest.Out(d, counts)
	for range 1000 {
		in.Send("ann", "/home")
	}
	d.Commit()
	for _, r := range out.All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output: ann 1000
}

// A crash throws away what was not committed; its input is done again.
func ExampleDriver_Crash() {
	topo, table := counting()
	d := weirtest.New(t, topo, weirtest.CommitEvery(0), weirtest.With(weir.ExactlyOnce()))
	in := weirtest.In(d, clicks)
	in.Send("ann", "/home")
	d.Commit()
	in.Send("ann", "/cart")
	d.Crash()
	d.Commit()
	n, _, _ := weirtest.Store(d, table.Store()).Get("ann")
	fmt.Println("ann", n, weirtest.Table(weirtest.Out(d, counts)))
	// Output: ann 2 map[ann:2]
}

// What cannot be decoded is an error with its place, like any other.
func ExampleDriver_SendRaw() {
	amounts, copies := weir.NewTopic("amounts", serde.String(), serde.Int64()), weir.NewTopic("copies", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	weir.From(b, amounts, weir.Named("read")).To(copies)
	topo, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	d := weirtest.New(t, topo, weirtest.With(weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
		fmt.Printf("%s at offset %d of %s\n", e.Phase, e.Source.Offset, e.Source.Topic)
		return weir.Skip()
	})))
	d.SendRaw("amounts", 0, []byte("ann"), []byte("twelve"), d.Now())
	weirtest.In(d, amounts).Send("ann", 12)

	r, _ := weirtest.Out(d, copies).Next()
	fmt.Println(r.Key, r.Value, d.Dropped())
	// Output:
	// decoding at offset 0 of amounts
	// ann 12 map[read:map[undecodable:1]]
}
