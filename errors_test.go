package weir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	badIn  = weir.NewTopic("in", serde.String(), serde.Int64())
	badOut = weir.NewTopic("out", serde.String(), serde.Int64())
	errBad = errors.New("a bad record")
)

// always decides the same about every error, and notes what it was asked.
type always struct {
	decision weir.Decision
	asked    []*weir.RecordError
}

func (a *always) option() weir.CommonOption {
	return weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
		a.asked = append(a.asked, e)
		return a.decision
	})
}

// contains checks that a text names all that a user needs.
func contains(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

// drops checks what was dropped, by node and reason.
func drops(t *testing.T, d *weirtest.Driver, want map[string]map[string]int64) {
	t.Helper()
	if got := d.Dropped(); !maps.EqualFunc(got, want, maps.Equal[map[string]int64, map[string]int64]) {
		t.Errorf("dropped %v, want %v", got, want)
	}
}

func copying(b *weir.Builder, opts ...weir.OpOption) { weir.From(b, badIn, opts...).To(badOut) }

func sendGarbage(d *weirtest.Driver) error {
	return d.TrySendRaw("in", 0, []byte("k"), []byte("abc"), at(7), processor.Header{Key: "h", Value: []byte("x")})
}

func TestUndecodableFails(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) { copying(b, weir.Named("source")) }))
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	in.SendAt("a", 1, at(5))
	err := sendGarbage(d)
	contains(t, err, "decoding", `node "source"`, `topic "in"`, "partition 0", "offset 1", "value")
	var e *weir.RecordError
	if !errors.As(err, &e) || string(e.Key) != "k" || string(e.Value) != "abc" || !e.Time.Equal(at(7)) || e.Source.Offset != 1 {
		t.Errorf("the record's coordinates are %+v", e)
	}
	if err := d.TryCommit(); !errors.Is(err, e) {
		t.Errorf("it went on: %v", err)
	}
	expect(t, out, "a=1@5")
}

func TestUndecodableKeyIsNamed(t *testing.T) {
	numbers := weir.NewTopic("in", serde.Int64(), serde.Int64())
	d := weirtest.New(t, built(t, func(b *weir.Builder) { weir.From(b, numbers, weir.Named("source")).ForEach(func(int64, int64) {}) }))
	contains(t, d.TrySendRaw("in", 0, []byte("abc"), nil, at(0)), `node "source"`, "offset 0", "key")
}

func TestUndecodableIsSkipped(t *testing.T) {
	skip := &always{decision: weir.Skip()}
	d := weirtest.New(t, built(t, func(b *weir.Builder) { copying(b, weir.Named("source"), skip.option()) }))
	in, out := weirtest.In(d, badIn), weirtest.Out(d, badOut)
	if err := sendGarbage(d); err != nil {
		t.Fatal(err)
	}
	d.Crash() // its offset was committed: it does not come again
	in.SendAt("a", 1, at(5))
	expect(t, out, "a=1@5")
	drops(t, d, map[string]map[string]int64{"source": {"undecodable": 1}})
	if len(skip.asked) != 1 || skip.asked[0].Phase != processor.Decoding {
		t.Errorf("asked about %v", skip.asked)
	}
}

// TestUndecodableIsTriedAgain has a serde that needs a schema which comes late.
func TestUndecodableIsTriedAgain(t *testing.T) {
	tries := 0
	late := serde.New("late", serde.Int64().Append, func(b []byte) (int64, error) {
		if tries++; tries < 3 {
			return 0, errBad
		}
		return serde.Int64().Decode(b)
	})
	topic := weir.NewTopic("in", serde.String(), late)
	retry := &always{decision: weir.Retry(time.Second)}
	d := weirtest.New(t, built(t, func(b *weir.Builder) { weir.From(b, topic, retry.option()).To(badOut) }))
	weirtest.In(d, topic).SendAt("a", 1, at(5))
	expect(t, weirtest.Out(d, badOut), "a=1@5")
	if d.Now() != at(2000) || len(retry.asked) != 2 {
		t.Errorf("it took until %s and %d questions", d.Now(), len(retry.asked))
	}
	drops(t, d, map[string]map[string]int64{})
}

