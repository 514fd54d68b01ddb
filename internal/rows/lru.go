package rows

import (
	"cmp"
	"container/list"
	"fmt"
	"slices"
)

// lru is a Host that keeps only the rows used last (Kafka's MemoryLRUCache). To read a row, or to write it, is to use it. One that is evicted leaves a tombstone in the
// changelog, at the time of the record in process, unless it is evicted silently; nobody else is told. After a restart rows count as used in the order of
// their times.
type lru struct {
	Host
	most  int
	quiet bool
	order *list.List // of keys, the one used last at the end
	at    map[string]*list.Element
}

// keepLast makes the Host of a store for at most so many rows.
func keepLast(h Host, most int, quiet bool) (Host, error) {
	l := &lru{Host: h, most: most, quiet: quiet, order: list.New(), at: map[string]*list.Element{}}
	it, err := h.Iter(nil, nil, false)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	type used struct {
		key string
		at  int64
	}
	var all []used
	for it.Next() {
		if len(it.Value()) < stampLen {
			return nil, tooShort("row", it.Value(), stampLen)
		}
		all = append(all, used{string(it.Key()), timeAt(it.Value())})
	}
	slices.SortStableFunc(all, func(a, b used) int { return cmp.Compare(a.at, b.at) })
	for _, u := range all {
		l.at[u.key] = l.order.PushBack(u.key)
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	return l, l.shrink()
}

func (l *lru) Get(dst, key []byte) (val []byte, ok bool, err error) {
	if e := l.at[string(key)]; e != nil {
		l.order.MoveToBack(e)
	}
	return l.Host.Get(dst, key)
}

func (l *lru) Set(key, val []byte) error {
	if err := l.Host.Set(key, val); err != nil {
		return err
	}
	if e := l.at[string(key)]; e != nil {
		l.order.MoveToBack(e)
		return nil
	}
	l.at[string(key)] = l.order.PushBack(string(key))
	return l.shrink()
}

func (l *lru) shrink() error {
	for len(l.at) > l.most {
		if err := l.evict(); err != nil {
			return fmt.Errorf("evict a row: %w", err)
		}
	}
	return nil
}

func (l *lru) evict() error {
	key := l.order.Remove(l.order.Front()).(string)
	delete(l.at, key)
	if err := l.Host.Delete([]byte(key)); err != nil || l.quiet {
		return err
	}
	return l.Host.Log([]byte(key), nil, l.Context().Time, false)
}

func (l *lru) Delete(key []byte) error {
	if e := l.at[string(key)]; e != nil {
		l.order.Remove(e)
		delete(l.at, string(key))
	}
	return l.Host.Delete(key)
}
