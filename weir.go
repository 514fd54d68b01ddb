// Package weir builds stream-processing topologies and runs them.
//
// A Builder collects operators on streams and tables; Build checks them and returns a Topology; an App runs it as a member of a Kafka consumer
// group. State lives in stores that are logged to Kafka topics, so that any copy of the program can take over.
//
// Order of arguments: inputs, the name of what is stored, parameters, functions, options.
//
// Serdes, first that is given: the operator's own option; inherited along operators that keep the key or the value; RegisterSerde for the Go
// type; that of a topic used in this Builder, before or after; built in. Missing or ambiguous is a Build error.
//
// Null, unless an operator says otherwise: where K or V is nilable (pointer, slice, map) user functions are called with nil, and
// returning nil makes null; where it is not, "dropped" means dropped and counted by reason. Operators of tables never call user functions with
// a null key or value, except TransformTable; nil from a joiner or mapper of a nilable kind deletes the row. Time and headers of a record are kept.
package weir

import (
	"time"

	"github.com/weirstream/weir/processor"
)

// Record is a key, a value, an event time and headers.
type Record[K, V any] = processor.Record[K, V]

// RecordError is a failure with its coordinates.
type RecordError = processor.RecordError

// Decision says what becomes of a record that failed.
type Decision = processor.Decision

// Tombstone makes a record whose value is null: weir.Tombstone[Total](key, at).
func Tombstone[V, K any](key K, at time.Time) Record[K, V] {
	return processor.Tombstone[V](key, at)
}

// Fail stops the worker at the record's offset; it is the default. All decisions fall at the node that failed: siblings and earlier nodes keep what they did.
func Fail() Decision { return processor.Fail() }

// Skip drops what the node would have made of the record, and counts it.
func Skip() Decision { return processor.Skip() }

// Retry runs the node again with the same input after a pause; its partition waits, and so does what else its worker does.
func Retry(after time.Duration) Decision { return processor.Retry(after) }

// DeadLetter sends the source's raw key, value and time to a topic, with KIP-1034's headers (__streams.errors.exception, message, stacktrace, topic,
// partition, offset), then skips. Below a write-back cache only the coordinates of the row's last record are known: key and value are null there. A
// dead letter that the broker refuses is an error about which nobody is asked.
func DeadLetter(topic string) Decision { return processor.DeadLetter(topic) }