// deadLetter checks a dead letter against the record that it stands for.
func deadLetter(t *testing.T, r weirtest.RawRecord, offset int64, message string) {
	t.Helper()
	if string(r.Key) != "k" || string(r.Value) != "abc" || !r.Time.Equal(at(7)) {
		t.Errorf("the dead letter holds %q=%q@%s", r.Key, r.Value, r.Time)
	}
	want := map[string]string{"h": "x", "topic": "in", "partition": "0", "offset": fmt.Sprint(offset)}
	for name, text := range want {
		if name != "h" {
			name = "__streams.errors." + name
		}
		if got, _ := r.Headers.Get(name); string(got) != text {
			t.Errorf("header %s is %q, want %q", name, got, text)
		}
	}
	for _, name := range []string{"exception", "message", "stacktrace"} {
		if got, _ := r.Headers.Get("__streams.errors." + name); len(got) == 0 {
			t.Errorf("header %s is missing", name)
		}
	}
	if got, _ := r.Headers.Get("__streams.errors.message"); !strings.Contains(string(got), message) || bytes.Contains(got, []byte("goroutine")) {
		t.Errorf("the message is %q, want %q in it, and no stack", got, message)
	}
}

// TestUndecodableGoesToADeadLetterTopic does so in the transaction that commits the record's offset.
func TestUndecodableGoesToADeadLetterTopic(t *testing.T) {
	bury := &always{decision: weir.DeadLetter("dead")}
	topo := built(t, func(b *weir.Builder) { copying(b, weir.Named("source")) })
	d := weirtest.New(t, topo, weirtest.With(bury.option(), weir.ExactlyOnce()), weirtest.CommitEvery(0))
	for range 2 { // once is lost with its transaction
		d.Crash()
		if err := sendGarbage(d); err != nil {
			t.Fatal(err)
		}
		if n := len(d.Records("dead")); n != 0 {
			t.Fatalf("%d dead letters can be read before the commit", n)
		}
	}
	d.Commit()
	dead := d.Records("dead")
	if len(dead) != 2 {
		t.Fatalf("%d dead letters, want 2", len(dead))
	}
	for i, r := range dead {
		deadLetter(t, r, int64(i), "value")
	}
	drops(t, d, map[string]map[string]int64{"source": {"dead letter": 3}}) // one of them twice
}

// TestDeadLettersHoldTheSourcesRecord has the failure far below the source: what stands in the dead letter is what was read, not what the
// node was given, and the broker's time, not the event's.
func TestDeadLettersHoldTheSourcesRecord(t *testing.T) {
	in := weir.NewTopic("in", serde.String(), serde.String(), weir.EventTime(func(string) time.Time { return at(99) }))
	topo := built(t, func(b *weir.Builder) {
		s := weir.MapRecords(weir.From(b, in), func(r weir.Record[string, string]) weir.Record[string, string] {
			return processor.NewRecord("other", "changed", at(1000))
		})
		weir.MapValues(s, func(string) string { panic("boom") }, weir.Named("fails"), weir.OnError(func(context.Context, *weir.RecordError) weir.Decision {
			return weir.DeadLetter("dead")
		})).ForEach(func(string, string) {})
	})
	d := weirtest.New(t, topo)
	if err := sendGarbage(d); err != nil {
		t.Fatal(err)
	}
	dead := d.Records("dead")
	if len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1", len(dead))
	}
	deadLetter(t, dead[0], 0, "boom")
	if stack, _ := dead[0].Headers.Get("__streams.errors.stacktrace"); !bytes.Contains(stack, []byte("errors_test.go")) {
		t.Errorf("the stack trace is %q", stack)
	}
}

// TestDeadLettersKeepAKeyTogether puts them where a producer of Kafka would: by murmur2 of the source's key.
func TestDeadLettersKeepAKeyTogether(t *testing.T) {
	bury := &always{decision: weir.DeadLetter("dead")}
	d := weirtest.New(t, built(t, func(b *weir.Builder) { copying(b) }), weirtest.With(bury.option()), weirtest.Partitions("dead", 7))
	for i := range 40 {
		d.SendRaw("in", 0, fmt.Append(nil, "k", i%20), []byte("abc"), at(1))
	}
	d.SendRaw("in", 0, nil, []byte("abc"), at(1))
	seen := map[int]bool{}
	for _, r := range d.Records("dead") {
		seen[r.Partition] = true
		if want := int(murmur2.Partition(r.Key, 7)); r.Key != nil && r.Partition != want {
			t.Errorf("the dead letter of %s is in partition %d, want %d", r.Key, r.Partition, want)
		}
	}
	if n := len(d.Records("dead")); n != 41 || len(seen) < 4 {
		t.Errorf("%d dead letters in %d partitions", n, len(seen))
	}
}

