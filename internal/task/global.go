package task

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/offsetmeta"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
)

// Global fills the store of a global sub-topology: one task over all partitions of a topic, which every instance runs for itself, in no group.
// How far it has read is kept with the rows, in the same batch, so that after a restart only the tail is read:
//
//	G1  the rows of a Global are exactly those of the records before its positions
//
// It writes nothing but its store. It is owned by one goroutine; tasks borrow the store meanwhile.
type Global struct {
	c     Config
	topic string
	store string
	t     *Task
	parts int32
}

// NewGlobal makes the task on stores that are opened, for a topic of so many partitions. Of the config App, Sub, Stores, Stats, the handlers,
// Pause, Now and Recovers count. On an error the stores stay the caller's.
func NewGlobal(c Config, partitions int32) (*Global, error) {
	g := &Global{c: c, topic: c.Sub.Sources()[0].Topics[0].Name, store: c.Sub.Stores[0].Name}
	g.c.Name, g.c.Partition, g.c.Out, g.c.MaxIdle = "global "+g.store, -1, nowhere{g.store}, -1
	if len(c.Sub.Stores) != 1 {
		return nil, fmt.Errorf("global topic %q: it fills %d stores, not one", g.topic, len(c.Sub.Stores))
	}
	if _, ok := g.c.Stores.Position(g.store); !ok { // nothing was committed, or the rows were forgotten: what is known of positions is of other rows
		g.unread(partitions)
	}
	return g, g.make(partitions)
}

// The names under which the engine keeps a partition's position and time.
func nextMark(partition int32) string { return "\x00next\x00" + strconv.Itoa(int(partition)) }
func timeMark(partition int32) string { return "\x00time\x00" + strconv.Itoa(int(partition)) }

const partsMark = "\x00partitions"

// unread forgets the positions of all partitions.
func (g *Global) unread(partitions int32) {
	for p := range max(partitions, int32(g.c.Stores.Mark(partsMark))) {
		g.c.Stores.SetMark(nextMark(p), -1)
		g.c.Stores.SetMark(timeMark(p), -1)
	}
}

func (g *Global) make(partitions int32) (err error) {
	c := g.c
	for p := range partitions {
		next, _ := g.Next(p)
		meta := offsetmeta.Encode(offsetmeta.Metadata{PartitionTime: c.Stores.Mark(timeMark(p))})
		c.Inputs = append(c.Inputs, Input{TopicPartition: g.partition(p), Start: next, Metadata: meta})
	}
	g.parts = partitions
	g.t, err = New(c)
	return err
}

func (g *Global) partition(p int32) flow.TopicPartition {
	return flow.TopicPartition{Topic: g.topic, Partition: p}
}

// Topic is what is read, Store what is filled.
func (g *Global) Topic() string { return g.topic }

// Store is the store's name.
func (g *Global) Store() string { return g.store }

// Partitions is how many partitions are read.
func (g *Global) Partitions() int32 { return g.parts }

// Stores are the task's, to borrow from.
func (g *Global) Stores() *store.Set { return g.c.Stores }

// Next is the offset up to which a partition is in the rows; false where it never was read.
func (g *Global) Next(partition int32) (int64, bool) {
	next := g.c.Stores.Mark(nextMark(partition))
	return max(next, 0), next >= 0
}

// Push adds fetched records, in the order of their offsets; Work takes them.
func (g *Global) Push(partition int32, recs []flow.Raw) error {
	_, err := g.t.Push(g.partition(partition), recs)
	return err
}

const globalStep = 1024 // records between looks at what is uncommitted

// Work processes all that was pushed and commits it: then borrowers see it. now is in ms.
func (g *Global) Work(now int64) error {
	for {
		n, err := g.t.Step(now, globalStep)
		if err == nil && n < globalStep {
			err = g.t.Punctuate(now)
		}
		if err != nil {
			return err
		}
		if n < globalStep || g.t.CommitWanted() {
			err = g.commit()
		}
		if err != nil || n < globalStep {
			return err
		}
	}
}

func (g *Global) commit() error {
	if !g.t.CommitNeeded() {
		return nil
	}
	offsets, err := g.t.PrepareCommit()
	if err != nil {
		return err
	}
	s := g.c.Stores
	for tp, at := range offsets {
		meta, _ := offsetmeta.Decode(at.Metadata)
		s.SetMark(nextMark(tp.Partition), at.Next)
		s.SetMark(timeMark(tp.Partition), meta.PartitionTime)
	}
	s.SetMark(partsMark, int64(g.parts))
	sum := int64(0)
	for p := range g.parts {
		next, _ := g.Next(p)
		sum += next
	}
	return g.t.Committed(map[string]int64{g.store: sum})
}

// Wake is when, in ms, Work is wanted though nothing arrives; false for never.
func (g *Global) Wake() (at int64, ok bool) { return g.t.Wake() }

// Mark and SetMark are numbers kept with the rows, for who reads the topic; the next commit keeps them.
func (g *Global) Mark(name string) int64        { return g.c.Stores.Mark("\x00reader\x00" + name) }
func (g *Global) SetMark(name string, to int64) { g.c.Stores.SetMark("\x00reader\x00"+name, to) }

// Reset drops all rows and positions, for a topic of so many partitions that is not the one they came from: it is read anew from its start.
func (g *Global) Reset(partitions int32) error {
	if err := g.t.Abandon(); err != nil {
		return err
	}
	if err := g.c.Stores.Forget(g.store); err != nil {
		return err
	}
	g.unread(partitions)
	return g.make(partitions)
}

// Grow goes on with more partitions. All that was pushed must have been worked off.
func (g *Global) Grow(partitions int32) error {
	if err := g.t.Abandon(); err != nil {
		return err
	}
	return g.make(partitions)
}

// Close closes the processor and the stores; what was not committed is forgotten.
func (g *Global) Close() error { return g.t.Close() }

// nowhere is the way out of a global store's task: there is none.
type nowhere struct{ store string }

func (n nowhere) Partitions(string) (int32, error) { return 0, errNowhere }

var errNowhere = errors.New("what fills a global store writes to no topic")

func (n nowhere) Send(d *flow.Dest, _ int32, _, _ []byte, _ processor.Headers, _ int64) error {
	return fmt.Errorf("global store %q: topic %q: %w", n.store, d.Topic, errNowhere)
}
