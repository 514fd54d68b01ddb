package flow

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// TimePolicy says what becomes of a record whose event time is before the epoch (Kafka's TimestampExtractors).
type TimePolicy uint8

// The policies. WallClockTime does not look at the record: its time is that of reading, valid or not.
const (
	FailInvalidTime  TimePolicy = iota // the decoding decision, which fails unless the user says otherwise
	SkipInvalidTime                    // dropped, counted as InvalidTime
	UsePartitionTime                   // the partition's time so far; without one the decoding decision
	WallClockTime
)

// Decoder makes typed records of raw ones. A null key or value does not reach its serde: it is nil where the type is nilable, else the zero
// value and the record's hidden bit.
type Decoder[K, V any] struct {
	Key   serde.Serde[K]
	Value serde.Serde[V]
	// EventTime reads the event time, in ms; nil takes the broker's, which is the record's Time. partitionTime is the greatest one taken from
	// the partition so far, −1 before the first. It is the user's code: a panic is an error of the record.
	EventTime  func(r processor.Record[K, V], partitionTime int64) (int64, error)
	TimePolicy TimePolicy
}

// NewSource makes a source node: a queue for each partition that it reads, all of which hand their records to one receiver.
func NewSource[K, V any](n *Node, d Decoder[K, V], to Receiver[K, V]) Source {
	return source[K, V]{n, d, to}
}

type source[K, V any] struct {
	node    *Node
	decoder Decoder[K, V]
	to      Receiver[K, V]
}

func (s source[K, V]) Queue(topic string, partition int32) Queue {
	return &queue[K, V]{
		source:      s,
		key:         decodeKept(s.decoder.Key),
		value:       decodeKept(s.decoder.Value),
		ring:        ring{epoch: -1},
		topic:       topic,
		partition:   partition,
		nullKeyIs:   bitUnless(null.Nilable[K](), 1),
		nullValueIs: bitUnless(null.Nilable[V](), 2),
		time:        -1,
	}
}

// bitUnless is a null bit, which a nilable kind does not need: there nil itself is null, also after the user assigned to the field.
func bitUnless(nilable bool, bit uint8) uint8 {
	if nilable {
		return 0
	}
	return bit
}

// queue is one partition's records that wait. Only the head is typed, once it was asked for; it is never a control record.
type queue[K, V any] struct {
	source[K, V]
	ring
	topic       string
	partition   int32
	key         func([]byte) (K, error)
	value       func([]byte) (V, error)
	nullKeyIs   uint8
	nullValueIs uint8
	time        int64 // the partition's

	head  processor.Record[K, V]
	at    int64
	ready bool // head and at are the ring's first
	begun bool // and in process
}

func (q *queue[K, V]) Head() (at int64, ok bool, err error) {
	for !q.ready {
		if q.n == 0 {
			return 0, false, nil
		}
		if err := q.open(); err != nil {
			return 0, false, err
		}
	}
	return q.at, true, nil
}

// Begin makes the head, which Head has decoded, the record in process: Env.Origin. Run does it too; a task that has more to set calls Begin
// before.
func (q *queue[K, V]) Begin() {
	q.setOrigin(q.first(), q.at)
	q.begun = true
}

// Beginner is what every queue of NewSource is, beyond a Queue.
type Beginner interface{ Begin() }

// open decodes the head, or passes it by where that was decided.
func (q *queue[K, V]) open() error {
	raw := q.first()
	for {
		err := q.decode(raw)
		if err == nil {
			q.ready = true
			return nil
		}
		q.setOrigin(raw, raw.Time)
		if err == errSkipTime {
			q.node.Drop(InvalidTime)
			q.pop()
			return nil
		}
		again, fatal := q.node.Decide(processor.Decoding, err)
		if fatal != nil {
			return fatal
		}
		if !again {
			q.pop()
			return nil
		}
	}
}

func (q *queue[K, V]) decode(raw *Raw) (err error) {
	defer Catch(&err)
	var nulls uint8
	q.head = processor.Record[K, V]{}
	if raw.Key == nil {
		nulls |= q.nullKeyIs
	} else if q.head.Key, err = q.key(raw.Key); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if raw.Value == nil {
		nulls |= q.nullValueIs
	} else if q.head.Value, err = q.value(raw.Value); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	processor.SealIn(seal.Token{}, &q.head, raw.Headers, nulls)
	if q.decoder.EventTime != nil {
		q.head.Time = time.UnixMilli(raw.Time).UTC()
	}
	if q.at, err = q.eventTime(raw); err != nil {
		return err
	}
	q.head.Time = time.UnixMilli(q.at).UTC()
	return nil
}

// keeper is a serde that can decode bytes which nobody changes any more, as those of a fetched record, without copying them.
type keeper[T any] interface{ DecodeKept(b []byte) (T, error) }

