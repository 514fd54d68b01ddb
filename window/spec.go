package window

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Spec is what WindowedBy takes: TimeWindows, SlidingWindows, SessionWindows or UnlimitedWindows.
type Spec interface {
	spec()
	// Validate says everything that is wrong with the spec, or nil.
	Validate() error
	// Closed reports whether a window that ends at end is closed once observed is the largest time seen (-1 for none).
	Closed(end, observed int64) bool
	// RetentionMs is how long a store must keep a window, from its start (a session: from its end), so that nothing is lost before it is closed.
	RetentionMs() int64
	String() string
}

// whole refuses durations finer than Kafka's clock.
func whole(spec, what string, d time.Duration) error {
	if d%time.Millisecond != 0 {
		return fmt.Errorf("%s: %s %v is not a whole number of milliseconds", spec, what, d)
	}
	return nil
}

func notNegative(spec, what string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: %s %v is negative", spec, what, d)
	}
	return whole(spec, what, d)
}

func positive(spec, what string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %s %v is not positive", spec, what, d)
	}
	return whole(spec, what, d)
}

// add is t + d for d >= 0, and math.MaxInt64 where that overflows.
func add(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

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

// Validate says everything that is wrong with w, or nil.
func (w TimeWindows) Validate() error {
	const spec = "time windows"
	err := errors.Join(positive(spec, "size", w.size), notNegative(spec, "grace", w.grace))
	if w.advance == w.size {
		return err
	}
	if w.advance > w.size {
		err = errors.Join(err, fmt.Errorf("%s: advance %v is larger than size %v: records between windows would be lost", spec, w.advance, w.size))
	}
	return errors.Join(err, positive(spec, "advance", w.advance))
}

// SizeMs is the length of a window.
func (w TimeWindows) SizeMs() int64 { return w.size.Milliseconds() }

// AdvanceMs is the distance between the starts of two windows; it is SizeMs for tumbling windows.
func (w TimeWindows) AdvanceMs() int64 { return w.advance.Milliseconds() }

// GraceMs is how long after its end a window takes late records.
func (w TimeWindows) GraceMs() int64 { return w.grace.Milliseconds() }

// RetentionMs is size + grace.
func (w TimeWindows) RetentionMs() int64 { return w.SizeMs() + w.GraceMs() }

// First is the start of the earliest window that holds ts. The windows of ts start at First, First + AdvanceMs, … up to and including ts. No start is
// negative, so times before size - advance are in fewer windows than later ones; and a start that has become negative overflowed, which ends the walk:
//
//	for start := w.First(ts); start >= 0 && start <= ts; start += w.AdvanceMs() {
func (w TimeWindows) First(ts int64) int64 {
	advance := w.AdvanceMs()
	return max(0, ts-w.SizeMs()+advance) / advance * advance
}

// End is the end of the window that begins at start; it is not part of the window.
func (w TimeWindows) End(start int64) int64 { return add(start, w.SizeMs()) }

// Closed reports whether a window that ends at end is closed once observed is the largest time seen (-1 for none): end <= observed - grace.
func (w TimeWindows) Closed(end, observed int64) bool { return end <= observed-w.GraceMs() }

// String is for people: "tumbling 1m0s, grace 10s".
func (w TimeWindows) String() string {
	if w.advance == w.size {
		return fmt.Sprintf("tumbling %v, grace %v", w.size, w.grace)
	}
	return fmt.Sprintf("hopping %v every %v, grace %v", w.size, w.advance, w.grace)
}

// SessionWindows grow with each record and close after a gap without one.
type SessionWindows struct{ gap, grace time.Duration }

func (SessionWindows) spec() {}

// Session makes windows that end after gap without a record of the key.
func Session(gap time.Duration) SessionWindows { return SessionWindows{gap: gap} }

// Grace is how long after its end a session takes late records; the default is 0.
func (w SessionWindows) Grace(d time.Duration) SessionWindows { w.grace = d; return w }

// Validate says everything that is wrong with w, or nil.
func (w SessionWindows) Validate() error {
	const spec = "session windows"
	return errors.Join(notNegative(spec, "gap", w.gap), notNegative(spec, "grace", w.grace))
}

// GapMs is the largest distance between two records of one session.
func (w SessionWindows) GapMs() int64 { return w.gap.Milliseconds() }

// GraceMs is how long after its end and gap a session takes late records.
func (w SessionWindows) GraceMs() int64 { return w.grace.Milliseconds() }

// RetentionMs is gap + grace.
func (w SessionWindows) RetentionMs() int64 { return w.GapMs() + w.GraceMs() }

// Neighbours are the bounds of the sessions that a record at ts belongs to: those with end >= earliestEnd and start <= latestStart. earliestEnd may be
// negative. The record and all of them become one session, from the smallest start (or ts) to the largest end (or ts).
func (w SessionWindows) Neighbours(ts int64) (earliestEnd, latestStart int64) {
	return ts - w.GapMs(), add(ts, w.GapMs())
}

// Closed reports whether a session that ends at end is closed once observed is the largest time seen (-1 for none): end < observed - grace - gap.
// For the late record it is asked of the merged session.
func (w SessionWindows) Closed(end, observed int64) bool {
	return end < observed-w.GraceMs()-w.GapMs()
}

// String is for people: "session 30s, grace 0s".
func (w SessionWindows) String() string { return fmt.Sprintf("session %v, grace %v", w.gap, w.grace) }

// SlidingWindows are one per distinct set of records at most diff apart; both ends belong to the window.
type SlidingWindows struct{ diff, grace time.Duration }

func (SlidingWindows) spec() {}

// Sliding makes windows over records at most diff apart.
func Sliding(diff time.Duration) SlidingWindows { return SlidingWindows{diff: diff} }

// Grace is how long after its end a window takes late records; the default is 0.
func (w SlidingWindows) Grace(d time.Duration) SlidingWindows { w.grace = d; return w }

// Validate says everything that is wrong with w, or nil.
func (w SlidingWindows) Validate() error {
	const spec = "sliding windows"
	return errors.Join(notNegative(spec, "time difference", w.diff), notNegative(spec, "grace", w.grace))
}

// DiffMs is the largest distance between two records of one window: its end less its start.
func (w SlidingWindows) DiffMs() int64 { return w.diff.Milliseconds() }

// GraceMs is how long after its end a window takes late records.
func (w SlidingWindows) GraceMs() int64 { return w.grace.Milliseconds() }

// RetentionMs is 2 * diff + grace: a record looks back over the windows that end at most diff before it.
func (w SlidingWindows) RetentionMs() int64 { return 2*w.DiffMs() + w.GraceMs() }

// Left is the start of the window that a record at ts always makes: the one that ends at ts, or [0, diff] for records before diff.
func (w SlidingWindows) Left(ts int64) int64 { return max(0, ts-w.DiffMs()) }

// Right is the start of the window after a record at ts. It exists only if another record falls into it.
func (w SlidingWindows) Right(ts int64) int64 { return add(ts, 1) }

// End is the end of the window that begins at start; it is part of the window.
func (w SlidingWindows) End(start int64) int64 { return add(start, w.DiffMs()) }

// Closed reports whether a window that ends at end is closed once observed is the largest time seen (-1 for none): end < observed - grace.
func (w SlidingWindows) Closed(end, observed int64) bool { return end < observed-w.GraceMs() }

// String is for people: "sliding 10s, grace 0s".
func (w SlidingWindows) String() string { return fmt.Sprintf("sliding %v, grace %v", w.diff, w.grace) }

// UnlimitedWindows are one window without end.
type UnlimitedWindows struct{ start time.Time }

func (UnlimitedWindows) spec() {}

// Unlimited is one window from start; records before it are dropped and counted.
func Unlimited(start time.Time) UnlimitedWindows { return UnlimitedWindows{start} }

// Validate says what is wrong with w, or nil.
func (w UnlimitedWindows) Validate() error {
	if w.start.UnixMilli() < 0 {
		return fmt.Errorf("unlimited windows: start %v is before 1970; time.UnixMilli(0) takes every record", w.start)
	}
	if w.start.Nanosecond()%int(time.Millisecond) != 0 {
		return fmt.Errorf("unlimited windows: start %v is not a whole number of milliseconds", w.start)
	}
	return nil
}

// StartMs is the start of the window; records before it are in no window.
func (w UnlimitedWindows) StartMs() int64 { return w.start.UnixMilli() }

// RetentionMs is math.MaxInt64: the window is kept for ever.
func (UnlimitedWindows) RetentionMs() int64 { return math.MaxInt64 }

// Closed is false: the window has no end.
func (UnlimitedWindows) Closed(end, observed int64) bool { return false }

// String is for people: "unlimited from 1970-01-01T00:00:00Z".
func (w UnlimitedWindows) String() string {
	return "unlimited from " + w.start.UTC().Format(time.RFC3339Nano)
}
