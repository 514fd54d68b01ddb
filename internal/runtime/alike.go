package runtime

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/alike"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/topology"
)

// meetings looks at the first keys of the topics whose records meet by key, and warns where they are partitioned differently. Any goroutine may use it.
type meetings struct {
	log *zap.Logger
	mu  sync.Mutex // guards the groups and what is sampled of them
	all []meeting
}

// meeting is one of the topology's.
type meeting struct {
	topology.Meeting
	partitions int32
	group      *alike.Group
}

// look is what is looked at of one partition.
type look struct {
	of     *meeting
	inner  func([]byte) []byte
	sample *alike.Sample // guarded by the meetings' mu
}

// newMeetings makes those of an app whose topics have these partitions: all of a meeting have equally many. It warns of processors that share a store,
// and read topics that have not.
func newMeetings(t *topology.Topology, app string, counts map[string]int32, log *zap.Logger) *meetings {
	ms := &meetings{log: log}
	all := t.Meetings()
	for _, s := range t.Sharings() {
		if uneven := unevenTopics(s, app, counts); uneven != nil {
			ms.warnUneven(s, uneven)
			continue
		}
		all = united(all, s)
	}
	for _, m := range all {
		if n := partitionsOf(m, app, counts); n > 1 {
			ms.all = append(ms.all, meeting{m, n, alike.New(n)})
		}
	}
	return ms
}

// unevenTopics are the topics of a sharing with their partitions, where these are not equally many; else nil.
func unevenTopics(s topology.Sharing, app string, counts map[string]int32) (topics []string) {
	least, most := int32(math.MaxInt32), int32(0)
	for _, source := range s.Sources {
		for _, t := range source.Topics {
			if n := counts[t.In(app)]; n > 0 {
				least, most = min(least, n), max(most, n)
				topics = append(topics, fmt.Sprintf("%s (%d)", t.In(app), n))
			}
		}
	}
	if least >= most {
		return nil
	}
	return topics
}

func (ms *meetings) warnUneven(s topology.Sharing, topics []string) {
	ms.log.Warn("processors share a store, and read topics with different numbers of partitions: records of one key are read by different tasks, each with its own rows",
		zap.String("store", s.Store), zap.Strings("processors", s.Ops), zap.Strings("topics", topics),
		zap.String("remedy", "give the topics equally many partitions, or send a stream through Repartition before its processor"))
}

// united are meetings with one more, of a sharing and those that read its sources too: meetings share no source.
func united(all []topology.Meeting, s topology.Sharing) (out []topology.Meeting) {
	one := topology.Meeting{Ops: s.Ops, Sources: s.Sources}
	for _, m := range all {
		if !slices.ContainsFunc(m.Sources, func(n *topology.Node) bool { return slices.Contains(one.Sources, n) }) {
			out = append(out, m)
			continue
		}
		one.Ops = slices.Concat(m.Ops, one.Ops)
		for _, n := range m.Sources {
			if !slices.Contains(one.Sources, n) {
				one.Sources = append(slices.Clip(one.Sources), n)
			}
		}
	}
	return append(out, one)
}

// partitionsOf is how many the topics of a meeting have; 0 where it has one topic alone, or none is known.
func partitionsOf(m topology.Meeting, app string, counts map[string]int32) (n int32) {
	topics, patterns := 0, false
	for _, s := range m.Sources {
		patterns = patterns || s.Pattern != ""
		topics += len(s.Topics)
		for _, t := range s.Topics {
			n = max(n, counts[t.In(app)])
		}
	}
	if topics < 2 && !patterns {
		return 0
	}
	return n
}

// look is how to look at a partition that a source reads; nil where there is nothing to look at, or not any more.
func (ms *meetings) look(source *topology.Node, tp kafka.TP) *look {
	for i := range ms.all {
		m := &ms.all[i]
		if !slices.Contains(m.Sources, source) {
			continue
		}
		ms.mu.Lock()
		defer ms.mu.Unlock()
		if s := m.group.Sample(tp.Topic, tp.Partition); s != nil {
			return &look{m, source.InnerKey, s}
		}
		return nil
	}
	return nil
}

// looks are those at a task's inputs; nil without any.
func (r *Runtime) looks(o *owned) (all map[kafka.TP]*look) {
	for _, tp := range o.inputs {
		if _, source := r.reads(tp.Topic); source != nil {
			if l := r.meetings.look(source, tp); l != nil {
				if all == nil {
					all = map[kafka.TP]*look{}
				}
				all[tp] = l
			}
		}
	}
	return all
}

// at looks at what was fetched, and returns false when no more need be looked at.
func (ms *meetings) at(l *look, f *kafka.Fetched) (more bool) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	more = true
	for i := 0; i < len(f.Records) && more; i++ {
		if rec := f.Records[i]; rec.Key != nil && !rec.Attrs.IsControl() {
			more = l.sample.Add(l.part(rec.Key))
		}
	}
	for d, ok := l.of.group.Difference(); ok; d, ok = l.of.group.Difference() {
		ms.warn(l.of, d)
	}
	return more
}

// part is what of a key its partition is chosen by.
func (l *look) part(key []byte) []byte {
	if l.inner == nil {
		return key
	}
	return l.inner(key)
}

func (ms *meetings) warn(m *meeting, d alike.Difference) {
	cause := "the producers of the two topics choose partitions differently"
	if d.Default {
		cause = "a producer of topic " + d.Topics[1] + " chooses partitions by something else than the murmur2 hash of the key, as librdkafka does by default (consistent_random)"
	}
	ms.log.Warn("topics that meet by key are partitioned differently: records of one key are read by different tasks and do not find each other",
		zap.Strings("operators", m.Ops), zap.Strings("topics", d.Topics[:]), zap.Int32("partitions of each", m.partitions), zap.Stringer("sample", d),
		zap.String("likely cause", cause),
		zap.String("remedy", "have the producers use one partitioner (librdkafka: murmur2_random), or send the stream through Repartition before the operator"))
}
