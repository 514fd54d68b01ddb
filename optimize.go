package weir

import (
	"fmt"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/topology"
)

// Optimization is a rule that changes the topology without changing results (Kafka's topology.optimization). Describe shows what came of it. It changes
// which internal topics and stores there are: name it from an app's first day, or give the app another name.
type Optimization struct{ set func(*rules) }

// rules are those that Build was given.
type rules struct{ reuseSourceTopics, mergeRepartitions, singleStoreSelfJoin bool }

// ReuseSourceTopics makes source tables use their topic as changelog (Kafka's reuse.ktable.source.topics). The topic must keep the last value of each key,
// as a compacted one does; that is not checked. A table is restored as it was processed, up to the committed offset: null keys and what cannot be decoded
// are left out, about the latter OnError is asked again. Tables with EventTimeBy, UsePartitionTime, WallClockTime or StartAt elsewhere than at the start
// keep a changelog of their own. An app may begin with it at any time, but not leave it.
func ReuseSourceTopics() Optimization {
	return Optimization{func(r *rules) { r.reuseSourceTopics = true }}
}

// MergeRepartitions makes one repartition topic of those below one key change, where no value changes in between (Kafka's merge.repartition.topics). The
// first gives its name; what only passes records on in between comes to stand below. Repartition, and topics with Partitions, PartitionBy or TopicConfig,
// stay.
func MergeRepartitions() Optimization {
	return Optimization{func(r *rules) { r.mergeRepartitions = true }}
}

// SingleStoreSelfJoin keeps the records of a stream that is joined with itself by Join in one store, <name>-this-join-store, in place of two
// (Kafka's single.store.self.join, KIP-862). Streams that the join repartitions, left and outer joins keep two.
func SingleStoreSelfJoin() Optimization {
	return Optimization{func(r *rules) { r.singleStoreSelfJoin = true }}
}

func (b *Builder) take(rules []Optimization) {
	for _, o := range rules {
		if o.set != nil {
			o.set(&b.rules)
		}
	}
}

// refill is how a table's store is restored from the topic that the table is read from.
type refill struct {
	topic, reader string
	reread        func() rows.Reread
	obstacle      string // why it cannot be; empty where nothing stands in the way
}

func refilled[K, V any](o *op, t Topic[K, V], reader string, key *serdeRef[K], value *serdeRef[V]) *refill {
	return &refill{topic: t.name, reader: reader, obstacle: obstacle(o, t.timeBy), reread: func() rows.Reread {
		d := flow.Decoder[K, V]{Key: t.key, Value: t.value, EventTime: inMillis(t.eventTime), TimePolicy: o.time}
		return flow.Reread(d, key.s, value.s)
	}}
}

// obstacle is what keeps a topic from giving again what processing it gave.
func obstacle(o *op, timeBy bool) string {
	switch {
	case timeBy:
		return "EventTimeBy may depend on what was read before"
	case o.time == flow.UsePartitionTime:
		return "UsePartitionTime depends on what was read before"
	case o.time == flow.WallClockTime:
		return "WallClockTime depends on when it was read"
	case o.reset.Policy != topology.ResetDefault && o.reset.Policy != topology.ResetEarliest:
		return "StartAt leaves out what the topic holds"
	}
	return ""
}

// reuse applies ReuseSourceTopics to the store of an operator.
func (b *Builder) reuse(o *op, s *topology.Store) {
	from := o.store.refill
	if !b.rules.reuseSourceTopics || from == nil {
		return
	}
	obstacle := from.obstacle
	if obstacle == "" && s.TTL > 0 {
		obstacle = "rows leave it that stay in the topic"
	}
	if obstacle != "" {
		b.graph.Warn(fmt.Sprintf("%s: store %q keeps a changelog of its own, for topic %q cannot restore it: %s", o, s.Name, from.topic, obstacle))
		return
	}
	if o.topicConfig != nil {
		b.graph.Warn(fmt.Sprintf("%s: TopicConfig has no effect: topic %q is the changelog of store %q", o, from.topic, s.Name))
	}
	s.SourceTopic, s.Reader = from.topic, &topology.Reader{Node: from.reader, OnError: o.onError}
	s.Logged, s.Sourced, s.Reread = false, true, from.reread
	s.Format += " of " + from.topic // rows and positions of a changelog are not those of the topic
}
