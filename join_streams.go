package weir

import (
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Join pairs records of equal key whose times lie within w. name makes its stores, <name>-this-join-store and so on, and, without Named, its
// nodes and repartition topics. Store options reach all its stores. Null key or value is dropped.
//
// A result's time is the greater of the two, its headers are those of the record that came later. Records are kept for before + after + grace of event
// time, or for Retention; one that comes later than that meets nothing. ValueSerde is the result's, OtherSerde that of r's values. (Kafka's
// KStreamKStreamJoin.)
func Join[K, L, R, VO any](l Stream[K, L], r Stream[K, R], name string, w window.JoinWindows, f func(K, L, R) VO, opts ...OpOption) Stream[K, VO] {
	o := l.b.newOp("Join", opts, streamJoinOptions)
	return joinStreams(l, r, &streamJoin[K, L, R, VO]{
		o: o, name: name, w: w,
		pair: func(k K, left L, right R) (VO, error) { return flow.Call3(f, k, left, right) },
	})
}

// LeftJoin is Join, and left records without a match, with nil, when the window has closed. A left record with a null
// key is forwarded at once, with nil, and stored nowhere; a null right key and null values are dropped. A non-nil *R never points at nil.
//
// A window has closed when the join's time, the greatest of the records that reached it, is past it and the grace. That is looked for at records, as
// EmitEvery says, and when the inputs are silent, as CloseIdleAfter says. A record that comes too late to be matched in order is forwarded at once; it may still be matched within the grace.
func LeftJoin[K, L, R, VO any](l Stream[K, L], r Stream[K, R], name string, w window.JoinWindows, f func(K, L, *R) VO, opts ...OpOption) Stream[K, VO] {
	o := l.b.newOp("LeftJoin", opts, streamJoinOptions, lonelyOptions)
	return joinStreams(l, r, &streamJoin[K, L, R, VO]{
		o: o, name: name, w: w,
		pair: func(k K, left L, right R) (VO, error) { return flow.Call3(f, k, left, &right) },
		left: func(k K, left L) (VO, error) { return flow.Call3(f, k, left, nil) },
	})
}

// OuterJoin is Join, and records of both sides without a match, with nil, when the window has closed, as in LeftJoin. Records with
// a null key are forwarded at once, joined with nil, and stored nowhere; null values are dropped.
func OuterJoin[K, L, R, VO any](l Stream[K, L], r Stream[K, R], name string, w window.JoinWindows, f func(K, *L, *R) VO, opts ...OpOption) Stream[K, VO] {
	o := l.b.newOp("OuterJoin", opts, streamJoinOptions, lonelyOptions)
	return joinStreams(l, r, &streamJoin[K, L, R, VO]{
		o: o, name: name, w: w,
		pair:  func(k K, left L, right R) (VO, error) { return flow.Call3(f, k, &left, &right) },
		left:  func(k K, left L) (VO, error) { return flow.Call3(f, k, &left, nil) },
		right: func(k K, right R) (VO, error) { return flow.Call3(f, k, nil, &right) },
	})
}

var (
	streamJoinOptions = []string{"KeySerde", "ValueSerde", "OtherSerde", "Partitions", "TopicConfig", "InMemory", "NoChangelog", "Retention"}
	lonelyOptions     = []string{"EmitEvery", "CloseIdleAfter"}
)

// streamJoin is a join of streams under construction.
type streamJoin[K, L, R, VO any] struct {
	o     *op
	name  string // of the stores
	node  string // of the nodes and repartition topics
	w     window.JoinWindows
	pair  func(K, L, R) (VO, error)
	left  func(K, L) (VO, error) // of a left record alone; nil in an inner join
	right func(K, R) (VO, error)

	b           *Builder
	key         *serdeRef[K]
	leftValue   *serdeRef[L]
	rightValue  *serdeRef[R]
	this, other string // the sides' stores
	self        bool   // a stream meets itself, so that one store may do for both
	lonely      string // the shared store; empty in an inner join
}

// joinStreams adds the five nodes of a join: two that keep the records of a side, two that join, one that merges.
func joinStreams[K, L, R, VO any](l Stream[K, L], r Stream[K, R], j *streamJoin[K, L, R, VO]) Stream[K, VO] {
	b, o := l.b, j.o
	j.b = b
	if r.b != b {
		b.faultf(o, "a stream of another Builder")
		return Stream[K, VO]{b: b, n: l.n, out: l.out, key: l.key, rekeyed: l.rekeyed}
	}
	j.check()
	j.names()
	j.self = j.left == nil && l.n == r.n && l.out == r.out && !l.rekeyed
	l, r = j.repartitioned(l, r)
	j.serdes(l, r)
	j.stores()

	keepLeft := keepSide(j, "-this-windowed", j.this, l)
	keepRight := keepSide(j, "-other-windowed", j.other, r)
	this := addNode(b, o, j.node+j.suffixes()[0], []topology.Parent{{Node: keepLeft}}, j.joinLeft)
	other := addNode(b, o, j.node+j.suffixes()[1], []topology.Parent{{Node: keepRight}}, j.joinRight)
	this.Stores, other.Stores = []string{j.other}, []string{j.this}
	if j.lonely != "" {
		this.Stores, other.Stores = append(this.Stores, j.lonely), append(other.Stores, j.lonely)
	}
	merge := addNode(b, o, j.node+"-merge", []topology.Parent{{Node: this}, {Node: other}}, func(_ *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, VO], error) {
		return next, nil
	})
	b.graph.Copartition(o.String(), slices.Compact([]*topology.Node{l.n, r.n})...)
	if self, ok := any(j).(*streamJoin[K, L, L, VO]); ok && j.self {
		b.atBuild(func() { self.oneStore(keepLeft, merge, keepRight, this, other) })
	}
	return Stream[K, VO]{b: b, n: merge, key: j.key, value: option[VO](b, o, "ValueSerde", o.value)}
}

