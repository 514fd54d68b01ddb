package flow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// The last byte of a change on a topic says what stands before it. Those from 3 on have one byte more before that, which says whether the change is of
// the row that is newest by time; Kafka Streams 3.5 wrote them.
const (
	onlyOld byte = iota
	onlyNew
	bothValues
	withLatest
)

// ChangeSerde is how changes are written to the repartition topic of a grouped table: old ‖ 0, new ‖ 1, or varint(len(new)) ‖ new ‖ old ‖ 2 (Kafka's
// ChangedSerializer).
func ChangeSerde[V any](of serde.Serde[V]) serde.Serde[Change[V]] {
	c := changeSerde[V]{of}
	return serde.New("change("+of.Name()+")", c.append, c.decode)
}

type changeSerde[V any] struct{ of serde.Serde[V] }

var errNoChange = errors.New("a change without old and new value has no bytes")

func (s changeSerde[V]) append(dst []byte, c Change[V]) (_ []byte, err error) {
	switch {
	case c.HasNew && c.HasOld:
		if dst, err = s.sized(dst, c.New); err != nil {
			return dst, err
		}
		dst, err = s.of.Append(dst, c.Old)
		return append(dst, bothValues), err
	case c.HasNew:
		dst, err = s.of.Append(dst, c.New)
		return append(dst, onlyNew), err
	case c.HasOld:
		dst, err = s.of.Append(dst, c.Old)
		return append(dst, onlyOld), err
	}
	return dst, errNoChange
}

// sized appends a value after its length, which is known last.
func (s changeSerde[V]) sized(dst []byte, v V) (_ []byte, err error) {
	at := len(dst)
	if dst, err = s.of.Append(dst, v); err != nil {
		return dst, err
	}
	var size [binary.MaxVarintLen64]byte
	n := binary.PutVarint(size[:], int64(len(dst)-at))
	dst = append(dst, size[:n]...)
	copy(dst[at+n:], dst[at:len(dst)-n])
	copy(dst[at:], size[:n])
	return dst, nil
}

func (s changeSerde[V]) decode(b []byte) (c Change[V], err error) {
	if len(b) == 0 {
		return c, errors.New("a change of no bytes")
	}
	last := len(b) - 1
	kind := b[last]
	b = b[:last]
	if kind >= withLatest && kind <= withLatest+bothValues && len(b) > 0 {
		kind, b = kind-withLatest, b[:last-1]
	}
	switch kind {
	case onlyOld:
		c.HasOld = true
		c.Old, err = s.of.Decode(b)
	case onlyNew:
		c.HasNew = true
		c.New, err = s.of.Decode(b)
	case bothValues:
		return s.both(b)
	default:
		return c, fmt.Errorf("a change of the unknown kind %d", kind)
	}
	return c, err
}

func (s changeSerde[V]) both(b []byte) (c Change[V], err error) {
	size, n := binary.Varint(b)
	if n <= 0 || size < 0 || size > int64(len(b)-n) {
		return c, fmt.Errorf("a change of %d bytes in which the new value's length is wrong", len(b))
	}
	c.HasNew, c.HasOld = true, true
	if c.New, err = s.of.Decode(b[n : n+int(size)]); err != nil {
		return c, err
	}
	c.Old, err = s.of.Decode(b[n+int(size):])
	return c, err
}

// Grouping is the key and the value under which a row counts in a grouped table; not ok: it does not count, for what is null.
type Grouping[K, V any] struct {
	Key   K
	Value V
	OK    bool
	Why   Reason
}

// Regroup says what each change of a table means for the groups of its rows (Kafka's KTableRepartitionMap): in one group the change of a value, from one
// group to another first that the old value leaves, then that the new one comes. f is not called for null. Keys are equal where their bytes are. Changes of
// earlier versions, and a new value that does not count, are dropped.
func Regroup[K, V, K2, V2 any](n *Node, f func(K, V) (Grouping[K2, V2], error), key serde.Serde[K2], next Receiver[K2, Change[V2]]) Receiver[K, Change[V]] {
	g := &regrouping[K, V, K2, V2]{f: f, key: key}
	return func(r processor.Record[K, Change[V]]) error {
		if r.Value.Age == Earlier {
			n.Drop(OutOfOrder)
			return nil
		}
		if done, err := n.deciding(func() error { return g.look(&r) }); !done || err != nil {
			return err
		}
		if r.Value.HasNew && !g.new.OK {
			n.Drop(g.new.Why)
		}
		return g.forward(&r, next)
	}
}

type regrouping[K, V, K2, V2 any] struct {
	f        func(K, V) (Grouping[K2, V2], error)
	key      serde.Serde[K2]
	old, new Grouping[K2, V2]
	same     bool // the group of both
	a, b     []byte
}

// look finds the groups of a change.
func (g *regrouping[K, V, K2, V2]) look(r *processor.Record[K, Change[V]]) (err error) {
	g.old, g.new, g.same = Grouping[K2, V2]{}, Grouping[K2, V2]{}, false
	c := &r.Value
	if c.HasNew {
		if g.new, err = g.f(r.Key, c.New); err != nil {
			return err
		}
	}
	if c.HasOld {
		if g.old, err = g.f(r.Key, c.Old); err != nil {
			return err
		}
	}
	if g.new.OK && g.old.OK {
		g.same, err = g.equal()
	}
	return err
}

func (g *regrouping[K, V, K2, V2]) equal() (same bool, err error) {
	defer Catch(&err)
	if g.a, err = g.key.Append(g.a[:0], g.old.Key); err != nil {
		return false, err
	}
	if g.b, err = g.key.Append(g.b[:0], g.new.Key); err != nil {
		return false, err
	}
	return bytes.Equal(g.a, g.b), nil
}

