package scenario_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/serde"
)

// scenario is an app, or more, on a broker, and what its output holds.
type scenario struct {
	t      *testing.T
	ctx    context.Context
	broker *devbroker.Broker // nil for a real one
	addrs  []string
	prefix string // of topics
	eos    bool
	client *kgo.Client // writes inputs and reads out
	admin  *kadm.Client
	fed    map[string]int
	seen   []*kgo.Record // of out
}

// quick are options of clients that notice new topics and rebalances soon.
func quick() []kgo.Opt {
	return []kgo.Opt{
		kgo.MetadataMinAge(20 * time.Millisecond), kgo.MetadataMaxAge(100 * time.Millisecond), kgo.HeartbeatInterval(100 * time.Millisecond), kgo.FetchMaxWait(50 * time.Millisecond),
		kgo.ConsiderMissingTopicDeletedAfter(time.Second),
	}
}

// newScenario is on an embedded broker.
func newScenario(t *testing.T, eos bool, topics ...string) *scenario {
	t.Helper()
	b, err := devbroker.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s := scenarioAt(t, eos, "", b.Addrs()...)
	s.broker = b
	for _, topic := range append(topics, "out") {
		s.create(topic, 4)
	}
	return s
}

func scenarioAt(t *testing.T, eos bool, prefix string, addrs ...string) *scenario {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	s := &scenario{t: t, ctx: ctx, addrs: addrs, prefix: prefix, eos: eos, fed: map[string]int{}}
	cl, err := kgo.NewClient(append(quick(), kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(prefix+"out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s.client, s.admin = cl, kadm.NewClient(cl)
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
		weir.WithKafka(append(quick(), kgo.SeedBrokers(s.addrs...))...), weir.StateDir(s.t.TempDir()), weir.Workers(1), weir.CommitInterval(50 * time.Millisecond),
		weir.WithLogger(zaptest.NewLogger(s.t, zaptest.WrapOptions(zap.WithCaller(false)))),
	}, opts...)
	if s.eos {
		all = append(all, weir.ExactlyOnce())
	}
	app, err := weir.New(s.prefix+name, topo, all...)
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
		recs = append(recs, &kgo.Record{Topic: s.prefix + topic, Key: []byte(key), Value: fmt.Append(nil, topic, " ", i)})
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

// weigh says whether counts are those of what was fed; an error if they are not and cannot become so.
func weigh(got, fed map[string]int) (equal bool, err error) {
	for k, n := range got {
		if n > fed[k] {
			return false, fmt.Errorf("key %s was counted %d times, and fed %d times", k, n, fed[k])
		}
	}
	return maps.Equal(got, fed), nil
}

// counted waits until everything that was fed is counted, and nothing twice.
func (s *scenario) counted() {
	s.t.Helper()
	s.read("counts", func() bool {
		equal, err := weigh(s.counts(), s.fed)
		if err != nil {
			s.t.Fatal(err)
		}
		return equal
	})
}

// passed waits until everything that was fed has come through, and nothing twice.
func (s *scenario) passed() {
	s.t.Helper()
	s.read("records", func() bool {
		got := map[string]int{}
		for _, r := range s.seen {
			got[string(r.Key)]++
		}
		equal, err := weigh(got, s.fed)
		if err != nil {
			s.t.Fatal(err)
		}
		return equal
	})
}

func TestWeighNoticesSaboteurs(t *testing.T) {
	fed := map[string]int{"a": 2, "b": 1}
	for _, c := range []struct {
		got   map[string]int
		equal bool
		wrong bool
	}{
		{map[string]int{"a": 2, "b": 1}, true, false},
		{map[string]int{"a": 1, "b": 1}, false, false}, // lost, or not there yet: who waits for it waits in vain
		{map[string]int{"a": 2}, false, false},
		{map[string]int{"a": 2, "b": 2}, false, true},
		{map[string]int{"a": 2, "b": 1, "c": 1}, false, true},
	} {
		if equal, err := weigh(c.got, fed); equal != c.equal || (err != nil) != c.wrong {
			t.Errorf("%v: equal %v, error %v", c.got, equal, err)
		}
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
	if _, err := s.admin.CreateTopic(s.ctx, partitions, 1, nil, s.prefix+topic); err != nil {
		s.t.Fatal(err)
	}
	s.until("leaders of the topic", func() bool {
		all, err := s.admin.ListTopics(s.ctx, s.prefix+topic)
		got := all[s.prefix+topic].Partitions
		return err == nil && len(got) == int(partitions) && !slices.ContainsFunc(got.Sorted(), func(p kadm.PartitionDetail) bool { return p.Err != nil || p.Leader < 0 })
	})
}

// delete deletes a topic and waits until its name is free.
func (s *scenario) delete(topic string) {
	s.t.Helper()
	if _, err := s.admin.DeleteTopic(s.ctx, s.prefix+topic); err != nil {
		s.t.Fatal(err)
	}
	s.until("the topic is gone", func() bool {
		all, err := s.admin.ListTopics(s.ctx, s.prefix+topic)
		return err == nil && all[s.prefix+topic].Err != nil
	})
	s.client.PurgeTopicsFromProducing(s.prefix + topic)
}

// reads reports whether an app reads topics at this moment, and no others.
func (s *scenario) reads(r *running, topics ...string) bool {
	got := slices.Sorted(maps.Keys(r.app.Stats().Lag))
	return slices.EqualFunc(got, topics, func(got, want string) bool { return got == s.prefix+want })
}

func (s *scenario) all() weir.Source[string, string] {
	return weir.TopicsMatching(regexp.QuoteMeta(s.prefix)+"in-.*", serde.String(), serde.String())
}

func (s *scenario) counting() *weir.Topology {
	return built(s.t, func(b *weir.Builder) {
		weir.Count(weir.From(b, s.all()).GroupByKey(), "counts").ToStream().To(totalsTo(s.prefix + "out"))
	})
}

func (s *scenario) passing() *weir.Topology {
	return built(s.t, func(b *weir.Builder) {
		weir.From(b, s.all()).To(weir.NewTopic(s.prefix+"out", serde.String(), serde.String()))
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
		t.Run("count", func(t *testing.T) { countGrows(newScenario(t, eos)) })
		t.Run("pass", func(t *testing.T) { passGrows(newScenario(t, eos)) })
	})
}

func countGrows(s *scenario) {
	s.create("in-a", 4)
	one := s.start("grow", s.counting())
	s.feed("in-a", 200)
	s.counted()
	two := s.start("grow", s.counting())
	s.until("both work", func() bool { return s.reads(one, "in-a") && s.reads(two, "in-a") })
	s.create("in-b", 4)
	s.feed("in-a", 200)
	s.feed("in-b", 300)
	s.counted()
	s.create("in-c", 4)
	s.feed("in-c", 100)
	s.feed("in-a", 100)
	s.counted()
	s.end(one, two)
}

func passGrows(s *scenario) {
	s.create("in-a", 4)
	one, two := s.start("grow", s.passing()), s.start("grow", s.passing())
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
}

// A pattern that matches nothing yet is waited for; what its tasks need is made when the first topic comes.
func TestPatternBegins(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos)
		one, two := s.start("begin", s.counting()), s.start("begin", s.counting())
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
		t.Parallel() // a commit waits for deleted topics
		t.Run("count", func(t *testing.T) {
			t.Parallel()
			s := newScenario(t, eos)
			shrinks(s, s.counting(), s.counted)
		})
		t.Run("pass", func(t *testing.T) {
			t.Parallel()
			s := newScenario(t, eos)
			shrinks(s, s.passing(), s.passed)
		})
	})
}

