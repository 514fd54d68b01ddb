package weir_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

type number = weir.Record[string, int64]

// service answers with ten times the value. Of each value the first calls may fail.
type service struct {
	mu     sync.Mutex
	fails  map[int64]int // how often, by value
	failed error         // what with; errBad if nil
	calls  []string
}

func (s *service) ask(_ context.Context, r number) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprint(r.Key, r.Value))
	if s.fails[r.Value] > 0 {
		s.fails[r.Value]--
		if s.failed != nil {
			return 0, s.failed
		}
		return 0, errBad
	}
	return 10 * r.Value, nil
}

// asked is the calls so far, sorted, and forgets them.
func (s *service) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.calls)
	text := strings.Join(s.calls, " ")
	s.calls = nil
	return text
}

// asks is a topology that calls f for each record.
func asks(t *testing.T, f func(context.Context, number) (int64, error), opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		weir.AsyncMapValues(weir.From(b, badIn), f, append(opts, weir.Named("asks"))...).To(badOut)
	})
}

func TestAsyncOperators(t *testing.T) {
	pairs := weir.NewTopic("out", serde.Int64(), serde.String())
	var seen sync.Map
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		s := weir.From(b, badIn)
		weir.AsyncMap(s, func(_ context.Context, r number) (int64, string, error) { return r.Value, r.Key, nil }, weir.Named("map")).To(pairs)
		s.AsyncFilter(func(_ context.Context, r number) (bool, error) { return !r.IsNull() && r.Value > 1, nil }, weir.Named("filter")).To(weir.NewTopic("filtered", serde.String(), serde.Int64()))
		weir.AsyncFlatMapValues(s, func(_ context.Context, r number) ([]int64, error) { return []int64{r.Value, -r.Value}, nil }, weir.Named("flat")).To(weir.NewTopic("flat", serde.String(), serde.Int64()))
		s.AsyncForEach(func(_ context.Context, r number) error {
			seen.Store(line(r), true)
			return nil
		}, weir.Named("each"), weir.Unordered())
	}))
	in := weirtest.In(d, badIn)
	header := processor.Headers{{Key: "h", Value: []byte("x")}}
	in.SendRecord(weir.Record[string, int64]{Key: "a", Value: 1, Time: at(1000), Headers: header})
	in.SendRecord(weir.Record[string, int64]{Key: "b", Value: 2, Time: at(2000), Headers: header})
	in.SendRecord(weir.Tombstone[int64]("c", at(3000)))
	d.SendRaw("in", 0, nil, make([]byte, 8), at(4000))
	if got, want := shown(weirtest.Out(d, weir.NewTopic("filtered", serde.String(), serde.Int64()))), "b=2@2000 h:x"; got != want {
		t.Errorf("filter: %s", got)
	}
	if got, want := shown(weirtest.Out(d, weir.NewTopic("flat", serde.String(), serde.Int64()))), "a=1@1000 h:x, a=-1@1000 h:x, b=2@2000 h:x, b=-2@2000 h:x, c=0@3000, c=0@3000, =0@4000, =0@4000"; got != want {
		t.Errorf("flat map: %s", got)
	}
	var mapped []string
	for _, r := range weirtest.Out(d, pairs).All() {
		mapped = append(mapped, line(r))
	}
	if got := fmt.Sprint(mapped); got != "[1=a@1 2=b@2 0=c@3 0=@4]" {
		t.Errorf("map: %s", got)
	}
	for _, want := range []string{"a=1@1", "b=2@2", "c=∅@3", "∅=0@4"} {
		if _, ok := seen.Load(want); !ok {
			t.Errorf("for each: %s was not seen", want)
		}
	}
}

// With a value that another call waits for, calls run at the same time; of one key they do not.
func TestAsyncCallsRunAtOnce(t *testing.T) {
	begun, other := make(chan struct{}, 2), make(chan struct{})
	var running, most atomic.Int64
	topo := asks(t, func(ctx context.Context, r number) (int64, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.Key == "slow" {
			begun <- struct{}{}
			<-other
		} else {
			<-begun
			close(other)
		}
		return r.Value, nil
	}, weir.Concurrency(2))
	d := weirtest.New(t, topo)
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	d.Together(func() {
		in.SendAt("slow", 1, at(1))
		in.SendAt("slow", 2, at(2))
		in.SendAt("quick", 3, at(3))
	})
	expect(t, out, "slow=1@1, quick=3@3, slow=2@2")
	if most.Load() != 2 {
		t.Errorf("%d calls ran at once", most.Load())
	}
}

