package kafka

import "context"

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

// CommitInput is what belongs together.
type CommitInput struct {
	Offsets []Offset
	// Apply writes the tasks' batches into their engines. All records are acknowledged then. At least once it runs before
	// the offsets are committed, under exactly once after. Nil does nothing.
	Apply func() error
}

// Commit makes the worker's work durable. It follows the table of the architecture's commit protocol, rows b to f.
//
// A nil error comes with OffsetsCommitted. An error from Apply is returned as it is, under exactly once together with
// OffsetsCommitted. Otherwise errors are, by errors.Is, ErrFenced, ErrProducerDead or ErrUnknownOutcome, or, by
// errors.As, a SendError; and anything else is an answer of a broker that will not change.
func Commit(ctx context.Context, g *Group, p *Producer, in CommitInput) (Outcome, error) {
	return NothingCommitted, nil
}

// FailpointNames are the names that Settings.Failpoint is called with, in the order of the protocol.
func FailpointNames(exactlyOnce bool) []string { return nil }