func TestNegativeTime(t *testing.T) {
	early := weir.NewTopic("in", serde.String(), serde.Int64(), weir.EventTime(func(v int64) time.Time { return at(v) }))
	for name, c := range map[string]struct {
		opts []weir.OpOption
		want string
		lost int64
		says []string
	}{
		"fail":           {nil, "a=5@5", 0, []string{`node "source"`, "offset 1", "-3 ms is before the epoch", "SkipInvalidTime"}},
		"skip":           {[]weir.OpOption{weir.SkipInvalidTime()}, "a=5@5, c=6@6", 1, nil},
		"partition time": {[]weir.OpOption{weir.UsePartitionTime()}, "a=5@5, b=-3@5, c=6@6", 0, nil},
		"wall clock":     {[]weir.OpOption{weir.WallClockTime()}, "a=5@77, b=-3@77, c=6@77", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, built(t, func(b *weir.Builder) {
				weir.From(b, early, append(c.opts, weir.Named("source"))...).To(badOut)
			}), weirtest.StartTime(at(77)))
			in, out := weirtest.In(d, early), weirtest.Out(d, badOut)
			in.Send("a", 5)
			err := in.TrySend("b", -3)
			if c.says == nil {
				if err != nil {
					t.Fatal(err)
				}
				in.Send("c", 6)
			} else {
				contains(t, err, c.says...)
			}
			expect(t, out, c.want)
			if got := dropped(d, "invalid time"); got != c.lost {
				t.Errorf("%d dropped, want %d", got, c.lost)
			}
		})
	}
}

// TestNoTimeYet has no time of the partition that could stand for the record's.
func TestNoTimeYet(t *testing.T) {
	early := weir.NewTopic("in", serde.String(), serde.Int64(), weir.EventTime(func(v int64) time.Time { return at(v) }))
	d := weirtest.New(t, built(t, func(b *weir.Builder) { weir.From(b, early, weir.UsePartitionTime()).To(badOut) }))
	contains(t, weirtest.In(d, early).TrySend("b", -3), "offset 0", "no time yet")
}

// forked fails on one of two branches.
func forked(opts ...weir.OpOption) func(*weir.Builder) {
	return func(b *weir.Builder) {
		s := weir.From(b, badIn)
		weir.MapValues(s, func(v int64) int64 { panic(errBad) }, append(opts, weir.Named("fails"))...).To(badOut)
		weir.MapValues(s, func(v int64) int64 { return -v }).To(badOut)
	}
}

func TestSiblingsGoOn(t *testing.T) {
	skip := &always{decision: weir.Skip()}
	d := weirtest.New(t, built(t, forked()), weirtest.With(skip.option()))
	weirtest.In(d, badIn).SendAt("a", 1, at(5))
	expect(t, weirtest.Out(d, badOut), "a=-1@5")
	drops(t, d, map[string]map[string]int64{"fails": {"failed": 1}})
	if len(skip.asked) != 1 || skip.asked[0].Node != "fails" {
		t.Errorf("asked about %v", skip.asked)
	}
}

func TestTheOperatorsDecisionWins(t *testing.T) {
	app, op := &always{decision: weir.Fail()}, &always{decision: weir.Skip()}
	d := weirtest.New(t, built(t, forked(op.option())), weirtest.With(app.option()))
	weirtest.In(d, badIn).Send("a", 1)
	if len(app.asked) != 0 || len(op.asked) != 1 {
		t.Errorf("the app's was asked %d times, the operator's %d", len(app.asked), len(op.asked))
	}
}

// spoiling adds to its aggregate in place, and then fails for negative values.
func spoiling(_ context.Context, r weir.Record[string, int64], sum map[string]int64) (map[string]int64, error) {
	if sum == nil {
		sum = map[string]int64{}
	}
	sum["sum"] += r.Value
	if r.Value < 0 {
		sum["spoiled"]++
		return sum, errBad
	}
	return sum, nil
}

