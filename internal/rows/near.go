package rows

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// manyNear bounds how many windows a store remembers; at it, all is forgotten and learned anew.
	manyNear = 1 << 17
	// fewNear is how many windows of a key are remembered without asking whether they are old.
	fewNear = 32
)

// near remembers where the windows of keys start, so that a record finds those around it without a scan. It is a help that may be forgotten at any
// time, and says nothing about windows that the store no longer shows.
type near struct {
	of    map[string]*nearby
	total int // keys and starts
	key   []byte
	local []byte // a local key of the key asked for last
	now   *nearby
}

// nearby are the starts of a key's windows, ascending: all from a time on.
type nearby struct {
	from int64
	at   []int64
}

// Near appends the starts, in ms, of the key's windows that begin between from and to, both in it, ascending, as a scan would find them. Windows
// that begin more than memory before from may be looked up again by a scan. It is for stores of windows that start anywhere, without
// duplicates, whose windows are written by Window alone.
func (s *Windows[K, V]) Near(dst []int64, k K, from, to, memory int64) (all []int64, err error) {
	n := &s.near
	if n.key, err = encodeKey(s.layout.of, n.key[:0], k); err != nil {
		return dst, s.wrap("encode key", err)
	}
	if n.local = s.layout.seg.join(n.local[:0], n.key, 0, 0); len(n.local) > maxKey {
		return dst, s.wrap("encode key", fmt.Errorf("a key of %d bytes", len(n.key)))
	}
	from = max(from, s.floor())
	if n.now = n.of[string(n.key)]; n.now == nil || n.now.from > from {
		if err := s.learn(from); err != nil {
			return dst, err
		}
	}
	lo, _ := slices.BinarySearch(n.now.at, from)
	hi, _ := slices.BinarySearch(n.now.at[lo:], to+1)
	dst = append(dst, n.now.at[lo:lo+hi]...)
	s.near.forget(from - memory)
	return dst, nil
}

// learn finds the windows of the key asked for by a scan.
func (s *Windows[K, V]) learn(from int64) error {
	n := &s.near
	if n.now != nil {
		n.total -= len(n.now.at) + 1
	}
	if n.total >= manyNear {
		n.of, n.total = nil, 0
	}
	if n.of == nil {
		n.of = map[string]*nearby{}
	}
	n.now = &nearby{from: from}
	upto := s.ceiling(math.MaxInt64)
	if from <= upto {
		if err := s.scanStarts(from, upto); err != nil {
			return err
		}
	}
	n.of[string(n.key)] = n.now
	n.total += len(n.now.at) + 1
	return nil
}

func (s *Windows[K, V]) scanStarts(from, upto int64) error {
	for _, span := range s.keySpans(s.near.key, from, upto) {
		it, err := s.T.iter(span.Lo, span.Hi, false)
		if err != nil {
			return s.wrap("scan", err)
		}
		for it.Next() {
			s.near.now.at = append(s.near.now.at, s.layout.start(it.Key()))
		}
		if err := closed(it); err != nil {
			return s.wrap("scan", err)
		}
	}
	return nil
}

// closed closes an iterator and returns its first error.
func closed(it Iterator) error {
	err := it.Err()
	if lost := it.Close(); err == nil {
		err = lost
	}
	return err
}

// forget drops old starts of the key asked for, when they are many.
func (n *near) forget(before int64) {
	if s := n.now; len(s.at) >= fewNear && s.at[len(s.at)/2] < before {
		i, _ := slices.BinarySearch(s.at, before)
		s.at = append(s.at[:0], s.at[i:]...)
		s.from = max(s.from, before)
		n.total -= i
	}
}

// Window is the row of a window of the key that Near was asked for last.
func (s *Windows[K, V]) Window(start int64) (*Row[V], error) {
	s.at(start)
	return s.T.ref()
}

// Fresh is Window of one that does not exist: it is read only where watchers want to know.
func (s *Windows[K, V]) Fresh(start int64) (*Row[V], error) {
	s.at(start)
	return s.T.blindLocal()
}

// at makes the local key of a window in T.key.
func (s *Windows[K, V]) at(start int64) {
	n := len(s.near.local)
	s.T.key = append(s.T.key[:0], s.near.local...)
	binary.BigEndian.PutUint64(s.T.key, uint64(start/s.layout.seg.interval))
	binary.BigEndian.PutUint64(s.T.key[n-segmentedTail:], uint64(start))
}

// Note says that a window of the key that Near was asked for last was put, or dropped.
func (s *Windows[K, V]) Note(start int64, has bool) {
	now := s.near.now
	i, had := slices.BinarySearch(now.at, start)
	switch {
	case has == had || start < now.from:
	case has:
		now.at = slices.Insert(now.at, i, start)
		s.near.total++
	default:
		now.at = slices.Delete(now.at, i, i+1)
		s.near.total--
	}
}

// Own is a row's value as an object of its own, which may be changed in place while the row keeps its own.
func (t *Table[KK, V]) Own(r *Row[V]) (v V, err error) {
	if !t.shares || !r.Has {
		return r.Value, nil
	}
	if err := t.encode(r); err != nil {
		return v, err
	}
	v, _, err = t.decode(t.enc)
	return v, err
}
