package weir_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
)

// The last value of each key that was taken, whatever its time. A null value deletes its row, a null key is dropped.
func ExampleTableFrom() {
	b := weir.NewBuilder()
	weir.TableFrom(b, stock, "stock").ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, stock)
	in.SendAt("apples", 30, eightOClock)
	in.SendAt("apples", 25, eightOClock.Add(-time.Hour)) // earlier, but taken later
	in.SendRecord(weir.Tombstone[int64]("apples", eightOClock))
	d.SendRaw("stock", 0, nil, make([]byte, 8), eightOClock)
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// apples 30
	// apples 25
	// apples deleted
	// map[table-from-1:map[null key:1]]
}

// A stream as a table: the last page of each user.
func ExampleStream_ToTable() {
	b := weir.NewBuilder()
	last := weir.From(b, pageViews).ToTable("last-page")

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("bob", "/jam")
	in.Send("ann", "/cups")
	in.SendRecord(weir.Tombstone[string]("bob", d.Now()))
	for user, page := range weirtest.Store(d, last.Store()).All() {
		fmt.Println(user, page)
	}
	// Output: ann /cups
}

// A row that fails the filter is forwarded as a tombstone if it was there, and not at all otherwise. A tombstone is not shown to the function.
func ExampleTable_Filter() {
	b := weir.NewBuilder()
	weir.TableFrom(b, stock, "stock").Filter(func(_ string, pieces int64) bool { return pieces < 10 }).ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, stock)
	in.Send("apples", 30)
	in.Send("pears", 5)
	in.Send("pears", 50)
	printAll(weirtest.Out(d, tallies))
	// Output:
	// pears 5
	// pears deleted
}

// The rows for which the function is false; the rest as with Filter.
func ExampleTable_FilterNot() {
	b := weir.NewBuilder()
	weir.TableFrom(b, homes, "homes").FilterNot(func(_, town string) bool { return town == "Oslo" }).ToStream().To(output)

	d := driven(b)
	in := weirtest.In(d, homes)
	in.Send("ann", "Rome")
	in.Send("bob", "Oslo")
	in.Send("ann", "Oslo")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann Rome
	// ann deleted
}

// A row for each row, at each update. A tombstone passes uncalled. There is no store but the one above, unless Materialized gives one.
func ExampleMapTable() {
	b := weir.NewBuilder()
	weir.MapTable(weir.TableFrom(b, homes, "homes"), func(_, town string) string { return strings.ToUpper(town) }).ToStream().To(output)

	d := driven(b)
	in := weirtest.In(d, homes)
	in.Send("ann", "Rome")
	in.SendRecord(weir.Tombstone[string]("ann", d.Now()))
	printAll(weirtest.Out(d, output))
	// Output:
	// ann ROME
	// ann deleted
}

// Every update of the table, when it happens, or, with a cache, when that is flushed: the last of each key at each commit.
func ExampleTable_ToStream() {
	b := weir.NewBuilder()
	weir.TableFrom(b, stock, "stock").ToStream().To(tallies)

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.CommitEvery(0))
	in := weirtest.In(d, stock)
	in.Send("apples", 30)
	in.Send("pears", 5)
	in.Send("apples", 29)
	d.Commit()
	printAll(weirtest.Out(d, tallies))
	// Output:
	// pears 5
	// apples 29
}

// What the table holds, to be read by key: in an App with ReadStore, in a processor with Stores.
func ExampleTable_Store() {
	b := weir.NewBuilder()
	inStock := weir.TableFrom(b, stock, "stock")

	d := driven(b)
	in := weirtest.In(d, stock)
	in.Send("apples", 30)
	in.Send("apples", 29)
	pieces, ok, err := weirtest.Store(d, inStock.Store()).Get("apples")
	fmt.Println(pieces, ok, err)
	// Output: 29 true <nil>
}

// What a versioned table held at any time within its history. What is older than that is dropped.
func ExampleTable_VersionedStore() {
	b := weir.NewBuilder()
	price := weir.TableFrom(b, prices, "prices", weir.Versioned(time.Hour))

	d := driven(b)
	in := weirtest.In(d, prices)
	in.SendAt("tea", 5, eightOClock)
	in.SendAt("tea", 3, eightOClock.Add(-30*time.Minute)) // out of order
	in.SendAt("tea", 2, eightOClock.Add(-2*time.Hour))    // too late
	view := weirtest.Store(d, price.VersionedStore())
	was, _, _ := view.GetAsOf("tea", eightOClock.Add(-time.Minute))
	now, _, _ := view.Get("tea")
	fmt.Println(was.Value, now.Value, d.Dropped())
	// Output: 3 5 map[table-from-1:map[expired:1]]
}

// Every update with the value before it: whoever moves is told from where to where.
func ExampleChanges() {
	b := weir.NewBuilder()
	weir.Changes(weir.TableFrom(b, homes, "homes")).ForEach(func(person string, c weir.Change[string]) {
		fmt.Printf("%s: %q -> %q\n", person, c.Old, c.New)
	})

	d := driven(b)
	in := weirtest.In(d, homes)
	in.Send("ann", "Oslo")
	in.Send("ann", "Rome")
	in.SendRecord(weir.Tombstone[string]("ann", d.Now()))
	// Output:
	// ann: "" -> "Oslo"
	// ann: "Oslo" -> "Rome"
	// ann: "Rome" -> ""
}

// A sum of a table's rows by another key: what a row held before is taken away, then what it holds is added.
func ExampleReduceTable() {
	b := weir.NewBuilder()
	byShelf := weir.GroupTableBy(weir.TableFrom(b, stock, "stock"), func(product string, n int64) (string, int64) { return product[:1], n }, weir.Named("by-shelf"))
	weir.ReduceTable(byShelf, "pieces-by-shelf",
		func(sum, n int64) int64 { return sum + n },
		func(sum, n int64) int64 { return sum - n }).ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, stock)
	in.Send("pears", 5)
	in.Send("plums", 20)
	in.Send("pears", 4)
	in.SendRecord(weir.Tombstone[int64]("plums", d.Now()))
	printAll(weirtest.Out(d, tallies))
	// Output:
	// p 5
	// p 25
	// p 24
	// p 4
}

// Each order with the price of the moment in which it is taken; without one, without a key or without a value nothing comes. A new price emits nothing.
func ExampleJoinTable() {
	b := weir.NewBuilder()
	weir.JoinTable(weir.From(b, orders), weir.TableFrom(b, prices, "prices"), func(_ string, n, price int64) int64 { return n * price }).To(tallies)

	d := driven(b)
	ordered, priced := weirtest.In(d, orders), weirtest.In(d, prices)
	ordered.Send("tea", 2) // has no price yet
	priced.Send("tea", 3)
	ordered.Send("tea", 2)
	priced.Send("tea", 4)
	ordered.SendRecord(weir.Tombstone[int64]("tea", d.Now()))
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// tea 6
	// map[join-table-1:map[null value:1]]
}
