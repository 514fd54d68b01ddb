package weirtest

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
)

// Output reads a topic from its start, each record once. Each Output has its own place; partitions are read in the order of writing.
type Output[K, V any] struct {
	d     *Driver
	topic weir.Topic[K, V]
	next  map[int]int64 // by partition: the offset to read
}

// Out is the way out of a topic: one that the topology writes to, or any other.
func Out[K, V any](d *Driver, topic weir.Topic[K, V]) *Output[K, V] {
	return &Output[K, V]{d: d, topic: topic, next: map[int]int64{}}
}

// head is the first record that was not read.
func (o *Output[K, V]) head() (first *entry) {
	t := o.d.topics.byName[o.topic.Name()]
	if t == nil {
		return nil
	}
	for i, p := range t.parts {
		if rest := p.from(o.next[i]); len(rest) > 0 && (first == nil || rest[0].seq < first.seq) {
			first = &rest[0]
		}
	}
	return first
}

// NextRaw reads the next record with its partition, undecoded; false when there is none.
func (o *Output[K, V]) NextRaw() (RawRecord, bool) {
	e := o.head()
	if e == nil {
		return RawRecord{}, false
	}
	o.next[e.Partition] = e.Offset + 1
	return e.RawRecord, true
}

// Next reads the next record; false when there is none. One that cannot be decoded fails the test.
func (o *Output[K, V]) Next() (weir.Record[K, V], bool) {
	o.d.t.Helper()
	raw, ok := o.NextRaw()
	if !ok {
		return weir.Record[K, V]{}, false
	}
	return o.decode(raw), true
}

// All reads all records that were not read.
func (o *Output[K, V]) All() (all []weir.Record[K, V]) {
	o.d.t.Helper()
	for {
		r, ok := o.Next()
		if !ok {
			return all
		}
		all = append(all, r)
	}
}

// Empty reports whether all records were read.
func (o *Output[K, V]) Empty() bool { return o.head() == nil }

// Table is what the topic says as a table: the last value of each key, read or not. Null keys are left out.
func Table[K comparable, V any](o *Output[K, V]) map[K]V {
	o.d.t.Helper()
	all := map[K]V{}
	for _, raw := range o.d.Records(o.topic.Name()) {
		switch r := o.decode(raw); {
		case r.KeyIsNull():
		case r.IsNull():
			delete(all, r.Key)
		default:
			all[r.Key] = r.Value
		}
	}
	return all
}

func (o *Output[K, V]) decode(raw RawRecord) weir.Record[K, V] {
	o.d.t.Helper()
	r := weir.Record[K, V]{Time: raw.Time, Headers: raw.Headers}
	var nulls uint8
	var err error
	if raw.Key == nil {
		nulls |= 1
	} else if r.Key, err = o.topic.KeySerde().Decode(raw.Key); err != nil {
		o.d.t.Fatalf("weirtest: %s: the key: %v", raw, err)
	}
	if raw.Value == nil {
		nulls |= 2
	} else if r.Value, err = o.topic.ValueSerde().Decode(raw.Value); err != nil {
		o.d.t.Fatalf("weirtest: %s: the value: %v", raw, err)
	}
	return processor.Seal(seal.Token{}, r, nulls)
}
