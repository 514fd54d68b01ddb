package weir

import (
	"context"
	"fmt"
	"io"
	"reflect"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Stream is a sequence of records: each is a fact of its own.
type Stream[K, V any] struct {
	b       *Builder
	n       *topology.Node
	out     string       // the node's output: empty for the main one
	key     *serdeRef[K] // nil: not known here
	value   *serdeRef[V]
	rekeyed bool // the key may have changed since the source: a stateful operator below repartitions
}

func (s Stream[K, V]) parents() []topology.Parent {
	return []topology.Parent{{Node: s.n, Output: s.out}}
}

// with is the stream of a node below that keeps key and value.
func (s Stream[K, V]) with(n *topology.Node) Stream[K, V] {
	s.n, s.out = n, ""
	return s
}

// filter adds a node that keeps what keep is true for.
func (s Stream[K, V]) filter(o *op, keep func(*flow.Node) func(Record[K, V]) (bool, error)) Stream[K, V] {
	n := addNode(s.b, o, s.b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		return flow.Filter(n, keep(n), next), nil
	})
	n.Passes = topology.Same
	return s.with(n)
}

// predicate calls f with key and value.
func predicate[K, V any](f func(K, V) bool, want bool) func(*flow.Node) func(Record[K, V]) (bool, error) {
	return func(*flow.Node) func(Record[K, V]) (bool, error) {
		return func(r Record[K, V]) (bool, error) {
			ok, err := flow.Call2(f, r.Key, r.Value)
			return ok == want, err
		}
	}
}

// trying calls f with the node's context and the whole record.
func trying[K, V, R any](f func(context.Context, Record[K, V]) (R, error)) func(*flow.Node) func(Record[K, V]) (R, error) {
	return func(n *flow.Node) func(Record[K, V]) (R, error) {
		return func(r Record[K, V]) (R, error) { return flow.Try(n.Env.Context, f, r) }
	}
}

// Filter keeps records for which f is true. f sees zero for a null key or value that cannot be nil.
func (s Stream[K, V]) Filter(f func(K, V) bool, opts ...OpOption) Stream[K, V] {
	return s.filter(s.b.newOp("Filter", opts), predicate(f, true))
}

// FilterNot keeps records for which f is false. f sees zero for a null key or value that cannot be nil.
func (s Stream[K, V]) FilterNot(f func(K, V) bool, opts ...OpOption) Stream[K, V] {
	return s.filter(s.b.newOp("FilterNot", opts), predicate(f, false))
}

// TryFilter is Filter on the whole record, with an error; it sees nulls.
func (s Stream[K, V]) TryFilter(f func(context.Context, Record[K, V]) (bool, error), opts ...OpOption) Stream[K, V] {
	return s.filter(s.b.newOp("TryFilter", opts), trying(f))
}

// peek adds a node that calls see.
func (s Stream[K, V]) peek(o *op, see func(*flow.Node) func(Record[K, V]) error) Stream[K, V] {
	n := addNode(s.b, o, s.b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		return flow.Peek(n, see(n), next), nil
	})
	n.Passes = topology.Same
	return s.with(n)
}

// seeing calls f with key and value.
func seeing[K, V any](f func(K, V)) func(*flow.Node) func(Record[K, V]) error {
	return func(*flow.Node) func(Record[K, V]) error {
		return func(r Record[K, V]) (err error) {
			defer flow.Catch(&err)
			f(r.Key, r.Value)
			return nil
		}
	}
}

// seeingAll calls f with the whole record.
func seeingAll[K, V any](f func(context.Context, Record[K, V]) error) func(*flow.Node) func(Record[K, V]) error {
	return func(n *flow.Node) func(Record[K, V]) error {
		return func(r Record[K, V]) (err error) {
			defer flow.Catch(&err)
			return f(n.Env.Context, r)
		}
	}
}

// Peek calls f for each record and passes it on. f sees zero for a null key or value that cannot be nil.
func (s Stream[K, V]) Peek(f func(K, V), opts ...OpOption) Stream[K, V] {
	return s.peek(s.b.newOp("Peek", opts), seeing(f))
}

// TryPeek is Peek on the whole record, with an error; it sees nulls.
func (s Stream[K, V]) TryPeek(f func(context.Context, Record[K, V]) error, opts ...OpOption) Stream[K, V] {
	return s.peek(s.b.newOp("TryPeek", opts), seeingAll(f))
}

