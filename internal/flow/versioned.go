package flow

import (
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
)

// Age says which version of a row a change is about.
type Age uint8

// The ages of changes. Who keeps or combines the rows of a moment leaves Earlier ones out: the row is as it was (KIP-914).
const (
	Only    Age = iota // the table keeps no history
	Newest             // the current version
	Earlier            // one before it, which came out of order
)

// outOfOrder drops a change of an earlier version, where current rows are combined.
func outOfOrder[V any](n *Node, c *Change[V]) bool {
	if c.Age != Earlier {
		return false
	}
	n.Drop(OutOfOrder)
	return true
}

// AsOf looks up what a table's row was at a time in ms.
type AsOf[K, V any] func(k K, at int64) (v V, ok bool, err error)

// Past looks up the versions of a store.
func Past[K, V any](t *rows.Versions[K, V]) AsOf[K, V] {
	return func(k K, at int64) (V, bool, error) {
		v, ok, err := t.AsOf(k, at)
		return v.Value, ok, err
	}
}

// MappedPast looks up the versions of a table that MapTable makes of another.
func MappedPast[K, V, V2 any](of AsOf[K, V], f func(K, V) (v V2, ok bool, err error)) AsOf[K, V2] {
	return func(k K, at int64) (none V2, ok bool, err error) {
		v, ok, err := of(k, at)
		if !ok || err != nil {
			return none, false, err
		}
		return f(k, v)
	}
}

// Current looks up the current versions of a store.
func Current[K, V any](t *rows.Versions[K, V]) Getter[K, V] {
	return func(k K) (V, int64, bool, error) {
		v, ok, err := t.Latest(k)
		return v.Value, v.From, ok, err
	}
}

// history writes to a versioned store and forwards. What is older than the history is counted by the store, and ends there.
type history[K, V any] struct {
	n    *Node
	t    *rows.Versions[K, V]
	old  bool
	next Receiver[K, Change[V]]
}

// put gives a row a version at r's time, and forwards the change; the value of before is that of the current version, as in Kafka.
func (h *history[K, V]) put(r processor.Record[K, Change[V]]) error {
	kept := false
	done, err := h.n.deciding(func() (err error) {
		kept, err = h.write(&r)
		return err
	})
	if !done || !kept || err != nil {
		return err
	}
	return h.next(r)
}

func (h *history[K, V]) write(r *processor.Record[K, Change[V]]) (kept bool, err error) {
	at, err := millis(r)
	if err != nil {
		return false, err
	}
	c := &r.Value
	if c.HasOld = false; h.old {
		was, had, err := h.t.Latest(r.Key)
		if err != nil {
			return false, err
		}
		c.Old, c.HasOld = was.Value, had
	}
	var until int64
	if c.HasNew {
		until, kept, err = h.t.Put(r.Key, c.New, at)
	} else {
		until, kept, err = h.t.Drop(r.Key, at)
	}
	c.Age = Newest
	if until >= 0 {
		c.Age = Earlier
	}
	return kept, err
}

// VersionedTable is Table with a history (KIP-889): records are taken by their times. One that comes out of order changes what was, and is forwarded as
// such.
func VersionedTable[K, V any](n *Node, t *rows.Versions[K, V], old bool, next Receiver[K, Change[V]]) Receiver[K, V] {
	h := &history[K, V]{n, t, old, next}
	return func(r processor.Record[K, V]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		return h.put(processor.WithValue(r, Change[V]{New: r.Value, HasNew: !r.IsNull()}))
	}
}

// VersionedRows keeps the history of a table that is made of another.
func VersionedRows[K, V any](n *Node, t *rows.Versions[K, V], old bool, next Receiver[K, Change[V]]) Receiver[K, Change[V]] {
	h := &history[K, V]{n, t, old, next}
	return h.put
}

// AggregateVersioned is Aggregate with a history: each record makes a new version of the current aggregate, at the greatest time of its records.
func AggregateVersioned[K, V, A any](n *Node, t *rows.Versions[K, A], f Folding[K, V, A], old bool, next Receiver[K, Change[A]]) Receiver[K, V] {
	h := &history[K, A]{n, t, old, next}
	fold := func(r *processor.Record[K, V]) (sum A, has bool, at int64, err error) {
		if at, err = millis(r); err != nil {
			return sum, false, at, err
		}
		was, had, err := t.Latest(r.Key)
		if err != nil {
			return sum, false, at, err
		}
		if had {
			at = max(at, was.From)
		}
		if sum, err = f.Add(*r, was.Value, had); err != nil {
			return sum, false, at, err
		}
		drop, err := f.drops(sum)
		return sum, !drop && !null.Is(sum), at, err
	}
	return func(r processor.Record[K, V]) error {
		if !f.takes(n, &r, false) {
			return nil
		}
		var c Change[A]
		var at int64
		done, err := n.deciding(func() (err error) {
			c.New, c.HasNew, at, err = fold(&r)
			return err
		})
		if !done || err != nil {
			return err
		}
		out := processor.WithValue(r, c)
		out.Time = time.UnixMilli(at).UTC()
		return h.put(out)
	}
}
