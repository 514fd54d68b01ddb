package weir

import (
	"cmp"
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// JoinForeign has a row for each left row whose foreign key, as on returns it, has a right row; on false or nil: none, counted. on is never called for
// tombstones. Store options are those of the Materialized result. The topics between the sides are <app>-<name>-subscription-registration-topic and
// <app>-<name>-subscription-response-topic, the store of what is asked for is <name>-subscription-store. TopicConfig is for all of them. PartitionBy, of
// a foreign key and the zero right value, says how the right table's topic is partitioned, where it is not as Kafka does it.
func JoinForeign[K, L, FK, R, VO any](l Table[K, L], r Table[FK, R], name string, on func(K, L) (FK, bool), f func(K, L, R) VO, opts ...OpOption) Table[K, VO] {
	o := l.b.newOp("JoinForeign", opts, resultOptions, foreignOptions)
	return joinForeign(l, r, name, o, foreignJoin[K, L, FK, R, VO]{on: on, result: func(k K, l L, r R, _ bool) (VO, error) {
		return flow.Call3(f, k, l, r)
	}})
}

// LeftJoinForeign has a row for each left row; the right is nil where on returns false or there is none. The rest is as in JoinForeign.
func LeftJoinForeign[K, L, FK, R, VO any](l Table[K, L], r Table[FK, R], name string, on func(K, L) (FK, bool), f func(K, L, *R) VO, opts ...OpOption) Table[K, VO] {
	o := l.b.newOp("LeftJoinForeign", opts, resultOptions, foreignOptions)
	return joinForeign(l, r, name, o, foreignJoin[K, L, FK, R, VO]{on: on, left: true, result: func(k K, l L, r R, has bool) (VO, error) {
		return flow.Call3(f, k, l, orNil(r, has))
	}})
}

var foreignOptions = []string{"OtherSerde", "PartitionBy"}

// foreignJoin is a foreign-key join under construction.
type foreignJoin[K, L, FK, R, VO any] struct {
	b      *Builder
	o      *op // of all nodes but the result's
	name   string
	prefix string // of the nodes' names
	on     func(K, L) (FK, bool)
	left   bool
	result func(k K, l L, r R, has bool) (VO, error)

	key   *serdeRef[K]
	value *serdeRef[L]
	by    *serdeRef[FK]
	other *serdeRef[R]
}

// joinForeign adds Kafka's ten nodes, with its names. Up to the store they are two sub-topologies, or one where a table is joined with itself.
func joinForeign[K, L, FK, R, VO any](l Table[K, L], r Table[FK, R], name string, o *op, j foreignJoin[K, L, FK, R, VO]) Table[K, VO] {
	b := l.b
	result := made[K, VO]{b: b, n: l.n, key: l.key, value: option[VO](b, o, "ValueSerde", o.value), olds: &olds{}}
	if r.b != b {
		b.faultf(o, "a table of another Builder")
		return Table[K, VO]{result}
	}
	if name == "" {
		b.faultf(o, "a foreign-key join needs a name")
	}
	j.b, j.name, j.prefix = b, name, cmp.Or(o.name, name)
	j.o = &op{kind: o.kind, name: o.name, onError: o.onError, onDropped: o.onDropped, topicConfig: o.topicConfig}
	j.serdes(l, r, o)
	l.olds.want()
	asked := j.ask(l, partitioner[FK, R](b, o))
	answered := j.answer(r, asked)
	resolved := j.resolve(l, answered)
	result.key = j.key
	b.graph.Copartition(o.String()+": its right table and its subscriptions", r.n, asked)
	b.graph.Copartition(o.String()+": its left table and its answers", l.n, answered)
	old := result.olds
	t := materialize(result, j.kept(o), j.prefix+"-result", []topology.Parent{{Node: resolved}},
		func(n *flow.Node, _ bool, next flow.Receiver[K, changes[VO]]) (flow.Receiver[K, VO], error) {
			return flow.PlainTable(n, next), nil
		})
	b.atBuild(func() {
		if !old.stored && (old.wanted || old.needed) {
			b.faultf(o, "%q: what is below needs its rows, which come from another task: keep them with weir.Materialized", name)
		}
	})
	return t
}

// kept are the options of the result's store: those of topics and serdes have a meaning without one.
func (j *foreignJoin[K, L, FK, R, VO]) kept(o *op) *op {
	own := *o
	own.given = slices.DeleteFunc(slices.Clone(o.given), func(name string) bool { return name == "TopicConfig" || name == "KeySerde" })
	return &own
}

func (j *foreignJoin[K, L, FK, R, VO]) serdes(l Table[K, L], r Table[FK, R], o *op) {
	what := func(s string) string { return s + " of foreign-key join " + j.name }
	j.key = keyOf(j.b, o, l.key, what("the left key"))
	j.value = pick(j.b, o, nil, l.value, what("the left value"), "ValueSerde to the left table")
	j.by = pick(j.b, o, nil, r.key, what("the foreign key"), "KeySerde to the right table")
	j.other = pick(j.b, o, option[R](j.b, o, "OtherSerde", o.other), r.value, what("the right value"), "OtherSerde")
}

// topic is an internal topic of the join.
func (j *foreignJoin[K, L, FK, R, VO]) topic(which string) *topology.Repartition {
	return &topology.Repartition{Name: j.name + which, Suffix: "-topic", Config: j.o.topicConfig}
}

// ask sends the left table's subscriptions to where their foreign keys' rows are.
func (j *foreignJoin[K, L, FK, R, VO]) ask(l Table[K, L], partition func(FK, R, int) int) *topology.Node {
	const which = "-subscription-registration"
	on := func(k K, v L) (fk FK, ok bool, err error) {
		defer flow.Catch(&err)
		fk, ok = j.on(k, v)
		return fk, ok, nil
	}
	send := addNode(j.b, j.o, j.prefix+which+"-processor", l.parents(), func(n *flow.Node, next flow.Receiver[FK, rows.Subscription]) (flow.Receiver[K, changes[L]], error) {
		return flow.Subscribe(n, flow.Foreign[K, L, FK]{On: on, Left: j.left, Key: j.key.s, Value: j.value.s, By: j.by.s}, next), nil
	})
	wire := rows.SubscriptionSerde()
	return throughInternal(j.b, j.o, j.topic(which), j.prefix+which, j.by, known(wire), func(sink string, topic topology.Topic) {
		addSink(j.b, j.o, sink, []topology.Parent{{Node: send}}, []topology.Topic{topic}, func(n *flow.Node) flow.Receiver[FK, rows.Subscription] {
			return flow.Sink(n, topic.In(n.Env.App), flow.Encoding[FK, rows.Subscription]{Key: j.by.s, Value: wire, Partition: asked(partition)})
		})
	})
}

// asked partitions subscriptions as the right table is. User code is not asked about null: any partition can answer that.
func asked[FK, R any](partition func(FK, R, int) int) func(FK, rows.Subscription, int) int {
	if partition == nil {
		return nil
	}
	return func(fk FK, s rows.Subscription, partitions int) int {
		if s.NoForeign {
			return int(s.Partition) % partitions
		}
		var none R
		return partition(fk, none, partitions)
	}
}

// answer keeps subscriptions and answers them, at once and whenever the right table changes.
func (j *foreignJoin[K, L, FK, R, VO]) answer(r Table[FK, R], asked *topology.Node) *topology.Node {
	store := j.name + "-subscription-store"
	kept := &op{kind: j.o.kind, name: j.o.name, topicConfig: j.o.topicConfig}
	kept.store.noCache = true
	addSpec(j.b, kept, store, j.by, j.by, func() *rows.Spec { return rows.NewSubscriptions(store, j.by.s) })
	receive := addNode(j.b, j.o, j.prefix+"-subscription-receive", []topology.Parent{{Node: asked}},
		func(n *flow.Node, next flow.Receiver[FK, rows.Subscription]) (flow.Receiver[FK, rows.Subscription], error) {
			s, err := facade[*rows.Subscriptions[FK]](n.Env, store)
			if err != nil {
				return nil, err
			}
			return flow.KeepSubscriptions(n, s, next), nil
		})
	receive.Stores = []string{store}
	look, stores := lookup(r.made)
	joined := addNode(j.b, j.o, j.prefix+"-subscription-join-foreign", []topology.Parent{{Node: receive}},
		func(n *flow.Node, next flow.Receiver[[]byte, flow.Answer[R]]) (flow.Receiver[FK, rows.Subscription], error) {
			get, err := flow.AsTold(n.Env, look)
			if err != nil {
				return nil, err
			}
			return flow.AnswerSubscriptions(n, get, next), nil
		})
	joined.Stores = stores
	all := addNode(j.b, j.o, j.prefix+"-foreign-join-subscription", r.parents(),
		func(n *flow.Node, next flow.Receiver[[]byte, flow.Answer[R]]) (flow.Receiver[FK, changes[R]], error) {
			s, err := facade[*rows.Subscriptions[FK]](n.Env, store)
			if err != nil {
				return nil, err
			}
			return flow.AnswerAll(n, s, next), nil
		})
	all.Stores = []string{store}
	return j.answers([]topology.Parent{{Node: joined}, {Node: all}})
}

// answers sends answers back to the left rows' partitions. On the right side left keys are bytes.
func (j *foreignJoin[K, L, FK, R, VO]) answers(parents []topology.Parent) *topology.Node {
	const which = "-subscription-response"
	wire := &serdeRef[flow.Answer[R]]{}
	j.b.atBuild(func() {
		if j.other.s != nil {
			wire.s = flow.AnswerSerde(j.other.s)
		}
	})
	return throughInternal(j.b, j.o, j.topic(which), j.prefix+which, j.key, wire, func(sink string, topic topology.Topic) {
		addSink(j.b, j.o, sink, parents, []topology.Topic{topic}, func(n *flow.Node) flow.Receiver[[]byte, flow.Answer[R]] {
			return flow.Sink(n, topic.In(n.Env.App), flow.Encoding[[]byte, flow.Answer[R]]{Key: serde.Bytes(), Value: wire.s, Partition: back[R](j.key.s)})
		})
	})
}

// back is the partition that a subscription named; in those that name none it is the key's.
func back[R, K any](of serde.Serde[K]) func([]byte, flow.Answer[R], int) int {
	inner, _ := of.(interface{ InnerKey(encoded []byte) []byte })
	return func(key []byte, a flow.Answer[R], partitions int) int {
		if a.Partition >= 0 {
			return int(a.Partition)
		}
		if inner != nil {
			key = inner.InnerKey(key)
		}
		return int(murmur2.Partition(key, int32(partitions)))
	}
}

// resolve joins answers with the left table.
func (j *foreignJoin[K, L, FK, R, VO]) resolve(l Table[K, L], answered *topology.Node) *topology.Node {
	look, stores := lookup(l.made)
	n := addNode(j.b, j.o, j.prefix+"-subscription-response-resolver", []topology.Parent{{Node: answered}},
		func(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, flow.Answer[R]], error) {
			get, err := look(n.Env)
			if err != nil {
				return nil, err
			}
			return flow.Resolve(n, get, flow.ForeignResult[K, L, R, VO]{Left: j.left, Value: j.value.s, Join: j.result}, next), nil
		})
	n.Stores = stores
	return n
}
