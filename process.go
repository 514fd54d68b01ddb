package weir

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// Process runs a processor of the user's own, one per task; it sees nulls. The input is not repartitioned; a stateful operator below is.
func Process[K, V, KO, VO any, P processor.Processor[K, V, KO, VO]](s Stream[K, V], new func() P, opts ...OpOption) Stream[KO, VO] {
	b := s.b
	o := b.newOp("Process", opts, serdeOptions, []string{"Stores"})
	stores, fault := ownStores(new)
	if fault != nil {
		b.faultf(o, "%w", fault)
	}
	n := processNode(s, o, b.nodeName(o), new, b.connect(o, stores))
	b.keyed(o, n, s.rekeyed)
	return changed[KO, VO](b, o, n)
}

// ProcessValues is Process with a key that cannot change, so that partitioning is kept (Kafka's processValues, KIP-820); it sees nulls.
func ProcessValues[K, V, VO any, P processor.FixedKey[K, V, VO]](s Stream[K, V], new func() P, opts ...OpOption) Stream[K, VO] {
	b := s.b
	o := b.newOp("ProcessValues", opts, []string{"ValueSerde", "Stores"})
	stores, fault := ownStores(new)
	if fault != nil {
		b.faultf(o, "%w", fault)
	}
	n := ownNode(s, o, b.nodeName(o), new, b.connect(o, stores), flow.NewFixedContext, func(n *flow.Node, ctx processor.Context, p P, next flow.Receiver[K, VO]) (flow.Receiver[K, V], error) {
		out := flow.ForwardingFixed(n, next)
		return flow.ProcessValues(n, p), flow.InitNode(ctx, p, func() error { return p.Init(ctx, out) })
	})
	b.keyed(o, n, s.rekeyed)
	return revalued[K, V, VO](s, o, n)
}

// processNode adds a node that runs a processor of the user's own, with stores.
func processNode[K, V, KO, VO any, P processor.Processor[K, V, KO, VO]](s Stream[K, V], o *op, name string, new func() P, stores []string) *topology.Node {
	return ownNode(s, o, name, new, stores, flow.NewContext, func(n *flow.Node, ctx processor.Context, p P, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error) {
		out := flow.Forwarding(n, next)
		return flow.Process(n, p), flow.InitNode(ctx, p, func() error { return p.Init(ctx, out) })
	})
}

// newContext makes a node's view of its task.
type newContext func(n *flow.Node, stores []string, outputs func(name string) any) processor.Context

// ownNode adds a node of the user's own code. start initialises what new made for a task, and is its receiver.
func ownNode[K, V, KO, VO, P any](s Stream[K, V], o *op, name string, new func() P, stores []string, context newContext,
	start func(n *flow.Node, ctx processor.Context, p P, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error)) *topology.Node {
	n := &topology.Node{
		Name: name, Op: o.kind, Kind: topology.Processor, Parents: s.parents(), Stores: stores,
		In:   reflect.TypeFor[flow.Receiver[K, V]](),
		Outs: map[string]reflect.Type{"": reflect.TypeFor[flow.Receiver[KO, VO]]()},
	}
	n.Make = func(env *flow.Env, links []flow.Link) (any, error) {
		next, err := flow.Children[KO, VO](links)
		if err != nil {
			return nil, err
		}
		node := flow.NewNode(env, n.Name, o.onError, o.onDropped)
		p, err := flow.Make(new)
		if err != nil {
			return nil, err
		}
		r, err := start(node, context(node, n.Stores, bindOutputs(node, n, links)), p, next)
		if err != nil {
			return nil, err
		}
		return flow.Around(node, r), nil
	}
	s.b.graph.Add(n)
	return n
}

// ownStores are the stores that a processor declares itself (processor.StoreUser); one instance is made to ask it.
func ownStores[P any](new func() P) (stores []state.Descriptor, err error) {
	p, err := flow.Make(new)
	if err != nil {
		return nil, err
	}
	if u, ok := any(p).(processor.StoreUser); ok {
		defer flow.Catch(&err)
		stores = u.Stores()
	}
	return stores, nil
}

// outputMaker binds one named output of a node for a task; OutputOf knows its types.
type outputMaker func(n *flow.Node, links []flow.Link) any

// bindOutputs finds the Forward of a named output.
func bindOutputs(n *flow.Node, node *topology.Node, links []flow.Link) func(name string) any {
	return func(name string) any {
		if bind, ok := node.Outputs[name].(outputMaker); ok {
			return bind(n, links)
		}
		return nil
	}
}

// OutputOf is the stream of a further output of a Process or ProcessValues; s is the stream that it returned. Of ProcessValues, whose processor binds the
// output with BindFixed, it has the same keys.
func OutputOf[K, V, K2, V2 any](s Stream[K, V], o processor.Output[K2, V2]) Stream[K2, V2] {
	key, value := o.Serdes(seal.Token{})
	out := Stream[K2, V2]{b: s.b, n: s.n, out: o.Name(), rekeyed: true}
	if key != nil {
		out.key = known(key)
	}
	if value != nil {
		out.value = known(value)
	}
	bind, err := outputBinder[K, V](s, o)
	if err != nil {
		s.b.faultf(&op{kind: "OutputOf", name: o.Name()}, "%w", err)
		return out
	}
	if s.n.Op == "ProcessValues" {
		out.rekeyed = s.rekeyed
		if same, ok := any(s.key).(*serdeRef[K2]); ok && key == nil {
			out.key = same
		}
	}
	s.n.Outs[o.Name()] = reflect.TypeFor[flow.Receiver[K2, V2]]()
	if s.n.Outputs == nil {
		s.n.Outputs = map[string]any{}
	}
	s.n.Outputs[o.Name()] = bind
	return out
}

// outputBinder is how a processor binds an output, or why it cannot.
func outputBinder[K, V, K2, V2 any](s Stream[K, V], o processor.Output[K2, V2]) (outputMaker, error) {
	if had, ok := s.n.Outs[o.Name()]; ok && had != reflect.TypeFor[flow.Receiver[K2, V2]]() {
		return nil, fmt.Errorf("the output was taken before as %s", had)
	}
	fixed := s.n.Op == "ProcessValues"
	switch {
	case s.n.Op != "Process" && !fixed:
		return nil, fmt.Errorf("%s %q has no outputs: take it from the stream that Process or ProcessValues returned", s.n.Op, s.n.Name)
	case fixed && reflect.TypeFor[K]() != reflect.TypeFor[K2]():
		return nil, fmt.Errorf("%s %q keeps the key, a %s: an output of %s keys cannot be its", s.n.Op, s.n.Name, typeName[K](), typeName[K2]())
	}
	return func(n *flow.Node, links []flow.Link) any {
		links = slices.DeleteFunc(slices.Clone(links), func(l flow.Link) bool { return l.Output != o.Name() })
		next, err := flow.Output[K2, V2](links, o.Name())
		switch {
		case err != nil:
			return nil // Build has checked the types of edges
		case fixed:
			return flow.ForwardingFixed(n, next)
		}
		return flow.Forwarding(n, next)
	}, nil
}
