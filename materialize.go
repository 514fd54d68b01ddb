package weir

import (
	"fmt"
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/topology"
)

// Materialized puts a table that needs no store into one, so that it can be read.
func Materialized(store string) OpOption {
	return opOption{"Materialized", func(o *op) { o.store.name = &store }}
}

// IfNeeded makes the store of TableFrom or ToTable only if something reads it: a join, a grouping that needs old values, Store. Its name is reserved anyway.
func IfNeeded() OpOption {
	return opOption{"IfNeeded", func(o *op) { o.store.ifNeeded = true }}
}

// resultOptions are those of an operator whose result is a table that may have a store.
var resultOptions = slices.Concat([]string{"Materialized"}, historyOptions, tableOptions)

// olds says what those below ask of a table: the values of before with its updates, and its rows. A table without a store asks those above it.
type olds struct {
	wanted   bool    // updates carry the values of before
	stored   bool    // it has a store of its own, if it is not ifNeeded
	ifNeeded bool    // it has one where its rows are needed
	needed   bool    // they are
	above    []*olds // what it is computed from, without a store
}

// want asks for the values of before. It is called before Build.
func (o *olds) want() {
	if o.wanted {
		return
	}
	o.wanted = true
	if o.stored {
		o.needed = true
		return
	}
	for _, a := range o.above {
		a.want()
	}
}

// need asks for rows to look up. It is called before Build.
func (o *olds) need() {
	o.needed = true
	if o.stored {
		return
	}
	for _, a := range o.above {
		a.need()
	}
}

// known says in Build whether values of before can be had from stores that are there anyway.
func (o *olds) known() bool {
	if o.stored {
		return o.needed || !o.ifNeeded
	}
	for _, a := range o.above {
		if !a.known() {
			return false
		}
	}
	return len(o.above) > 0
}

// lookup is how an operator looks up a table's rows, and the stores with which its node must be connected. It makes those that are made IfNeeded.
func lookup[K, V any](t made[K, V]) (view[K, V], []string) {
	t.olds.need()
	return t.rows, t.stores
}

// checkStore finds options of a store that there is not.
func (b *Builder) checkStore(o *op) {
	for _, name := range o.given {
		switch name {
		case "KeySerde", "InMemory", "NoCache", "NoChangelog", "TopicConfig", "Versioned", "LRU", "TTL", "WallTTL":
			b.faultf(o, "option %s needs Materialized, which names the store", name)
		}
	}
}

// materialize completes the table that an operator computes: it adds its node, and keeps the result in a store where Materialized says so. Before, t is
// the table without a store: its rows are computed from those of t.stores, its old values come from those in t.olds.above, its serde of values is the
// ValueSerde option's where there is one. make makes the part of the node that computes the changes, with the values of before where old says so;
// where there is a store, those come from it.
//
// What is kept is written to the store and the changelog, and what the store says has changed is forwarded (Kafka's TimestampedTupleForwarder):
// at once, or with a cache at the flush. A deletion of a row that is not there is written and forwarded too, unless there is a cache.
func materialize[K, KI, VI, V any](t made[K, V], o *op, name string, parents []topology.Parent,
	make func(n *flow.Node, old bool, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error)) Table[K, V] {
	b, old := t.b, t.olds
	if o.store.name == nil {
		b.checkStore(o)
		t.n = addNode(b, o, name, parents, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error) {
			return make(n, old.wanted, next)
		})
		return Table[K, V]{t}
	}
	store := *o.store.name
	old.stored = true
	key := keyOf(b, o, t.key, fmt.Sprintf("the key of store %q", store))
	value := pick(b, o, nil, t.value, fmt.Sprintf("the value of store %q", store), "ValueSerde")
	t.key, t.value = key, value
	if o.store.history != nil {
		return keptPast(t, o, name, parents, make)
	}
	t.past = nil
	t.spec = addSpec(b, o, store, key, value, func() *rows.Spec { return rows.NewKeyValue(store, key.s, value.s) })
	t.n = addNode(b, o, name, parents, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[KI, VI], error) {
		kept, err := keyValueRows[K, V](n.Env, store)
		if err != nil {
			return nil, err
		}
		return make(n, false, flow.Keep(n, kept, old.wanted, o.quiet && old.wanted, next))
	})
	t.n.Stores = []string{store}
	t.stores, t.rows = t.n.Stores, keyValueView[K, V](store)
	return Table[K, V]{t}
}

// keyValueView looks up the rows of a key-value store.
func keyValueView[K, V any](store string) view[K, V] {
	return func(env *flow.Env) (flow.Getter[K, V], error) {
		t, err := keyValueRows[K, V](env, store)
		if err != nil {
			return nil, err
		}
		return flow.Rows(env, t), nil
	}
}

// dropUnneeded leaves a table's store out where it is made IfNeeded, and is not. It is called in Build.
func dropUnneeded(n *topology.Node, spec *rows.Spec, o *olds) {
	if !o.ifNeeded || o.needed {
		return
	}
	n.Stores = nil
	spec.Fault = fmt.Errorf("%s has no store: it would be made IfNeeded, but nothing needed it before Build", n)
}
