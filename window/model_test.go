package window_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir/window"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

// The models below follow the definitions, by trying every candidate; times are small so that they can.
const horizon = 300

// timeModel lists the windows of ts: every multiple of advance from 0 on whose [start, start+size) holds ts.
func timeModel(size, advance, ts int64) (starts []int64) {
	for start := int64(0); start <= ts; start += advance {
		if ts < start+size {
			starts = append(starts, start)
		}
	}
	return starts
}

type firsts interface {
	First(ts int64) int64
	AdvanceMs() int64
}

func startsOf(w firsts, ts int64) (starts []int64) {
	for start := w.First(ts); start >= 0 && start <= ts; start += w.AdvanceMs() {
		starts = append(starts, start)
	}
	return starts
}

func checkTime(w firsts, size, advance, ts int64) error {
	got, want := startsOf(w, ts), timeModel(size, advance, ts)
	if !slices.Equal(got, want) {
		return fmt.Errorf("size %d advance %d: windows of %d start at %v, want %v", size, advance, ts, got, want)
	}
	return nil
}

func TestTimeWindowsHoldEachTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 60).Draw(t, "size")
		advance := rapid.Int64Range(1, size).Draw(t, "advance")
		ts := rapid.Int64Range(0, horizon).Draw(t, "ts")
		w := window.Hopping(time.Duration(size)*ms, time.Duration(advance)*ms)
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := checkTime(w, size, advance, ts); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTumblingWindowsPartitionTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 60).Draw(t, "size")
		ts := rapid.Int64Range(0, horizon).Draw(t, "ts")
		w := window.Tumbling(time.Duration(size) * ms)
		if got := startsOf(w, ts); len(got) != 1 || got[0] != ts-ts%size || w.End(got[0]) != got[0]+size {
			t.Fatalf("size %d: windows of %d start at %v", size, ts, got)
		}
	})
}

// offByOne starts its windows as if the end belonged to a window.
type offByOne struct{ window.TimeWindows }

func (w offByOne) First(ts int64) int64 {
	return max(0, ts-w.SizeMs()) / w.AdvanceMs() * w.AdvanceMs()
}

func TestTimeModelCatchesInclusiveEnds(t *testing.T) {
	w := offByOne{window.Hopping(10*ms, 5*ms)}
	if checkTime(w, 10, 5, 10) == nil {
		t.Error("windows whose end belongs to them passed")
	}
}

type span struct{ start, end int64 }

// sessionModel sorts the times and cuts them where two neighbours are more than gap apart.
func sessionModel(gap int64, times []int64) (sessions []span) {
	for _, ts := range slices.Sorted(slices.Values(times)) {
		last := len(sessions) - 1
		if last >= 0 && ts-sessions[last].end <= gap {
			sessions[last].end = ts
			continue
		}
		sessions = append(sessions, span{ts, ts})
	}
	return sessions
}

// sessionsOf merges the times one by one, in the order in which they come, by the bounds that the spec gives.
func sessionsOf(bounds func(ts int64) (int64, int64), times []int64) []span {
	var sessions []span
	for _, ts := range times {
		earliestEnd, latestStart := bounds(ts)
		merged := span{ts, ts}
		sessions = slices.DeleteFunc(sessions, func(s span) bool {
			if s.end < earliestEnd || s.start > latestStart {
				return false
			}
			merged = span{min(merged.start, s.start), max(merged.end, s.end)}
			return true
		})
		sessions = append(sessions, merged)
	}
	slices.SortFunc(sessions, func(a, b span) int { return int(a.start - b.start) })
	return sessions
}

func TestSessionsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gap := rapid.Int64Range(0, 30).Draw(t, "gap")
		times := rapid.SliceOf(rapid.Int64Range(0, horizon)).Draw(t, "times")
		w := window.Session(time.Duration(gap) * ms)
		if got, want := sessionsOf(w.Neighbours, times), sessionModel(gap, times); !slices.Equal(got, want) {
			t.Fatalf("gap %d, times %v: sessions %v, want %v", gap, times, got, want)
		}
	})
}

func TestSessionModelCatchesExclusiveGap(t *testing.T) {
	exclusive := func(ts int64) (int64, int64) { return ts - 10 + 1, ts + 10 - 1 }
	times := []int64{0, 10}
	if slices.Equal(sessionsOf(exclusive, times), sessionModel(10, times)) {
		t.Error("sessions that do not merge at exactly the gap passed")
	}
}

// slidingModel lists, for distinct record times, the windows that the definition asks for: for each record the one that ends with it (before diff, the
// one that begins at 0), and the one that begins just after it, if it holds a record.
func slidingModel(diff int64, times []int64) []span {
	var windows []span
	for _, ts := range times {
		left := span{ts - diff, ts}
		if ts < diff {
			left = span{0, diff}
		}
		right := span{ts + 1, ts + 1 + diff}
		windows = append(windows, left)
		if slices.ContainsFunc(times, func(o int64) bool { return o >= right.start && o <= right.end }) {
			windows = append(windows, right)
		}
	}
	slices.SortFunc(windows, func(a, b span) int { return int(a.start - b.start) })
	return slices.Compact(windows)
}

type slides interface {
	Left(ts int64) int64
	Right(ts int64) int64
	End(start int64) int64
}

func slidingOf(w slides, times []int64) []span {
	var windows []span
	for _, ts := range times {
		left, right := w.Left(ts), w.Right(ts)
		windows = append(windows, span{left, w.End(left)})
		if slices.ContainsFunc(times, func(o int64) bool { return o >= right && o <= w.End(right) }) {
			windows = append(windows, span{right, w.End(right)})
		}
	}
	slices.SortFunc(windows, func(a, b span) int { return int(a.start - b.start) })
	return slices.Compact(windows)
}

func TestSlidingWindowsOfRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		diff := rapid.Int64Range(0, 30).Draw(t, "diff")
		times := rapid.SliceOfDistinct(rapid.Int64Range(0, 100), rapid.ID[int64]).Draw(t, "times")
		w := window.Sliding(time.Duration(diff) * ms)
		if got, want := slidingOf(w, times), slidingModel(diff, times); !slices.Equal(got, want) {
			t.Fatalf("diff %d, times %v: windows %v, want %v", diff, times, got, want)
		}
	})
}

// endless is a sliding spec whose windows do not hold their end.
type endless struct{ window.SlidingWindows }

func (w endless) End(start int64) int64 { return w.SlidingWindows.End(start) - 1 }

func TestSlidingModelCatchesExclusiveEnds(t *testing.T) {
	times := []int64{20, 31}
	if slices.Equal(slidingOf(endless{window.Sliding(10 * ms)}, times), slidingModel(10, times)) {
		t.Error("sliding windows without their end passed")
	}
}

// joined asks the definition: the right record is at most before earlier and at most after later than the left one.
func joined(before, after, left, right int64) bool {
	return left-right <= before && right-left <= after
}

func checkJoin(w, mirror window.JoinWindows, before, after, left, right int64) error {
	want := joined(before, after, left, right)
	if from, to := w.Bounds(left); want != (from <= right && right <= to) {
		return fmt.Errorf("before %d after %d: left %d looks in [%d, %d], right is at %d", before, after, left, from, to, right)
	}
	if from, to := mirror.Bounds(right); want != (from <= left && left <= to) {
		return fmt.Errorf("before %d after %d: right %d looks in [%d, %d], left is at %d", before, after, right, from, to, left)
	}
	return nil
}

func TestJoinIsTheSameFromBothSides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.Int64Range(-40, 40).Draw(t, "before")
		after := rapid.Int64Range(-before, 60).Draw(t, "after")
		left := rapid.Int64Range(1, horizon).Draw(t, "left") // at 0 Kafka's clamp makes the sides differ; see Bounds
		right := rapid.Int64Range(1, horizon).Draw(t, "right")
		w := window.Within(0).Before(time.Duration(before) * ms).After(time.Duration(after) * ms)
		if err := w.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := checkJoin(w, w.Mirror(), before, after, left, right); err != nil {
			t.Fatal(err)
		}
	})
}

func TestJoinModelCatchesAMissingMirror(t *testing.T) {
	w := window.Within(0).Before(5 * ms)
	if checkJoin(w, w, 5, 0, 10, 6) == nil {
		t.Error("a right side that looks through the left side's window passed")
	}
}

func TestJoinBoundsStopAtZero(t *testing.T) {
	w := window.Within(0).Before(5 * ms).After(-4 * ms)
	if from, to := w.Bounds(2); from != 0 || to != 0 {
		t.Errorf("bounds [%d, %d], want [0, 0] as Kafka's", from, to)
	}
}

// closedModel: a window is closed when no time that may still come, later than observed - grace, is inside it (sessions: or within gap of it).
func closedModel(lastInside, gap, grace, observed int64) bool {
	for ts := max(0, observed-grace); ts <= horizon*2; ts++ {
		if ts <= lastInside+gap {
			return false
		}
	}
	return true
}

func TestClosedMeansThatNoTimelyRecordFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grace := rapid.Int64Range(0, 30).Draw(t, "grace")
		gap := rapid.Int64Range(0, 30).Draw(t, "gap")
		end := rapid.Int64Range(1, horizon).Draw(t, "end")
		observed := rapid.Int64Range(-1, horizon).Draw(t, "observed")
		g := time.Duration(grace) * ms
		closes(t, window.Tumbling(ms).Grace(g), end, observed, closedModel(end-1, 0, grace, observed))
		closes(t, window.Sliding(ms).Grace(g), end, observed, closedModel(end, 0, grace, observed))
		closes(t, window.Session(time.Duration(gap)*ms).Grace(g), end, observed, closedModel(end, gap, grace, observed))
		closes(t, window.Unlimited(time.UnixMilli(0)), end, observed, false)
	})
}

func closes(t *rapid.T, w window.Spec, end, observed int64, want bool) {
	if got := w.Closed(end, observed); got != want {
		t.Fatalf("%v: window that ends at %d is closed at %d: %v, want %v", w, end, observed, got, want)
	}
}

func TestNothingOverflows(t *testing.T) {
	const last = math.MaxInt64
	if got := window.Tumbling(10 * ms).End(last - 3); got != last {
		t.Errorf("time windows: end %d", got)
	}
	if got := window.Sliding(10 * ms).End(last - 3); got != last {
		t.Errorf("sliding windows: end %d", got)
	}
	if got := window.Sliding(10 * ms).Right(last); got != last {
		t.Errorf("sliding windows: right %d", got)
	}
	if _, got := window.Session(10 * ms).Neighbours(last - 3); got != last {
		t.Errorf("session windows: latest start %d", got)
	}
	if from, to := window.Within(10 * ms).Bounds(last); from != last-10 || to != last {
		t.Errorf("join windows: bounds [%d, %d]", from, to)
	}
	if first := window.Tumbling(10 * ms).First(last); first != last-last%10 {
		t.Errorf("time windows: first %d", first)
	}
	if starts := startsOf(window.Hopping(10*ms, 5*ms), last); len(starts) != 2 {
		t.Errorf("time windows: starts %v", starts)
	}
}
