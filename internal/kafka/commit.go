package kafka

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Outcome is what became of a commit.
type Outcome uint8

const (
	// NothingCommitted: offsets and outputs are as they were before.
	NothingCommitted Outcome = iota
	// OffsetsCommitted: offsets are committed, and under exactly once the outputs with them.
	OffsetsCommitted
	// UnknownOutcome: the committed offsets tell, once they are stable.
	UnknownOutcome
)

func (o Outcome) String() string {
	return [...]string{"nothing committed", "committed", "unknown"}[o]
}

// Offset is one input partition's part of a commit.
type Offset struct {
	TP
	Offset      int64 // the first that is not processed
	LeaderEpoch int32 // of the last processed record, -1 if unknown
	Metadata    string
}

func (o Offset) String() string { return fmt.Sprintf("%s@%d", o.TP, o.Offset) }

// CommitInput is what belongs together.
type CommitInput struct {
	// Offsets are those of all the worker's tasks that did something. Under exactly once they are also what fences the
	// outputs, so they go along when only a timer sent something.
	Offsets []Offset
	// Apply writes the tasks' batches into their engines. All records are acknowledged then. At least once it runs before
	// the offsets are committed, under exactly once after. Nil does nothing.
	Apply func() error
}

// The steps of a commit, in the order of the protocol.
const (
	stepFlush      = "flush"
	stepAbort      = "abort"       // under exactly once, with nothing acknowledged
	stepAdd        = "add-offsets" // under exactly once, before transaction.version 2
	stepTxnOffsets = "txn-offsets"
	stepEnd        = "end"
	stepOffsets    = "offsets" // at least once, and with nothing acknowledged
	stepApply      = "apply"
)

// FailpointNames are the names that Settings.Failpoint is called with: before and after each step.
func FailpointNames(exactlyOnce bool) []string {
	steps := []string{stepFlush, stepApply, stepOffsets}
	if exactlyOnce {
		steps = []string{stepFlush, stepAbort, stepOffsets, stepAdd, stepTxnOffsets, stepEnd, stepApply}
	}
	var names []string
	for _, s := range steps {
		names = append(names, "before "+s, "after "+s)
	}
	return names
}

// Commit makes the worker's work durable: waits for its records, commits its offsets, under exactly once in the records'
// transaction, and has its state applied. It may wait for Settings.CommitTimeout.
//
// A nil error comes with OffsetsCommitted. An error of Apply is returned as it is, under exactly once together with
// OffsetsCommitted. Others are, by errors.Is, ErrFenced, ErrProducerDead or ErrUnknownOutcome, or, by errors.As, a
// SendError; the rest is time running out, or an answer of a broker that will not change.
//
// Under exactly once every error but Apply's means that the transaction must be abandoned. At least once, a commit whose
// time ran out, or whose outcome is unknown, may simply be tried again.
func Commit(ctx context.Context, g *Group, p *Producer, in CommitInput) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, g.set.commitTimeout())
	defer cancel()
	c := &commit{ctx: ctx, set: g.set, g: g, life: p.life.Load(), in: in}
	if c.life == nil {
		return NothingCommitted, ErrProducerDead
	}
	if err := g.owns(in.Offsets); err != nil {
		return NothingCommitted, err
	}
	c.in.Offsets = g.lasting(in.Offsets)
	if err := c.step(stepFlush, func() error { return p.Flush(ctx) }); err != nil {
		return NothingCommitted, err
	}
	switch {
	case !g.set.ExactlyOnce:
		return c.atLeastOnce()
	case c.life.acked.Load() == 0:
		return c.withoutOutput()
	}
	return c.inTransaction()
}

// commit is one run of the protocol. c.life cannot change during it: the worker's goroutine is in here.
type commit struct {
	ctx  context.Context
	set  *Settings
	g    *Group
	life *life
	in   CommitInput

	missing time.Time // since when some topic has been found missing, without a break
}

