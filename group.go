package weir

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Grouped is a stream grouped by key.
type Grouped[K, V any] struct{ g *grouping[K, V] }

// Windowed is a stream grouped by key and window.
type Windowed[K, V any] struct {
	g    *grouping[K, V]
	spec window.Spec
	late *lateness
}

// grouping is a stream that will be grouped, shared by the copies of a Grouped. It mentions no Stream: all of a Stream's methods would be compiled
// with it, for it becomes an interface.
type grouping[K, V any] struct {
	b   *Builder
	key *serdeRef[K] // nil: not known here
	// input makes the repartition topic, if there must be one: Named names it, or the first store that it feeds. It is made once, for all.
	input func(store string) input[K, V]
}

// input is what the operators of a group read.
type input[K, V any] struct {
	parents []topology.Parent
	key     *serdeRef[K]
	value   *serdeRef[V]
}

// grouped is a stream to be grouped.
func grouped[K, V any](s Stream[K, V], o *op) Grouped[K, V] {
	b, n, out, rekeyed := s.b, s.n, s.out, s.rekeyed
	in := input[K, V]{s.parents(), s.key, s.value}
	return Grouped[K, V]{&grouping[K, V]{b: b, key: in.key, input: func(store string) input[K, V] {
		if rekeyed {
			s := repartitioned(Stream[K, V]{b: b, n: n, out: out, key: in.key, value: in.value, rekeyed: true}, o, store)
			in, rekeyed = input[K, V]{s.parents(), s.key, s.value}, false
		}
		return in
	}}}
}

// plan is what an aggregation needs to know of a group. It mentions no Stream: that would not compile (instantiation cycle).
type plan[K, KO, V any] struct {
	b        *Builder
	input    func(store string) input[K, V]
	table    bool // the records are changes of a table's values
	windowed bool
	spec     window.Spec
	late     *lateness // where it is windowed
}

// Aggregable is what can be counted and aggregated: Grouped, Windowed, GroupedTable. KO is K or window.Key[K].
type Aggregable[K, KO, V any] interface{ plan() plan[K, KO, V] }

// Reducible is what can be reduced without subtracting: Grouped, Windowed.
type Reducible[K, KO, V any] interface {
	Aggregable[K, KO, V]
	streamed()
}

func (g Grouped[K, V]) plan() plan[K, K, V] {
	return plan[K, K, V]{b: g.g.b, input: g.g.input}
}

func (g Windowed[K, V]) plan() plan[K, window.Key[K], V] {
	return plan[K, window.Key[K], V]{b: g.g.b, input: g.g.input, windowed: true, spec: g.spec, late: g.late}
}

func (g Grouped[K, V]) streamed()  {}
func (g Windowed[K, V]) streamed() {}

var groupOptions = []string{"KeySerde", "ValueSerde", "Partitions", "PartitionBy", "TopicConfig"}

// GroupByKey groups by the key as it is, and repartitions only if the key was changed before; only then does Named name a topic.
func (s Stream[K, V]) GroupByKey(opts ...OpOption) Grouped[K, V] {
	o := s.b.newOp("GroupByKey", opts, groupOptions)
	if key := option[K](s.b, o, "KeySerde", o.key); key != nil {
		s.key = key
	}
	if value := option[V](s.b, o, "ValueSerde", o.value); value != nil {
		s.value = value
	}
	return grouped(s, o)
}

// GroupBy groups by a new key, through a repartition topic. f sees zero for a null value that cannot be nil; a null new key is dropped.
func GroupBy[K, V, K2 any](s Stream[K, V], f func(K, V) K2, opts ...OpOption) Grouped[K2, V] {
	o := s.b.newOp("GroupBy", opts, groupOptions)
	keyed := keyBy(s, o, f)
	if value := option[V](s.b, o, "ValueSerde", o.value); value != nil {
		keyed.value = value
	}
	return grouped(keyed, o)
}

