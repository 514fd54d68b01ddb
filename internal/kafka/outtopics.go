package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// outTopics are those that one transactional client writes to. When the client hears of a topic, it sends the records that
// waited for it before it keeps the topic's partitions, and EndTransaction looks among those that it keeps for one that was
// written: where it finds none it aborts instead of committing, and returns nil. So a transaction that wrote to a topic for
// the first time does not end before the client keeps the topic.
type outTopics struct {
	keeps func(topic string, partition int32) bool

	last string              // the last one found in kept
	kept map[string]struct{} // last and kept belong to the worker

	mu  sync.Mutex
	new map[string]int32 // a partition with an acknowledged record of each topic that is not in kept
}

// keeps asks a client whether it keeps a partition that has a leader.
func keeps(cl *kgo.Client) func(string, int32) bool {
	return func(topic string, partition int32) bool {
		leader, _, _ := cl.PartitionLeader(topic, partition)
		return leader >= 0
	}
}

// known says that the client has been seen to keep a topic.
func (t *outTopics) known(topic string) bool {
	if topic == t.last {
		return true
	}
	if _, ok := t.kept[topic]; !ok {
		return false
	}
	t.last = topic
	return true
}

// written notes an acknowledged record. Any goroutine may call it.
func (t *outTopics) written(topic string, partition int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.new == nil {
		t.new = map[string]int32{}
	}
	t.new[topic] = partition
}

// await waits until the client keeps all topics that were written, or the context ends.
func (t *outTopics) await(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for topic, partition := range t.new {
		for !t.keeps(topic, partition) {
			if !pause(ctx, time.Millisecond) {
				return fmt.Errorf("the client still does not know %s, to which it wrote: %w", TP{Topic: topic, Partition: partition}, context.Cause(ctx))
			}
		}
		if t.kept == nil {
			t.kept = map[string]struct{}{}
		}
		t.kept[topic] = struct{}{}
		delete(t.new, topic)
	}
	return nil
}
