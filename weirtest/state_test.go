package weirtest_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
	"github.com/weirstream/weir/weirtest"
)

// summing keeps the sum of each key's values, forwards it, and says on a clock what it was asked to.
type summing struct {
	store state.KeyValueDesc[string, int64]
	out   processor.Forward[string, int64]
	ctx   processor.Context
	sums  state.KeyValue[string, int64]
}

func (p *summing) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	p.ctx, p.out, p.sums = ctx, out, p.store.Bind(ctx)
	ctx.Schedule(processor.WallTime(time.Minute), func(now time.Time) error {
		return out(processor.NewRecord("tick", int64(0), now))
	})
	return nil
}

func (p *summing) Stores() []state.Descriptor { return []state.Descriptor{p.store} }

func (p *summing) Process(r processor.Record[string, int64]) error {
	if r.Key == "time" {
		return p.out(r.WithTime(p.ctx.StreamTime()))
	}
	sum, _, err := p.sums.Get(r.Key)
	if err != nil {
		return err
	}
	if r.Value += sum; r.Value == 0 {
		if err := p.sums.Delete(r.Key); err != nil {
			return err
		}
		return p.out(r)
	}
	if err := p.sums.Put(r.Key, r.Value); err != nil {
		return err
	}
	return p.out(r)
}

func sumsStore(opts ...state.Option) state.KeyValueDesc[string, int64] {
	return state.KeyValueStore("sums", serde.String(), serde.Int64(), opts...)
}

// sums sends words through a repartition topic to a summing processor.
func sums(t testing.TB, opts ...state.Option) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		s := weir.From(b, words).Repartition("again")
		weir.Process(s, func() *summing { return &summing{store: sumsStore(opts...)} }).To(upper)
	})
}

// act is one step of the random test.
type act struct {
	Kind  string
	Key   string
	Value int64
}

func acts() *rapid.Generator[[]act] {
	one := rapid.Custom(func(t *rapid.T) act {
		kinds := []string{"send", "send", "send", "send", "send", "commit", "crash", "restart", "rebuild"}
		return act{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.Int64Range(-2, 2).Draw(t, "value")}
	})
	return rapid.SliceOfN(one, 0, 40)
}

// run does the acts and returns what each key's outputs and the store must be.
func run(d *weirtest.Driver, all []act) (outs map[string][]int64, rows map[string]int64) {
	outs, rows = map[string][]int64{}, map[string]int64{}
	in := weirtest.In(d, words)
	for _, a := range all {
		switch a.Kind {
		case "send":
			in.Send(a.Key, a.Value)
			rows[a.Key] += a.Value
			outs[a.Key] = append(outs[a.Key], rows[a.Key])
		case "commit":
			d.Commit()
		case "crash":
			d.Crash()
		case "restart":
			d.Restart()
		case "rebuild":
			d.Rebuild()
		}
	}
	d.Commit()
	maps.DeleteFunc(rows, func(_ string, v int64) bool { return v == 0 })
	return outs, rows
}

// checkExact compares a run with the model: every record counts once.
func checkExact(t testing.TB, topo *weir.Topology, all []act, opts ...weirtest.Option) error {
	d := weirtest.New(t, topo, append(opts, weirtest.Partitions("words", 2))...)
	outs, rows := run(d, all)
	got := map[string][]int64{}
	for _, r := range weirtest.Out(d, upper).All() {
		got[r.Key] = append(got[r.Key], r.Value)
	}
	if !maps.EqualFunc(got, outs, slices.Equal) {
		return fmt.Errorf("outputs %v, want %v", got, outs)
	}
	if held := maps.Collect(weirtest.Store(d, sumsStore()).All()); !maps.Equal(held, rows) {
		return fmt.Errorf("the store holds %v, want %v", held, rows)
	}
	return nil
}