func TestAsyncBackoff(t *testing.T) {
	s := &service{fails: map[int64]int{1: 2}}
	d := weirtest.New(t, asks(t, s.ask, weir.Backoff(2, 50*time.Millisecond)))
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	in.SendAt("a", 1, at(1))
	in.SendAt("a", 2, at(2)) // waits behind it
	in.SendAt("b", 3, at(3))
	expect(t, out, "b=30@3")
	for _, step := range []struct {
		wait time.Duration
		want string
	}{{0, "a1 b3"}, {49, ""}, {1, "a1"}, {99, ""}, {1, "a1 a2"}} {
		d.AdvanceWallClock(step.wait * time.Millisecond)
		if got := s.asked(); got != step.want {
			t.Errorf("after %d ms more %q was asked, want %q", step.wait, got, step.want)
		}
	}
	expect(t, out, "a=10@1, a=20@2")
}

// What fails more often than Backoff says meets OnError, with the record's own coordinates.
func TestAsyncErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		call  func(context.Context, number) (int64, error)
		says  string
		cause error
	}{
		{"error", func(context.Context, number) (int64, error) { return 0, errBad }, "a bad record", errBad},
		{"panic", func(context.Context, number) (int64, error) { panic(errBad) }, "panic: a bad record", errBad},
		{"goexit", func(context.Context, number) (int64, error) { runtime.Goexit(); return 0, nil }, "Goexit", nil},
		{"timeout", func(ctx context.Context, _ number) (int64, error) { <-ctx.Done(); return 0, ctx.Err() }, "deadline exceeded", context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := func(ctx context.Context, r number) (int64, error) {
				if r.Value != 2 {
					return r.Value, nil
				}
				return c.call(ctx, r)
			}
			d := weirtest.New(t, asks(t, call, weir.Timeout(time.Millisecond)))
			in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
			in.SendAt("a", 1, at(5))
			err := in.TrySendRecord(processor.NewRecord("a", int64(2), at(7)))
			contains(t, err, "processing", `node "asks"`, `topic "in"`, "offset 1", c.says)
			var e *weir.RecordError
			if !errors.As(err, &e) || string(e.Key) != "a" || !e.Time.Equal(at(7)) || c.cause != nil && !errors.Is(err, c.cause) {
				t.Errorf("the record's coordinates are %+v", e)
			}
			expect(t, out, "a=1@5")
		})
	}
}

func TestAsyncDecisions(t *testing.T) {
	s := &service{fails: map[int64]int{1: 1000}}
	skip := &always{decision: weir.Skip()}
	d := weirtest.New(t, asks(t, s.ask, weir.Backoff(1, 0), skip.option()))
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	in.SendAt("a", 1, at(1))
	in.SendAt("a", 2, at(2))
	d.AdvanceWallClock(time.Millisecond)
	expect(t, out, "a=20@2")
	drops(t, d, map[string]map[string]int64{"asks": {"failed": 1}})
	if len(skip.asked) != 1 || skip.asked[0].Source.Offset != 0 {
		t.Errorf("asked about %v", skip.asked)
	}

	s = &service{fails: map[int64]int{1: 2}}
	retry := &always{decision: weir.Retry(time.Second)}
	d = weirtest.New(t, asks(t, s.ask, retry.option()))
	in, out = weirtest.In(d, badIn), weirtest.Out(d, badOut)
	in.SendAt("a", 1, at(1))
	in.SendAt("b", 2, at(2)) // does not wait for the retry
	expect(t, out, "b=20@2")
	d.AdvanceWallClock(time.Second)
	d.AdvanceWallClock(time.Second)
	expect(t, out, "a=10@1")

	s = &service{fails: map[int64]int{1: 3}}
	dead := &always{decision: weir.DeadLetter("dead")}
	d = weirtest.New(t, asks(t, s.ask, weir.Backoff(1, time.Second), dead.option()))
	in = weirtest.In(d, badIn)
	in.SendAt("a", 1, at(1))
	d.Restart() // it comes from its row, and has its tries again
	d.AdvanceWallClock(time.Second)
	letters := d.Records("dead")
	if len(letters) != 1 || string(letters[0].Key) != "a" || len(letters[0].Value) != 8 || !letters[0].Time.Equal(at(1)) {
		t.Errorf("dead letters: %v", letters)
	}
}

