package weir

import (
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// GlobalTable is a table of which every instance holds all rows; it can only be joined and read.
type GlobalTable[K, V any] struct {
	b      *Builder
	store  string
	spec   *rows.Spec
	cached bool // decoded rows are kept for joins
}

// Store is the table's store, for ReadStore and Stores; processors that it is connected with read it, and cannot write.
func (t GlobalTable[K, V]) Store() state.KeyValueDesc[K, V] {
	return state.KeyValueOf[K, V](seal.Token{}, t.spec)
}

// GlobalFrom reads all partitions of a topic into a table on every instance (Kafka's StreamsBuilder.globalTable). A null key is dropped; a null
// value deletes. Tasks that read the table start when it holds what the topic held at the start; from then on it is updated beside them, in no
// order with their records. A failure of it ends Run. Options: SkipInvalidTime, UsePartitionTime, WallClockTime, InMemory, NoCache (joins decode
// every row that they read).
func GlobalFrom[K, V any](b *Builder, t Topic[K, V], store string, opts ...OpOption) GlobalTable[K, V] {
	o := b.newOp("GlobalFrom", opts, globalOptions, []string{"InMemory", "NoCache"})
	name := b.nodeName(o)
	source := addGlobalSource(b, o, name+"-source", t)
	spec := globalSpec(b, o, t, store)
	addHold[K, V](b, o, name, source, store)
	return GlobalTable[K, V]{b, store, spec, !o.store.noCache}
}

var globalOptions = []string{"SkipInvalidTime", "UsePartitionTime", "WallClockTime"}

// addGlobalSource adds a source that every instance reads whole.
func addGlobalSource[K, V any](b *Builder, o *op, name string, t Topic[K, V]) *topology.Node {
	n := addSource(b, o, name, t.source())
	n.Global = true
	return n
}

// globalSpec declares the store of a global table. It is never cached for writing, and has no changelog but the topic.
func globalSpec[K, V any](b *Builder, o *op, t Topic[K, V], store string) *rows.Spec {
	spec := &rows.Spec{Name: store}
	b.warnings.isGlobal(store)
	b.addStore(o, store, func() *topology.Store {
		if t.key == nil || t.value == nil {
			return nil
		}
		made := rows.NewKeyValue(store, t.key, t.value)
		made.InMemory, made.Logged, made.Sourced = o.store.inMemory, false, true
		*spec = *made
		return &topology.Store{Spec: made, SourceTopic: t.name}
	})
	return spec
}

// GlobalStore fills a store on every instance from all partitions of a topic by a processor of the user's own, also while restoring
// (Kafka's StreamsBuilder.addGlobalStore). Processors read the store by Bind once Stores names it, and cannot write it. Declare it before them.
// The processor's own records go nowhere. Options: From's but StartAt.
func GlobalStore[K, V, KO, VO any, P processor.Processor[K, V, KO, VO]](b *Builder, t Topic[K, V], store state.Descriptor, newProcessor func() P, opts ...OpOption) {
	o := b.newOp("GlobalStore", opts, globalOptions)
	name := b.nodeName(o)
	source := addGlobalSource(b, o, name+"-source", t)
	s := Stream[K, V]{b: b, n: source, key: known(t.key), value: known(t.value)}
	if store == nil {
		b.faultf(o, "a nil store")
		return
	}
	if own := b.owned(o, store, func(s *rows.Spec) *topology.Store { return &topology.Store{Spec: s} }); !own {
		return
	}
	b.warnings.isGlobal(store.StoreName())
	processNode(s, o, name, newProcessor, []string{store.StoreName()})
}

// ReadOnlyStore keeps a topic in a store that processors read, each task the partitions of its own (Kafka's Topology.addReadOnlyStateStore,
// KIP-813): the topic is the store's changelog. A null key is dropped; a null value deletes. The topic must be partitioned as the streams whose
// processors read the store, or their tasks do not find the rows: the app warns where it is not. Its serdes must be the store's. Declare it before
// them. Options: From's.
func ReadOnlyStore[K, V any](b *Builder, t Topic[K, V], store state.KeyValueDesc[K, V], opts ...OpOption) {
	o := b.newOp("ReadOnlyStore", opts, sourceOptions)
	name := b.nodeName(o)
	source := addSource(b, o, name+"-source", t.source())
	spec := store.Spec(seal.Token{})
	if spec.Fault == nil && t.key != nil && t.value != nil && (t.key.Name() != spec.KeyType || t.value.Name() != spec.ValueType) {
		b.faultf(o, "topic %q has keys %s and values %s, store %q %s and %s: they must be the same, for the store is restored from the topic's bytes",
			t.name, t.key.Name(), t.value.Name(), spec.Name, spec.KeyType, spec.ValueType)
	}
	if own := b.owned(o, store, func(s *rows.Spec) *topology.Store { return &topology.Store{Spec: s, SourceTopic: t.name} }); !own {
		return
	}
	addHold[K, V](b, o, name, source, spec.Name)
}

// addHold adds the node that keeps what a source reads in a store.
func addHold[K, V any](b *Builder, o *op, name string, source *topology.Node, store string) {
	n := addNode(b, o, name, []topology.Parent{{Node: source}}, func(n *flow.Node, _ flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		rows, err := keyValueRows[K, V](n.Env, store)
		if err != nil {
			return nil, err
		}
		return flow.Hold(n, rows), nil
	})
	n.Stores = []string{store}
}

// owned declares a user's store that one operator alone writes; there is no changelog but the topic that it reads.
func (b *Builder) owned(o *op, d state.Descriptor, add func(*rows.Spec) *topology.Store) bool {
	name, spec := d.StoreName(), d.Spec(seal.Token{})
	if b.stores[name] {
		b.faultf(o, "store %q is declared already: declare it before the processors that read it", name)
		return false
	}
	b.stores[name] = true
	if spec.TTL > 0 {
		b.faultf(o, "store %q: TTL and WallTTL do not fit a store that a topic restores: it would bring back what has left", name)
	}
	own := *spec
	own.Logged, own.Sourced = false, true
	b.graph.AddStore(add(&own))
	return true
}

// JoinGlobal joins each stream record with the row of the key that on returns, as the table is at that moment on this instance; false, nil or no row:
// nothing. on sees nulls; a null value is dropped. The stream is not repartitioned. The row is shared with other tasks: f must not change it.
func JoinGlobal[K, V, GK, T, VO any](s Stream[K, V], t GlobalTable[GK, T], on func(K, V) (GK, bool), f func(K, V, T) VO, opts ...OpOption) Stream[K, VO] {
	o := s.b.newOp("JoinGlobal", opts, []string{"ValueSerde"})
	return joinGlobal(s, t, o, false, on, func(r Record[K, V], row T, _ bool) (VO, error) {
		return flow.Call3(f, r.Key, r.Value, row)
	})
}

// LeftJoinGlobal is JoinGlobal with nil where on returns false or there is no row. A null value is dropped.
func LeftJoinGlobal[K, V, GK, T, VO any](s Stream[K, V], t GlobalTable[GK, T], on func(K, V) (GK, bool), f func(K, V, *T) VO, opts ...OpOption) Stream[K, VO] {
	o := s.b.newOp("LeftJoinGlobal", opts, []string{"ValueSerde"})
	return joinGlobal(s, t, o, true, on, func(r Record[K, V], row T, has bool) (VO, error) {
		return flow.Call3(f, r.Key, r.Value, orNil(row, has))
	})
}

// joinGlobal adds a node that looks into the instance's copy of the table.
func joinGlobal[K, V, GK, T, VO any](s Stream[K, V], t GlobalTable[GK, T], o *op, left bool, on func(K, V) (GK, bool), join func(Record[K, V], T, bool) (VO, error)) Stream[K, VO] {
	b := s.b
	if t.b != b {
		b.faultf(o, "a global table of another Builder")
		return Stream[K, VO]{b: b, n: s.n, out: s.out, key: s.key, rekeyed: s.rekeyed}
	}
	n := addNode(b, o, b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, V], error) {
		get, err := flow.GlobalRows[GK, T](n.Env, t.store, t.cached)
		if err != nil {
			return nil, err
		}
		return flow.JoinGlobal(n, left, on, get, join, next), nil
	})
	n.Stores = []string{t.store}
	return revalued[K, V, VO](s, o, n)
}
