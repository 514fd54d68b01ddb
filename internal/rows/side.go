package rows

import (
	"fmt"
	"math"

	"github.com/weirstream/weir/serde"
)

// NewSide is the Spec of one side of a join of streams: a window store that keeps duplicates, as NewWindow makes it, whose Open makes a *Side.
// size and retention are in ms; retention is at least 1.
func NewSide[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size, retention int64) *Spec {
	w := Windowing{Size: size, Retention: retention, Duplicates: true}
	spec := NewWindow(name, k, v, w)
	spec.Scans = false // the records of this life are read from memory
	spec.Open = func(h Host) (any, error) {
		s := &Side[K, V]{name: name, host: h, of: k, value: v, keys: segmentedKeys[K]{k, size, SegmentInterval(retention)}, retention: retention}
		s.before = h.Observed()
		return s, nil
	}
	return spec
}

// Side is the records of one side of a join of streams, by key and time: rows of a window store with a number for each record, so that records of
// one key and time stand beside each other. It is owned by the task's goroutine, and has one walk at a time.
type Side[K, V any] struct {
	name      string
	host      Host
	of        serde.Serde[K]
	value     serde.Serde[V]
	keys      segmentedKeys[K]
	retention int64
	seq       uint32
	before    int64 // records up to this time may be of an earlier life, and their numbers taken

	key  []byte // of the record that is put
	row  []byte
	log  []byte
	buf  []byte
	walk sideWalk
}

// sideWalk is a walk through the segments of a key.
type sideWalk struct {
	key      []byte
	lo, hi   []byte
	from, to int64
	segment  int64
	it       Iterator
	at       int64
}

// Host is the store's side of the task.
func (s *Side[K, V]) Host() Host { return s.host }

// Put adds a record of a key, which is not null, at a time in ms. One whose segment has expired is counted and reaches only the changelog, as in
// Kafka.
func (s *Side[K, V]) Put(k K, at int64, v V) (err error) {
	if err := s.encodeKey(k); err != nil {
		return err
	}
	if s.row, err = s.value.Append(appendTime(s.row[:0], at), v); err != nil {
		return fmt.Errorf("store %q: encode value: %w", s.name, err)
	}
	if err := s.number(at); err != nil {
		return err
	}
	s.host.Observe(at)
	if s.expired(at) {
		s.host.Expired()
	} else if err := s.host.Set(s.local(at), s.row); err != nil {
		return err
	}
	return s.host.Log(s.logKey(at), s.row[stampLen:], at, true)
}

// PutNull has a null value: it has no row, and a tombstone with a number of its own in the changelog.
func (s *Side[K, V]) PutNull(k K, at int64) error {
	if err := s.encodeKey(k); err != nil {
		return err
	}
	if err := s.number(at); err != nil {
		return err
	}
	return s.host.Log(s.logKey(at), nil, at, true)
}

func (s *Side[K, V]) encodeKey(k K) (err error) {
	if s.key, err = s.of.Append(s.key[:0], k); err != nil {
		return fmt.Errorf("store %q: encode key: %w", s.name, err)
	}
	return nil
}

// number takes the next number for a record of s.key. Numbers begin at 1 in each life of a task: those of an earlier life are passed over.
func (s *Side[K, V]) number(at int64) error {
	for {
		s.seq = (s.seq + 1) & math.MaxInt32
		if at > s.before {
			return nil
		}
		var taken bool
		var err error
		if s.buf, taken, err = s.host.Get(s.buf[:0], s.local(at)); err != nil || !taken {
			return err
		}
	}
}

func (s *Side[K, V]) local(at int64) []byte {
	s.log = s.keys.join(s.log[:0], s.key, at, s.seq)
	return s.log
}

func (s *Side[K, V]) logKey(at int64) []byte {
	s.log = s.keys.tail(append(s.log[:0], s.key...), at, s.seq)
	return s.log
}

// expired says whether the segment of a time has expired.
func (s *Side[K, V]) expired(at int64) bool {
	floor := s.host.Observed() - s.retention
	return floor >= 0 && at/s.keys.interval < floor/s.keys.interval
}

// Between begins a walk over the records of a key whose times, in ms, lie between two, both in it, in the order of times and of coming. What is not
// after the store's time less its retention is not seen.
func (s *Side[K, V]) Between(k K, from, to int64) (err error) {
	w := &s.walk
	if w.key, err = s.of.Append(w.key[:0], k); err != nil {
		return fmt.Errorf("store %q: encode key: %w", s.name, err)
	}
	w.from, w.to = max(from, s.host.Observed()-s.retention+1, 0), min(to, s.host.Observed())
	w.segment = w.from / s.keys.interval
	return nil
}

// Next goes to the next record of the walk; false at its end.
func (s *Side[K, V]) Next() (bool, error) {
	w := &s.walk
	for {
		if w.it == nil {
			if more, err := s.open(); !more || err != nil {
				return false, err
			}
		}
		if w.it.Next() {
			key := w.it.Key()
			w.at = timeAt(key[len(key)-segmentedTail:])
			return true, nil
		}
		if err := s.Close(); err != nil {
			return false, err
		}
		w.segment++
	}
}

// open begins the next segment of the walk; false where there is none.
func (s *Side[K, V]) open() (bool, error) {
	w := &s.walk
	if w.from > w.to || w.segment > w.to/s.keys.interval {
		return false, nil
	}
	w.lo = appendEscaped(appendTime(w.lo[:0], w.segment), w.key)
	w.hi = appendAfter(append(w.hi[:0], w.lo...), w.to)
	w.lo = appendTime(w.lo, w.from)
	it, err := s.host.Iter(w.lo, w.hi, false)
	w.it = it
	return err == nil, err
}

// At is the time of the walk's record, in ms.
func (s *Side[K, V]) At() int64 { return s.walk.at }

// Value decodes the value of the walk's record.
func (s *Side[K, V]) Value() (v V, err error) {
	row := s.walk.it.Value()
	if len(row) < stampLen {
		return v, fmt.Errorf("store %q: %w", s.name, tooShort("row", row, stampLen))
	}
	if v, err = s.value.Decode(row[stampLen:]); err != nil {
		return v, fmt.Errorf("store %q: decode value: %w", s.name, err)
	}
	return v, nil
}

// Close ends the walk; a second call does nothing.
func (s *Side[K, V]) Close() error {
	it := s.walk.it
	if s.walk.it = nil; it == nil {
		return nil
	}
	err := it.Err()
	if closed := it.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("store %q: scan: %w", s.name, err)
	}
	return nil
}