// check finds what is wrong with the windows and options.
func (j *streamJoin[K, L, R, VO]) check() {
	b, o := j.b, j.o
	if j.name == "" {
		b.faultf(o, "the join needs a name, for its stores")
	}
	if err := j.w.Validate(); err != nil {
		b.faultf(o, "%w", err)
	}
	if o.emitEvery != nil && *o.emitEvery < 0 {
		b.faultf(o, "EmitEvery(%v) is negative", *o.emitEvery)
	}
	given := o.store.retention
	if given != nil && (given.Milliseconds() < j.w.RetentionMs() || given.Nanoseconds()%1e6 != 0) {
		b.faultf(o, "join %q: Retention(%v) must be whole milliseconds and at least %d ms: before + after + grace", j.name, *given, j.w.RetentionMs())
	}
}

// suffixes tell the sides' nodes and stores apart, as Kafka's.
func (j *streamJoin[K, L, R, VO]) suffixes() [2]string {
	s := [2]string{"-this-join", "-other-join"}
	if j.right != nil {
		s[0] = "-outer-this-join"
	}
	if j.left != nil {
		s[1] = "-outer-other-join"
	}
	return s
}

func (j *streamJoin[K, L, R, VO]) names() {
	if j.node = j.o.name; j.node == "" {
		j.node = j.name
	}
	j.this, j.other = j.name+j.suffixes()[0]+"-store", j.name+j.suffixes()[1]+"-store"
	switch {
	case j.right != nil:
		j.lonely = j.name + "-outer-shared-join-store"
	case j.left != nil:
		j.lonely = j.name + "-left-shared-join-store"
	}
}

// repartitioned passes the sides whose key may have changed through topics of their own.
func (j *streamJoin[K, L, R, VO]) repartitioned(l Stream[K, L], r Stream[K, R]) (Stream[K, L], Stream[K, R]) {
	through := *j.o
	through.nullKeys = j.left != nil
	through.value = nil // ValueSerde is the result's
	if l.rekeyed {
		l = repartition(l, &through, repartitioning(&through, j.node+"-left"))
	}
	through.value = j.o.other
	if r.rekeyed {
		right := through
		r = repartition(r, &right, repartitioning(&right, j.node+"-right"))
	}
	return l, r
}

