package parity_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/internal/parity"
)

// spreading is a case whose results do not depend on how records are spread over partitions and workers, as far as its law says: what it makes of a key
// follows from the key's records in their order, or, behind a repartition, from all of them in any order.
type spreading struct {
	name    string
	law     parity.Law
	closes  bool // its results come when windows close: the inputs end with records that close all
	exactly bool // once
	more    bool // only where WEIR_SEEDS asks for more
}

// The laws. What comes from a repartition topic comes in another order, and what has waited comes with any record that ends its waiting: then the headers are not
// known. The greatest time is the same.
var (
	tables   = parity.Law{Logs: true, Last: true}
	sessions = parity.Law{Logs: true, Last: true, By: parity.Headless} // without a cache Kafka Streams forwards them without
	regroups = parity.Law{Logs: true, Last: true, By: parity.Headless}
	groups   = parity.Law{Logs: true, Last: true, By: parity.Net}
	foreign  = parity.Law{Logs: true, Last: true, By: parity.Untimed, Of: map[string]parity.Depth{"fk-subscription-store": parity.Keyed}} // it names the row's partition
	streams  = parity.Law{All: true}                                                                                                      // changelogs of joins number their records
	closed   = parity.Law{All: true, By: parity.Headless}
)

var spreadings = []spreading{
	{name: "aggregates/count", law: tables, exactly: true},
	{name: "aggregates/count-group-by", law: regroups},
	{name: "aggregates/count-group-by", law: regroups, exactly: true},
	{name: "aggregates/count-merged", law: regroups},
	{name: "aggregates/reduce", law: tables, more: true},
	{name: "aggregates/reduce-longs", law: tables, more: true},
	{name: "cogroup/plain", law: tables, more: true},
	{name: "cogroup/tumbling", law: tables},
	{name: "cogroup/sessions", law: sessions, more: true},
	{name: "errors/process-skip", law: streams},
	{name: "foreign-key/inner", law: foreign},
	{name: "foreign-key/left", law: foreign},
	{name: "optimizer/repartitions", law: regroups},
	{name: "processors/values-then-count", law: tables},
	{name: "sessions/count", law: sessions},
	{name: "sessions/aggregate", law: sessions, more: true},
	{name: "sessions/close", law: closed, closes: true, more: true},
	{name: "sliding/aggregate", law: tables},
	{name: "stateless/repartition-after-key-by", law: streams},
	{name: "stateless/split-merge", law: streams, more: true},
	{name: "stream-stream/inner", law: streams},
	{name: "stream-stream/left", law: closed, closes: true, more: true},
	{name: "stream-stream/outer", law: closed, closes: true},
	{name: "stream-table/inner", law: streams, more: true},
	{name: "stream-table/left", law: streams},
	{name: "suppress/tumbling", law: streams, closes: true},
	{name: "table-table/inner-materialized", law: tables, more: true},
	{name: "table-table/left-materialized", law: regroups},
	{name: "table-table/outer-materialized", law: regroups, more: true},
	{name: "table-table/three", law: regroups, more: true},
	{name: "tables/table", law: tables, more: true},
	{name: "tables/to-table", law: tables, more: true},
	{name: "tables/map-values-materialized", law: tables},
	{name: "tables/group-count", law: groups},
	{name: "topics/event-time", law: streams},
	{name: "versioned/table", law: tables},
	{name: "windows/tumbling-count", law: tables, exactly: true},
	{name: "windows/hopping-aggregate", law: tables},
	{name: "windows/tumbling-close", law: closed, closes: true},
}

func (c spreading) String() string {
	if c.exactly {
		return c.name + " exactly once"
	}
	return c.name
}

const spreadParts = 4

// spread is a case that runs on a broker: four partitions of each topic, two workers.
type spread struct {
	t     *testing.T
	ctx   context.Context
	addrs []string
	cl    *kgo.Client
	adm   *kadm.Client
	of    spreading
	c     *parity.Case
	build parity.Build
	in    parity.Run
	want  parity.Run // of one partition
}

