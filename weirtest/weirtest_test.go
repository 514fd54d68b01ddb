package weirtest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	words  = weir.NewTopic("words", serde.String(), serde.Int64())
	upper  = weir.NewTopic("upper", serde.String(), serde.Int64())
	second = weir.NewTopic("second", serde.String(), serde.Int64())
)

// built is a topology, or the test's end.
func built(t testing.TB, declare func(*weir.Builder)) *weir.Topology {
	t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// shouted sends keys in capitals through a repartition topic.
func shouted(b *weir.Builder) {
	weir.KeyBy(weir.From(b, words), func(k string, _ int64) string { return strings.ToUpper(k) }).Repartition("by-word").To(upper)
}

func texts[K, V any](recs []weir.Record[K, V]) (all []string) {
	for _, r := range recs {
		val := fmt.Sprint(r.Value)
		if r.IsNull() {
			val = "null"
		}
		all = append(all, fmt.Sprintf("%v=%s@%d", r.Key, val, r.Time.UnixMilli()))
	}
	return all
}

func same[T comparable](t *testing.T, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestThroughARepartitionTopic(t *testing.T) {
	d := weirtest.New(t, built(t, shouted), weirtest.Partitions("words", 4), weirtest.Partitions("upper", 2), weirtest.StartTime(at(500)))
	in, out := weirtest.In(d, words), weirtest.Out(d, upper)
	in.Send("a", 1)
	d.AdvanceWallClock(time.Second)
	in.Send("b", 2)
	in.SendAt("c", 3, at(7))
	in.SendRecord(weir.Tombstone[int64]("a", at(9)))
	same(t, texts(out.All()), "A=1@500", "B=2@1500", "C=3@7", "A=null@9")
	if _, ok := out.Next(); ok || !out.Empty() {
		t.Error("a record was read twice")
	}
	if got := weirtest.Table(out); !maps.Equal(got, map[string]int64{"B": 2, "C": 3}) {
		t.Errorf("as a table: %v", got)
	}
	same(t, d.Topics(), "test-by-word-repartition", "upper", "words")
	if n := len(d.Records("test-by-word-repartition")); n != 4 {
		t.Errorf("%d records in the repartition topic, want 4", n)
	}
}

// TestPartitions compares the choice of partitions with Kafka's for the same keys.
func TestPartitions(t *testing.T) {
	topo := built(t, func(b *weir.Builder) { weir.From(b, words).Repartition("again").To(upper) })
	d := weirtest.New(t, topo, weirtest.Partitions("words", 10))
	in := weirtest.In(d, words)
	in.Send("21", 1) // murmur2 of "21" is -973932308
	in.SendTo(7, processor.NewRecord("21", int64(2), at(0)))
	d.SendRaw("words", -1, nil, []byte{0, 0, 0, 0, 0, 0, 0, 1}, at(0))
	d.SendRaw("words", -1, nil, nil, at(0))
	var parts []int
	for _, r := range d.Records("words") {
		parts = append(parts, r.Partition)
	}
	same(t, parts, int((uint32(0x7fffffff)&uint32(0xffffffff-973932308+1))%10), 7, 0, 1)
	if got := d.Dropped()["again-repartition-filter"]["null key"]; got != 2 {
		t.Errorf("null keys dropped: %v", d.Dropped())
	}
}

func TestPartitionBy(t *testing.T) {
	byValue := words.PartitionBy(func(_ string, v int64, n int) int { return int(v) })
	d := weirtest.New(t, built(t, shouted), weirtest.Partitions("words", 3))
	in := weirtest.In(d, byValue)
	in.Send("a", 2)
	in.Send("a", 1)
	if err := in.TrySend("a", -1); err == nil {
		t.Error("a record without a partition was sent")
	}
	if err := in.TrySend("a", 3); err == nil {
		t.Error("a record was sent to a partition that is not there")
	}
	in.Send("a", 0) // what cannot be sent harms nothing
	var parts []int
	for _, r := range d.Records("words") {
		parts = append(parts, r.Partition)
	}
	same(t, parts, 2, 1, 0)
}

func TestClockOfAnInput(t *testing.T) {
	d := weirtest.New(t, built(t, shouted))
	in, out := weirtest.In(d, words).From(at(100)).Every(time.Second), weirtest.Out(d, upper)
	in.Send("a", 1)
	in.Send("b", 2)
	in.SendAt("c", 3, at(5))
	in.Send("d", 4)
	same(t, texts(out.All()), "A=1@100", "B=2@1100", "C=3@5", "D=4@2100")
}

// TestTogether checks that a task chooses by event time among what is there, and by source among equals.
func TestTogether(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		weir.From(b, words).Merge(weir.From(b, second)).To(upper)
	})
	d := weirtest.New(t, topo)
	a, b, out := weirtest.In(d, words), weirtest.In(d, second), weirtest.Out(d, upper)
	send := func() {
		b.SendAt("b", 1, at(20))
		b.SendAt("b", 2, at(30))
		a.SendAt("a", 1, at(10))
		a.SendAt("a", 2, at(30))
	}
	d.Together(send)
	same(t, texts(out.All()), "a=1@10", "b=1@20", "a=2@30", "b=2@30")
	send()
	same(t, texts(out.All()), "b=1@20", "b=2@30", "a=1@10", "a=2@30")
}

