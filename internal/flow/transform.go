package flow

import (
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/processor"
)

// TransformTable changes the values of a table by a user's transformer, which sees tombstones too (Kafka's KTableTransformValues). With old it is called
// for the value before as well, after the new one, also where there was none.
func TransformTable[K, V, V2 any](n *Node, p processor.ValueTransformer[K, V, V2], old bool, next Receiver[K, Change[V2]]) Receiver[K, Change[V]] {
	change := func(r processor.Record[K, Change[V]]) (c Change[V2], err error) {
		c.Age = r.Value.Age
		if c.New, c.HasNew, err = transform(p, side(r, r.Value.New, r.Value.HasNew)); err != nil || !old {
			return c, err
		}
		c.Old, c.HasOld, err = transform(p, side(r, r.Value.Old, r.Value.HasOld))
		return c, err
	}
	return func(r processor.Record[K, Change[V]]) error {
		var c Change[V2]
		done, err := n.deciding(func() (err error) {
			c, err = change(r)
			return err
		})
		if !done || err != nil {
			return err
		}
		return next(processor.WithValue(r, c))
	}
}

// side is one value of a change as a record.
func side[K, V any](r processor.Record[K, Change[V]], v V, has bool) processor.Record[K, V] {
	out := processor.WithValue(r, v)
	if !has {
		out = out.AsTombstone()
	}
	return out
}

// transform calls a user's transformer, with its panic as an error.
func transform[K, V, V2 any](p processor.ValueTransformer[K, V, V2], r processor.Record[K, V]) (v V2, ok bool, err error) {
	defer Catch(&err)
	v, ok, err = p.Transform(r)
	return v, ok && !null.Is(v), err
}

// Transformed looks up the rows of a table that TransformTable makes of another. The transformer, which is not the node's own, is called with the row's
// time; where there is no row, with a tombstone without a time, and then a result's time is −1.
func Transformed[K, V, V2 any](of Getter[K, V], p processor.ValueTransformer[K, V, V2]) Getter[K, V2] {
	return func(k K) (v2 V2, at int64, ok bool, err error) {
		v, at, ok, err := of(k)
		if err != nil {
			return v2, 0, false, err
		}
		if !ok {
			at = -1
		}
		v2, ok, err = transform(p, row(k, v, at))
		return v2, at, ok, err
	}
}

// TransformedPast is Transformed for versions; the time is the one that is asked for.
func TransformedPast[K, V, V2 any](of AsOf[K, V], p processor.ValueTransformer[K, V, V2]) AsOf[K, V2] {
	return func(k K, at int64) (v2 V2, ok bool, err error) {
		v, ok, err := of(k, at)
		if err != nil {
			return v2, false, err
		}
		if !ok {
			at = -1
		}
		return transform(p, row(k, v, at))
	}
}

// row is a row as a record; a time of −1 says that there is none.
func row[K, V any](k K, v V, at int64) processor.Record[K, V] {
	r := processor.Record[K, V]{Key: k, Value: v}
	if at < 0 {
		return r.AsTombstone()
	}
	r.Time = time.UnixMilli(at).UTC()
	return r
}
