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
//
// Silence may put the time ahead of the records (see Idle). Then how far they have come is kept too: by that it is known that nothing is open.
type clock struct {
	set  *store.Set
	mark string // of the time, where it has one of its own; empty where the store's mark does
	name string // the store
	lag  int64
	time int64 // −1 before the first record

	idles bool
	input string
	taken int64 // where it idles, the greatest time of a record; −1 before the first
}

func newClock(env *Env, name, input string, h rows.Host, lag int64, emits bool) *clock {
	c := &clock{set: env.Stores, name: name, lag: lag, input: input}
	if input != "" { // the store's time, and its mark, are not one input's
		c.mark = name + "\x00time" + input
		c.time = c.set.Mark(c.mark)
		return c
	}
	c.time = h.Observed()
	if closed := c.set.Mark(name); closed >= 0 {
		c.time = max(c.time, closed+lag)
	}
	if emits {
		c.mark = name + "\x00time"
		c.time = max(c.time, c.set.Mark(c.mark))
	}
	return c
}

// closeIdle has what is open closed after some silence, with the time that closing what a record of some time may be in needs. then is what else
// there is to do, and says whether there was anything.
func (c *clock) closeIdle(n *Node, after int64, past func(at int64) int64, then func() (bool, error)) {
	mark := IdleMark(c.name) + c.input
	c.idles = n.Env.OnIdle(n, after, func() (bool, error) {
		moved := c.taken >= 0 && c.put(past(c.taken))
		if moved {
			c.set.SetMark(mark, c.taken)
		}
		did, err := then()
		return moved || did, err
	})
	switch c.taken = c.set.Mark(mark); {
	case !c.idles && c.taken >= 0:
		c.set.SetMark(mark, -1) // it is not kept, and would be too early later on
	case c.idles && c.taken < 0:
		c.taken = c.time
	}
}

// put puts the time ahead, or leaves it where it is.
func (c *clock) put(to int64) (moved bool) {
	before := c.time
	c.raise(to)
	return c.time > before
}

// closed is how far windows are closed.
func (c *clock) closed() int64 { return c.time - c.lag }

// advance raises the time to a record's.
func (c *clock) advance(at int64) {
	if c.idles && at > c.taken {
		c.taken = at
		c.set.SetMark(IdleMark(c.name)+c.input, at)
	}
	c.raise(at)
}

func (c *clock) raise(at int64) {
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
