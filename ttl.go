package weir

import (
	"time"

	"github.com/weirstream/weir/internal/rows"
)

// ttlOption is a TTL or a WallTTL as it was given.
type ttlOption struct {
	life time.Duration
	wall bool
}

// String names the option, for messages.
func (t ttlOption) String() string {
	if t.wall {
		return "WallTTL(" + t.life.String() + ")"
	}
	return "TTL(" + t.life.String() + ")"
}

// TTL deletes a row d after its time, in event time; the tombstone, at that time, goes to changelog and downstream.
//
// The time is the store's own: the greatest time of the records that reached it. A row is seen while its time > the store's time − d. What is over leaves
// with the records that follow, and all of it before a commit. A result that is that old when it comes is dropped and counted.
func TTL(d time.Duration) OpOption {
	return opOption{"TTL", func(o *op) { o.store.ttl = append(o.store.ttl, ttlOption{d, false}) }}
}

// WallTTL deletes a row d after it was written, in wall-clock time; the tombstone, at that time, goes to changelog and downstream. A row that was restored
// from the changelog lives for d from then on.
func WallTTL(d time.Duration) OpOption {
	return opOption{"WallTTL", func(o *op) { o.store.ttl = append(o.store.ttl, ttlOption{d, true}) }}
}

// checkTTL finds what is wrong with an operator's time to live.
func (b *Builder) checkTTL(o *op, store string) {
	for i, t := range o.store.ttl {
		switch {
		case i > 0:
			b.faultf(o, "store %q: %v and %v do not go together", store, o.store.ttl[0], t)
		case t.life < time.Millisecond || t.life%time.Millisecond != 0:
			b.faultf(o, "store %q: %v is not a whole number of milliseconds, and at least one", store, t)
		case o.store.history != nil:
			b.faultf(o, "store %q: %v does not go with Versioned", store, t)
		case o.store.lru != 0:
			b.faultf(o, "store %q: %v does not go with LRU", store, t)
		case o.store.ifNeeded:
			b.faultf(o, "store %q: %v does not go with IfNeeded", store, t)
		}
	}
}

// expiring gives a store's rows the life that the options say.
func (o *op) expiring(s *rows.Spec) {
	if len(o.store.ttl) == 1 && s.Expiring != nil && o.store.ttl[0].life >= time.Millisecond {
		s.Expiring(o.store.ttl[0].life.Milliseconds(), o.store.ttl[0].wall)
	}
}
