package weir_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// theTest stands for a test's t: examples have none.
type theTest struct{ testing.TB }

func (theTest) Helper()                       {}
func (theTest) Cleanup(func())                {}
func (theTest) Fatal(a ...any)                { log.Fatal(a...) }
func (theTest) Fatalf(f string, a ...any)     { log.Fatalf(f, a...) }
func (theTest) Errorf(f string, a ...any)     { log.Printf(f, a...) }
func driven(b *weir.Builder) *weirtest.Driver { return weirtest.New(theTest{}, mustBuild(b)) }

func mustBuild(b *weir.Builder) *weir.Topology {
	topo, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	return topo
}

// printAll prints what came out.
func printAll[K, V any](out *weirtest.Output[K, V]) {
	for _, r := range out.All() {
		if r.IsNull() {
			fmt.Printf("%v deleted\n", r.Key)
			continue
		}
		fmt.Printf("%v %v\n", r.Key, r.Value)
	}
}

var (
	pageViews = weir.NewTopic("page-views", serde.String(), serde.String()) // pages by user
	output    = weir.NewTopic("out", serde.String(), serde.String())
	tallies   = weir.NewTopic("tallies", serde.String(), serde.Int64())
)

var eightOClock = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// The records for which the function is true, at once. A null value is shown as the zero value, and stays null.
func ExampleStream_Filter() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).
		Filter(func(_, page string) bool { return strings.HasPrefix(page, "/shop") }).
		To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/shop/tea")
	in.Send("bob", "/about")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann /shop/tea
}

// Another value under the same key, at once, so that nothing is repartitioned below. A null value passes uncalled.
func ExampleMapValues() {
	b := weir.NewBuilder()
	weir.MapValues(weir.From(b, pageViews), strings.ToUpper).To(output)

	d := driven(b)
	weirtest.In(d, pageViews).Send("ann", "/tea")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann /TEA
}

// Each record goes to the first case that is true, or to the rest. A null value is shown as the zero value.
func ExampleStream_Split() {
	b := weir.NewBuilder()
	branches := weir.From(b, pageViews).Split("by-kind",
		weir.When("shop", func(_, page string) bool { return strings.HasPrefix(page, "/shop") }))
	shop, rest := branches[0], branches[1]
	shop.ForEach(func(user, page string) { fmt.Println("shop:", user, page) })
	rest.ForEach(func(user, page string) { fmt.Println("rest:", user, page) })

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/shop/tea")
	in.Send("bob", "/about")
	// Output:
	// shop: ann /shop/tea
	// rest: bob /about
}

// The new number, at each value. A null key or value is dropped.
func ExampleCount() {
	b := weir.NewBuilder()
	byPage := weir.GroupBy(weir.From(b, pageViews), func(_, page string) string { return page })
	weir.Count(byPage, "views-by-page").ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("bob", "/tea")
	in.Send("ann", "/cups")
	printAll(weirtest.Out(d, tallies))
	// Output:
	// /tea 1
	// /tea 2
	// /cups 1
}

// The new aggregate, at each value; a tombstone where it is dropped. A null key or value is not aggregated.
func ExampleAggregate() {
	type visits struct {
		N    int
		Last string
	}
	summaries := weir.NewTopic("summaries", serde.String(), serde.JSON[visits]())
	b := weir.NewBuilder()
	weir.Aggregate(weir.From(b, pageViews).GroupByKey(), "visits", weir.Aggregator[string, string, visits]{
		Add:  func(_, page string, v visits) visits { return visits{v.N + 1, page} },
		Drop: func(v visits) bool { return v.Last == "/forget-me" },
	}).ToStream().To(summaries)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("ann", "/cups")
	in.Send("ann", "/forget-me")
	printAll(weirtest.Out(d, summaries))
	// Output:
	// ann {1 /tea}
	// ann {2 /cups}
	// ann deleted
}

