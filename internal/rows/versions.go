package rows

import (
	"bytes"
	"fmt"
)

// Rows of a versioned store begin with a tag.
const (
	versionTag = 0 // 00 ‖ ekey: the current version; 00 ‖ ekey ‖ ^from: an earlier one
	endingTag  = 1 // 01 ‖ segment ‖ key: some version of the key ended in the segment
)

// current is the end of a version that has none.
const current = -1

// interval is a version: what a key held from a time, in it, to another, not in it. Without has it held nothing. One of no length, without a value, is the
// mark of a deletion after which nothing is known.
type interval struct {
	from, to int64
	val      []byte
	has      bool
}

// versions are the rows of a versioned store with Kafka's rules (RocksDBVersionedStore), without its segments: the current version of a key, if it has one, in
// a row of its own, and earlier ones, which do not overlap, as far as history goes back. Where no version is known a key held nothing. Times are ms.
type versions struct {
	host     Host
	history  int64
	interval int64 // the grain in which versions expire
	sweeping bool  // there may be expired versions
	base     []byte
	key, row []byte
}

// versionInterval is the grain in which versions expire.
func versionInterval(history int64) int64 { return max(history/2, 60_000) }

// floor is the least time of which something is known but the current version.
func (s *versions) floor() int64 { return s.host.Observed() - s.history }

func (s *versions) floorSegment() int64 { return max(0, s.floor()) / s.interval }

// put sets what a key held from a time on, until its next version; nil is nothing. until is that version's time, or current. A put older than the
// history changes nothing.
//
// A deletion at the very time of the current version takes it away, and is remembered only if another version ended there: else the version
// before it, or one that comes out of order, goes on, as in Kafka.
func (s *versions) put(key, val []byte, at int64) (until int64, kept bool, err error) {
	if at < s.floor() {
		return 0, false, nil
	}
	was := s.floorSegment()
	s.host.Observe(at)
	s.sweeping = s.sweeping || s.floorSegment() != was
	s.base = appendVersions(s.base[:0], key)
	last, err := currentOf(s.host, s.base)
	if err != nil {
		return 0, false, err
	}
	if last.has && at >= last.from {
		return current, true, s.supersede(key, last, val, at)
	}
	until, err = s.insert(key, last, val, at)
	return until, err == nil, err
}

// supersede ends the current version.
func (s *versions) supersede(key []byte, last interval, val []byte, at int64) error {
	if at > last.from {
		last.to = at
		if err := s.keep(key, last); err != nil {
			return err
		}
	}
	return s.setCurrent(val, at)
}

func (s *versions) setCurrent(val []byte, at int64) error {
	if val == nil {
		return s.host.Delete(s.base)
	}
	s.row = append(appendTime(s.row[:0], at), val...)
	return s.host.Set(s.base, s.row)
}

// insert adds a version where no current one is, or a later one.
func (s *versions) insert(key []byte, last interval, val []byte, at int64) (until int64, err error) {
	before, found, err := versionAt(s.host, s.base, at)
	if err != nil {
		return 0, err
	}
	if found && at < before.to {
		return before.to, s.split(key, before, val, at)
	}
	next, err := s.after(last, at)
	switch {
	case err != nil:
		return 0, err
	case next != current:
		return next, s.keep(key, interval{from: at, to: next, val: val, has: val != nil})
	case val != nil:
		return current, s.setCurrent(val, at)
	case found && before.to == at:
		return current, nil
	}
	return current, s.keep(key, interval{from: at, to: at})
}

// split changes a version from a time on.
func (s *versions) split(key []byte, v interval, val []byte, at int64) error {
	changed := interval{from: at, to: v.to, val: val, has: val != nil}
	if at > v.from {
		v.to, v.val = at, bytes.Clone(v.val)
		if err := s.keep(key, v); err != nil {
			return err
		}
	}
	return s.keep(key, changed)
}

