package weirtest

import (
	"errors"
	"fmt"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/topology"
)

// filling is a global store and how far its topic was handed to it.
type filling struct {
	sub  *topology.Sub
	g    *task.Global
	next []int64 // by partition
}

// openGlobals opens the global stores and fills them with what their topics hold, before any task that reads them starts.
func (d *Driver) openGlobals() error {
	for _, sub := range d.graph.Subs() {
		if !sub.Global {
			continue
		}
		f, err := d.openGlobal(sub)
		if err != nil {
			return fmt.Errorf("global store %q: %w", sub.Stores[0].Name, err)
		}
		d.globals = append(d.globals, f)
	}
	_, err := d.fill()
	return err
}

func (d *Driver) openGlobal(sub *topology.Sub) (*filling, error) {
	name := sub.Stores[0].Name
	stores, err := d.openStores([]*rows.Spec{sub.Stores[0].Spec}, !sub.Stores[0].InMemory, "global-"+name)
	if err != nil {
		return nil, err
	}
	stores.LendMemory(d.c.Task.CacheBytes)
	c := d.c.Task
	c.App, c.Sub, c.Stores, c.Stats, c.Pause, c.Now = d.c.app, sub, stores, &d.stats, d.pause, d.ms()
	g, err := task.NewGlobal(c, int32(len(d.topics.get(sub.Sources()[0].Topics[0].Name).parts)))
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	f := &filling{sub: sub, g: g}
	for p := range g.Partitions() {
		next, _ := g.Next(p)
		f.next = append(f.next, next)
	}
	return f, nil
}

// fill brings every global store to the end of its topic. any is false when all were there.
func (d *Driver) fill() (any bool, err error) {
	for _, f := range d.globals {
		some, err := d.fillOne(f)
		if err != nil {
			return any, fmt.Errorf("global store %q: %w", f.g.Store(), err)
		}
		any = any || some
	}
	return any, nil
}

func (d *Driver) fillOne(f *filling) (some bool, err error) {
	for p := range f.g.Partitions() {
		from := d.topics.partition(flow.TopicPartition{Topic: f.g.Topic(), Partition: p})
		var raws []flow.Raw
		for _, e := range from.from(f.next[p]) {
			raws = append(raws, e.raw())
		}
		if len(raws) == 0 {
			continue
		}
		if err := f.g.Push(p, raws); err != nil {
			return some, err
		}
		some, f.next[p] = true, from.end()
	}
	return some, f.g.Work(d.ms())
}

// lend finds a global store for the tasks that read it.
func (d *Driver) lend(name string) (*store.Set, bool) {
	for _, f := range d.globals {
		if f.g.Store() == name {
			return f.g.Stores(), true
		}
	}
	return nil, false
}

// shutGlobals closes the global stores, after every task that reads them.
func (d *Driver) shutGlobals() error {
	var errs []error
	for _, f := range d.globals {
		errs = append(errs, f.g.Close())
	}
	d.globals = nil
	return errors.Join(errs...)
}

// planGlobals gives the topics of global stores their partitions: one, unless Partitions says otherwise.
func (d *Driver) planGlobals() {
	for _, name := range d.graph.Globals() {
		if d.c.partitions[name] == 0 {
			d.c.partitions[name] = 1
		}
	}
}
