package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/changelog"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
)

// restore hands a task's stores to the restorer: those that are open already, or nil to open them.
func (w *worker) restore(o *owned, open *store.Set) {
	sub := w.r.c.Graph.Subs()[o.id.Sub]
	if open != nil && o.lease != nil {
		o.lease.at(w.r.position(o.id, open)) // it does not run any more
	}
	j := &changelog.Job{Task: o.name}
	for _, s := range sub.Stores {
		topic, ok := s.Changelog()
		if ok && s.SourceTopic != "" { // it may have fewer partitions than there are tasks
			ok = slices.Contains(o.inputs, kafka.TP{Topic: s.SourceTopic, Partition: o.id.Partition})
		}
		if ok {
			j.Logs = append(j.Logs, changelog.Log{Store: s.Name, TP: kafka.TP{Topic: topic.In(w.r.c.App), Partition: o.id.Partition}, Source: s.SourceTopic != ""})
		}
	}
	j.Open = func(ctx context.Context) (*store.Set, error) {
		if open != nil {
			return open, nil
		}
		return w.r.openStores(ctx, o)
	}
	j.Moved = func(position int64) {
		if o.lease != nil {
			o.lease.at(position)
		}
	}
	j.Refused = func(l changelog.Log, r store.LogRecord, err error) error {
		s, _, _ := w.r.c.Graph.Store(l.Store)
		return task.Refused(s, w.r.c.OnError, flow.TopicPartition(l.TP))(r, err)
	}
	j.Done = func(stores *store.Set, ends map[string]int64, err error) {
		w.post(func() { w.failIf(w.restored(o, stores, ends, err)) })
	}
	w.restorer.Add(context.Background(), j)
}

// openStores opens a task's stores, or takes over those that a former owner in this process has left open; it waits for that to let go of them.
// It runs on a goroutine of the restorer.
func (r *Runtime) openStores(ctx context.Context, o *owned) (stores *store.Set, err error) {
	specs, durable := r.specs(o.id)
	dir, where := "", "memory"
	switch {
	case durable:
		if o.lease, err = r.dir.claim(ctx, o.name); err != nil {
			return nil, err
		}
		dir, where = o.lease.dir, o.lease.dir
	case len(specs) > 0:
		if o.lease, err = r.dir.borrow(ctx, o.name); err != nil {
			return nil, err
		}
	}
	if o.lease != nil && o.lease.held != nil {
		return o.lease.held, nil
	}
	if stores, err = r.openIn(dir, o.name, specs); err != nil {
		return nil, fmt.Errorf("task %s: state in %s: %w", o.name, where, err)
	}
	return stores, nil
}

// restored takes a task's stores back from the restorer.
func (w *worker) restored(o *owned, stores *store.Set, ends map[string]int64, err error) error {
	removed := errors.Is(err, changelog.ErrRemoved) || errors.Is(err, context.Canceled)
	switch {
	case w.tasks[o.id] != o && removed: // gone meanwhile
		return w.release(o, stores, nil)
	case w.tasks[o.id] != o || err != nil:
		return w.release(o, stores, err)
	}
	o.stores, o.ends = stores, ends
	return w.maybeRun(o)
}

// maybeRun makes the task when its stores are complete and all its positions known.
func (w *worker) maybeRun(o *owned) error {
	if o.task != nil || o.stores == nil || len(o.started) < len(o.inputs) || !w.r.globals.ready(w.r.c.Graph.Subs()[o.id.Sub].Borrows) {
		return nil
	}
	inputs := make([]task.Input, len(o.inputs))
	slices.SortFunc(o.inputs, kafka.TP.Compare)
	for i, tp := range o.inputs {
		s := o.started[tp]
		inputs[i] = task.Input{TopicPartition: flow.TopicPartition(tp), Start: s.Offset, Metadata: s.Committed.Metadata}
	}
	c := &w.r.c
	o.calls = &calls{wake: w.nudge}
	t, err := task.New(task.Config{
		App: c.App, Name: o.name, Partition: o.id.Partition, Sub: c.Graph.Subs()[o.id.Sub], Inputs: inputs, Stores: o.stores, Out: w.out,
		Stats: &w.r.stats, OnError: c.OnError, OnDropped: c.OnDropped, Around: c.Around, Pause: w.pause, MaxIdle: c.MaxIdle.Milliseconds(), CacheBytes: w.share(len(w.order) + 1),
		QueueBytes: queueBytes, Lend: w.r.globals.lend, Now: time.Now().UnixMilli(), Recovers: c.Recovers, EmitEvery: c.EmitEvery.Milliseconds(),
		Calls: o.calls, Atomic: w.r.settings.ExactlyOnce, CloseIdle: c.CloseIdle.Milliseconds(),
	})
	if err != nil {
		return err
	}
	for _, tp := range o.inputs {
		t.SetEnd(flow.TopicPartition(tp), o.started[tp].End)
	}
	o.task, o.stores = t, nil
	if o.lease != nil {
		o.lease.run()
	}
	o.looks = w.r.looks(o)
	w.expect(o)
	w.order = append(w.order, o)
	slices.SortFunc(w.order, func(a, b *owned) int {
		return cmp.Or(cmp.Compare(a.id.Sub, b.id.Sub), cmp.Compare(a.id.Partition, b.id.Partition))
	})
	for _, o := range w.order {
		o.task.SetCacheBytes(w.share(len(w.order)))
	}
	w.r.views.Add(o.name, t.Stores())
	w.group.Resume(o.inputs...)
	w.log.Info("task running", zap.String("task", o.name))
	w.settleStates()
	return nil
}