// guarantees are setups under which nothing is done twice: transactions, or a commit for every record.
var guarantees = map[string][]weirtest.Option{
	"exactly once":            {weirtest.CommitEvery(0), weirtest.With(weir.ExactlyOnce())},
	"exactly once, every 3rd": {weirtest.CommitEvery(3), weirtest.With(weir.ExactlyOnce())},
	"at least once":           {weirtest.CommitEvery(1)},
}

func TestNothingIsLostOrDoneTwice(t *testing.T) {
	for name, opts := range guarantees {
		for kind, store := range map[string][]state.Option{"": nil, ", in memory": {state.InMemory()}, ", cached": {state.Cached()}} {
			t.Run(name+kind, func(t *testing.T) {
				topo := sums(t, store...)
				rapid.Check(t, func(r *rapid.T) {
					if err := checkExact(t, topo, acts().Draw(r, "acts"), opts...); err != nil {
						r.Fatal(err)
					}
				})
			})
		}
	}
}

// TestAtLeastOnceRepeats shows what CommitEvery(0) leaves to a crash: the model is met at least.
func TestAtLeastOnceRepeats(t *testing.T) {
	d := weirtest.New(t, sums(t), weirtest.CommitEvery(0))
	in, out := weirtest.In(d, words), weirtest.Out(d, upper)
	in.Send("a", 1)
	d.Commit()
	in.Send("a", 1)
	d.Crash()
	d.Commit()
	// The crash leaves the changelog's uncommitted update in place, and the repartition topic's record twice.
	same(t, texts(out.All()), "a=1@0", "a=2@0", "a=3@0", "a=4@0")
}

// losing is an engine that drops every third batch.
type losing struct {
	state.Engine
	n *int
}

func (e losing) Apply(b *state.Batch) error {
	if *e.n++; *e.n%3 == 0 {
		return nil
	}
	return e.Engine.Apply(b)
}

// losesBatches is a disk of losing engines.
type losesBatches struct{ mem.Disk }

func (p *losesBatches) Open(dir, task string) (state.Engine, error) {
	e, err := p.Disk.Open(dir, task)
	return losing{e, new(int)}, err
}

// TestTheModelComplains breaks what the random test leans on.
func TestTheModelComplains(t *testing.T) {
	for name, broken := range map[string]struct {
		topo *weir.Topology
		opts []weirtest.Option
	}{
		"an engine that loses batches":      {sums(t), []weirtest.Option{weirtest.Engine(&losesBatches{})}},
		"an engine that forgets, unlogged":  {sums(t, state.NoChangelog()), []weirtest.Option{weirtest.Engine(mem.Provider{})}},
		"a crash before at-least-once ends": {sums(t), []weirtest.Option{weirtest.CommitEvery(0)}},
	} {
		caught := false
		for seed := range 30 {
			caught = caught || checkExact(t, broken.topo, acts().Example(seed), broken.opts...) != nil
		}
		if !caught {
			t.Errorf("nobody saw %s", name)
		}
	}
}

func TestPebbleKeepsState(t *testing.T) {
	topo := sums(t, state.NoChangelog()) // so that only the engine can bring it back
	d := weirtest.New(t, topo, weirtest.Engine(pebble.New()), weirtest.CommitEvery(0), weirtest.With(weir.ExactlyOnce()))
	in := weirtest.In(d, words)
	in.Send("a", 1)
	d.Restart()
	in.Send("a", 2)
	d.Crash()
	d.Commit()
	if v, ok, err := weirtest.Store(d, sumsStore()).Get("a"); v != 3 || !ok || err != nil {
		t.Errorf("a is %d, %v, %v, want 3", v, ok, err)
	}
}

