package flow

import (
	"time"

	"github.com/weirstream/weir/processor"
)

// Look finds the row that a record of a key and a time is joined with.
type Look[K, T any] func(k K, at time.Time) (row T, has bool, err error)

// LookNow finds the row of this moment.
func LookNow[K, T any](get Getter[K, T]) Look[K, T] {
	return func(k K, _ time.Time) (T, bool, error) {
		row, _, has, err := get(k)
		return row, has, err
	}
}

// LookBack finds the row of the record's time (KIP-914).
func LookBack[K, T any](of AsOf[K, T]) Look[K, T] {
	return func(k K, at time.Time) (T, bool, error) { return of(k, at.UnixMilli()) }
}

// JoinTable joins each record with the row of its key that look finds (Kafka's KStreamKTableJoinProcessor). A null value is dropped.
// Without a row an inner join makes nothing, a left one calls join with has == false. A null key has no row: an inner join drops it.
func JoinTable[K, V, T, VO any](n *Node, left bool, look Look[K, T], join func(r processor.Record[K, V], t T, has bool) (VO, error), next Receiver[K, VO]) Receiver[K, V] {
	once := func(r processor.Record[K, V]) (out VO, made bool, err error) {
		var row T
		var has bool
		if !r.KeyIsNull() {
			if row, has, err = look(r.Key, r.Time); err != nil {
				return out, false, err
			}
		}
		if !has && !left {
			return out, false, nil
		}
		out, err = join(r, row, has)
		return out, true, err
	}
	return func(r processor.Record[K, V]) error {
		if r.KeyIsNull() && !left {
			n.Drop(NullKey)
			return nil
		}
		if r.IsNull() {
			n.Drop(NullValue)
			return nil
		}
		for {
			out, made, err := once(r)
			if err == nil {
				if !made {
					return nil
				}
				return next(processor.WithValue(r, out))
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}
