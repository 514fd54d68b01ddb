// Package window is the arithmetic of windows.
package window

import (
	"time"
	"github.com/weirstream/weir/serde"
)

// Key is the key of a windowed table: a key in one window. Time windows end before End, sliding and session windows at it.
type Key[K any] struct {
	Key        K
	Start, End time.Time
}
type nop[T any] struct{ name string }

func (nop[T]) Append(dst []byte, v T) ([]byte, error) { return dst, nil }
func (nop[T]) Decode(b []byte) (t T, err error)       { return }
func (n nop[T]) Name() string                         { return n.name }

// KeySerde encodes key and start, as Kafka's TimeWindowedSerializer; size gives the end back and is part of the serde's name.
func KeySerde[K any](k serde.Serde[K], size time.Duration) serde.Serde[Key[K]] {
	return nop[Key[K]]{"window(" + size.String() + "):" + k.Name()}
}

// UnlimitedKeySerde is KeySerde for unlimited windows: End is time.UnixMilli(math.MaxInt64), as Kafka's.
func UnlimitedKeySerde[K any](k serde.Serde[K]) serde.Serde[Key[K]] {
	return nop[Key[K]]{"window(unlimited):" + k.Name()}
}

// SessionKeySerde encodes key, end and start, as Kafka's SessionWindowedSerializer.
func SessionKeySerde[K any](k serde.Serde[K]) serde.Serde[Key[K]] {
	return nop[Key[K]]{"session:" + k.Name()}
}

// Spec is what WindowedBy takes: TimeWindows, SlidingWindows, SessionWindows or UnlimitedWindows.
type Spec interface{ spec() }

// TimeWindows are aligned to the epoch and end before their end.
type TimeWindows struct{ size, advance, grace time.Duration }

func (TimeWindows) spec() {}

// Tumbling windows follow each other without overlap.
func Tumbling(size time.Duration) TimeWindows { return TimeWindows{size: size, advance: size} }

// Hopping windows of a size start every advance; advance must be positive and at most size.
func Hopping(size, advance time.Duration) TimeWindows {
	return TimeWindows{size: size, advance: advance}
}

// Grace is how long after its end a window takes late records; the default is 0.
func (w TimeWindows) Grace(d time.Duration) TimeWindows { w.grace = d; return w }

// SessionWindows grow with each record and close after a gap without one.
type SessionWindows struct{ gap, grace time.Duration }

func (SessionWindows) spec() {}

// Session makes windows that end after gap without a record of the key.
func Session(gap time.Duration) SessionWindows { return SessionWindows{gap: gap} }

// Grace is how long after its end a session takes late records; the default is 0.
func (w SessionWindows) Grace(d time.Duration) SessionWindows { w.grace = d; return w }

// SlidingWindows are one per distinct set of records at most diff apart; both ends belong to the window.
type SlidingWindows struct{ diff, grace time.Duration }

func (SlidingWindows) spec() {}

// Sliding makes windows over records at most diff apart.
func Sliding(diff time.Duration) SlidingWindows { return SlidingWindows{diff: diff} }

// Grace is how long after its end a window takes late records; the default is 0.
func (w SlidingWindows) Grace(d time.Duration) SlidingWindows { w.grace = d; return w }

// UnlimitedWindows are one window without end.
type UnlimitedWindows struct{ start time.Time }

func (UnlimitedWindows) spec() {}

// Unlimited is one window from start; records before it are dropped and counted.
func Unlimited(start time.Time) UnlimitedWindows { return UnlimitedWindows{start} }

// JoinWindows say how far apart two records may be to be joined; both ends belong to the window.
type JoinWindows struct{ before, after, grace time.Duration }

// Within joins when other.Time is in [t-d, t+d].
func Within(d time.Duration) JoinWindows { return JoinWindows{before: d, after: d} }

// Before sets how much earlier the other record may be; it may be negative, but before + after < 0 is a Build error.
func (w JoinWindows) Before(d time.Duration) JoinWindows { w.before = d; return w }

// After sets how much later the other record may be; it may be negative.
func (w JoinWindows) After(d time.Duration) JoinWindows { w.after = d; return w }

// Grace is how long late records are still joined; left and outer results wait for it. The default is 0.
func (w JoinWindows) Grace(d time.Duration) JoinWindows { w.grace = d; return w }
