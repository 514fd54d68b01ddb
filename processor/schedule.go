package processor

import (
	"time"

	"github.com/weirstream/weir/internal/seal"
)

// Schedule says when a punctuator is called; missed calls are not made up for. Several that are due are called in the order of their times, equal ones
// in that of Kafka's queue; one may cancel itself; what it writes and forwards carries the time it is given.
type Schedule struct {
	every time.Duration
	start time.Time
	wall  bool
}

// StreamTime is every d of event time; it stands still without records.
func StreamTime(d time.Duration) Schedule { return Schedule{every: d} }

// WallTime is every d of wall-clock time.
func WallTime(d time.Duration) Schedule { return Schedule{every: d, wall: true} }

// Plan is the schedule as numbers: interval and start in ms (start −1 for none), and which clock. It is for weir's own rooms.
func (s Schedule) Plan(seal.Token) (every, start int64, wall bool) {
	start = -1
	if !s.start.IsZero() {
		start = s.start.UnixMilli()
	}
	return s.every.Milliseconds(), start, s.wall
}

// From anchors the schedule: calls fall on start plus multiples.
func (s Schedule) From(start time.Time) Schedule { s.start = start; return s }
