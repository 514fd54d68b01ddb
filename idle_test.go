package weir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// quietly runs records and silences. past is the time that closes what a record of some time may be in.
func (m *model) quietly(all []happening, past func(at int64) int64, add func(happening), done func(*box) bool) said {
	m.now = -1
	taken := int64(-1)
	for _, h := range all {
		switch {
		case h.Kind == "record":
			taken, m.now = max(taken, h.At), max(m.now, h.At)
			add(h)
		case h.Kind == "quiet" && taken >= 0:
			m.now = max(m.now, past(taken))
		}
		m.ordered()
		for _, b := range m.boxes {
			if !b.emitted && done(b) {
				b.emitted = true
				m.closed = append(m.closed, b.String())
			}
		}
	}
	return m.said
}

// quietBoxes computes hopping windows that silence closes.
func quietBoxes(all []happening, size, advance, grace int64) said {
	m := &model{}
	done := func(b *box) bool { return b.end <= m.now-grace }
	return m.quietly(all, func(at int64) int64 { return at/advance*advance + size + grace }, func(h happening) {
		for start := int64(0); start <= h.At; start += advance {
			b := &box{end: start + size}
			switch {
			case b.end <= h.At:
			case done(b):
				m.late++
			default:
				b = m.box(h.Key, start, start+size)
				b.sum, b.at = b.sum+h.Value, max(b.at, h.At)
				m.updates = append(m.updates, b.String())
			}
		}
	}, done)
}

// quietSessions computes sessions that silence closes, and that take nothing more once they are closed.
func quietSessions(all []happening, gap, grace int64) said {
	m, stored := &model{}, int64(-1)
	done := func(b *box) bool { return b.end < m.now-grace-gap }
	return m.quietly(all, func(at int64) int64 { return at + gap + grace + 1 }, func(h happening) {
		stored = max(stored, m.session(h, gap, func(b *box) bool { return b.end > stored-gap-grace && !done(b) }, done))
	}, done)
}

var closesIdle = weir.CloseIdleAfter(time.Minute)

// compareQuiet checks windows that silence closes at random points, between restarts, crashes and losses of the machine.
func compareQuiet(t *testing.T, r *rapid.T, w window.Spec, model func([]happening) said) {
	all := happenings(1, "quiet", "quiet", "commit", "restart", "rebuild", "crash").Draw(r, "all")
	all = append(all, happening{Kind: "quiet"})
	every := weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every"))
	want := model(all)
	out, _, late := lived(t, windowedText(t, w, weir.NoCache(), closesIdle), all)
	same(r, "updates", out, want.updates)
	sameLate(r, late, want.late)

	out, _, late = lived(t, windowedText(t, w, weir.EmitOnClose(), closesIdle), all, every)
	same(r, "closed", out, want.closed)
	sameLate(r, late, want.late)

	out, _, late = lived(t, suppressedText(t, w, closesIdle), all, every)
	slices.Sort(out)
	slices.Sort(want.closed)
	if _, sessions := w.(window.SessionWindows); sessions {
		out = lastOnes(r, out, want)
	}
	same(r, "suppressed", out, want.closed)
	sameLate(r, late, want.late)
}

// lastOnes leaves out what was let go too early: a suppression lets a session go when the time is at its close, at which it still takes a record, as in Kafka.
func lastOnes(r *rapid.T, out []string, want said) (last []string) {
	left := slices.Clone(want.closed)
	for _, o := range out {
		switch i := slices.Index(left, o); {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
			last = append(last, o)
		case !slices.Contains(want.updates, o):
			r.Fatalf("%s was let go, and never was\n%q", o, want.updates)
		}
	}
	return last
}

// suppressedText lets final results pass alone. What closes the windows closes the suppression.
func suppressedText(t testing.TB, w window.Spec, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		sums := weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(w), "sums", joined(), opts...)
		flat(sums.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(outTexts)
	})
}

func TestIdleWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Int64Range(1, 40).Draw(r, "size")
		advance := rapid.Int64Range(max(1, size/5), size).Draw(r, "advance")
		grace := rapid.Int64Range(0, 30).Draw(r, "grace")
		compareQuiet(t, r, window.Hopping(ms(size), ms(advance)).Grace(ms(grace)), func(all []happening) said {
			return quietBoxes(all, size, advance, grace)
		})
	})
}

func TestIdleSessionsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		gap := rapid.Int64Range(1, 20).Draw(r, "gap")
		grace := rapid.Int64Range(0, 30).Draw(r, "grace")
		compareQuiet(t, r, window.Session(ms(gap)).Grace(ms(grace)), func(all []happening) said {
			return quietSessions(all, gap, grace)
		})
	})
}

