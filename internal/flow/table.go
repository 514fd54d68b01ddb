package flow

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
)

// Table keeps the last value of each key and forwards what changes (Kafka's KTableSource). A null key is dropped, a null value deletes. Records
// are taken in the order in which they come, whatever their times.
func Table[K, V any](n *Node, t *rows.Table[K, V], old bool, next Receiver[K, Change[V]]) Receiver[K, V] {
	watch(n, t, old, nil, next)
	return Hold(n, t)
}

// Hold is Table of which nobody hears: it need not know what a row was before.
func Hold[K, V any](n *Node, t *rows.Table[K, V]) Receiver[K, V] {
	ctx := t.Host().Context()
	put := func(r *processor.Record[K, V]) error {
		at, err := millis(r)
		if err == nil {
			err = t.Advance(at)
		}
		if err != nil {
			return err
		}
		before := carry(ctx, r.Headers)
		if r.IsNull() {
			err = t.Delete(r.Key, at)
		} else {
			err = t.Set(r.Key, r.Value, at)
		}
		ctx.Headers = before
		return err
	}
	return func(r processor.Record[K, V]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		_, err := n.deciding(func() error { return put(&r) })
		return err
	}
}

// ToStream forwards the new value of each change; a deleted row's is null.
func ToStream[K, V any](next Receiver[K, V]) Receiver[K, Change[V]] {
	return func(r processor.Record[K, Change[V]]) error {
		out := processor.WithValue(r, r.Value.New)
		if !r.Value.HasNew {
			out = out.AsTombstone()
		}
		return next(out)
	}
}

// PlainTable is a table without a store: each record is a change of which the value before is not known (Kafka's KTableSource that is not
// materialised). A null key is dropped.
func PlainTable[K, V any](n *Node, next Receiver[K, Change[V]]) Receiver[K, V] {
	return func(r processor.Record[K, V]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		return next(processor.WithValue(r, Change[V]{New: r.Value, HasNew: !r.IsNull()}))
	}
}

// Keep is the end of an operator whose result has a store: it writes the new value of each change and forwards what the store says has changed.
// The change's own value of before is not looked at. With quiet, what is nothing there and becomes nothing is left out (Kafka's KTableFilter).
func Keep[K, V any](n *Node, t *rows.Table[K, V], old, quiet bool, next Receiver[K, Change[V]]) Receiver[K, Change[V]] {
	watch(n, t, old, nil, next)
	ctx := t.Host().Context()
	put := func(r *processor.Record[K, Change[V]]) error {
		at, err := millis(r)
		if err == nil {
			err = t.Advance(at)
		}
		if err != nil {
			return err
		}
		if quiet && !r.Value.HasNew && r.Value.Age == Only {
			if row, err := t.Ref(r.Key); err != nil || !row.Has {
				return err
			}
		}
		before := carry(ctx, r.Headers)
		if r.Value.HasNew {
			err = t.Set(r.Key, r.Value.New, at)
		} else {
			err = t.Delete(r.Key, at)
		}
		ctx.Headers = before
		return err
	}
	return func(r processor.Record[K, Change[V]]) error {
		_, err := n.deciding(func() error { return put(&r) })
		return err
	}
}

// MapTable changes the values of a table: f says what becomes of a row, ok == false that it has no part in the result. It is not called for null.
// Kafka's KTableMapValues forwards every change; its KTableFilter, which is quiet, leaves out what was nothing and is nothing, with old values, unless the table has a history, which goes on below.
func MapTable[K, V, V2 any](n *Node, old, quiet bool, f func(K, V) (v V2, ok bool, err error), next Receiver[K, Change[V2]]) Receiver[K, Change[V]] {
	change := func(r processor.Record[K, Change[V]]) (c Change[V2], err error) {
		c.Age = r.Value.Age
		if r.Value.HasNew {
			if c.New, c.HasNew, err = f(r.Key, r.Value.New); err != nil {
				return c, err
			}
		}
		if old && r.Value.HasOld {
			c.Old, c.HasOld, err = f(r.Key, r.Value.Old)
		}
		return c, err
	}
	return func(r processor.Record[K, Change[V]]) error {
		for {
			c, err := change(r)
			if err == nil {
				if quiet && old && !c.HasOld && !c.HasNew && c.Age == Only {
					return nil
				}
				return next(processor.WithValue(r, c))
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}

// Getter looks up a table's row of this moment, and its time in ms. The value may be the store's own: it must not be changed.
type Getter[K, V any] func(K) (v V, at int64, ok bool, err error)

// Rows looks up the rows of a store.
func Rows[K, V any](env *Env, t *rows.Table[K, V]) Getter[K, V] {
	if env.told {
		return t.Told
	}
	return t.Get
}

// Mapped looks up the rows of a table that MapTable makes of another.
func Mapped[K, V, V2 any](of Getter[K, V], f func(K, V) (v V2, ok bool, err error)) Getter[K, V2] {
	return func(k K) (v2 V2, at int64, ok bool, err error) {
		v, at, ok, err := of(k)
		if !ok || err != nil {
			return v2, 0, false, err
		}
		v2, ok, err = f(k, v)
		return v2, at, ok, err
	}
}
