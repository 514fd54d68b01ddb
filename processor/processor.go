// Package processor is what users write processors with: records, stores, typed outputs, punctuation, error decisions.
package processor

import (
	"context"
	"time"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Headers are a record's headers, in order; a key may occur more than once.
type Headers []Header

// Get returns the last header of a key.
func (h Headers) Get(key string) ([]byte, bool) { return nil, false }

// With returns a copy with one header more.
func (h Headers) With(key string, value []byte) Headers { return h }

// Record is a key, a value, an event time and headers, by value. Where K or V is nilable, nil is null; where it is not, a hidden bit says so, which the source,
// Tombstone and AsTombstone set and WithKey and WithValue clear: assigning to a field does not.
type Record[K, V any] struct {
	Key     K
	Value   V
	Time    time.Time
	Headers Headers
	null    uint8 // bit 0: null key, bit 1: null value
}

// NewRecord makes a record; nil of a nilable kind is null.
func NewRecord[K, V any](k K, v V, at time.Time) Record[K, V] {
	return Record[K, V]{Key: k, Value: v, Time: at}
}

// Tombstone makes a record whose value is null. V stands first, so that only it is written: Tombstone[Total](key, at).
func Tombstone[V, K any](k K, at time.Time) Record[K, V] {
	return Record[K, V]{Key: k, Time: at, null: 2}
}

// IsNull reports whether the value is null: a tombstone.
func (r Record[K, V]) IsNull() bool { return r.null&2 != 0 }

// KeyIsNull reports whether the key is null.
func (r Record[K, V]) KeyIsNull() bool { return r.null&1 != 0 }

// AsTombstone returns the record with a null value.
func (r Record[K, V]) AsTombstone() Record[K, V] {
	var zero V
	r.Value, r.null = zero, r.null|2
	return r
}

// WithTime returns the record at another time.
func (r Record[K, V]) WithTime(t time.Time) Record[K, V] { r.Time = t; return r }

// WithHeaders returns the record with other headers.
func (r Record[K, V]) WithHeaders(h Headers) Record[K, V] { r.Headers = h; return r }

// WithKey returns the record with another key, of any type; value, time and headers stay, a null value stays null.
func WithKey[K2, K, V any](r Record[K, V], k K2) Record[K2, V] {
	return Record[K2, V]{Key: k, Value: r.Value, Time: r.Time, Headers: r.Headers, null: r.null &^ 1}
}

// WithValue returns the record with another value, of any type; key, time and headers stay, a null key stays null.
func WithValue[V2, K, V any](r Record[K, V], v V2) Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Value: v, Time: r.Time, Headers: r.Headers, null: r.null &^ 2}
}

// FixedKeyRecord is a record whose key cannot be changed, so that partitioning is kept.
type FixedKeyRecord[K, V any] struct {
	Value   V
	Time    time.Time
	Headers Headers
	key     K
	null    uint8
}

// Key returns the key.
func (r FixedKeyRecord[K, V]) Key() K { return r.key }

// IsNull reports whether the value is null.
func (r FixedKeyRecord[K, V]) IsNull() bool { return r.null&2 != 0 }

// KeyIsNull reports whether the key is null.
func (r FixedKeyRecord[K, V]) KeyIsNull() bool { return r.null&1 != 0 }

// WithFixedValue returns the record with another value, of any type; the key stays.
func WithFixedValue[V2, K, V any](r FixedKeyRecord[K, V], v V2) FixedKeyRecord[K, V2] {
	return FixedKeyRecord[K, V2]{Value: v, Time: r.Time, Headers: r.Headers, key: r.key, null: r.null &^ 2}
}

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

// Schedule says when a punctuator is called; missed calls are not made up for. Several that are due are called in the order of their times, then of
// scheduling; one may cancel itself; what it writes and forwards carries the time it is given.
type Schedule struct {
	every time.Duration
	start time.Time
	wall  bool
}

// StreamTime is every d of event time; it stands still without records.
func StreamTime(d time.Duration) Schedule { return Schedule{every: d} }

// WallTime is every d of wall-clock time.
func WallTime(d time.Duration) Schedule { return Schedule{every: d, wall: true} }

// From anchors the schedule: calls fall on start plus multiples.
func (s Schedule) From(start time.Time) Schedule { s.start = start; return s }

// Output is a further typed child of a processor: declare it once, Bind it in Init, take its stream with weir.OutputOf.
type Output[K, V any] struct{ name string }

// NewOutput declares an output with the serdes of its stream.
func NewOutput[K, V any](name string, k serde.Serde[K], v serde.Serde[V]) Output[K, V] {
	return Output[K, V]{name}
}

// Name is the name that was given.
func (o Output[K, V]) Name() string { return o.name }

// Bind is the way to the child; call it in Init. Where nobody takes the output, forwarding does nothing.
func (o Output[K, V]) Bind(c Context) Forward[K, V] {
	f, _ := c.BindOutput(o.name).(Forward[K, V])
	return f
}

// Phase says what failed.
type Phase uint8

// The phases of a record.
const (
	Decoding Phase = iota
	Processing
	Producing
)

// RecordError is a failure with its coordinates; a panic in user code is one too.
type RecordError struct {
	Phase      Phase
	Node       string
	Source     Source
	Key, Value []byte // the source's raw bytes
	Time       time.Time
	Err        error
}

// Error names node, topic, partition, offset and cause.
func (e *RecordError) Error() string { return e.Node }

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// Decision says what becomes of a record that failed.
type Decision struct {
	kind  uint8
	after time.Duration
	topic string
}

// Fail stops the worker at the record's offset; it is the default.
func Fail() Decision { return Decision{} }

// Skip drops what the node would have made of the record, and counts it.
func Skip() Decision { return Decision{kind: 1} }

// Retry runs the node again with the same input after a pause; its partition waits.
func Retry(after time.Duration) Decision { return Decision{kind: 2, after: after} }

// DeadLetter sends the source's raw bytes to a topic, then skips.
func DeadLetter(topic string) Decision { return Decision{kind: 3, topic: topic} }
