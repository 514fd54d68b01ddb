package weirtest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// running is a task and how far its inputs were handed to it.
type running struct {
	spec  topology.TaskSpec
	task  *task.Task
	calls *calls
	next  map[flow.TopicPartition]int64
}

// settle runs the tasks until nothing is left to do. Global stores are up to date before each record.
func (d *Driver) settle() error {
	for {
		any, err := d.fill()
		if err != nil {
			return err
		}
		n, err := d.round()
		if err == nil && n == 0 {
			n, err = d.await()
		}
		if err != nil {
			return err
		}
		if n > 0 || any {
			continue
		}
		// Records that could not be decoded are no work, and still move the position.
		if d.c.every != 1 || !d.commitNeeded() {
			return nil
		}
		if err := d.commit(); err != nil {
			return err
		}
	}
}

// round lets every task take one record, if it can.
func (d *Driver) round() (n int, err error) {
	for _, r := range d.tasks {
		took, err := d.step(r)
		if err != nil {
			return n, err
		}
		n += took
	}
	return n, nil
}

func (d *Driver) step(r *running) (n int, err error) {
	if err := d.feed(r); err != nil {
		return 0, err
	}
	before := d.now
	if n, err = r.task.Step(d.ms(), 1); err != nil {
		return 0, err
	}
	if n == 0 {
		return d.idle(r)
	}
	if d.now.After(before) { // a retry has waited
		if err := d.punctuate(); err != nil {
			return n, err
		}
	}
	if r.task.CommitWanted() {
		return n, d.commit()
	}
	return n, d.did(n)
}

// await waits, where nothing else can be done, for one call of each task that has any, and finishes it.
func (d *Driver) await() (n int, err error) {
	for _, r := range d.tasks {
		if !r.calls.await() {
			continue
		}
		n++
		if _, err := r.task.Finish(d.ms()); err != nil {
			return n, err
		}
		if err := d.did(1); err != nil {
			return n, err
		}
	}
	return n, nil
}

// idle lets a task that has nothing to do close what silence closes. Where the topics end is known at any time.
func (d *Driver) idle(r *running) (n int, err error) {
	did, err := r.task.CloseIdle(d.ms())
	if err == nil && r.task.WantsEnds(d.ms()) {
		ends := map[flow.TopicPartition]int64{}
		for _, tp := range r.spec.Inputs {
			ends[tp] = d.topics.partition(tp).end()
		}
		r.task.Confirm(d.ms(), ends)
		did, err = r.task.CloseIdle(d.ms())
	}
	if err != nil || !did {
		return 0, err
	}
	return 1, d.did(1)
}

// feed hands over what can be read, and says where the partitions end.
func (d *Driver) feed(r *running) error {
	for _, tp := range r.spec.Inputs {
		p := d.topics.partition(tp)
		for _, e := range p.from(r.next[tp]) {
			raw := e.raw()
			if _, err := r.task.Push(tp, []flow.Raw{raw}); err != nil {
				return err
			}
		}
		r.next[tp] = p.end()
		r.task.SetPosition(tp, p.end())
		r.task.SetEnd(tp, p.end())
	}
	return nil
}

// did counts work, and commits when there was enough.
func (d *Driver) did(n int) error {
	d.since += n
	if d.c.every == 0 || d.since < d.c.every {
		return nil
	}
	return d.commit()
}

func (d *Driver) punctuate() error {
	for _, r := range d.tasks {
		if err := r.task.Punctuate(d.ms()); err != nil {
			return err
		}
	}
	return nil
}

// drain settles and commits until there is nothing more to do.
func (d *Driver) drain() error {
	for {
		if err := d.settle(); err != nil {
			return err
		}
		if !d.commitNeeded() {
			return nil
		}
		if err := d.commit(); err != nil {
			return err
		}
	}
}

func (d *Driver) commitNeeded() bool {
	for _, r := range d.tasks {
		if r.task.CommitNeeded() {
			return true
		}
	}
	return false
}

// commit commits all tasks that have something to commit, as one worker does.
func (d *Driver) commit() error {
	var half []*running
	offsets := map[flow.TopicPartition]task.Offset{}
	for _, r := range d.tasks {
		if !r.task.CommitNeeded() {
			continue
		}
		o, err := r.task.PrepareCommit()
		if err != nil {
			return err
		}
		maps.Copy(offsets, o)
		half = append(half, r)
	}
	d.topics.commit()
	maps.Copy(d.committed, offsets)
	d.since = 0
	for _, r := range half {
		if err := r.task.Committed(d.positions(r)); err != nil {
			return err
		}
	}
	return nil
}

