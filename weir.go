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
