package scenario_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/window"
)

// at are records of each of twenty keys, at a time.
func at(at time.Time, value string) (recs []*kgo.Record) {
	for i := range 20 {
		recs = append(recs, &kgo.Record{Topic: "in", Key: fmt.Append(nil, "k", i), Value: []byte(value), Timestamp: at})
	}
	return recs
}

// said are how often each value was seen for how many keys.
func (s *scenario) said(n int) map[string]int {
	s.t.Helper()
	s.read(fmt.Sprint(n, " records"), func() bool { return len(s.seen) >= n })
	got := map[string]int{}
	for _, r := range s.seen {
		got[string(r.Value)]++
	}
	return got
}

// Windows close when their inputs fall silent, once, whatever becomes of the app; what comes later is late.
func TestIdleWindowsClose(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		idleCloses(newScenario(t, eos, "in"), 100*time.Millisecond, weir.Stream[string, string].GroupByKey)
	})
}

func idleCloses(s *scenario, silence time.Duration, group func(weir.Stream[string, string], ...weir.OpOption) weir.Grouped[string, string]) {
	topo := built(s.t, func(b *weir.Builder) {
		g := group(weir.From(b, s.text("in")), weir.Named("again")).WindowedBy(window.Tumbling(time.Minute).Grace(time.Minute))
		sums := weir.Reduce(g, "sums", func(sum, v string) string { return sum + v }, weir.EmitOnClose())
		weir.Unwindow(sums.ToStream()).To(s.text("out"))
		weir.MapValues(weir.LateOf(g), func(l weir.Late[string]) string { return "late " + l.Value }).To(s.text("out"))
	})
	idle := weir.CloseIdleAfter(silence)
	minute := time.Now().Truncate(time.Minute).Add(-5 * time.Minute)
	s.put(at(minute, "a")...)
	s.put(at(minute.Add(time.Second), "b")...)
	dir := weir.StateDir(s.t.TempDir())
	app := s.start("idle", topo, idle, dir)
	want := map[string]int{"ab": 20}
	if got := s.said(20); !maps.Equal(got, want) {
		s.t.Fatalf("%v, want %v", got, want)
	}
	for _, round := range []struct {
		name  string
		state weir.AppOption
	}{{"c", dir}, {"d", weir.StateDir(s.t.TempDir())}} {
		s.end(app)
		app = s.start("idle", topo, idle, round.state)
		s.put(at(minute.Add(2*time.Second), round.name)...)
		want["late "+round.name] = 20
		if got := s.said(len(s.seen) + 20); !maps.Equal(got, want) {
			s.t.Fatalf("%v, want %v", got, want)
		}
	}
	s.put(at(minute.Add(90*time.Second), "e")...) // of the window after
	want["e"] = 20
	if got := s.said(len(s.seen) + 20); !maps.Equal(got, want) {
		s.t.Fatalf("%v, want %v", got, want)
	}
	s.end(app)
	if got := len(s.whole("out")); got != 80 {
		s.t.Errorf("%d records came in all, want 80", got)
	}
}

// A transaction that is open in an input is no silence, whatever was read before it: what it brings in the end is in time.
func TestIdleWindowsWaitForTransactions(t *testing.T) { idleWaits(newScenario(t, true, "in")) }

func idleWaits(s *scenario) {
	topo := built(s.t, func(b *weir.Builder) {
		windows := weir.From(b, s.text("in")).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(time.Minute))
		sums := weir.Reduce(windows, "sums", func(sum, v string) string { return sum + v }, weir.EmitOnClose())
		weir.Unwindow(sums.ToStream()).To(s.text("out"))
	})
	minute := time.Now().Truncate(time.Minute).Add(-5 * time.Minute)
	s.put(at(minute, "a")...)
	feeder := s.feeder()
	s.begin(feeder, at(minute.Add(time.Second), "b")...)
	app := s.start("waits", topo, weir.CloseIdleAfter(100*time.Millisecond))
	s.until("it has read what there is", func() bool { return app.app.Stats().Records >= 20 })
	s.until("it could have closed windows", after(500*time.Millisecond)) // nothing tells of what does not happen
	s.finish(feeder, kgo.TryCommit)
	want := map[string]int{"ab": 20}
	if got := s.said(20); !maps.Equal(got, want) {
		s.t.Fatalf("%v, want %v", got, want)
	}
	s.end(app)
	if got := len(s.whole("out")); got != 20 {
		s.t.Errorf("%d records came in all, want 20", got)
	}
}

// after holds when some time has passed.
func after(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}