// Sliding windows close with their updates' last values, each once.
func TestIdleSlidingWindows(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := window.Sliding(ms(rapid.Int64Range(1, 20).Draw(r, "difference"))).Grace(ms(rapid.Int64Range(0, 20).Draw(r, "grace")))
		all := append(happenings(1, "quiet", "quiet", "commit", "restart", "rebuild", "crash").Draw(r, "all"), happening{Kind: "quiet"})
		out, _, late := lived(t, windowedText(t, w, weir.NoCache(), closesIdle), all)
		last := map[string]string{}
		for _, u := range out {
			win, _, _ := strings.Cut(u, "=")
			last[win] = u
		}
		closed, _, lateToo := lived(t, windowedText(t, w, weir.EmitOnClose(), closesIdle), all)
		if sameLate(r, lateToo, late); len(closed) != len(last) {
			r.Fatalf("%d windows are closed, %d were updated\n%q\n%q", len(closed), len(last), closed, out)
		}
		for _, c := range closed {
			if win, _, _ := strings.Cut(c, "="); last[win] != c {
				r.Fatalf("closed as %s, updated last as %s", c, last[win])
			}
		}
	})
}

// A model without silence must be told from one that has it.
func TestModelsTellSilenceApart(t *testing.T) {
	all := []happening{text("a", "x", 5), {Kind: "quiet"}, text("a", "y", 6)}
	quiet, awake := quietBoxes(all, 10, 10, 0), boxesOf(all, 10, 10, 0, looking{})
	if quiet.late != 1 || awake.late != 0 || len(quiet.closed) != 1 {
		t.Errorf("with silence %v, without %v", quiet, awake)
	}
	if _, _, late := lived(t, windowedText(t, window.Tumbling(ms(10))), all); late != 0 {
		t.Error("a topology without CloseIdleAfter closes windows")
	}
}

// What an aggregation has not taken after it was closed opens nothing and closes nothing: a late record does not put the time further ahead.
func TestSilenceDoesNotCreep(t *testing.T) {
	for _, befalls := range []string{"commit", "restart", "rebuild", "crash"} {
		all := []happening{text("a", "x", 5)}
		for range 5 {
			all = append(all, happening{Kind: "quiet"}, happening{Kind: befalls}, text("a", "late", 7))
		}
		all = append(all, happening{Kind: "quiet"}, text("a", "y", 11))
		out, _, late := lived(t, windowedText(t, window.Tumbling(ms(10)).Grace(ms(3)), weir.NoCache(), closesIdle), all)
		if want := []string{"a[0,10]=x@5", "a[10,20]=xy@11"}; len(out) != 2 || out[0] != want[0] || late != 5 {
			t.Errorf("%s: %q, %d late", befalls, out, late)
		}
	}
}

// Under exactly once, what a crash undoes is done again, and seen once.
func TestIdleClosingSurvivesCrashes(t *testing.T) {
	d := weirtest.New(t, windowedText(t, window.Tumbling(ms(10)), weir.EmitOnClose(), closesIdle), weirtest.CommitEvery(0), weirtest.With(weir.ExactlyOnce()))
	happen(d, text("a", "x", 5))
	d.Commit()
	quiet := happening{Kind: "quiet"}
	for range 3 {
		happen(d, quiet)
		d.Crash() // before the commit
	}
	if got := d.Records("out"); len(got) != 0 {
		t.Fatalf("%d results of closings that were undone", len(got))
	}
	happen(d, quiet)
	d.Commit()
	happen(d, text("a", "late", 6))
	d.Crash()
	d.Rebuild()
	happen(d, quiet)
	d.Commit()
	if got := shown(weirtest.Out(d, outTexts)); got != "a[0,10]=x@5" || dropped(d, "late") < 1 {
		t.Errorf("got %q, late %d", got, dropped(d, "late"))
	}
}

// Silence is that of all inputs of a task: another partition is another task.
func TestSilenceIsATasks(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		all := weir.From(b, texts).Merge(weir.From(b, moreTexts))
		flat(weir.Aggregate(all.GroupByKey().WindowedBy(window.Tumbling(ms(10))), "sums", joined(), weir.EmitOnClose(), closesIdle).ToStream()).To(outTexts)
	})
	d := weirtest.New(t, topo, weirtest.Partitions("texts", 2), weirtest.Partitions("more", 2), weirtest.Partitions("out", 1))
	in, more := weirtest.In(d, texts), weirtest.In(d, moreTexts)
	send := func(to *weirtest.Input[string, string], partition int, key string, millis int64) {
		to.SendTo(partition, processor.NewRecord(key, key, at(millis)))
	}
	send(in, 0, "a", 5)
	send(in, 1, "b", 5)
	d.AdvanceWallClock(40 * time.Second)
	send(more, 1, "b", 6)
	out := weirtest.Out(d, outTexts)
	d.AdvanceWallClock(20 * time.Second)
	if got := shown(out); got != "a[0,10]=a@5" {
		t.Errorf("after a minute: %q", got)
	}
	d.AdvanceWallClock(39 * time.Second)
	if !out.Empty() {
		t.Errorf("before a minute: %q", shown(out))
	}
	d.AdvanceWallClock(time.Second)
	if got := shown(out); got != "b[0,10]=bb@6" {
		t.Errorf("after a minute: %q", got)
	}
}