// TestAFailedAggregateIsWhatItWas has every kind of aggregation, with and without cache, and fails when the row is in the cache, committed,
// and not there at all.
func TestAFailedAggregateIsWhatItWas(t *testing.T) {
	add := weir.Aggregator[string, int64, map[string]int64]{TryAdd: spoiling, Merge: func(_ string, a, b map[string]int64) map[string]int64 {
		if a == nil {
			a = map[string]int64{}
		}
		for k, v := range b {
			a[k] += v
		}
		return a
	}}
	type table = weir.Stream[string, map[string]int64]
	kinds := map[string]func(g weir.Grouped[string, int64], opts ...weir.OpOption) table{
		"plain": func(g weir.Grouped[string, int64], opts ...weir.OpOption) table {
			return weir.Aggregate(g, "s", add, opts...).ToStream()
		},
		"windowed": func(g weir.Grouped[string, int64], opts ...weir.OpOption) table {
			return weir.Unwindow(weir.Aggregate(g.WindowedBy(window.Tumbling(time.Hour)), "s", add, opts...).ToStream())
		},
		"sessions": func(g weir.Grouped[string, int64], opts ...weir.OpOption) table {
			return weir.Unwindow(weir.Aggregate(g.WindowedBy(window.Session(time.Hour)), "s", add, opts...).ToStream())
		},
	}
	sums := weir.NewTopic("sums", serde.String(), serde.JSON[map[string]int64]())
	for kind, aggregate := range kinds {
		for _, noCache := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, no cache %v", kind, noCache), func(t *testing.T) {
				skip := &always{decision: weir.Skip()}
				opts := []weir.OpOption{skip.option(), weir.Named("sum"), weir.ValueSerde(serde.JSON[map[string]int64]())}
				if noCache {
					opts = append(opts, weir.NoCache())
				}
				topo := built(t, func(b *weir.Builder) { aggregate(weir.From(b, badIn).GroupByKey(), opts...).To(sums) })
				d := weirtest.New(t, topo, weirtest.CommitEvery(0))
				in, out := weirtest.In(d, badIn), weirtest.Out(d, sums)
				in.Send("a", -1)
				in.Send("a", 1)
				in.Send("a", -10) // in the cache
				in.Send("a", 2)
				d.Commit()
				in.Send("a", -100) // committed
				in.Send("a", 4)
				d.Commit()
				if got := weirtest.Table(out)["a"]; !maps.Equal(got, map[string]int64{"sum": 7}) {
					t.Errorf("the aggregate is %v", got)
				}
				drops(t, d, map[string]map[string]int64{"sum": {"failed": 3}})
				if len(skip.asked) != 3 {
					t.Errorf("asked %d times", len(skip.asked))
				}
			})
		}
	}
}

func TestARetriedAggregateAddsOnce(t *testing.T) {
	tries := 0
	a := weir.Aggregator[string, int64, map[string]int64]{TryAdd: func(_ context.Context, r weir.Record[string, int64], sum map[string]int64) (map[string]int64, error) {
		if sum == nil {
			sum = map[string]int64{}
		}
		sum["sum"] += r.Value
		if tries++; tries%3 != 0 {
			return sum, errBad
		}
		return sum, nil
	}}
	sums := weir.NewTopic("sums", serde.String(), serde.JSON[map[string]int64]())
	retry := &always{decision: weir.Retry(time.Second)}
	topo := built(t, func(b *weir.Builder) {
		weir.Aggregate(weir.From(b, badIn).GroupByKey(), "s", a, retry.option(), weir.ValueSerde(serde.JSON[map[string]int64]())).ToStream().To(sums)
	})
	d := weirtest.New(t, topo)
	in, out := weirtest.In(d, badIn), weirtest.Out(d, sums)
	in.Send("a", 1)
	in.Send("a", 2)
	if got := weirtest.Table(out)["a"]; got["sum"] != 3 || len(retry.asked) != 4 {
		t.Errorf("the aggregate is %v after %d failures", got, len(retry.asked))
	}
}

// through is a processor that hands its child's error on as it likes.
type through struct {
	out processor.Forward[string, int64]
	say func(error) error
}

func (p *through) Init(_ processor.Context, out processor.Forward[string, int64]) error {
	p.out = out
	return nil
}

func (p *through) Process(r weir.Record[string, int64]) error {
	if err := p.out(r); err != nil {
		return p.say(err)
	}
	return nil
}

// above has a failing node below a processor.
func above(say func(error) error) func(*weir.Builder) {
	return func(b *weir.Builder) {
		s := weir.Process(weir.From(b, badIn), func() *through { return &through{say: say} }, weir.Named("above"))
		s.TryForEach(func(context.Context, weir.Record[string, int64]) error { return errBad }, weir.Named("below"))
	}
}

