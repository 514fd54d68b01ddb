package flow

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
)

// Handler decides what becomes of a record that failed.
type Handler func(context.Context, *processor.RecordError) processor.Decision

// DropHandler is told of every record that is dropped without an error.
type DropHandler func(ctx context.Context, reason Reason, node string, at time.Time, source processor.Source)

// Env is what the nodes of one task share. It is owned by the task's goroutine.
type Env struct {
	App        string // the prefix of internal topics
	Task       string // subtopology_partition: 0_3
	Partition  int32
	Context    context.Context // cancelled when the task is closed
	Stores     *store.Set
	Out        Collector
	OnError    Handler     // the app's; nil fails
	OnDropped  DropHandler // the app's; may be nil
	Around     Wrapper     // nil: nothing is around the nodes' work
	Stats      *Stats
	StreamTime int64 // ms; −1 before the first record
	WallTime   int64 // ms, the loop's
	Origin     Origin
	// Pause waits for a retry; an error says that the wait was cut short (shutdown, rebalance, a transaction that would time out) and
	// ends the task's work, which is done again from the last commit.
	Pause func(time.Duration) error
	// Calls runs what takes long beside the task; nil where nothing may.
	Calls Calls
	// Atomic says that all that a commit covers, outputs, changelogs and offsets, becomes durable together or not at all. Else any part of what was
	// written since the last commit may be there after a crash, and any other part not.
	Atomic bool
	// Starts is where reading begins in each partition that the task reads: what comes from there on has not been taken, whatever stores say.
	Starts map[TopicPartition]int64
	// EmitEvery is how often, in ms of wall-clock time, operators look for windows that have closed; 0 is at each record.
	EmitEvery int64
	// CloseIdle is after how many ms of silence operators close what is open, where they do not say so themselves; 0 is never.
	CloseIdle int64
	// CommitWanted is set by Context.RequestCommit, and taken back by the worker.
	CommitWanted bool
	// Recovers says that some OnError may let the task go on after an error, so that an aggregate must be brought back to what it was.
	Recovers bool

	Timers  Timers
	Idle    Idle
	shared  map[any]any
	closers []func() error
	asking  []asking      // nodes
	owing   []func() bool // of nodes that may leave something to the next commit
	dead    map[string]*Dest
	stuck   error
	tells   map[string]*Node // nodes with an OnDropped of their own
	told    bool             // Rows are looked up as they have been forwarded
}

// Origin is the record that a task took from its source, raw, or nothing (Topic is empty) in a punctuation.
type Origin struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value []byte // nil too where a cache has forgotten them
	Time       int64  // the event's, ms
	Written    int64  // the broker's timestamp, ms
	Headers    processor.Headers
}

// Source is the record's coordinates.
func (o *Origin) Source() processor.Source {
	return processor.Source{Topic: o.Topic, Partition: o.Partition, Offset: o.Offset}
}

// TopicPartition is one partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is topic-partition, as Kafka's tools write it.
func (p TopicPartition) String() string { return fmt.Sprintf("%s-%d", p.Topic, p.Partition) }

// Shared returns the task's one object of a key, which the first caller makes: what several nodes of an operator share.
func Shared[T any](e *Env, key any, make func() T) T {
	if got, ok := e.shared[key]; ok {
		return got.(T)
	}
	if e.shared == nil {
		e.shared = map[any]any{}
	}
	made := make()
	e.shared[key] = made
	return made
}

// AsTold makes what looks up rows as the tables' updates have told of them so far: what waits in a cache is not there yet.
func AsTold[K, V any](e *Env, look func(*Env) (Getter[K, V], error)) (Getter[K, V], error) {
	before := e.told
	e.told = true
	defer func() { e.told = before }()
	return look(e)
}

// OnClose registers what is closed with the task, last first.
func (e *Env) OnClose(f func() error) { e.closers = append(e.closers, f) }

// Close closes what was registered and returns every error.
func (e *Env) Close() (errs []error) {
	for i := len(e.closers) - 1; i >= 0; i-- {
		if err := e.closers[i](); err != nil {
			errs = append(errs, err)
		}
	}
	e.closers = nil
	return errs
}

// Stick keeps the first error that had nowhere to go: of a scan, or one that user code swallowed.
func (e *Env) Stick(err error) {
	if e.stuck == nil {
		e.stuck = err
	}
}

// Unstick returns and forgets what stuck.
func (e *Env) Unstick() error {
	err := e.stuck
	e.stuck = nil
	return err
}

// handsOut is a store whose rows are forwarded as they go.
type handsOut interface {
	Late()
	Owes() bool
}

// sure sees to it that no row is gone for good before what was made of it is durable.
func (e *Env) sure(s handsOut) {
	if !e.Atomic {
		s.Late()
	}
	e.owing = append(e.owing, s.Owes)
}

// Owes says that a commit is needed though nothing has happened since the last.
func (e *Env) Owes() bool {
	for _, owes := range e.owing {
		if owes() {
			return true
		}
	}
	return false
}

func (e *Env) telling(n *Node) {
	if e.tells == nil {
		e.tells = map[string]*Node{}
	}
	e.tells[n.Name] = n
}

// Drop counts a record that a node's store has dropped, and tells the node's OnDropped, or the app's.
func (e *Env) Drop(n *Node, r Reason) {
	if own := e.tells[n.Name]; own != nil {
		n = own
	}
	n.Drop(r)
}

// deadDest is the way to a dead-letter topic.
func (e *Env) deadDest(topic string, n *Node) *Dest {
	key := topic + "\x00" + n.Name
	if d, ok := e.dead[key]; ok {
		return d
	}
	if e.dead == nil {
		e.dead = map[string]*Dest{}
	}
	d := &Dest{Topic: topic, Node: n, Dead: true}
	e.dead[key] = d
	return d
}

// Stats are an app's counters of records, shared by all tasks; it is safe for use by many goroutines.
type Stats struct {
	Records atomic.Int64
	Open    atomic.Int64 // records that wait for a call, or are in one
	mu      sync.Mutex
	nodes   map[string]*[reasons]atomic.Int64
}

// Node returns the drop counters of a node.
func (s *Stats) Node(name string) *[reasons]atomic.Int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes == nil {
		s.nodes = map[string]*[reasons]atomic.Int64{}
	}
	c := s.nodes[name]
	if c == nil {
		c = new([reasons]atomic.Int64)
		s.nodes[name] = c
	}
	return c
}

// Dropped is what was dropped so far, by node and reason; nodes and reasons without drops are left out.
func (s *Stats) Dropped() map[string]map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]int64{}
	for name, c := range s.nodes {
		for r := range c {
			if n := c[r].Load(); n > 0 {
				if all[name] == nil {
					all[name] = map[string]int64{}
				}
				all[name][Reason(r).String()] = n
			}
		}
	}
	return all
}

// wiringError is a graph whose edge joins two types.
type wiringError struct{ want, got any }

func (e wiringError) Error() string {
	return fmt.Sprintf("a child takes %T, not %T", e.got, e.want)
}
