package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/query"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// joining joins in with the global table of rates: out has key, and value/rate.
func joining(t *testing.T, rates *weir.GlobalTable[string, string]) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		*rates = weir.GlobalFrom(b, weir.NewTopic("rates", serde.String(), serde.String()), "rates")
		s := weir.From(b, weir.NewTopic("in", serde.String(), serde.String()))
		joined := weir.JoinGlobal(s, *rates, func(k, _ string) (string, bool) { return k, true }, func(_, v, rate string) string { return v + "/" + rate })
		joined.To(weir.NewTopic("out", serde.String(), serde.String()))
	})
}

// rate writes the rates of keys k0 to k19.
func (s *scenario) rate(as string, topic string) {
	s.t.Helper()
	var recs []*kgo.Record
	for i := range 20 {
		recs = append(recs, &kgo.Record{Topic: topic, Key: fmt.Append(nil, "k", i), Value: []byte(as)})
	}
	if err := s.client.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// joined waits for n joined records, and returns how many there are of each rate.
func (s *scenario) joined(n int) map[string]int {
	s.t.Helper()
	s.read("joined records", func() bool { return len(s.seen) >= n })
	got := map[string]int{}
	for _, r := range s.seen {
		_, rate, _ := strings.Cut(string(r.Value), "/")
		got[rate]++
	}
	return got
}

// rows are a global table's, as an app has them now; none while it is not ready.
func (r *running) rows(t *testing.T, table weir.GlobalTable[string, string]) map[string]string {
	t.Helper()
	return rowsOf(t, r, table.Store())
}

func (s *scenario) startJoin(topo *weir.Topology, opts ...weir.AppOption) (*running, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.InfoLevel)
	return s.start("join", topo, append([]weir.AppOption{weir.WithLogger(zap.New(core))}, opts...)...), logs
}

// filled is how many records the filling of the store took, by the app's log.
func filled(t *testing.T, logs *observer.ObservedLogs) int64 {
	t.Helper()
	all := logs.FilterMessage("global store ready").All()
	if len(all) != 1 {
		t.Fatalf("it became ready %d times", len(all))
	}
	return all[0].ContextMap()["records"].(int64)
}

func TestGlobalTableOnTwoApps(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		s.create("rates", 3)
		s.rate("one", "rates")
		var rates weir.GlobalTable[string, string]
		topo := joining(t, &rates)
		s.feed("in", 200)
		apps := []*running{s.start("join", topo), s.start("join", topo, weir.Workers(3))}
		if got := s.joined(200); got["one"] != 200 {
			t.Fatalf("no record is joined before the table is complete: %v", got)
		}
		s.rate("two", "rates")
		for _, app := range apps {
			s.until("the new rates", func() bool {
				rows := app.rows(t, rates)
				for _, v := range rows {
					if v != "two" {
						return false
					}
				}
				return len(rows) == 20
			})
		}
		s.feed("in", 200)
		if got := s.joined(400); got["one"] != 200 || got["two"] != 200 {
			t.Fatalf("%v", got)
		}
		s.end(apps...)
	})
}

func TestGlobalTableComesBack(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		s.create("rates", 3)
		s.rate("one", "rates")
		s.rate("two", "rates")
		var rates weir.GlobalTable[string, string]
		topo := joining(t, &rates)
		dir := t.TempDir()
		for i, c := range []struct {
			before func()
			dir    string
			want   int64
		}{
			{func() {}, dir, 40},
			{func() {}, dir, 0},
			{func() { s.rate("three", "rates") }, dir, 20},
			{func() {}, t.TempDir(), 60}, // the state was lost
			{func() { // the log was cut beyond what the store holds
				s.rate("four", "rates")
				if _, err := s.admin.DeleteRecords(s.ctx, offsets("rates", s.ends("rates"))); err != nil {
					t.Fatal(err)
				}
				s.rate("five", "rates")
			}, dir, 20},
			{func() { // and the topic made anew
				s.delete("rates")
				s.create("rates", 2)
				for range 5 {
					s.rate("six", "rates")
				}
			}, dir, 100},
		} {
			c.before()
			app, logs := s.startJoin(topo, weir.StateDir(c.dir))
			s.feed("in", 20)
			s.joined(20 * (i + 1))
			if got := filled(t, logs); got != c.want {
				t.Errorf("run %d read %d records, want %d", i, got, c.want)
			}
			if got := len(app.rows(t, rates)); got != 20 {
				t.Errorf("run %d: %d rows", i, got)
			}
			s.end(app)
		}
		got := s.joined(120)
		for rate, want := range map[string]int{"two": 40, "three": 40, "five": 20, "six": 20} {
			if got[rate] != want {
				t.Errorf("%v", got)
			}
		}
	})
}

func (s *scenario) ends(topic string) map[int32]int64 {
	s.t.Helper()
	all, err := s.admin.ListEndOffsets(s.ctx, topic)
	if err != nil {
		s.t.Fatal(err)
	}
	ends := map[int32]int64{}
	all.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

func offsets(topic string, at map[int32]int64) kadm.Offsets {
	o := kadm.Offsets{}
	for p, next := range at {
		o.AddOffset(topic, p, next, -1)
	}
	return o
}

// numbers is a global table of numbers, of which s.feed's values are none.
func numberTable(t *testing.T, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		weir.GlobalFrom(b, weir.NewTopic("rates", serde.String(), serde.Int64()), "rates", opts...)
	})
}

