package traffic

import (
	"fmt"
	"iter"
	"time"
)

// Payment is a payment to a merchant; the record's key is the payment's id.
type Payment struct {
	At               time.Time
	Status, Merchant string
	Amount           int64 // in cents
}

// Payments are payments to c.Kinds merchants.
func Payments(c Config) iter.Seq[Sent[Payment]] {
	return func(yield func(Sent[Payment]) bool) {
		s := newSource(c, 1)
		for n := 1; ; n++ {
			at := s.tick()
			p := Payment{At: at.Add(-s.delay()).Truncate(time.Millisecond), Status: s.status(), Merchant: merchant(s.zipf.Uint64()), Amount: s.amount()}
			if !yield(Sent[Payment]{fmt.Sprintf("p-%07d", n), p, at}) {
				return
			}
		}
	}
}

func (s *source) status() string {
	switch p := s.Float64(); {
	case p < 0.80:
		return "settled"
	case p < 0.92:
		return "pending"
	case p < 0.98:
		return "declined"
	}
	return "refunded"
}

var merchants = [...]string{"acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "wonka", "tyrell", "cyberdyne"}

func merchant(n uint64) string {
	if n < uint64(len(merchants)) {
		return merchants[n]
	}
	return fmt.Sprintf("shop-%03d", n)
}
