package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/changelog"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
)

// worker runs tasks. It is one goroutine; what other goroutines may touch says so.
type worker struct {
	r        *Runtime
	id       int
	log      *zap.Logger
	group    *kafka.Group
	producer *kafka.Producer
	out      *collector
	restorer *changelog.Restorer

	tasks    map[assign.TaskID]*owned // what this worker was given
	order    []*owned                 // the running ones, by turn
	parts    map[kafka.TP]*owned
	assigned bool // since the last loss

	committed time.Time // the last commit, or try
	began     time.Time // of the work since then
	raws      []flow.Raw
	more      bool  // records wait that can be taken at once
	failed    error // found in a callback, for the loop
	closing   bool

	busy  atomic.Int64                       // since when, in unix ns, the worker is away from its client; 0 while parked
	lags  atomic.Pointer[map[kafka.TP]inlag] // as of the last turn
	mu    sync.Mutex
	inbox []func() // from the restorer, and what askEnds was answered
	asks  sync.WaitGroup
	here  context.Context // of what runs beside the worker, until it has left
	wake  context.CancelFunc
}

// inlag is how far a partition is behind.
type inlag struct {
	records int64
	oldest  int64 // when the first record of the last fetch was written, ms; 0 for none
}

// owned is a task that the worker was given.
//
//	restoring ──(stores are complete)──> waiting ──(all positions are known, global stores that it borrows ready)──> running ──> gone
//	    │                                   │                                      │
//	    └───────────────────────────────────┴────────── (revoked, lost) ───────────┴──> gone
type owned struct {
	id      assign.TaskID
	name    string
	inputs  []kafka.TP
	started map[kafka.TP]kafka.Started
	stores  *store.Set // while waiting; the restorer's or the task's at other times
	ends    map[string]int64
	task    *task.Task         // while running
	calls   *calls             // of the task
	oldest  map[kafka.TP]int64 // when the first record of the last fetch was written, ms
	looks   map[kafka.TP]*look // while running: the partitions whose keys are looked at yet
	lease   *lease             // of the directory; nil where there is nothing to keep
	asked   bool               // askEnds was not answered yet
}

func (r *Runtime) newWorker(ctx context.Context, id int) (*worker, error) {
	w := &worker{
		r: r, id: id, log: r.c.Log.With(zap.Int("worker", id)), tasks: map[assign.TaskID]*owned{}, parts: map[kafka.TP]*owned{},
		wake: func() {}, committed: time.Now(),
	}
	var err error
	if w.producer, err = kafka.NewProducer(ctx, &r.settings, id); err != nil {
		return nil, err
	}
	w.out = &collector{topics: r.topics, producer: w.producer}
	if w.restorer, err = changelog.New(changelog.Config{Settings: &r.settings, Cluster: r.cluster, Log: w.log}); err != nil {
		w.producer.Close()
		return nil, err
	}
	w.group, err = kafka.NewGroup(&r.settings, kafka.GroupConfig{
		Worker: id, Topics: r.subscribe, Pattern: r.pattern, Handler: w, Planner: r.plan, Data: func() assign.MemberData { return r.memberData(id) }, Reset: r.reset,
		Expired: w.expired(),
	})
	if err != nil {
		w.producer.Close()
		return nil, err
	}
	if !r.settings.ExactlyOnce {
		w.out.member = w.group
	}
	return w, nil
}

// expired is what to do when the group has not answered for a session's time: others may own the tasks by now, and what is still buffered must not
// come after what they write. A transaction needs no such care, for it would be fenced.
func (w *worker) expired() func() {
	if w.r.settings.ExactlyOnce {
		return nil
	}
	return func() {
		w.log.Warn("no heartbeat was answered for the session's time-out: what is not yet written is dropped, and done again by whoever owns the tasks then")
		w.producer.Close()
	}
}

