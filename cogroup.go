package weir

import (
	"fmt"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Cogrouped is several grouped streams with one aggregate.
type Cogrouped[K, A any] struct{ c cogrouping[K, A] }

// WindowedCogrouped is Cogrouped by window too.
type WindowedCogrouped[K, A any] struct {
	c    cogrouping[K, A]
	spec window.Spec
}

// CogroupInput is one stream of a cogroup. It mentions neither the stream's values nor a Stream: what knows them is in its functions.
type CogroupInput[K, A any] struct {
	b       *Builder
	key     func(store string) *serdeRef[K] // makes the stream's repartition topic, if there must be one
	plain   func(*cogroup[K, A]) made[K, A] // adds the stream's node
	windows func(*cogroup[K, A], window.Spec) made[window.Key[K], A]
}

// cogrouping is what a cogroup's methods say of it.
type cogrouping[K, A any] struct {
	in    []CogroupInput[K, A]
	init  func() A
	merge func(K, A, A) A
	drop  func(A) bool
}

// cogroup is a cogroup under construction.
type cogroup[K, A any] struct {
	cogrouping[K, A]
	b      *Builder
	o      *op
	store  string
	key    *serdeRef[K]
	value  *serdeRef[A]
	shared *sharing // nil before the first input, which declares the store
	inputs int      // so far
}

// sharing is what the inputs of a cogroup have in common.
type sharing struct {
	spec *rows.Spec
	olds *olds
}

// coplan is what AggregateCogroup needs to know.
type coplan[K, KO, A any] struct {
	cogrouping[K, A]
	windowed bool
	spec     window.Spec
}

// Coaggregable is Cogrouped or WindowedCogrouped.
type Coaggregable[K, KO, A any] interface{ coplan() coplan[K, KO, A] }

func (c Cogrouped[K, A]) coplan() coplan[K, K, A] { return coplan[K, K, A]{cogrouping: c.c} }

func (c WindowedCogrouped[K, A]) coplan() coplan[K, window.Key[K], A] {
	return coplan[K, window.Key[K], A]{cogrouping: c.c, windowed: true, spec: c.spec}
}

// Adding says how values of one stream enter the common aggregate. Named, OnError and OnDropped are those of the stream's node. LateTo, for windows, takes
// what comes too late of this stream.
func Adding[K, V, A any](g Grouped[K, V], add func(K, V, A) A, opts ...OpOption) CogroupInput[K, A] {
	b := g.g.b
	own := b.newOp("Adding", opts, []string{"LateTo"})
	if add == nil {
		b.faultf(own, "the function is nil")
	}
	to := func(c *cogroup[K, A]) aggregation[K, V, A] {
		a := aggregation[K, V, A]{b: b, o: c.of(own), name: b.nodeName(own), store: c.store, in: g.g.input(c.store), key: c.key, value: c.value, shared: c.shared}
		a.folding = Aggregator[K, V, A]{Init: c.init, Add: add, Merge: c.merge, Drop: c.drop}.folding(fmt.Sprint(c.inputs))
		c.inputs++
		return a
	}
	return CogroupInput[K, A]{
		b:   b,
		key: func(store string) *serdeRef[K] { return g.g.input(store).key },
		plain: func(c *cogroup[K, A]) made[K, A] {
			if own.lateTo != nil {
				b.faultf(own, "option LateTo needs windows: nothing else is late")
			}
			return to(c).plain()
		},
		windows: func(c *cogroup[K, A], spec window.Spec) made[window.Key[K], A] { return to(c).windows(spec) },
	}
}

// of is the operator as one input's node sees it: with the input's name and handlers.
func (c *cogroup[K, A]) of(own *op) *op {
	o := *c.o
	o.name, o.lateTo = own.name, own.lateTo
	if own.onError != nil {
		o.onError = own.onError
	}
	if own.onDropped != nil {
		o.onDropped = own.onDropped
	}
	return &o
}

// Cogroup aggregates streams of different values into one A per key: Kafka's cogroup (KIP-150). init is the aggregate of nothing. All streams must be
// partitioned alike; those whose key was changed pass repartition topics, which GroupBy's and GroupByKey's Named names, or, for one of them, the
// store.
func Cogroup[K, A any](init func() A, in ...CogroupInput[K, A]) Cogrouped[K, A] {
	return Cogrouped[K, A]{cogrouping[K, A]{init: init}}.And(in...)
}

// And adds further streams.
func (c Cogrouped[K, A]) And(in ...CogroupInput[K, A]) Cogrouped[K, A] {
	c.c.in = append(c.c.in[:len(c.c.in):len(c.c.in)], in...)
	return c
}

// MergeBy merges the aggregates of two sessions; session windows need it.
func (c Cogrouped[K, A]) MergeBy(f func(K, A, A) A) Cogrouped[K, A] { c.c.merge = f; return c }

// DropIf deletes the row of an aggregate for which f is true.
func (c Cogrouped[K, A]) DropIf(f func(A) bool) Cogrouped[K, A] { c.c.drop = f; return c }

// WindowedBy cogroups by window too. Each stream has a time of its own, by which its records are late.
func (c Cogrouped[K, A]) WindowedBy(w window.Spec) WindowedCogrouped[K, A] {
	checkWindows(c.c.builder(), w)
	return WindowedCogrouped[K, A]{c.c, w}
}

// builder is that of the first stream.
func (c *cogrouping[K, A]) builder() *Builder {
	for _, in := range c.in {
		if in.b != nil {
			return in.b
		}
	}
	return NewBuilder() // of no topology: nothing leads to it
}

// AggregateCogroup keeps the common aggregate of each key (and window). Nulls as in Aggregate; every update is emitted.
func AggregateCogroup[K, KO, A any](g Coaggregable[K, KO, A], store string, opts ...OpOption) Table[KO, A] {
	p := g.coplan()
	c := &cogroup[K, A]{cogrouping: p.cogrouping, b: p.builder(), store: store}
	allowed := [][]string{tableOptions}
	if p.windowed {
		allowed = append(allowed, []string{"Retention", "CloseIdleAfter"})
	} else {
		allowed = append(allowed, historyOptions)
	}
	c.o = c.b.newOp("AggregateCogroup", opts, allowed...)
	c.check(p.spec)
	c.key, c.value = storeSerdes[K, A](c.b, c.o, store, c.keys(), nil)
	var t made[KO, A]
	if p.windowed {
		m := joinInputs(c, func(in CogroupInput[K, A]) made[window.Key[K], A] { return in.windows(c, p.spec) })
		if m.closes = closing[K](p.spec); m.closes != nil {
			m.closes.idle = c.o.closeIdle
		}
		t = any(m).(made[KO, A])
	} else {
		t = any(joinInputs(c, func(in CogroupInput[K, A]) made[K, A] { return in.plain(c) })).(made[KO, A])
	}
	if t.n != nil {
		c.b.graph.Copartition(fmt.Sprintf("%s of store %q", c.o.kind, store), inputsOf(t.n)...)
	}
	return Table[KO, A]{t}
}

// inputsOf are the nodes above a cogroup's table, one for each stream.
func inputsOf(n *topology.Node) (all []*topology.Node) {
	for _, p := range n.Parents {
		all = append(all, p.Node)
	}
	return all
}

// check finds what is missing.
func (c *cogroup[K, A]) check(spec window.Spec) {
	own := c.in[:0:0]
	for _, in := range c.in {
		if in.b == c.b {
			own = append(own, in)
			continue
		}
		c.b.faultf(c.o, "store %q: a stream of another Builder, or none", c.store)
	}
	if c.in = own; len(own) == 0 {
		c.b.faultf(c.o, "store %q: no streams", c.store)
	}
	if c.init == nil {
		c.b.faultf(c.o, "store %q: Cogroup's init is nil", c.store)
	}
	if _, ok := spec.(window.SessionWindows); ok && c.merge == nil {
		c.b.faultf(c.o, "store %q: session windows need MergeBy", c.store)
	}
}

// keys is the serde of the keys, as the first stream that knows it has it.
func (c *cogroup[K, A]) keys() (key *serdeRef[K]) {
	for _, in := range c.in {
		if of := in.key(c.store); key == nil {
			key = of
		}
	}
	return key
}

// joinInputs adds a node for each input, which share a store, and one below that is the table.
func joinInputs[K, KO, A any](c *cogroup[K, A], add func(CogroupInput[K, A]) made[KO, A]) (t made[KO, A]) {
	var parents []topology.Parent
	for i, in := range c.in {
		m := add(in)
		if i == 0 {
			t = m
			c.shared = &sharing{m.spec, m.olds}
		}
		parents = append(parents, topology.Parent{Node: m.n})
	}
	if len(parents) == 0 { // a fault already
		t.b = c.b
		return t
	}
	t.n = addNode(c.b, c.o, c.b.nodeName(c.o), parents, func(_ *flow.Node, next flow.Receiver[KO, changes[A]]) (flow.Receiver[KO, changes[A]], error) {
		return next, nil
	})
	return t
}