// serdes finds those of the stores. Both sides have the same keys, so they are written alike.
func (j *streamJoin[K, L, R, VO]) serdes(l Stream[K, L], r Stream[K, R]) {
	const where = "ValueSerde where the stream is made"
	inherited := l.key
	if inherited == nil {
		inherited = r.key
	}
	j.key = keyOf(j.b, j.o, inherited, "the key of join "+j.name)
	j.leftValue = pick(j.b, j.o, nil, l.value, "the value of store "+j.this, where)
	j.rightValue = pick(j.b, j.o, option[R](j.b, j.o, "OtherSerde", j.o.other), r.value, "the value of store "+j.other, "OtherSerde")
}

// stores declares the sides' stores and the shared one.
func (j *streamJoin[K, L, R, VO]) stores() {
	addSide(j, j.this, j.leftValue)
	addSide(j, j.other, j.rightValue) // not with oneStore
	if j.lonely == "" {
		return
	}
	j.b.addStore(j.o, j.lonely, func() *topology.Store {
		if j.key.s == nil || j.leftValue.s == nil || j.rightValue.s == nil {
			return nil
		}
		return j.store(rows.NewPending(j.lonely, j.key.s, j.leftValue.s.Name()+" or "+j.rightValue.s.Name()))
	})
}

// addSide declares the store of one side.
func addSide[K, L, R, VO, V any](j *streamJoin[K, L, R, VO], name string, value *serdeRef[V]) {
	j.b.addStore(j.o, name, func() *topology.Store {
		if j.key.s == nil || value.s == nil || name == j.other && j.single() {
			return nil
		}
		s := j.store(rows.NewSide(name, j.key.s, value.s, j.w.SizeMs(), j.retention()))
		s.Joins = true
		return s
	})
}

// single reports in Build whether one store serves both sides.
func (j *streamJoin[K, L, R, VO]) single() bool { return j.self && j.b.rules.singleStoreSelfJoin }

// oneStore applies SingleStoreSelfJoin: the nodes of the left side do the work of both.
func (j *streamJoin[K, L, R, VO]) oneStore(keep, join *topology.Node, without ...*topology.Node) {
	if !j.single() {
		return
	}
	j.b.graph.Remove(without...)
	pass := newNode(j.o, keep.Name, keep.Parents, alone(func(_ *flow.Node, next flow.Receiver[K, L]) (flow.Receiver[K, L], error) { return next, nil }))
	pass.Stores = keep.Stores
	*keep = *pass
	both := newNode(j.o, join.Name, []topology.Parent{{Node: keep}}, alone(j.joinSelf))
	both.Stores = []string{j.this}
	*join = *both
}

// joinSelf makes the node of both sides over one store; L is R.
func (j *streamJoin[K, L, R, VO]) joinSelf(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, L], error) {
	side, err := facade[*rows.Side[K, L]](n.Env, j.this)
	if err != nil {
		return nil, err
	}
	pair := any(j.pair).(func(K, L, L) (VO, error))
	left := flow.StreamJoin[K, L, L, VO]{Window: j.w, Own: side, Others: side, Pair: func(r *Record[K, L], right L) (VO, error) { return pair(r.Key, r.Value, right) }}
	right := left
	right.Window, right.Pair = j.w.Mirror(), func(r *Record[K, L], left L) (VO, error) { return pair(r.Key, left, r.Value) }
	return flow.JoinWithSelf(n, left, right, next), nil
}

// retention is how long records are kept, in ms: what the windows need, or more. Records of equal times must see each other, whatever that is.
func (j *streamJoin[K, L, R, VO]) retention() int64 {
	if given := j.o.store.retention; given != nil {
		return max(1, given.Milliseconds())
	}
	return max(1, j.w.RetentionMs())
}