// WindowedBy groups by window too: tumbling, hopping, sliding, session or unlimited.
func (g Grouped[K, V]) WindowedBy(w window.Spec) Windowed[K, V] {
	checkWindows(g.g.b, w)
	return Windowed[K, V]{g.g, w, &lateness{}}
}

func checkWindows(b *Builder, w window.Spec) {
	o := &op{kind: "WindowedBy"}
	if w == nil {
		b.faultf(o, "no windows")
	} else if err := w.Validate(); err != nil {
		b.faultf(o, "%w", err)
	}
}

// Aggregator says how an aggregate A of values V is kept. Where A is nilable, a nil aggregate counts as none: Init runs again, and a first nil
// result is forwarded as a tombstone; Merge may see nil. Merge without sessions and Sub without tables are not used.
type Aggregator[K, V, A any] struct {
	Init   func() A                                          // the aggregate of nothing; nil is the zero A
	Add    func(K, V, A) A                                   // with one value more
	TryAdd func(context.Context, Record[K, V], A) (A, error) // Add with an error, on which the aggregate stays as it was
	Merge  func(K, A, A) A                                   // of two sessions; session windows need it
	Sub    func(K, V, A) A                                   // with one value less; tables need it
	Drop   func(A) bool                                      // true deletes the row; where A is nilable, nil does so too
}

// NewAggregator makes an Aggregator without writing its types.
func NewAggregator[K, V, A any](init func() A, add func(K, V, A) A) Aggregator[K, V, A] {
	return Aggregator[K, V, A]{Init: init, Add: add}
}

// MergeBy sets Merge.
func (a Aggregator[K, V, A]) MergeBy(f func(K, A, A) A) Aggregator[K, V, A] { a.Merge = f; return a }

// SubBy sets Sub.
func (a Aggregator[K, V, A]) SubBy(f func(K, V, A) A) Aggregator[K, V, A] { a.Sub = f; return a }

// DropIf sets Drop.
func (a Aggregator[K, V, A]) DropIf(f func(A) bool) Aggregator[K, V, A] { a.Drop = f; return a }

// init is the aggregate of nothing, as it counts in user code's errors.
func (a Aggregator[K, V, A]) init() (sum A) {
	if a.Init != nil {
		sum = a.Init()
	}
	return sum
}

// folding is the aggregator with panics as errors. input is which of a cogroup's it is for.
func (a Aggregator[K, V, A]) folding(input string) func(*flow.Node) flow.Folding[K, V, A] {
	return func(n *flow.Node) flow.Folding[K, V, A] {
		f := flow.Folding[K, V, A]{Nulls: null.Nilable[V](), Input: input}
		f.Add = func(r Record[K, V], now A, has bool) (sum A, err error) {
			defer flow.Catch(&err)
			if !has {
				now = a.init()
			}
			if a.TryAdd != nil {
				return a.TryAdd(n.Env.Context, r, now)
			}
			return a.Add(r.Key, r.Value, now), nil
		}
		f.Sub = func(k K, v V, now A) (_ A, err error) {
			defer flow.Catch(&err)
			return a.Sub(k, v, now), nil
		}
		f.Merge = func(k K, sum A, has bool, more A) (_ A, err error) {
			defer flow.Catch(&err)
			if !has {
				sum = a.init()
			}
			return a.Merge(k, sum, more), nil
		}
		if a.Drop != nil {
			f.Drop = func(sum A) (bool, error) {
				if null.Is(sum) {
					return true, nil
				}
				return flow.Call1(a.Drop, sum)
			}
		}
		return f
	}
}

// Count counts the values of each key (and window). A null key is dropped; a null value too, but where V is nilable time, session and unlimited windows count it, as Kafka does.
func Count[K, KO, V any](g Aggregable[K, KO, V], store string, opts ...OpOption) Table[KO, int64] {
	p := g.plan()
	o := p.newOp("Count", opts)
	counting := func(*flow.Node) flow.Folding[K, V, int64] {
		return flow.Folding[K, V, int64]{
			Add:   func(_ Record[K, V], n int64, _ bool) (int64, error) { return n + 1, nil },
			Sub:   func(_ K, _ V, n int64) (int64, error) { return n - 1, nil },
			Merge: func(_ K, n int64, _ bool, more int64) (int64, error) { return n + more, nil },
			Nulls: null.Nilable[V](),
		}
	}
	return aggregated(p, o, store, p.input(store), known(serde.Int64()), counting)
}

