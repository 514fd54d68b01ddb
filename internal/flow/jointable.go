package flow

import (
	"github.com/weirstream/weir/processor"
)

// JoinTable joins each record with the table's row of its key at that moment (Kafka's KStreamKTableJoinProcessor). A null value is dropped.
// Without a row an inner join makes nothing, a left one calls join with has == false. A null key has no row: an inner join drops it.
func JoinTable[K, V, T, VO any](n *Node, left bool, get Getter[K, T], join func(r processor.Record[K, V], t T, has bool) (VO, error), next Receiver[K, VO]) Receiver[K, V] {
	once := func(r processor.Record[K, V]) (out VO, made bool, err error) {
		var row T
		var has bool
		if !r.KeyIsNull() {
			if row, _, has, err = get(r.Key); err != nil {
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
