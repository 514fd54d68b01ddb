package window

import (
	"errors"
	"fmt"
	"time"
)

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

// Validate says everything that is wrong with w, or nil.
func (w JoinWindows) Validate() error {
	const spec = "join windows"
	err := errors.Join(whole(spec, "before", w.before), whole(spec, "after", w.after), notNegative(spec, "grace", w.grace))
	if w.SizeMs() < 0 {
		err = errors.Join(err, fmt.Errorf("%s: before %v + after %v is negative: no two records would be joined", spec, w.before, w.after))
	}
	return err
}

// BeforeMs is how much earlier the other record may be.
func (w JoinWindows) BeforeMs() int64 { return w.before.Milliseconds() }

// AfterMs is how much later the other record may be.
func (w JoinWindows) AfterMs() int64 { return w.after.Milliseconds() }

// GraceMs is how long late records are still joined.
func (w JoinWindows) GraceMs() int64 { return w.grace.Milliseconds() }

// SizeMs is before + after.
func (w JoinWindows) SizeMs() int64 { return w.BeforeMs() + w.AfterMs() }

// RetentionMs is before + after + grace.
func (w JoinWindows) RetentionMs() int64 { return w.SizeMs() + w.GraceMs() }

// Mirror is the same join seen from the other side: before and after change places.
func (w JoinWindows) Mirror() JoinWindows {
	return JoinWindows{before: w.after, after: w.before, grace: w.grace}
}

// Bounds are the times of the other side's records that a record at ts is joined with; both belong to it. Both stop at 0, as Kafka's: where after is
// negative and ts + after too, a record at 0 is still joined.
func (w JoinWindows) Bounds(ts int64) (from, to int64) {
	return max(0, plus(ts, -w.BeforeMs())), max(0, plus(ts, w.AfterMs()))
}

// plus is ts + d for ts >= 0 and any d.
func plus(ts, d int64) int64 {
	if d > 0 {
		return add(ts, d)
	}
	return ts + d
}

// String is for people: "within [-5s, +10s], grace 0s".
func (w JoinWindows) String() string {
	return fmt.Sprintf("within [%v, %v], grace %v", signed(-w.before), signed(w.after), w.grace)
}

func signed(d time.Duration) string {
	if d > 0 {
		return "+" + d.String()
	}
	return d.String()
}
