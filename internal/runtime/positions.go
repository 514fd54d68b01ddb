package runtime

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// specs are a task's stores; durable says that one of them is on disk.
func (r *Runtime) specs(id assign.TaskID) (all []*rows.Spec, durable bool) {
	for _, s := range r.c.Graph.Subs()[id.Sub].Stores {
		all = append(all, s.Spec)
		durable = durable || !s.InMemory
	}
	return all, durable
}

// openIn opens a task's stores in a directory, which is the caller's; without one all must be in memory.
func (r *Runtime) openIn(dir, task string, specs []*rows.Spec) (stores *store.Set, err error) {
	var engine state.Engine
	if dir != "" {
		if engine, err = r.c.Provider.Open(dir, task); err != nil {
			return nil, err
		}
	}
	stores, err = store.Open(engine, mem.New(), specs)
	if err != nil && engine != nil {
		err = errors.Join(err, engine.Close())
	}
	return stores, err
}

// position is how far a task's stores are: the sum of the changelog offsets that come next; −1 where there is nothing of any.
func (r *Runtime) position(id assign.TaskID, stores *store.Set) int64 {
	sum, known := int64(0), false
	for _, s := range r.c.Graph.Subs()[id.Sub].Stores {
		if _, logged := s.Changelog(); !logged {
			continue
		}
		if next, ok := stores.Position(s.Name); ok {
			sum, known = sum+next, true
		}
	}
	if !known {
		return -1
	}
	return sum
}

// readStates begins to read how far the states on the disk are, and returns what waits for it. Stores stay open for the worker that gets the
// task soon: most tasks come back to the process that had them. What cannot be read is not reported; a worker that gets the task will say why.
func (r *Runtime) readStates(ctx context.Context) (wait func()) {
	tasks := r.dir.tasks()
	next := make(chan int, len(tasks))
	for i := range tasks {
		next <- i
	}
	close(next)
	var group sync.WaitGroup
	for range min(openAtOnce, len(tasks)) {
		group.Go(func() {
			for i := range next {
				if ctx.Err() != nil {
					return
				}
				if err := guarded(func() error { return r.readState(ctx, tasks[i], i < keepOpen) }); err != nil {
					r.c.Log.Warn("the state of a task cannot be read", zap.String("task", tasks[i]), zap.Error(err))
				}
			}
		})
	}
	return group.Wait
}

func (r *Runtime) readState(ctx context.Context, task string, keep bool) error {
	id, err := assign.ParseTaskID(task)
	if err != nil || int(id.Sub) >= len(r.c.Graph.Subs()) {
		return err // of an earlier topology
	}
	specs, durable := r.specs(id)
	if !durable {
		return nil
	}
	l, err := r.dir.claim(ctx, task)
	if err != nil {
		return err
	}
	stores, err := r.openIn(l.dir, task, specs)
	if err != nil {
		l.free()
		return err
	}
	l.at(r.position(id, stores))
	if !keep {
		return l.close(stores)
	}
	l.park(stores)
	return nil
}

// logEnds asks where changelogs end, and returns the sum of a task's ends. Without an answer in time it is −1, not known: the group does not
// wait for it. One process has nothing to compare, and nothing is asked.
func (r *Runtime) logEnds(members []kafka.JoinedMember, specs []topology.TaskSpec) func(topology.TaskSpec) int64 {
	unknown := func(topology.TaskSpec) int64 { return -1 }
	other := func(m kafka.JoinedMember) bool { return m.Data.Process != members[0].Data.Process }
	var all []kafka.TP
	for _, s := range specs {
		all = append(all, changelogs(s)...)
	}
	if len(all) == 0 || !slices.ContainsFunc(members, other) {
		return unknown
	}
	ctx, cancel := context.WithTimeout(r.ctx, listing)
	defer cancel()
	ends, err := r.cluster.EndOffsets(ctx, all...)
	if err != nil {
		r.c.Log.Warn("the ends of changelogs are not known: tasks are placed by what members have of them", zap.Error(err))
		return unknown
	}
	return func(s topology.TaskSpec) (sum int64) {
		for _, tp := range changelogs(s) {
			sum += ends[tp]
		}
		return sum
	}
}

func changelogs(s topology.TaskSpec) (all []kafka.TP) {
	for _, topic := range s.Changelogs {
		all = append(all, kafka.TP{Topic: topic, Partition: s.Partition})
	}
	return all
}