// One result per window, when it has closed: here with the first record after eight past the hour.
func ExampleEmitOnClose() {
	b := weir.NewBuilder()
	perFiveMinutes := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(5 * time.Minute).Grace(3 * time.Minute))
	weir.Count(perFiveMinutes, "views-per-window", weir.EmitOnClose()).ToStream().
		ForEach(func(k window.Key[string], n int64) { fmt.Println(k.Start.Format("15:04"), k.Key, n) })

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", eightOClock)
	in.SendAt("ann", "/cups", eightOClock.Add(6*time.Minute))
	in.SendAt("ann", "/pots", eightOClock.Add(2*time.Minute)) // out of order, but within the grace
	in.SendAt("bob", "/tea", eightOClock.Add(8*time.Minute))
	in.SendAt("ann", "/late", eightOClock) // too late
	fmt.Println(d.Dropped()["count-1"])
	// Output:
	// 08:00 ann 2
	// map[late:1]
}

// Each view with the name of the moment in which it is taken, or with nil. A null value is dropped; a new name emits nothing.
func ExampleLeftJoinTable() {
	names := weir.NewTopic("names", serde.String(), serde.String())
	b := weir.NewBuilder()
	people := weir.TableFrom(b, names, "people")
	weir.LeftJoinTable(weir.From(b, pageViews), people, func(user, page string, name *string) string {
		if name == nil {
			return "somebody saw " + page
		}
		return *name + " saw " + page
	}).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("u1", "/tea")
	weirtest.In(d, names).Send("u1", "Ann")
	in.Send("u1", "/cups")
	printAll(weirtest.Out(d, output))
	// Output:
	// u1 somebody saw /tea
	// u1 Ann saw /cups
}

// What cannot be processed goes to a topic of its own, as it came.
func ExampleDeadLetter() {
	lost := weir.NewTopic("lost", serde.String(), serde.String())
	b := weir.NewBuilder()
	weir.TryMapValues(weir.From(b, pageViews), func(_ context.Context, r weir.Record[string, string]) (int64, error) {
		n, err := strconv.ParseInt(r.Value, 10, 64)
		if err != nil {
			return 0, errors.Unwrap(err)
		}
		return n, nil
	}, weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.DeadLetter("lost") })).To(tallies)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "12")
	in.Send("bob", "twelve")
	printAll(weirtest.Out(d, tallies))
	r, _ := weirtest.Out(d, lost).Next()
	why, _ := r.Headers.Get("__streams.errors.message")
	fmt.Printf("lost: %s %s, because %s\n", r.Key, r.Value, why)
	// Output:
	// ann 12
	// lost: bob twelve, because invalid syntax
}

// lastPage keeps the last page of each user.
var lastPage = state.KeyValueStore("last-page", serde.String(), serde.String())

// moves forwards a click only where the user went to another page.
type moves struct {
	next     processor.Forward[string, string]
	lastPage state.KeyValue[string, string]
}

func (c *moves) Stores() []state.Descriptor { return []state.Descriptor{lastPage} }

func (c *moves) Init(ctx processor.Context, next processor.Forward[string, string]) error {
	c.next, c.lastPage = next, lastPage.Bind(ctx)
	return nil
}

func (c *moves) Process(r weir.Record[string, string]) error {
	last, ok, err := c.lastPage.Get(r.Key)
	if err != nil || ok && last == r.Value {
		return err
	}
	if err := c.lastPage.Put(r.Key, r.Value); err != nil {
		return err
	}
	return c.next(r)
}

// What the processor forwards, when it does, as it made it; it sees nulls.
func ExampleProcess() {
	b := weir.NewBuilder()
	weir.Process(weir.From(b, pageViews), func() *moves { return &moves{} }).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("ann", "/tea")
	in.Send("ann", "/cups")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann /tea
	// ann /cups
}

func ExampleTopology_Describe() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).Filter(func(_, page string) bool { return page != "" }).To(output)
	fmt.Print(mustBuild(b).Describe())
	// Output:
	// Topologies:
	//    Sub-topology: 0
	//     Source: from-1 (topics: [page-views])
	//       --> filter-1
	//     Processor: filter-1 (stores: [])
	//       --> to-1
	//       <-- from-1
	//     Sink: to-1 (topic: out)
	//       <-- filter-1
}
