package weir_test

import (
	"fmt"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	stock  = weir.NewTopic("stock", serde.String(), serde.Int64())
	tags   = weir.NewTopic("prices", serde.String(), serde.Int64())
	offers = weir.NewTopic("offers", serde.String(), serde.String())
)

// The joined row at each update of either table, where both have one; a tombstone when one of them has gone.
func ExampleJoinTables() {
	b := weir.NewBuilder()
	weir.JoinTables(weir.TableFrom(b, stock, "stock"), weir.TableFrom(b, tags, "prices"), func(_ string, pieces, price int64) string {
		return fmt.Sprintf("%d at %d", pieces, price)
	}).ToStream().To(offers)

	d := driven(b)
	in, at := weirtest.In(d, stock), weirtest.In(d, tags)
	in.Send("apples", 30)
	at.Send("apples", 2)
	at.Send("pears", 3) // of which there are none
	at.Send("apples", 4)
	in.SendRecord(weir.Tombstone[int64]("apples", d.Now()))
	printAll(weirtest.Out(d, offers))
	// Output:
	// apples 30 at 2
	// apples 30 at 4
	// apples deleted
}

// The joined row at each update, where the left table has one.
func ExampleLeftJoinTables() {
	b := weir.NewBuilder()
	weir.LeftJoinTables(weir.TableFrom(b, stock, "stock"), weir.TableFrom(b, tags, "prices"), func(_ string, pieces int64, price *int64) string {
		if price == nil {
			return fmt.Sprintf("%d on request", pieces)
		}
		return fmt.Sprintf("%d at %d", pieces, *price)
	}).ToStream().To(offers)

	d := driven(b)
	weirtest.In(d, stock).Send("apples", 30)
	weirtest.In(d, tags).Send("apples", 2)
	printAll(weirtest.Out(d, offers))
	// Output:
	// apples 30 on request
	// apples 30 at 2
}

// The joined row at each update, where one of the tables has one.
func ExampleOuterJoinTables() {
	b := weir.NewBuilder()
	weir.OuterJoinTables(weir.TableFrom(b, stock, "stock"), weir.TableFrom(b, tags, "prices"), func(_ string, pieces, price *int64) string {
		return fmt.Sprintf("%d at %d", weir.OrZero(pieces), weir.OrZero(price))
	}).ToStream().To(offers)

	d := driven(b)
	weirtest.In(d, stock).Send("apples", 30)
	weirtest.In(d, tags).Send("pears", 3)
	printAll(weirtest.Out(d, offers))
	// Output:
	// apples 30 at 0
	// pears 0 at 3
}

type purchase struct {
	Customer string
	Item     string
}

var (
	purchases = weir.NewTopic("orders", serde.String(), serde.JSON[purchase]())
	customers = weir.NewTopic("customers", serde.String(), serde.String())
	labels    = weir.NewTopic("labels", serde.String(), serde.String())
)

// Orders are partitioned by their own keys and customers by theirs: the join brings them together.
func ExampleJoinForeign() {
	b := weir.NewBuilder()
	customer := func(_ string, o purchase) (string, bool) { return o.Customer, o.Customer != "" }
	weir.JoinForeign(weir.TableFrom(b, purchases, "orders"), weir.TableFrom(b, customers, "customers"), "order-customer", customer,
		func(_ string, o purchase, address string) string { return o.Item + " to " + address },
		weir.Materialized("labels")).ToStream().To(labels)

	d := driven(b)
	of, who := weirtest.In(d, purchases), weirtest.In(d, customers)
	who.Send("ann", "Main Street 1")
	of.Send("o-1", purchase{"ann", "a book"})
	of.Send("o-2", purchase{"bob", "a lamp"}) // who comes later
	who.Send("bob", "Hill Road 5")
	who.Send("ann", "High Street 7") // moves: her order is to go there
	printAll(weirtest.Out(d, labels))
	// Output:
	// o-1 a book to Main Street 1
	// o-2 a lamp to Hill Road 5
	// o-1 a book to High Street 7
}

// What has no foreign key, or no row of it, is joined with nil.
func ExampleLeftJoinForeign() {
	b := weir.NewBuilder()
	customer := func(_ string, o purchase) (string, bool) { return o.Customer, o.Customer != "" }
	weir.LeftJoinForeign(weir.TableFrom(b, purchases, "orders"), weir.TableFrom(b, customers, "customers"), "order-customer", customer,
		func(_ string, o purchase, address *string) string {
			if address == nil {
				return o.Item + " to be fetched"
			}
			return o.Item + " to " + *address
		}).ToStream().To(labels)

	d := driven(b)
	weirtest.In(d, purchases).Send("o-1", purchase{"ann", "a book"})
	weirtest.In(d, purchases).Send("o-2", purchase{"", "a lamp"})
	weirtest.In(d, customers).Send("ann", "Main Street 1")
	printAll(weirtest.Out(d, labels))
	// Output:
	// o-1 a book to be fetched
	// o-2 a lamp to be fetched
	// o-1 a book to Main Street 1
}