// run works until ctx ends, then commits and leaves; or until an error.
func (w *worker) run(ctx context.Context) (err error) {
	var stop context.CancelFunc
	w.here, stop = context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { err = errors.Join(err, w.restorer.Run(w.here)) })
	failure := w.loop(ctx)
	failure = errors.Join(failure, w.leave(failure == nil))
	stop()
	group.Wait()
	w.asks.Wait()
	w.drainInbox()
	for _, o := range w.tasks {
		failure = errors.Join(failure, w.drop(o))
	}
	w.group.Close()
	w.producer.Close()
	if failure != nil {
		failure = fmt.Errorf("worker %d: %w", w.id, failure)
	}
	return failure
}

func (w *worker) loop(ctx context.Context) error {
	defer w.away()()
	for ctx.Err() == nil {
		if err := w.turn(ctx); err != nil {
			if ended(ctx, err) {
				return nil
			}
			return err
		}
	}
	return nil
}

// turn is one round: park, take, process, punctuate, perhaps commit.
func (w *worker) turn(ctx context.Context) error {
	polled, err := w.park(ctx)
	if err == nil {
		err = w.failed
	}
	if err != nil {
		return err
	}
	if w.group.Fenced() {
		w.loseAll()
		return nil
	}
	w.drainInbox()
	err = w.take(polled)
	if err == nil {
		err = w.process(ctx)
	}
	if err == nil {
		err = w.maybeCommit(ctx)
	}
	w.publish()
	return w.recovered(ctx, err)
}

// recovered turns an error that abandoned work can answer into nothing. Any other is the worker's end.
func (w *worker) recovered(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kafka.ErrFenced):
		w.log.Warn("the member was lost from the group: its work since the last commit is dropped", zap.Error(err))
		w.loseAll()
		return nil
	case redone(err):
		if ctx.Err() != nil {
			return nil
		}
		w.log.Warn("the worker's work since the last commit is dropped and done again", zap.Error(err))
		return w.abandon(ctx)
	}
	return err
}

// errLate says that the brokers did not answer in time.
var errLate = errors.New("the brokers did not answer in time")

func late(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return err
}

// redone tells errors after which the work since the last commit is done again, by the same member.
func redone(err error) bool {
	return errors.Is(err, kafka.ErrProducerDead) || errors.Is(err, kafka.ErrUnknownOutcome) || errors.Is(err, flow.ErrInterrupted) || errors.Is(err, errForeign) ||
		errors.Is(err, errLate) || errors.Is(err, errGone)
}

// park waits in the client, where rebalances happen, until records come, the nearest deadline, or something in the inbox.
func (w *worker) park(ctx context.Context) (*kafka.Polled, error) {
	wait, cancel := context.WithTimeout(ctx, w.patience())
	defer cancel()
	w.mu.Lock()
	w.wake = cancel
	posted := len(w.inbox) > 0
	w.mu.Unlock()
	if posted || w.anyEnded() {
		cancel()
	}
	w.out.counted = ""
	w.busy.Store(0)
	polled, err := w.group.Poll(wait)
	w.busy.Store(time.Now().UnixNano())
	return polled, err
}

// patience is how long there is nothing to do.
func (w *worker) patience() time.Duration {
	now := time.Now()
	if w.more {
		return 0
	}
	most := time.Second
	if len(w.order) < len(w.tasks) && w.unpositioned() {
		most = starting // positions come without records, and do not end a poll
	}
	if !w.began.IsZero() {
		most = min(most, w.committed.Add(w.r.c.CommitInterval).Sub(now))
	}
	for _, o := range w.order {
		at, ok := o.task.Wake()
		if ok {
			most = min(most, time.UnixMilli(at).Sub(now))
		}
	}
	return max(most, 0)
}

// anyEnded says whether a call has ended that its task has not finished. One that ends later wakes the worker.
func (w *worker) anyEnded() bool {
	for _, o := range w.order {
		if o.calls.any() {
			return true
		}
	}
	return false
}

// nudge ends a poll that waits. Any goroutine may call it.
func (w *worker) nudge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake()
}

// unpositioned says whether a task waits for positions, which nobody tells of.
func (w *worker) unpositioned() bool {
	for _, o := range w.tasks {
		if o.task == nil && len(o.started) < len(o.inputs) {
			return true
		}
	}
	return false
}

