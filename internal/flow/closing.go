package flow

import (
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
)

// Closing says that one result per window is emitted, when it closes.
type Closing struct {
	Every int64 // how often, in ms of wall-clock time, closed windows are looked for; 0: at each record, negative: as the app says
}

// closing emits windows when they have closed (KIP-825). Windows are looked for at records, each once, in the order of their ends, and none is
// lost: rows are kept until they were emitted. How far that has come is the store's mark. A record that comes too soon after a look is made up
// for by a timer: Kafka waits for the next record, which may never come.
type closing[KK, V any] struct {
	env   *Env
	node  *Node
	set   *store.Set
	host  rows.Host
	name  string
	t     *rows.Table[KK, V]
	every int64
	due   int64 // wall-clock time of the next look
	later *look // what the timer of the next look is for; nil without one
	mark  int64 // windows that had closed by then were emitted; −1: none
	// after and upto are the least time of a row that has not closed by a mark, and the greatest of one that has.
	after, upto func(mark int64) int64
	timeOf      func(KK, rows.Item[V]) int64
	next        Receiver[KK, Change[V]]
}

// look is a look for closed windows.
type look struct {
	closed  int64             // how far windows are closed
	headers processor.Headers // of the record that closed them
}

// start takes up the mark of an earlier life.
func (c *closing[KK, V]) start(n *Node, name string, t *rows.Table[KK, V], how Closing, next Receiver[KK, Change[V]]) {
	c.env, c.node, c.set, c.host, c.name, c.t, c.next = n.Env, n, n.Env.Stores, t.Host(), name, t, next
	if c.every = how.Every; c.every < 0 {
		c.every = n.Env.EmitEvery
	}
	c.mark = c.set.Mark(name)
	c.host.Keep(c.from())
}

// from is the least time of a row that was not emitted.
func (c *closing[KK, V]) from() int64 {
	if c.mark < 0 {
		return 0
	}
	return max(0, c.after(c.mark))
}

// emit forwards what has closed, if it is time to look. closed is how far windows are closed.
func (c *closing[KK, V]) emit(closed int64, h processor.Headers) (err error) {
	if c.every > 0 {
		now := c.env.WallTime
		if now < c.due {
			c.lookLater(closed, h)
			return nil
		}
		c.due = now + c.every
	}
	if closed < 0 || closed <= c.mark {
		return nil
	}
	for k, it := range c.t.ByTime(c.from(), c.upto(closed)) {
		at := time.UnixMilli(c.timeOf(k, it)).UTC()
		if err = c.next(processor.Record[KK, Change[V]]{Key: k, Value: Change[V]{New: it.Value, HasNew: true}, Time: at, Headers: h}); err != nil {
			return err
		}
	}
	c.mark = closed
	c.set.SetMark(c.name, closed)
	c.host.Keep(c.from())
	return nil
}

// emitIdle is emit without waiting for the time to look, where silence has closed windows.
func (c *closing[KK, V]) emitIdle(closed int64) (any bool, err error) {
	if c == nil {
		return false, nil
	}
	before := c.mark
	c.due = 0
	err = c.emit(closed, nil)
	return c.mark != before, err
}

// lookLater has a timer look at the next moment at which that is allowed, for what has closed by then.
func (c *closing[KK, V]) lookLater(closed int64, h processor.Headers) {
	if closed <= c.mark {
		return
	}
	if c.later != nil {
		*c.later = look{closed, h}
		return
	}
	c.later = &look{closed, h}
	var cancel func()
	cancel = c.env.Timers.Schedule(c.node, c.due-c.env.WallTime, -1, true, c.env.WallTime, func(int64) error {
		cancel()
		now := *c.later
		c.later = nil
		return c.emit(now.closed, now.headers)
	})
}
