package parity

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// closes is when the windows of a family close. Times are ms.
type closes struct {
	size  int64 // of windows whose key has no end
	lag   int64 // how long after its end a window closes
	after bool  // only after that
	nulls bool  // null values are taken
}

// throttledWindows are those of the cases in which looks for closed windows are throttled.
var throttledWindows = map[string]closes{
	"windows/tumbling-close-throttled": {size: 10_000, lag: 5_000, nulls: true},
	"sessions/close-throttled":         {lag: 10_000, after: true, nulls: true},
	"sliding/close-throttled":          {size: 5_000, lag: 10_000, after: true},
}

// lookedForLater has windows that a record closed too soon after a look emitted when the clock allows the next one, where Kafka Streams waits for another
// record.
func lookedForLater(c *Case, r Run) Run {
	l := &looks{closes: throttledWindows[c.Name], every: c.emitEvery().Milliseconds(), observed: -1, mark: -1}
	l.collect(&r)
	for i := range r.Steps {
		l.step(&r.Steps[i])
	}
	return r
}

// looks are the looks of one run.
type looks struct {
	closes
	every    int64
	waiting  []closedWindow // in the order in which they are emitted
	clock    int64
	due      int64 // when the next look may be
	observed int64
	mark     int64   // how far windows are closed
	later    *Record // what closed windows too soon after a look
}

// closedWindow is a window's one result.
type closedWindow struct {
	rec Record
	end int64
}

// collect takes all results out of the run, and adds those of windows that nobody emitted.
func (l *looks) collect(r *Run) {
	emitted := map[string]bool{}
	for i, s := range r.Steps {
		r.Steps[i].Out = slices.DeleteFunc(slices.Clone(s.Out), func(rec Record) bool {
			if rec.Topic != "out" {
				return false
			}
			emitted[string(rec.Key)] = true
			l.waiting = append(l.waiting, closedWindow{rec, l.end(windowOf(rec.Key))})
			return true
		})
	}
	for _, row := range r.Stores["agg"].Rows {
		if l.size > 0 { // it follows from the start
			row.End = -1
		}
		w := closedWindow{Record{Topic: "out", Key: windowedKey(row), Value: row.Value, Time: row.Time}, l.end(row)}
		if row.Time < 0 { // sessions keep none: it is their end
			w.rec.Time = row.End
		}
		if !emitted[string(w.rec.Key)] {
			l.waiting = append(l.waiting, w)
		}
	}
	slices.SortStableFunc(l.waiting, func(a, b closedWindow) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(windowOf(a.rec.Key).Start, windowOf(b.rec.Key).Start), bytes.Compare(a.rec.Key, b.rec.Key))
	})
}

// step emits what a step's look finds.
func (l *looks) step(s *Step) {
	switch {
	case s.In == nil:
		l.clock += s.Advance
		if l.later != nil && l.clock >= l.due {
			l.look(s, l.later)
		}
	case s.In.Key != nil && (s.In.Value != nil || l.nulls):
		l.observed = max(l.observed, s.In.Time)
		if l.clock >= l.due {
			l.look(s, s.In)
		} else if l.observed-l.lag > l.mark {
			l.later = s.In
		}
	}
}

func (l *looks) look(s *Step, by *Record) {
	l.due, l.later = l.clock+l.every, nil
	l.mark = max(l.mark, l.observed-l.lag)
	for len(l.waiting) > 0 && (l.waiting[0].end < l.mark || l.waiting[0].end == l.mark && !l.after) {
		rec := l.waiting[0].rec
		rec.Headers = by.Headers
		s.Out = append(s.Out, rec)
		l.waiting = l.waiting[1:]
	}
}

// windowOf is the window of a key that ends in its start, or in a session's end and start.
func windowOf(key Bytes) Row {
	r := Row{End: -1}
	r.Start = int64(binary.BigEndian.Uint64(key[len(key)-8:]))
	if len(key) > 16 {
		r.End = int64(binary.BigEndian.Uint64(key[len(key)-16:]))
	}
	return r
}

// windowedKey is the opposite: the key of a row in a topic.
func windowedKey(r Row) Bytes {
	key := slices.Clone(r.Key)
	if r.End >= 0 {
		key = binary.BigEndian.AppendUint64(key, uint64(r.End))
	}
	return binary.BigEndian.AppendUint64(key, uint64(r.Start))
}

// end is a window's end.
func (c closes) end(r Row) int64 { return max(r.End, r.Start+c.size) }