// TestAChildsErrorIsDecidedOnce has the processor above hand on, wrap, hide and swallow the error of a child: it is final.
func TestAChildsErrorIsDecidedOnce(t *testing.T) {
	for name, say := range map[string]func(error) error{
		"hands on": func(err error) error { return err },
		"wraps":    func(err error) error { return fmt.Errorf("above: %w", err) },
		"hides":    func(err error) error { return fmt.Errorf("above: %v", err) },
		"swallows": func(error) error { return nil },
		"panics":   func(err error) error { panic(err) },
	} {
		t.Run(name, func(t *testing.T) {
			fail := &always{decision: weir.Fail()}
			d := weirtest.New(t, built(t, above(say)), weirtest.With(fail.option()))
			err := weirtest.In(d, badIn).TrySend("a", 1)
			contains(t, err, `node "below"`, "offset 0", errBad.Error())
			if len(fail.asked) != 1 || fail.asked[0].Node != "below" {
				t.Errorf("asked about %v", fail.asked)
			}
			drops(t, d, map[string]map[string]int64{})
		})
	}
}

// TestASkippedChildIsNoErrorAbove is the other half: a processor hears nothing of what its child skipped.
func TestASkippedChildIsNoErrorAbove(t *testing.T) {
	skip := &always{decision: weir.Skip()}
	d := weirtest.New(t, built(t, above(func(err error) error { t.Error(err); return err })), weirtest.With(skip.option()))
	weirtest.In(d, badIn).Send("a", 1)
	drops(t, d, map[string]map[string]int64{"below": {"failed": 1}})
}

// user is a processor whose methods a test fills in.
type user struct {
	init    func(processor.Context) error
	process func(weir.Record[string, int64]) error
	close   func() error
	out     processor.Forward[string, int64]
}

func (u *user) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	if u.out = out; u.init != nil {
		return u.init(ctx)
	}
	return nil
}

func (u *user) Process(r weir.Record[string, int64]) error {
	if u.process != nil {
		return u.process(r)
	}
	return u.out(r)
}

func (u *user) Close() error {
	if u.close != nil {
		return u.close()
	}
	return nil
}

func using(u user) func(*weir.Builder) {
	return func(b *weir.Builder) {
		weir.Process(weir.From(b, badIn, weir.Named("source")), func() *user { v := u; return &v }, weir.Named("fails")).To(badOut)
	}
}

