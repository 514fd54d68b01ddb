package rows

import (
	"math"
	"reflect"
)

// Dirty is the number of rows that wait for a flush.
func (t *Table[KK, V]) Dirty() int { return t.dirty.live }

// Flush writes and forwards every dirty row, in the order of their last changes.
func (t *Table[KK, V]) Flush() error {
	if t.dirty.live == 0 {
		return nil
	}
	ctx := t.host.Context()
	saved := *ctx
	t.dirty.walked = true
	defer func() { *ctx, t.dirty.walked = saved, false }()
	for i := 0; i < t.dirty.n; i++ { // forwarding may add more
		e := *t.dirty.at(i)
		if e.row == 0 {
			continue
		}
		*ctx = t.dirty.context(&e)
		if err := t.flush(t.rows.at(e.row)); err != nil {
			return err
		}
	}
	t.dirty.reset()
	if t.order != nil {
		t.order.Clear()
	}
	return nil
}

// flush writes one row down, logs and forwards it. From here on the row is clean, so that what is forwarded may change it again.
func (t *Table[KK, V]) flush(r *Row[V]) error {
	key := t.rows.keyOf(r)
	old, had, err := t.before(r, key)
	if err != nil {
		return err
	}
	flags, now := r.flags, *r
	t.clean(r)
	if !r.Has && !had && t.onUpdate != nil { // nothing became nothing: Kafka's cache says nothing either
		if flags&(hasOld|spilled) == hasOld {
			return t.write(key, false) // what was spilled meanwhile
		}
		return nil
	}
	if r.Has {
		if err := t.encode(&now); err != nil {
			return err
		}
	}
	if flags&spilled == 0 {
		if err := t.write(key, r.Has); err != nil {
			return err
		}
	}
	if err := t.log(key, &now); err != nil || t.onUpdate == nil {
		return err
	}
	return t.forward(key, &now, old, had)
}

// clean ends a row's entry in the dirty list.
func (t *Table[KK, V]) clean(r *Row[V]) {
	t.dirty.giveUp(r.mark)
	r.mark = 0
	r.flags &^= spilled | hasOld | absent
	if !r.Has {
		r.flags |= absent
	}
}

// before is the row of before a dirty row's first change. It is read only if someone asks: who watches wants the old value, or to know
// whether a deletion deletes anything.
func (t *Table[KK, V]) before(r *Row[V], key []byte) (old []byte, had bool, err error) {
	switch {
	case r.flags&hasOld != 0:
		old, had = t.olds[r.idx]
		delete(t.olds, r.idx)
		return old, had, nil
	case r.flags&absent != 0, t.onUpdate == nil, r.Has && !t.wantOld:
		return nil, false, nil
	}
	t.raw, had, err = t.host.Get(t.raw[:0], key)
	return t.raw, had, err
}

// spill writes a dirty row down so that scans find it, without logging or forwarding it: it stays dirty.
func (t *Table[KK, V]) spill(r *Row[V]) error {
	if r.mark == 0 || r.flags&spilled != 0 {
		return nil
	}
	key := t.rows.keyOf(r)
	if err := t.keepOld(r, key); err != nil {
		return err
	}
	if r.Has {
		if err := t.encode(r); err != nil {
			return err
		}
	}
	if err := t.write(key, r.Has); err != nil {
		return err
	}
	r.flags = r.flags&^absent | spilled
	return nil
}

// keepOld keeps the row of before the first change, which is about to be overwritten below.
func (t *Table[KK, V]) keepOld(r *Row[V], key []byte) error {
	if r.flags&hasOld != 0 || t.onUpdate == nil {
		return nil
	}
	r.flags |= hasOld
	if r.flags&absent != 0 {
		return nil
	}
	raw, had, err := t.host.Get(nil, key)
	if err != nil || !had {
		return err
	}
	if t.olds == nil {
		t.olds = map[uint32][]byte{}
	}
	t.olds[r.idx] = raw
	return nil
}

// spillRange spills the dirty rows with lo <= key < hi.
func (t *Table[KK, V]) spillRange(lo, hi []byte) (err error) {
	switch {
	case t.dirty.live == 0:
		return nil
	case t.order == nil:
		return t.spillAll(lo, hi)
	}
	var done []uint32
	t.probe = lo
	t.order.Ascend(0, func(idx uint32) bool {
		r := t.rows.at(idx)
		if hi != nil && compare(t.rows.keyOf(r), hi) >= 0 {
			return false
		}
		done, err = append(done, idx), t.spill(r)
		return err == nil
	})
	for _, idx := range done {
		t.order.Delete(idx)
	}
	return err
}

// spillAll is spillRange without an order to go by.
func (t *Table[KK, V]) spillAll(lo, hi []byte) error {
	for i := range t.dirty.n {
		e := t.dirty.at(i)
		if e.row == 0 {
			continue
		}
		r := t.rows.at(e.row)
		if key := t.rows.keyOf(r); compare(key, lo) < 0 || hi != nil && compare(key, hi) >= 0 {
			continue
		}
		if err := t.spill(r); err != nil {
			return err
		}
	}
	return nil
}

// less orders rows by key; row 0 stands for the probe.
func (t *Table[KK, V]) less(a, b uint32) bool { return compare(t.orderKey(a), t.orderKey(b)) < 0 }

func (t *Table[KK, V]) orderKey(idx uint32) []byte {
	if idx == 0 {
		return t.probe
	}
	return t.rows.keyOf(t.rows.at(idx))
}

// Bytes estimates what the cache holds. The size of what values point to is taken to be twice that of their encodings.
func (t *Table[KK, V]) Bytes() int64 {
	return t.rows.bytes() + t.dirty.bytes() + int64(float64(t.rows.n)*2*t.mean)
}

// Shrink drops clean rows until the cache holds at most max bytes: first those that were not used again since they came or since the last
// Shrink, older ones before newer ones.
func (t *Table[KK, V]) Shrink(max int64) {
	if t.rows.n == 0 || t.Bytes() <= max || t.dirty.live > 0 {
		return
	}
	each := float64(t.Bytes()) / float64(t.rows.n)
	room := int(math.Max(0, float64(max)/each))
	hits := t.count(hit)
	skipHit := hits - min(hits, room)
	skipRest := t.rows.n - hits - (room - min(hits, room))
	kept := 0
	t.rows.compact(func(r *Row[V]) bool {
		skip := &skipRest
		if r.flags&hit != 0 {
			skip = &skipHit
		}
		r.flags &^= hit
		if *skip--; *skip >= 0 {
			return false
		}
		t.ttl.kept(r.idx, kept)
		kept++
		return true
	})
}

func (t *Table[KK, V]) count(flag uint8) (n int) {
	for i := range t.rows.n {
		if t.rows.at(uint32(i+1)).flags&flag != 0 {
			n++
		}
	}
	return n
}

// Clear forgets everything, dirty rows too.
func (t *Table[KK, V]) Clear() {
	t.rows.clear()
	t.dirty.reset()
	t.olds = nil
	if t.ttl != nil {
		t.ttl.clear()
	}
	if t.order != nil {
		t.order.Clear()
	}
}

// flat reports whether a V points to nothing, strings included.
func flat[V any]() bool { return flatType(reflect.TypeFor[V]()) }

func flatType(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16,
		reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return flatType(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flatType(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
