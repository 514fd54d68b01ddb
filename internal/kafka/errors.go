package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Why a commit failed. Test with errors.Is; what they wrap names group, topic, partition and the broker's answer.
var (
	// ErrFenced: the member that was given the partitions is gone from the group; others may have them.
	ErrFenced = errors.New("the group member was lost")
	// ErrProducerDead: nothing was committed and the producer can do nothing more; Replace it.
	ErrProducerDead = errors.New("the producer is dead")
	// ErrUnknownOutcome: the commit was sent and its answer lost. The committed offsets tell what happened.
	ErrUnknownOutcome = errors.New("the outcome of the commit is unknown")
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("client closed")
)

// SendError is a record that could not be written and was not skipped.
type SendError struct {
	Topic     string
	Partition int32 // -1 when it was never chosen
	Err       error
}

func (e *SendError) Error() string {
	if e.Partition < 0 {
		return fmt.Sprintf("send to topic %s: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("send to topic %s partition %d: %v", e.Topic, e.Partition, e.Err)
}

func (e *SendError) Unwrap() error { return e.Err }

// PlanError is a rebalance that this member led and could not plan. Everybody in the group stands still meanwhile.
type PlanError struct{ Err error }

func (e *PlanError) Error() string { return "plan the assignment: " + e.Err.Error() }
func (e *PlanError) Unwrap() error { return e.Err }

func anyOf(err error, kinds ...error) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// fencesMember reports an answer by which the coordinator says that it no longer knows the member.
func fencesMember(err error) bool {
	return anyOf(err, kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.FencedMemberEpoch)
}

// stale reports an answer that means "join again, then ask again": the member is known, its generation is old.
func stale(err error) bool {
	return anyOf(err, kerr.IllegalGeneration, kerr.RebalanceInProgress)
}

// unknownTopic reports an answer by which a broker says that it does not know a topic, or knows another one of its name.
func unknownTopic(err error) bool {
	return anyOf(err, kerr.UnknownTopicID, kerr.UnknownTopicOrPartition)
}

// killsProducer reports an error after which a producer client can only be replaced. It is never a record's fault.
func killsProducer(err error) bool {
	return anyOf(err,
		kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState,
		kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.TransactionAbortable,
		kerr.TransactionalIDAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionCoordinatorFenced,
		kgo.ErrClientClosed, kgo.ErrAborting, context.Canceled)
}