// away marks the worker as parked for good when its loop ends, for the watchdog.
func (w *worker) away() func() { return func() { w.busy.Store(0) } }

// post hands something to the worker's goroutine.
func (w *worker) post(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inbox = append(w.inbox, f)
	w.wake()
}

func (w *worker) drainInbox() {
	w.mu.Lock()
	all := w.inbox
	w.inbox = nil
	w.mu.Unlock()
	for _, f := range all {
		f()
	}
	if len(all) > 0 && w.failed == nil {
		w.settleStates()
	}
}

// take gives what was polled to the tasks.
func (w *worker) take(p *kafka.Polled) error {
	if w.failed != nil {
		return w.failed
	}
	for _, s := range p.Started {
		o := w.parts[s.TP]
		if o == nil {
			continue
		}
		o.started[s.TP] = s
		if err := w.maybeRun(o); err != nil {
			return err
		}
	}
	for i := range p.Fetched {
		if err := w.push(&p.Fetched[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) push(f *kafka.Fetched) error {
	o := w.parts[f.TP]
	if f.Err != nil {
		return w.unread(f)
	}
	if o == nil || o.task == nil {
		return nil
	}
	if l := o.looks[f.TP]; l != nil && !w.r.meetings.at(l, f) {
		delete(o.looks, f.TP)
	}
	w.raws = w.raws[:0]
	for _, rec := range f.Records {
		w.raws = append(w.raws, rawOf(rec))
	}
	if len(f.Records) > 0 {
		o.oldest[f.TP] = f.Records[0].Timestamp.UnixMilli()
	}
	tp := flow.TopicPartition(f.TP)
	full, err := o.task.Push(tp, w.raws)
	clear(w.raws)
	if err != nil {
		return err
	}
	o.task.SetEnd(tp, f.End)
	if full {
		w.group.Pause(f.TP)
	}
	return nil
}

// errGone says that a running task's position is not in the log any more.
var errGone = errors.New("the position is not in the log any more")

// unread is a partition that cannot be read any more. A running task begins anew, for its next record may be one before its position.
func (w *worker) unread(f *kafka.Fetched) error {
	if f.Gone() && w.r.matched(f.Topic) {
		if w.group.Forget(f.Topic) {
			w.log.Warn("a topic that a pattern matched is gone", zap.String("topic", f.Topic), zap.Error(f.Err))
		}
		return nil
	}
	if !f.OutOfRange() {
		return fmt.Errorf("%s: %w", f.TP, f.Err)
	}
	if o := w.parts[f.TP]; o != nil && o.task != nil {
		return fmt.Errorf("%s: %w: %w", f.TP, errGone, f.Err)
	}
	w.log.Warn("the position is not in the log any more", zap.Stringer("partition", f.TP), zap.Error(f.Err))
	w.group.Rewind(f.TP)
	return nil
}

// process gives every task its turns until all wait, or the worker has been away from its client for long enough.
func (w *worker) process(ctx context.Context) error {
	until := time.Now().Add(turn)
	for {
		now := time.Now()
		ms := now.UnixMilli()
		most := 0
		for _, o := range w.order {
			n, err := o.task.Step(ms, stepSize)
			if err == nil {
				err = o.task.Punctuate(ms)
			}
			if err == nil {
				err = w.closeIdle(o, ms)
			}
			if err != nil {
				return err
			}
			most = max(most, n)
			w.resume(o)
		}
		if w.began.IsZero() && w.anyWork() {
			w.began = now
		}
		w.more = most == stepSize
		if !w.more || now.After(until) || w.group.Wanted() || ctx.Err() != nil || w.commitDue(now) {
			return nil
		}
	}
}

func (w *worker) resume(o *owned) {
	for _, tp := range o.task.Resumable() {
		w.group.Resume(kafka.TP(tp))
	}
}

func (w *worker) anyWork() bool {
	for _, o := range w.order {
		if o.task.CommitNeeded() {
			return true
		}
	}
	return false
}

func (w *worker) commitDue(now time.Time) bool {
	if !w.began.IsZero() && now.Sub(w.committed) >= w.r.c.CommitInterval {
		return true
	}
	for _, o := range w.order {
		if o.task.CommitWanted() {
			return true
		}
	}
	return false
}

func (w *worker) maybeCommit(ctx context.Context) error {
	if !w.commitDue(time.Now()) {
		return nil
	}
	return w.commit(ctx)
}

// commit makes the work of all tasks durable (I3).
func (w *worker) commit(ctx context.Context) error {
	w.began = time.Time{}
	// Counted from here on: a commit that takes long is not followed by the next at once.
	defer func() { w.committed = time.Now() }()
	if w.group.Fenced() { // what caches would write now could hide what others have written
		return kafka.ErrFenced
	}
	if err := w.out.allowed(); err != nil {
		return err
	}
	var in kafka.CommitInput
	var busy []*owned
	for _, o := range w.order {
		if !o.task.CommitNeeded() {
			continue
		}
		offsets, err := o.task.PrepareCommit()
		if err != nil {
			return err
		}
		for tp, at := range offsets {
			in.Offsets = append(in.Offsets, kafka.Offset{TP: kafka.TP(tp), Offset: at.Next, LeaderEpoch: at.Epoch, Metadata: at.Metadata})
		}
		busy = append(busy, o)
	}
	if len(busy) == 0 {
		return nil
	}
	// A commit outlives the app's context: cancelling it means to finish what was begun.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.r.commitTimeout())
	defer cancel()
	if err := w.settle(ctx); err != nil {
		return err
	}
	in.Apply = func() error { return w.apply(busy) }
	if _, err := kafka.Commit(ctx, w.group, w.producer, in); err != nil {
		return late(err)
	}
	w.r.commits.Add(1)
	w.r.consumed(in.Offsets)
	return nil
}

// commitAll commits, and once more where a commit has left something to the next.
func (w *worker) commitAll(ctx context.Context) error {
	if err := w.commit(ctx); err != nil || !w.anyWork() {
		return err
	}
	return w.commit(ctx)
}

// settle waits for what was sent and decides about what was refused, which may send again.
func (w *worker) settle(ctx context.Context) error {
	for {
		if err := w.producer.Flush(ctx); err != nil {
			return w.out.failure(late(err))
		}
		if !w.out.anyRefused() {
			return nil
		}
		if err := w.out.settle(); err != nil {
			return err
		}
	}
}

// apply puts what the tasks wrote into their engines, with the offsets of the acknowledged changelog records.
func (w *worker) apply(busy []*owned) error {
	for _, o := range busy {
		if err := w.foreign(o); err != nil {
			return err
		}
		if err := o.task.Committed(o.positions()); err != nil {
			return err
		}
	}
	return nil
}

// positions are the changelogs' next offsets behind what was acknowledged, by store.
func (o *owned) positions() map[string]int64 {
	at := map[string]int64{}
	for _, d := range o.task.Changelogs() {
		dest, ok := d.Attached.(*kafka.Dest)
		if !ok {
			continue
		}
		if last, ok := dest.Last(o.id.Partition); ok {
			at[d.Store] = last + 1
		}
	}
	return at
}

// errForeign says that a changelog has records of somebody else, which the stores must take in before the task goes on. The task is still the member's own.
var errForeign = errors.New("somebody else wrote to changelog")

// foreign reports that somebody else writes to a changelog of this task: without transactions a gap between our own records says so.
func (w *worker) foreign(o *owned) error {
	if w.r.settings.ExactlyOnce {
		return nil
	}
	for _, d := range o.task.Changelogs() {
		if dest, ok := d.Attached.(*kafka.Dest); ok && dest.Gap(o.id.Partition) {
			return fmt.Errorf("%w %q, partition %d", errForeign, d.Topic, o.id.Partition)
		}
	}
	return nil
}

// Assigned is kafka.Handler's: the worker is parked (I2).
func (w *worker) Assigned(ctx context.Context, plan kafka.Plan, added []kafka.TP) {
	defer w.caught()
	w.assigned = true
	if plan.Error != "" {
		w.fail(errors.New(plan.Error))
		return
	}
	var fresh, grown []*owned
	for _, tp := range added {
		id, err := w.r.taskOf(tp)
		if err != nil {
			w.fail(err)
			return
		}
		o := w.tasks[id]
		switch {
		case o == nil:
			o = &owned{id: id, name: id.String(), started: map[kafka.TP]kafka.Started{}, oldest: map[kafka.TP]int64{}}
			w.tasks[id] = o
			fresh = append(fresh, o)
		case o.task != nil && !slices.Contains(grown, o):
			grown = append(grown, o)
		}
		o.inputs = append(o.inputs, tp)
		w.parts[tp] = o
	}
	w.group.Pause(added...)
	for _, o := range fresh {
		w.log.Info("task assigned", zap.String("task", o.name), zap.Int("partitions", len(o.inputs)))
		w.restore(o, nil)
	}
	w.failIf(w.grow(ctx, grown))
	w.settleStates()
}

// Revoked is kafka.Handler's: the worker is parked (I2), and the member still owns what is going.
func (w *worker) Revoked(ctx context.Context, gone []kafka.TP) {
	defer w.caught()
	w.failIf(w.handOver(ctx))
	w.failIf(w.dropParts(gone))
	w.r.life.worker(w.id, Rebalancing)
}

// handOver commits in a callback, before tasks go or are made anew. What cannot be committed is dropped, and done again by whoever comes next.
func (w *worker) handOver(ctx context.Context) error {
	err := w.commitAll(ctx)
	if err == nil {
		return nil
	}
	if !errors.Is(err, kafka.ErrFenced) {
		w.log.Warn("the last commit before a hand-over failed: its work is done again", zap.Error(err))
	}
	return w.abandonAll(ctx, err)
}

// Lost is kafka.Handler's: others may own what is gone.
func (w *worker) Lost(ctx context.Context, gone []kafka.TP) {
	defer w.caught()
	w.log.Warn("partitions were lost", zap.Int("partitions", len(gone)))
	w.failIf(w.abandonAll(ctx, nil))
	w.failIf(w.dropParts(gone))
	w.assigned = false
	w.r.life.worker(w.id, Rebalancing)
}

// dropParts takes partitions from their tasks. A task without any is closed; one that keeps some, for a pattern's topic is gone, goes on with
// those.
func (w *worker) dropParts(gone []kafka.TP) (err error) {
	var touched []*owned
	for _, tp := range gone {
		o := w.parts[tp]
		if o == nil {
			continue
		}
		o.forget(tp)
		delete(w.parts, tp)
		if !slices.Contains(touched, o) {
			touched = append(touched, o)
		}
	}
	for _, o := range touched {
		if len(o.inputs) > 0 {
			err = errors.Join(err, w.shrink(o))
			continue
		}
		err = errors.Join(err, w.drop(o))
		delete(w.tasks, o.id)
		w.log.Info("task closed", zap.String("task", o.name))
	}
	return err
}

// forget is of an input.
func (o *owned) forget(tp kafka.TP) {
	o.inputs = slices.DeleteFunc(o.inputs, func(in kafka.TP) bool { return in == tp })
	delete(o.started, tp)
	delete(o.oldest, tp)
}

// caught turns a panic in a callback, which may run on a goroutine of the client, into the worker's failure.
func (w *worker) caught() {
	if x := recover(); x != nil {
		w.fail(flow.Panicked(x))
	}
}

// fail notes an error for the loop, which need not wait for records any longer; a rebalance may bring the same one again.
func (w *worker) fail(err error) {
	w.nudge()
	if w.failed == nil || w.failed.Error() != err.Error() {
		w.failed = errors.Join(w.failed, err)
	}
}

func (w *worker) failIf(err error) {
	if err != nil {
		w.fail(err)
	}
}