// Records whose calls have not ended survive whatever happens, and keep their order.
func TestAsyncRestarts(t *testing.T) {
	for name, again := range map[string]func(*weirtest.Driver){"restart": (*weirtest.Driver).Restart, "rebuild": (*weirtest.Driver).Rebuild, "crash": (*weirtest.Driver).Crash} {
		for _, guarantee := range [][]weir.AppOption{nil, {weir.ExactlyOnce()}} {
			t.Run(fmt.Sprint(name, len(guarantee)), func(t *testing.T) {
				s := &service{fails: map[int64]int{1: 3}}
				d := weirtest.New(t, asks(t, s.ask, weir.Backoff(100, time.Second)), weirtest.With(guarantee...))
				in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
				in.SendRecord(number{Key: "a", Value: 1, Time: at(1), Headers: processor.Headers{{Key: "h", Value: []byte("x")}}})
				in.SendRecord(weir.Tombstone[int64]("a", at(2)))
				in.SendAt("b", 3, at(3))
				again(d)
				in.SendAt("a", 4, at(4))
				again(d)
				if got := s.asked(); got != "a1 a1 a1 b3" {
					t.Errorf("asked %s", got)
				}
				again(d)
				d.Commit()
				if got := shown(out); got != "b=30@3, a=10@1 h:x, a=0@2, a=40@4" {
					t.Errorf("got %s", got)
				}
				if left := unfinished(d.Changelog("asks-open")); left != 0 {
					t.Errorf("%d rows are left", left)
				}
			})
		}
	}
}

// unfinished is how many keys a changelog holds.
func unfinished(log []weirtest.RawRecord) int {
	left := map[string]bool{}
	for _, r := range log {
		if left[string(r.Key)] = true; r.Value == nil {
			delete(left, string(r.Key))
		}
	}
	return len(left)
}

// What comes and is done between two commits never touches the store.
func TestAsyncWritesOnlyWhatIsOpen(t *testing.T) {
	s := &service{}
	d := weirtest.New(t, asks(t, s.ask), weirtest.CommitEvery(0))
	in := weirtest.In(d, badIn)
	for i := range 10 {
		in.SendAt("a", int64(i), at(int64(i)))
	}
	d.Commit()
	if log := d.Changelog("asks-open"); len(log) != 0 {
		t.Errorf("%d changelog records", len(log))
	}
}

func TestAsyncFaults(t *testing.T) {
	type unknown struct{ N int }
	f := func(context.Context, number) (int64, error) { return 0, nil }
	for _, c := range []struct {
		name    string
		declare func(b *weir.Builder, s weir.Stream[string, int64])
		wants   []string
	}{
		{"no name", func(_ *weir.Builder, s weir.Stream[string, int64]) { weir.AsyncMapValues(s, f) }, []string{"AsyncMapValues", "weir.Named"}},
		{"no function", func(_ *weir.Builder, s weir.Stream[string, int64]) { s.AsyncForEach(nil, weir.Named("x")) }, []string{`AsyncForEach "x"`, "function is nil"}},
		{"no serde", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.MapValues(s, func(v int64) unknown { return unknown{} }).AsyncForEach(func(context.Context, weir.Record[string, unknown]) error { return nil }, weir.Named("x"))
		}, []string{`AsyncForEach "x"`, `the value of store "x-open"`, "no serde", "weir.ValueSerde to an operator above it, or weir.RegisterSerde"}},
		{"bad options", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.AsyncMapValues(s, f, weir.Named("x"), weir.Concurrency(0), weir.Timeout(0), weir.Backoff(0, -1))
		}, []string{"Concurrency(0)", "Timeout(0s)", "Backoff(0, -1ns)"}},
		{"options of others", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			s.Filter(func(string, int64) bool { return true }, weir.Unordered())
			weir.AsyncMapValues(s, f, weir.Named("x"), weir.NoCache())
		}, []string{"option Unordered does not fit", "option NoCache does not fit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := weir.NewBuilder()
			c.declare(b, weir.From(b, badIn))
			_, err := b.Build()
			contains(t, err, c.wants...)
		})
	}
}

// A queue of records is no reason to ask more than Concurrency says at once.
func TestAsyncConcurrency(t *testing.T) {
	const atOnce = 5
	var running, most atomic.Int64
	full := make(chan struct{})
	topo := asks(t, func(_ context.Context, r number) (int64, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == atOnce {
			close(full)
		}
		<-full
		return r.Value, nil
	}, weir.Concurrency(atOnce), weir.Unordered())
	d := weirtest.New(t, topo, weirtest.CommitEvery(7))
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	d.Together(func() {
		for i := range 20 {
			in.SendAt("a", int64(i), at(int64(i)))
		}
	})
	if got := len(out.All()); got != 20 || most.Load() < atOnce {
		t.Errorf("%d results, %d calls at once", got, most.Load())
	}
}
