package traffic

import (
	"fmt"
	"iter"
	"time"
)

// Card is who holds a card, and its limit; the record's key is the card's number.
type Card struct {
	Holder string
	Limit  int64 // in cents
}

// Tx is a transaction with a card; the record's key is the card's number.
type Tx struct {
	At     time.Time
	Amount int64 // in cents
}

// Cards are the holders of c.Kinds cards, once each; every twentieth is not known.
func Cards(c Config) iter.Seq[Sent[Card]] {
	return func(yield func(Sent[Card]) bool) {
		s := newSource(c, 2)
		for n := range uint64(c.Kinds) {
			holder := fmt.Sprintf("%s %s", pick(s, firstNames), pick(s, lastNames))
			if n%20 == 19 {
				continue
			}
			if !yield(Sent[Card]{card(n), Card{holder, 10_000 * (1 + s.Int64N(50))}, c.Start}) {
				return
			}
		}
	}
}

// Txs are transactions with c.Kinds cards. Now and then somebody uses a card several times within seconds.
func Txs(c Config) iter.Seq[Sent[Tx]] {
	return func(yield func(Sent[Tx]) bool) {
		s := newSource(c, 3)
		for {
			n, times := card(s.below(c.Kinds)), 1
			if s.Float64() < 0.01 {
				times = 4 + s.IntN(8)
			}
			for range times {
				at := s.tick()
				tx := Tx{At: at.Add(-s.upTo(3 * time.Second)).Truncate(time.Millisecond), Amount: s.amount()}
				if !yield(Sent[Tx]{n, tx, at}) {
					return
				}
			}
		}
	}
}

// below is less than n, each number as likely as the others.
func (s *source) below(n int) uint64 { return s.Uint64N(uint64(max(n, 1))) }

func card(n uint64) string { return fmt.Sprintf("4000-%04d-%04d", n/10_000, n%10_000) }

func pick(s *source, all []string) string { return all[s.IntN(len(all))] }

var (
	firstNames = []string{"Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Ken", "Leslie", "Margaret", "Niklaus", "Tony"}
	lastNames  = []string{"Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Lamport", "Liskov", "Lovelace", "Ritchie", "Thompson", "Turing", "Wirth"}
)