func (c *commit) step(name string, do func() error) error {
	c.set.failpoint("before " + name)
	if err := do(); err != nil {
		return err
	}
	c.set.failpoint("after " + name)
	return nil
}

// atLeastOnce applies first: a crash between the two repeats work on a state that has it already, and loses none.
func (c *commit) atLeastOnce() (Outcome, error) {
	if err := c.step(stepApply, c.apply); err != nil {
		return NothingCommitted, err
	}
	return c.offsets()
}

// withoutOutput: the client would make of this commit nothing, or an abort. The offsets go without a transaction.
func (c *commit) withoutOutput() (Outcome, error) {
	if err := c.step(stepAbort, c.abort); err != nil {
		return NothingCommitted, fmt.Errorf("%w: abort %s: %w", ErrProducerDead, c.life.txnID, err)
	}
	if out, err := c.offsets(); err != nil {
		return out, err
	}
	return OffsetsCommitted, c.step(stepApply, c.apply)
}

func (c *commit) inTransaction() (Outcome, error) {
	if len(c.in.Offsets) > 0 {
		if err := c.join(); err != nil {
			return NothingCommitted, err
		}
	} else if c.g.Fenced() {
		return NothingCommitted, ErrFenced
	}
	if err := c.step(stepEnd, c.end); err != nil {
		return UnknownOutcome, fmt.Errorf("%w: end the transaction of %s: %w", ErrUnknownOutcome, c.life.txnID, err)
	}
	return OffsetsCommitted, c.step(stepApply, c.apply)
}

// join puts the offsets into the transaction.
func (c *commit) join() error {
	if !c.life.tv2 {
		if err := c.step(stepAdd, c.addOffsets); err != nil {
			return fmt.Errorf("add offsets to the transaction of %s: %w", c.life.txnID, err)
		}
	}
	return wrap(c.step(stepTxnOffsets, c.txnOffsets), "commit offsets in the transaction of %s", c.life.txnID)
}

func (c *commit) offsets() (Outcome, error) {
	if len(c.in.Offsets) == 0 {
		return OffsetsCommitted, nil
	}
	err := c.step(stepOffsets, c.plainOffsets)
	switch {
	case err == nil:
		return OffsetsCommitted, nil
	case c.ctx.Err() != nil:
		return UnknownOutcome, fmt.Errorf("%w: commit offsets of group %s: %w", ErrUnknownOutcome, c.set.App, err)
	}
	return NothingCommitted, fmt.Errorf("commit offsets of group %s: %w", c.set.App, err)
}

func (c *commit) abort() error { return c.life.abort(c.ctx) }
func (c *commit) end() error   { return c.life.end(c.ctx, kgo.TryCommit) }

func (c *commit) apply() error {
	if c.in.Apply == nil {
		return nil
	}
	return c.in.Apply()
}

// fenced sends something under the recorded identity until there is an answer for good.
//
// ILLEGAL_GENERATION and REBALANCE_IN_PROGRESS with an unchanged id mean that a rebalance is under way which this member
// takes part in: what it was given is still its own, so the next generation may commit it, in the same transaction.
func (c *commit) fenced(do func(member string, generation int32) error) error {
	var last error
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		member, generation, err := c.g.identity()
		if err != nil {
			return err
		}
		if err = do(member, generation); err == nil {
			return nil
		}
		switch {
		case fencesMember(err):
			c.g.condemn(c.ctx, member)
			return fmt.Errorf("%w: %w", ErrFenced, err)
		case c.ctx.Err() != nil:
			return timeUp(c.ctx, cmp.Or(last, err))
		case killsProducer(err):
			return fmt.Errorf("%w: %w", ErrProducerDead, err)
		case !stale(err) && !passes(err):
			return err
		}
		last = err
		if unknownTopic(err) {
			c.dropMissing()
		}
		if !pause(c.ctx, wait) {
			return timeUp(c.ctx, last)
		}
	}
}

// missingFor is how long a topic must be missing until it counts as deleted: a broker may hear of a topic later than those that it was read from.
const missingFor = 3 * time.Second

