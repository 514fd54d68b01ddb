package weir_test

import (
	"fmt"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
)

// Prices are known to every instance, so that orders need not be keyed by article.
func ExampleJoinGlobal() {
	orders := weir.NewTopic("orders", serde.String(), serde.String()) // by customer, the article
	prices := weir.NewTopic("prices", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	table := weir.GlobalFrom(b, prices, "prices")
	byArticle := func(_, article string) (string, bool) { return article, article != "" }
	weir.JoinGlobal(weir.From(b, orders), table, byArticle, func(customer, article string, price int64) string {
		return fmt.Sprintf("%s for %d", article, price)
	}).To(output)

	d := driven(b)
	set, in := weirtest.In(d, prices), weirtest.In(d, orders)
	set.Send("tea", 3)
	in.Send("ann", "tea")
	in.Send("bob", "cups") // has no price: nothing
	set.Send("tea", 4)
	in.Send("bob", "tea")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann tea for 3
	// bob tea for 4
}

// limitOf is the least limit of each customer; newLimit keeps them on every instance, checkLimit reads them.
var limitOf = state.KeyValueStore("limits", serde.String(), serde.Int64())

type newLimit struct {
	limits state.KeyValue[string, int64]
}

func (p *newLimit) Init(ctx processor.Context, _ processor.Forward[string, int64]) error {
	p.limits = limitOf.Bind(ctx)
	return nil
}

func (p *newLimit) Process(r weir.Record[string, int64]) error {
	if now, ok, err := p.limits.Get(r.Key); err != nil || ok && now <= r.Value {
		return err
	}
	return p.limits.Put(r.Key, r.Value)
}

type checkLimit struct {
	limits state.KeyValue[string, int64]
	out    processor.Forward[string, string]
}

func (p *checkLimit) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.limits, p.out = limitOf.Bind(ctx), out
	return nil
}

func (p *checkLimit) Process(r weir.Record[string, int64]) error {
	limit, ok, err := p.limits.Get(r.Key)
	if err != nil || !ok || r.Value <= limit {
		return err
	}
	return p.out(processor.WithValue(r, fmt.Sprintf("%d is over %d", r.Value, limit)))
}

// A processor fills a store on every instance from a whole topic, and others read it.
func ExampleGlobalStore() {
	limited := weir.NewTopic("limits", serde.String(), serde.Int64())
	payments := weir.NewTopic("payments", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	weir.GlobalStore(b, limited, limitOf, func() *newLimit { return new(newLimit) })
	weir.Process(weir.From(b, payments), func() *checkLimit { return new(checkLimit) }, weir.Stores(limitOf)).To(output)

	d := driven(b)
	set, in := weirtest.In(d, limited), weirtest.In(d, payments)
	set.Send("ann", 50)
	set.Send("ann", 70)
	in.Send("ann", 60)
	in.Send("bob", 60)
	printAll(weirtest.Out(d, output))
	// Output:
	// ann 60 is over 50
}

// A topic of another team is read as it is, beside the stream that looks into it.
func ExampleReadOnlyStore() {
	limited := weir.NewTopic("limits", serde.String(), serde.Int64())
	payments := weir.NewTopic("payments", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	weir.ReadOnlyStore(b, limited, limitOf)
	weir.Process(weir.From(b, payments), func() *checkLimit { return new(checkLimit) }, weir.Stores(limitOf)).To(output)

	d := driven(b)
	set, in := weirtest.In(d, limited), weirtest.In(d, payments)
	set.Send("ann", 50)
	in.Send("ann", 60)
	set.Send("ann", 70)
	in.Send("ann", 60)
	printAll(weirtest.Out(d, output))
	// Output:
	// ann 60 is over 50
}

// All rows of a topic, on every instance, whatever partition they are in. A null value deletes its row, a null key is dropped.
func ExampleGlobalFrom() {
	b := weir.NewBuilder()
	table := weir.GlobalFrom(b, prices, "prices")

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.Partitions("prices", 3))
	set := weirtest.In(d, prices)
	set.Send("tea", 3)
	set.Send("jam", 5)
	set.Send("rye", 2)
	set.SendRecord(weir.Tombstone[int64]("jam", d.Now()))
	for product, price := range weirtest.Store(d, table.Store()).All() {
		fmt.Println(product, price)
	}
	// Output:
	// rye 2
	// tea 3
}

// What a global table holds, to be read by key: in an App with ReadStore, in a processor with Stores.
func ExampleGlobalTable_Store() {
	b := weir.NewBuilder()
	table := weir.GlobalFrom(b, prices, "prices")

	d := driven(b)
	weirtest.In(d, prices).Send("tea", 3)
	price, ok, err := weirtest.Store(d, table.Store()).Get("tea")
	fmt.Println(price, ok, err)
	// Output: 3 true <nil>
}

// An order without a price is joined with nil; one without a value is dropped. A new price emits nothing.
func ExampleLeftJoinGlobal() {
	b := weir.NewBuilder()
	byArticle := func(_, article string) (string, bool) { return article, article != "" }
	weir.LeftJoinGlobal(weir.From(b, placedOrders), weir.GlobalFrom(b, prices, "prices"), byArticle, func(_, article string, price *int64) string {
		if price == nil {
			return article + " on request"
		}
		return fmt.Sprintf("%s for %d", article, *price)
	}).To(output)

	d := driven(b)
	in := weirtest.In(d, placedOrders)
	in.Send("17", "tea")
	weirtest.In(d, prices).Send("tea", 3)
	in.Send("18", "tea")
	in.SendRecord(weir.Tombstone[string]("19", d.Now()))
	printAll(weirtest.Out(d, output))
	fmt.Println(d.Dropped())
	// Output:
	// 17 tea on request
	// 18 tea for 3
	// map[left-join-global-1:map[null value:1]]
}
