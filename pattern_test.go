package weir_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/serde"
)

// scenario is an app, or more, on an embedded broker, and what its output holds.
type scenario struct {
	t      *testing.T
	ctx    context.Context
	broker *devbroker.Broker
	eos    bool
	client *kgo.Client // writes inputs and reads out
	fed    map[string]int
	seen   []*kgo.Record // of out
}

// quick are options of clients that notice new topics and rebalances soon.
func quick() []kgo.Opt {
	return []kgo.Opt{
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.MetadataMaxAge(100 * time.Millisecond), kgo.HeartbeatInterval(100 * time.Millisecond), kgo.FetchMaxWait(50 * time.Millisecond),
	}
}

func newScenario(t *testing.T, eos bool, topics ...string) *scenario {
	t.Helper()
	b, err := devbroker.Start(devbroker.Topics(4, append(topics, "out")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &scenario{t: t, ctx: ctx, broker: b, eos: eos, fed: map[string]int{}}
	s.client, err = kgo.NewClient(append(quick(), kgo.SeedBrokers(b.Addrs()...), kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.Close)
	return s
}

// running is an app in the background.
type running struct {
	app  *weir.App
	stop context.CancelFunc
	done chan error
}

// start runs an app as a process of its own.
func (s *scenario) start(name string, topo *weir.Topology, opts ...weir.AppOption) *running {
	s.t.Helper()
	all := append([]weir.AppOption{
		weir.WithKafka(append(quick(), kgo.SeedBrokers(s.broker.Addrs()...))...), weir.StateDir(s.t.TempDir()), weir.Workers(1), weir.CommitInterval(50 * time.Millisecond),
		weir.WithLogger(zaptest.NewLogger(s.t, zaptest.WrapOptions(zap.WithCaller(false)))),
	}, opts...)
	if s.eos {
		all = append(all, weir.ExactlyOnce())
	}
	app, err := weir.New(name, topo, all...)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.ctx)
	r := &running{app: app, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- app.Run(ctx) }()
	s.t.Cleanup(func() { stop(); <-r.done })
	return r
}

// end stops an app; it must have nothing to complain of.
func (s *scenario) end(apps ...*running) {
	s.t.Helper()
	for _, r := range apps {
		r.stop()
		err := <-r.done
		r.done <- nil
		if err != nil {
			s.t.Errorf("the app ended with %v", err)
		}
	}
}

// fails waits until an app ends by itself, and returns its error.
func (s *scenario) fails(r *running) error {
	s.t.Helper()
	err := <-r.done
	r.done <- nil
	if err == nil {
		s.t.Error("the app ended without an error")
	}
	return err
}

// feed writes n records to each partition of a topic, with a few keys.
func (s *scenario) feed(topic string, n int) {
	s.t.Helper()
	var recs []*kgo.Record
	for i := range n {
		key := fmt.Sprint("k", i%20)
		recs = append(recs, &kgo.Record{Topic: topic, Key: []byte(key), Value: fmt.Append(nil, topic, " ", i)})
		s.fed[key]++
	}
	if err := s.client.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// read reads out until something holds.
func (s *scenario) read(what string, until func() bool) {
	s.t.Helper()
	for !until() {
		s.client.PollFetches(s.ctx).EachRecord(func(r *kgo.Record) { s.seen = append(s.seen, r) })
		if s.ctx.Err() != nil {
			s.t.Fatalf("waiting for %s: got %d records", what, len(s.seen))
		}
	}
}

// counts are the latest values of out, by key.
func (s *scenario) counts() map[string]int {
	got := map[string]int{}
	for _, r := range s.seen {
		n, err := serde.Int64().Decode(r.Value)
		if err != nil {
			s.t.Fatal(err)
		}
		got[string(r.Key)] = int(n)
	}
	return got
}

// counted waits until everything that was fed is counted, and nothing twice.
func (s *scenario) counted() {
	s.t.Helper()
	s.read("counts", func() bool {
		got := s.counts()
		for k, n := range got {
			if n > s.fed[k] {
				s.t.Fatalf("key %s was counted %d times, and fed %d times", k, n, s.fed[k])
			}
		}
		return maps.Equal(got, s.fed)
	})
}

// passed waits until everything that was fed has come through, and nothing twice.
func (s *scenario) passed() {
	s.t.Helper()
	fed := 0
	for _, n := range s.fed {
		fed += n
	}
	s.read("records", func() bool { return len(s.seen) >= fed })
	got := map[string]int{}
	for _, r := range s.seen {
		got[string(r.Key)]++
	}
	if !maps.Equal(got, s.fed) {
		s.t.Errorf("passed %v, fed %v", got, s.fed)
	}
}

// until waits for something that no record tells of.
func (s *scenario) until(what string, holds func() bool) {
	s.t.Helper()
	for !holds() {
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("waiting for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *scenario) create(topic string, partitions int32) {
	s.t.Helper()
	if err := s.broker.Cluster().CreateTopic(topic, partitions, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) delete(topic string) {
	s.t.Helper()
	if err := s.broker.Cluster().DeleteTopic(topic); err != nil {
		s.t.Fatal(err)
	}
	s.client.PurgeTopicsFromProducing(topic)
}

// reads are the topics that an app reads at this moment.
func (r *running) reads() string {
	return strings.Join(slices.Sorted(maps.Keys(r.app.Stats().Lag)), " ")
}

func counting(t *testing.T, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		from := weir.From(b, weir.TopicsMatching("in-.*", serde.String(), serde.String()))
		weir.Count(from.GroupByKey(), "counts", opts...).ToStream().To(totalsTo("out"))
	})
}

func passing(t *testing.T) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		weir.From(b, weir.TopicsMatching("in-.*", serde.String(), serde.String())).To(weir.NewTopic("out", serde.String(), serde.String()))
	})
}

func totalsTo(topic string) weir.Topic[string, int64] {
	return weir.NewTopic(topic, serde.String(), serde.Int64())
}

// guarantees runs a scenario under both.
func guarantees(t *testing.T, f func(t *testing.T, eos bool)) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", eos), func(t *testing.T) { f(t, eos) })
	}
}

