package processor

import (
	"context"
	"time"

	"github.com/weirstream/weir/state"
)

// Forward sends a record to one child, depth first; its error is the child's.
type Forward[K, V any] func(Record[K, V]) error

// Tombstone forwards a null value for a key.
func (f Forward[K, V]) Tombstone(k K, at time.Time) error { return f(Tombstone[V](k, at)) }

// ForwardFixed sends a record on under the key with which it came.
type ForwardFixed[K, V any] func(FixedKeyRecord[K, V]) error

// Processor is the user's node, one per task, used by one goroutine. It sees every record, null ones too.
// One that also has Close() error is closed with its task; one that has Stores() declares its stores itself.
type Processor[K, V, KO, VO any] interface {
	Init(ctx Context, out Forward[KO, VO]) error
	Process(Record[K, V]) error
}

// FixedKey is a processor that keeps the key.
type FixedKey[K, V, VO any] interface {
	Init(ctx Context, out ForwardFixed[K, VO]) error
	Process(FixedKeyRecord[K, V]) error
}

// ValueTransformer computes a table's values with stores at hand. It sees tombstones; ok == false is null.
type ValueTransformer[K, V, VO any] interface {
	Init(ctx Context) error
	Transform(Record[K, V]) (v VO, ok bool, err error)
}

// StoreUser is a processor that names its stores; weir.Stores does the same from outside.
type StoreUser interface{ Stores() []state.Descriptor }

// Context is a processor's view of its task, valid from Init to Close on the task's goroutine.
// As a context.Context it is cancelled when the task is closed.
type Context interface {
	context.Context
	state.Binder
	StreamTime() time.Time  // greatest event time that the task has seen; zero before the first record
	WallTime() time.Time    // the loop's wall clock
	Source() (Source, bool) // coordinates of the record in process; none in a punctuator
	Node() string
	Task() string // subtopology_partition, as Kafka's
	Schedule(when Schedule, f func(now time.Time) error) (cancel func())
	RequestCommit()
	BindOutput(name string) any
}

// Source says where a record was read.
type Source struct {
	Topic     string
	Partition int32
	Offset    int64
}