func newSpread(t *testing.T, of spreading, addrs ...string) *spread {
	t.Helper()
	c, build := read(t, of.name), parity.Builders()[of.name]
	if build == nil {
		t.Fatal("it has no builder")
	}
	in := of.inputs(c)
	want, err := parity.Play(t, c, build, in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cl, err := kgo.NewClient(append(prompt(), kgo.SeedBrokers(addrs...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &spread{t, ctx, addrs, cl, kadm.NewClient(cl), of, c, build, in, want}
}

// prompt are options of clients that notice what is new soon.
func prompt() []kgo.Opt {
	return []kgo.Opt{kgo.MetadataMinAge(20 * time.Millisecond), kgo.MetadataMaxAge(200 * time.Millisecond), kgo.FetchMaxWait(50 * time.Millisecond)}
}

func (s *spread) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// inputs are those of three recorded runs, one after the other, each record later than the one before: then none is late, and the order of the topics
// that a task reads is that of times.
func (c spreading) inputs(of *parity.Case) (in parity.Run) {
	at := int64(1_000_000)
	for _, run := range of.Runs[:3] {
		before := int64(0)
		for _, s := range run.Steps {
			if s.In == nil {
				continue
			}
			r := *s.In
			at += 1 + max(r.Time-before, before-r.Time)%4000
			before, r.Time = r.Time, at
			in.Steps = append(in.Steps, parity.Step{In: &r})
		}
	}
	if c.closes {
		in.Steps = append(in.Steps, closing(of.Inputs, at)...)
	}
	return in
}

// closing are records of many keys, for each partition some, of one window long after a time.
func closing(topics []string, at int64) (steps []parity.Step) {
	const minute = 60_000
	at = (at/minute+10)*minute + 1
	for i := range 8 * spreadParts {
		for _, topic := range topics {
			at++
			key := parity.Bytes(fmt.Sprintf("z%d", i))
			steps = append(steps, parity.Step{In: &parity.Record{Topic: topic, Key: key, Value: parity.Bytes("a0"), Time: at}})
		}
	}
	return steps
}

// internal reports whether a topic is made by the app.
func internal(topic string) bool { return strings.HasPrefix(topic, "app-") }

// written are the topics that are written to with one partition, as far as they are asked for.
func (s *spread) written(asked func(topic string) bool) (all []string) {
	for _, r := range s.want.Of(asked) {
		all = append(all, r.Topic)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// topics are the case's own: what is sent to, and what is written that is not internal.
func (s *spread) topics() []string {
	return append(slices.Clone(s.c.Inputs), s.written(s.c.IsResult)...)
}

// read are the topics that the app reads: the inputs, and of its own those through which records go.
func (s *spread) read() []string {
	return append(slices.Clone(s.c.Inputs), s.written(func(topic string) bool { return internal(topic) && !parity.IsChangelog(topic) })...)
}

// feed sends the inputs, each to the partition of its key.
func (s *spread) feed() {
	s.t.Helper()
	for _, step := range s.in.Steps {
		r := &kgo.Record{Topic: step.In.Topic, Key: step.In.Key, Value: step.In.Value, Timestamp: time.UnixMilli(step.In.Time)}
		for _, h := range step.In.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		s.cl.Produce(s.ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				s.t.Error(err)
			}
		})
	}
	s.must(s.cl.Flush(s.ctx))
}

// options are the app's.
func (s *spread) options() []weir.AppOption {
	all := []weir.AppOption{weir.WithKafka(append(prompt(), kgo.SeedBrokers(s.addrs...))...), weir.StateDir(s.t.TempDir()),
		weir.Workers(2), weir.CommitInterval(20 * time.Millisecond), weir.EmitEvery(0)}
	if s.of.exactly {
		all = append(all, weir.ExactlyOnce())
	}
	return all
}

// run runs the case until everything is committed, and stops it.
func (s *spread) run() {
	s.t.Helper()
	topo, err := s.c.Topology(s.build)
	s.must(err)
	app, err := weir.New("app", topo, s.options()...)
	s.must(err)
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	for !s.drained() {
		select {
		case err := <-done:
			s.t.Fatalf("the app ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	stop()
	s.must(<-done)
}

// drained reports whether the group has committed all of every topic that it reads. Ends are asked for after commits: what was written before a commit
// is seen.
func (s *spread) drained() bool {
	committed, err := s.adm.FetchOffsets(s.ctx, "app")
	if kerr.IsRetriable(err) || errors.Is(err, kerr.GroupIDNotFound) {
		return false
	}
	s.must(err)
	ends, err := s.adm.ListEndOffsets(s.ctx, s.read()...)
	s.must(err)
	if ends.Error() != nil { // a topic is not made yet
		return false
	}
	drained := true
	ends.Each(func(e kadm.ListedOffset) {
		o, ok := committed.Lookup(e.Topic, e.Partition)
		drained = drained && (e.Offset == 0 || ok && o.At == e.Offset)
	})
	return drained
}

// got is what the topics hold, as far as it is compared: those of a partition in their order.
func (s *spread) got() parity.Run {
	s.t.Helper()
	var step parity.Step
	for _, topic := range s.written(func(topic string) bool { return s.c.IsResult(topic) || parity.IsChangelog(topic) }) {
		step.Out = append(step.Out, s.records(topic)...)
	}
	return parity.Run{Steps: []parity.Step{step}}
}

// records are those of a topic.
func (s *spread) records(topic string) (all []parity.Record) {
	s.t.Helper()
	ends, err := s.adm.ListEndOffsets(s.ctx, topic)
	s.must(err)
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(e kadm.ListedOffset) {
		s.must(e.Err)
		from[e.Partition] = kgo.NewOffset().AtStart()
		if e.Offset > 0 {
			left[e.Partition] = e.Offset
		}
	})
	cl, err := kgo.NewClient(append(prompt(), kgo.SeedBrokers(s.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	s.must(err)
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(s.ctx)
		s.must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, recordOf(r))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return all
}

func recordOf(r *kgo.Record) parity.Record {
	made := parity.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: r.Timestamp.UnixMilli()}
	for _, h := range r.Headers {
		made.Headers = append(made.Headers, parity.Header{Key: h.Key, Value: h.Value})
	}
	return made
}

// play runs a case on a broker, and compares what comes of it with what comes of one partition. Each thing that is compared must be there.
func (s *spread) play() {
	s.t.Helper()
	for _, topic := range s.topics() {
		_, err := s.adm.CreateTopic(s.ctx, spreadParts, 1, nil, topic)
		s.must(err)
	}
	s.feed()
	s.run()
	for _, law := range parts(s.of.law) {
		if len(s.c.DiffEnds(law, s.want, parity.Run{})) == 0 {
			s.t.Errorf("%+v compares nothing", law)
		}
	}
	if diff := s.c.DiffEnds(s.of.law, s.want, s.got()); len(diff) > 0 {
		s.t.Errorf("%d differences:\n%s", len(diff), strings.Join(diff[:min(len(diff), 8)], "\n"))
	}
}

// TestSpreadCases runs cases over four partitions and two workers, and wants the results of one partition.
func TestSpreadCases(t *testing.T) {
	for _, of := range spreadings {
		t.Run(of.String(), func(t *testing.T) {
			if of.more && upsets() == 1 {
				t.Skip("WEIR_SEEDS asks for no more")
			}
			b, err := devbroker.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			newSpread(t, of, b.Addrs()...).play()
		})
	}
}

// parts are laws that compare one thing each that a law compares.
func parts(law parity.Law) (all []parity.Law) {
	for _, one := range []parity.Law{{Logs: law.Logs}, {Last: law.Last}, {All: law.All}} {
		if one.Logs || one.Last || one.All {
			one.By, one.Of = law.By, law.Of
			all = append(all, one)
		}
	}
	return all
}

// TestEveryFamilyIsSpread finds families of which no case is.
func TestEveryFamilyIsSpread(t *testing.T) {
	families := maps.Clone(notSpread)
	for _, of := range spreadings {
		if family, _, _ := strings.Cut(of.name, "/"); !of.more {
			families[family] = "spread"
		}
	}
	for _, name := range recorded(t).Names() {
		if family, _, _ := strings.Cut(name, "/"); families[family] == "" {
			t.Errorf("no case of %s is spread over partitions", family)
			families[family] = "missed"
		}
	}
}

// notSpread are families without a case, and why.
var notSpread = map[string]string{
	"stores": "its processors write down all that a store of one partition holds",
	"global": "what a global table holds when a record comes is not known: another task fills it",
}
