package flow

import (
	"fmt"
	"math"

	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// Encoding is how records are written to a topic.
type Encoding[K, V any] struct {
	Key   serde.Serde[K]
	Value serde.Serde[V]
	// Partition chooses a partition, negative for none; Multicast chooses several. Without either it is Kafka's murmur2 of the key's bytes, of
	// a windowed key its inner key's. A null key lets the client choose.
	Partition func(key K, value V, partitions int) int
	Multicast func(key K, value V, partitions int) []int
}

// innerKey is what the serdes of windowed keys have: the part of an encoded key that is partitioned by.
type innerKey interface{ InnerKey(encoded []byte) []byte }

// Sink writes records to a topic.
func Sink[K, V any](n *Node, topic string, e Encoding[K, V]) Receiver[K, V] {
	w := newWriter(n, e)
	d := &Dest{Topic: topic, Node: n}
	return func(r processor.Record[K, V]) error { return w.decided(d, r) }
}

// SinkFunc writes each record to the topic that choose names; an empty name drops it. Each topic has its encoding.
func SinkFunc[K, V any](n *Node, choose func(processor.Record[K, V]) (topic string, e Encoding[K, V], err error)) Receiver[K, V] {
	type way struct {
		d *Dest
		w *writer[K, V]
	}
	ways := map[string]way{}
	return func(r processor.Record[K, V]) error {
		for {
			topic, e, err := choose(r)
			if err != nil {
				if again, fatal := n.Decide(processor.Processing, err); !again {
					return fatal
				}
				continue
			}
			if topic == "" {
				n.Drop(NoTopic)
				return nil
			}
			to, ok := ways[topic]
			if !ok {
				to = way{&Dest{Topic: topic, Node: n}, newWriter(n, e)}
				ways[topic] = to
			}
			return to.w.decided(to.d, r)
		}
	}
}

// writer encodes records into its own buffers, which the collector copies.
type writer[K, V any] struct {
	n          *Node
	e          Encoding[K, V]
	inner      innerKey
	key, value []byte
}

func newWriter[K, V any](n *Node, e Encoding[K, V]) *writer[K, V] {
	inner, _ := e.Key.(innerKey)
	return &writer[K, V]{n: n, e: e, inner: inner}
}

func (w *writer[K, V]) decided(d *Dest, r processor.Record[K, V]) error {
	for {
		err := w.write(d, r)
		if err == nil {
			return nil
		}
		if again, fatal := w.n.Decide(processor.Producing, fmt.Errorf("topic %q: %w", d.Topic, err)); !again {
			return fatal
		}
	}
}

func (w *writer[K, V]) write(d *Dest, r processor.Record[K, V]) error {
	key, value, err := w.encode(r)
	if err != nil {
		return err
	}
	at := r.Time.UnixMilli()
	if at < 0 {
		return fmt.Errorf("the record's time %s is before 1970", r.Time)
	}
	out := w.n.Env.Out
	if w.e.Multicast == nil && w.e.Partition == nil && key == nil {
		return out.Send(d, anyPartition, key, value, r.Headers, at)
	}
	parts, err := out.Partitions(d.Topic)
	if err != nil {
		return err
	}
	if w.e.Multicast != nil {
		return w.multicast(d, r, parts, key, value, at)
	}
	p, err := w.partition(r, parts, key)
	if err != nil {
		return err
	}
	if p == dropped {
		w.n.Drop(NoPartition)
		return nil
	}
	return out.Send(d, p, key, value, r.Headers, at)
}

// DefaultPartition is what a partitioner returns to leave a record to the hash of its key, as without a partitioner; any other negative number drops it.
const DefaultPartition = math.MinInt

// What partition returns beside partitions: the client may choose, or the record is dropped.
const (
	anyPartition int32 = -1
	dropped      int32 = -2
)

func (w *writer[K, V]) partition(r processor.Record[K, V], parts int32, key []byte) (p int32, err error) {
	chosen := DefaultPartition
	if w.e.Partition != nil {
		if chosen, err = Call3(w.e.Partition, r.Key, r.Value, int(parts)); err != nil {
			return dropped, err
		}
	}
	switch {
	case chosen >= int(parts):
		return dropped, fmt.Errorf("the partitioner chose partition %d of %d", chosen, parts)
	case chosen >= 0:
		return int32(chosen), nil
	case chosen != DefaultPartition:
		return dropped, nil
	case key == nil:
		return anyPartition, nil
	}
	if w.inner != nil {
		key = w.inner.InnerKey(key)
	}
	return murmur2.Partition(key, parts), nil
}

func (w *writer[K, V]) multicast(d *Dest, r processor.Record[K, V], parts int32, key, value []byte, at int64) error {
	to, err := Call3(w.e.Multicast, r.Key, r.Value, int(parts))
	if err != nil {
		return err
	}
	for _, p := range to {
		if p < 0 || p >= int(parts) {
			return fmt.Errorf("the partitioner chose partition %d of %d", p, parts)
		}
	}
	if len(to) == 0 {
		w.n.Drop(NoPartition)
	}
	for _, p := range to {
		if err := w.n.Env.Out.Send(d, int32(p), key, value, r.Headers, at); err != nil {
			return err
		}
	}
	return nil
}

// encode returns nil for null. An empty encoding is not null: it is an empty slice.
func (w *writer[K, V]) encode(r processor.Record[K, V]) (key, value []byte, err error) {
	defer Catch(&err)
	if !r.KeyIsNull() {
		if w.key, err = w.e.Key.Append(notNil(w.key), r.Key); err != nil {
			return nil, nil, fmt.Errorf("encoding the key: %w", err)
		}
		key = w.key
	}
	if !r.IsNull() {
		if w.value, err = w.e.Value.Append(notNil(w.value), r.Value); err != nil {
			return nil, nil, fmt.Errorf("encoding the value: %w", err)
		}
		value = w.value
	}
	return key, value, nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return make([]byte, 0, 64)
	}
	return b[:0]
}
