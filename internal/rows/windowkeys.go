package rows

import (
	"fmt"
	"math"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Windowing is how a store keeps windows. All in ms.
type Windowing struct {
	Size      int64 // a window's end less its start; math.MaxInt64 for unlimited windows
	Advance   int64 // of aligned windows: the distance of their starts; 0 for windows that start anywhere
	Retention int64 // 0 keeps for ever
	Indexed   bool  // windows that start anywhere: find them by time too; aligned ones always can be
	// Duplicates has every put make a row of its own, as joins need it; only for windows that start anywhere.
	Duplicates bool
}

// SegmentInterval is the grain in which rows of a retention expire, in ms: Kafka's segments.
func SegmentInterval(retention int64) int64 {
	if retention <= 0 {
		return math.MaxInt64
	}
	return max(retention/2, 60_000)
}

const (
	stampLen = 8
	seqLen   = 4
)

// AlignedKeys is the schema of tumbling and hopping windows: start ‖ key. The changelog key is key ‖ start ‖ seq(4) with seq 0.
func AlignedKeys[K any](k serde.Serde[K], w Windowing) Keys[window.Key[K]] {
	return alignedKeys[K]{k, w.Size, SegmentInterval(w.Retention)}
}

type alignedKeys[K any] struct {
	of             serde.Serde[K]
	size, interval int64
}

func (a alignedKeys[K]) Append(dst []byte, k window.Key[K]) ([]byte, error) {
	return a.append(dst, k.Key, k.StartMs())
}

func (a alignedKeys[K]) append(dst []byte, k K, start int64) ([]byte, error) {
	if start < 0 {
		return dst, errStart(start)
	}
	return a.of.Append(appendTime(dst, start), k)
}

func (a alignedKeys[K]) Decode(local []byte) (k window.Key[K], err error) {
	if len(local) < stampLen {
		return k, tooShort("aligned window", local, stampLen)
	}
	key, err := a.of.Decode(local[stampLen:])
	return windowKey(key, timeAt(local), a.size), err
}

func (a alignedKeys[K]) AppendLog(dst, local []byte) ([]byte, error) {
	if len(local) < stampLen {
		return dst, tooShort("aligned window", local, stampLen)
	}
	dst = append(append(dst, local[stampLen:]...), local[:stampLen]...)
	return append(dst, 0, 0, 0, 0), nil
}

func (a alignedKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) {
	key, start, _, err := cutWindowLog(log)
	if err != nil {
		return dst, err
	}
	return append(appendTime(dst, start), key...), nil
}

func (a alignedKeys[K]) Time(local []byte) (int64, error) {
	if len(local) < stampLen {
		return 0, tooShort("aligned window", local, stampLen)
	}
	return timeAt(local), nil
}

func (a alignedKeys[K]) Interval() int64 { return a.interval }
func (a alignedKeys[K]) Format() string  { return "window-aligned/1" }

func (a alignedKeys[K]) Expire(floor int64) []Span {
	return []Span{{Lo: nil, Hi: appendTime(nil, floor)}}
}

func (a alignedKeys[K]) Between(from, to int64) Span {
	return Span{appendTime(nil, max(from, 0)), appendAfter(nil, to)}
}

// SegmentedKeys is the schema of windows that start anywhere: segment ‖ ekey ‖ start ‖ seq(4), where segment = start / interval. The
// changelog key is key ‖ start ‖ seq(4). An index row is FF ‖ start ‖ seq(4) ‖ key.
func SegmentedKeys[K any](k serde.Serde[K], w Windowing) Keys[window.Key[K]] {
	s := segmentedKeys[K]{k, w.Size, SegmentInterval(w.Retention)}
	if w.Indexed {
		return indexedWindows[K]{s}
	}
	return s
}

type segmentedKeys[K any] struct {
	of             serde.Serde[K]
	size, interval int64
}

const segmentedTail = stampLen + seqLen

func (s segmentedKeys[K]) Append(dst []byte, k window.Key[K]) ([]byte, error) {
	return s.append(dst, k.Key, k.StartMs(), 0)
}

func (s segmentedKeys[K]) append(dst []byte, k K, start int64, seq uint32) ([]byte, error) {
	if start < 0 {
		return dst, errStart(start)
	}
	dst = appendTime(dst, start/s.interval)
	from := len(dst)
	dst, err := s.of.Append(dst, k)
	if err != nil {
		return dst, err
	}
	return s.tail(escapeTail(dst, from), start, seq), nil
}

// join makes a local key of its parts; key is not escaped.
func (s segmentedKeys[K]) join(dst, key []byte, start int64, seq uint32) []byte {
	return s.tail(appendEscaped(appendTime(dst, start/s.interval), key), start, seq)
}

func (s segmentedKeys[K]) tail(dst []byte, start int64, seq uint32) []byte {
	return append(appendTime(dst, start), byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq))
}

