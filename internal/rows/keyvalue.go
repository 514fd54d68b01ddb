package rows

import (
	"iter"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
)

// NewKeyValue is the Spec of a key-value store. Open makes a *KeyValue, View a *KeyValueView.
func NewKeyValue[K, V any](name string, k serde.Serde[K], v serde.Serde[V]) *Spec {
	keys, whole := PlainKeys(k), Span{}
	s := newSpec(name, KeyValueKind, keys, k.Name(), v.Name())
	s.Expiring = func(life int64, wall bool) {
		own := ttlKeys[K]{k, wall}
		keys, whole = own, own.whole()
		s.TTL, s.WallTTL, s.Format = life, wall, own.Format()
		s.Row = func(to Restorer, key, val []byte, at int64) error { return ttlRestore(own, life, to, key, val, at) }
	}
	s.Open = func(h Host) (_ any, err error) {
		if s.LRU > 0 {
			if h, err = keepLast(h, s.LRU, s.Quiet); err != nil {
				return nil, err
			}
		}
		t := NewTable(s, h, keys, v)
		if s.TTL > 0 {
			t.expires(s)
		}
		return &KeyValue[K, V]{KeyValueView[K, V]{reads[K, V]{s.Name, keys, t, 0}, whole}, t}, nil
	}
	s.View = func(r Reader, observed int64) (any, error) {
		return &KeyValueView[K, V]{reads[K, V]{s.Name, keys, &committed[V]{Reader: r, name: s.Name, value: v, time: observed, skip: s.stamp() - stampLen}, 0}, whole}, nil
	}
	return s
}

// NewTableSpec is the Spec of a store with key schema and row format of the caller's. Open makes a *Table; there is no View.
func NewTableSpec[KK, V any](name string, kind Kind, keys Keys[KK], keyType string, v serde.Serde[V]) *Spec {
	s := newSpec(name, kind, keys, keyType, v.Name())
	s.Open = func(h Host) (any, error) { return NewTable(s, h, keys, v), nil }
	return s
}

// newSpec fills what all kinds share.
func newSpec[KK any](name string, kind Kind, keys Keys[KK], keyType, valueType string) *Spec {
	s := &Spec{Name: name, Kind: kind, Format: keys.Format(), KeyType: keyType, ValueType: valueType, Logged: true}
	s.Row = func(to Restorer, key, val []byte, at int64) error { return restore(keys, to, key, val, at) }
	if timed, ok := keys.(Timed); ok {
		s.Expire = func(floor int64) []Span {
			if floor = floor / timed.Interval() * timed.Interval(); s.Retention <= 0 || floor <= 0 {
				return nil
			}
			return timed.Expire(floor)
		}
	}
	return s
}

// restore turns a changelog record into rows.
func restore[KK any](keys Keys[KK], to Restorer, key, val []byte, at int64) error {
	var buf, row [256]byte
	local, err := keys.AppendLocal(buf[:0], key)
	if err != nil {
		return err
	}
	if timed, ok := keys.(Timed); ok {
		t, err := timed.Time(local)
		if err != nil {
			return err
		}
		to.Observe(t)
	}
	if val == nil {
		to.Delete(local)
	} else {
		to.Set(local, append(appendTime(row[:0], at), val...))
	}
	if x, ok := keys.(Indexed); ok {
		return restoreIndex(x, to, local, val == nil)
	}
	return nil
}

func restoreIndex(x Indexed, to Restorer, local []byte, gone bool) error {
	index, err := x.AppendIndex(nil, local)
	if err != nil {
		return err
	}
	if gone {
		to.Delete(index)
	} else {
		to.Set(index, nil)
	}
	return nil
}

// KeyValueView reads a key-value store: state.ReadOnlyKeyValue.
type KeyValueView[K, V any] struct {
	reads[K, V]
	whole Span // of all rows
}

// Get is the value of a key.
func (v *KeyValueView[K, V]) Get(k K) (V, bool, error) {
	it, ok, err := v.item(k)
	return it.Value, ok, err
}

// GetWithTime is the value of a key and the time at which it was put.
func (v *KeyValueView[K, V]) GetWithTime(k K) (V, time.Time, bool, error) {
	it, ok, err := v.item(k)
	if !ok {
		return it.Value, time.Time{}, false, err
	}
	return it.Value, time.UnixMilli(it.At).UTC(), true, nil
}

