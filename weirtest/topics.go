package weirtest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/processor"
)

// RawRecord is a record as a topic holds it. A nil Key or Value is null.
type RawRecord struct {
	Topic      string
	Partition  int
	Offset     int64
	Key, Value []byte
	Headers    processor.Headers
	Time       time.Time
}

// String is topic, partition, offset, key and value, quoted.
func (r RawRecord) String() string {
	return fmt.Sprintf("%s-%d@%d %s=%s", r.Topic, r.Partition, r.Offset, quoted(r.Key), quoted(r.Value))
}

func quoted(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

// entry is a record with its place among all records of all topics.
type entry struct {
	RawRecord
	seq  int64
	open bool // written in a transaction that has not ended
}

// raw is the record as tasks take it.
func (e *entry) raw() flow.Raw {
	return flow.Raw{Key: e.Key, Value: e.Value, Headers: e.Headers, Time: e.Time.UnixMilli(), Offset: e.Offset}
}

// topics are the logs of all topics.
type topics struct {
	byName     map[string]*topic
	partitions map[string]int32 // as planned and as asked for; one for the others
	seq        int64
}

type topic struct {
	name  string
	parts []*partition
	turn  int32 // where the next record without a key goes
}

// partition is a log. Offsets have gaps where records were aborted.
type partition struct {
	log  []entry
	done int // how many can be read: those before the first open one
	next int64
}

// get finds a topic, or makes it.
func (t *topics) get(name string) *topic {
	if had := t.byName[name]; had != nil {
		return had
	}
	made := &topic{name: name}
	for range cmp.Or(t.partitions[name], 1) {
		made.parts = append(made.parts, &partition{})
	}
	t.byName[name] = made
	return made
}

func (t *topics) partition(p flow.TopicPartition) *partition {
	return t.get(p.Topic).parts[p.Partition]
}

// write appends a copy of a record; a negative partition lets the topic choose as Kafka's producer does.
func (t *topics) write(name string, partition int32, key, value []byte, h processor.Headers, at time.Time, open bool) error {
	to := t.get(name)
	if partition < 0 {
		partition = to.choose(key)
	}
	if int(partition) >= len(to.parts) {
		return fmt.Errorf("topic %q has no partition %d: it has %d", name, partition, len(to.parts))
	}
	p := to.parts[partition]
	r := RawRecord{Topic: name, Partition: int(partition), Offset: p.next, Key: bytes.Clone(key), Value: bytes.Clone(value), Headers: slices.Clone(h), Time: at}
	if !open && p.done == len(p.log) {
		p.done++
	}
	p.log = append(p.log, entry{r, t.seq, open})
	p.next++
	t.seq++
	return nil
}

func (t *topic) choose(key []byte) int32 {
	if key != nil {
		return murmur2.Partition(key, int32(len(t.parts)))
	}
	t.turn++
	return (t.turn - 1) % int32(len(t.parts))
}

// commit ends the transaction: what it wrote can be read.
func (t *topics) commit() {
	t.each(func(p *partition) {
		for i := p.done; i < len(p.log); i++ {
			p.log[i].open = false
		}
		p.done = len(p.log)
	})
}

// abort ends the transaction: what it wrote is gone.
func (t *topics) abort() {
	t.each(func(p *partition) {
		p.log = slices.DeleteFunc(p.log, func(e entry) bool { return e.open })
		p.done = len(p.log)
	})
}

func (t *topics) each(f func(*partition)) {
	for _, to := range t.byName {
		for _, p := range to.parts {
			f(p)
		}
	}
}

// readable is what a reader of committed records sees.
func (p *partition) readable() []entry { return p.log[:p.done] }

// from is what can be read from an offset on.
func (p *partition) from(offset int64) []entry {
	all := p.readable()
	return all[sort.Search(len(all), func(i int) bool { return all[i].Offset >= offset }):]
}

// end is the offset after what can be read.
func (p *partition) end() int64 {
	if p.done < len(p.log) {
		return p.log[p.done].Offset
	}
	return p.next
}

// all are a topic's readable records, in the order in which they were written.
func (t *topic) all() []RawRecord {
	n := 0
	for _, p := range t.parts {
		n += p.done
	}
	recs, at := make([]RawRecord, 0, n), make([]int, len(t.parts))
	for len(recs) < n {
		first := -1
		for i, p := range t.parts {
			if at[i] < p.done && (first < 0 || p.log[at[i]].seq < t.parts[first].log[at[first]].seq) {
				first = i
			}
		}
		recs = append(recs, t.parts[first].log[at[first]].RawRecord)
		at[first]++
	}
	return recs
}

// names are those of all topics, sorted.
func (t *topics) names() (all []string) {
	for name := range t.byName {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// way is the way out of the driver's tasks, or into its topics: a flow.Collector.
type way struct {
	topics *topics
	open   bool // under exactly once
}

func (w way) Partitions(topic string) (int32, error) {
	return int32(len(w.topics.get(topic).parts)), nil
}

func (w way) Send(d *flow.Dest, partition int32, key, value []byte, h processor.Headers, at int64) error {
	return w.topics.write(d.Topic, partition, key, value, h, time.UnixMilli(at).UTC(), w.open)
}
