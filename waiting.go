package weir

import (
	"slices"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
)

// Grace holds stream records of a stream-table join back for d (0 too), so that the table can catch up; it must be Versioned for at least d (KIP-923).
// It needs Named, which names the buffer <named>-Buffer.
func Grace(d time.Duration) OpOption {
	return opOption{"Grace", func(o *op) { o.grace = &d }}
}

// graceOptions fit a stream-table join.
var graceOptions = []string{"Grace", "InMemory", "NoChangelog"}

// waitingJoin is a node of a stream-table join whose records wait, and its buffer's name.
type waitingJoin[K, V any] struct {
	store string
	value *serdeRef[V]
}

// waits declares the buffer of a join with Grace; nil without it.
func waits[K, V, T any](s Stream[K, V], t Table[K, T], o *op) *waitingJoin[K, V] {
	b := s.b
	if o.grace == nil {
		for _, name := range o.given {
			if name != "Grace" && slices.Contains(graceOptions, name) {
				b.faultf(o, "option %s needs Grace, which makes a buffer", name)
			}
		}
		return nil
	}
	d := *o.grace
	switch {
	case o.name == "":
		b.faultf(o, "Grace makes a buffer: name it with weir.Named")
	case d < 0 || d%time.Millisecond != 0:
		b.faultf(o, "Grace(%v) is not a whole number of milliseconds, 0 or more", d)
	case t.past == nil:
		b.faultf(o, "Grace needs a table with a history: give it weir.Versioned")
	case d.Milliseconds() > t.past.ms:
		b.faultf(o, "Grace(%v) is longer than the table's history, %v", d, time.Duration(t.past.ms)*time.Millisecond)
	}
	own := *o
	own.value = nil // ValueSerde is the result's
	w := &waitingJoin[K, V]{store: o.name + "-Buffer"}
	key, value := storeSerdes(b, &own, w.store, s.key, s.value)
	w.value = value
	addSpec(b, o, w.store, key, value, func() *rows.Spec { return rows.NewWaiting(w.store, key.s, d.Milliseconds()) })
	return w
}

// joinLater makes the node's receiver.
func joinLater[K, V, T, VO any](w *waitingJoin[K, V], n *flow.Node, left bool, look flow.Look[K, T], join func(Record[K, V], T, bool) (VO, error), next flow.Receiver[K, VO]) (flow.Receiver[K, V], error) {
	if w == nil {
		return flow.JoinTable(n, left, look, join, next), nil
	}
	buffer, err := facade[*rows.Waiting[K]](n.Env, w.store)
	if err != nil {
		return nil, err
	}
	return flow.JoinTableLater(n, left, buffer, w.value.s, look, join, next), nil
}
