// Package task runs one sub-topology for one partition: queues, the choice of the next record, stream time, punctuation, and the commit in
// two halves. It computes: no goroutine, no clock, no network.
package task

import (
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/topology"
)

// Config is what a task is made of.
type Config struct {
	App       string
	Name      string // subtopology_partition
	Partition int32
	Sub       *topology.Sub
	Inputs    []Input    // every partition that the task reads
	Stores    *store.Set // opened and restored
	Out       flow.Collector
	Stats     *flow.Stats
	OnError   flow.Handler
	OnDropped flow.DropHandler
	Pause     func(time.Duration) error
	// MaxIdle is how long, in ms, an empty queue whose lag is known to be zero holds the others back (KIP-695); −1 never waits.
	MaxIdle    int64
	CacheBytes int64
	QueueBytes int64 // a queue over it asks for its partition to be paused
	Now        int64 // ms
	Recovers   bool
}

// Input is one partition that a task reads, with what was committed for it.
type Input struct {
	flow.TopicPartition
	Metadata string // of the committed offset
}

// Offset is what is committed for an input partition.
type Offset struct {
	Next     int64
	Epoch    int32
	Metadata string
}

// Task is owned by one goroutine.
type Task struct{}

// New makes the nodes and starts the stores. Errors of processors' Init come back here.
func New(c Config) (*Task, error) { return nil, nil }

// Push adds fetched records, in the order of their offsets, to the queue of a partition; full asks for the partition to be paused.
func (t *Task) Push(p flow.TopicPartition, recs []flow.Raw) (full bool, err error) { return false, nil }

// SetEnd says where a partition is known to end: lag = end − position of what was pushed. Until it is known an empty queue waits.
func (t *Task) SetEnd(p flow.TopicPartition, end int64) {}

// Resumable are paused partitions whose queue has fallen under half its limit; each is returned once.
func (t *Task) Resumable() []flow.TopicPartition { return nil }

// Step takes up to max records, each the one of the smallest event time among the heads, and returns how many; fewer than max means that the
// task waits. Stream-time punctuations run between records.
func (t *Task) Step(now int64, max int) (n int, err error) { return 0, nil }

// Punctuate calls what is due on the wall clock.
func (t *Task) Punctuate(now int64) error { return nil }

// Wake is when, in ms, the task wants to be stepped or punctuated though nothing arrives; false for never.
func (t *Task) Wake() (at int64, ok bool) { return 0, false }

// CommitNeeded reports whether anything happened since the last commit; CommitWanted whether user code asked for one, or uncommitted writes are large.
func (t *Task) CommitNeeded() bool { return false }
func (t *Task) CommitWanted() bool { return false }

// PrepareCommit flushes the caches, which may forward and send, and returns the offsets to commit. No record may be taken until Committed.
func (t *Task) PrepareCommit() (map[flow.TopicPartition]Offset, error) { return nil, nil }

// Committed applies what was written since the last commit, with the acknowledged changelog positions by store (the offset after the last).
func (t *Task) Committed(positions map[string]int64) error { return nil }

// Close closes processors and stores; what was not committed is forgotten.
func (t *Task) Close() error { return nil }