// positions are where the task's own changelogs end.
func (d *Driver) positions(r *running) map[string]int64 {
	all := map[string]int64{}
	for _, c := range r.task.Changelogs() {
		all[c.Store] = d.topics.partition(flow.TopicPartition{Topic: c.Topic, Partition: r.spec.Partition}).next
	}
	return all
}

// open starts every task.
func (d *Driver) open() error {
	if err := d.openGlobals(); err != nil {
		return errors.Join(err, d.shut())
	}
	for _, spec := range d.specs {
		r, err := d.openTask(spec)
		if err != nil {
			return errors.Join(fmt.Errorf("task %s: %w", spec, err), d.shut())
		}
		d.tasks = append(d.tasks, r)
	}
	return nil
}

func (d *Driver) reopen() error {
	if err := d.shut(); err != nil {
		return err
	}
	return d.open()
}

// shut closes every task; what was not committed is forgotten.
func (d *Driver) shut() error {
	var errs []error
	for _, r := range d.tasks {
		errs = append(errs, r.task.Close())
		r.calls.wait()
	}
	d.tasks, d.since = nil, 0
	return errors.Join(append(errs, d.shutGlobals())...)
}

func (d *Driver) openTask(spec topology.TaskSpec) (*running, error) {
	stores, err := d.openTaskStores(spec)
	if err != nil {
		return nil, err
	}
	c := d.c.Task
	c.App, c.Name, c.Partition, c.Sub, c.Stores = d.c.app, spec.String(), spec.Partition, d.graph.Subs()[spec.Sub], stores
	c.Out, c.Stats, c.Pause, c.Lend, c.Now = way{d.topics, d.c.ExactlyOnce}, &d.stats, d.pause, d.lend, d.ms()
	c.Atomic = d.c.ExactlyOnce
	r := &running{spec: spec, calls: &calls{}, next: map[flow.TopicPartition]int64{}}
	for _, tp := range spec.Inputs {
		at := d.committed[tp]
		c.Inputs = append(c.Inputs, task.Input{TopicPartition: tp, Start: at.Next, Metadata: at.Metadata})
		r.next[tp] = at.Next
	}
	if err := d.restore(spec, stores); err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	c.Calls = r.calls
	if r.task, err = task.New(c); err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	return r, nil
}

func (d *Driver) openTaskStores(spec topology.TaskSpec) (*store.Set, error) {
	var specs []*rows.Spec
	durable := false
	for _, s := range d.graph.Subs()[spec.Sub].Stores {
		specs = append(specs, s.Spec)
		durable = durable || !s.InMemory
	}
	return d.openStores(specs, durable, spec.String())
}

func (d *Driver) openStores(specs []*rows.Spec, durable bool, name string) (*store.Set, error) {
	var engine state.Engine
	if durable {
		var err error
		if engine, err = d.openEngine(name); err != nil {
			return nil, err
		}
	}
	stores, err := store.Open(engine, mem.New(), specs)
	if err != nil && engine != nil {
		err = errors.Join(err, engine.Close())
	}
	return stores, err
}

func (d *Driver) openEngine(name string) (state.Engine, error) {
	dir := filepath.Join(d.c.dir, strconv.Itoa(d.life), name)
	if d.c.dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return d.c.Provider.Open(dir, name)
}

// restore reads the rest of every changelog. A source topic that serves as one is read as far as it was processed.
func (d *Driver) restore(spec topology.TaskSpec, stores *store.Set) error {
	for _, s := range d.graph.Subs()[spec.Sub].Stores {
		name, ok := spec.Changelogs[s.Name]
		if !ok {
			continue
		}
		tp := flow.TopicPartition{Topic: name, Partition: spec.Partition}
		p := d.topics.partition(tp)
		end := p.end()
		if s.SourceTopic != "" {
			end = min(end, d.committed[tp].Next)
		}
		at, _ := stores.Position(s.Name)
		var recs []store.LogRecord
		for _, e := range p.from(at) {
			if e.Offset < end {
				recs = append(recs, store.LogRecord{Key: e.Key, Value: e.Value, Time: e.Time.UnixMilli(), Offset: e.Offset})
			}
		}
		if at >= end {
			continue
		}
		if s.SourceTopic != "" {
			var err error
			if recs, err = stores.Reread(s.Name, recs, task.Refused(s, d.c.Task.OnError, tp)); err != nil {
				return err
			}
		}
		if err := stores.Replay(s.Name, recs, end); err != nil {
			return err
		}
	}
	return nil
}

// maxTries is how often a record is tried again before the driver takes it for one that never succeeds.
const maxTries = 1000

// pause lets the time of a retry pass.
func (d *Driver) pause(wait time.Duration) error {
	d.now = d.now.Add(wait)
	if d.tries++; d.tries > maxTries {
		return fmt.Errorf("%d retries did not help", maxTries)
	}
	return nil
}
