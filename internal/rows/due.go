package rows

import (
	"fmt"
	"iter"
)

// ByTime walks the rows whose time (a window's start, a session's end), in ms, lies between from and to, both in it, in the order of time: what
// is emitted when windows close. It sees rows that have expired but are kept for it (Host.Keep). Values are decoded anew. Keys
// must be aligned or indexed.
func (t *Table[KK, V]) ByTime(from, to int64) iter.Seq2[KK, Item[V]] {
	return func(yield func(KK, Item[V]) bool) {
		timed, ok := t.keys.(Timed)
		if !ok || timed.Between(0, 0).Hi == nil {
			t.fail(fmt.Errorf("store %q: its rows have no order of time", t.name))
			return
		}
		r := reads[KK, V]{name: t.name, keys: t.keys, src: t}
		span := timed.Between(from, to)
		switch {
		case from > to:
		case t.indexed != nil:
			t.byIndex(&r, span, yield)
		default:
			r.keyed([]Span{span}, false, nil, yield)
		}
	}
}

// byIndex walks index rows and looks each row up.
func (t *Table[KK, V]) byIndex(r *reads[KK, V], span Span, yield func(KK, Item[V]) bool) {
	err := t.spillRange(nil, nil) // index rows are written with their rows
	if err != nil {
		t.fail(err)
		return
	}
	it, err := t.host.Iter(span.Lo, span.Hi, false)
	if err != nil {
		t.fail(r.wrap("scan", err))
		return
	}
	defer func() {
		if err := it.Close(); err != nil {
			t.fail(r.wrap("close scan", err))
		}
	}()
	for it.Next() {
		if more, err := t.indexedRow(it.Key(), yield); err != nil {
			t.fail(r.wrap("scan", err))
			return
		} else if !more {
			return
		}
	}
	if err := it.Err(); err != nil {
		t.fail(r.wrap("scan", err))
	}
}

func (t *Table[KK, V]) indexedRow(index []byte, yield func(KK, Item[V]) bool) (more bool, err error) {
	local, err := t.indexed.FromIndex(nil, index)
	if err != nil {
		return false, err
	}
	raw, ok, err := t.host.Get(nil, local)
	if err != nil || !ok { // deleted since the scan began
		return err == nil, err
	}
	item, err := t.unpack(raw)
	if err != nil {
		return false, err
	}
	k, err := t.keys.Decode(local)
	if err != nil {
		return false, err
	}
	return yield(k, item), nil
}
