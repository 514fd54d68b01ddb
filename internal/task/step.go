package task

import (
	"errors"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
)

// Step takes up to max records, each the one of the smallest event time among the heads, and returns how many; fewer than max means that the
// task waits. Stream-time punctuations run between records, and calls that have ended are finished. now is in ms.
func (t *Task) Step(now int64, max int) (n int, err error) {
	if err := t.begin(now); err != nil {
		return 0, err
	}
	defer func() { t.c.Stats.Records.Add(int64(n)) }()
	defer t.boundary(&err)
	for n < max {
		if waits, err := t.finishSome(); waits || err != nil {
			t.between()
			return n, err
		}
		in, err := t.choose(now)
		if in == nil || err != nil {
			t.between()
			return n, t.settled(err)
		}
		if err := t.take(in); err != nil {
			return n, err
		}
		n++
	}
	t.between()
	return n, nil
}

// Finish applies what came of calls that have ended, and returns of how many; it takes no record. now is in ms.
func (t *Task) Finish(now int64) (n int, err error) {
	if err := t.begin(now); err != nil {
		return 0, err
	}
	defer t.boundary(&err)
	n, err = t.finish()
	t.between()
	return n, err
}

// finishSome finishes calls; waits says that no record is to be taken before another has ended.
func (t *Task) finishSome() (waits bool, err error) {
	if !t.env.Asks() {
		return false, nil
	}
	for {
		n, err := t.finish()
		if err != nil || !t.env.Full() {
			return false, err
		}
		if n == 0 {
			t.idleUntil = -1
			return true, nil
		}
	}
}

func (t *Task) finish() (n int, err error) {
	if !t.env.Asks() {
		return 0, nil
	}
	for {
		c, ok := t.c.Calls.Ended()
		if !ok {
			return n, nil
		}
		n++
		t.worked, t.node = true, c.Node()
		t.between()
		if err := t.settled(c.Done()); err != nil {
			return n, err
		}
		if err := t.trim(); err != nil {
			return n, err
		}
	}
}

var errBetween = errors.New("work is asked for between the halves of a commit")

func (t *Task) begin(now int64) error {
	if err := t.usable(); err != nil {
		return err
	}
	if t.prepared != nil {
		return t.named(errBetween)
	}
	t.env.WallTime = now
	t.c.Stores.SetWall(now)
	return nil
}

// take runs the record at an input's head, and what follows from it before the next record.
func (t *Task) take(in *input) error {
	t.worked, t.node, t.quiet = true, in.node, -1
	t.env.StreamTime = max(t.env.StreamTime, in.at)
	in.begin.Begin()
	t.during(&t.env.Origin)
	if err := t.settled(in.queue.Run()); err != nil {
		return err
	}
	if t.env.Timers.Any() {
		if _, err := t.env.Timers.Fire(t.env.StreamTime, false, t.punctuateStream); err != nil {
			return err
		}
	}
	return t.trim()
}

// trim brings the caches back to their budget.
func (t *Task) trim() error {
	if t.c.Stores.CacheBytes() <= t.c.CacheBytes {
		return nil
	}
	t.between()
	return t.settled(t.c.Stores.Trim(t.c.CacheBytes))
}

// settled is the outcome of work: an error that user code swallowed, or that a scan could not return, counts as its own.
func (t *Task) settled(err error) error {
	stuck := t.env.Unstick()
	if err != nil {
		return err
	}
	if stuck != nil {
		return t.fatal(processor.Processing, t.node, stuck)
	}
	return nil
}

// during makes a record what is in process.
func (t *Task) during(o *flow.Origin) {
	t.ctx.Topic, t.ctx.Partition, t.ctx.Offset, t.ctx.Time = o.Topic, o.Partition, o.Offset, o.Time
	if len(o.Headers) > 0 {
		t.ctx.Headers = o.Headers
	} else if t.ctx.Headers != nil {
		t.ctx.Headers = nil
	}
}

// between makes no record be in process; the time is stream time's.
func (t *Task) between() { t.at(t.env.StreamTime) }

// at makes no record be in process, at a time.
func (t *Task) at(now int64) {
	t.env.Origin = flow.Origin{Partition: -1, Offset: -1, Time: now, Written: now}
	t.ctx = rows.Context{Partition: -1, Offset: -1, Time: now}
}

// Punctuate calls what is due on the wall clock. now is in ms.
func (t *Task) Punctuate(now int64) (err error) {
	if err := t.begin(now); err != nil {
		return err
	}
	defer t.boundary(&err)
	any, err := t.env.Timers.Fire(now, true, t.punctuateWall)
	if err != nil {
		return err
	}
	gone, err := t.expire()
	if err != nil || !any && !gone {
		return err
	}
	t.between()
	return t.settled(t.c.Stores.Trim(t.c.CacheBytes))
}

// expireEach is how many rows of a store whose time is over leave in one go.
const expireEach = 1024

// expire has the stores let rows go whose time is over.
func (t *Task) expire() (any bool, err error) {
	t.between()
	n, err := t.c.Stores.Expire(expireEach)
	t.worked = t.worked || n > 0
	return n > 0, t.settled(t.blamed(err))
}

// blamed has an error of a store whose rows leave told of the node that uses it first.
func (t *Task) blamed(err error) error {
	if e := (*store.ExpireError)(nil); errors.As(err, &e) && t.users[e.Store] != nil {
		return t.fatal(processor.Processing, t.users[e.Store].Name, err)
	}
	return err
}

func (t *Task) punctuateStream(n *flow.Node, f func(int64) error) error {
	return t.punctuate(n, f, t.env.StreamTime)
}

func (t *Task) punctuateWall(n *flow.Node, f func(int64) error) error {
	return t.punctuate(n, f, t.env.WallTime)
}

// punctuate calls one punctuation until it succeeds or a decision lets it go. Its first error is the node's; one that stuck is final.
func (t *Task) punctuate(n *flow.Node, f func(int64) error, now int64) error {
	t.worked, t.node = true, n.Name
	for {
		t.at(now)
		err := called(f, now)
		if stuck := t.env.Unstick(); stuck != nil {
			return t.fatal(processor.Processing, n.Name, errors.Join(stuck, err))
		}
		if err == nil {
			return nil
		}
		t.at(now)
		if again, fatal := n.Decide(processor.Processing, err); !again {
			return fatal
		}
	}
}

func called(f func(int64) error, now int64) (err error) {
	defer flow.Catch(&err)
	return f(now)
}

// Wake is when, in ms, the task wants to be stepped or punctuated though nothing arrives; false for never.
func (t *Task) Wake() (at int64, ok bool) {
	at, ok = t.env.Timers.Next()
	if next, expires := t.c.Stores.NextExpiry(); expires && (!ok || next < at) {
		at, ok = next, true
	}
	if t.idleUntil >= 0 && (!ok || t.idleUntil < at) {
		at, ok = t.idleUntil, true
	}
	if due, closes := t.closes(); closes && due > t.env.WallTime && (!ok || due < at) {
		at, ok = due, true
	}
	return at, ok
}
