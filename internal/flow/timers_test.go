package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"pgregory.net/rapid"
)

// timerLog schedules punctuations that note their calls.
type timerLog struct {
	flow.Timers
	calls []string
}

func (l *timerLog) add(name string, every, start int64, wall bool, now int64) (cancel func()) {
	return l.Schedule(nil, every, start, wall, now, func(at int64) error {
		l.calls = append(l.calls, fmt.Sprintf("%s@%d", name, at))
		return nil
	})
}

func (l *timerLog) fire(now int64, wall bool) string {
	l.calls = nil
	_, err := l.Fire(now, wall, func(_ *flow.Node, f func(int64) error) error { return f(now) })
	if err != nil {
		return err.Error()
	}
	return strings.Join(l.calls, " ")
}

func wantFires(t *testing.T, l *timerLog, wall bool, times []int64, want ...string) {
	t.Helper()
	for i, now := range times {
		if got := l.fire(now, wall); got != want[i] {
			t.Errorf("at %d: %q, want %q", now, got, want[i])
		}
	}
}

func TestStreamTimersStartAtTheFirstRecord(t *testing.T) {
	var l timerLog
	l.add("a", 10, -1, false, -1)
	if _, ok := l.Next(); ok {
		t.Error("a stream-time punctuation wants to be woken by the wall clock")
	}
	wantFires(t, &l, false, []int64{3, 9, 10, 11, 20, 57, 59, 60}, "a@3", "", "a@10", "", "a@20", "a@57", "", "a@60")
}

func TestWallTimersStartAfterAnInterval(t *testing.T) {
	var l timerLog
	l.add("a", 10, -1, true, 100)
	if at, ok := l.Next(); at != 110 || !ok {
		t.Errorf("next %d, %v, want 110", at, ok)
	}
	wantFires(t, &l, true, []int64{100, 109, 110, 119, 145, 149, 150}, "", "", "a@110", "", "a@145", "", "a@150")
	if got := l.fire(1000, false); got != "" {
		t.Errorf("stream time calls %q", got)
	}
}

func TestAnchoredTimers(t *testing.T) {
	var l timerLog
	l.add("future", 10, 25, true, 7)
	l.add("past", 10, 5, true, 7)
	l.add("now", 10, 7, true, 7)
	wantFires(t, &l, true, []int64{7, 14, 15, 17, 24, 25, 35}, "now@7", "", "past@15", "now@17", "", "past@25 future@25", "now@35 future@35 past@35")
}

// TestTimersOrder has several due at once: by their times, equal ones as java.util.PriorityQueue would have them.
func TestTimersOrder(t *testing.T) {
	var l timerLog
	l.add("slow", 20, -1, true, 0)
	l.add("b", 10, -1, true, 0)
	l.add("c", 10, -1, true, 0)
	wantFires(t, &l, true, []int64{25, 40}, "b@25 c@25 slow@25", "c@40 b@40 slow@40")
}

func TestTimersCancel(t *testing.T) {
	var l timerLog
	stop := l.add("a", 10, -1, true, 0)
	stopB := l.add("b", 10, -1, true, 0)
	var stopSelf func()
	calls := 0
	stopSelf = l.Schedule(nil, 10, -1, true, 0, func(int64) error { calls++; stopSelf(); stopB(); return nil })
	l.add("d", 11, -1, true, 0)
	stop()
	wantFires(t, &l, true, []int64{11, 22}, "b@11 d@11", "d@22")
	stop()
	if calls != 1 {
		t.Errorf("a punctuation that cancelled itself was called %d times", calls)
	}
}

// TestTimersScheduleWithin schedules from a punctuation, on both clocks.
func TestTimersScheduleWithin(t *testing.T) {
	var l timerLog
	once := false
	l.Schedule(nil, 10, -1, false, -1, func(at int64) error {
		if !once {
			once = true
			l.add("stream", 10, -1, false, at)
			l.add("wall", 10, -1, true, 100)
		}
		return nil
	})
	wantFires(t, &l, false, []int64{0, 10}, "stream@0", "stream@10")
	wantFires(t, &l, true, []int64{109, 110}, "", "wall@110")
}

// TestTimersError leaves the others for the next time, and does not repeat the one that failed.
func TestTimersError(t *testing.T) {
	var l timerLog
	calls := 0
	l.Schedule(nil, 10, -1, true, 0, func(int64) error { calls++; return errors.New("no") })
	l.add("b", 10, -1, true, 0)
	wantFires(t, &l, true, []int64{10, 11}, "no", "b@11")
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

// checkTimers compares the calls at given times with the definition: of each grid, the call at now is due iff a grid point lies in
// (before, now].
func checkTimers(intervals, steps []int64, fire func(l *timerLog, now int64) string) error {
	var l timerLog
	for i, every := range intervals {
		l.add(fmt.Sprint(i), every, -1, true, 0)
	}
	before := int64(0)
	for _, step := range steps {
		now := before + step
		var want []string
		for i, every := range intervals {
			if now/every > before/every {
				want = append(want, fmt.Sprintf("%d@%d", i, now))
			}
		}
		got := strings.Fields(fire(&l, now))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("at %d after %d: %q, want %q", now, before, got, want)
		}
		before = now
	}
	return nil
}

func TestTimersAgainstDefinition(t *testing.T) {
	interval, step := rapid.SliceOf(rapid.Int64Range(1, 50)), rapid.SliceOf(rapid.Int64Range(0, 120))
	rapid.Check(t, func(t *rapid.T) {
		err := checkTimers(interval.Draw(t, "intervals"), step.Draw(t, "steps"), func(l *timerLog, now int64) string { return l.fire(now, true) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestTimersCheckComplains makes up for missed calls, which nobody may.
func TestTimersCheckComplains(t *testing.T) {
	last := int64(0)
	err := checkTimers([]int64{10}, []int64{35}, func(l *timerLog, now int64) (all string) {
		for ; last <= now; last++ {
			all += " " + l.fire(last, true)
		}
		return all
	})
	if err == nil {
		t.Error("nobody saw calls that were made up for")
	}
}
