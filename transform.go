package weir

import (
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

// TransformTable changes each row's value with stores at hand; it sees tombstones and can make them.
func TransformTable[K, V, V2 any, P processor.ValueTransformer[K, V, V2]](t Table[K, V], new func() P, opts ...OpOption) Table[K, V2] {
	b := t.b
	o := b.newOp("TransformTable", opts, resultOptions, []string{"Stores"})
	own, fault := ownStores(new)
	if fault != nil {
		b.faultf(o, "%w", fault)
	}
	name, stores := b.nodeName(o), b.connect(o, own)
	// transformer makes one for a node of a task: for the updates, and one for each who looks up rows.
	transformer := func(n *flow.Node) (p P, err error) {
		if p, err = flow.Make(new); err != nil {
			return p, err
		}
		ctx := flow.NewContext(n, stores, nil)
		return p, flow.InitNode(ctx, p, func() error { return p.Init(ctx) })
	}
	another := func(env *flow.Env) (processor.ValueTransformer[K, V, V2], error) {
		return transformer(flow.NewNode(env, name, o.onError, o.onDropped))
	}
	result := made[K, V2]{
		b: b, key: t.key, value: option[V2](b, o, "ValueSerde", o.value), olds: &olds{above: []*olds{t.olds}},
		rows: transformedRows(t.rows, another), past: transformedPast(t.past, another), stores: slices.Concat(t.stores, stores),
	}
	out := materialize(result, o, name, t.parents(), func(n *flow.Node, old bool, next flow.Receiver[K, changes[V2]]) (flow.Receiver[K, changes[V]], error) {
		p, err := transformer(n)
		if err != nil {
			return nil, err
		}
		return flow.TransformTable(n, processor.ValueTransformer[K, V, V2](p), old, next), nil
	})
	connected(out.n, stores)
	return out
}

// transformedRows looks up rows of a table through a transformer of its own.
func transformedRows[K, V, V2 any](above view[K, V], another func(*flow.Env) (processor.ValueTransformer[K, V, V2], error)) view[K, V2] {
	return func(env *flow.Env) (flow.Getter[K, V2], error) {
		of, err := above(env)
		if err != nil {
			return nil, err
		}
		p, err := another(env)
		if err != nil {
			return nil, err
		}
		return flow.Transformed(of, p), nil
	}
}

// transformedPast is transformedRows for a table's history, which may have none.
func transformedPast[K, V, V2 any](of *past[K, V], another func(*flow.Env) (processor.ValueTransformer[K, V, V2], error)) *past[K, V2] {
	if of == nil {
		return nil
	}
	return &past[K, V2]{of.ms, func(env *flow.Env) (flow.AsOf[K, V2], error) {
		look, err := of.look(env)
		if err != nil {
			return nil, err
		}
		p, err := another(env)
		if err != nil {
			return nil, err
		}
		return flow.TransformedPast(look, p), nil
	}}
}

// connected adds stores to those of a node.
func connected(n *topology.Node, stores []string) { n.Stores = slices.Concat(n.Stores, stores) }
