package weir

import (
	"fmt"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Table is the last value of each key; a windowed table is a Table[window.Key[K], V].
type Table[K, V any] struct{ made[K, V] }

// made is a table as it was made. It has no methods, so that it can be handed on as any, whose type's methods are all compiled.
type made[K, V any] struct {
	b      *Builder
	n      *topology.Node
	key    *serdeRef[K]
	value  *serdeRef[V]
	olds   *olds
	rows   view[K, V]
	stores []string   // where rows looks: the table's own, or those of the tables it was made of
	spec   *rows.Spec // of its own store; nil without one
	past   *past[K, V]
	closes *closes[K] // of windows that close
}

// view makes what looks up a table's rows in a task that has its store.
type view[K, V any] func(env *flow.Env) (flow.Getter[K, V], error)

func (t Table[K, V]) parents() []topology.Parent { return []topology.Parent{{Node: t.n}} }

// found finds something in a task and makes another of it.
func found[A, B any](find func(*flow.Env) (A, error), f func(A) B) func(*flow.Env) (B, error) {
	return func(env *flow.Env) (b B, err error) {
		a, err := find(env)
		if err != nil {
			return b, err
		}
		return f(a), nil
	}
}

// changes is the type of a table's updates.
type changes[V any] = flow.Change[V]

// facade is a store of a task as its Spec opened it.
func facade[S any](env *flow.Env, name string) (s S, err error) {
	got, ok := env.Stores.Store(name)
	if !ok {
		return s, fmt.Errorf("task %s has no store %q", env.Task, name)
	}
	s, ok = got.(S)
	if !ok {
		return s, fmt.Errorf("store %q is a %T, not a %T", name, got, s)
	}
	return s, nil
}

// keyValueRows is the table under a key-value store.
func keyValueRows[K, V any](env *flow.Env, name string) (*rows.Table[K, V], error) {
	s, err := facade[*rows.KeyValue[K, V]](env, name)
	if err != nil {
		return nil, err
	}
	return s.T, nil
}

// addSpec declares an operator's store. What it returns has its name at once, for descriptors, and the rest when Build knows the serdes.
func addSpec[K, V any](b *Builder, o *op, name string, key *serdeRef[K], value *serdeRef[V], make func() *rows.Spec) *rows.Spec {
	spec := &rows.Spec{Name: name}
	if name == "" {
		b.faultf(o, "a store needs a name")
	}
	b.checkTTL(o, name)
	b.addStore(o, name, func() *topology.Store {
		if key.s == nil || value.s == nil || spec.Fault != nil {
			return nil
		}
		made := make()
		made.InMemory, made.Cached, made.Logged, made.Config = o.store.inMemory, !o.store.noCache && made.Kind != rows.VersionedKind, !o.store.noChangelog, o.topicConfig
		if made.LRU = o.store.lru; made.LRU > 0 {
			made.InMemory, made.Cached, made.Quiet = true, false, true
		}
		o.expiring(made)
		store := &topology.Store{Spec: made}
		b.reuse(o, store)
		*spec = *made
		return store
	})
	return spec
}

// keyValueTable adds a node that keeps a key-value store, and is the table of it. Where the store is made IfNeeded, plain makes the node without it.
func keyValueTable[K, KI, VI, V any](b *Builder, o *op, name, store string, parents []topology.Parent, key *serdeRef[K], value *serdeRef[V],
	make func(n *flow.Node, t *rows.Table[K, V], old bool, next flow.Receiver[K, changes[V]]) flow.Receiver[KI, VI],
	plain func(n *flow.Node, next flow.Receiver[K, changes[V]]) flow.Receiver[KI, VI]) made[K, V] {
	old := &olds{stored: true, ifNeeded: o.store.ifNeeded}
	var n *topology.Node
	var spec *rows.Spec
	b.atBuild(func() { dropUnneeded(n, spec, old) })
	spec = addSpec(b, o, store, key, value, func() *rows.Spec { return rows.NewKeyValue(store, key.s, value.s) })
	n = addNode(b, o, name, parents, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error) {
		if !old.known() {
			return plain(n, next), nil
		}
		t, err := keyValueRows[K, V](n.Env, store)
		if err != nil {
			return nil, err
		}
		return make(n, t, old.wanted, next), nil
	})
	n.Stores = []string{store}
	return made[K, V]{b: b, n: n, key: key, value: value, olds: old, rows: keyValueView[K, V](store), stores: []string{store}, spec: spec}
}

