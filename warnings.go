package weir

import (
	"fmt"
	"slices"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// warnings is what the Builder knows for warnings.
type warnings struct {
	global map[string]bool      // stores
	pairs  map[string][2]string // serdes of keys and values, by topic
}

// isGlobal notes a store that every instance has whole.
func (w *warnings) isGlobal(store string) {
	if w.global == nil {
		w.global = map[string]bool{}
	}
	w.global[store] = true
}

// pairOf notes with which serdes a topic is read or written, and warns of others than before: what one side writes the other cannot read.
func pairOf[K, V any](b *Builder, o *op, topic string, key serde.Serde[K], value serde.Serde[V]) {
	if key == nil || value == nil {
		return
	}
	now := serdesOf(key, value)
	had, ok := b.warnings.pairs[topic]
	switch {
	case !ok && b.warnings.pairs == nil:
		b.warnings.pairs = map[string][2]string{topic: now}
	case !ok:
		b.warnings.pairs[topic] = now
	case had != now:
		b.graph.Warn(fmt.Sprintf("%s: topic %q has keys %s and values %s here, %s and %s elsewhere in the topology: one side may not read what the other writes", o, topic, now[0], now[1], had[0], had[1]))
	}
}

// readAs warns of a topic that is read otherwise than it was declared: a source has the serdes and the event time of its first topic.
func (s source[K, V]) readAs(b *Builder, o *op, t Topic[K, V]) {
	like := s.like
	if like.key == nil || like.value == nil || t.key == nil || t.value == nil {
		return
	}
	if had, now := serdesOf(t.key, t.value), serdesOf(like.key, like.value); had != now {
		b.graph.Warn(fmt.Sprintf("%s: topic %q was declared with keys %s and values %s, but is read with %s and %s, those of %q, the first of the source's topics", o, t.name, had[0], had[1], now[0], now[1], like.name))
	}
	if t.timeOf != like.timeOf {
		b.graph.Warn(fmt.Sprintf("%s: topic %q was declared with another event time than %q, the first of the source's topics, whose is taken for all", o, t.name, like.name))
	}
}

func serdesOf[K, V any](key serde.Serde[K], value serde.Serde[V]) [2]string {
	return [2]string{key.Name(), value.Name()}
}

// keyed warns of a processor whose stores are looked into by another key than the one by which its input is partitioned. Global stores are whole.
func (b *Builder) keyed(o *op, n *topology.Node, rekeyed bool) {
	if !rekeyed {
		return
	}
	b.atBuild(func() {
		own := slices.DeleteFunc(slices.Clone(n.Stores), func(s string) bool { return b.warnings.global[s] })
		if len(own) > 0 {
			b.graph.Warn(fmt.Sprintf("%s: the key may have changed above %q, and a processor's input is not repartitioned: records of one key may meet the stores %q of several tasks; Repartition sends them to one", o, n.Name, own))
		}
	})
}
