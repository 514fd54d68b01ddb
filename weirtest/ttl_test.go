package weirtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	ttlIn  = weir.NewTopic("in", serde.String(), serde.Int64())
	ttlOut = weir.NewTopic("out", serde.String(), serde.JSON[weir.Change[int64]]())
)

// mortals is a topology whose table forwards its changes with the values of before.
func mortals(t testing.TB, table func(b *weir.Builder) weir.Table[string, int64], opts ...weirtest.Option) (*weirtest.Driver, *weirtest.Input[string, int64], *weirtest.Output[string, weir.Change[int64]]) {
	t.Helper()
	b := weir.NewBuilder()
	weir.Changes(table(b)).To(ttlOut)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo, opts...)
	return d, weirtest.In(d, ttlIn), weirtest.Out(d, ttlOut)
}

func changesOf(out *weirtest.Output[string, weir.Change[int64]]) (all []string) {
	for _, r := range out.All() {
		side := func(has bool, v int64) string {
			if !has {
				return "-"
			}
			return fmt.Sprint(v)
		}
		all = append(all, fmt.Sprintf("%s %s>%s @%d", r.Key, side(r.Value.HasOld, r.Value.Old), side(r.Value.HasNew, r.Value.New), r.Time.UnixMilli()))
	}
	return all
}

func ms(n int64) time.Time { return time.UnixMilli(n) }

func wantChanges(t *testing.T, out *weirtest.Output[string, weir.Change[int64]], want ...string) {
	t.Helper()
	if got := changesOf(out); !slices.Equal(got, want) {
		t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func mortalSums(b *weir.Builder, opts ...weir.OpOption) weir.Table[string, int64] {
	return weir.Reduce(weir.From(b, ttlIn).GroupByKey(), "sums", func(sum, v int64) int64 { return sum + v }, opts...)
}

func TestAnAggregateBeginsAnewAfterItsTime(t *testing.T) {
	for name, opts := range map[string][]weir.OpOption{"cache": {weir.TTL(10 * time.Millisecond)}, "no cache": {weir.TTL(10 * time.Millisecond), weir.NoCache()}} {
		t.Run(name, func(t *testing.T) {
			d, in, out := mortals(t, func(b *weir.Builder) weir.Table[string, int64] { return mortalSums(b, opts...) }, weirtest.With(weir.CacheBytes(1<<20)))
			in.SendAt("a", 1, ms(0))
			in.SendAt("b", 2, ms(4))
			in.SendAt("a", 3, ms(5)) // moves its deadline
			d.Restart()
			in.SendAt("b", 5, ms(14)) // at its deadline: the old row is gone
			in.SendAt("c", 1, ms(30))
			in.SendAt("late", 7, ms(20))
			d.Commit()
			reborn, gone := []string{"b 2>- @14", "b ->5 @14"}, []string{"b @14", "a @15", "b @24"}
			if name == "cache" { // of a key there is one update a commit
				reborn, gone = []string{"b 2>5 @14"}, gone[1:]
			}
			wantChanges(t, out, slices.Concat([]string{"a ->1 @0", "b ->2 @4", "a 1>4 @5"}, reborn, []string{"a 4>- @15", "b 5>- @24", "c ->1 @30"})...)
			if n := d.Dropped()["reduce-1"]["expired"]; n != 1 {
				t.Errorf("%v were dropped, want the one that was too old when it came", d.Dropped())
			}
			var log []string
			for _, r := range d.Changelog("sums") {
				if r.Value == nil {
					log = append(log, fmt.Sprintf("%s @%d", r.Key, r.Time.UnixMilli()))
				}
			}
			if !slices.Equal(log, gone) {
				t.Errorf("tombstones in the changelog: %v, want %v", log, gone)
			}
		})
	}
}

// The life of a row by the wall clock ends though nothing comes; on another machine it begins anew.
func TestRowsLeaveByTheWallClock(t *testing.T) {
	d, in, out := mortals(t, func(b *weir.Builder) weir.Table[string, int64] {
		return weir.TableFrom(b, ttlIn, "rows", weir.WallTTL(time.Minute))
	})
	began := d.Now().UnixMilli()
	in.SendAt("a", 1, ms(1000))
	in.SendAt("b", 1, ms(1))
	d.AdvanceWallClock(40 * time.Second)
	in.SendAt("a", 2, ms(0)) // written again
	d.Restart()
	d.AdvanceWallClock(20 * time.Second)
	wantChanges(t, out, "a ->1 @1000", "b ->1 @1", "a 1>2 @0", fmt.Sprintf("b 1>- @%d", began+60_000))
	d.Rebuild()
	d.AdvanceWallClock(59 * time.Second)
	wantChanges(t, out)
	d.AdvanceWallClock(61 * time.Second)
	if got := changesOf(out); len(got) != 1 || !strings.HasPrefix(got[0], "a 2>- @") {
		t.Errorf("a restored row left as %v", got)
	}
}

// remembering forwards 1 for a key that its store does not hold, and puts it.
type remembering struct {
	store state.KeyValueDesc[string, int64]
	seen  state.KeyValue[string, int64]
	out   processor.Forward[string, int64]
}

func (p *remembering) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	p.seen, p.out = p.store.Bind(ctx), out
	return nil
}

func (p *remembering) Process(r processor.Record[string, int64]) error {
	if _, had, err := p.seen.PutIfAbsent(r.Key, r.Value); had || err != nil {
		return err
	}
	return p.out(r)
}

func TestAProcessorsRowsLeave(t *testing.T) {
	store := state.KeyValueStore("seen", serde.String(), serde.Int64(), state.TTL(10*time.Millisecond), state.Cached())
	b := weir.NewBuilder()
	weir.Process(weir.From(b, ttlIn), func() *remembering { return &remembering{store: store} }, weir.Stores(store)).To(weir.NewTopic("first", serde.String(), serde.Int64()))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo)
	in := weirtest.In(d, ttlIn)
	for _, at := range []int64{0, 5, 9, 10, 12, 25} {
		in.SendAt("k", at, ms(at))
	}
	var got []int64
	for _, r := range weirtest.Out(d, weir.NewTopic("first", serde.String(), serde.Int64())).All() {
		got = append(got, r.Value)
	}
	if want := []int64{0, 10, 25}; !slices.Equal(got, want) {
		t.Errorf("let through %v, want %v", got, want)
	}
}

