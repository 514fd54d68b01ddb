package weir

import (
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/topology"
)

// JoinTables has a row where both tables have one of that key. Null key is dropped; deleting either deletes it.
func JoinTables[K, L, R, VO any](l Table[K, L], r Table[K, R], f func(K, L, R) VO, opts ...OpOption) Table[K, VO] {
	o := l.b.newOp("JoinTables", opts, resultOptions)
	return joinTables(l, r, o, true, true, func(k K, l L, _ bool, r R, _ bool) (VO, error) { return flow.Call3(f, k, l, r) })
}

// LeftJoinTables has a row where the left table has one; the right is nil where it has none. Null key is dropped.
func LeftJoinTables[K, L, R, VO any](l Table[K, L], r Table[K, R], f func(K, L, *R) VO, opts ...OpOption) Table[K, VO] {
	o := l.b.newOp("LeftJoinTables", opts, resultOptions)
	return joinTables(l, r, o, true, false, func(k K, l L, _ bool, r R, hasR bool) (VO, error) {
		return flow.Call3(f, k, l, orNil(r, hasR))
	})
}

// OuterJoinTables has a row where either table has one; the other is nil where it has none. Null key is dropped.
func OuterJoinTables[K, L, R, VO any](l Table[K, L], r Table[K, R], f func(K, *L, *R) VO, opts ...OpOption) Table[K, VO] {
	o := l.b.newOp("OuterJoinTables", opts, resultOptions)
	return joinTables(l, r, o, false, false, func(k K, l L, hasL bool, r R, hasR bool) (VO, error) {
		return flow.Call3(f, k, orNil(l, hasL), orNil(r, hasR))
	})
}

// orNil points to a copy of a row, or nowhere.
func orNil[T any](v T, has bool) *T {
	if !has {
		return nil
	}
	return &v
}

// joinTables adds Kafka's three nodes: each side looks up the other's row, and what they make meets in the third, which may keep it. A table that is
// joined with itself has both rows at once, so that one side says it all.
func joinTables[K, L, R, VO any](l Table[K, L], r Table[K, R], o *op, needL, needR bool, f func(K, L, bool, R, bool) (VO, error)) Table[K, VO] {
	b := l.b
	result := made[K, VO]{b: b, n: l.n, key: l.key, value: option[VO](b, o, "ValueSerde", o.value), olds: &olds{}}
	if r.b != b {
		b.faultf(o, "a table of another Builder")
		return Table[K, VO]{result}
	}
	j := join[K, L, R, VO]{needL, needR, f}
	leftRows, leftStores := lookup(l.made)
	rightRows, rightStores := lookup(r.made)
	result.olds.above = []*olds{l.olds, r.olds}
	result.closes = later(l.closes, r.closes)
	result.stores = slices.Concat(leftStores, rightStores)
	slices.Sort(result.stores)
	result.stores = slices.Compact(result.stores)
	result.rows = joinedRows(leftRows, rightRows, j.fromLeft())
	name := b.nodeName(o)
	quiet := &op{kind: o.kind, onError: o.onError, onDropped: o.onDropped}
	var sides [2]*topology.Node
	if self, ok := any(j).(join[K, L, L, VO]); ok && l.n == r.n {
		l.olds.want()
		sides = selfSides(l, quiet, name, self, result.olds)
	} else {
		if !needR {
			l.olds.want()
		}
		if !needL {
			r.olds.want()
		}
		sides[0] = tableSide(l, quiet, name+"-join-this", rightRows, rightStores, j.fromLeft(), result.olds)
		sides[1] = tableSide(r, quiet, name+"-join-other", leftRows, leftStores, j.fromRight(), result.olds)
	}
	b.graph.Copartition(o.String(), slices.Compact([]*topology.Node{l.n, r.n})...)
	return materialize(result, o, name, []topology.Parent{{Node: sides[0]}, {Node: sides[1]}},
		func(_ *flow.Node, _ bool, next flow.Receiver[K, changes[VO]]) (flow.Receiver[K, changes[VO]], error) {
			return next, nil
		})
}

// join is a join of two tables as its sides see it.
type join[K, L, R, VO any] struct {
	needL, needR bool
	f            func(K, L, bool, R, bool) (VO, error)
}

func (j join[K, L, R, VO]) fromLeft() flow.TableJoin[K, L, R, VO] {
	return flow.TableJoin[K, L, R, VO]{NeedThis: j.needL, NeedOther: j.needR, Join: j.f}
}

func (j join[K, L, R, VO]) fromRight() flow.TableJoin[K, R, L, VO] {
	return flow.TableJoin[K, R, L, VO]{NeedThis: j.needR, NeedOther: j.needL, Join: func(k K, r R, hasR bool, l L, hasL bool) (VO, error) {
		return j.f(k, l, hasL, r, hasR)
	}}
}

// tableSide adds the node that sees the changes of one table and looks up the other's rows.
func tableSide[K, T, O, VO any](t Table[K, T], o *op, name string, other view[K, O], stores []string, j flow.TableJoin[K, T, O, VO], old *olds) *topology.Node {
	n := addNode(t.b, o, name, t.parents(), func(n *flow.Node, next flow.Receiver[K, changes[VO]]) (flow.Receiver[K, changes[T]], error) {
		get, err := flow.AsTold(n.Env, other)
		if err != nil {
			return nil, err
		}
		return flow.JoinTables(n, j, get, old.wanted, next), nil
	})
	n.Stores = stores
	return n
}

// selfSides adds the nodes of a table that is joined with itself.
func selfSides[K, T, VO any](t Table[K, T], o *op, name string, j join[K, T, T, VO], old *olds) (sides [2]*topology.Node) {
	sides[0] = addNode(t.b, o, name+"-join-this", t.parents(), func(n *flow.Node, next flow.Receiver[K, changes[VO]]) (flow.Receiver[K, changes[T]], error) {
		return flow.JoinSelf(n, j.fromLeft(), old.wanted, next), nil
	})
	sides[1] = addNode(t.b, o, name+"-join-other", t.parents(), func(*flow.Node, flow.Receiver[K, changes[VO]]) (flow.Receiver[K, changes[T]], error) {
		return flow.Ignore[K, changes[T]](), nil
	})
	sides[0].Stores, sides[1].Stores = t.stores, t.stores
	return sides
}

// joinedRows looks up both tables.
func joinedRows[K, L, R, VO any](left view[K, L], right view[K, R], j flow.TableJoin[K, L, R, VO]) view[K, VO] {
	return func(env *flow.Env) (flow.Getter[K, VO], error) {
		l, err := left(env)
		if err != nil {
			return nil, err
		}
		r, err := right(env)
		if err != nil {
			return nil, err
		}
		return flow.JoinedRows(l, r, j), nil
	}
}