// Print writes each record as a line and passes it on; null is written as null.
func (s Stream[K, V]) Print(w io.Writer, opts ...OpOption) Stream[K, V] {
	o := s.b.newOp("Print", opts)
	return s.peek(o, seeingAll(func(_ context.Context, r Record[K, V]) error {
		_, err := fmt.Fprintf(w, "%s, %s\n", orNull(r.Key, r.KeyIsNull()), orNull(r.Value, r.IsNull()))
		return err
	}))
}

func orNull(v any, isNull bool) string {
	if isNull {
		return "null"
	}
	return fmt.Sprint(v)
}

// ForEach ends a stream in f. f sees zero for a null key or value that cannot be nil.
func (s Stream[K, V]) ForEach(f func(K, V), opts ...OpOption) {
	s.peek(s.b.newOp("ForEach", opts), seeing(f))
}

// TryForEach is ForEach on the whole record, with an error; it sees nulls.
func (s Stream[K, V]) TryForEach(f func(context.Context, Record[K, V]) error, opts ...OpOption) {
	s.peek(s.b.newOp("TryForEach", opts), seeingAll(f))
}

// Merge returns the records of all streams, nulls too, in no order between them.
func (s Stream[K, V]) Merge(others ...Stream[K, V]) Stream[K, V] {
	o := &op{kind: "Merge"}
	parents, merged := s.parents(), s
	for _, other := range others {
		if other.b != s.b {
			s.b.faultf(o, "a stream of another Builder")
			continue
		}
		parents = append(parents, other.parents()...)
		merged.rekeyed = merged.rekeyed || other.rekeyed
	}
	n := addNode(s.b, o, s.b.nodeName(o), parents, func(_ *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		return next, nil
	})
	n.Passes = topology.Same
	return merged.with(n)
}

// Case is one branch of Split.
type Case[K, V any] struct {
	Name string
	When func(K, V) bool
}

// When makes a Case without writing its types.
func When[K, V any](name string, f func(K, V) bool) Case[K, V] { return Case[K, V]{name, f} }

// Split sends each record to the first case that is true; the result has one stream per case and, last, one of the rest. Nodes are called name,
// name+Case.Name and name+"rest". Cases see zero for a null key or value that cannot be nil.
func (s Stream[K, V]) Split(name string, cases ...Case[K, V]) []Stream[K, V] {
	o := &op{kind: "Split", name: name}
	in := reflect.TypeFor[flow.Receiver[K, V]]()
	outs := make(map[string]reflect.Type, len(cases)+1)
	names := make([]string, 0, len(cases)+1)
	whens := make([]func(K, V) bool, 0, len(cases))
	for _, c := range cases {
		names, whens = append(names, c.Name), append(whens, c.When)
	}
	names = append(names, "rest")
	for _, branch := range names {
		if outs[branch] != nil {
			s.b.faultf(o, "two branches called %q", branch)
		}
		outs[branch] = in
	}
	n := &topology.Node{Name: s.b.nodeName(o), Op: o.kind, Kind: topology.Processor, Parents: s.parents(), In: in, Outs: outs, Passes: topology.Same}
	n.Make = func(env *flow.Env, links []flow.Link) (any, error) {
		next := make([]flow.Receiver[K, V], len(names))
		for i, branch := range names {
			var err error
			if next[i], err = flow.Output[K, V](links, branch); err != nil {
				return nil, err
			}
		}
		node := flow.NewNode(env, n.Name, nil, nil)
		return flow.Around(node, flow.Split(node, whens, next)), nil
	}
	s.b.graph.Add(n)
	branches := make([]Stream[K, V], len(names))
	for i, branch := range names {
		parent := []topology.Parent{{Node: n, Output: branch}}
		pass := addNode(s.b, o, n.Name+branch, parent, func(_ *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
			return next, nil
		})
		pass.Passes = topology.Same
		branches[i] = s.with(pass)
	}
	branches[len(cases)].n.Optional = true
	return branches
}

// Repartition sends the stream through <app>-<name>-repartition. A null key is dropped; a null value passes.
func (s Stream[K, V]) Repartition(name string, opts ...OpOption) Stream[K, V] {
	o := s.b.newOp("Repartition", opts, []string{"KeySerde", "ValueSerde", "Partitions", "PartitionBy", "TopicConfig"})
	if o.name == "" {
		o.name = name
	}
	return repartition(s, o, &topology.Repartition{Name: name})
}