// Reduce combines the values of each key (and window); the first is the first result. A null key is dropped, a null value as in Count.
func Reduce[K, KO, V any](g Reducible[K, KO, V], store string, f func(sum, v V) V, opts ...OpOption) Table[KO, V] {
	p := g.plan()
	o := p.newOp("Reduce", opts)
	if f == nil {
		p.b.faultf(o, "store %q: the function is nil", store)
	}
	reducing := func(*flow.Node) flow.Folding[K, V, V] {
		return flow.Folding[K, V, V]{
			Add: func(r Record[K, V], sum V, has bool) (V, error) {
				if !has || null.Is(sum) {
					return r.Value, nil
				}
				return flow.Call2(f, sum, r.Value)
			},
			Merge: func(_ K, sum V, has bool, more V) (V, error) {
				if !has || null.Is(sum) {
					return more, nil
				}
				return flow.Call2(f, sum, more)
			},
			Nulls: null.Nilable[V](),
		}
	}
	in := p.input(store)
	return aggregated(p, o, store, in, in.value, reducing)
}

// Aggregate keeps an aggregate of each key (and window). A null key is dropped, a null value as in Count.
func Aggregate[K, KO, V, A any](g Aggregable[K, KO, V], store string, a Aggregator[K, V, A], opts ...OpOption) Table[KO, A] {
	p := g.plan()
	o := p.newOp("Aggregate", opts)
	if (a.Add == nil) == (a.TryAdd == nil) {
		p.b.faultf(o, "store %q: the Aggregator needs Add or TryAdd, and not both", store)
	}
	if _, ok := p.spec.(window.SessionWindows); ok && a.Merge == nil {
		p.b.faultf(o, "store %q: session windows need the Aggregator's Merge", store)
	}
	if p.table && a.Sub == nil {
		p.b.faultf(o, "store %q: a grouped table needs the Aggregator's Sub", store)
	}
	return aggregated(p, o, store, p.input(store), nil, a.folding(""))
}

func (p plan[K, KO, V]) newOp(kind string, opts []OpOption) *op {
	if !p.windowed {
		return p.b.newOp(kind, opts, tableOptions, historyOptions)
	}
	o := p.b.newOp(kind, opts, tableOptions, []string{"Retention", "EmitOnClose", "EmitEvery", "LateTo", "CloseIdleAfter"})
	if o.emitEvery != nil && !o.emitOnClose {
		p.b.faultf(o, "option EmitEvery needs EmitOnClose")
	}
	if o.emitEvery != nil && *o.emitEvery < 0 {
		p.b.faultf(o, "EmitEvery(%v) is negative", *o.emitEvery)
	}
	return o
}

// aggregation is an aggregation of a stream under construction.
type aggregation[K, V, A any] struct {
	b       *Builder
	o       *op
	name    string
	store   string
	in      input[K, V]
	key     *serdeRef[K]
	value   *serdeRef[A]
	folding func(*flow.Node) flow.Folding[K, V, A]
	shared  *sharing  // of a cogroup, after its first input
	late    *lateness // of the Windowed; nil where there is none
}

// aggregated adds the node of an aggregation. The table's key is known by its windows only at run time: KO is K or window.Key[K].
func aggregated[K, KO, V, A any](p plan[K, KO, V], o *op, store string, in input[K, V], value *serdeRef[A], f func(*flow.Node) flow.Folding[K, V, A]) Table[KO, A] {
	a := aggregation[K, V, A]{b: p.b, o: o, store: store, in: in, folding: f, late: p.late}
	a.key, a.value = storeSerdes(p.b, o, store, in.key, value)
	a.name = p.b.nodeName(o)
	var t made[KO, A]
	switch {
	case p.windowed:
		m := a.windows(p.spec)
		if m.closes = closing[K](p.spec); m.closes != nil {
			m.closes.idle = o.closeIdle
		}
		t = any(m).(made[KO, A])
	case p.table:
		t = any(a.changed()).(made[KO, A])
	default:
		t = any(a.plain()).(made[KO, A])
	}
	p.b.graph.Copartition(fmt.Sprintf("%s of store %q", o.kind, store), t.n)
	return Table[KO, A]{t}
}