func TestPatternsReadWhatPartitionsNames(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		weir.From(b, weir.TopicsMatching("w.*", serde.String(), serde.Int64())).To(upper)
	})
	d := weirtest.New(t, topo, weirtest.Partitions("words", 2), weirtest.Partitions("wide", 1), weirtest.Partitions("other", 1))
	weirtest.In(d, words).Send("a", 1)
	d.SendRaw("wide", 0, []byte("b"), nil, at(1))
	if n := len(weirtest.Out(d, upper).All()); n != 2 {
		t.Errorf("%d records came out, want 2", n)
	}
	if err := d.TrySendRaw("other", 0, nil, nil, at(0)); err == nil || !strings.Contains(err.Error(), `nothing reads topic "other"`) {
		t.Errorf("a topic that nothing reads: %v", err)
	}
}

var errWord = errors.New("a bad word")

// refusing fails on negative values.
func refusing(b *weir.Builder) {
	weir.From(b, words).TryFilter(func(_ context.Context, r weir.Record[string, int64]) (bool, error) {
		if r.Value < 0 {
			return false, errWord
		}
		return true, nil
	}, weir.Named("refuse")).To(upper)
}

func TestFailure(t *testing.T) {
	d := weirtest.New(t, built(t, refusing))
	in, out := weirtest.In(d, words), weirtest.Out(d, upper)
	in.Send("a", 1)
	err := in.TrySend("b", -1)
	var failed *weir.RecordError
	if !errors.As(err, &failed) || !errors.Is(err, errWord) || failed.Node != "refuse" || failed.Source.Offset != 1 {
		t.Fatalf("the failure: %v", err)
	}
	for what, err := range map[string]error{"send": in.TrySend("c", 1), "commit": d.TryCommit(), "clock": d.TryAdvanceWallClock(time.Second)} {
		if !errors.Is(err, errWord) {
			t.Errorf("%s after a failure: %v", what, err)
		}
	}
	same(t, texts(out.All()), "a=1@0")
}

// TestCrashTakesUpTheWork lets user code fail once: after a Crash the record, and what came after it, is done.
func TestCrashTakesUpTheWork(t *testing.T) {
	fail := true
	topo := built(t, func(b *weir.Builder) {
		weir.From(b, words).TryPeek(func(_ context.Context, r weir.Record[string, int64]) error {
			if r.Key == "b" && fail {
				return errWord
			}
			return nil
		}).To(upper)
	})
	d := weirtest.New(t, topo)
	in, out := weirtest.In(d, words), weirtest.Out(d, upper)
	in.Send("a", 1)
	if err := in.TrySend("b", 2); !errors.Is(err, errWord) {
		t.Fatal(err)
	}
	fail = false
	d.Crash()
	in.Send("c", 3)
	same(t, texts(out.All()), "a=1@0", "b=2@0", "c=3@0")
}

func TestOnError(t *testing.T) {
	tries := 0
	d := weirtest.New(t, built(t, refusing), weirtest.With(weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
		if tries++; tries < 3 {
			return weir.Retry(time.Second)
		}
		return weir.DeadLetter("dead")
	})))
	weirtest.In(d, words).Send("a", -1)
	if d.Now() != at(2000) || tries != 3 {
		t.Errorf("%d tries until %s, want 3 until 2 s", tries, d.Now())
	}
	dead := d.Records("dead")
	if len(dead) != 1 || string(dead[0].Key) != "a" || d.Dropped()["refuse"]["dead letter"] != 1 {
		t.Errorf("dead letters %v, dropped %v", dead, d.Dropped())
	}
}