// repartitioning is the repartition that an operator makes where the key may have changed; it may share its topic, unless that has settings of its own.
func repartitioning(o *op, name string) *topology.Repartition {
	own := o.partitions > 0 || o.partitioner != nil || o.topicConfig != nil
	return &topology.Repartition{Name: name, NullKeys: o.nullKeys, Merges: !own}
}

// repartition passes a stream through an internal topic: a filter of null keys, a sink and a source, named as Kafka names them.
func repartition[K, V any](s Stream[K, V], o *op, r *topology.Repartition) Stream[K, V] {
	b := s.b
	full := r.Name + "-repartition"
	key := keyOf(b, o, s.key, "the key of repartition topic "+full)
	value := valueOf(b, o, s.value, "the value of repartition topic "+full)
	filter := addNode(b, o, full+"-filter", s.parents(), func(n *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		if r.NullKeys {
			return next, nil
		}
		return flow.KeyFilter(n, next), nil
	})
	b.atBuild(func() {
		if key.s != nil && value.s != nil {
			r.Serdes = [2]string{key.s.Name(), value.s.Name()}
		}
	})
	n := throughTopic(b, o, r, []topology.Parent{{Node: filter}}, key, value, partitioner[K, V](b, o))
	return Stream[K, V]{b: b, n: n, key: key, value: value}
}

// throughTopic passes records through a repartition topic, from a sink to a source.
func throughTopic[K, V any](b *Builder, o *op, r *topology.Repartition, parents []topology.Parent, key *serdeRef[K], value *serdeRef[V], partition func(K, V, int) int) *topology.Node {
	r.Partitions, r.Config = int32(o.partitions), o.topicConfig
	return throughInternal(b, o, r, r.Name+"-repartition", key, value, func(sink string, topic topology.Topic) {
		addSink(b, o, sink, parents, []topology.Topic{topic}, func(n *flow.Node) flow.Receiver[K, V] {
			return flow.Sink(n, topic.In(n.Env.App), flow.Encoding[K, V]{Key: key.s, Value: value.s, Partition: partition})
		})
	})
}

// throughInternal passes records through an internal topic: it returns the source, named <prefix>-source, of which write makes the sink, <prefix>-sink.
func throughInternal[K, V any](b *Builder, o *op, r *topology.Repartition, prefix string, key *serdeRef[K], value *serdeRef[V], write func(sink string, topic topology.Topic)) *topology.Node {
	b.graph.AddRepartition(r)
	topic := r.Topic()
	write(prefix+"-sink", topic)
	in := &topology.Node{Name: prefix + "-source", Op: o.kind, Kind: topology.Source, Topics: []topology.Topic{topic}, Reset: topology.Reset{Policy: topology.ResetEarliest}}
	return sourceNode(b, &op{kind: o.kind, name: o.name, onError: o.onError, onDropped: o.onDropped}, in, key, value, nil)
}

// partitioner is what the PartitionBy option gives.
func partitioner[K, V any](b *Builder, o *op) func(K, V, int) int {
	if o.partitioner == nil {
		return nil
	}
	f, ok := o.partitioner.(func(K, V, int) int)
	if !ok {
		b.faultf(o, "option PartitionBy is a %T, but the records are %s and %s", o.partitioner, typeName[K](), typeName[V]())
	}
	return f
}

// addSink adds a sink node; no topics means that they are chosen per record.
func addSink[K, V any](b *Builder, o *op, name string, parents []topology.Parent, topics []topology.Topic, make func(*flow.Node) flow.Receiver[K, V]) {
	n := &topology.Node{Name: name, Op: o.kind, Kind: topology.Sink, Topics: topics, Parents: parents, In: reflect.TypeFor[flow.Receiver[K, V]]()}
	n.Make = func(env *flow.Env, _ []flow.Link) (any, error) {
		node := flow.NewNode(env, name, o.onError, o.onDropped)
		return flow.Around(node, make(node)), nil
	}
	b.graph.Add(n)
}

// To ends a stream in a topic, which must exist. Null keys and values are written as null.
func (s Stream[K, V]) To(t Topic[K, V], opts ...OpOption) {
	o := s.b.newOp("To", opts)
	if t.key == nil || t.value == nil {
		s.b.faultf(o, "topic %q: a nil serde", t.name)
	}
	declare(s.b, t.key)
	declare(s.b, t.value)
	pairOf(s.b, o, t.name, t.key, t.value)
	addSink(s.b, o, s.b.nodeName(o), s.parents(), []topology.Topic{{Name: t.name}}, func(n *flow.Node) flow.Receiver[K, V] {
		return flow.Sink(n, t.name, t.encoding())
	})
}

