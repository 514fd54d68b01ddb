package weir_test

import (
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	placedOrders = weir.NewTopic("orders", serde.String(), serde.String())
	paymentsMade = weir.NewTopic("payments-made", serde.String(), serde.String())
)

// A result when the second of two comes, if they lie within an hour of each other. A null key or value is dropped.
func ExampleJoin() {
	b := weir.NewBuilder()
	weir.Join(weir.From(b, placedOrders), weir.From(b, paymentsMade), "paid", window.Within(time.Hour),
		func(_, order, payment string) string { return order + " paid by " + payment }).To(output)
	d := driven(b)
	weirtest.In(d, placedOrders).SendAt("17", "shoes", eightOClock)
	weirtest.In(d, paymentsMade).SendAt("17", "card", eightOClock.Add(time.Minute))
	printAll(weirtest.Out(d, output))
	// Output: 17 shoes paid by card
}

// An order that was not paid is emitted when its hour is over, which the next record tells. A null value is dropped; an order with a null key is joined with
// nil at once.
func ExampleLeftJoin() {
	b := weir.NewBuilder()
	weir.LeftJoin(weir.From(b, placedOrders), weir.From(b, paymentsMade), "paid", window.Within(time.Hour),
		func(_, order string, payment *string) string {
			if payment == nil {
				return order + " not paid"
			}
			return order + " paid by " + *payment
		}).To(output)
	d := driven(b)
	in := weirtest.In(d, placedOrders)
	in.SendAt("17", "shoes", eightOClock)
	in.SendAt("18", "socks", eightOClock.Add(2*time.Hour)) // the hour of the shoes is over
	printAll(weirtest.Out(d, output))
	// Output: 17 shoes not paid
}

// What meets nothing, on either side, is emitted alone when its hour is over.
func ExampleOuterJoin() {
	b := weir.NewBuilder()
	weir.OuterJoin(weir.From(b, placedOrders), weir.From(b, paymentsMade), "paid", window.Within(time.Hour),
		func(_ string, order, payment *string) string {
			return fmt.Sprintf("order %q, payment %q", weir.OrZero(order), weir.OrZero(payment))
		}).To(output)
	d := driven(b)
	weirtest.In(d, paymentsMade).SendAt("16", "cash", eightOClock)
	weirtest.In(d, placedOrders).SendAt("17", "shoes", eightOClock.Add(2*time.Hour))
	printAll(weirtest.Out(d, output))
	// Output: 16 order "", payment "cash"
}