// after is the time of the first version after one, or current.
func (s *versions) after(last interval, at int64) (int64, error) {
	lo := append(s.key[:0], s.base...)
	lo = append(lo, 0) // past the current version's row
	hi := appendVersion(nil, s.base, at)
	s.key = lo
	it, err := s.host.Iter(lo, hi, true)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	if it.Next() {
		return fromOf(it.Key())
	}
	if last.has {
		return last.from, it.Err()
	}
	return current, it.Err()
}

// keep writes an earlier version, and that it ended in its segment.
func (s *versions) keep(key []byte, v interval) error {
	s.key = appendVersion(s.key[:0], s.base, v.from)
	s.row = append(appendTime(s.row[:0], v.to), 0)
	if v.has {
		s.row[len(s.row)-1] = 1
		s.row = append(s.row, v.val...)
	}
	if err := s.host.Set(s.key, s.row); err != nil {
		return err
	}
	s.key = append(appendEnding(s.key[:0], v.to/s.interval), key...)
	return s.host.Set(s.key, nil)
}

// sweep deletes expired versions of at most max keys. Nobody sees them.
func (s *versions) sweep(max int) (err error) {
	if s.floorSegment() == 0 {
		s.sweeping = false
		return nil
	}
	it, err := s.host.Iter(appendEnding(nil, 0), appendEnding(nil, s.floorSegment()), false)
	if err != nil {
		return err
	}
	defer it.Close()
	for ; max > 0 && it.Next(); max-- {
		if err := s.forget(it.Key()); err != nil {
			return err
		}
	}
	s.sweeping = max == 0
	return it.Err()
}

// forget deletes the expired versions of one key, and the row that led to it.
func (s *versions) forget(ending []byte) error {
	base := appendVersions(nil, ending[1+stampLen:])
	it, err := s.host.Iter(append(bytes.Clone(base), 0), afterEscaped(bytes.Clone(base)), false)
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		if len(it.Value()) < stampLen {
			return tooShort("version", it.Value(), stampLen)
		}
		if timeAt(it.Value())/s.interval >= s.floorSegment() {
			continue
		}
		if err := s.host.Delete(bytes.Clone(it.Key())); err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	return s.host.Delete(bytes.Clone(ending))
}

func appendVersions(dst, key []byte) []byte { return appendEscaped(append(dst, versionTag), key) }

func appendVersion(dst, base []byte, from int64) []byte {
	return appendTime(append(dst, base...), ^from)
}

func appendEnding(dst []byte, segment int64) []byte {
	return appendTime(append(dst, endingTag), segment)
}

// fromOf is the time from which the version of a row held.
func fromOf(local []byte) (int64, error) {
	if len(local) < stampLen {
		return 0, tooShort("version's key", local, stampLen)
	}
	return ^timeAt(local[len(local)-stampLen:]), nil
}

// currentOf is the current version of a key; without has there is none.
func currentOf(r Reader, base []byte) (v interval, err error) {
	raw, ok, err := r.Get(nil, base)
	if err != nil || !ok {
		return v, err
	}
	return asCurrent(raw)
}

func asCurrent(raw []byte) (v interval, err error) {
	if len(raw) < stampLen {
		return v, tooShort("version", raw, stampLen)
	}
	return interval{from: timeAt(raw), to: current, val: raw[stampLen:], has: true}, nil
}

// asEarlier takes an earlier version's row apart.
func asEarlier(local, raw []byte) (v interval, err error) {
	if len(raw) <= stampLen {
		return v, tooShort("version", raw, stampLen+1)
	}
	v = interval{to: timeAt(raw), val: raw[stampLen+1:], has: raw[stampLen] != 0}
	v.from, err = fromOf(local)
	return v, err
}

// versionAt is the last earlier version that begins at a time or before.
func versionAt(r Reader, base []byte, at int64) (v interval, found bool, err error) {
	it, err := r.Iter(appendVersion(nil, base, at), afterEscaped(bytes.Clone(base)), false)
	if err != nil {
		return v, false, err
	}
	defer it.Close()
	if !it.Next() {
		return v, false, it.Err()
	}
	if v, err = asEarlier(it.Key(), it.Value()); err != nil {
		return v, false, fmt.Errorf("row %x: %w", it.Key(), err)
	}
	v.val = bytes.Clone(v.val)
	return v, true, nil
}