// ToFunc ends a stream in the topic that f chooses per record; it sees nulls, and a zero Topic drops the record. Which topics these are is not known
// when the topology is built: their serdes are not held against those that the topics have elsewhere.
func (s Stream[K, V]) ToFunc(f func(Record[K, V]) Topic[K, V], opts ...OpOption) {
	o := s.b.newOp("ToFunc", opts)
	choose := func(r Record[K, V]) (string, flow.Encoding[K, V], error) {
		t, err := flow.Call1(f, r)
		if err == nil && t.name != "" && (t.key == nil || t.value == nil) {
			err = fmt.Errorf("topic %q: a nil serde", t.name)
		}
		return t.name, t.encoding(), err
	}
	addSink(s.b, o, s.b.nodeName(o), s.parents(), nil, func(n *flow.Node) flow.Receiver[K, V] {
		return flow.SinkFunc(n, choose)
	})
}

// KeyBy changes the key; a stateful operator below repartitions. f sees zero for a null value that cannot be nil, and the value stays null.
func KeyBy[K, V, K2 any](s Stream[K, V], f func(K, V) K2, opts ...OpOption) Stream[K2, V] {
	return keyBy(s, s.b.newOp("KeyBy", opts, []string{"KeySerde"}), f)
}

func keyBy[K, V, K2 any](s Stream[K, V], o *op, f func(K, V) K2) Stream[K2, V] {
	n := mapNode(s, o, flow.SeeNulls, func(*flow.Node) func(Record[K, V]) (Record[K2, V], error) {
		return func(r Record[K, V]) (Record[K2, V], error) {
			k, err := flow.Call2(f, r.Key, r.Value)
			return processor.WithKey(r, k), err
		}
	}, nil)
	n.Passes = topology.Rekeyed
	return Stream[K2, V]{b: s.b, n: n, key: option[K2](s.b, o, "KeySerde", o.key), value: s.value, rekeyed: true}
}

// mapNode adds a node that makes one record of each. pass turns a record whose null value is not shown to user code into the node's output.
func mapNode[K, V, K2, V2 any](s Stream[K, V], o *op, rule flow.Nulls, f func(*flow.Node) func(Record[K, V]) (Record[K2, V2], error), pass func(Record[K, V]) Record[K2, V2]) *topology.Node {
	return addNode(s.b, o, s.b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K2, V2]) (flow.Receiver[K, V], error) {
		return flow.Map(n, rule, f(n), passing(pass, next), next), nil
	})
}

func passing[K, V, K2, V2 any](pass func(Record[K, V]) Record[K2, V2], next flow.Receiver[K2, V2]) flow.Receiver[K, V] {
	if pass == nil {
		return nil
	}
	return func(r Record[K, V]) error { return next(pass(r)) }
}

// nullValue is the record with a null value of another type.
func nullValue[V2, K, V any](r Record[K, V]) Record[K, V2] {
	var zero V2
	return processor.WithValue(r, zero).AsTombstone()
}

// changed is the stream of a node that makes new keys and values.
func changed[K, V any](b *Builder, o *op, n *topology.Node) Stream[K, V] {
	n.Passes = topology.Rekeyed
	return Stream[K, V]{b: b, n: n, key: option[K](b, o, "KeySerde", o.key), value: option[V](b, o, "ValueSerde", o.value), rekeyed: true}
}

// revalued is a stream of the same keys with new values.
func revalued[K, V, V2 any](s Stream[K, V], o *op, n *topology.Node) Stream[K, V2] {
	return Stream[K, V2]{b: s.b, n: n, key: s.key, value: option[V2](s.b, o, "ValueSerde", o.value), rekeyed: s.rekeyed}
}

var serdeOptions = []string{"KeySerde", "ValueSerde"}

// Map changes key and value; a stateful operator below repartitions. Null, where it cannot be nil, is dropped.
func Map[K, V, K2, V2 any](s Stream[K, V], f func(K, V) (K2, V2), opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("Map", opts, serdeOptions)
	call := func(r Record[K, V]) (out Record[K2, V2], err error) {
		defer flow.Catch(&err)
		k, v := f(r.Key, r.Value)
		return processor.WithValue(processor.WithKey(r, k), v), nil
	}
	n := mapNode(s, o, flow.DropNulls, func(*flow.Node) func(Record[K, V]) (Record[K2, V2], error) { return call }, nil)
	return changed[K2, V2](s.b, o, n)
}