// share is what each of n tasks may cache: something, if there is anything at all.
func (w *worker) share(n int) int64 { return max(min(w.r.c.CacheBytes, 1), w.r.share()/int64(n)) }

// runWaiting makes the tasks that have waited for a global store.
func (w *worker) runWaiting() {
	for _, o := range w.tasks {
		w.failIf(w.maybeRun(o))
	}
}

// expect tells each changelog's destination what its next record should get, so that a foreign writer is noticed.
func (w *worker) expect(o *owned) {
	if w.r.settings.ExactlyOnce {
		return
	}
	for _, d := range o.task.Changelogs() {
		if end, ok := o.ends[d.Store]; ok {
			w.out.attach(d)
			d.Attached.(*kafka.Dest).Expect(o.id.Partition, end)
		}
	}
}

// drop closes a task and gives its stores up; what was not committed is forgotten.
func (w *worker) drop(o *owned) (err error) {
	w.order = slices.DeleteFunc(w.order, func(x *owned) bool { return x == o })
	stores := o.stores
	switch {
	case o.task != nil:
		w.r.views.Remove(o.name)
		stores = o.task.Stores()
		err = o.task.Abandon()
	case o.stores == nil:
		w.restorer.Remove(o.name) // restored gives them up
		return nil
	}
	o.task, o.stores = nil, nil
	return w.release(o, stores, err)
}

// release gives a task's stores up, which hold committed state alone: to the worker of this process that gets the task next, or to the disk.
// There may be none.
func (w *worker) release(o *owned, stores *store.Set, err error) error {
	l := o.lease
	o.lease = nil
	switch {
	case l == nil && stores == nil:
		return err
	case l == nil:
		return errors.Join(err, stores.Close())
	case stores == nil:
		l.free()
		return err
	}
	l.at(w.r.position(o.id, stores))
	if err != nil || w.closing {
		return errors.Join(err, l.close(stores))
	}
	l.park(stores)
	return nil
}

// abandon drops the worker's uncommitted work (I4): the tasks go on from what is committed.
func (w *worker) abandon(ctx context.Context) error {
	if err := w.abandonAll(ctx, kafka.ErrProducerDead); err != nil {
		return err
	}
	return w.failed
}

// abandonAll takes all running tasks back to the restorer, and ends the transaction. With a cause that the producer does not survive it is replaced.
func (w *worker) abandonAll(ctx context.Context, cause error) error {
	w.r.aborts.Add(1)
	w.out.take()
	w.began = time.Time{}
	running := slices.Clone(w.order)
	var errs []error
	for _, o := range running {
		errs = append(errs, w.takeBack(o))
	}
	errs = append(errs, w.freshProducer(ctx, cause))
	w.settleStates()
	return errors.Join(errs...)
}

// takeBack drops what a running task has done since the last commit, and gives it to the restorer: it is made anew on its stores, and reads on
// from what is committed.
func (w *worker) takeBack(o *owned) error {
	w.order = slices.DeleteFunc(w.order, func(x *owned) bool { return x == o })
	w.r.views.Remove(o.name)
	stores := o.task.Stores()
	err := o.task.Abandon()
	o.task = nil
	o.started = map[kafka.TP]kafka.Started{}
	w.group.Rewind(o.inputs...)
	w.group.Pause(o.inputs...)
	w.restore(o, stores)
	return err
}

