package flow

import (
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/processor"
)

// TableJoin says which rows of two tables, by the same key, make a row of the result, and how. Join is called with what is there; a nil result of a
// nilable kind is none.
type TableJoin[K, T, O, VO any] struct {
	NeedThis, NeedOther bool // without this side's row, without the other's, there is none
	Join                func(k K, this T, hasThis bool, other O, hasOther bool) (VO, error)
}

// row is the result's row of two rows.
func (j *TableJoin[K, T, O, VO]) row(k K, this T, hasThis bool, other O, hasOther bool) (out VO, ok bool, err error) {
	if !hasThis && (j.NeedThis || !hasOther) || !hasOther && j.NeedOther {
		return out, false, nil
	}
	out, err = j.Join(k, this, hasThis, other, hasOther)
	return out, err == nil && !null.Is(out), err
}

// JoinTables is one side of a join of two tables by key: each change of this side's table meets the other's row of that moment (Kafka's
// KTableKTableInnerJoin, LeftJoin, RightJoin and OuterJoin), as that table's updates have told of it: what they will tell yet, when a cache is flushed, must not
// be told twice, or the values of before would be wrong. The result's time is the greater of the two. A null key is dropped, and a change of an earlier version.
// Where the other row is missing and needed, and where nothing was and is on either side, nothing is forwarded; a row that is no more is a tombstone.
func JoinTables[K, T, O, VO any](n *Node, j TableJoin[K, T, O, VO], other Getter[K, O], old bool, next Receiver[K, Change[VO]]) Receiver[K, Change[T]] {
	once := func(r *processor.Record[K, Change[T]]) (c Change[VO], at int64, made bool, err error) {
		row, at, has, err := other(r.Key)
		switch {
		case err != nil, !has && (j.NeedOther || !r.Value.HasNew && !r.Value.HasOld):
			return c, 0, false, err
		case !has:
			at = 0
		}
		if c.New, c.HasNew, err = j.row(r.Key, r.Value.New, r.Value.HasNew, row, has); err == nil && old {
			c.Old, c.HasOld, err = j.row(r.Key, r.Value.Old, r.Value.HasOld, row, has)
		}
		return c, at, true, err
	}
	return func(r processor.Record[K, Change[T]]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		if outOfOrder(n, &r.Value) {
			return nil
		}
		var c Change[VO]
		var at int64
		var made bool
		done, err := n.deciding(func() (err error) {
			c, at, made, err = once(&r)
			return err
		})
		if !done || !made || err != nil {
			return err
		}
		return next(processor.WithValue(notBefore(r, at), c))
	}
}

// notBefore is a record with a time in ms, where that is greater than its own.
func notBefore[K, V any](r processor.Record[K, V], at int64) processor.Record[K, V] {
	if at > r.Time.UnixMilli() {
		r.Time = time.UnixMilli(at).UTC()
	}
	return r
}

// JoinedRows looks up the rows of two tables that are joined, seen from the left.
func JoinedRows[K, L, R, VO any](left Getter[K, L], right Getter[K, R], j TableJoin[K, L, R, VO]) Getter[K, VO] {
	return func(k K) (out VO, at int64, ok bool, err error) {
		l, leftAt, hasLeft, err := left(k)
		if err != nil || !hasLeft && j.NeedThis {
			return out, 0, false, err
		}
		r, rightAt, hasRight, err := right(k)
		if err != nil {
			return out, 0, false, err
		}
		if hasLeft {
			at = leftAt
		}
		if hasRight {
			at = max(at, rightAt)
		}
		out, ok, err = j.row(k, l, hasLeft, r, hasRight)
		return out, at, ok, err
	}
}

// JoinSelf is a table that is joined with itself: both rows change at once, so that the result is made of the same row twice. Changes must carry the
// values of before; what was nothing and is nothing is left out. A null key is dropped.
func JoinSelf[K, T, VO any](n *Node, j TableJoin[K, T, T, VO], old bool, next Receiver[K, Change[VO]]) Receiver[K, Change[T]] {
	once := func(r *processor.Record[K, Change[T]]) (c Change[VO], err error) {
		v := &r.Value
		if c.New, c.HasNew, err = j.row(r.Key, v.New, v.HasNew, v.New, v.HasNew); err == nil && old {
			c.Old, c.HasOld, err = j.row(r.Key, v.Old, v.HasOld, v.Old, v.HasOld)
		}
		return c, err
	}
	return func(r processor.Record[K, Change[T]]) error {
		switch {
		case r.KeyIsNull():
			n.Drop(NullKey)
			return nil
		case !r.Value.HasNew && !r.Value.HasOld, outOfOrder(n, &r.Value):
			return nil
		}
		var c Change[VO]
		done, err := n.deciding(func() (err error) {
			c, err = once(&r)
			return err
		})
		if !done || err != nil {
			return err
		}
		return next(processor.WithValue(r, c))
	}
}

// Ignore is the second side of a table that is joined with itself: the first says all.
func Ignore[K, V any]() Receiver[K, V] {
	return func(processor.Record[K, V]) error { return nil }
}
