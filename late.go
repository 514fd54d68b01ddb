package weir

import (
	"reflect"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Late is a record that came after its window had closed.
type Late[V any] struct {
	Value      V
	Start, End time.Time     // the window that it missed
	By         time.Duration // how long after the end of grace
}

// LateTo sends records that come after their window has closed to a topic, once per missed window; the types are checked by Build. Key, time and
// headers are the record's. The record is still counted as dropped, as without the option. A record that comes too late for every sliding window is one, of
// the window that ends at it; of a session it is the one that the record would have become part of. It fits windowed aggregations but unlimited
// ones, which never close, and Adding.
func LateTo[K, V any](t Topic[K, Late[V]]) OpOption {
	return opOption{"LateTo", func(o *op) { o.lateTo = t }}
}

// LateOf is the records that every aggregation of g refused as late, once per missed window: of one aggregation what it refuses; of several what none
// of them took, and not what only some refused. They are those that this g was given to, before and after. Key, time and headers are the record's.
//
// Aggregations of g refuse the same, but where CloseIdleAfter is one's alone, or was added to a running app later, and so has seen less; where sessions
// or sliding windows are deleted (Drop); and where records fail and are skipped.
func LateOf[K, V any](g Windowed[K, V]) Stream[K, Late[V]] {
	b, all := g.g.b, g.late
	if all.n == nil {
		o := b.newOp("LateOf", nil)
		if _, ok := g.spec.(window.UnlimitedWindows); ok {
			b.faultf(o, "unlimited windows never close: no record is late")
		}
		all.n = addNode(b, o, b.nodeName(o), nil, func(_ *flow.Node, next flow.Receiver[K, Late[V]]) (flow.Receiver[K, Late[V]], error) {
			return next, nil
		})
		b.atBuild(func() { all.connect(b, o, reflect.TypeFor[flow.Receiver[K, Late[V]]]()) })
	}
	return Stream[K, Late[V]]{b: b, n: all.n, key: g.g.key}
}

// The outputs of an aggregation for what it refuses, and for what all of its group refuse.
const (
	lateOutput = "late"
	lateToAll  = "late to all"
)

// lateness is what the aggregations of a Windowed share.
type lateness struct {
	aggregations []*topology.Node
	n            *topology.Node // LateOf's; nil without one
}

// connect puts LateOf's node below the aggregations.
func (l *lateness) connect(b *Builder, o *op, sends reflect.Type) {
	if len(l.aggregations) == 0 {
		b.faultf(o, "nothing aggregates these windows: give the same Windowed to Count, Reduce or Aggregate")
		l.n.Parents = []topology.Parent{{}} // no fault of its own
		return
	}
	for _, n := range l.aggregations {
		n.Outs[lateToAll] = sends
		l.n.Parents = append(l.n.Parents, topology.Parent{Node: n, Output: lateToAll})
	}
	b.graph.Behind(l.n)
}

// lateSink adds the sink of LateTo below an aggregation.
func lateSink[K, V any](b *Builder, o *op, n *topology.Node) {
	if o.lateTo == nil {
		return
	}
	t, ok := o.lateTo.(Topic[K, Late[V]])
	if !ok {
		b.faultf(o, "option LateTo is a %T, but late records are %s and %s", o.lateTo, typeName[K](), typeName[Late[V]]())
		return
	}
	if t.key == nil || t.value == nil {
		b.faultf(o, "LateTo: topic %q: a nil serde", t.name)
	}
	declare(b, t.key)
	declare(b, t.value)
	pairOf(b, o, t.name, t.key, t.value)
	n.Outs[lateOutput] = reflect.TypeFor[flow.Receiver[K, Late[V]]]()
	addSink(b, o, n.Name+"-late", []topology.Parent{{Node: n, Output: lateOutput}}, []topology.Topic{{Name: t.name}}, func(n *flow.Node) flow.Receiver[K, Late[V]] {
		return flow.Sink(n, t.name, t.encoding())
	})
}

// lateFor is who is told of an aggregation's late records in a task: its children.
func lateFor[K, V any](env *flow.Env, all *lateness, links []flow.Link) (to flow.Lateness[K, V], err error) {
	if to.Own, err = toldOf[K, V](links, lateOutput); err != nil {
		return to, err
	}
	if to.All, err = toldOf[K, V](links, lateToAll); err != nil || to.All == nil {
		return to, err
	}
	to.Votes = flow.Shared(env, all, func() *flow.Votes { return flow.NewVotes(len(all.aggregations)) })
	return to, nil
}

// toldOf hands late records to the children at an output; nil without any.
func toldOf[K, V any](links []flow.Link, output string) (func(Record[K, V], flow.Missed) error, error) {
	next, err := flow.Output[K, Late[V]](links, output)
	if err != nil || !anyAt(links, output) {
		return nil, err
	}
	return func(r Record[K, V], m flow.Missed) error {
		late := Late[V]{r.Value, time.UnixMilli(m.Start).UTC(), time.UnixMilli(m.End).UTC(), time.Duration(m.By) * time.Millisecond}
		return next(processor.NewRecord(r.Key, late, r.Time).WithHeaders(r.Headers))
	}, nil
}

func anyAt(links []flow.Link, output string) bool {
	for _, l := range links {
		if l.Output == output {
			return true
		}
	}
	return false
}