// panics are topologies whose node "fails" panics when it takes a record.
func panics() map[string]func(*weir.Builder) {
	const boom = "boom"
	named := weir.Named("fails")
	from := func(b *weir.Builder) weir.Stream[string, int64] { return weir.From(b, badIn, weir.Named("source")) }
	sum := func(add func(string, int64, int64) int64) weir.Aggregator[string, int64, int64] {
		return weir.Aggregator[string, int64, int64]{Add: add, Merge: func(_ string, a, b int64) int64 { return a + b }}
	}
	plus := func(_ string, v, s int64) int64 { return s + v }
	bad := func(string, int64, int64) int64 { panic(boom) }
	codec := serde.New("bad", func([]byte, int64) ([]byte, error) { panic(boom) }, func([]byte) (int64, error) { panic(boom) })
	return map[string]func(*weir.Builder){
		"Filter":    func(b *weir.Builder) { from(b).Filter(func(string, int64) bool { panic(boom) }, named) },
		"FilterNot": func(b *weir.Builder) { from(b).FilterNot(func(string, int64) bool { panic(boom) }, named) },
		"TryFilter": func(b *weir.Builder) {
			from(b).TryFilter(func(context.Context, weir.Record[string, int64]) (bool, error) { panic(boom) }, named)
		},
		"Peek": func(b *weir.Builder) { from(b).Peek(func(string, int64) { panic(boom) }, named) },
		"TryPeek": func(b *weir.Builder) {
			from(b).TryPeek(func(context.Context, weir.Record[string, int64]) error { panic(boom) }, named)
		},
		"ForEach": func(b *weir.Builder) { from(b).ForEach(func(string, int64) { panic(boom) }, named) },
		"TryForEach": func(b *weir.Builder) {
			from(b).TryForEach(func(context.Context, weir.Record[string, int64]) error { panic(boom) }, named)
		},
		"Print": func(b *weir.Builder) { from(b).Print(panicWriter{}, named) },
		"Split": func(b *weir.Builder) {
			from(b).Split("fails", weir.When("x", func(string, int64) bool { panic(boom) }))
		},
		"Map": func(b *weir.Builder) { weir.Map(from(b), func(string, int64) (string, int64) { panic(boom) }, named) },
		"TryMap": func(b *weir.Builder) {
			weir.TryMap(from(b), func(context.Context, weir.Record[string, int64]) (string, int64, error) { panic(boom) }, named)
		},
		"MapRecords": func(b *weir.Builder) {
			weir.MapRecords(from(b), func(weir.Record[string, int64]) weir.Record[string, int64] { panic(boom) }, named)
		},
		"TryMapRecords": func(b *weir.Builder) {
			weir.TryMapRecords(from(b), func(context.Context, weir.Record[string, int64]) (weir.Record[string, int64], error) { panic(boom) }, named)
		},
		"MapValues": func(b *weir.Builder) { weir.MapValues(from(b), func(int64) int64 { panic(boom) }, named) },
		"MapValuesWithKey": func(b *weir.Builder) {
			weir.MapValuesWithKey(from(b), func(string, int64) int64 { panic(boom) }, named)
		},
		"TryMapValues": func(b *weir.Builder) {
			weir.TryMapValues(from(b), func(context.Context, weir.Record[string, int64]) (int64, error) { panic(boom) }, named)
		},
		"FlatMap": func(b *weir.Builder) {
			weir.FlatMap(from(b), func(string, int64, func(string, int64)) { panic(boom) }, named)
		},
		"FlatMapValues": func(b *weir.Builder) { weir.FlatMapValues(from(b), func(int64) []int64 { panic(boom) }, named) },
		"TryFlatMapValues": func(b *weir.Builder) {
			weir.TryFlatMapValues(from(b), func(context.Context, weir.Record[string, int64]) ([]int64, error) { panic(boom) }, named)
		},
		"KeyBy": func(b *weir.Builder) { weir.KeyBy(from(b), func(string, int64) string { panic(boom) }, named) },
		"GroupBy": func(b *weir.Builder) {
			weir.Count(weir.GroupBy(from(b), func(string, int64) string { panic(boom) }, named), "s")
		},
		"Add": func(b *weir.Builder) { weir.Aggregate(from(b).GroupByKey(), "s", sum(bad), named) },
		"TryAdd": func(b *weir.Builder) {
			a := weir.Aggregator[string, int64, int64]{TryAdd: func(context.Context, weir.Record[string, int64], int64) (int64, error) { panic(boom) }}
			weir.Aggregate(from(b).GroupByKey(), "s", a, named)
		},
		"Init of an aggregate": func(b *weir.Builder) {
			a := sum(plus)
			a.Init = func() int64 { panic(boom) }
			weir.Aggregate(from(b).GroupByKey(), "s", a, named)
		},
		"Drop": func(b *weir.Builder) {
			weir.Aggregate(from(b).GroupByKey(), "s", sum(plus).DropIf(func(int64) bool { panic(boom) }), named)
		},
		"Add in windows": func(b *weir.Builder) {
			weir.Aggregate(from(b).GroupByKey().WindowedBy(window.Tumbling(time.Hour)), "s", sum(bad), named)
		},
		"Add in sessions": func(b *weir.Builder) {
			weir.Aggregate(from(b).GroupByKey().WindowedBy(window.Session(time.Hour)), "s", sum(bad), named)
		},
		"Filter of a table": func(b *weir.Builder) {
			weir.TableFrom(b, badIn, "s", weir.NoCache()).Filter(func(string, int64) bool { panic(boom) }, named)
		},
		"MapTable": func(b *weir.Builder) {
			weir.MapTable(weir.TableFrom(b, badIn, "s", weir.NoCache()), func(string, int64) int64 { panic(boom) }, named)
		},
		"LeftJoinTable": func(b *weir.Builder) {
			weir.LeftJoinTable(from(b), weir.TableFrom(b, badOut, "s"), func(string, int64, *int64) int64 { panic(boom) }, named)
		},
		"Process": using(user{process: func(weir.Record[string, int64]) error { panic(boom) }}),
		"a stream-time punctuation": using(user{init: func(ctx processor.Context) error {
			ctx.Schedule(processor.StreamTime(time.Second), func(time.Time) error { panic(boom) })
			return nil
		}}),
		"EventTime": func(b *weir.Builder) {
			t := weir.NewTopic("in", serde.String(), serde.Int64(), weir.EventTime(func(int64) time.Time { panic(boom) }))
			weir.From(b, t, named).To(badOut)
		},
		"EventTimeBy": func(b *weir.Builder) {
			weir.From(b, badIn.EventTimeBy(func(weir.Record[string, int64], time.Time) time.Time { panic(boom) }), named).To(badOut)
		},
		"PartitionBy": func(b *weir.Builder) {
			from(b).To(badOut.PartitionBy(func(string, int64, int) int { panic(boom) }), named)
		},
		"Multicast": func(b *weir.Builder) {
			from(b).To(badOut.Multicast(func(string, int64, int) []int { panic(boom) }), named)
		},
		"ToFunc": func(b *weir.Builder) {
			from(b).ToFunc(func(weir.Record[string, int64]) weir.Topic[string, int64] { panic(boom) }, named)
		},
		"a deserialiser": func(b *weir.Builder) { weir.From(b, weir.NewTopic("in", serde.String(), codec), named).To(badOut) },
		"a serialiser":   func(b *weir.Builder) { from(b).To(weir.NewTopic("out", serde.String(), codec), named) },
	}
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("boom") }

