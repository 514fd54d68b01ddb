package kafka

import (
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AnyPartition in Out.Partition leaves the choice to the producer: one random partition for as long as a batch lasts
// (Kafka's sticky partitioning of records without a key, KIP-480).
const AnyPartition int32 = -1

// partitioner takes the partition that a record names, else sticks to one.
type partitioner struct{}

func (partitioner) ForTopic(string) kgo.TopicPartitioner { return &sticky{on: -1} }

// sticky is the partitioner of one topic. The client calls it under a lock.
type sticky struct{ on int }

// RequiresConsistency makes a named partition mean that partition, also while others have no leader.
func (*sticky) RequiresConsistency(r *kgo.Record) bool { return r.Partition >= 0 }

func (s *sticky) OnNewBatch() { s.on = -1 }

// Partition may return a number that is out of range: the client then refuses the record, and says so.
func (s *sticky) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	if s.on < 0 || s.on >= n {
		s.on = rand.IntN(n)
	}
	return s.on
}