// The app's is for all operators, an operator's own wins, and 0 is never.
func TestWhoseCloseIdleAfter(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		g := weir.From(b, texts).GroupByKey().WindowedBy(window.Tumbling(ms(10)))
		for store, opts := range map[string][]weir.OpOption{"app": nil, "own": {weir.CloseIdleAfter(2 * time.Minute)}, "never": {weir.CloseIdleAfter(0)}} {
			weir.MapValues(flat(weir.Aggregate(g, store, joined(), append(opts, weir.EmitOnClose())...).ToStream()), func(string) string { return store }).To(outTexts)
		}
		limited := weir.From(b, texts).ToTable("rows").Suppress("limited", weir.UntilTimeLimit(time.Hour))
		weir.MapValues(limited.ToStream(), func(string) string { return "limited" }).To(outTexts)
	})
	d := weirtest.New(t, topo, weirtest.With(weir.CloseIdleAfter(time.Minute)))
	happen(d, text("a", "x", 5))
	out := weirtest.Out(d, outTexts)
	values := func() (all []string) {
		for _, r := range out.All() {
			all = append(all, r.Value)
		}
		slices.Sort(all)
		return all
	}
	for i, want := range []string{"[app limited]", "[own]", "[]", "[]"} {
		if d.AdvanceWallClock(time.Minute); fmt.Sprint(values()) != want && want != "[]" {
			t.Errorf("after %d minutes another result than %s", i+1, want)
		}
	}
}

// A suppression alone that is closed when idle refuses what comes for its windows later, though the aggregation takes it.
func TestASuppressionThatClosesAlone(t *testing.T) {
	for _, befalls := range []string{"commit", "restart", "rebuild", "crash"} {
		topo := built(t, func(b *weir.Builder) {
			sums := weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(window.Tumbling(ms(10)).Grace(ms(50))), "sums", joined())
			flat(sums.Suppress("final", weir.UntilWindowCloses(), closesIdle).ToStream()).To(outTexts)
		})
		all := []happening{text("a", "x", 5), {Kind: "quiet"}, {Kind: befalls}, text("a", "y", 6), {Kind: "quiet"}, text("a", "z", 11), {Kind: "quiet"}}
		out, _, late := lived(t, topo, all)
		if want := []string{"a[0,10]=x@5", "a[10,20]=z@11"}; !slices.Equal(out, want) || late != 1 {
			t.Errorf("%s: %q, %d late; want %q", befalls, out, late, want)
		}
	}
}

func TestCloseIdleFaults(t *testing.T) {
	for name, c := range map[string]struct {
		declare func(*weir.Builder)
		want    string
	}{
		"negative": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey().WindowedBy(window.Tumbling(time.Second)), "s", weir.CloseIdleAfter(-time.Second))
		}, "CloseIdleAfter(-1s) must be whole milliseconds, and not negative"},
		"a fraction": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey().WindowedBy(window.Tumbling(time.Second)), "s", weir.CloseIdleAfter(time.Microsecond))
		}, "CloseIdleAfter(1µs) must be whole milliseconds"},
		"no windows": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey(), "s", closesIdle)
		}, "Count: option CloseIdleAfter does not fit"},
		"unlimited windows": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey().WindowedBy(window.Unlimited(at(0))), "s", closesIdle)
		}, "CloseIdleAfter does not fit unlimited windows"},
		"an inner join": {func(b *weir.Builder) {
			weir.Join(weir.From(b, leftTexts), weir.From(b, rightTexts), "j", window.Within(1), func(string, string, string) string { return "" }, closesIdle)
		}, "Join: option CloseIdleAfter does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			b := weir.NewBuilder()
			c.declare(b)
			if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := weir.New("app", built(t, func(b *weir.Builder) { weir.From(b, texts) }), closesIdle, weir.CloseIdleAfter(-1)); err == nil || !strings.Contains(err.Error(), "CloseIdleAfter(-1ns)") {
		t.Errorf("of an app: %v", err)
	}
}

// A cogroup's streams close too: what comes later of either is late.
func TestIdleCogroup(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		c := weir.Cogroup(func() string { return "" },
			weir.Adding(weir.From(b, texts).GroupByKey(), func(_, v, sum string) string { return sum + v }, weir.LateTo(lateTexts)),
			weir.Adding(weir.From(b, moreTexts).GroupByKey(), func(_, v, sum string) string { return sum + v }))
		weir.AggregateCogroup(c.WindowedBy(window.Tumbling(ms(10)).Grace(ms(5))), "sums", closesIdle)
	})
	d := weirtest.New(t, topo)
	happen(d, text("a", "x", 7))
	happen(d, happening{Kind: "quiet"})
	d.Restart()
	happen(d, text("a", "y", 8))
	weirtest.In(d, moreTexts).SendAt("a", "z", at(3)) // its stream was silent from the start
	if got, want := shownLate(d, lateTexts), []string{"a=y@8 missed [0,10] by 0"}; !slices.Equal(got, want) || dropped(d, "late") != 1 {
		t.Errorf("got %q, want %q; dropped %v", got, want, d.Dropped())
	}
}