// TableFrom reads a topic as a table in a store. A null key is dropped; a null value deletes. Options: the store's, IfNeeded, From's.
func TableFrom[K, V any](b *Builder, t Topic[K, V], store string, opts ...OpOption) Table[K, V] {
	o := b.newOp("TableFrom", opts, sourceOptions, tableOptions, historyOptions, []string{"IfNeeded"})
	name := b.nodeName(o)
	n := addSource(b, o, name+"-source", t.source())
	key, value := storeSerdes(b, o, store, known(t.key), known(t.value))
	o.store.refill = refilled(o, t, n.Name, key, value)
	if o.store.history != nil {
		return Table[K, V]{versionedTable(b, o, name, store, []topology.Parent{{Node: n}}, key, value, flow.VersionedTable[K, V])}
	}
	return Table[K, V]{keyValueTable(b, o, name, store, []topology.Parent{{Node: n}}, key, value, flow.Table[K, V], flow.PlainTable[K, V])}
}

// ToTable keeps the last value of each key in a store. A null key is dropped; a null value deletes.
func (s Stream[K, V]) ToTable(store string, opts ...OpOption) Table[K, V] {
	o := s.b.newOp("ToTable", opts, tableOptions, historyOptions, []string{"Partitions", "PartitionBy", "IfNeeded"})
	s = repartitioned(s, o, store)
	name := s.b.nodeName(o)
	key, value := storeSerdes(s.b, o, store, s.key, s.value)
	s.b.graph.Copartition(o.String(), s.n)
	if o.store.history != nil {
		return Table[K, V]{versionedTable(s.b, o, name, store, s.parents(), key, value, flow.VersionedTable[K, V])}
	}
	return Table[K, V]{keyValueTable(s.b, o, name, store, s.parents(), key, value, flow.Table[K, V], flow.PlainTable[K, V])}
}

// repartitioned is a stream that is partitioned by its key: where the key may have changed, it passes a topic that Named, or what it feeds, names.
func repartitioned[K, V any](s Stream[K, V], o *op, feeds string) Stream[K, V] {
	if !s.rekeyed {
		return s
	}
	name := o.name
	if name == "" {
		name = feeds
	}
	return repartition(s, o, repartitioning(o, name))
}

// storeSerdes are the serdes of an operator's store.
func storeSerdes[K, V any](b *Builder, o *op, store string, key *serdeRef[K], value *serdeRef[V]) (*serdeRef[K], *serdeRef[V]) {
	return keyOf(b, o, key, fmt.Sprintf("the key of store %q", store)), valueOf(b, o, value, fmt.Sprintf("the value of store %q", store))
}

// derived adds a node that makes a table of each row by itself. Without a store, what joins it computes a row of one above.
func derived[K, V, V2 any](t Table[K, V], o *op, value *serdeRef[V2], f func(K, V) (V2, bool, error)) Table[K, V2] {
	look := found(t.rows, func(of flow.Getter[K, V]) flow.Getter[K, V2] { return flow.Mapped(of, f) })
	result := made[K, V2]{b: t.b, key: t.key, value: value, olds: &olds{above: []*olds{t.olds}}, rows: look, stores: t.stores, past: mappedPast(t.past, f), closes: t.closes}
	return materialize(result, o, t.b.nodeName(o), t.parents(), func(n *flow.Node, old bool, next flow.Receiver[K, changes[V2]]) (flow.Receiver[K, changes[V]], error) {
		return flow.MapTable(n, old, o.quiet, f, next), nil
	})
}

// filtered is derived for filters: they ask for the values of before where those are known, and then are silent about what had never passed them.
func filtered[K, V any](t Table[K, V], o *op, f func(K, V) (V, bool, error)) Table[K, V] {
	o.quiet = true
	value := t.value
	if own := option[V](t.b, o, "ValueSerde", o.value); own != nil {
		value = own
	}
	out := derived(t, o, value, f)
	t.b.atBuild(func() {
		if t.olds.known() {
			t.olds.want()
			out.olds.wanted = true
		}
	})
	return out
}

// Filter keeps rows for which f is true; one that fails it is a tombstone, even if it was never there, unless old values are known. f is not called for null.
func (t Table[K, V]) Filter(f func(K, V) bool, opts ...OpOption) Table[K, V] {
	return filtered(t, t.b.newOp("Filter", opts, resultOptions), keeping(f, true))
}

