package runtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/kafka"
)

// Bench is a worker without its loop: a test says what its client would.
type Bench struct {
	r    *Runtime
	w    *worker
	done chan error
	stop context.CancelFunc
}

// NewBench opens a runtime and makes one worker, in a bubble.
func NewBench(ctx context.Context, c Config) (*Bench, error) {
	b := &Bench{r: New(c), done: make(chan error, 1)}
	b.r.ctx = ctx
	b.r.life.becomeRebalancing()
	if err := b.r.open(ctx); err != nil {
		return nil, err
	}
	var err error
	if b.w, err = b.r.newWorker(ctx, 0); err != nil {
		return nil, err
	}
	b.w.out.member = nil // the client joins by itself, and nobody polls: it knows nothing of what the test assigns
	restoring, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	go func() { b.done <- b.w.restorer.Run(restoring) }()
	return b, nil
}

// Assign is an assignment of partitions.
func (b *Bench) Assign(added ...kafka.TP) { b.w.Assigned(context.Background(), kafka.Plan{}, added) }

// Revoke takes partitions away while they are still the member's, Lose when they are others'.
func (b *Bench) Revoke(gone ...kafka.TP) { b.w.Revoked(context.Background(), gone) }

// Lose is Revoke's harder sister.
func (b *Bench) Lose(gone ...kafka.TP) { b.w.Lost(context.Background(), gone) }

// LoseAll is what a worker does that hears from a commit that it is no member any more.
func (b *Bench) LoseAll() { b.w.loseAll() }

// Abandon is what a worker does whose producer has died.
func (b *Bench) Abandon() { b.w.failIf(b.w.abandon(context.Background())) }

// Start says where reading begins.
func (b *Bench) Start(tps ...kafka.TP) {
	p := &kafka.Polled{}
	for _, tp := range tps {
		p.Started = append(p.Started, kafka.Started{TP: tp, Committed: kafka.Committed{Offset: -1, LeaderEpoch: -1}})
	}
	b.w.failIf(b.w.take(p))
}

// Fetch hands records over and lets tasks process them.
func (b *Bench) Fetch(tp kafka.TP, recs ...*kgo.Record) {
	b.w.failIf(b.w.take(&kafka.Polled{Fetched: []kafka.Fetched{{TP: tp, Records: recs, End: recs[len(recs)-1].Offset + 1}}}))
	b.w.failIf(b.w.process(context.Background()))
}

// Rest lets the restorer do what it can, and the worker hear of it.
func (b *Bench) Rest() {
	synctest.Wait()
	b.w.drainInbox()
}

// Owned are the partitions that the worker believes to have, Running those of running tasks.
func (b *Bench) Owned() []kafka.TP { return slices.SortedFunc(maps.Keys(b.w.parts), kafka.TP.Compare) }

// Running are the partitions of running tasks.
func (b *Bench) Running() (all []kafka.TP) {
	for _, o := range b.w.order {
		all = append(all, o.inputs...)
	}
	slices.SortFunc(all, kafka.TP.Compare)
	return all
}

// State is the app's.
func (b *Bench) State() State { return b.r.State() }

// Check says what is inconsistent in the worker's books.
func (b *Bench) Check() error {
	w := b.w
	if w.failed != nil {
		return fmt.Errorf("failed: %w", w.failed)
	}
	inputs := 0
	for id, o := range w.tasks {
		if o.id != id {
			return fmt.Errorf("task %v is kept as %v", o.id, id)
		}
		if o.task != nil && o.stores != nil {
			return fmt.Errorf("task %s runs and waits", o.name)
		}
		if o.stores != nil && len(o.started) >= len(o.inputs) {
			return fmt.Errorf("task %s waits for nothing", o.name)
		}
		if runs := slices.Contains(w.order, o); runs != (o.task != nil) {
			return fmt.Errorf("task %s: in turn %v, made %v", o.name, runs, o.task != nil)
		}
		for _, tp := range o.inputs {
			if w.parts[tp] != o {
				return fmt.Errorf("%s is not known as an input of task %s", tp, o.name)
			}
			inputs++
		}
	}
	if inputs != len(w.parts) {
		return fmt.Errorf("%d partitions for %d inputs", len(w.parts), inputs)
	}
	for _, o := range w.order {
		if w.tasks[o.id] != o {
			return fmt.Errorf("task %s has its turn and is not the worker's", o.name)
		}
		if n := len(o.task.Status().Inputs); n != len(o.inputs) {
			return fmt.Errorf("task %s reads %d partitions, and was given %v", o.name, n, o.inputs)
		}
	}
	return nil
}

// Close ends the worker as run does, and says what was left behind.
func (b *Bench) Close() error {
	w := b.w
	var group sync.WaitGroup
	group.Go(b.stop)
	err := <-b.done
	group.Wait()
	w.drainInbox()
	for _, o := range w.tasks {
		if e := w.drop(o); e != nil && err == nil {
			err = e
		}
	}
	w.group.Close()
	w.producer.Close()
	for task, s := range b.r.dir.slots {
		if s.taken != nil && err == nil {
			err = fmt.Errorf("the directory of task %s was not given back", task)
		}
	}
	if e := b.r.close(); err == nil {
		err = e
	}
	return err
}

// Kick takes a worker's member out of its group, as the watchdog does.
func (r *Runtime) Kick(ctx context.Context, worker int) error {
	return r.all()[worker].group.LeaveRaw(ctx)
}

// Tasks are the tasks that run on a worker, as of its last word; only for a worker at rest.
func (r *Runtime) Tasks() int {
	n := 0
	for _, at := range r.dir.positions() {
		if at == assign.Latest {
			n++
		}
	}
	return n
}

// Data is what the process tells the leader.
func (b *Bench) Data() assign.MemberData { return b.r.memberData(0) }

// Planned is where a leader would place the tasks of members; it has joined none itself.
func (b *Bench) Planned(j kafka.Joined) (map[string]assign.Assignment, []assign.Task, error) {
	work, err := b.r.plan(j)
	if err != nil || work.Refusal != "" {
		return nil, nil, errors.Join(err, errors.New(work.Refusal))
	}
	members := make([]assign.Member, len(j.Members))
	for i, m := range j.Members {
		members[i] = m.Member
	}
	plan, _ := assign.Plan(members, work.Tasks, work.Options)
	return plan, work.Tasks, nil
}

// Rows reads a store's rows as a query does.
func (b *Bench) Rows(store string) (n int, err error) {
	view, err := b.r.View(store)
	if err != nil {
		return 0, err
	}
	all := view.(interface {
		All() iter.Seq2[string, int64]
	})
	for range all.All() {
		n++
	}
	return n, nil
}