func TestStoreOfSeveralPartitions(t *testing.T) {
	d := weirtest.New(t, sums(t), weirtest.Partitions("words", 4))
	in := weirtest.In(d, words)
	keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for i, k := range keys {
		in.Send(k, int64(i+1))
	}
	view := weirtest.Store(d, sumsStore())
	in.Send("a", 10)
	var all, back []string
	for k, v := range view.All() {
		all = append(all, fmt.Sprint(k, v))
	}
	for k := range view.ReverseRange("c", "e") {
		back = append(back, k)
	}
	same(t, all, "a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8")
	same(t, back, "e", "d", "c")
	if v, ok, err := view.Get("d"); v != 4 || !ok || err != nil {
		t.Errorf("d: %d, %v, %v", v, ok, err)
	}
	if _, ok, err := view.Get("z"); ok || err != nil {
		t.Errorf("z: %v, %v", ok, err)
	}
	n := 0
	for p := range 4 {
		n += len(maps.Collect(weirtest.StoreIn(d, p, sumsStore()).All()))
	}
	if n != len(keys) {
		t.Errorf("%d rows in single partitions, want %d", n, len(keys))
	}
}

func TestStoreMistakes(t *testing.T) {
	for want, f := range map[string]func(testing.TB){
		`no store "other"; there are "sums"`: func(t testing.TB) {
			weirtest.Store(weirtest.New(t, sums(t)), state.KeyValueStore("other", serde.String(), serde.Int64()))
		},
		"cannot be read so": func(t testing.TB) {
			weirtest.Store(weirtest.New(t, sums(t)), state.KeyValueStore("sums", serde.String(), serde.Int32()))
		},
		"no task of partition 1": func(t testing.TB) { weirtest.StoreIn(weirtest.New(t, sums(t)), 1, sumsStore()) },
		"has no changelog":       func(t testing.TB) { weirtest.New(t, sums(t, state.NoChangelog())).Changelog("sums") },
	} {
		if got := fatal(t, f); !strings.Contains(got, want) {
			t.Errorf("the test said %q, want %q", got, want)
		}
	}
}

// TestChangelog compares a changelog with Kafka's format for key-value stores with a timestamp in the value: there the record's value is the
// bare value, and its time the row's.
func TestChangelog(t *testing.T) {
	d := weirtest.New(t, sums(t), weirtest.AppName("app"))
	in := weirtest.In(d, words).From(at(5)).Every(time.Millisecond)
	in.Send("a", 1)
	in.Send("a", -1)
	var got []string
	for _, r := range d.Changelog("sums") {
		got = append(got, fmt.Sprintf("%s @%d", r, r.Time.UnixMilli()))
	}
	same(t, got, `app-sums-changelog-0@0 "a"="\x00\x00\x00\x00\x00\x00\x00\x01" @5`, `app-sums-changelog-0@1 "a"=null @6`)
}

// TestTimesSurviveARestart checks that stream time comes back from the committed metadata, and that schedules begin anew.
func TestTimesSurviveARestart(t *testing.T) {
	d := weirtest.New(t, sums(t))
	in, out := weirtest.In(d, words), weirtest.Out(d, upper)
	in.SendAt("a", 1, at(9000))
	in.SendAt("time", 0, at(10))
	d.Rebuild()
	in.SendAt("time", 0, at(20))
	same(t, texts(out.All()), "a=1@9000", "time=0@9000", "time=0@9000")
	d.AdvanceWallClock(59 * time.Second)
	d.Restart()
	d.AdvanceWallClock(time.Minute - time.Nanosecond)
	same(t, texts(out.All()))
	d.AdvanceWallClock(1)
	d.AdvanceWallClock(10 * time.Minute)
	same(t, texts(out.All()), "tick=0@119000", "tick=0@719000")
}

// failingInit cannot start.
type failingInit struct{ summing }

var errInit = errors.New("no way")

func (p *failingInit) Init(processor.Context, processor.Forward[string, int64]) error { return errInit }

func TestInitFails(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		weir.Process(weir.From(b, words), func() *failingInit { return &failingInit{summing{store: sumsStore()}} }).To(upper)
	})
	if _, err := weirtest.TryNew(t, topo, weirtest.Partitions("words", 2)); !errors.Is(err, errInit) || !strings.Contains(err.Error(), "task 0_0") {
		t.Errorf("%v, want the task and the processor's error", err)
	}
}
