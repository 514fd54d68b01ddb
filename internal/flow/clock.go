package flow

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
)

// clock is the time that a windowed aggregation has observed: the greatest of the records that reached it, not of its task (Kafka's
// observedStreamTime). It is kept with the rows, so that no window that was closed opens again after a restart.
//
// The store's mark is how far windows are closed, which is lag behind the time; it travels in the metadata of committed offsets, as Kafka's
// watermarks of emit-on-close do, and so survives the loss of the rows. With emit on close it is how far windows have been emitted; the
// time then has a mark of its own. So has that of each stream of a cogroup, whose store's mark is nobody's.
type clock struct {
	set  *store.Set
	mark string // of the time, where it has one of its own; empty where the store's mark does
	name string // the store
	lag  int64
	time int64 // −1 before the first record
}

func newClock(env *Env, name, input string, h rows.Host, lag int64, emits bool) *clock {
	if input != "" { // the store's time, and its mark, are not one input's
		mark := name + "\x00time" + input
		return &clock{set: env.Stores, name: name, lag: lag, mark: mark, time: env.Stores.Mark(mark)}
	}
	c := &clock{set: env.Stores, name: name, lag: lag, time: h.Observed()}
	if closed := c.set.Mark(name); closed >= 0 {
		c.time = max(c.time, closed+lag)
	}
	if emits {
		c.mark = name + "\x00time"
		c.time = max(c.time, c.set.Mark(c.mark))
	}
	return c
}

// advance raises the time to a record's.
func (c *clock) advance(at int64) {
	if at <= c.time {
		return
	}
	c.time = at
	switch {
	case c.mark != "":
		c.set.SetMark(c.mark, at)
	case at >= c.lag:
		c.set.SetMark(c.name, at-c.lag)
	}
}
