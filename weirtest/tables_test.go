package weirtest_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// perMinute counts words per minute.
func perMinute(t testing.TB, opts ...weir.OpOption) (*weir.Topology, weir.Table[window.Key[string], int64]) {
	var table weir.Table[window.Key[string], int64]
	topo := built(t, func(b *weir.Builder) {
		grouped := weir.From(b, words).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(time.Minute))
		table = weir.Count(grouped, "per-minute", opts...)
		weir.Unwindow(table.ToStream()).To(upper)
	})
	return topo, table
}

// TestWindowsOfSeveralPartitions lets one partition run ahead: seen together, what is expired there is expired everywhere.
func TestWindowsOfSeveralPartitions(t *testing.T) {
	topo, table := perMinute(t)
	d := weirtest.New(t, topo, weirtest.Partitions("words", 2))
	in := weirtest.In(d, words)
	send := func(p int, key string, ms int64) {
		in.SendTo(p, weir.Record[string, int64]{Key: key, Value: 1, Time: at(ms)})
	}
	send(0, "a", 1000)
	send(1, "b", 1000)
	rows := func(view interface {
		Get(string, time.Time) (int64, bool, error)
	}, key string) bool {
		_, ok, err := view.Get(key, at(0))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	both := weirtest.Store(d, weir.WindowStoreOf(table))
	if !rows(both, "a") || !rows(both, "b") || len(maps.Collect(both.All())) != 2 {
		t.Error("two rows in two partitions are not seen together")
	}
	send(0, "c", 10*60_000)
	both, slow := weirtest.Store(d, weir.WindowStoreOf(table)), weirtest.StoreIn(d, 1, weir.WindowStoreOf(table))
	if rows(both, "b") || !rows(slow, "b") {
		t.Error("the slow partition's row is visible together, or not visible alone")
	}
}

// TestEmitEvery looks for closed windows at records, a second of the driver's clock apart.
func TestEmitEvery(t *testing.T) {
	for every, want := range map[time.Duration]int{0: 2, time.Second: 0} {
		topo, _ := perMinute(t, weir.EmitOnClose())
		d := weirtest.New(t, topo, weirtest.With(weir.EmitEvery(every)))
		in, out := weirtest.In(d, words), weirtest.Out(d, upper)
		in.SendAt("a", 1, at(0))
		in.SendAt("a", 1, at(120_000)) // closes the first minute
		in.SendAt("a", 1, at(300_000)) // and the third
		if got := len(out.All()); got != want {
			t.Errorf("every %v: %d results at once, want %d", every, got, want)
		}
		d.AdvanceWallClock(time.Second)
		in.SendAt("a", 1, at(300_001))
		if got := len(weirtest.Out(d, upper).All()); got != 2 {
			t.Errorf("every %v: %d results a second later, want 2", every, got)
		}
	}
}

// TestCacheMergesUpdates compares what leaves a count with and without a cache, and that a full cache forwards before the commit.
func TestCacheMergesUpdates(t *testing.T) {
	for name, c := range map[string]struct {
		opts   []weirtest.Option
		op     []weir.OpOption
		before []string
		after  []string
	}{
		"cached":         {[]weirtest.Option{weirtest.CommitEvery(0)}, nil, nil, []string{"a=2@1", "b=1@2"}},
		"every second":   {[]weirtest.Option{weirtest.CommitEvery(2)}, nil, []string{"a=2@1"}, []string{"a=2@1", "b=1@2"}},
		"no cache":       {[]weirtest.Option{weirtest.CommitEvery(0)}, []weir.OpOption{weir.NoCache()}, []string{"a=1@0", "a=2@1", "b=1@2"}, []string{"a=1@0", "a=2@1", "b=1@2"}},
		"a cache of one": {[]weirtest.Option{weirtest.CommitEvery(0), weirtest.Cache(1)}, nil, []string{"a=1@0", "a=2@1", "b=1@2"}, []string{"a=1@0", "a=2@1", "b=1@2"}},
	} {
		t.Run(name, func(t *testing.T) {
			topo := built(t, func(b *weir.Builder) {
				weir.Count(weir.From(b, words).GroupByKey(), "counts", c.op...).ToStream().To(upper)
			})
			d := weirtest.New(t, topo, c.opts...)
			in, out := weirtest.In(d, words).From(at(0)).Every(time.Millisecond), weirtest.Out(d, upper)
			in.Send("a", 1)
			in.Send("a", 1)
			in.Send("b", 1)
			before := texts(out.All())
			d.Commit()
			same(t, before, c.before...)
			same(t, append(before, texts(out.All())...), c.after...)
		})
	}
}

// TestTableJoin follows a table that is built from its topic, through deletions, and over a new machine.
func TestTableJoin(t *testing.T) {
	names := weir.NewTopic("names", serde.String(), serde.String())
	joined := weir.NewTopic("joined", serde.String(), serde.String())
	topo := built(t, func(b *weir.Builder) {
		table := weir.TableFrom(b, names, "names")
		weir.LeftJoinTable(weir.From(b, words), table, func(_ string, n int64, name *string) string {
			return fmt.Sprint(n, " ", weir.OrZero(name))
		}).To(joined)
	})
	d := weirtest.New(t, topo, weirtest.Partitions("words", 3), weirtest.Partitions("names", 3))
	in, rows, out := weirtest.In(d, words), weirtest.In(d, names), weirtest.Out(d, joined)
	in.Send("a", 1)
	rows.Send("a", "Ann")
	in.Send("a", 2)
	d.Rebuild()
	in.Send("a", 3)
	rows.SendRecord(weir.Tombstone[string]("a", at(0)))
	in.Send("a", 4)
	same(t, texts(out.All()), "a=1 @0", "a=2 Ann@0", "a=3 Ann@0", "a=4 @0")
	if _, err := weirtest.TryNew(t, topo, weirtest.Partitions("words", 3)); err == nil {
		t.Error("a stream and a table of different partition counts were joined")
	}
}

// TestMaxTaskIdle waits on the driver's clock for the other side of a merge.
func TestMaxTaskIdle(t *testing.T) {
	topo := built(t, func(b *weir.Builder) { weir.From(b, words).Merge(weir.From(b, second)).To(upper) })
	d := weirtest.New(t, topo, weirtest.With(weir.MaxTaskIdle(time.Second)))
	a, b, out := weirtest.In(d, words), weirtest.In(d, second), weirtest.Out(d, upper)
	a.SendAt("a", 1, at(20))
	if !out.Empty() {
		t.Error("the task did not wait")
	}
	b.SendAt("b", 1, at(10))
	same(t, texts(out.All()), "b=1@10")
	d.AdvanceWallClock(time.Second)
	same(t, texts(out.All()), "a=1@20")
}