func shrinks(s *scenario, topo *weir.Topology, done func()) {
	s.create("in-a", 4)
	s.create("in-b", 4)
	one, two := s.start("shrink", topo), s.start("shrink", topo)
	s.feed("in-a", 200)
	s.feed("in-b", 200)
	done()
	s.delete("in-b")
	s.feed("in-a", 100)
	done()
	s.until("it is gone", func() bool { return s.reads(one, "in-a") && s.reads(two, "in-a") })
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
}

// What was read of other topics is committed before a topic that was deleted and made again is read from its beginning: nothing of theirs comes twice.
func TestRemadeTopicLeavesTheOthers(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		t.Parallel()
		for name, topo := range map[string]func(*scenario) (*weir.Topology, func()){
			"count": func(s *scenario) (*weir.Topology, func()) { return s.counting(), s.counted },
			"pass":  func(s *scenario) (*weir.Topology, func()) { return s.passing(), s.passed },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newScenario(t, eos)
				topo, done := topo(s)
				remade(s, topo, done)
			})
		}
	})
}

func remade(s *scenario, topo *weir.Topology, done func()) {
	s.create("in-a", 4)
	s.create("in-b", 4)
	seldom := weir.CommitInterval(time.Second) // so that there is work to commit
	one, two := s.start("remade", topo, seldom), s.start("remade", topo, seldom)
	s.feed("in-a", 200)
	s.feed("in-b", 200)
	done()
	for range 2 {
		s.delete("in-b")
		s.create("in-b", 4)
		s.feed("in-b", 20)
		for range 100 { // until it is noticed, in the middle of work
			s.feed("in-a", 20)
			time.Sleep(40 * time.Millisecond)
		}
		done()
	}
	s.end(one, two)
}