// plain aggregates by key alone.
func (a aggregation[K, V, A]) plain() made[K, A] {
	if a.shared != nil {
		return a.plainAgain()
	}
	if a.o.store.history != nil {
		return versionedTable(a.b, a.o, a.name, a.store, a.in.parents, a.key, a.value,
			func(n *flow.Node, t *rows.Versions[K, A], old bool, next flow.Receiver[K, changes[A]]) flow.Receiver[K, V] {
				return flow.AggregateVersioned(n, t, a.folding(n), old, next)
			})
	}
	return keyValueTable(a.b, a.o, a.name, a.store, a.in.parents, a.key, a.value,
		func(n *flow.Node, t *rows.Table[K, A], old bool, next flow.Receiver[K, changes[A]]) flow.Receiver[K, V] {
			return flow.Aggregate(n, t, a.folding(n), old, next)
		}, nil)
}

// plainAgain aggregates into a store that another input of a cogroup has declared.
func (a aggregation[K, V, A]) plainAgain() made[K, A] {
	n := addNode(a.b, a.o, a.name, a.in.parents, func(n *flow.Node, next flow.Receiver[K, changes[A]]) (flow.Receiver[K, V], error) {
		if a.o.store.history != nil {
			t, err := facade[*rows.Versions[K, A]](n.Env, a.store)
			if err != nil {
				return nil, err
			}
			return flow.AggregateVersioned(n, t, a.folding(n), a.shared.olds.wanted, next), nil
		}
		t, err := keyValueRows[K, A](n.Env, a.store)
		if err != nil {
			return nil, err
		}
		return flow.Aggregate(n, t, a.folding(n), a.shared.olds.wanted, next), nil
	})
	n.Stores = []string{a.store}
	return made[K, A]{n: n}
}

// declared declares the store, unless another input of a cogroup has.
func (a aggregation[K, V, A]) declared(make func() *rows.Spec) *rows.Spec {
	if a.shared != nil {
		return a.shared.spec
	}
	return addSpec(a.b, a.o, a.store, a.key, a.value, make)
}

// changed aggregates the values of a grouped table.
func (a aggregation[K, V, A]) changed() made[K, A] {
	if a.o.store.history != nil {
		return versionedTable(a.b, a.o, a.name, a.store, a.in.parents, a.key, a.value,
			func(n *flow.Node, t *rows.Versions[K, A], old bool, next flow.Receiver[K, changes[A]]) flow.Receiver[K, changes[V]] {
				return flow.AggregateVersionedTable(n, t, a.folding(n), old, next)
			})
	}
	return keyValueTable(a.b, a.o, a.name, a.store, a.in.parents, a.key, a.value,
		func(n *flow.Node, t *rows.Table[K, A], old bool, next flow.Receiver[K, changes[A]]) flow.Receiver[K, changes[V]] {
			return flow.AggregateTable(n, t, a.folding(n), old, next)
		}, nil)
}

// windows aggregates by key and window.
func (a aggregation[K, V, A]) windows(spec window.Spec) made[window.Key[K], A] {
	switch w := spec.(type) {
	case window.TimeWindows:
		return a.timeWindows(w)
	case window.SessionWindows:
		return a.sessions(w)
	case window.SlidingWindows:
		return a.sliding(w)
	case window.UnlimitedWindows:
		return a.unlimited(w)
	}
	a.o = &op{kind: a.o.kind, name: a.o.name} // no windows are a fault already: what stands for it must not find faults of its own
	return a.unlimited(window.Unlimited(time.Time{}))
}

