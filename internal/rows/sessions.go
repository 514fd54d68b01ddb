package rows

import (
	"iter"
	"math"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// NewSession is the Spec of a store of sessions. Open makes a *Sessions, View a *SessionView. Retention is in ms, from a session's end; 0
// keeps for ever. An indexed store finds sessions by their end too.
func NewSession[K, V any](name string, k serde.Serde[K], v serde.Serde[V], retention int64, indexed bool) *Spec {
	keys := SessionKeys(k, retention, indexed)
	plain := sessionKeys[K]{k, SegmentInterval(retention)}
	s := newSpec(name, SessionKind, keys, k.Name(), v.Name())
	s.Retention, s.Scans = retention, true
	s.Open = func(h Host) (any, error) {
		t := NewTable(s, h, keys, v)
		return &Sessions[K, V]{SessionView: SessionView[K, V]{reads[window.Key[K], V]{s.Name, keys, t, s.Retention}, plain}, T: t}, nil
	}
	s.View = func(r Reader, observed int64) (any, error) {
		src := &committed[V]{Reader: r, name: s.Name, value: v, time: observed}
		return &SessionView[K, V]{reads[window.Key[K], V]{s.Name, keys, src, s.Retention}, plain}, nil
	}
	return s
}

// SessionView reads a store of sessions: state.ReadOnlySession. Sessions that have expired are not seen.
type SessionView[K, V any] struct {
	reads[window.Key[K], V]
	layout sessionKeys[K]
}

// Get is the value of one session.
func (v *SessionView[K, V]) Get(k window.Key[K]) (V, bool, error) {
	it, ok, err := v.At(k)
	return it.Value, ok, err
}

// At is Get with the row's time.
func (v *SessionView[K, V]) At(k window.Key[K]) (it Item[V], ok bool, err error) {
	if null.Is(k.Key) {
		return it, false, v.wrap("encode key", errNilKey)
	}
	if k.EndMs() < v.floor() {
		return it, false, nil
	}
	var buf [96]byte
	local, err := v.layout.Append(buf[:0], k)
	if err != nil {
		return it, false, v.wrap("encode key", err)
	}
	return v.src.lookup(local)
}

// Fetch walks the sessions of a key, by end.
func (v *SessionView[K, V]) Fetch(k K) iter.Seq2[window.Key[K], V] {
	return values(v.find(&k, &k, 0, math.MaxInt64, false))
}

// FindSessions walks the sessions of a key with end >= earliestEnd and start <= latestStart, by end.
func (v *SessionView[K, V]) FindSessions(k K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V] {
	return values(v.find(&k, &k, earliestEnd.UnixMilli(), latestStart.UnixMilli(), false))
}

// FindSessionsRange is FindSessions for a range of keys, whose ends belong to it, by segment, key and end.
func (v *SessionView[K, V]) FindSessionsRange(lo, hi K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V] {
	return values(v.find(&lo, &hi, earliestEnd.UnixMilli(), latestStart.UnixMilli(), false))
}

// ReverseFindSessions is FindSessions from the end.
func (v *SessionView[K, V]) ReverseFindSessions(k K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V] {
	return values(v.find(&k, &k, earliestEnd.UnixMilli(), latestStart.UnixMilli(), true))
}

// All walks every session.
func (v *SessionView[K, V]) All() iter.Seq2[window.Key[K], V] {
	return values(v.find(nil, nil, 0, math.MaxInt64, false))
}

// Find is FindSessions in ms, with the rows' times. Values are decoded anew: they are the caller's.
func (v *SessionView[K, V]) Find(k K, earliestEnd, latestStart int64) iter.Seq2[window.Key[K], Item[V]] {
	return v.find(&k, &k, earliestEnd, latestStart, false)
}

func values[K, V any](all iter.Seq2[window.Key[K], Item[V]]) iter.Seq2[window.Key[K], V] {
	return func(yield func(window.Key[K], V) bool) {
		for k, it := range all {
			if !yield(k, it.Value) {
				return
			}
		}
	}
}

func (v *SessionView[K, V]) find(lo, hi *K, earliestEnd, latestStart int64, reverse bool) iter.Seq2[window.Key[K], Item[V]] {
	return func(yield func(window.Key[K], Item[V]) bool) {
		from, to := max(earliestEnd, v.floor()), v.ceiling(math.MaxInt64)
		if from > to {
			return
		}
		b, err := keyBounds(v.layout.of, lo, hi)
		if err != nil {
			v.src.fail(v.wrap("encode key", err))
			return
		}
		wanted := func(local []byte) bool {
			tail := local[len(local)-sessionTail:]
			return timeAt(tail) >= from && timeAt(tail[stampLen:]) <= latestStart
		}
		v.keyed(v.spans(b, lo == hi && lo != nil, from, to), reverse, wanted, yield)
	}
}

// spans are the ranges of the keys in each segment; of one key they begin at its first session that may be wanted.
func (v *SessionView[K, V]) spans(b bounds, one bool, from, to int64) (spans []Span) {
	for n := from / v.layout.interval; n <= to/v.layout.interval; n++ {
		if !one {
			spans = append(spans, b.span(n))
			continue
		}
		room := make([]byte, 0, 2*(len(b.lo)+spanRoom))
		lo := appendTime(appendEscaped(appendTime(room, n), b.lo), from)
		hi := appendEscaped(appendTime(lo[len(lo):], n), b.lo)
		spans = append(spans, Span{lo, afterEscaped(hi)})
	}
	return spans
}

// Sessions is a task's store of sessions: state.Session. T is the table under it.
type Sessions[K, V any] struct {
	SessionView[K, V]
	T      *Table[window.Key[K], V]
	latest latest
}

// Put sets the value of a session at the time of the record in process; nil of a nilable kind deletes.
func (s *Sessions[K, V]) Put(k window.Key[K], v V) error {
	if null.Is(k.Key) {
		return s.wrap("put", errNilKey)
	}
	clear(s.latest.of) // someone else than the aggregation writes
	return s.T.Set(k, v, s.T.host.Context().Time)
}

// Delete deletes a session.
func (s *Sessions[K, V]) Delete(k window.Key[K]) error {
	if null.Is(k.Key) {
		return s.wrap("delete", errNilKey)
	}
	clear(s.latest.of)
	return s.T.Delete(k, s.T.host.Context().Time)
}
