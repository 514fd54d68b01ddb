package weirtest

import (
	"fmt"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
)

// Input sends records to a topic that the topology reads. What a topic's own event time says wins over the times given here, as in an App.
type Input[K, V any] struct {
	d     *Driver
	topic weir.Topic[K, V]
	own   bool // the input has a clock of its own
	at    time.Time
	step  time.Duration
}

// In is the way into a topic. One that nothing reads fails the test.
func In[K, V any](d *Driver, topic weir.Topic[K, V]) *Input[K, V] {
	d.t.Helper()
	d.must(d.read(topic.Name()))
	return &Input[K, V]{d: d, topic: topic}
}

// read is an error where nothing reads a topic.
func (d *Driver) read(topic string) error {
	var all []string
	for _, t := range d.specs {
		for _, in := range t.Inputs {
			if in.Topic == topic {
				return nil
			}
			if in.Partition == 0 {
				all = append(all, fmt.Sprintf("%q", in.Topic))
			}
		}
	}
	for _, name := range d.graph.Globals() {
		if name == topic {
			return nil
		}
		all = append(all, fmt.Sprintf("%q", name))
	}
	return fmt.Errorf("weirtest: nothing reads topic %q; read are %s", topic, strings.Join(all, ", "))
}

// From gives the input a clock of its own, which Send reads; without one it reads the driver's.
func (in *Input[K, V]) From(at time.Time) *Input[K, V] {
	in.own, in.at = true, at
	return in
}

// Every moves the input's clock on after each Send.
func (in *Input[K, V]) Every(step time.Duration) *Input[K, V] {
	if !in.own {
		in.From(in.d.Now())
	}
	in.step = step
	return in
}

// Send sends a record at the time on the input's clock and returns when all that follows has been done.
func (in *Input[K, V]) Send(key K, value V) {
	in.d.t.Helper()
	in.d.must(in.TrySend(key, value))
}

// TrySend is Send that returns the failure.
func (in *Input[K, V]) TrySend(key K, value V) error {
	at := in.d.Now()
	if in.own {
		at = in.at
		in.at = at.Add(in.step)
	}
	return in.TrySendRecord(processor.NewRecord(key, value, at))
}

// SendAt is Send at another time.
func (in *Input[K, V]) SendAt(key K, value V, at time.Time) {
	in.d.t.Helper()
	in.d.must(in.TrySendRecord(processor.NewRecord(key, value, at)))
}

// SendRecord sends a record with its headers and nulls: weir.Tombstone makes one.
func (in *Input[K, V]) SendRecord(r weir.Record[K, V]) {
	in.d.t.Helper()
	in.d.must(in.TrySendRecord(r))
}

// TrySendRecord is SendRecord that returns the failure.
func (in *Input[K, V]) TrySendRecord(r weir.Record[K, V]) error {
	return in.send(in.topic.Encoding(seal.Token{}), r)
}

// SendTo sends a record to a partition, whatever the topic's partitioner says.
func (in *Input[K, V]) SendTo(partition int, r weir.Record[K, V]) {
	in.d.t.Helper()
	e := in.topic.Encoding(seal.Token{})
	e.Multicast, e.Partition = nil, func(K, V, int) int { return partition }
	in.d.must(in.send(e, r))
}

// send writes the record as a sink would.
func (in *Input[K, V]) send(e flow.Encoding[K, V], r weir.Record[K, V]) error {
	return in.d.sent(func() error {
		before := in.d.topics.seq
		node := flow.NewNode(in.d.inputs, "weirtest.In", nil, nil)
		if err := flow.Sink(node, in.topic.Name(), e)(r); err != nil {
			return err
		}
		if in.d.topics.seq == before {
			return fmt.Errorf("topic %q: no partition was chosen for the record", in.topic.Name())
		}
		return nil
	})
}

// SendRaw sends bytes: what cannot be decoded, or a null key. A nil key or value is null; a negative partition lets the topic choose as
// Kafka's producer does.
func (d *Driver) SendRaw(topic string, partition int, key, value []byte, at time.Time, headers ...processor.Header) {
	d.t.Helper()
	d.must(d.TrySendRaw(topic, partition, key, value, at, headers...))
}

// TrySendRaw is SendRaw that returns the failure.
func (d *Driver) TrySendRaw(topic string, partition int, key, value []byte, at time.Time, headers ...processor.Header) error {
	if err := d.read(topic); err != nil {
		return err
	}
	return d.sent(func() error { return d.topics.write(topic, int32(partition), key, value, headers, at, false) })
}

// sent writes and, unless Together collects, does all that follows. A record that cannot be written harms nothing.
func (d *Driver) sent(write func() error) error {
	if d.held {
		return d.named(write())
	}
	var refused error
	err := d.try(func() error {
		if refused = write(); refused != nil {
			return nil
		}
		return d.settle()
	})
	if err != nil {
		return err
	}
	return d.named(refused)
}
