package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
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
	limits  map[string]int32 // max.message.bytes
}

// recount is how long a partition count is taken as it was: a topic may get more partitions.
const recount = 5 * time.Minute

func newTopics(c *kafka.Cluster) *topics {
	return &topics{cluster: c, counts: map[string]int32{}, asked: map[string]time.Time{}, limits: map[string]int32{}}
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
		return 0, err
	case err == nil && found[topic].Partitions == 0:
		return 0, errors.New("it does not exist: create it first, for weir creates internal topics only")
	case err == nil:
		n = found[topic].Partitions
		t.learn(ctx, topic)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[topic], t.asked[topic] = n, time.Now()
	return n, nil
}

// learn asks for the settings of each topic that exists, of which it keeps how large a batch may be, and returns them. Where that is not answered, or not
// allowed to be asked, the client's own limit holds, and nothing is returned.
func (t *topics) learn(ctx context.Context, names ...string) map[string]map[string]string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	exist, err := t.cluster.Topics(ctx, names...)
	if err != nil {
		return nil
	}
	configs, err := t.cluster.DescribeConfigs(ctx, slices.Collect(maps.Keys(exist))...)
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, c := range configs {
		if n, err := strconv.ParseInt(c["max.message.bytes"], 10, 32); err == nil && n > 0 {
			t.limits[name] = int32(n)
		}
	}
	return configs
}

// batchBytes is the most that a batch to a topic may have: what the topic takes, so that no record is refused for the company it is in, unless the
// user's options say less.
func (t *topics) batchBytes(topic string) int32 {
	most, given := t.cluster.BatchBytes(topic)
	t.mu.RLock()
	defer t.mu.RUnlock()
	limit, known := t.limits[topic]
	if !known || given && most < limit {
		return most
	}
	return limit
}

// collector is a worker's way out: a flow.Collector over its producer. The worker's goroutine uses it.
type collector struct {
	topics   *topics
	producer *kafka.Producer

	// The counts of this turn: forgotten when the worker parks.
	counted string
	count   int32

	member *kafka.Group // without transactions: nothing is sent that a member which was thrown out must not write

	mu      sync.Mutex
	refused []refusal
}

// refusal is a record that could not be written; the decision about it falls on the worker's goroutine, before the commit.
type refusal struct {
	to         *flow.Dest
	from       flow.Origin
	key, value []byte
	err        error
}

func (c *collector) Partitions(topic string) (int32, error) {
	if topic == c.counted {
		return c.count, nil
	}
	n, err := c.topics.partitions(topic)
	switch {
	case err == nil:
		c.counted, c.count = topic, n
	case errors.Is(err, context.DeadlineExceeded): // nothing is wrong with the record: nobody is asked about it
		err = &flow.Fatal{RecordError: &processor.RecordError{Phase: processor.Producing, Node: topic, Err: late(err)}}
	}
	return n, err
}

func (c *collector) Send(d *flow.Dest, partition int32, key, value []byte, h processor.Headers, at int64) error {
	dest, ok := d.Attached.(*kafka.Dest)
	if !ok {
		dest = c.attach(d)
	}
	if err := c.allowed(); err != nil {
		return &flow.Fatal{RecordError: &processor.RecordError{Phase: processor.Producing, Node: d.Node.Name, Err: err}}
	}
	err := c.producer.Send(dest, kafka.Out{Topic: d.Topic, Partition: partition, Key: key, Value: value, Headers: headersOut(h), Timestamp: at, From: &d.Node.Env.Origin})
	if err != nil {
		// The way out is broken, or an earlier record failed: nobody is asked about this one.
		return c.failure(&flow.Fatal{RecordError: &processor.RecordError{Phase: processor.Producing, Node: d.Node.Name, Err: err}})
	}
	return nil
}

// allowed reports whether the worker is still a member, as far as can be known. Asking is rare: when a rebalance waits, or no heartbeat was
// answered.
func (c *collector) allowed() error {
	if c.member == nil || !c.member.Suspect() {
		return nil
	}
	return c.member.Check(context.Background())
}

func (c *collector) attach(d *flow.Dest) *kafka.Dest {
	dest := kafka.NewDest(nil)
	if d.Changelog {
		dest = kafka.NewChangelog()
	}
	if d.Dead {
		c.topics.learn(d.Node.Env.Context, d.Topic)
	}
	dest.OnFail = func(r *kgo.Record, err error) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refused = append(c.refused, refusal{d, kafka.From(r), r.Key, r.Value, advised(err)})
		return nil
	}
	d.Attached = dest
	return dest
}

// advised says what helps against an error of a sent record.
func advised(err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("%w; raise the topic's max.message.bytes (weir.TopicConfig sets that of internal topics which weir makes), or make the record smaller", err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("%w; create the topic first, for weir creates internal topics only", err)
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w; allow the app's principal to write to the topic", err)
	}
	return err
}

// failure is a failure of the producer in the words of the changelog record that it is about, if it is.
func (c *collector) failure(err error) error {
	c.mu.Lock()
	i := slices.IndexFunc(c.refused, func(r refusal) bool { return r.to.Changelog })
	if i < 0 {
		c.mu.Unlock()
		return err
	}
	r := c.refused[i]
	c.mu.Unlock()
	return r.decide()
}

func (r *refusal) decide() error { return r.to.Node.Refused(r.to, r.from, r.key, r.value, r.err) }

// settle decides about what was refused; everything must have been flushed.
func (c *collector) settle() error {
	for _, r := range c.take() {
		if err := r.decide(); err != nil {
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

// rawOf is a fetched record as tasks take it.
func rawOf(rec *kgo.Record) flow.Raw {
	return flow.Raw{
		Key: rec.Key, Value: rec.Value, Headers: headersIn(rec.Headers), Time: rec.Timestamp.UnixMilli(),
		Offset: rec.Offset, LeaderEpoch: rec.LeaderEpoch, Control: rec.Attrs.IsControl(),
	}
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