// decodeKept is a serde's way to decode a fetched record.
func decodeKept[T any](s serde.Serde[T]) func([]byte) (T, error) {
	if k, ok := s.(keeper[T]); ok {
		return k.DecodeKept
	}
	return s.Decode
}

func (q *queue[K, V]) eventTime(raw *Raw) (int64, error) {
	if q.decoder.TimePolicy == WallClockTime {
		return q.node.Env.WallTime, nil
	}
	at := raw.Time
	if q.decoder.EventTime != nil {
		var err error
		if at, err = q.decoder.EventTime(q.head, q.time); err != nil {
			return 0, fmt.Errorf("event time: %w", err)
		}
	}
	return validTime(at, q.time, q.decoder.TimePolicy)
}

// errSkipTime never leaves a queue.
var errSkipTime = errors.New("invalid event time")

func validTime(at, partitionTime int64, p TimePolicy) (int64, error) {
	switch {
	case at >= 0:
		return at, nil
	case p == SkipInvalidTime:
		return 0, errSkipTime
	case p != UsePartitionTime:
		return 0, fmt.Errorf("event time: %d ms is before the epoch; weir.SkipInvalidTime, UsePartitionTime or WallClockTime take such records", at)
	case partitionTime < 0:
		return 0, fmt.Errorf("event time: %d ms is before the epoch, and the partition has no time yet that could stand for it", at)
	}
	return partitionTime, nil
}

func (q *queue[K, V]) setOrigin(raw *Raw, at int64) {
	o := &q.node.Env.Origin
	o.Topic, o.Partition, o.Offset = q.topic, q.partition, raw.Offset
	o.Key, o.Value, o.Time, o.Written, o.Headers = raw.Key, raw.Value, at, raw.Time, raw.Headers
}

// Run leaves a head that failed where it is: the position must not pass it. What is pushed while it runs may move the ring's memory.
func (q *queue[K, V]) Run() error {
	if !q.ready {
		panic("flow: Queue.Run without a head")
	}
	if !q.begun {
		q.Begin()
	}
	q.time = max(q.time, q.at)
	if err := q.to(q.head); err != nil {
		return err
	}
	q.close()
	q.pop()
	return nil
}

// close lets go of the typed head.
func (q *queue[K, V]) close() {
	q.head, q.ready, q.begun = processor.Record[K, V]{}, false, false
}

func (q *queue[K, V]) PartitionTime() int64      { return q.time }
func (q *queue[K, V]) SetPartitionTime(at int64) { q.time = at }

func (q *queue[K, V]) Clear() {
	q.close()
	q.clear()
}

// ring is raw records in their order, by value, and the position that they give.
type ring struct {
	buf   []Raw // its length is a power of two, or zero
	from  int   // index of the first
	n     int
	bytes int64
	next  int64 // after the last that was taken
	epoch int32 // of the last that was taken, −1 before
	seen  bool  // whether next is known
}

const minRing = 64

func (r *ring) Len() int     { return r.n }
func (r *ring) Bytes() int64 { return r.bytes }

func (r *ring) first() *Raw { return &r.buf[r.from] }

// Push takes a control record at once where nothing waits before it; others are taken with the record before them.
func (r *ring) Push(raw Raw) {
	if raw.Control && r.n == 0 {
		r.take(&raw)
		return
	}
	if r.n == len(r.buf) {
		r.grow()
	}
	r.buf[(r.from+r.n)&(len(r.buf)-1)] = raw
	r.n++
	r.bytes += raw.Size()
}

func (r *ring) grow() {
	bigger := make([]Raw, max(minRing, 2*len(r.buf)))
	copy(bigger[copy(bigger, r.buf[r.from:]):], r.buf[:r.from])
	r.buf, r.from = bigger, 0
}

// pop takes the first and the control records behind it. The slots are emptied, so that they do not hold on to fetched memory.
func (r *ring) pop() {
	for {
		raw := r.first()
		r.take(raw)
		r.bytes -= raw.Size()
		*raw = Raw{}
		r.from = (r.from + 1) & (len(r.buf) - 1)
		r.n--
		if r.n == 0 || !r.first().Control {
			return
		}
	}
}

func (r *ring) take(raw *Raw) {
	r.next, r.epoch, r.seen = raw.Offset+1, raw.LeaderEpoch, true
}

func (r *ring) Position() (offset int64, epoch int32, ok bool) {
	if r.n == 0 {
		return r.next, r.epoch, r.seen
	}
	raw := r.first()
	if !r.seen {
		return raw.Offset, raw.LeaderEpoch, true
	}
	return raw.Offset, r.epoch, true
}

// clear keeps the position: what was dropped may be fetched again.
func (r *ring) clear() {
	r.next, r.epoch, r.seen = r.Position()
	r.buf, r.from, r.n, r.bytes = nil, 0, 0, 0
}
