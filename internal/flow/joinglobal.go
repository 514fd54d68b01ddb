package flow

import (
	"fmt"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
)

// GlobalRows looks up the rows of a global table, as they are committed at that moment. Its values are shared by all tasks: nobody may change
// them. cached keeps decoded rows, once for all tasks, until they change.
func GlobalRows[K, V any](env *Env, name string, cached bool) (Getter[K, V], error) {
	l, ok := env.Stores.Lent(name)
	if !ok {
		return nil, fmt.Errorf("task %s was not lent the global store %q", env.Task, name)
	}
	kv, ok := l.Facade().(*rows.KeyValue[K, V])
	if !ok {
		return nil, fmt.Errorf("global store %q is a %T, not a %T", name, l.Facade(), kv)
	}
	if !cached {
		return kv.T.Get, nil
	}
	seen, ok := l.Watched(func(budget int64) store.Watcher { return rows.NewSeen[V](budget) }).(*rows.Seen[V])
	if !ok {
		return nil, fmt.Errorf("global store %q is watched by another kind of cache", name)
	}
	return func(k K) (V, int64, bool, error) { return kv.T.Glance(k, seen) }, nil
}

// JoinGlobal joins each record with the row of the key that on gives for it (Kafka's KStreamGlobalKTableJoin). on sees nulls. A null value is
// dropped. No key, that is false or nil, has no row: an inner join drops the record, a left one calls join with has == false.
func JoinGlobal[K, V, GK, T, VO any](n *Node, left bool, on func(K, V) (GK, bool), get Getter[GK, T],
	join func(r processor.Record[K, V], t T, has bool) (VO, error), next Receiver[K, VO]) Receiver[K, V] {
	once := func(r processor.Record[K, V]) (out VO, made bool, err error) {
		k, keyed, err := keyOf(on, r)
		switch {
		case err != nil:
			return out, false, err
		case r.IsNull():
			n.Drop(NullValue)
			return out, false, nil
		case !keyed && !left:
			n.Drop(NullKey)
			return out, false, nil
		}
		var row T
		has := false
		if keyed {
			row, _, has, err = get(k)
		}
		if err != nil || !has && !left {
			return out, false, err
		}
		out, err = join(r, row, has)
		return out, true, err
	}
	return func(r processor.Record[K, V]) error {
		var out VO
		var made bool
		done, err := n.deciding(func() (err error) {
			out, made, err = once(r)
			return err
		})
		if !done || !made || err != nil {
			return err
		}
		return next(processor.WithValue(r, out))
	}
}

// keyOf is what on gives for a record, with its panic as an error.
func keyOf[K, V, GK any](on func(K, V) (GK, bool), r processor.Record[K, V]) (k GK, ok bool, err error) {
	defer Catch(&err)
	k, ok = on(r.Key, r.Value)
	return k, ok && !null.Is(k), nil
}