// A topic that is made later and matches the pattern is read from its beginning, by tasks that hold what they had counted.
func TestPatternGrows(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		t.Run("count", func(t *testing.T) {
			s := newScenario(t, eos, "in-a")
			one := s.start("grow", counting(t))
			s.feed("in-a", 200)
			s.counted()
			two := s.start("grow", counting(t))
			s.until("both work", func() bool { return one.reads() == "in-a" && two.reads() == "in-a" })
			s.create("in-b", 4)
			s.feed("in-a", 200)
			s.feed("in-b", 300)
			s.counted()
			s.create("in-c", 4)
			s.feed("in-c", 100)
			s.feed("in-a", 100)
			s.counted()
			s.end(one, two)
		})
		t.Run("pass", func(t *testing.T) {
			s := newScenario(t, eos, "in-a")
			one, two := s.start("grow", passing(t)), s.start("grow", passing(t))
			s.feed("in-a", 200)
			s.passed()
			s.create("in-b", 7) // more partitions: new tasks
			s.feed("in-a", 200)
			s.feed("in-b", 300)
			s.passed()
			s.create("in-c", 2) // fewer: some tasks stay as they are
			s.feed("in-c", 300)
			s.passed()
			s.end(one, two)
		})
	})
}

// A pattern that matches nothing yet is waited for; what its tasks need is made when the first topic comes.
func TestPatternBegins(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos)
		one, two := s.start("begin", counting(t)), s.start("begin", counting(t))
		s.until("both wait", func() bool { return one.app.State() == weir.Rebalancing && two.app.State() == weir.Rebalancing })
		s.create("in-a", 4)
		s.feed("in-a", 200)
		s.counted()
		s.create("in-b", 4)
		s.feed("in-b", 200)
		s.counted()
		s.end(one, two)
	})
}

// A topic of the pattern may be deleted, and made again: the others are read on, what had been counted stays counted.
func TestPatternShrinks(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		for name, topo := range map[string]*weir.Topology{"count": counting(t), "pass": passing(t)} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // a commit waits for deleted topics
				s := newScenario(t, eos, "in-a", "in-b")
				done := s.counted
				if name == "pass" {
					done = s.passed
				}
				one, two := s.start("shrink", topo), s.start("shrink", topo)
				s.feed("in-a", 200)
				s.feed("in-b", 200)
				done()
				s.delete("in-b")
				s.until("it is gone", func() bool { return one.reads() == "in-a" && two.reads() == "in-a" })
				s.feed("in-a", 200)
				done()
				s.create("in-b", 4)
				s.feed("in-b", 200)
				s.feed("in-a", 200)
				done()
				s.delete("in-b") // and again, at once
				s.create("in-b", 4)
				s.feed("in-b", 200)
				s.feed("in-a", 200)
				done()
				s.end(one, two)
			})
		}
	})
}