// dropMissing leaves out the offsets of topics that were deleted. Nobody will read on there, and what the others say must not wait for it.
func (c *commit) dropMissing() {
	exist, err := topics(c.ctx, c.g.adm, c.topics()...)
	gone := func(o Offset) bool { return exist[o.Topic].ID == [16]byte{} || c.g.remade(o.Topic, exist[o.Topic].ID) }
	switch {
	case err != nil:
	case !slices.ContainsFunc(c.in.Offsets, gone):
		c.missing = time.Time{}
	case c.missing.IsZero():
		c.missing = time.Now()
	case time.Since(c.missing) >= missingFor:
		c.in.Offsets = slices.DeleteFunc(slices.Clone(c.in.Offsets), gone)
	}
}

// topics are those of the offsets, sorted.
func (c *commit) topics() (names []string) {
	for _, o := range c.in.Offsets {
		names = append(names, o.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (c *commit) addOffsets() error {
	return c.fenced(func(string, int32) error {
		id, epoch, err := c.life.cl.ProducerID(c.ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProducerDead, err)
		}
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.life.txnID, id, epoch
		req.Group = c.set.App
		resp, err := req.RequestWith(c.ctx, c.life.cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

func (c *commit) txnOffsets() error {
	return c.fenced(func(member string, generation int32) error {
		id, epoch, err := c.life.cl.ProducerID(c.ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProducerDead, err)
		}
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.life.txnID, id, epoch
		req.Group, req.MemberID, req.Generation, req.InstanceID = c.set.App, member, generation, c.g.instance()
		if req.Topics, err = txnTopics(c); err != nil {
			return err
		}
		resp, err := req.RequestWith(c.ctx, c.life.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return c.naming(t.Topic, t.TopicID, p.Partition, err)
				}
			}
		}
		return nil
	})
}

func (c *commit) plainOffsets() error {
	return c.fenced(func(member string, generation int32) error {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.MemberID, req.Generation, req.InstanceID = c.set.App, member, generation, c.g.instance()
		var err error
		if req.Topics, err = plainTopics(c); err != nil {
			return err
		}
		resp, err := req.RequestWith(c.ctx, c.g.cl)
		if err != nil {
			return err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return c.naming(t.Topic, t.TopicID, p.Partition, err)
				}
			}
		}
		return nil
	})
}

// naming says which partition an answer is about.
func (c *commit) naming(topic string, id [16]byte, partition int32, err error) error {
	if topic == "" {
		topic = c.g.topicOf(id)
	}
	return fmt.Errorf("%s: %w", TP{Topic: topic, Partition: partition}, err)
}

// byTopic groups the offsets; topics come sorted, so that equal commits are equal requests.
func (c *commit) byTopic() ([]string, map[string][]Offset, map[string][16]byte, error) {
	m := map[string][]Offset{}
	for _, o := range c.in.Offsets {
		m[o.Topic] = append(m[o.Topic], o)
	}
	names := c.topics()
	ids, err := c.g.idsOf(c.ctx, names)
	return names, m, ids, err
}

func txnTopics(c *commit) ([]kmsg.TxnOffsetCommitRequestTopic, error) {
	names, offsets, ids, err := c.byTopic()
	var out []kmsg.TxnOffsetCommitRequestTopic
	for _, name := range names {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = name, ids[name]
		for _, o := range offsets[name] {
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = o.Partition, o.Offset, o.LeaderEpoch, &o.Metadata
			t.Partitions = append(t.Partitions, p)
		}
		out = append(out, t)
	}
	return out, err
}

func plainTopics(c *commit) ([]kmsg.OffsetCommitRequestTopic, error) {
	names, offsets, ids, err := c.byTopic()
	var out []kmsg.OffsetCommitRequestTopic
	for _, name := range names {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = name, ids[name]
		for _, o := range offsets[name] {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = o.Partition, o.Offset, o.LeaderEpoch, &o.Metadata
			t.Partitions = append(t.Partitions, p)
		}
		out = append(out, t)
	}
	return out, err
}