// TryMap is Map on the whole record, with an error; it sees nulls.
func TryMap[K, V, K2, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) (K2, V2, error), opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("TryMap", opts, serdeOptions)
	n := mapNode(s, o, flow.SeeNulls, func(n *flow.Node) func(Record[K, V]) (Record[K2, V2], error) {
		return func(r Record[K, V]) (out Record[K2, V2], err error) {
			defer flow.Catch(&err)
			k, v, err := f(n.Env.Context, r)
			return processor.WithValue(processor.WithKey(r, k), v), err
		}
	}, nil)
	return changed[K2, V2](s.b, o, n)
}

// MapRecords changes whole records, time and headers too; it sees nulls and can make them. A stateful operator below repartitions.
func MapRecords[K, V, K2, V2 any](s Stream[K, V], f func(Record[K, V]) Record[K2, V2], opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("MapRecords", opts, serdeOptions)
	call := func(r Record[K, V]) (Record[K2, V2], error) { return flow.Call1(f, r) }
	n := mapNode(s, o, flow.SeeNulls, func(*flow.Node) func(Record[K, V]) (Record[K2, V2], error) { return call }, nil)
	return changed[K2, V2](s.b, o, n)
}

// TryMapRecords is MapRecords with an error.
func TryMapRecords[K, V, K2, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) (Record[K2, V2], error), opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("TryMapRecords", opts, serdeOptions)
	n := mapNode(s, o, flow.SeeNulls, trying(f), nil)
	return changed[K2, V2](s.b, o, n)
}

// MapValues changes the value and keeps the partitioning. A null value that cannot be nil passes uncalled.
func MapValues[K, V, V2 any](s Stream[K, V], f func(V) V2, opts ...OpOption) Stream[K, V2] {
	return mapValues(s, s.b.newOp("MapValues", opts, []string{"ValueSerde"}), func(_ K, v V) V2 { return f(v) })
}

// MapValuesWithKey is MapValues with the key at hand.
func MapValuesWithKey[K, V, V2 any](s Stream[K, V], f func(K, V) V2, opts ...OpOption) Stream[K, V2] {
	return mapValues(s, s.b.newOp("MapValuesWithKey", opts, []string{"ValueSerde"}), f)
}

func mapValues[K, V, V2 any](s Stream[K, V], o *op, f func(K, V) V2) Stream[K, V2] {
	call := func(r Record[K, V]) (Record[K, V2], error) {
		v, err := flow.Call2(f, r.Key, r.Value)
		return processor.WithValue(r, v), err
	}
	n := mapNode(s, o, flow.PassNullValues, func(*flow.Node) func(Record[K, V]) (Record[K, V2], error) { return call }, nullValue[V2, K, V])
	return revalued[K, V, V2](s, o, n)
}

// TryMapValues is MapValues on the whole record, with an error; it sees nulls.
func TryMapValues[K, V, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) (V2, error), opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("TryMapValues", opts, []string{"ValueSerde"})
	n := mapNode(s, o, flow.SeeNulls, func(n *flow.Node) func(Record[K, V]) (Record[K, V2], error) {
		return func(r Record[K, V]) (Record[K, V2], error) {
			v, err := flow.Try(n.Env.Context, f, r)
			return processor.WithValue(r, v), err
		}
	}, nil)
	return revalued[K, V, V2](s, o, n)
}

// flatNode adds a node that makes any number of records of each. with is called once for each task.
func flatNode[K, V, K2, V2 any](s Stream[K, V], o *op, rule flow.Nulls, with func(*flow.Node) func(Record[K, V], func(Record[K2, V2])) error, pass func(Record[K, V]) Record[K2, V2]) *topology.Node {
	return addNode(s.b, o, s.b.nodeName(o), s.parents(), func(n *flow.Node, next flow.Receiver[K2, V2]) (flow.Receiver[K, V], error) {
		f := with(n)
		call := func(r Record[K, V], emit func(Record[K2, V2])) (err error) {
			defer flow.Catch(&err)
			return f(r, emit)
		}
		return flow.FlatMap(n, rule, call, passing(pass, next), next), nil
	})
}

