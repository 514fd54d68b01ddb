package weir

import (
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/topology"
)

// OrZero is *p, or the zero T without p: for the side of a join that may be missing, above all where it is nilable itself.
func OrZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// JoinTable joins each stream record with the table's row of its key at that moment (Versioned: at its time); none: nothing. Null key or value is dropped.
func JoinTable[K, V, T, VO any](s Stream[K, V], t Table[K, T], f func(K, V, T) VO, opts ...OpOption) Stream[K, VO] {
	o := s.b.newOp("JoinTable", opts, joinTableOptions, graceOptions)
	return joinTable(s, t, o, false, func(r Record[K, V], row T, _ bool) (VO, error) {
		return flow.Call3(f, r.Key, r.Value, row)
	})
}

// LeftJoinTable is JoinTable with nil where there is no row. A null key joins nil; a null value is dropped.
func LeftJoinTable[K, V, T, VO any](s Stream[K, V], t Table[K, T], f func(K, V, *T) VO, opts ...OpOption) Stream[K, VO] {
	o := s.b.newOp("LeftJoinTable", opts, joinTableOptions, graceOptions)
	o.nullKeys = true
	return joinTable(s, t, o, true, func(r Record[K, V], row T, has bool) (VO, error) {
		return flow.Call3(f, r.Key, r.Value, orNil(row, has))
	})
}

var joinTableOptions = []string{"KeySerde", "ValueSerde", "Partitions", "PartitionBy", "TopicConfig"}

// joinTable adds a node that looks into the table's store, in the table's tasks.
func joinTable[K, V, T, VO any](s Stream[K, V], t Table[K, T], o *op, left bool, join func(Record[K, V], T, bool) (VO, error)) Stream[K, VO] {
	b := s.b
	if t.b != b {
		b.faultf(o, "a table of another Builder")
		return Stream[K, VO]{b: b, n: s.n, out: s.out, key: s.key, rekeyed: s.rekeyed}
	}
	if s.rekeyed && o.name == "" {
		b.faultf(o, "the key was changed before, so that the stream must be repartitioned: name the topic with weir.Named")
	}
	through := *o
	through.value = nil // ValueSerde is the result's
	s = repartitioned(s, &through, "join")
	find, stores := lookFor(t.made)
	later := waits(s, t, o)
	n := addNode(b, o, b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, V], error) {
		look, err := find(n.Env)
		if err != nil {
			return nil, err
		}
		return joinLater(later, n, left, look, join, next)
	})
	if n.Stores = stores; later != nil {
		n.Stores = append(slices.Clone(stores), later.store)
	}
	b.graph.Copartition(o.String(), slices.Compact([]*topology.Node{s.n, t.n})...)
	return revalued[K, V, VO](s, o, n)
}
