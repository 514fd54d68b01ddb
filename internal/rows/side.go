package rows

import (
	"encoding/binary"
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
	kept := spec.Row
	spec.Row = func(to Restorer, key, val []byte, at int64) error {
		if val == nil { // a null value: it had no row, and did not move the store's time
			return nil
		}
		return kept(to, key, val, at)
	}
	spec.Open = func(h Host) (any, error) {
		s := &Side[K, V]{name: name, host: h, of: k, value: v, keys: segmentedKeys[K]{k, size, SegmentInterval(retention)}, retention: retention}
		s.before = h.Observed()
		s.recent.since = s.before
		h.Attach(s)
		return s, nil
	}
	return spec
}

// Side is the records of one side of a join of streams, by key and time: rows of a window store with a number for each record, so that records of
// one key and time stand beside each other. The latest are also in memory, as far as the task's cache has room, where most walks find all they want. It is
// owned by the task's goroutine, and has one walk at a time.
type Side[K, V any] struct {
	name      string
	host      Host
	of        serde.Serde[K]
	value     serde.Serde[V]
	keys      segmentedKeys[K]
	retention int64
	seq       uint32
	before    int64 // records up to this time may be of an earlier life, and their numbers taken
	waits     bool  // the next record that is put waits for a match
	recent    recent

	key  []byte // of the record that is put
	row  []byte
	log  []byte
	walk sideWalk
}

// sideWalk is a walk through a key's records in memory, or through the segments of its rows.
type sideWalk struct {
	key      []byte
	lo, hi   []byte
	from, to int64
	segment  int64
	it       Iterator
	at       int64

	inMemory bool
	places   []uint64 // those to come, the next one last
	met      met
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
	} else if err := s.keep(at); err != nil {
		return err
	}
	return s.host.Log(s.logKey(at), s.row[stampLen:], at, true)
}

func (s *Side[K, V]) keep(at int64) error {
	if err := s.host.Set(s.local(at), s.row); err != nil {
		return err
	}
	if at > s.recent.since {
		s.recent.add(s.key, at, s.row[stampLen:], s.waits, s.floor())
	}
	return nil
}

// Waits says that the record that is put next waits for a match, or does not.
func (s *Side[K, V]) Waits(yes bool) { s.waits = yes }

// floor is the least time that is still seen.
func (s *Side[K, V]) floor() int64 { return s.host.Observed() - s.retention + 1 }

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

// number takes the next number for a record of s.key. Numbers begin at 1 in each life of a task: beside records of an earlier life they go on from
// theirs, so that their order stays that of coming.
func (s *Side[K, V]) number(at int64) error {
	if at <= s.before {
		if err := s.goOn(at); err != nil {
			return err
		}
	}
	s.seq = (s.seq + 1) & math.MaxInt32
	return nil
}

// goOn raises the number to the greatest at s.key and a time.
func (s *Side[K, V]) goOn(at int64) error {
	lo := s.keys.join(nil, s.key, at, 0)
	it, err := s.host.Iter(lo, s.keys.join(nil, s.key, at, math.MaxUint32), true)
	if err != nil {
		return err
	}
	if it.Next() {
		key := it.Key()
		s.seq = max(s.seq, binary.BigEndian.Uint32(key[len(key)-seqLen:]))
	}
	if err := closed(it); err != nil {
		return fmt.Errorf("store %q: scan: %w", s.name, err)
	}
	return nil
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
	return segmentExpired(at, s.host.Observed()-s.retention, s.keys.interval)
}

// Between begins a walk over the records of a key whose times, in ms, lie between two, both in it, in the order of times and of coming. What is not
// after the store's time less its retention is not seen.
func (s *Side[K, V]) Between(k K, from, to int64) (err error) {
	w := &s.walk
	if w.key, err = s.of.Append(w.key[:0], k); err != nil {
		return fmt.Errorf("store %q: encode key: %w", s.name, err)
	}
	w.from, w.to = max(from, s.floor(), 0), min(to, s.host.Observed())
	w.segment = w.from / s.keys.interval
	if w.inMemory = w.from > s.recent.since; w.inMemory {
		w.places = s.recent.between(w.places[:0], w.key, w.from, w.to)
	}
	return nil
}

// Next goes to the next record of the walk; false at its end.
func (s *Side[K, V]) Next() (bool, error) {
	w := &s.walk
	if w.inMemory {
		return s.nextInMemory(), nil
	}
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

func (s *Side[K, V]) nextInMemory() bool {
	w := &s.walk
	n := len(w.places) - 1
	if n < 0 {
		return false
	}
	w.met, w.places = s.recent.at(w.places[n]), w.places[:n]
	w.at = w.met.at()
	return true
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
	value, err := s.bytes()
	if err != nil {
		return v, err
	}
	if v, err = s.value.Decode(value); err != nil {
		return v, fmt.Errorf("store %q: decode value: %w", s.name, err)
	}
	return v, nil
}

func (s *Side[K, V]) bytes() ([]byte, error) {
	if s.walk.inMemory {
		return s.walk.met.value(), nil
	}
	row := s.walk.it.Value()
	if len(row) < stampLen {
		return nil, fmt.Errorf("store %q: %w", s.name, tooShort("row", row, stampLen))
	}
	return row[stampLen:], nil
}

// Match says that the walk's record has found a match, and reports whether it may have waited for one.
func (s *Side[K, V]) Match() bool {
	if !s.walk.inMemory {
		return true
	}
	waited := s.walk.met.waits()
	s.walk.met.match()
	return waited
}

// Close ends the walk; a second call does nothing.
func (s *Side[K, V]) Close() error {
	it := s.walk.it
	if s.walk.it = nil; it == nil {
		return nil
	}
	if err := closed(it); err != nil {
		return fmt.Errorf("store %q: scan: %w", s.name, err)
	}
	return nil
}

// A Side is a Cache that is never dirty: what it holds in memory is written too.

// Dirty is 0.
func (s *Side[K, V]) Dirty() int { return 0 }

// Flush does nothing.
func (s *Side[K, V]) Flush() error { return nil }

// Shrink lets the records go that came first.
func (s *Side[K, V]) Shrink(max int64) { s.recent.shrink(max) }

// Bytes is what the records in memory take.
func (s *Side[K, V]) Bytes() int64 { return s.recent.bytes() }

// Clear lets all go.
func (s *Side[K, V]) Clear() { s.recent.clear(s.host.Observed()) }
