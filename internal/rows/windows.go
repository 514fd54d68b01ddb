package rows

import (
	"iter"
	"math"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// NewWindow is the Spec of a store of windows. Open makes a *Windows, View a *WindowView. With Advance the windows are aligned, and rows
// are in the order of start and key; without, they are in that of segment, key and start.
func NewWindow[K, V any](name string, k serde.Serde[K], v serde.Serde[V], w Windowing) *Spec {
	l := windowLayout[K]{w: w, of: k}
	if w.Advance > 0 {
		l.aligned = true
		l.keys = AlignedKeys(k, w)
	} else {
		l.seg = segmentedKeys[K]{k, w.Size, SegmentInterval(w.Retention)}
		l.keys = SegmentedKeys(k, w)
	}
	s := newSpec(name, WindowKind, l.keys, k.Name(), v.Name())
	s.Retention, s.Scans = w.Retention, true
	s.Open = func(h Host) (any, error) {
		t := NewTable(s, h, l.keys, v)
		return &Windows[K, V]{WindowView: WindowView[K, V]{reads[window.Key[K], V]{s.Name, l.keys, t, s.Retention}, l}, T: t}, nil
	}
	s.View = func(r Reader, observed int64) (any, error) {
		src := &committed[V]{Reader: r, name: s.Name, value: v, time: observed}
		return &WindowView[K, V]{reads[window.Key[K], V]{s.Name, l.keys, src, s.Retention}, l}, nil
	}
	return s
}

// windowLayout knows where windows stand.
type windowLayout[K any] struct {
	w       Windowing
	of      serde.Serde[K]
	keys    Keys[window.Key[K]]
	aligned bool
	seg     segmentedKeys[K]
}

// local is the local key of a window.
func (l *windowLayout[K]) local(dst []byte, k K, start int64, seq uint32) ([]byte, error) {
	if null.Is(k) {
		return dst, errNilKey
	}
	if l.aligned {
		return alignedKeys[K]{l.of, l.w.Size, 0}.append(dst, k, start)
	}
	return l.seg.append(dst, k, start, seq)
}

// start is the start of the window of a local key.
func (l *windowLayout[K]) start(local []byte) int64 {
	if l.aligned {
		return timeAt(local)
	}
	return timeAt(local[len(local)-segmentedTail:])
}

// WindowView reads a store of windows: state.ReadOnlyWindow. Windows that have expired are not seen.
type WindowView[K, V any] struct {
	reads[window.Key[K], V]
	layout windowLayout[K]
}

// Get is the value of a window; of several the first.
func (v *WindowView[K, V]) Get(k K, start time.Time) (V, bool, error) {
	it, ok, err := v.At(k, start.UnixMilli())
	return it.Value, ok, err
}

// At is Get for a start in ms.
func (v *WindowView[K, V]) At(k K, start int64) (it Item[V], ok bool, err error) {
	if start < v.floor() {
		return it, false, nil
	}
	if v.layout.w.Duplicates {
		for _, it := range v.Between(k, start, start, false) {
			return it, true, nil
		}
		return it, false, nil
	}
	var buf [80]byte
	local, err := v.layout.local(buf[:0], k, start, 0)
	if err != nil {
		return it, false, v.wrap("encode key", err)
	}
	return v.src.lookup(local)
}

// Fetch walks the windows of a key by start; both ends belong to it.
func (v *WindowView[K, V]) Fetch(k K, from, to time.Time) iter.Seq2[time.Time, V] {
	return starts(v.Between(k, from.UnixMilli(), to.UnixMilli(), false))
}

// ReverseFetch is Fetch from the end.
func (v *WindowView[K, V]) ReverseFetch(k K, from, to time.Time) iter.Seq2[time.Time, V] {
	return starts(v.Between(k, from.UnixMilli(), to.UnixMilli(), true))
}

func starts[V any](all iter.Seq2[int64, Item[V]]) iter.Seq2[time.Time, V] {
	return func(yield func(time.Time, V) bool) {
		for start, it := range all {
			if !yield(time.UnixMilli(start).UTC(), it.Value) {
				return
			}
		}
	}
}

// Between is Fetch in ms.
func (v *WindowView[K, V]) Between(k K, from, to int64, reverse bool) iter.Seq2[int64, Item[V]] {
	return func(yield func(int64, Item[V]) bool) {
		from, to := max(from, v.floor()), v.ceiling(to)
		if from > to {
			return
		}
		var buf [64]byte
		key, err := encodeKey(v.layout.of, buf[:0], k)
		if err != nil {
			v.src.fail(v.wrap("encode key", err))
			return
		}
		if v.layout.aligned {
			v.betweenAligned(key, from, to, reverse, yield)
			return
		}
		v.scan(v.keySpans(key, from, to), reverse, nil, func(local []byte, it Item[V]) bool {
			return yield(v.layout.start(local), it)
		})
	}
}

// manyStarts is the number of aligned starts from which on one scan is taken to be cheaper than a look-up of each.
const manyStarts = 256

func (v *WindowView[K, V]) betweenAligned(key []byte, from, to int64, reverse bool, yield func(int64, Item[V]) bool) {
	advance := v.layout.w.Advance
	first, last := (from+advance-1)/advance, to/advance
	if last-first >= manyStarts {
		v.scan([]Span{alignedSpan(from, to)}, reverse, func(local []byte) bool { return string(local[stampLen:]) == string(key) },
			func(local []byte, it Item[V]) bool { return yield(timeAt(local), it) })
		return
	}
	type found struct {
		start int64
		it    Item[V]
	}
	var all []found // read before the first is handed out: a scan sees one moment
	local := make([]byte, 0, 80)
	for n := first; n <= last; n++ {
		it, ok, err := v.src.lookup(append(appendTime(local[:0], n*advance), key...))
		if err != nil {
			v.src.fail(err)
			return
		}
		if ok {
			all = append(all, found{n * advance, it})
		}
	}
	for i := range all {
		f := all[i]
		if reverse {
			f = all[len(all)-1-i]
		}
		if !yield(f.start, f.it) {
			return
		}
	}
}

func alignedSpan(from, to int64) Span { return Span{appendTime(nil, from), appendAfter(nil, to)} }

// spanRoom is what a bound of a span needs beside a key without bytes to escape.
const spanRoom = 2*stampLen + 2

// keySpans are the rows of one key in each segment.
func (v *WindowView[K, V]) keySpans(key []byte, from, to int64) (spans []Span) {
	for n := from / v.layout.seg.interval; n <= to/v.layout.seg.interval; n++ {
		room := make([]byte, 0, 2*(len(key)+spanRoom))
		lo := appendTime(appendEscaped(appendTime(room, n), key), from)
		hi := appendAfter(appendEscaped(appendTime(lo[len(lo):], n), key), to)
		spans = append(spans, Span{lo, hi})
	}
	return spans
}

// FetchRange walks the windows of a range of keys; all ends belong to it.
func (v *WindowView[K, V]) FetchRange(lo, hi K, from, to time.Time) iter.Seq2[window.Key[K], V] {
	return v.fetch(&lo, &hi, from.UnixMilli(), to.UnixMilli(), false)
}

// FetchAll walks the windows of all keys; both ends belong to it.
func (v *WindowView[K, V]) FetchAll(from, to time.Time) iter.Seq2[window.Key[K], V] {
	return v.fetch(nil, nil, from.UnixMilli(), to.UnixMilli(), false)
}

// All walks every window.
func (v *WindowView[K, V]) All() iter.Seq2[window.Key[K], V] {
	return v.fetch(nil, nil, 0, math.MaxInt64, false)
}

// ReverseFetchRange is FetchRange from the end.
func (v *WindowView[K, V]) ReverseFetchRange(lo, hi K, from, to time.Time) iter.Seq2[window.Key[K], V] {
	return v.fetch(&lo, &hi, from.UnixMilli(), to.UnixMilli(), true)
}

// ReverseFetchAll is FetchAll from the end.
func (v *WindowView[K, V]) ReverseFetchAll(from, to time.Time) iter.Seq2[window.Key[K], V] {
	return v.fetch(nil, nil, from.UnixMilli(), to.UnixMilli(), true)
}

// ReverseAll is All from the end.
func (v *WindowView[K, V]) ReverseAll() iter.Seq2[window.Key[K], V] {
	return v.fetch(nil, nil, 0, math.MaxInt64, true)
}

func (v *WindowView[K, V]) fetch(lo, hi *K, from, to int64, reverse bool) iter.Seq2[window.Key[K], V] {
	return func(yield func(window.Key[K], V) bool) {
		from, to := max(from, v.floor()), v.ceiling(to)
		if from > to {
			return
		}
		bounds, err := keyBounds(v.layout.of, lo, hi)
		if err != nil {
			v.src.fail(v.wrap("encode key", err))
			return
		}
		spans, wanted := v.rangeSpans(bounds, from, to)
		v.keyed(spans, reverse, wanted, func(k window.Key[K], it Item[V]) bool { return yield(k, it.Value) })
	}
}

func (v *WindowView[K, V]) rangeSpans(b bounds, from, to int64) ([]Span, func(local []byte) bool) {
	if v.layout.aligned {
		return []Span{alignedSpan(from, to)}, func(local []byte) bool { return b.hold(local[stampLen:]) }
	}
	var spans []Span
	for n := from / v.layout.seg.interval; n <= to/v.layout.seg.interval; n++ {
		spans = append(spans, b.span(n))
	}
	return spans, func(local []byte) bool {
		start := v.layout.start(local)
		return start >= from && start <= to
	}
}

// bounds are encoded keys between which a scan runs, both in it; nil is none.
type bounds struct{ lo, hi []byte }

func keyBounds[K any](s serde.Serde[K], lo, hi *K) (b bounds, err error) {
	if lo == nil {
		return b, nil
	}
	if b.lo, err = encodeKey(s, make([]byte, 0, 32), *lo); err != nil {
		return b, err
	}
	if b.hi = b.lo; hi != lo {
		b.hi, err = encodeKey(s, []byte{}, *hi)
	}
	return b, err
}

func (b bounds) hold(key []byte) bool {
	return b.lo == nil || compare(key, b.lo) >= 0 && compare(key, b.hi) <= 0
}

// span is the range of these keys in a segment.
func (b bounds) span(segment int64) Span {
	if b.lo == nil {
		return Span{appendTime(nil, segment), appendAfter(nil, segment)}
	}
	room := make([]byte, 0, len(b.lo)+len(b.hi)+2*spanRoom)
	lo := appendEscaped(appendTime(room, segment), b.lo)
	hi := appendEscaped(appendTime(lo[len(lo):], segment), b.hi)
	return Span{lo, afterEscaped(hi)}
}

// Windows is a task's store of windows: state.Window. T is the table under it.
type Windows[K, V any] struct {
	WindowView[K, V]
	T    *Table[window.Key[K], V]
	seq  uint32
	near near
}

// Put sets the value of a window at the time of the record in process; nil of a nilable kind deletes.
func (s *Windows[K, V]) Put(k K, start time.Time, v V) error {
	return s.PutAt(k, start.UnixMilli(), v, s.T.host.Context().Time)
}

// Delete deletes a window. Where duplicates are kept it deletes none, as in Kafka.
func (s *Windows[K, V]) Delete(k K, start time.Time) error {
	return s.DropAt(k, start.UnixMilli(), s.T.host.Context().Time)
}

// PutAt is Put in ms, with the row's time.
func (s *Windows[K, V]) PutAt(k K, start int64, v V, at int64) error {
	if null.Is(v) {
		return s.DropAt(k, start, at)
	}
	r, err := s.row(k, start)
	if err != nil {
		return err
	}
	return s.T.Put(r, v, at)
}

// DropAt is Delete in ms, with the time of the tombstone. With duplicates there is no row for it: it only reaches the changelog.
func (s *Windows[K, V]) DropAt(k K, start, at int64) error {
	r, err := s.row(k, start)
	if err != nil {
		return err
	}
	return s.T.Drop(r, at)
}

func (s *Windows[K, V]) row(k K, start int64) (*Row[V], error) {
	s.near = near{} // someone else than an aggregation writes
	if s.layout.w.Duplicates {
		if err := s.next(k, start); err != nil {
			return nil, err
		}
		return s.T.blindLocal()
	}
	var err error
	if s.T.key, err = s.layout.local(s.T.key[:0], k, start, 0); err != nil {
		return nil, s.wrap("encode key", err)
	}
	return s.T.blindLocal()
}

// next makes the local key of a new row in T.key. Numbers begin at 1 in each life of a task, so one may be taken by an earlier life's row.
func (s *Windows[K, V]) next(k K, start int64) (err error) {
	for {
		s.seq = (s.seq + 1) & math.MaxInt32
		if s.T.key, err = s.layout.local(s.T.key[:0], k, start, s.seq); err != nil {
			return s.wrap("encode key", err)
		}
		var taken bool
		if s.T.raw, taken, err = s.T.host.Get(s.T.raw[:0], s.T.key); err != nil || !taken {
			return err
		}
	}
}
