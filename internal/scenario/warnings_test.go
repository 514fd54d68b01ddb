package scenario_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

// warned runs an app until it works, and returns the warnings in its log that contain something.
func (s *scenario) warned(name string, topo *weir.Topology, snippet string) []observer.LoggedEntry {
	s.t.Helper()
	core, logs := observer.New(zapcore.WarnLevel)
	app := s.start(name, topo, weir.WithLogger(zap.New(core)))
	s.until("it runs", func() bool { return app.app.State() == weir.Running })
	s.end(app)
	return logs.FilterMessageSnippet(snippet).All()
}

var sharedRows = state.KeyValueStore("shared", serde.String(), serde.String())

// sharing keeps each record in a store, and forwards what another processor has put there.
type sharing struct {
	rows state.KeyValue[string, string]
	out  processor.ForwardFixed[string, string]
}

func (p *sharing) Init(ctx processor.Context, out processor.ForwardFixed[string, string]) error {
	p.rows, p.out = sharedRows.Bind(ctx), out
	return nil
}

func (p *sharing) Process(r processor.FixedKeyRecord[string, string]) error {
	if err := p.rows.Put(r.Key(), r.Value); err != nil {
		return err
	}
	return p.out(r)
}

// shares connects a stream with the shared store.
func shares(s weir.Stream[string, string]) weir.Stream[string, string] {
	return weir.ProcessValues(s, func() *sharing { return &sharing{} }, weir.Stores(sharedRows))
}

// What a topology warns of is in the log when the app starts.
func TestWarningsAreLogged(t *testing.T) {
	s := newScenario(t, false, "in")
	topo := built(t, func(b *weir.Builder) {
		shares(weir.KeyBy(weir.From(b, s.text("in")), func(_, v string) string { return v })).To(s.text("out"))
	})
	all := topo.Warnings()
	if len(all) != 1 {
		t.Fatalf("%q", all)
	}
	if got := s.warned("warns", topo, "the topology: "); len(got) != 1 || got[0].Message != "the topology: "+all[0] {
		t.Errorf("%v", got)
	}
}

// Processors that share a store run over topics with different numbers of partitions, as in Kafka Streams, and the app says what comes of it.
func TestSharedStoreOfUnevenTopics(t *testing.T) {
	s := newScenario(t, false, "wide")
	s.create("narrow", 2)
	const snippet = "processors share a store"
	got := s.warned("uneven", built(t, func(b *weir.Builder) {
		shares(weir.From(b, s.text("wide")))
		shares(weir.From(b, s.text("narrow")))
	}), snippet)
	if len(got) != 1 || got[0].ContextMap()["store"] != "shared" || fmt.Sprint(got[0].ContextMap()["topics"]) != "[wide (4) narrow (2)]" {
		t.Errorf("shared: %v", got)
	}
	got = s.warned("read-only", built(t, func(b *weir.Builder) {
		weir.ReadOnlyStore(b, s.text("narrow"), sharedRows)
		shares(weir.From(b, s.text("wide")))
	}), snippet)
	if len(got) != 1 {
		t.Errorf("read-only: %v", got)
	}
	for name, declare := range map[string]func(b *weir.Builder){
		"apart": func(b *weir.Builder) {
			shares(weir.From(b, s.text("wide")))
			weir.From(b, s.text("narrow")).To(s.text("out"))
		},
		"repartitioned": func(b *weir.Builder) {
			shares(weir.From(b, s.text("wide")))
			shares(weir.From(b, s.text("narrow")).Repartition("again", weir.Partitions(4)))
		},
		"global": func(b *weir.Builder) {
			weir.GlobalStore(b, s.text("narrow"), slowRows, func() *slow { return &slow{} })
			weir.Process(weir.From(b, s.text("wide")), func() *rowReader { return &rowReader{} }, weir.Stores(slowRows))
		},
	} {
		if got := s.warned(name, built(t, declare), snippet); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// alter sets topics as an operator may.
func (s *scenario) alter(topic, name, value string) {
	s.t.Helper()
	all, err := s.admin.AlterTopicConfigs(s.ctx, []kadm.AlterConfig{{Name: name, Value: &value}}, topic)
	if err == nil {
		_, err = all.On(topic, nil)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// An internal topic that is there already keeps its settings: an app that needs others says so when it starts.
func TestInternalTopicsThatForgetTooSoon(t *testing.T) {
	s := newScenario(t, false, "in")
	counting := func(grace time.Duration) *weir.Topology {
		return built(t, func(b *weir.Builder) {
			in := weir.From(b, s.text("in"))
			weir.Count(in.GroupByKey().WindowedBy(window.Tumbling(time.Hour).Grace(grace)), "windows")
			weir.Count(weir.GroupBy(in, func(_, v string) string { return v }), "rows")
		})
	}
	warned := func(topo *weir.Topology) (all []string) {
		for _, e := range s.warned("keeps", topo, "is set otherwise") {
			f := e.ContextMap()
			all = append(all, fmt.Sprint(f["topic"], " ", f["setting"], " ", f["has"], " ", f["needs"]))
		}
		slices.Sort(all)
		return all
	}
	if got := warned(counting(0)); len(got) != 0 {
		t.Errorf("made anew: %q", got)
	}
	if got := warned(counting(0)); len(got) != 0 {
		t.Errorf("as made: %q", got)
	}
	const hour, day = int64(time.Hour / time.Millisecond), 24 * int64(time.Hour/time.Millisecond)
	longer := []string{fmt.Sprintf("keeps-windows-changelog retention.ms %d %d", hour+day, 2*hour+day)}
	if got := warned(counting(time.Hour)); !slices.Equal(got, longer) {
		t.Errorf("with more grace: %q, want %q", got, longer)
	}
	s.alter("keeps-rows-changelog", "cleanup.policy", "delete")
	s.alter("keeps-rows-repartition", "retention.ms", "1000")
	want := []string{"keeps-rows-changelog cleanup.policy delete compact", "keeps-rows-repartition retention.ms 1000 -1"}
	if got := warned(counting(0)); !slices.Equal(got, want) {
		t.Errorf("edited: %q, want %q", got, want)
	}
}

// What a global store drops is told and counted as what a task drops.
func TestGlobalTableDrops(t *testing.T) {
	s := newScenario(t, false, "in")
	s.create("rates", 1)
	s.rate("one", "rates")
	s.put(&kgo.Record{Topic: "rates", Value: []byte("no key")})
	var mu sync.Mutex
	var told []weir.Dropped
	note := weir.OnDropped(func(_ context.Context, d weir.Dropped) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, d)
	})
	app := s.start("drops", built(t, func(b *weir.Builder) {
		weir.GlobalFrom(b, s.text("rates"), "rates", weir.Named("rates"))
	}), note)
	s.until("it is told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told) > 0
	})
	if got := app.app.Stats().Dropped["rates"]["null key"]; got != 1 {
		t.Errorf("counted %v", app.app.Stats().Dropped)
	}
	s.end(app)
	if d := told[0]; len(told) != 1 || d.Node != "rates" || d.Reason != "null key" || d.Source.Topic != "rates" || d.Source.Offset != 20 {
		t.Errorf("told %+v", told)
	}
}