func (j *streamJoin[K, L, R, VO]) store(s *rows.Spec) *topology.Store {
	s.InMemory, s.Logged, s.Config = j.o.store.inMemory, !j.o.store.noChangelog, j.o.topicConfig
	return &topology.Store{Spec: s}
}

// keepSide adds the node that keeps the records of a side.
func keepSide[K, L, R, VO, V any](j *streamJoin[K, L, R, VO], suffix, store string, s Stream[K, V]) *topology.Node {
	n := addNode(j.b, j.o, j.node+suffix, s.parents(), func(n *flow.Node, next flow.Receiver[K, V]) (flow.Receiver[K, V], error) {
		side, err := facade[*rows.Side[K, V]](n.Env, store)
		if err != nil {
			return nil, err
		}
		return flow.KeepSide(n, side, next), nil
	})
	n.Stores = []string{store}
	return n
}

func (j *streamJoin[K, L, R, VO]) joinLeft(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, L], error) {
	side := flow.StreamJoin[K, L, R, VO]{
		Window: j.w, Alone: j.left, Side: rows.LeftSide, Value: j.leftValue.s,
		Pair: func(r *Record[K, L], right R) (VO, error) { return j.pair(r.Key, r.Value, right) },
	}
	return joinSide(j, n, j.this, j.other, side, next)
}

func (j *streamJoin[K, L, R, VO]) joinRight(n *flow.Node, next flow.Receiver[K, VO]) (flow.Receiver[K, R], error) {
	side := flow.StreamJoin[K, R, L, VO]{
		Window: j.w.Mirror(), Alone: j.right, Side: rows.RightSide, Value: j.rightValue.s,
		Pair: func(r *Record[K, R], left L) (VO, error) { return j.pair(r.Key, left, r.Value) },
	}
	return joinSide(j, n, j.other, j.this, side, next)
}

// joinSide makes the node of one side, which meets the records of the other's store.
func joinSide[K, L, R, VO, V, O any](j *streamJoin[K, L, R, VO], n *flow.Node, own, others string, side flow.StreamJoin[K, V, O, VO], next flow.Receiver[K, VO]) (flow.Receiver[K, V], error) {
	var err error
	if side.Own, err = facade[*rows.Side[K, V]](n.Env, own); err != nil {
		return nil, err
	}
	if side.Others, err = facade[*rows.Side[K, O]](n.Env, others); err != nil {
		return nil, err
	}
	if j.lonely == "" {
		return flow.JoinStreams(n, side, next), nil
	}
	side.Idle = j.o.idleAfter()
	pending, err := facade[*rows.Pending[K]](n.Env, j.lonely)
	if err != nil {
		return nil, err
	}
	side.Lone = flow.Shared(n.Env, lonelyOf(j.lonely), func() *flow.Lonely[K, VO] {
		return flow.NewLonely(n.Env, j.lonely, pending, j.w, j.every(), j.alone())
	})
	return flow.JoinStreams(n, side, next), nil
}

// lonelyOf names what the sides of a join share in a task, by its store.
type lonelyOf string

// every is how often, in ms, what has closed is looked for; −1: as the app says.
func (j *streamJoin[K, L, R, VO]) every() int64 {
	if j.o.emitEvery == nil {
		return -1
	}
	return j.o.emitEvery.Milliseconds()
}

// alone are the sides' ways of joining an encoded record with nothing.
func (j *streamJoin[K, L, R, VO]) alone() (both [2]func(K, []byte) (VO, error)) {
	both[rows.LeftSide] = decoding(j.leftValue.s, j.left)
	both[rows.RightSide] = decoding(j.rightValue.s, j.right)
	return both
}

func decoding[K, V, VO any](value serde.Serde[V], f func(K, V) (VO, error)) func(K, []byte) (VO, error) {
	return func(k K, raw []byte) (out VO, err error) {
		v, err := value.Decode(raw)
		if err != nil {
			return out, err
		}
		return f(k, v)
	}
}