// grow makes running tasks anew that were given more partitions, those of a pattern's new topic. Tasks that do not run yet just wait for them.
func (w *worker) grow(ctx context.Context, grown []*owned) error {
	if len(grown) == 0 {
		return nil
	}
	err := w.handOver(ctx)
	for _, o := range grown {
		w.log.Info("task grows", zap.String("task", o.name), zap.Int("partitions", len(o.inputs)))
		if o.task != nil {
			err = errors.Join(err, w.takeBack(o))
		}
	}
	return err
}

// shrink goes on with the partitions that a task is left with. What it did is committed, or dropped.
func (w *worker) shrink(o *owned) error {
	w.log.Info("task shrinks", zap.String("task", o.name), zap.Int("partitions", len(o.inputs)))
	if o.task != nil {
		return w.takeBack(o)
	}
	return w.maybeRun(o) // it may have waited for what is gone
}

// freshProducer ends the transaction; with a cause by replacing the producer, for which it waits as long as the brokers are away.
func (w *worker) freshProducer(ctx context.Context, cause error) error {
	if cause == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.r.commitTimeout())
		defer cancel()
		if err := w.producer.Abort(ctx); err == nil {
			return nil
		}
	}
	for {
		ctx, cancel := context.WithTimeout(w.r.ctx, w.r.commitTimeout())
		err := w.producer.Replace(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		w.log.Warn("the brokers do not answer: waiting for a producer", zap.Error(err))
	}
}

// loseAll drops every task: the member that was given them is gone.
func (w *worker) loseAll() {
	w.failIf(w.abandonAll(context.Background(), kafka.ErrFenced))
	for _, o := range w.tasks {
		w.failIf(w.drop(o))
	}
	clear(w.tasks)
	clear(w.parts)
	w.assigned = false
	w.r.life.worker(w.id, Rebalancing)
}

// pause waits for a retry. It gives up when the wait would hold up a rebalance or the end, or outlive the transaction.
func (w *worker) pause(d time.Duration) error {
	deadline := time.Now().Add(d)
	limit := w.began
	if limit.IsZero() {
		limit = time.Now()
	}
	limit = limit.Add(w.r.retryLimit())
	for {
		now := time.Now()
		switch {
		case w.r.ctx.Err() != nil:
			return w.r.ctx.Err()
		case w.group.Wanted():
			return errors.New("a rebalance waits")
		case w.r.settings.ExactlyOnce && now.After(limit):
			return errors.New("the transaction would time out")
		case !now.Before(deadline):
			return nil
		}
		timer := time.NewTimer(min(50*time.Millisecond, deadline.Sub(now)))
		select {
		case <-timer.C:
		case <-w.r.ctx.Done():
			timer.Stop()
		}
	}
}

// leave commits, closes and leaves the group at once, so that others need not wait for the session to time out.
func (w *worker) leave(clean bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.r.commitTimeout())
	defer cancel()
	var errs []error
	if clean {
		if err := w.commitAll(ctx); err != nil {
			errs = append(errs, w.lateFailure(err))
		}
	}
	w.closing = true
	for _, o := range slices.Clone(w.order) {
		errs = append(errs, w.drop(o))
		delete(w.tasks, o.id)
	}
	if err := w.producer.Abort(ctx); err != nil {
		w.log.Warn("the transaction could not be ended; it times out", zap.Error(err))
	}
	if err := w.group.Leave(ctx); err != nil {
		w.log.Warn("the group could not be left; the session times out", zap.Error(err))
	}
	return errors.Join(errs...)
}

// lateFailure is the failure of the last commit: nothing is lost by one whose work is done again.
func (w *worker) lateFailure(err error) error {
	if errors.Is(err, kafka.ErrFenced) || redone(err) {
		w.log.Warn("the last commit failed: its work is done again", zap.Error(err))
		return nil
	}
	return err
}

// settleStates tells the app where the worker is.
func (w *worker) settleStates() {
	switch {
	case !w.assigned:
		w.r.life.worker(w.id, Rebalancing)
	case len(w.order) < len(w.tasks):
		w.r.life.worker(w.id, Restoring)
	default:
		w.r.life.worker(w.id, Running)
	}
}

// publish makes the lags of this moment readable.
func (w *worker) publish() {
	lags := map[kafka.TP]inlag{}
	for _, o := range w.order {
		for _, in := range o.task.Status().Inputs {
			if in.End >= 0 && in.Position >= 0 {
				lags[kafka.TP(in.TopicPartition)] = inlag{records: max(in.End-in.Position, 0), oldest: o.oldest[kafka.TP(in.TopicPartition)]}
			}
		}
	}
	w.lags.Store(&lags)
}
