package badinput

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

// TestTwoAppsInOneDirectory refuses the second, and lets it in when the first has gone.
func TestTwoAppsInOneDirectory(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	first := w.start(reducing())
	w.read("out", 1)
	w.start(reducing()).fails("state directory", filepath.Join(w.dir, "app"), "another process uses it", "weir.StateDir")
	w.send("in", "b=2")
	w.read("out", 2) // the first goes on
	first.ends()
	third := w.start(reducing())
	w.send("in", "c=3")
	w.read("out", 3)
	third.ends()
}

// TestTwoAppsBesideEachOther share the parent of their directories only.
func TestTwoAppsBesideEachOther(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	one, two := w.startNamed("one", passing()), w.startNamed("two", passing())
	w.wants("out", "a=1", "a=1")
	one.ends()
	two.ends()
}

func TestADirectoryThatCannotBe(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.dir = filepath.Join(w.dir, "file")
	if err := os.WriteFile(w.dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start(passing()).fails("state directory", w.dir)
}

func TestAProcessIDThatIsNone(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	if err := os.MkdirAll(filepath.Join(w.dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "app", "process-id"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start(passing()).fails("state directory", "process-id", "does not hold a process id")
}

// TestStateOfANewerFormat has a later version of weir have written the state; without it the app restores from the changelog.
func TestStateOfANewerFormat(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	a := w.start(reducing())
	w.read("out", 1)
	a.ends()
	dir := filepath.Join(w.dir, "app", "0_0")
	e, err := pebble.New().Open(dir, "0_0")
	if err != nil {
		t.Fatal(err)
	}
	var b state.Batch
	b.Set([]byte{0, 0, 0}, binary.BigEndian.AppendUint64(nil, 99))
	if err := errors.Join(e.Apply(&b), e.Close()); err != nil {
		t.Fatal(err)
	}
	w.start(reducing()).fails("task 0_0", dir, "format 99", "format 1", "remove")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	a = w.start(reducing())
	w.send("in", "b=2")
	w.read("out", 2)
	a.ends()
}

// TestNoBroker has nobody answer. Run gives up after 30 seconds of virtual time.
func TestNoBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := weir.NewBuilder()
		passing()(b)
		topo, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		refuse := kgo.Dialer(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") })
		a, err := weir.New("app", topo, weir.WithKafka(kgo.SeedBrokers("nowhere:9092", "nobody:9093"), refuse), weir.StateDir(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		says(t, a.Run(t.Context()), "no Kafka broker answers", "nowhere:9092", "nobody:9093", "connection refused", "30s")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestNoBrokerAndNoPatience is cancelled meanwhile: that is no error.
func TestNoBrokerAndNoPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := weir.NewBuilder()
		passing()(b)
		topo, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		hang := kgo.Dialer(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
		a, err := weir.New("app", topo, weir.WithKafka(kgo.SeedBrokers("nowhere:9092"), hang), weir.StateDir(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Run(ctx); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

func TestABrokerThatIsTooOld(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"), devbroker.With(kfake.MaxVersions(kversion.V3_0_0())))
	w.start(passing()).fails("too old", "3.9 or newer is needed", w.addrs()[0], "Fetch only to version")
}

// TestOptionsThatAreNotTheUsers are refused by name before anything starts.
func TestOptionsThatAreNotTheUsers(t *testing.T) {
	callback := func(context.Context, *kgo.Client, map[string][]int32) {}
	w := &world{t: t}
	topo := w.topology(passing())
	for name, opts := range map[string][]kgo.Opt{
		"ConsumerGroup":               {kgo.ConsumerGroup("g")},
		"InstanceID":                  {kgo.InstanceID("i")},
		"GroupProtocol":               {kgo.GroupProtocol("p")},
		"Balancers":                   {kgo.Balancers(kgo.RangeBalancer())},
		"BlockRebalanceOnPoll":        {kgo.BlockRebalanceOnPoll()},
		"OnOffsetsFetched":            {kgo.OnOffsetsFetched(func(context.Context, *kgo.Client, *kmsg.OffsetFetchResponse) error { return nil })},
		"OnPartitionsCallbackBlocked": {kgo.OnPartitionsCallbackBlocked(func(context.Context, *kgo.Client) {})},
		"OnPartitionsAssigned":        {kgo.OnPartitionsAssigned(callback)},
		"OnPartitionsRevoked":         {kgo.OnPartitionsRevoked(callback)},
		"OnPartitionsLost":            {kgo.OnPartitionsLost(callback)},
		"DisableAutoCommit":           {kgo.DisableAutoCommit()},
		"AutoCommitInterval":          {kgo.AutoCommitInterval(time.Second)},
		"ConsumeTopics":               {kgo.ConsumeTopics("t")},
		"ConsumePartitions":           {kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}})},
		"ConsumeRegex":                {kgo.ConsumeRegex()},
		"ConsumeStartOffset":          {kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd())},
		"ConsumeResetOffset":          {kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())},
		"FetchIsolationLevel":         {kgo.FetchIsolationLevel(kgo.ReadCommitted())},
		"KeepControlRecords":          {kgo.KeepControlRecords()},
		"TransactionalID":             {kgo.TransactionalID("x")},
		"TransactionTimeout":          {kgo.TransactionTimeout(time.Second)},
		"RequiredAcks":                {kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		"DisableIdempotentWrite":      {kgo.DisableIdempotentWrite()},
		"RecordPartitioner":           {kgo.RecordPartitioner(kgo.ManualPartitioner())},
		"ManualFlushing":              {kgo.ManualFlushing()},
		"WithContext":                 {kgo.WithContext(context.Background())},
	} {
		_, err := weir.New("app", topo, weir.WithKafka(append(opts, kgo.SeedBrokers("localhost:1"))...))
		if err == nil || !strings.Contains(err.Error(), "kafka option") || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "cannot be given") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// user is a processor that panics where it is told to.
type user struct {
	where string
	out   processor.Forward[string, string]
}

func (u *user) at(where string) {
	if u.where == where {
		panic("boom")
	}
}

func (u *user) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	u.out = out
	ctx.Schedule(processor.WallTime(20*time.Millisecond), func(time.Time) error { u.at("Punctuate"); return nil })
	u.at("Init")
	return nil
}

func (u *user) Process(r weir.Record[string, string]) error { u.at("Process"); return u.out(r) }
func (u *user) Close() error                                { u.at("Close"); return nil }

// panicking is an app with user code of every kind, of which one panics.
func panicking(where string) func(*weir.Builder) {
	at := func(here string) {
		if here == where {
			panic("boom")
		}
	}
	return func(b *weir.Builder) {
		from := in.EventTimeBy(func(r weir.Record[string, string], _ time.Time) time.Time { at("EventTimeBy"); return r.Time })
		s := weir.Process(weir.From(b, from, weir.Named("source")), func() *user { return &user{where: where} }, weir.Named("process"))
		s = s.Filter(func(string, string) bool { at("Filter"); return true }, weir.Named("filter"))
		s = weir.MapValues(s, func(v string) string { at("MapValues"); return v }, weir.Named("map"))
		add := weir.NewAggregator(func() string { return "" }, func(_, v, sum string) string { at("Add"); return sum + v })
		weir.Aggregate(weir.GroupBy(s, func(_, v string) string { return v }, weir.Named("by")), "s", add, weir.Named("sum"))
		s.To(out.PartitionBy(func(string, string, int) int { at("PartitionBy"); return 0 }), weir.Named("sink"))
	}
}

// TestPanicsInARunningApp has Run return them, whichever goroutine they happen on. The process lives: this one.
func TestPanicsInARunningApp(t *testing.T) {
	for where, wants := range map[string][]string{
		"EventTimeBy": {`node "source"`, "offset 0"},
		"Filter":      {`node "filter"`, "offset 0"},
		"MapValues":   {`node "map"`, "offset 0"},
		"Add":         {`node "sum"`, "offset 0", `topic "app-by-repartition"`},
		"PartitionBy": {`node "sink"`, "offset 0"},
		"Init":        {`node "process"`, "task 0_0", "init"},
		"Process":     {`node "process"`, "offset 0"},
		"Punctuate":   {`node "process"`, "task 0_0"},
	} {
		t.Run(where, func(t *testing.T) {
			w := newWorld(t, devbroker.Topics(1, "in", "out"))
			w.send("in", "a=1")
			w.start(panicking(where)).fails(append(wants, "panic: boom", "process_test.go")...)
		})
	}
}

// TestCloseThatPanics is told at the end, after the commit.
func TestCloseThatPanics(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	a := w.start(panicking("Close"))
	w.read("out", 1)
	w.until("a commit", func() bool { return w.committed(t) == 1 })
	a.stop()
	says(t, <-a.done, `node "process"`, "task 0_0", "close", "panic: boom")
}

func TestOnErrorThatPanics(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	w.start(panicking("Filter"), weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { panic("handler") })).
		fails(`node "filter"`, "offset 0", "panic: boom", "the error handler itself", "panic: handler")
}

// TestOnErrorThatPanicsLater is asked about a record that the broker refused.
func TestOnErrorThatPanicsLater(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "k=big")
	w.start(passing(), weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { panic("handler") })).
		fails(`node "sink"`, "offset 0", "MESSAGE_TOO_LARGE", "the error handler itself", "panic: handler")
}

func TestOnDroppedThatPanics(t *testing.T) {
	boom := weir.OnDropped(func(context.Context, weir.Dropped) { panic("boom") })
	t.Run("in a node", func(t *testing.T) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		w.sendRecord(record(nil, "v"))
		w.start(reducing(), boom).fails(`node "reduce"`, "offset 0", "OnDropped", "null key", "panic: boom")
	})
	t.Run("in a source, with nothing after it", func(t *testing.T) {
		w := newWorld(t, devbroker.Topics(1, "in"))
		w.send("in", "a=1")
		numbers := weir.NewTopic("in", serde.String(), serde.Int64())
		w.start(func(b *weir.Builder) { weir.From(b, numbers, weir.Named("source")) }, boom, decide(weir.Skip())).
			fails(`node "source"`, "offset 0", "OnDropped", "undecodable", "panic: boom")
	})
	t.Run("of what was refused later", func(t *testing.T) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		w.send("in", "k=big")
		w.start(passing(), boom, decide(weir.Skip())).fails(`node "sink"`, "offset 0", "OnDropped", "unwritable", "panic: boom")
	})
}

// TestOnStateThatPanics does so at every state that an app comes to.
func TestOnStateThatPanics(t *testing.T) {
	for _, at := range []weir.AppState{weir.Rebalancing, weir.Restoring, weir.Running, weir.Stopping, weir.Stopped} {
		t.Run(at.String(), func(t *testing.T) {
			w := newWorld(t, devbroker.Topics(1, "in", "out"))
			w.send("in", "a=1")
			var seen atomic.Bool
			a := w.start(passing(), weir.OnState(func(_, to weir.AppState) {
				if to == at && !seen.Swap(true) {
					panic("boom")
				}
			}))
			if at >= weir.Stopping {
				w.read("out", 1)
				a.stop()
			}
			says(t, <-a.done, "OnState", at.String(), "panic: boom")
			if w.ctx.Err() != nil {
				t.Error("it did not end by itself")
			}
		})
	}
}