var _ io.Writer = panicWriter{}

// TestPanicsAreErrors has every kind of user code panic. Under Fail it is an error with all coordinates, under Skip a counted drop, and the
// records after it are taken.
func TestPanicsAreErrors(t *testing.T) {
	for name, declare := range panics() {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, built(t, declare))
			err := d.TrySendRaw("in", 0, []byte("k"), make([]byte, 8), at(7))
			if name == "a stream-time punctuation" {
				contains(t, err, `node "fails"`, "panic: boom", "errors_test.go")
			} else {
				contains(t, err, `node "fails"`, `topic "in"`, "partition 0", "offset 0", "panic: boom", "errors_test.go")
			}
			var e *weir.RecordError
			if !errors.As(err, &e) || e.Node != "fails" {
				t.Errorf("it is of node %+v", e)
			}

			skip := &always{decision: weir.Skip()}
			d = weirtest.New(t, built(t, declare), weirtest.With(skip.option()))
			for i := range 2 {
				if err := d.TrySendRaw("in", 0, []byte("k"), make([]byte, 8), at(7000*int64(i))); err != nil {
					t.Fatal(err)
				}
			}
			var n int64
			for _, count := range d.Dropped()["fails"] {
				n += count
			}
			if n != 2 || len(skip.asked) != 2 {
				t.Errorf("dropped %v, asked %d times", d.Dropped(), len(skip.asked))
			}
		})
	}
}

// TestSessionMergePanics needs two records: a session to merge with.
func TestSessionMergePanics(t *testing.T) {
	a := weir.Aggregator[string, int64, int64]{
		Add:   func(_ string, v, s int64) int64 { return s + v },
		Merge: func(string, int64, int64) int64 { panic("boom") },
	}
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.Aggregate(weir.From(b, badIn).GroupByKey().WindowedBy(window.Session(time.Hour)), "s", a, weir.Named("fails"))
	}))
	in := weirtest.In(d, badIn)
	in.Send("a", 1)
	contains(t, in.TrySend("a", 1), `node "fails"`, "offset 1", "panic: boom")
}

// TestReducePanics needs two records: a sum to add to.
func TestReducePanics(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.Reduce(weir.From(b, badIn).GroupByKey(), "s", func(int64, int64) int64 { panic("boom") }, weir.Named("fails"))
	}))
	in := weirtest.In(d, badIn)
	in.Send("a", 1)
	contains(t, in.TrySend("a", 1), `node "fails"`, "offset 1", "panic: boom")
}

// TestAPanicBelowACache is found when the cache is flushed: what is known of the record then is where it was read.
func TestAPanicBelowACache(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.Count(weir.From(b, badIn).GroupByKey(), "s").ToStream().ForEach(func(string, int64) { panic("boom") }, weir.Named("fails"))
	}), weirtest.CommitEvery(0))
	weirtest.In(d, badIn).Send("a", 1)
	contains(t, d.TryCommit(), `node "fails"`, `topic "in"`, "partition 0", "offset 0", "panic: boom")
}

func TestAWallClockPunctuationPanics(t *testing.T) {
	topo := built(t, using(user{init: func(ctx processor.Context) error {
		ctx.Schedule(processor.WallTime(time.Second), func(time.Time) error { panic("boom") })
		return nil
	}}))
	d := weirtest.New(t, topo)
	contains(t, d.TryAdvanceWallClock(time.Second), `node "fails"`, "panic: boom")
	skip := &always{decision: weir.Skip()}
	d = weirtest.New(t, topo, weirtest.With(skip.option()))
	d.AdvanceWallClock(time.Second)
	drops(t, d, map[string]map[string]int64{"fails": {"failed": 1}})
}

// TestTheErrorHandlerPanics keeps both errors.
func TestTheErrorHandlerPanics(t *testing.T) {
	d := weirtest.New(t, built(t, forked(weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { panic("handler") }))))
	contains(t, weirtest.In(d, badIn).TrySend("a", 1), `node "fails"`, "offset 0", errBad.Error(), "the error handler itself", "panic: handler")
}

