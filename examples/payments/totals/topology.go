// Package totals is the payments example's topology: totals per merchant and minute.
package totals

import (
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Payment is one payment to a merchant.
type Payment struct {
	At               time.Time
	Status, Merchant string
	Amount           int64 // in cents
}

// Total is what a merchant got in a minute.
type Total struct{ N, Sum int64 }

// Plus is the total with one payment more.
func (t Total) Plus(p Payment) Total { return Total{t.N + 1, t.Sum + p.Amount} }

// Size and Grace are those of the windows.
const (
	Size  = time.Minute
	Grace = 10 * time.Second
)

// The topics. The time of a payment is when it was made, not when it arrived.
var (
	Payments = weir.NewTopic("payments", serde.String(), serde.JSON[Payment](), weir.EventTime(func(p Payment) time.Time { return p.At }))
	Totals   = weir.NewTopic("merchant-totals", window.KeySerde(serde.String(), Size), serde.JSON[Total]())
)

// Topology totals what was settled per merchant and minute: one result per window, when it has closed. Payments that come later are dropped
// and counted. The table of totals keeps an hour, to be read.
func Topology() (*weir.Topology, weir.Table[window.Key[string], Total], error) {
	b := weir.NewBuilder()

	settled := weir.From(b, Payments).Filter(func(_ string, p Payment) bool { return p.Status == "settled" })

	byMerchant := weir.GroupBy(settled, func(_ string, p Payment) string { return p.Merchant }, weir.Named("by-merchant")).
		WindowedBy(window.Tumbling(Size).Grace(Grace))

	totals := weir.Aggregate(byMerchant, "merchant-totals", weir.Aggregator[string, Payment, Total]{
		Add: func(_ string, p Payment, t Total) Total { return t.Plus(p) },
	}, weir.EmitOnClose(), weir.Named("totals"), weir.Retention(time.Hour))

	totals.ToStream().To(Totals)

	topo, err := b.Build()
	return topo, totals, err
}
