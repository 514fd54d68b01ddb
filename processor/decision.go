package processor

import (
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/seal"
)

// Phase says what failed.
type Phase uint8

// The phases of a record.
const (
	Decoding Phase = iota
	Processing
	Producing
)

// String names the phase.
func (p Phase) String() string {
	switch p {
	case Decoding:
		return "decoding"
	case Processing:
		return "processing"
	}
	return "producing"
}

// RecordError is a failure with its coordinates; a panic in user code is one too.
type RecordError struct {
	Phase      Phase
	Node       string
	Source     Source
	Key, Value []byte // the source's raw bytes; below a write-back cache nil, for only the coordinates of the row's last record are kept
	Time       time.Time
	Err        error
}

// Error names node, topic, partition, offset and cause.
func (e *RecordError) Error() string {
	if e.Source.Topic == "" {
		return fmt.Sprintf("%s: node %q: %v", e.Phase, e.Node, e.Err)
	}
	return fmt.Sprintf("%s: node %q: topic %q, partition %d, offset %d: %v", e.Phase, e.Node, e.Source.Topic, e.Source.Partition, e.Source.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *RecordError) Unwrap() error { return e.Err }

// Decision says what becomes of a record that failed.
type Decision struct {
	kind  Verdict
	after time.Duration
	topic string
}

// Fail stops the worker at the record's offset; it is the default.
func Fail() Decision { return Decision{} }

// Skip drops what the node would have made of the record, and counts it.
func Skip() Decision { return Decision{kind: SkipIt} }

// Retry runs the node again with the same input after a pause; its partition waits.
func Retry(after time.Duration) Decision { return Decision{kind: RetryIt, after: after} }

// DeadLetter sends the source's raw bytes to a topic, then skips.
func DeadLetter(topic string) Decision { return Decision{kind: DeadLetterIt, topic: topic} }

// Verdict is the kind of a Decision.
type Verdict uint8

// The kinds of decisions.
const (
	FailIt Verdict = iota
	SkipIt
	RetryIt
	DeadLetterIt
)

// Open is what was decided: the kind, the pause of a retry, the topic of a dead letter. It is for weir's own rooms.
func (d Decision) Open(seal.Token) (v Verdict, after time.Duration, topic string) {
	return d.kind, d.after, d.topic
}