func (g *regrouping[K, V, K2, V2]) forward(r *processor.Record[K, Change[V]], next Receiver[K2, Change[V2]]) error {
	old, now := g.old, g.new
	if g.same {
		return next(processor.WithValue(processor.WithKey(*r, now.Key), Change[V2]{Old: old.Value, New: now.Value, HasOld: true, HasNew: true}))
	}
	if old.OK {
		if err := next(processor.WithValue(processor.WithKey(*r, old.Key), Change[V2]{Old: old.Value, HasOld: true})); err != nil {
			return err
		}
	}
	if now.OK {
		return next(processor.WithValue(processor.WithKey(*r, now.Key), Change[V2]{New: now.Value, HasNew: true}))
	}
	return nil
}

// AggregateTable keeps an aggregate of each group of a table's rows (Kafka's KTableAggregate, KTableReduce): it takes the old value out, if there is an
// aggregate, then the new one in. What is left without an aggregate is deleted, and forwarded as such, also where there was none. A result's time is
// the greatest of its changes'. A change without a group is dropped.
func AggregateTable[K, V, A any](n *Node, t *rows.Table[K, A], f Folding[K, V, A], old bool, next Receiver[K, Change[A]]) Receiver[K, Change[V]] {
	watch(n, t, old, nil, next)
	to := tableFolder[K, V, A]{newFolder(n, t, f)}
	return func(r processor.Record[K, Change[V]]) error {
		if !counted(n, &r) {
			return nil
		}
		return to.apply(&r)
	}
}

// AggregateVersionedTable is AggregateTable with a history: each change makes a new version of the group's aggregate, at the greatest time of its changes.
func AggregateVersionedTable[K, V, A any](n *Node, t *rows.Versions[K, A], f Folding[K, V, A], old bool, next Receiver[K, Change[A]]) Receiver[K, Change[V]] {
	h, to := &history[K, A]{n, t, old, next}, tableFolding[K, V, A]{f}
	fold := func(r *processor.Record[K, Change[V]]) (out processor.Record[K, Change[A]], err error) {
		at, err := millis(r)
		if err != nil {
			return out, err
		}
		was, had, err := t.Latest(r.Key)
		if err != nil {
			return out, err
		}
		if had {
			at = max(at, was.From)
		}
		var c Change[A]
		c.New, c.HasNew, err = to.after(r, was.Value, had)
		out = processor.WithValue(*r, c)
		out.Time = time.UnixMilli(at).UTC()
		return out, err
	}
	return func(r processor.Record[K, Change[V]]) error {
		if !counted(n, &r) {
			return nil
		}
		var out processor.Record[K, Change[A]]
		done, err := n.deciding(func() (err error) {
			out, err = fold(&r)
			return err
		})
		if !done || err != nil {
			return err
		}
		return h.put(out)
	}
}

// counted says whether a record of a repartition topic is a change of a group.
func counted[K, V any](n *Node, r *processor.Record[K, Change[V]]) bool {
	switch key, value := processor.Nulls(seal.Token{}, r); {
	case key:
		n.Drop(NullKey)
		return false
	case value:
		n.Drop(NullValue)
		return false
	}
	return true
}

// tableFolder applies changes to aggregates in rows.
type tableFolder[K, V, A any] struct{ folder[K, K, V, A] }

func (f *tableFolder[K, V, A]) apply(r *processor.Record[K, Change[V]]) error {
	for {
		row, err := f.once(r)
		if err == nil {
			return nil
		}
		if again, fatal := f.failed(row, err); !again {
			return fatal
		}
	}
}

// once tries it. row is the one that failed user code had in hand.
func (f *tableFolder[K, V, A]) once(r *processor.Record[K, Change[V]]) (row *rows.Row[A], err error) {
	at, err := millis(r)
	if err != nil {
		return nil, err
	}
	if err := f.t.Advance(at); err != nil {
		return nil, err
	}
	now, err := f.t.Ref(r.Key)
	if err != nil {
		return nil, err
	}
	latest := at
	if now.Has {
		latest = max(at, now.At)
	}
	of := tableFolding[K, V, A]{f.Folding}
	sum, has, err := of.after(r, now.Value, now.Has)
	if err != nil {
		return now, err
	}
	return nil, f.keep(now, sum, !has, r.Headers, at, latest)
}

// tableFolding applies changes to aggregates.
type tableFolding[K, V, A any] struct{ Folding[K, V, A] }

// after is an aggregate after a change; without has there was none.
func (f *tableFolding[K, V, A]) after(r *processor.Record[K, Change[V]], now A, had bool) (sum A, has bool, err error) {
	sum, has = now, had
	if r.Value.HasOld && has {
		if sum, err = f.Sub(r.Key, r.Value.Old, sum); err != nil {
			return sum, has, err
		}
		if sum, has, err = f.left(sum); err != nil {
			return sum, has, err
		}
	}
	if !r.Value.HasNew {
		return sum, has, nil
	}
	if sum, err = f.Add(processor.WithValue(*r, r.Value.New), sum, has); err != nil {
		return sum, has, err
	}
	return f.left(sum)
}

// left is an aggregate, or none where it deletes its row.
func (f *tableFolding[K, V, A]) left(sum A) (_ A, has bool, err error) {
	drop, err := f.drops(sum)
	if drop || err != nil || null.Is(sum) {
		var none A
		return none, false, err
	}
	return sum, true, nil
}