// retention is how long rows are kept, in ms: what windows need, or more.
func (a aggregation[K, V, A]) retention(spec window.Spec) int64 {
	need, given := spec.RetentionMs(), a.o.store.retention
	if given == nil {
		return need
	}
	if a.shared == nil && (given.Milliseconds() < need || *given%time.Millisecond != 0) {
		a.b.faultf(a.o, "store %q: Retention(%v) must be whole milliseconds and at least %v", a.store, *given, time.Duration(need)*time.Millisecond)
	}
	return given.Milliseconds()
}

// closing is how windows are emitted on close; nil where every update is.
func (a aggregation[K, V, A]) closing() *flow.Closing {
	if !a.o.emitOnClose {
		return nil
	}
	c := &flow.Closing{Every: -1}
	if a.o.emitEvery != nil {
		c.Every = a.o.emitEvery.Milliseconds()
	}
	return c
}

// windowStore declares a window store.
func (a aggregation[K, V, A]) windowStore(layout rows.Windowing) *rows.Spec {
	return a.declared(func() *rows.Spec {
		s := rows.NewWindow(a.store, a.key.s, a.value.s, layout)
		s.Emits = a.o.emitOnClose
		return s
	})
}

func (a aggregation[K, V, A]) timeWindows(w window.TimeWindows) made[window.Key[K], A] {
	spec := a.windowStore(rows.Windowing{Size: w.SizeMs(), Advance: w.AdvanceMs(), Retention: a.retention(w)})
	emit := a.closing()
	return windowedTable(a, spec, rows.WindowKind, windowRows[K, A], keySerde(a, func(k serde.Serde[K]) serde.Serde[window.Key[K]] {
		return window.KeySerde(k, time.Duration(w.SizeMs())*time.Millisecond)
	}), func(n *flow.Node, f flow.Folding[K, V, A], old bool, next flow.Receiver[window.Key[K], changes[A]]) (flow.Receiver[K, V], error) {
		t, err := windowRows[K, A](n.Env, a.store)
		if err != nil {
			return nil, err
		}
		return flow.AggregateWindows(n, a.store, t, w, f, emit, old, next), nil
	})
}

func (a aggregation[K, V, A]) sliding(w window.SlidingWindows) made[window.Key[K], A] {
	spec := a.windowStore(rows.Windowing{Size: w.DiffMs(), Retention: a.retention(w), Indexed: a.o.emitOnClose})
	emit := a.closing()
	return windowedTable(a, spec, rows.WindowKind, windowRows[K, A], keySerde(a, func(k serde.Serde[K]) serde.Serde[window.Key[K]] {
		return window.KeySerde(k, time.Duration(w.DiffMs())*time.Millisecond)
	}), func(n *flow.Node, f flow.Folding[K, V, A], old bool, next flow.Receiver[window.Key[K], changes[A]]) (flow.Receiver[K, V], error) {
		s, err := facade[*rows.Windows[K, A]](n.Env, a.store)
		if err != nil {
			return nil, err
		}
		return flow.AggregateSliding(n, a.store, s, w, f, emit, old, next), nil
	})
}

func (a aggregation[K, V, A]) unlimited(w window.UnlimitedWindows) made[window.Key[K], A] {
	if a.o.emitOnClose {
		a.b.faultf(a.o, "store %q: EmitOnClose does not fit unlimited windows: they never close", a.store)
	}
	if a.o.closeIdle != nil && a.shared == nil {
		a.b.faultf(a.o, "store %q: CloseIdleAfter does not fit unlimited windows: they never close", a.store)
	}
	if a.o.lateTo != nil {
		a.b.faultf(a.o, "store %q: LateTo does not fit unlimited windows: they never close", a.store)
	}
	if a.o.store.retention != nil && a.shared == nil {
		a.b.faultf(a.o, "store %q: Retention does not fit unlimited windows: they are kept for ever", a.store)
	}
	layout := rows.Windowing{Size: math.MaxInt64}
	spec := a.declared(func() *rows.Spec { return rows.NewWindow(a.store, a.key.s, a.value.s, layout) })
	return windowedTable(a, spec, rows.WindowKind, windowRows[K, A], keySerde(a, window.UnlimitedKeySerde[K]),
		func(n *flow.Node, f flow.Folding[K, V, A], old bool, next flow.Receiver[window.Key[K], changes[A]]) (flow.Receiver[K, V], error) {
			t, err := windowRows[K, A](n.Env, a.store)
			if err != nil {
				return nil, err
			}
			return flow.AggregateUnlimited(n, t, w.StartMs(), f, old, next), nil
		})
}

