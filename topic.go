package weir

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// Source is what From reads: a Topic, Topics or TopicsMatching.
type Source[K, V any] interface{ source() source[K, V] }

// source is topics, or a pattern, that are read alike: the first topic's serdes and event time serve all.
type source[K, V any] struct {
	topics  []Topic[K, V]
	pattern string
	like    Topic[K, V]
}

func (s source[K, V]) source() source[K, V] { return s }

// Topic is a named topic with its serdes; sources, sinks, tests and queries share it.
type Topic[K, V any] struct {
	name      string
	key       serde.Serde[K]
	value     serde.Serde[V]
	eventTime func(r Record[K, V], partitionTime time.Time) time.Time
	partition func(key K, value V, partitions int) int
	multicast func(key K, value V, partitions int) []int
	timeBy    bool    // the event time may depend on more than key, value and broker time
	timeOf    uintptr // the user's function of it; the same code is the same
}

// NewTopic declares a topic. It creates nothing on a broker.
func NewTopic[K, V any](name string, key serde.Serde[K], value serde.Serde[V], opts ...TopicOption[V]) Topic[K, V] {
	var c topicConfig[V]
	for _, o := range opts {
		o.topicOption(&c)
	}
	t := Topic[K, V]{name: name, key: key, value: value}
	if at := c.eventTime; at != nil {
		t.timeOf = reflect.ValueOf(at).Pointer()
		t.eventTime = func(r Record[K, V], _ time.Time) time.Time {
			if r.IsNull() {
				return r.Time
			}
			return at(r.Value)
		}
	}
	return t
}

// Name is the topic's name.
func (t Topic[K, V]) Name() string { return t.name }

// KeySerde is the key's serde.
func (t Topic[K, V]) KeySerde() serde.Serde[K] { return t.key }

// ValueSerde is the value's serde.
func (t Topic[K, V]) ValueSerde() serde.Serde[V] { return t.value }

// EventTimeBy reads the event time from key, value, headers, broker time (the record's Time) and the partition's time so far.
func (t Topic[K, V]) EventTimeBy(f func(r Record[K, V], partitionTime time.Time) time.Time) Topic[K, V] {
	t.eventTime, t.timeBy, t.timeOf = f, true, reflect.ValueOf(f).Pointer()
	return t
}

// DefaultPartition is what a partitioner returns to leave a record to the hash of its key, as without a partitioner.
const DefaultPartition = flow.DefaultPartition

// PartitionBy chooses the partition of each record, for sinks and for the check that joined topics agree; negative drops it, DefaultPartition leaves it
// to its key.
func (t Topic[K, V]) PartitionBy(f func(key K, value V, partitions int) int) Topic[K, V] {
	t.partition = f
	return t
}

// Multicast sends each record to several partitions; none drops it.
func (t Topic[K, V]) Multicast(f func(key K, value V, partitions int) []int) Topic[K, V] {
	t.multicast = f
	return t
}

func (t Topic[K, V]) source() source[K, V] { return source[K, V]{topics: []Topic[K, V]{t}, like: t} }

// encoding is how a sink writes to the topic.
func (t Topic[K, V]) encoding() flow.Encoding[K, V] {
	return flow.Encoding[K, V]{Key: t.key, Value: t.value, Partition: t.partition, Multicast: t.multicast}
}

// Topics is one source that reads several topics; a task reads the same partition of each. The first topic's serdes and event time are those of all:
// others that a further topic was declared with are a warning.
func Topics[K, V any](first Topic[K, V], more ...Topic[K, V]) Source[K, V] {
	return source[K, V]{topics: append([]Topic[K, V]{first}, more...), like: first}
}

// TopicsMatching is one source that reads every topic whose whole name matches a regular expression, new ones too.
func TopicsMatching[K, V any](pattern string, key serde.Serde[K], value serde.Serde[V], opts ...TopicOption[V]) Source[K, V] {
	return source[K, V]{pattern: pattern, like: NewTopic(pattern, key, value, opts...)}
}

