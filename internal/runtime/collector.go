package runtime

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/processor"
)

// topics is what is known of the topics that the app writes to. Any goroutine may use it.
type topics struct {
	cluster *kafka.Cluster
	mu      sync.RWMutex
	counts  map[string]int32
	asked   map[string]time.Time
}

// recount is how long a partition count is taken as it was: a topic may get more partitions.
const recount = 5 * time.Minute

func newTopics(c *kafka.Cluster) *topics {
	return &topics{cluster: c, counts: map[string]int32{}, asked: map[string]time.Time{}}
}

// partitions asks the cluster about a topic that it does not know.
func (t *topics) partitions(topic string) (int32, error) {
	t.mu.RLock()
	n, at := t.counts[topic], t.asked[topic]
	t.mu.RUnlock()
	if n > 0 && time.Since(at) < recount {
		return n, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found, err := t.cluster.Topics(ctx, topic)
	switch {
	case err != nil && n == 0:
		return 0, fmt.Errorf("topic %q: %w", topic, err)
	case err == nil && found[topic].Partitions == 0:
		return 0, fmt.Errorf("topic %q does not exist", topic)
	case err == nil:
		n = found[topic].Partitions
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[topic], t.asked[topic] = n, time.Now()
	return n, nil
}

// collector is a worker's way out: a flow.Collector over its producer. The worker's goroutine uses it.
type collector struct {
	topics   *topics
	producer *kafka.Producer

	// The counts of this turn: forgotten when the worker parks.
	counted string
	count   int32

	mu      sync.Mutex
	refused []refusal
}

// refusal is a record of a sink that could not be written; the decision about it falls on the worker's goroutine, before the commit.
type refusal struct {
	node       *flow.Node
	topic      string
	key, value []byte
	at         int64
	err        error
}

func (c *collector) Partitions(topic string) (int32, error) {
	if topic == c.counted {
		return c.count, nil
	}
	n, err := c.topics.partitions(topic)
	if err == nil {
		c.counted, c.count = topic, n
	}
	return n, err
}

func (c *collector) Send(d *flow.Dest, partition int32, key, value []byte, h processor.Headers, at int64) error {
	dest, ok := d.Attached.(*kafka.Dest)
	if !ok {
		dest = c.attach(d)
	}
	err := c.producer.Send(dest, kafka.Out{Topic: d.Topic, Partition: partition, Key: key, Value: value, Headers: headersOut(h), Timestamp: at})
	if err != nil {
		// The way out is broken, or an earlier record failed: nobody is asked about this one.
		return &flow.Fatal{RecordError: &processor.RecordError{Phase: processor.Producing, Node: d.Node.Name, Err: err}}
	}
	return nil
}

func (c *collector) attach(d *flow.Dest) *kafka.Dest {
	dest := kafka.NewChangelog()
	if !d.Changelog {
		dest = kafka.NewDest(func(r *kgo.Record, err error) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refused = append(c.refused, refusal{d.Node, d.Topic, r.Key, r.Value, r.Timestamp.UnixMilli(), err})
			return nil
		})
	}
	d.Attached = dest
	return dest
}

// settle decides about what was refused; everything must have been flushed.
func (c *collector) settle() error {
	for _, r := range c.take() {
		if err := r.node.Refused(r.topic, r.key, r.value, r.at, r.err); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) take() []refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.refused
	c.refused = nil
	return all
}

func (c *collector) anyRefused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.refused) > 0
}

func headersOut(h processor.Headers) []kgo.RecordHeader {
	if len(h) == 0 {
		return nil
	}
	out := make([]kgo.RecordHeader, len(h))
	for i, x := range h {
		out[i] = kgo.RecordHeader{Key: x.Key, Value: x.Value}
	}
	return out
}

func headersIn(h []kgo.RecordHeader) processor.Headers {
	if len(h) == 0 {
		return nil
	}
	in := make(processor.Headers, len(h))
	for i, x := range h {
		in[i] = processor.Header{Key: x.Key, Value: x.Value}
	}
	return in
}