func TestRetryForEver(t *testing.T) {
	d := weirtest.New(t, built(t, refusing), weirtest.With(weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Retry(0) })))
	if err := weirtest.In(d, words).TrySend("a", -1); err == nil || !strings.Contains(err.Error(), "1000 retries") {
		t.Errorf("retries without end: %v", err)
	}
}

func TestUndecodable(t *testing.T) {
	var dropped []weir.Dropped
	d := weirtest.New(t, built(t, refusing), weirtest.With(
		weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Skip() }),
		weir.OnDropped(func(_ context.Context, x weir.Dropped) { dropped = append(dropped, x) })))
	d.SendRaw("words", 0, []byte("k"), []byte("short"), at(1))
	d.Crash() // its offset was committed
	if len(dropped) != 1 || dropped[0].Reason != "undecodable" || dropped[0].Source.Topic != "words" {
		t.Errorf("dropped: %v", dropped)
	}
}

func TestFaultsOfSetup(t *testing.T) {
	topo := built(t, shouted)
	for want, opts := range map[string][]weirtest.Option{
		"at least one":       {weirtest.Partitions("words", 0)},
		"before 1970":        {weirtest.StartTime(at(-1))},
		"cannot be negative": {weirtest.CommitEvery(-1)},
		"the app's name":     {weirtest.AppName("a b")},
	} {
		if _, err := weirtest.TryNew(t, topo, opts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if _, err := weirtest.TryNew(t, nil); err == nil {
		t.Error("a nil topology was taken")
	}
}

// fakeT is a test that ends in its first Fatal, and says so.
type fakeT struct {
	testing.TB
	fatal string
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Fatal(args ...any) { f.fatal = fmt.Sprint(args...); panic(f) }
func (f *fakeT) Fatalf(format string, args ...any) {
	f.Fatal(fmt.Sprintf(format, args...))
}

// fatal is what a test says that does f.
func fatal(t *testing.T, f func(testing.TB)) (text string) {
	t.Helper()
	fake := &fakeT{TB: t}
	defer func() {
		if x := recover(); x != nil && x != any(fake) {
			panic(x)
		}
		text = fake.fatal
	}()
	f(fake)
	return ""
}

// TestMistakesFailTheTest makes the mistakes that a test can make.
func TestMistakesFailTheTest(t *testing.T) {
	topo := built(t, shouted)
	for want, f := range map[string]func(testing.TB){
		`nothing reads topic "upper"`:  func(t testing.TB) { weirtest.In(weirtest.New(t, topo), upper) },
		`no store "s"; there are none`: func(t testing.TB) { weirtest.New(t, topo).Changelog("s") },
		"cannot go back":               func(t testing.TB) { weirtest.New(t, topo).AdvanceWallClock(-1) },
		"at least one":                 func(t testing.TB) { weirtest.New(t, topo, weirtest.Partitions("words", -1)) },
		"the value": func(t testing.TB) {
			d := weirtest.New(t, topo)
			weirtest.In(d, words).Send("a", 1)
			weirtest.Out(d, weir.NewTopic("upper", serde.String(), serde.Int32())).All()
		},
		"a bad word": func(t testing.TB) {
			d := weirtest.New(t, built(t, refusing))
			weirtest.In(d, words).Send("a", -1)
		},
	} {
		if got := fatal(t, f); !strings.Contains(got, want) {
			t.Errorf("the test said %q, want %q", got, want)
		}
	}
}

// TestTransactionsHideWhatIsOpen checks both guarantees: what is seen before a commit and after a crash.
func TestTransactionsHideWhatIsOpen(t *testing.T) {
	topo := built(t, func(b *weir.Builder) { weir.From(b, words).To(upper) })
	for _, exactly := range []bool{false, true} {
		opts := []weirtest.Option{weirtest.CommitEvery(0)}
		if exactly {
			opts = append(opts, weirtest.With(weir.ExactlyOnce()))
		}
		d := weirtest.New(t, topo, opts...)
		in, out := weirtest.In(d, words), weirtest.Out(d, upper)
		in.Send("a", 1)
		if got := out.Empty(); got != exactly {
			t.Errorf("exactly once %v: empty before the commit: %v", exactly, got)
		}
		d.Commit()
		in.Send("b", 2)
		d.Crash()
		d.Commit()
		want := []string{"a=1@0", "b=2@0"}
		if !exactly {
			want = append(want, "b=2@0")
		}
		same(t, texts(out.All()), want...)
	}
}