func (a aggregation[K, V, A]) sessions(w window.SessionWindows) made[window.Key[K], A] {
	retention := a.retention(w)
	spec := a.declared(func() *rows.Spec {
		s := rows.NewSession(a.store, a.key.s, a.value.s, retention, a.o.emitOnClose)
		s.Emits = a.o.emitOnClose
		return s
	})
	emit := a.closing()
	return windowedTable(a, spec, rows.SessionKind, sessionRows[K, A], keySerde(a, window.SessionKeySerde[K]),
		func(n *flow.Node, f flow.Folding[K, V, A], old bool, next flow.Receiver[window.Key[K], changes[A]]) (flow.Receiver[K, V], error) {
			s, err := facade[*rows.Sessions[K, A]](n.Env, a.store)
			if err != nil {
				return nil, err
			}
			return flow.AggregateSessions(n, a.store, s, w, f, emit, old, next), nil
		})
}

// windowRows is the table under a window store.
func windowRows[K, A any](env *flow.Env, name string) (*flow.WindowTable[K, A], error) {
	s, err := facade[*rows.Windows[K, A]](env, name)
	if err != nil {
		return nil, err
	}
	return s.T, nil
}

// sessionRows is the table under a session store.
func sessionRows[K, A any](env *flow.Env, name string) (*flow.WindowTable[K, A], error) {
	s, err := facade[*rows.Sessions[K, A]](env, name)
	if err != nil {
		return nil, err
	}
	return s.T, nil
}

// keySerde is the serde of a windowed table's key, when that of the inner key is known.
func keySerde[K, V, A any](a aggregation[K, V, A], of func(serde.Serde[K]) serde.Serde[window.Key[K]]) *serdeRef[window.Key[K]] {
	ref := &serdeRef[window.Key[K]]{}
	a.b.atBuild(func() {
		if a.key.s != nil {
			ref.s = of(a.key.s)
		}
	})
	return ref
}

// windowedTable adds the node of a windowed aggregation.
func windowedTable[K, V, A any](a aggregation[K, V, A], spec *rows.Spec, kind rows.Kind, find func(*flow.Env, string) (*flow.WindowTable[K, A], error), key *serdeRef[window.Key[K]],
	make func(n *flow.Node, f flow.Folding[K, V, A], old bool, next flow.Receiver[window.Key[K], changes[A]]) (flow.Receiver[K, V], error)) made[window.Key[K], A] {
	spec.Kind = kind
	old := &olds{stored: true}
	if a.shared != nil {
		old = a.shared.olds
	}
	n := addLinked(a.b, a.o, a.name, a.in.parents, func(n *flow.Node, links []flow.Link, next flow.Receiver[window.Key[K], changes[A]]) (_ flow.Receiver[K, V], err error) {
		f := a.folding(n)
		f.Idle = a.o.idleAfter()
		if f.Late, err = lateFor[K, V](n.Env, a.late, links); err != nil {
			return nil, err
		}
		return make(n, f, old.wanted, next)
	})
	n.Stores = []string{a.store}
	if a.late != nil {
		a.late.aggregations = append(a.late.aggregations, n)
	}
	lateSink[K, V](a.b, a.o, n)
	look := func(env *flow.Env) (flow.Getter[window.Key[K], A], error) {
		t, err := find(env, a.store)
		if err != nil {
			return nil, err
		}
		return flow.Rows(env, t), nil
	}
	return made[window.Key[K], A]{b: a.b, n: n, key: key, value: a.value, olds: old, rows: look, stores: n.Stores, spec: spec}
}
