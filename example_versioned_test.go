package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	orders = weir.NewTopic("orders", serde.String(), serde.Int64()) // amounts by product
	prices = weir.NewTopic("prices", serde.String(), serde.Int64())
)

// An order costs what the product cost at its time, although the price has changed since.
func ExampleVersioned() {
	b := weir.NewBuilder()
	price := weir.TableFrom(b, prices, "prices", weir.Versioned(time.Hour))
	weir.JoinTable(weir.From(b, orders), price, func(_ string, amount, price int64) int64 { return amount * price }).To(tallies)

	d := driven(b)
	priced, ordered, out := weirtest.In(d, prices), weirtest.In(d, orders), weirtest.Out(d, tallies)
	priced.SendAt("tea", 3, eightOClock)
	priced.SendAt("tea", 5, eightOClock.Add(10*time.Minute))
	ordered.SendAt("tea", 100, eightOClock.Add(9*time.Minute))
	ordered.SendAt("tea", 100, eightOClock.Add(11*time.Minute))
	printAll(out)

	was, _, _ := weirtest.Store(d, price.VersionedStore()).GetAsOf("tea", eightOClock.Add(time.Minute))
	fmt.Println("at first:", was.Value, "until", was.To.Format("15:04"))
	// Output:
	// tea 300
	// tea 500
	// at first: 3 until 08:10
}

// An order waits a minute for prices of its time that are late.
func ExampleGrace() {
	b := weir.NewBuilder()
	price := weir.TableFrom(b, prices, "prices", weir.Versioned(time.Hour))
	weir.JoinTable(weir.From(b, orders), price, func(_ string, amount, price int64) int64 { return amount * price },
		weir.Named("priced"), weir.Grace(time.Minute)).To(tallies)

	d := driven(b)
	priced, ordered, out := weirtest.In(d, prices), weirtest.In(d, orders), weirtest.Out(d, tallies)
	priced.SendAt("tea", 3, eightOClock)
	ordered.SendAt("tea", 100, eightOClock.Add(10*time.Minute))
	priced.SendAt("tea", 5, eightOClock.Add(9*time.Minute)) // late, but in time
	ordered.SendAt("tea", 200, eightOClock.Add(11*time.Minute))
	printAll(out)
	// Output: tea 500
}

// Of the products that were ordered only the two last are counted.
func ExampleLRU() {
	b := weir.NewBuilder()
	weir.Count(weir.From(b, orders).GroupByKey(), "recent", weir.LRU(2)).ToStream().To(tallies)

	d := driven(b)
	in, out := weirtest.In(d, orders), weirtest.Out(d, tallies)
	for _, product := range []string{"tea", "jam", "tea", "rye", "jam"} {
		in.Send(product, 1)
	}
	printAll(out)
	// Output:
	// tea 1
	// jam 1
	// tea 2
	// rye 1
	// jam 1
}
