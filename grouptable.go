package weir

import (
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/topology"
)

// GroupedTable is a table grouped by another key.
type GroupedTable[K, V any] struct{ g *grouping[K, V] }

func (g GroupedTable[K, V]) plan() plan[K, K, V] {
	return plan[K, K, V]{b: g.g.b, input: g.g.input, table: true}
}

// GroupTableBy groups rows by a new key and value, through a repartition topic. f is not called for null; a row to which it gives null is left out, and
// counted as dropped.
func GroupTableBy[K, V, K2, V2 any](t Table[K, V], f func(K, V) (K2, V2), opts ...OpOption) GroupedTable[K2, V2] {
	b := t.b
	o := b.newOp("GroupTableBy", opts, []string{"KeySerde", "ValueSerde", "Partitions", "TopicConfig"})
	t.olds.want()
	of := func(k K, v V) (g flow.Grouping[K2, V2], err error) {
		defer flow.Catch(&err)
		g.Key, g.Value = f(k, v)
		switch {
		case null.Is(g.Key):
			g.Why = flow.NullKey
		case null.Is(g.Value):
			g.Why = flow.NullValue
		default:
			g.OK = true
		}
		return g, nil
	}
	key, value := option[K2](b, o, "KeySerde", o.key), option[V2](b, o, "ValueSerde", o.value)
	if key == nil {
		key = &serdeRef[K2]{}
	}
	n := addNode(b, o, b.nodeName(o), t.parents(), func(n *flow.Node, next flow.Receiver[K2, changes[V2]]) (flow.Receiver[K, changes[V]], error) {
		if key.s == nil { // nothing is made of the groups
			return func(Record[K, changes[V]]) error { return nil }, nil
		}
		return flow.Regroup(n, of, key.s, next), nil
	})
	var in *input[K2, V2]
	return GroupedTable[K2, V2]{&grouping[K2, V2]{b: b, input: func(store string) input[K2, V2] {
		if in == nil {
			in = regrouped(b, o, n, store, key, value)
		}
		return *in
	}}}
}

// regrouped passes the changes of a grouped table through the repartition topic that Named, or the store that it feeds, names.
func regrouped[K, V any](b *Builder, o *op, n *topology.Node, store string, key *serdeRef[K], value *serdeRef[V]) *input[K, V] {
	name := o.name
	if name == "" {
		name = store
	}
	full := name + "-repartition"
	key = pick(b, o, nil, key, "the key of repartition topic "+full, "KeySerde")
	value = pick(b, o, nil, value, "the value of repartition topic "+full, "ValueSerde")
	changed := &serdeRef[changes[V]]{}
	b.atBuild(func() {
		if value.s != nil {
			changed.s = flow.ChangeSerde(value.s)
		}
	})
	through := throughTopic(b, o, &topology.Repartition{Name: name}, []topology.Parent{{Node: n}}, key, changed, nil)
	return &input[K, V]{[]topology.Parent{{Node: through}}, key, value}
}

// ReduceTable combines the values of a grouped table; sub takes a replaced or deleted value out again.
func ReduceTable[K, V any](g GroupedTable[K, V], store string, add, sub func(sum, v V) V, opts ...OpOption) Table[K, V] {
	p := g.plan()
	o := p.newOp("ReduceTable", opts)
	if add == nil || sub == nil {
		p.b.faultf(o, "store %q: a function is nil", store)
	}
	reducing := func(*flow.Node) flow.Folding[K, V, V] {
		return flow.Folding[K, V, V]{
			Add: func(r Record[K, V], sum V, has bool) (V, error) {
				if !has {
					return r.Value, nil
				}
				return flow.Call2(add, sum, r.Value)
			},
			Sub: func(_ K, v V, sum V) (V, error) { return flow.Call2(sub, sum, v) },
		}
	}
	in := p.input(store)
	return aggregated(p, o, store, in, in.value, reducing)
}
