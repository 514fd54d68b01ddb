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

// spreadable are cases whose final tables do not depend on how records are spread over partitions and workers: what they keep of a key follows from the
// key's records in their order, or, behind a repartition, from all of them in any order.
var spreadable = []string{
	"aggregates/count", "aggregates/count-group-by", "aggregates/count-merged", "aggregates/reduce", "aggregates/reduce-longs",
	"stateless/repartition-after-key-by", "tables/table", "tables/to-table", "table-table/inner-materialized", "table-table/outer-materialized", "table-table/three", "foreign-key/inner", "foreign-key/left",
}

const spreadParts = 4

// spread is a case that runs on a broker: four partitions of each topic, two workers.
type spread struct {
	t     *testing.T
	ctx   context.Context
	addrs []string
	cl    *kgo.Client
	adm   *kadm.Client
	c     *parity.Case
}

func newSpread(t *testing.T, c *parity.Case, addrs ...string) *spread {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cl, err := kgo.NewClient(append(prompt(), kgo.SeedBrokers(addrs...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &spread{t, ctx, addrs, cl, kadm.NewClient(cl), c}
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

// with are the case's inputs, and the topics that a run has written to and that are to be kept.
func (s *spread) with(run parity.Run, keep func(topic string) bool) []string {
	all := slices.Clone(s.c.Inputs)
	for _, step := range run.Steps {
		for _, r := range step.Out {
			if keep(r.Topic) && !slices.Contains(all, r.Topic) {
				all = append(all, r.Topic)
			}
		}
	}
	return all
}

// internal reports whether a topic is made by the app.
func internal(topic string) bool { return strings.HasPrefix(topic, "app-") }

// topics are the case's own: what is sent to, and what was written that is not internal.
func (s *spread) topics(run parity.Run) []string {
	all := s.with(run, func(topic string) bool { return !internal(topic) })
	if !slices.Contains(all, "out") {
		all = append(all, "out")
	}
	return all
}

// feed sends a run's inputs, each to the partition of its key.
func (s *spread) feed(run parity.Run) {
	s.t.Helper()
	for _, step := range run.Steps {
		if step.In == nil {
			continue
		}
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

// run runs the case until everything is committed, and stops it.
func (s *spread) run(build parity.Build) {
	s.t.Helper()
	topo, err := s.c.Topology(build)
	s.must(err)
	app, err := weir.New("app", topo, weir.WithKafka(append(prompt(), kgo.SeedBrokers(s.addrs...))...), weir.StateDir(s.t.TempDir()),
		weir.Workers(2), weir.CommitInterval(20*time.Millisecond))
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

// read are the topics that the app reads: the inputs, and of its own those through which the first run went, which a name alone does not tell from other apps'.
func (s *spread) read() []string {
	return s.with(s.c.Runs[0], func(topic string) bool { return internal(topic) && !parity.IsChangelog(topic) })
}

// table is the last value of each key of a topic.
func (s *spread) table(topic string) map[string]string {
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
	cl, err := kgo.NewClient(append(prompt(), kgo.SeedBrokers(s.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	s.must(err)
	defer cl.Close()
	rows := map[string]string{}
	for len(left) > 0 {
		fetches := cl.PollFetches(s.ctx)
		s.must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if rows[string(r.Key)] = parity.Bytes(r.Value).String(); r.Value == nil {
				delete(rows, string(r.Key))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return rows
}

// tables are the rows of a run's stores that have changelogs, by store.
func tables(run parity.Run) map[string]map[string]string {
	logged := map[string]bool{}
	for _, step := range run.Steps {
		for _, r := range step.Out {
			if name, ok := strings.CutSuffix(strings.TrimPrefix(r.Topic, "app-"), "-changelog"); ok {
				logged[name] = true
			}
		}
	}
	all := map[string]map[string]string{}
	for name, store := range run.Stores {
		if !logged[name] || store.Kind != "timestamped" {
			continue
		}
		all[name] = map[string]string{}
		for _, row := range store.Rows {
			all[name][string(row.Key)] = row.Value.String()
		}
	}
	return all
}

// play runs a case on a broker, and compares its tables with those of one partition.
func (s *spread) play(build parity.Build) {
	s.t.Helper()
	run := s.c.Runs[0]
	for _, topic := range s.topics(run) {
		_, err := s.adm.CreateTopic(s.ctx, spreadParts, 1, nil, topic)
		s.must(err)
	}
	s.feed(run)
	s.run(build)
	for name, want := range tables(run) {
		if diff := apart(want, s.table("app-"+name+"-changelog")); diff != "" {
			s.t.Errorf("store %s: %s", name, diff)
		}
	}
}

// apart says how two tables differ; empty when they do not.
func apart(want, got map[string]string) string {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if v, ok := got[k]; v != want[k] || !ok {
			return fmt.Sprintf("key %q is %q, want %q", k, v, want[k])
		}
	}
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	return ""
}

func TestApart(t *testing.T) {
	want := map[string]string{"a": "1", "b": "2"}
	for name, broken := range map[string]map[string]string{
		"a row less": {"a": "1"}, "a row more": {"a": "1", "b": "2", "c": "3"}, "another value": {"a": "1", "b": "3"},
	} {
		if apart(want, broken) == "" {
			t.Errorf("%s goes unnoticed", name)
		}
	}
	if diff := apart(want, maps.Clone(want)); diff != "" {
		t.Error(diff)
	}
}

// TestSpreadCases runs cases over four partitions and two workers, and wants the tables of one partition.
func TestSpreadCases(t *testing.T) {
	for _, name := range spreadable {
		t.Run(name, func(t *testing.T) {
			build := parity.Builders()[name]
			if build == nil {
				t.Fatal("it has no builder")
			}
			b, err := devbroker.Start()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			newSpread(t, read(t, name), b.Addrs()...).play(build)
		})
	}
}
