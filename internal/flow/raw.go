package flow

import (
	"fmt"

	"github.com/weirstream/weir/processor"
)

// Raw is a fetched record, still bytes. Topic and partition are those of the queue that it is pushed to. A nil Key or Value is null.
type Raw struct {
	Key, Value  []byte
	Headers     processor.Headers
	Time        int64 // the broker's timestamp, ms
	Offset      int64
	LeaderEpoch int32
	Control     bool // a transaction marker: it only moves the position
}

// Size is what the record takes in a queue, in bytes.
func (r *Raw) Size() int64 { return int64(len(r.Key)+len(r.Value)) + 96 }

// Source is what a source node makes for a task: a queue for each partition that it reads.
type Source interface {
	Queue(topic string, partition int32) Queue
}

// Queue is the untyped face of a typed source queue, owned by the task. The head is decoded once.
type Queue interface {
	// Push adds a fetched record, by value.
	Push(Raw)
	// Len and Bytes measure what waits, the head included.
	Len() int
	Bytes() int64
	// Head decodes the head, if it has not been, and returns its event time in ms; false when nothing waits. Records that cannot be
	// decoded meet their decision here, control records are passed over: both move the position.
	Head() (at int64, ok bool, err error)
	// Run takes the head, which Head has decoded, and hands it down the graph.
	Run() error
	// Position is the offset of the head, else the one after the last record that was taken, with that record's leader epoch. ok is
	// false before anything was pushed.
	Position() (offset int64, epoch int32, ok bool)
	// PartitionTime is the greatest event time of the records taken; −1 before the first. SetPartitionTime restores it.
	PartitionTime() int64
	SetPartitionTime(int64)
	// Clear drops what waits.
	Clear()
}

// Collector is the way out of a task. It copies keys and values, so callers may reuse their buffers.
type Collector interface {
	// Partitions is the number of partitions of a topic that is written to.
	Partitions(topic string) (int32, error)
	// Send writes a record at a time in ms. A negative partition lets the client choose. An error is fatal to the task; what the
	// broker refuses later comes back through Node.Refused, with Env.Origin as it is now.
	Send(d *Dest, partition int32, key, value []byte, h processor.Headers, at int64) error
}

// Dest is a place that one node of one task writes to.
type Dest struct {
	Topic     string
	Store     string // of a changelog: the store's name
	Node      *Node
	Attached  any // the collector's own
	Changelog bool
	Dead      bool // a dead-letter topic
}

// refusal says what was refused, and what helps.
func (d *Dest) refusal(size int, err error) error {
	what := fmt.Sprintf("topic %q", d.Topic)
	switch {
	case d.Changelog:
		what = fmt.Sprintf("changelog %q of store %q", d.Topic, d.Store)
	case d.Dead:
		what = fmt.Sprintf("dead-letter topic %q", d.Topic)
	}
	return fmt.Errorf("%s: a record of %d bytes was refused: %w", what, size, err)
}