func TestTTLThatDoesNotFit(t *testing.T) {
	ttl := weir.TTL(time.Second)
	grouped := func(b *weir.Builder) weir.Grouped[string, int64] { return weir.From(b, ttlIn).GroupByKey() }
	for want, build := range map[string]func(b *weir.Builder){
		"TTL(0s) is not a whole":              func(b *weir.Builder) { mortalSums(b, weir.TTL(0)) },
		"TTL(1s) does not go with Versioned":  func(b *weir.Builder) { mortalSums(b, ttl, weir.Versioned(time.Hour)) },
		"TTL(1s) does not go with LRU":        func(b *weir.Builder) { mortalSums(b, ttl, weir.LRU(3)) },
		"TTL(1s) and WallTTL(1s) do not go":   func(b *weir.Builder) { mortalSums(b, ttl, weir.WallTTL(time.Second)) },
		"TTL(1s) does not go with IfNeeded":   func(b *weir.Builder) { weir.TableFrom(b, ttlIn, "t", ttl, weir.IfNeeded()) },
		"option TTL needs Materialized":       func(b *weir.Builder) { mortalSums(b).Filter(func(string, int64) bool { return true }, ttl) },
		"option TTL does not fit":             func(b *weir.Builder) { weir.From(b, ttlIn).Filter(func(string, int64) bool { return true }, ttl) },
		"Count: option TTL does not fit":      func(b *weir.Builder) { weir.Count(grouped(b).WindowedBy(window.Tumbling(time.Second)), "w", ttl) },
		"GlobalFrom: option TTL does not fit": func(b *weir.Builder) { weir.GlobalFrom(b, ttlIn, "g", ttl) },
		"do not fit a store that a topic restore": func(b *weir.Builder) {
			weir.ReadOnlyStore(b, ttlIn, state.KeyValueStore("r", serde.String(), serde.Int64(), state.TTL(time.Second)))
		},
	} {
		b := weir.NewBuilder()
		build(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Build says %v, want %q", err, want)
		}
	}
}

// What is left of a table, and what its watchers believe, is what a map says that is looked through whole, whatever the cache and restarts do.
func TestATableWithTTLAgainstAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const life = 20
		opts := []weir.OpOption{weir.TTL(life * time.Millisecond)}
		if rapid.Bool().Draw(rt, "no cache") {
			opts = append(opts, weir.NoCache())
		}
		d, in, out := mortals(t, func(b *weir.Builder) weir.Table[string, int64] { return weir.TableFrom(b, ttlIn, "rows", opts...) },
			weirtest.With(weir.CacheBytes(1<<20)), weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(rt, "every")))
		type row struct{ v, at int64 }
		rows, now := map[string]row{}, int64(0)
		believed := map[string]int64{}
		for i := range int64(rapid.IntRange(1, 60).Draw(rt, "n")) {
			k := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(rt, "k")
			at := max(0, now+rapid.Int64Range(-2*life, life).Draw(rt, "by"))
			now = max(now, at)
			in.SendAt(k, i, ms(at))
			if at > now-life {
				rows[k] = row{i, at}
			}
			for k, r := range rows {
				if r.at <= now-life {
					delete(rows, k)
				}
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				d.Commit()
				d.Restart()
			}
		}
		d.Commit()
		for _, r := range out.All() {
			c := r.Value
			if old, has := believed[r.Key]; has != c.HasOld || old != c.Old {
				rt.Fatalf("%s: a change from %+v, watchers knew %d, %v", r.Key, c, old, has)
			}
			if delete(believed, r.Key); c.HasNew {
				believed[r.Key] = c.New
			}
		}
		if len(believed) != len(rows) {
			rt.Fatalf("watchers believe %v, want %v at %d", believed, rows, now)
		}
		for k, r := range rows {
			if believed[k] != r.v {
				rt.Fatalf("watchers believe %v, want %v at %d", believed, rows, now)
			}
		}
	})
}