// TestOnDroppedPanics is an error of the node that dropped, whatever stands above it, and nobody is asked about it.
func TestOnDroppedPanics(t *testing.T) {
	skip := &always{decision: weir.Skip()}
	boom := weir.OnDropped(func(context.Context, weir.Dropped) { panic("boom") })
	for name, declare := range map[string]func(*weir.Builder){
		"a node": func(b *weir.Builder) { weir.Count(weir.From(b, badIn).GroupByKey(), "s", weir.Named("fails")) },
		"below a processor": func(b *weir.Builder) {
			s := weir.Process(weir.From(b, badIn), func() *user { return &user{} }, weir.Named("above"))
			weir.Count(s.GroupByKey(weir.Named("again")), "s", weir.Named("counts"))
		},
		"a skipped record": func(b *weir.Builder) {
			weir.From(b, badIn).TryForEach(func(context.Context, weir.Record[string, int64]) error { return errBad }, weir.Named("fails"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			skip.asked = nil
			d := weirtest.New(t, built(t, declare), weirtest.With(skip.option(), boom))
			err := d.TrySendRaw("in", 0, nil, make([]byte, 8), at(0))
			contains(t, err, `topic "in"`, "offset 0", "OnDropped", "panic: boom")
			if slices.ContainsFunc(skip.asked, func(e *weir.RecordError) bool { return e.Node == "above" }) {
				t.Errorf("asked about %v", skip.asked)
			}
		})
	}
	t.Run("a source", func(t *testing.T) {
		d := weirtest.New(t, built(t, func(b *weir.Builder) { copying(b, weir.Named("fails")) }), weirtest.With(skip.option(), boom))
		contains(t, sendGarbage(d), `node "fails"`, "offset 0", "OnDropped", "panic: boom")
	})
}

func TestProcessorsThatDoNotStart(t *testing.T) {
	hidden := state.KeyValueStore("hidden", serde.String(), serde.Int64())
	for name, c := range map[string]struct {
		u    user
		says []string
	}{
		"panic": {user{init: func(processor.Context) error { panic("boom") }}, []string{"init", "panic: boom"}},
		"error": {user{init: func(processor.Context) error { return errBad }}, []string{"init", errBad.Error()}},
		"store": {user{init: func(ctx processor.Context) error { hidden.Bind(ctx); return nil }}, []string{`store "hidden" is not connected`, "weir.Stores"}},
		"schedule": {user{init: func(ctx processor.Context) error {
			ctx.Schedule(processor.WallTime(0), func(time.Time) error { return nil })
			return nil
		}}, []string{"at least 1 ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := weirtest.TryNew(t, built(t, using(c.u)))
			contains(t, err, append(c.says, "task 0_0", `node "fails"`)...)
		})
	}
}

// failures is a test that keeps what it is told.
type failures struct {
	testing.TB
	told    []string
	cleanup []func()
}

func (f *failures) Helper()          {}
func (f *failures) Cleanup(c func()) { f.cleanup = append(f.cleanup, c) }
func (f *failures) Errorf(format string, args ...any) {
	f.told = append(f.told, fmt.Sprintf(format, args...))
}

func TestCloseFails(t *testing.T) {
	for name, u := range map[string]user{
		"panic": {close: func() error { panic("boom") }},
		"error": {close: func() error { return errors.New("boom") }},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failures{TB: t}
			weirtest.New(f, built(t, using(u)))
			for _, c := range f.cleanup {
				c()
			}
			contains(t, errors.New(strings.Join(f.told, "\n")), "task 0_0", `node "fails"`, "close", "boom")
		})
	}
}

// TestAStoresSerdeFails has a value that its store cannot keep.
func TestAStoresSerdeFails(t *testing.T) {
	for name, encode := range map[string]func([]byte, int64) ([]byte, error){
		"panic": func([]byte, int64) ([]byte, error) { panic("boom") },
		"error": func([]byte, int64) ([]byte, error) { return nil, errors.New("boom") },
	} {
		t.Run(name, func(t *testing.T) {
			codec := serde.New("bad", encode, serde.Int64().Decode)
			d := weirtest.New(t, built(t, func(b *weir.Builder) {
				weir.Reduce(weir.From(b, badIn).GroupByKey(), "sums", func(_, v int64) int64 { return v }, weir.ValueSerde(codec), weir.NoCache(), weir.Named("fails"))
			}))
			err := weirtest.In(d, badIn).TrySend("a", 1)
			contains(t, err, `topic "in"`, "offset 0", "boom")
			if name == "error" {
				contains(t, err, `node "fails"`, `store "sums"`)
			}
		})
	}
}
