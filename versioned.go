package weir

import (
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// historyOptions fit operators that keep a table by key alone.
var historyOptions = []string{"Versioned", "LRU", "TTL", "WallTTL"}

// Versioned keeps what each key held over a history of event time, so that stream-table joins look up by time (KIP-889, KIP-914). Updates are taken by their
// times: one that comes out of order changes what was, and goes downstream, but joins of tables and groupings leave it out. One that is older than
// the history is dropped. There is no write-back cache. It is not inherited by tables made of this one, unless they have no store of their own.
func Versioned(history time.Duration) OpOption {
	return opOption{"Versioned", func(o *op) { o.store.history = &history }}
}

// past is a table's history. It mentions no Table.
type past[K, V any] struct {
	ms   int64
	look func(env *flow.Env) (flow.AsOf[K, V], error)
}

// historyOf is the history that an option says, in ms.
func historyOf(b *Builder, o *op, store string) int64 {
	h := *o.store.history
	switch {
	case o.store.lru != 0:
		b.faultf(o, "store %q: LRU does not go with Versioned", store)
	case o.store.ifNeeded:
		b.faultf(o, "store %q: IfNeeded does not go with Versioned", store)
	case h < 0:
		b.faultf(o, "store %q: Versioned(%v) is negative", store, h)
	case h%time.Millisecond != 0:
		b.faultf(o, "store %q: Versioned(%v) is not a whole number of milliseconds", store, h)
	}
	return h.Milliseconds()
}

// versionedTable is keyValueTable with a history.
func versionedTable[K, KI, VI, V any](b *Builder, o *op, name, store string, parents []topology.Parent, key *serdeRef[K], value *serdeRef[V],
	make func(n *flow.Node, t *rows.Versions[K, V], old bool, next flow.Receiver[K, changes[V]]) flow.Receiver[KI, VI]) made[K, V] {
	history := historyOf(b, o, store)
	spec := addSpec(b, o, store, key, value, func() *rows.Spec { return rows.NewVersioned(store, key.s, value.s, history) })
	old := &olds{stored: true}
	n := addNode(b, o, name, parents, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error) {
		t, err := facade[*rows.Versions[K, V]](n.Env, store)
		if err != nil {
			return nil, err
		}
		return make(n, t, old.wanted, next), nil
	})
	n.Stores = []string{store}
	return made[K, V]{b: b, n: n, key: key, value: value, olds: old, rows: currentRows[K, V](store), stores: []string{store}, spec: spec, past: pastRows[K, V](store, history)}
}

// versions finds a versioned store.
func versions[K, V any](store string) func(env *flow.Env) (*rows.Versions[K, V], error) {
	return func(env *flow.Env) (*rows.Versions[K, V], error) { return facade[*rows.Versions[K, V]](env, store) }
}

// currentRows looks up a versioned store's current rows.
func currentRows[K, V any](store string) view[K, V] {
	return found(versions[K, V](store), flow.Current[K, V])
}

// pastRows looks up a versioned store's rows at any time.
func pastRows[K, V any](store string, history int64) *past[K, V] {
	return &past[K, V]{history, found(versions[K, V](store), flow.Past[K, V])}
}

// mappedPast is the history of a table that is computed row by row from one with a history, which may have none.
func mappedPast[K, V, V2 any](of *past[K, V], f func(K, V) (V2, bool, error)) *past[K, V2] {
	if of == nil {
		return nil
	}
	return &past[K, V2]{of.ms, found(of.look, func(look flow.AsOf[K, V]) flow.AsOf[K, V2] { return flow.MappedPast(look, f) })}
}

// lookFor is how a stream's records find the table's rows, at their times where the table has a history, and the stores for that.
func lookFor[K, V any](t made[K, V]) (find func(env *flow.Env) (flow.Look[K, V], error), stores []string) {
	rows, stores := lookup(t)
	if t.past == nil {
		return found(rows, flow.LookNow[K, V]), stores
	}
	return found(t.past.look, flow.LookBack[K, V]), stores
}

// keptPast is materialize with a history. t has its serdes already.
func keptPast[K, KI, VI, V any](t made[K, V], o *op, name string, parents []topology.Parent,
	make func(n *flow.Node, old bool, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error)) Table[K, V] {
	store, old, key, value := *o.store.name, t.olds, t.key, t.value
	history := historyOf(t.b, o, store)
	t.spec = addSpec(t.b, o, store, key, value, func() *rows.Spec { return rows.NewVersioned(store, key.s, value.s, history) })
	t.n = addNode(t.b, o, name, parents, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error) {
		kept, err := facade[*rows.Versions[K, V]](n.Env, store)
		if err != nil {
			return nil, err
		}
		return make(n, false, flow.VersionedRows(n, kept, old.wanted, next))
	})
	t.n.Stores = []string{store}
	t.stores, t.rows, t.past = t.n.Stores, currentRows[K, V](store), pastRows[K, V](store, history)
	return Table[K, V]{t}
}

// VersionedStore is the store of a table with option Versioned, for ReadStore and Stores; a table without one is an error by name.
func (t Table[K, V]) VersionedStore() state.VersionedDesc[K, V] {
	return state.VersionedOf[K, V](seal.Token{}, t.described(rows.VersionedKind))
}
