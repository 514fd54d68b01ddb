// Package alerts is the fraud example's topology: cards that are used too fast.
package alerts

import (
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Card is who holds a card.
type Card struct {
	Holder string
	Limit  int64 // in cents
}

// Tx is one transaction with a card.
type Tx struct {
	At     time.Time
	Amount int64 // in cents
}

// Alert says that a card was used N times within a minute.
type Alert struct {
	Card, Holder string
	N            int64
}

// Limit is how often a card may be used in a window.
const Limit = 5

// The topics, all keyed by the card's number.
var (
	Txs    = weir.NewTopic("txs", serde.String(), serde.JSON[Tx](), weir.EventTime(func(t Tx) time.Time { return t.At }))
	Cards  = weir.NewTopic("cards", serde.String(), serde.JSON[Card]())
	Alerts = weir.NewTopic("alerts", serde.String(), serde.JSON[Alert]())
)

var hops = window.Hopping(time.Minute, 10*time.Second).Grace(5 * time.Second)

// Topology raises an alert when a card of a known holder is used too fast.
func Topology() (*weir.Topology, error) {
	b := weir.NewBuilder()

	cards := weir.TableFrom(b, Cards, "cards")
	velocity := weir.Count(weir.From(b, Txs).GroupByKey().WindowedBy(hops), "velocity")
	hot := weir.Unwindow(velocity.ToStream()).Filter(func(_ string, n int64) bool { return n > Limit })
	alerts := weir.JoinTable(hot, cards, func(card string, n int64, c Card) Alert { return Alert{card, c.Holder, n} })
	weir.Process(alerts, func() *dedup { return new(dedup) }).To(Alerts)

	return b.Build()
}