// cut takes a local key apart; key is not escaped, and may be a part of local.
func (s segmentedKeys[K]) cut(local []byte) (key []byte, start int64, seq []byte, err error) {
	if len(local) < stampLen {
		return nil, 0, nil, tooShort("window", local, stampLen)
	}
	key, tail, err := cutKey(local[stampLen:])
	if err != nil {
		return key, 0, nil, err
	}
	if len(tail) != segmentedTail {
		return key, 0, nil, fmt.Errorf("window: %d bytes after the key, want %d", len(tail), segmentedTail)
	}
	return key, timeAt(tail), tail[stampLen:], nil
}

func (s segmentedKeys[K]) Decode(local []byte) (k window.Key[K], err error) {
	raw, start, _, err := s.cut(local)
	if err != nil {
		return k, err
	}
	key, err := s.of.Decode(raw)
	return windowKey(key, start, s.size), err
}

func (s segmentedKeys[K]) AppendLog(dst, local []byte) ([]byte, error) {
	key, start, seq, err := s.cut(local)
	if err != nil {
		return dst, err
	}
	return append(appendTime(append(dst, key...), start), seq...), nil
}

func (s segmentedKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) {
	key, start, seq, err := cutWindowLog(log)
	if err != nil {
		return dst, err
	}
	return s.join(dst, key, start, seq), nil
}

func (s segmentedKeys[K]) Time(local []byte) (int64, error) {
	if len(local) < segmentedTail {
		return 0, tooShort("window", local, segmentedTail)
	}
	return timeAt(local[len(local)-segmentedTail:]), nil
}

func (s segmentedKeys[K]) Interval() int64 { return s.interval }

func (s segmentedKeys[K]) Format() string {
	return fmt.Sprintf("window-segmented/1 interval=%d", s.interval)
}

func (s segmentedKeys[K]) Expire(floor int64) []Span {
	return []Span{{Lo: nil, Hi: appendTime(nil, floor/s.interval)}}
}

func (s segmentedKeys[K]) Between(from, to int64) Span { return Span{} }

// indexedWindows are segmented windows with an index by start.
type indexedWindows[K any] struct{ segmentedKeys[K] }

func (s indexedWindows[K]) Format() string { return s.segmentedKeys.Format() + " indexed" }

func (s indexedWindows[K]) AppendIndex(dst, local []byte) ([]byte, error) {
	key, start, seq, err := s.cut(local)
	if err != nil {
		return dst, err
	}
	return append(append(appendTime(append(dst, indexTag), start), seq...), key...), nil
}

func (s indexedWindows[K]) FromIndex(dst, index []byte) ([]byte, error) {
	const head = 1 + stampLen + seqLen
	if len(index) < head {
		return dst, tooShort("window index", index, head)
	}
	q := index[1+stampLen:]
	seq := uint32(q[0])<<24 | uint32(q[1])<<16 | uint32(q[2])<<8 | uint32(q[3])
	return s.join(dst, index[head:], timeAt(index[1:]), seq), nil
}

func (s indexedWindows[K]) Expire(floor int64) []Span {
	return append(s.segmentedKeys.Expire(floor), indexBefore(floor))
}

func (s indexedWindows[K]) Between(from, to int64) Span { return indexBetween(from, to) }

func indexBefore(floor int64) Span {
	return Span{[]byte{indexTag}, appendTime([]byte{indexTag}, floor)}
}

func indexBetween(from, to int64) Span {
	return Span{appendTime([]byte{indexTag}, max(from, 0)), appendAfter([]byte{indexTag}, to)}
}

// cutWindowLog takes a window store's changelog key apart: key ‖ start ‖ seq(4).
func cutWindowLog(log []byte) (key []byte, start int64, seq uint32, err error) {
	n := len(log) - segmentedTail
	if n < 0 {
		return nil, 0, 0, tooShort("changelog key of a window", log, segmentedTail)
	}
	if start = timeAt(log[n:]); start < 0 {
		return nil, 0, 0, errStart(start)
	}
	q := log[n+stampLen:]
	return log[:n], start, uint32(q[0])<<24 | uint32(q[1])<<16 | uint32(q[2])<<8 | uint32(q[3]), nil
}

func windowKey[K any](k K, start, size int64) window.Key[K] {
	end := start + size
	if end < start {
		end = math.MaxInt64
	}
	return window.NewKey(k, start, end)
}

func errStart(start int64) error { return fmt.Errorf("a window's start, %d ms, is before 1970", start) }