func TestGlobalTableFails(t *testing.T) {
	s := newScenario(t, false, "in")
	contains(t, s.fails(s.start("fail", numberTable(t))), `"rates"`, "do not exist")
	s.create("rates", 1)
	s.rate("text", "rates")
	contains(t, s.fails(s.start("fail", numberTable(t))), `global store "rates"`, `topic "rates"`, "partition 0", "offset 0", "int64")

	app := s.start("fail", numberTable(t, weir.OnError(func(_ context.Context, _ *weir.RecordError) weir.Decision { return weir.Skip() })))
	s.until("it runs", func() bool { return app.app.State() == weir.Running })
	if got := app.app.Stats().Dropped["global-from-1-source"]["undecodable"]; got != 20 {
		t.Errorf("%d undecodable", got)
	}
	s.end(app)

	app = s.start("fail", numberTable(t, weir.OnError(func(_ context.Context, _ *weir.RecordError) weir.Decision { return weir.DeadLetter("out") })), weir.StateDir(t.TempDir()))
	contains(t, s.fails(app), `global store "rates"`, `topic "out"`, "writes to no topic")
}

func TestGlobalTableWhoseTopicGoes(t *testing.T) {
	for name, do := range map[string]func(*scenario){
		"deleted": func(s *scenario) { s.delete("rates") },
		"remade":  func(s *scenario) { s.delete("rates"); s.create("rates", 3); s.rate("two", "rates") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScenario(t, false, "in")
			s.create("rates", 3)
			s.rate("one", "rates")
			var rates weir.GlobalTable[string, string]
			app := s.start("join", joining(t, &rates))
			s.until("it is ready", func() bool { return len(app.rows(t, rates)) == 20 })
			do(s)
			contains(t, s.fails(app), `global store "rates"`, `topic "rates"`, "deleted")
		})
	}
}

func TestGlobalTableGrows(t *testing.T) {
	s := newScenario(t, false, "in")
	s.create("rates", 1)
	s.rate("one", "rates")
	var rates weir.GlobalTable[string, string]
	app := s.start("join", joining(t, &rates))
	s.until("it is ready", func() bool { return len(app.rows(t, rates)) == 20 })
	if _, err := s.admin.UpdatePartitions(s.ctx, 4, "rates"); err != nil {
		t.Fatal(err)
	}
	s.until("the new partitions", func() bool {
		err := s.client.ProduceSync(s.ctx, &kgo.Record{Topic: "rates", Key: []byte("new"), Value: []byte("row")}).FirstErr()
		s.rate("two", "rates")
		return err == nil && app.rows(t, rates)["new"] == "row" && app.rows(t, rates)["k7"] == "two"
	})
	s.end(app)
}

// slow is a processor that fills a store once it may.
type slow struct {
	may  <-chan struct{}
	rows state.KeyValue[string, string]
}

var slowRows = state.KeyValueStore("slow", serde.String(), serde.String())

func (p *slow) Init(ctx processor.Context, _ processor.Forward[string, string]) error {
	p.rows = slowRows.Bind(ctx)
	return nil
}

func (p *slow) Process(r weir.Record[string, string]) error {
	<-p.may
	return p.rows.Put(r.Key, r.Value+"!")
}

// reader forwards each record with its key's row.
type rowReader struct {
	rows state.KeyValue[string, string]
	out  processor.Forward[string, string]
	bad  *atomic.Pointer[error]
}

func (p *rowReader) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.rows, p.out = slowRows.Bind(ctx), out
	return nil
}

func (p *rowReader) Process(r weir.Record[string, string]) error {
	refused := p.rows.Put("a", "b")
	p.bad.Store(&refused)
	row, _, err := p.rows.Get(r.Key)
	if err != nil {
		return err
	}
	return p.out(processor.WithValue(r, r.Value+"/"+row))
}

// Tasks that read a global store wait until it is complete; others do not.
func TestGlobalStoreGate(t *testing.T) {
	s := newScenario(t, false, "in", "other")
	s.create("rates", 3)
	s.rate("one", "rates")
	may := make(chan struct{})
	var bad atomic.Pointer[error]
	text := func(name string) weir.Topic[string, string] {
		return weir.NewTopic(name, serde.String(), serde.String())
	}
	topo := built(t, func(b *weir.Builder) {
		weir.GlobalStore(b, text("rates"), slowRows, func() *slow { return &slow{may: may} })
		weir.Process(weir.From(b, text("in")), func() *rowReader { return &rowReader{bad: &bad} }, weir.Stores(slowRows)).To(text("out"))
		weir.From(b, text("other")).To(text("out"))
	})
	s.feed("in", 100)
	app := s.start("gate", topo)
	s.feed("other", 100)
	if got := s.joined(100); got[""] != 100 {
		t.Fatalf("%v", got)
	}
	if st := app.app.State(); st != weir.Restoring {
		t.Errorf("the app is %s", st)
	}
	if got := app.app.Stats().Restores; len(got) == 0 || got[0].Store != "slow" {
		t.Errorf("restores: %v", got)
	}
	if _, err := weir.ReadStore(app.app, slowRows); !errors.Is(err, query.ErrNotHere) {
		t.Errorf("a store that is not ready can be read: %v", err)
	}
	close(may)
	if got := s.joined(200); got["one!"] != 100 {
		t.Fatalf("%v", got)
	}
	if err := *bad.Load(); err == nil || !strings.Contains(err.Error(), `"slow"`) {
		t.Errorf("a write ended with %v", err)
	}
	s.until("it runs", func() bool { return app.app.State() == weir.Running })
	if got := app.app.Stats().Restores; len(got) > 0 {
		t.Errorf("restores: %v", got)
	}
	s.end(app)
}

// contains says that an error names things.
func contains(t *testing.T, err error, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}