func (v *KeyValueView[K, V]) item(k K) (it Item[V], ok bool, err error) {
	var buf [64]byte
	key, err := v.encode(buf[:0], k)
	if err != nil {
		return it, false, err
	}
	return v.src.lookup(key)
}

func (v *KeyValueView[K, V]) encode(dst []byte, k K) ([]byte, error) {
	if null.Is(k) {
		return dst, v.wrap("encode key", errNilKey)
	}
	b, err := v.keys.Append(dst, k)
	if err != nil {
		return b, v.wrap("encode key", err)
	}
	return b, nil
}

// Range walks the rows from one key to another, which both belong to it, in the order of the encoded keys.
func (v *KeyValueView[K, V]) Range(from, to K) iter.Seq2[K, V] { return v.between(&from, &to, false) }

// ReverseRange is Range from the end.
func (v *KeyValueView[K, V]) ReverseRange(from, to K) iter.Seq2[K, V] {
	return v.between(&from, &to, true)
}

// All walks every row.
func (v *KeyValueView[K, V]) All() iter.Seq2[K, V] { return v.between(nil, nil, false) }

// ReverseAll is All from the end.
func (v *KeyValueView[K, V]) ReverseAll() iter.Seq2[K, V] { return v.between(nil, nil, true) }

// From walks the rows from a key, which belongs to it, to the end.
func (v *KeyValueView[K, V]) From(k K) iter.Seq2[K, V] { return v.between(&k, nil, false) }

// Upto walks the rows from the start to a key, which belongs to it.
func (v *KeyValueView[K, V]) Upto(k K) iter.Seq2[K, V] { return v.between(nil, &k, false) }

// Prefix walks the rows whose encoded key begins with the given bytes.
func (v *KeyValueView[K, V]) Prefix(encoded []byte) iter.Seq2[K, V] {
	return v.values(func() (Span, error) {
		lo := append(clone(v.whole.Lo), encoded...)
		return Span{lo, successor(nil, lo)}, nil
	}, false)
}

func (v *KeyValueView[K, V]) between(from, to *K, reverse bool) iter.Seq2[K, V] {
	return v.values(func() (s Span, err error) {
		s = v.whole
		if from != nil {
			if s.Lo, err = v.encode(nil, *from); err != nil {
				return s, err
			}
		}
		if to != nil {
			if s.Hi, err = v.encode(nil, *to); err != nil {
				return s, err
			}
			s.Hi = append(s.Hi, 0)
		}
		return s, nil
	}, reverse)
}

func (v *KeyValueView[K, V]) values(span func() (Span, error), reverse bool) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		s, err := span()
		if err != nil {
			v.src.fail(err)
			return
		}
		v.keyed([]Span{s}, reverse, nil, func(k K, it Item[V]) bool { return yield(k, it.Value) })
	}
}

// KeyValue is a task's key-value store: state.KeyValue. T is the table under it.
type KeyValue[K, V any] struct {
	KeyValueView[K, V]
	T *Table[K, V]
}

func (s *KeyValue[K, V]) now() int64 { return s.T.host.Context().Time }

// Put sets a value at the time of the record in process; nil of a nilable kind deletes.
func (s *KeyValue[K, V]) Put(k K, v V) error {
	if null.Is(k) {
		return s.wrap("put", errNilKey)
	}
	if err := s.T.Advance(s.now()); err != nil {
		return err
	}
	return s.T.Set(k, v, s.now())
}

// PutAll puts every pair; it stops at the first error.
func (s *KeyValue[K, V]) PutAll(all iter.Seq2[K, V]) error {
	for k, v := range all {
		if err := s.Put(k, v); err != nil {
			return err
		}
	}
	return nil
}

// PutIfAbsent puts a value where there is none, and returns what was there.
func (s *KeyValue[K, V]) PutIfAbsent(k K, v V) (old V, had bool, err error) {
	if null.Is(k) {
		return old, false, s.wrap("put", errNilKey)
	}
	if err = s.T.Advance(s.now()); err != nil {
		return old, false, err
	}
	if old, _, had, err = s.T.Get(k); had || err != nil || null.Is(v) {
		return old, had, err
	}
	return old, false, s.T.Set(k, v, s.now())
}

// Delete deletes a row; the tombstone of a missing one is logged too.
func (s *KeyValue[K, V]) Delete(k K) error {
	if null.Is(k) {
		return s.wrap("delete", errNilKey)
	}
	if err := s.T.Advance(s.now()); err != nil {
		return err
	}
	return s.T.Delete(k, s.now())
}