// From reads topics as a stream. A null key or value passes. Options: Named, StartAt, SkipInvalidTime, UsePartitionTime, WallClockTime, OnError.
func From[K, V any](b *Builder, src Source[K, V], opts ...OpOption) Stream[K, V] {
	o := b.newOp("From", opts, sourceOptions)
	s := src.source()
	return Stream[K, V]{b: b, n: readOnce(b, o, s), key: known(s.like.key), value: known(s.like.value)}
}

// reading is how From reads its topics: what a second From of the same topics must agree with.
type reading struct {
	n          *topology.Node
	key, value string // serdes
	eventTime  uintptr
	reset      topology.Reset
	time       flow.TimePolicy
}

// readOnce is the source node of topics, that of an earlier From where there is one: topics are read once (Kafka's mergeDuplicateSourceNodes).
func readOnce[K, V any](b *Builder, o *op, s source[K, V]) *topology.Node {
	if s.like.key == nil || s.like.value == nil {
		return addSource(b, o, b.nodeName(o), s)
	}
	var names []string
	for _, t := range s.topics {
		names = append(names, t.name)
	}
	slices.Sort(names)
	if s.pattern != "" {
		names = []string{"/" + s.pattern + "/"}
	}
	id := strings.Join(names, "\n")
	now := reading{key: s.like.key.Name(), value: s.like.value.Name(), eventTime: reflect.ValueOf(s.like.eventTime).Pointer(), reset: o.reset, time: o.time}
	had, ok := b.read[id]
	if !ok {
		now.n = addSource(b, o, b.nodeName(o), s)
		b.read[id] = now
		return now.n
	}
	now.n = had.n
	if had != now || had.n.Outs[""] != reflect.TypeFor[flow.Receiver[K, V]]() {
		b.faultf(o, "topics %q are read by %q in another way: one source reads them once, with one pair of serdes, one event time and one set of options", names, had.n.Name)
	}
	return had.n
}

// addSource adds a source node that reads topics.
func addSource[K, V any](b *Builder, o *op, name string, s source[K, V]) *topology.Node {
	n := &topology.Node{Name: name, Op: o.kind, Kind: topology.Source, Pattern: s.pattern, Reset: o.reset}
	for _, t := range s.topics {
		declare(b, t.key)
		declare(b, t.value)
		pairOf(b, o, t.name, t.key, t.value)
		s.readAs(b, o, t)
		n.Topics = append(n.Topics, topology.Topic{Name: t.name})
	}
	if s.like.key == nil || s.like.value == nil {
		b.faultf(o, "topic %q: a nil serde", s.like.name)
	}
	return sourceNode(b, o, n, known(s.like.key), known(s.like.value), s.like.eventTime)
}

// sourceNode completes a source node.
func sourceNode[K, V any](b *Builder, o *op, n *topology.Node, key *serdeRef[K], value *serdeRef[V], at func(Record[K, V], time.Time) time.Time) *topology.Node {
	n.Outs = map[string]reflect.Type{"": reflect.TypeFor[flow.Receiver[K, V]]()}
	n.Make = func(env *flow.Env, links []flow.Link) (any, error) {
		next, err := flow.Children[K, V](links)
		if err != nil {
			return nil, err
		}
		d := flow.Decoder[K, V]{Key: key.s, Value: value.s, EventTime: inMillis(at), TimePolicy: o.time}
		node := flow.NewNode(env, n.Name, o.onError, o.onDropped)
		return flow.NewSource(node, d, flow.Around(node, next)), nil
	}
	n.InnerKey = func(encoded []byte) []byte {
		if windowed, ok := key.s.(interface{ InnerKey([]byte) []byte }); ok {
			return windowed.InnerKey(encoded)
		}
		return encoded
	}
	b.graph.Add(n)
	return n
}

// inMillis is a user's extractor on times in ms. Without a partition time it is given the zero Time.
func inMillis[K, V any](at func(Record[K, V], time.Time) time.Time) func(Record[K, V], int64) (int64, error) {
	if at == nil {
		return nil
	}
	return func(r Record[K, V], partitionTime int64) (int64, error) {
		var so time.Time
		if partitionTime >= 0 {
			so = time.UnixMilli(partitionTime).UTC()
		}
		return at(r, so).UnixMilli(), nil
	}
}