// FilterNot keeps rows for which f is false; the rest as in Filter.
func (t Table[K, V]) FilterNot(f func(K, V) bool, opts ...OpOption) Table[K, V] {
	return filtered(t, t.b.newOp("FilterNot", opts, resultOptions), keeping(f, false))
}

func keeping[K, V any](f func(K, V) bool, want bool) func(K, V) (V, bool, error) {
	return func(k K, v V) (V, bool, error) {
		ok, err := flow.Call2(f, k, v)
		return v, ok == want, err
	}
}

// ToStream is every update of the table; a deleted row is a record with a null value.
func (t Table[K, V]) ToStream(opts ...OpOption) Stream[K, V] {
	o := t.b.newOp("ToStream", opts)
	n := addNode(t.b, o, t.b.nodeName(o), t.parents(), func(_ *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, changes[V]], error) {
		return flow.ToStream(next), nil
	})
	return Stream[K, V]{b: t.b, n: n, key: t.key, value: t.value}
}

// Store is the table's store, for ReadStore and Stores; one that is not materialised, or of another kind (windows, sessions), is an error by name.
func (t Table[K, V]) Store() state.KeyValueDesc[K, V] {
	return state.KeyValueOf[K, V](seal.Token{}, t.described(rows.KeyValueKind))
}

// WindowStoreOf is the window store of a table aggregated by time windows.
func WindowStoreOf[K, V any](t Table[window.Key[K], V]) state.WindowDesc[K, V] {
	return state.WindowOf[K, V](seal.Token{}, t.described(rows.WindowKind))
}

// SessionStoreOf is the session store of a table aggregated by session windows.
func SessionStoreOf[K, V any](t Table[window.Key[K], V]) state.SessionDesc[K, V] {
	return state.SessionOf[K, V](seal.Token{}, t.described(rows.SessionKind))
}

// described is the table's Spec, or one with a fault.
func (t Table[K, V]) described(want rows.Kind) *rows.Spec {
	if t.spec == nil {
		return &rows.Spec{Name: t.n.Name, Fault: fmt.Errorf("%s has no store of its own: it is computed from %q; weir.Materialized gives it one", t.n, t.stores)}
	}
	if !t.b.built { // afterwards tasks read what was asked for, and it cannot be had any more
		t.olds.need()
	}
	if t.spec.Kind != want {
		return &rows.Spec{Name: t.spec.Name, Fault: fmt.Errorf("the store %q of %s is a %s store, not a %s store", t.spec.Name, t.n, t.spec.Kind, want)}
	}
	return t.spec
}

// Change is an update of a row: what it held and what it holds.
type Change[V any] struct {
	Old, New       V
	HasOld, HasNew bool
}

// Changes is every update of the table with the value before; a deleted row has no New. Of a versioned table it is every update of current versions; others are dropped.
func Changes[K, V any](t Table[K, V], opts ...OpOption) Stream[K, Change[V]] {
	o := t.b.newOp("Changes", opts, []string{"ValueSerde"})
	t.olds.want()
	n := addNode(t.b, o, t.b.nodeName(o), t.parents(), func(n *flow.Node, next flow.Receiver[K, Change[V]]) (flow.Receiver[K, changes[V]], error) {
		return func(r Record[K, changes[V]]) error {
			c := &r.Value
			if c.Age == flow.Earlier {
				n.Drop(flow.OutOfOrder)
				return nil
			}
			return next(processor.WithValue(r, Change[V]{c.Old, c.New, c.HasOld, c.HasNew}))
		}, nil
	})
	return Stream[K, Change[V]]{b: t.b, n: n, key: t.key, value: option[Change[V]](t.b, o, "ValueSerde", o.value)}
}

// MapTable changes each row's value. A tombstone passes uncalled; nil of a nilable V2 deletes.
func MapTable[K, V, V2 any](t Table[K, V], f func(K, V) V2, opts ...OpOption) Table[K, V2] {
	o := t.b.newOp("MapTable", opts, resultOptions)
	return derived(t, o, option[V2](t.b, o, "ValueSerde", o.value), func(k K, v V) (V2, bool, error) {
		v2, err := flow.Call2(f, k, v)
		return v2, !null.Is(v2), err
	})
}