// emitting lets user code emit keys and values with time and headers of a record. One emit serves all records of a task.
func emitting[K, V, K2, V2 any](f func(n *flow.Node, r Record[K, V], emit func(K2, V2)) error) func(*flow.Node) func(Record[K, V], func(Record[K2, V2])) error {
	return func(n *flow.Node) func(Record[K, V], func(Record[K2, V2])) error {
		var of Record[K, V]
		var out func(Record[K2, V2])
		emit := func(k K2, v V2) { out(processor.WithValue(processor.WithKey(of, k), v)) }
		return func(r Record[K, V], to func(Record[K2, V2])) error {
			of, out = r, to
			return f(n, r, emit)
		}
	}
}

// FlatMap makes any number of records of one; a stateful operator below repartitions. Null, where it cannot be nil, is dropped.
func FlatMap[K, V, K2, V2 any](s Stream[K, V], f func(key K, value V, emit func(K2, V2)), opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("FlatMap", opts, serdeOptions)
	n := flatNode(s, o, flow.DropNulls, emitting(func(_ *flow.Node, r Record[K, V], emit func(K2, V2)) error {
		f(r.Key, r.Value, emit)
		return nil
	}), nil)
	return changed[K2, V2](s.b, o, n)
}

// TryFlatMap is FlatMap on the whole record, with an error, on which nothing of it is forwarded; it sees nulls.
func TryFlatMap[K, V, K2, V2 any](s Stream[K, V], f func(ctx context.Context, r Record[K, V], emit func(K2, V2)) error, opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("TryFlatMap", opts, serdeOptions)
	n := flatNode(s, o, flow.SeeNulls, emitting(func(n *flow.Node, r Record[K, V], emit func(K2, V2)) error {
		return f(n.Env.Context, r, emit)
	}), nil)
	return changed[K2, V2](s.b, o, n)
}

// FlatMapValues makes any number of values of one and keeps the partitioning. A null value that cannot be nil passes uncalled.
func FlatMapValues[K, V, V2 any](s Stream[K, V], f func(V) []V2, opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("FlatMapValues", opts, []string{"ValueSerde"})
	return flatMapValues(s, o, flow.PassNullValues, func(_ *flow.Node, r Record[K, V]) ([]V2, error) { return f(r.Value), nil })
}

// FlatMapValuesWithKey is FlatMapValues with the key at hand.
func FlatMapValuesWithKey[K, V, V2 any](s Stream[K, V], f func(K, V) []V2, opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("FlatMapValuesWithKey", opts, []string{"ValueSerde"})
	return flatMapValues(s, o, flow.PassNullValues, func(_ *flow.Node, r Record[K, V]) ([]V2, error) { return f(r.Key, r.Value), nil })
}

// TryFlatMapValues is FlatMapValues on the whole record, with an error; it sees nulls.
func TryFlatMapValues[K, V, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) ([]V2, error), opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("TryFlatMapValues", opts, []string{"ValueSerde"})
	return flatMapValues(s, o, flow.SeeNulls, func(n *flow.Node, r Record[K, V]) ([]V2, error) { return f(n.Env.Context, r) })
}

func flatMapValues[K, V, V2 any](s Stream[K, V], o *op, rule flow.Nulls, f func(*flow.Node, Record[K, V]) ([]V2, error)) Stream[K, V2] {
	n := flatNode(s, o, rule, func(n *flow.Node) func(Record[K, V], func(Record[K, V2])) error {
		return func(r Record[K, V], emit func(Record[K, V2])) error {
			values, err := f(n, r)
			for _, v := range values {
				emit(processor.WithValue(r, v))
			}
			return err
		}
	}, nullValue[V2, K, V])
	return revalued[K, V, V2](s, o, n)
}

// Unwindow drops the window from the key; partitioning is kept, for it is the inner key's. Nulls pass.
func Unwindow[K, V any](s Stream[window.Key[K], V]) Stream[K, V] {
	o := &op{kind: "Unwindow"}
	n := mapNode(s, o, flow.SeeNulls, func(*flow.Node) func(Record[window.Key[K], V]) (Record[K, V], error) {
		return func(r Record[window.Key[K], V]) (Record[K, V], error) {
			inner := processor.WithKey(r, r.Key.Key)
			if r.KeyIsNull() {
				inner = processor.Seal(seal.Token{}, inner, nulls(true, r.IsNull()))
			}
			return inner, nil
		}
	}, nil)
	return Stream[K, V]{b: s.b, n: n, value: s.value, rekeyed: s.rekeyed}
}

// nulls are the bits of processor.Seal.
func nulls(key, value bool) (bits uint8) {
	if key {
		bits |= 1
	}
	if value {
		bits |= 2
	}
	return bits
}
