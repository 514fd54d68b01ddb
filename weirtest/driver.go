package weirtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/topology"
)

// A Driver runs one topology. One goroutine uses it.
type Driver struct {
	t         testing.TB
	c         *config
	graph     *topology.Topology
	specs     []topology.TaskSpec
	topics    *topics
	inputs    *flow.Env // of what the test sends
	stats     flow.Stats
	committed map[flow.TopicPartition]task.Offset
	tasks     []*running
	globals   []*filling
	now       time.Time
	since     int   // records since the last commit
	life      int   // how often the stores began anew
	tries     int   // retries since the last record was sent
	held      bool  // by Together
	err       error // the first failure; final until Crash
	closed    bool
}

// New starts a topology. It is closed with the test; a failure to start or to close fails the test.
func New(t testing.TB, topo *weir.Topology, opts ...Option) *Driver {
	t.Helper()
	d, err := TryNew(t, topo, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TryNew is New that returns the failure to start: a fault of the options or of partition counts, an error of a processor's Init.
func TryNew(t testing.TB, topo *weir.Topology, opts ...Option) (*Driver, error) {
	t.Helper()
	c, err := configured(opts)
	if err != nil {
		return nil, fmt.Errorf("weirtest: %w", err)
	}
	if topo == nil {
		return nil, errors.New("weirtest: the topology is nil")
	}
	d := &Driver{t: t, c: c, graph: topo.Graph(seal.Token{}), now: time.UnixMilli(c.start).UTC(), committed: map[flow.TopicPartition]task.Offset{}}
	if err := d.plan(); err != nil {
		return nil, fmt.Errorf("weirtest: %w", err)
	}
	if c.Provider == nil {
		c.Provider = &mem.Disk{}
	} else {
		c.dir = t.TempDir()
	}
	d.inputs = &flow.Env{App: c.app, Context: context.Background(), Out: way{topics: d.topics}, Stats: &flow.Stats{}}
	t.Cleanup(d.close)
	return d, d.named(d.open())
}

// plan brings the topics into being and finds the tasks.
func (d *Driver) plan() error {
	names, _ := d.graph.Sources()
	for _, name := range names {
		if d.c.partitions[name] == 0 {
			d.c.partitions[name] = 1
		}
	}
	d.planGlobals()
	plan, err := d.graph.Plan(d.c.app, d.c.partitions, d.c.TopicConfig)
	if err != nil {
		return err
	}
	if d.specs, err = d.graph.Tasks(d.c.app, d.c.partitions); err != nil {
		return err
	}
	d.topics = &topics{byName: map[string]*topic{}, partitions: d.c.partitions}
	for _, t := range plan.Internal {
		d.topics.partitions[t.Name] = t.Partitions
	}
	for name := range d.topics.partitions {
		d.topics.get(name)
	}
	return nil
}

func (d *Driver) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("weirtest: %w", err)
}

// close ends the driver with its test.
func (d *Driver) close() {
	d.closed = true
	if err := d.shut(); err != nil {
		d.t.Errorf("weirtest: close: %v", err)
	}
}

// must fails the test.
func (d *Driver) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// try does work, unless something failed before. What fails now is final until Crash.
func (d *Driver) try(work func() error) error {
	switch {
	case d.closed:
		return errors.New("weirtest: the driver is closed")
	case d.err != nil:
		return fmt.Errorf("weirtest: stopped by an earlier error: %w", d.err)
	}
	d.tries = 0
	d.err = work()
	return d.named(d.err)
}

// Now is the time on the driver's clock.
func (d *Driver) Now() time.Time { return d.now }

func (d *Driver) ms() int64 { return d.now.UnixMilli() }

// AdvanceWallClock moves the driver's clock in one step and calls the punctuations that are due; one that is due several times is called once.
func (d *Driver) AdvanceWallClock(by time.Duration) {
	d.t.Helper()
	d.must(d.TryAdvanceWallClock(by))
}

// TryAdvanceWallClock is AdvanceWallClock that returns the failure.
func (d *Driver) TryAdvanceWallClock(by time.Duration) error {
	if by < 0 {
		return fmt.Errorf("weirtest: the clock cannot go back by %s", -by)
	}
	return d.try(func() error {
		d.now = d.now.Add(by)
		if err := d.punctuate(); err != nil {
			return err
		}
		if err := d.did(1); err != nil {
			return err
		}
		return d.settle()
	})
}

// Together hands over what f sends when f has returned, all at once: tasks choose among it by event time, as among the records of one fetch.
func (d *Driver) Together(f func()) {
	d.t.Helper()
	d.must(d.try(func() error {
		d.held = true
		defer func() { d.held = false }()
		f()
		return d.settle()
	}))
}

// Commit commits until nothing waits: what the caches forward is processed and committed too.
func (d *Driver) Commit() {
	d.t.Helper()
	d.must(d.TryCommit())
}

// TryCommit is Commit that returns the failure.
func (d *Driver) TryCommit() error { return d.try(d.drain) }

// Restart stops all tasks cleanly, after a commit, and starts new ones: stream time comes from the committed offsets' metadata, stores from
// their engines, those in memory from their changelogs. Schedules begin anew.
func (d *Driver) Restart() {
	d.t.Helper()
	d.must(d.try(func() error {
		return d.again(d.drain)
	}))
}

// again starts new tasks after something was done, which go on with calls that had not ended.
func (d *Driver) again(after func() error) error {
	if err := after(); err != nil {
		return err
	}
	if err := d.reopen(); err != nil {
		return err
	}
	return d.settle()
}

// Rebuild is Restart on a new machine: the engines are gone, and all stores come from their changelogs.
func (d *Driver) Rebuild() {
	d.t.Helper()
	d.must(d.try(func() error {
		return d.again(func() error {
			if err := d.drain(); err != nil {
				return err
			}
			d.life++
			return nil
		})
	}))
}

// Crash throws away what was not committed and starts new tasks from the last commit, which then do the uncommitted input again. It also
// takes a driver out of a failure. What becomes of uncommitted outputs depends on the guarantee; see the package's comment.
func (d *Driver) Crash() {
	d.t.Helper()
	d.err = nil
	d.must(d.try(func() error {
		return d.again(func() error {
			d.topics.abort()
			return nil
		})
	}))
}

// Dropped is how many records were dropped without an error so far, or skipped by a decision, by node and reason.
func (d *Driver) Dropped() map[string]map[string]int64 { return d.stats.Dropped() }

// Topics are the names of all topics, internal ones too, sorted.
func (d *Driver) Topics() []string { return d.topics.names() }

// Records are all records of a topic, in the order in which they were written: partitions as they come.
func (d *Driver) Records(topic string) []RawRecord {
	t := d.topics.byName[topic]
	if t == nil {
		return nil
	}
	return t.all()
}

// Changelog are all records of a store's changelog, as Records gives them. A store without one fails the test.
func (d *Driver) Changelog(store string) []RawRecord {
	d.t.Helper()
	s, _, ok := d.graph.Store(store)
	if !ok {
		d.t.Fatalf("weirtest: there is no store %q; there are %s", store, d.stores())
	}
	topic, ok := s.Changelog()
	if !ok {
		d.t.Fatalf("weirtest: store %q has no changelog", store)
	}
	return d.Records(topic.In(d.c.app))
}

func (d *Driver) stores() string {
	var names []string
	for _, sub := range d.graph.Subs() {
		for _, s := range sub.Stores {
			names = append(names, fmt.Sprintf("%q", s.Name))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
