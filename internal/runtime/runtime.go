package runtime

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/query"
	"github.com/weirstream/weir/topology"
)

// Runtime runs an app once.
type Runtime struct {
	c        Config
	settings kafka.Settings
	life     *lifecycle
	stats    flow.Stats
	commits  atomic.Int64
	aborts   atomic.Int64
	ran      atomic.Bool
	views    query.Local

	// Set by Run, before any worker starts.
	ctx       context.Context
	dir       *stateDir
	cluster   *kafka.Cluster
	topics    *topics
	subscribe []string
	pattern   *regexp.Regexp
	planned   map[string]int32 // internal topics and their partitions
	hash      uint64
	subOf     sync.Map // topic → int32
	globals   *globals
	meetings  *meetings

	mu      sync.Mutex
	stop    context.CancelFunc // set by Run
	faults  error              // that are no worker's
	workers []*worker
	purge   map[kafka.TP]int64
}

// New makes a runtime; it starts nothing.
func New(c Config) *Runtime {
	r := &Runtime{c: c, settings: c.Settings, purge: map[kafka.TP]int64{}}
	r.life = newLifecycle(c.Workers, func(from, to State) {
		c.Log.Info("state", zap.Stringer("from", from), zap.Stringer("to", to))
		if c.OnState != nil {
			r.tell(from, to)
		}
	})
	return r
}

// tell calls the user's OnState, on whatever goroutine changed the state. Its panic ends the app.
func (r *Runtime) tell(from, to State) {
	defer func() {
		if x := recover(); x != nil {
			r.fault(fmt.Errorf("the OnState handler, told that %s became %s: %w", from, to, flow.Panicked(x)))
		}
	}()
	r.c.OnState(from, to)
}

// fault ends the app with an error that is no worker's. Any goroutine may call it.
func (r *Runtime) fault(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = errors.Join(r.faults, err)
	if r.stop != nil {
		r.stop()
	}
}

// faulted returns and forgets the faults so far.
func (r *Runtime) faulted() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.faults
	r.faults = nil
	return err
}

// State is the app's state.
func (r *Runtime) State() State { return r.life.get() }

// Run works until ctx ends, then drains, commits and leaves; nil says that all went well. It can be called once.
func (r *Runtime) Run(ctx context.Context) (err error) {
	if r.ran.Swap(true) {
		return errors.New("Run was called twice")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.mu.Lock()
	r.stop = stop
	r.mu.Unlock()
	defer func() {
		r.life.becomeStopping()
		if err = errors.Join(err, r.faulted()); err != nil {
			r.life.becomeFailed()
		} else {
			r.life.becomeStopped()
		}
		err = errors.Join(err, r.faulted())
	}()
	defer func() { err = errors.Join(err, r.close()) }()
	r.life.becomeRebalancing()
	if err := r.open(ctx); err != nil {
		err = errors.Join(err, r.globals.close())
		if ended(ctx, err) {
			return nil
		}
		return err
	}
	return r.supervise(ctx)
}

// ended reports an error that only says that the context has ended, which is no failure.
func ended(ctx context.Context, err error) bool { return ctx.Err() != nil && errors.Is(err, ctx.Err()) }

// open takes the state directory, finds the cluster, and makes and checks internal topics.
func (r *Runtime) open(ctx context.Context) (err error) {
	if r.dir, err = openStateDir(r.c.StateDir); err != nil {
		return err
	}
	if r.c.MaxStateAge > 0 {
		r.dir.deleteOlder(time.Now(), r.c.MaxStateAge, r.c.Log)
	}
	defer r.readStates(ctx)()
	r.settings.ProcessID = hex.EncodeToString(r.dir.process[:])
	if r.cluster, err = kafka.Dial(ctx, &r.settings); err != nil {
		return err
	}
	r.topics = newTopics(r.cluster)
	r.settings.BatchBytes = r.topics.batchBytes
	r.hash = r.c.Graph.Hash(r.c.App)
	for _, w := range r.c.Graph.Warnings() {
		r.c.Log.Warn("the topology: " + w)
	}
	if err := r.prepareTopics(ctx); err != nil {
		return err
	}
	gs, err := r.openGlobals(ctx)
	r.mu.Lock()
	r.globals = gs
	r.mu.Unlock()
	return err
}

func (r *Runtime) close() (err error) {
	if r.cluster != nil {
		r.cluster.Close()
	}
	if r.dir != nil {
		if e := r.dir.close(); e != nil {
			err = fmt.Errorf("state directory %s: %w", r.c.StateDir, e)
		}
	}
	return err
}

// supervise runs the workers. The first that fails stops the others, which commit and leave.
func (r *Runtime) supervise(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r.ctx = ctx
	var group sync.WaitGroup
	errs := make([]error, r.c.Workers)
	filled := r.fillGlobals(stop)
	for i := range r.c.Workers {
		if !r.worked() {
			break
		}
		w, err := r.newWorker(ctx, i)
		if err != nil {
			if !ended(ctx, err) {
				errs[i] = err
			}
			stop()
			break
		}
		r.mu.Lock()
		r.workers = append(r.workers, w)
		r.mu.Unlock()
		errs[i] = fmt.Errorf("worker %d: its goroutine was ended by user code (runtime.Goexit)", i) // unless run returns
		group.Go(func() {
			defer stop()
			errs[i] = guarded(func() error { return w.run(ctx) })
		})
	}
	group.Go(func() { r.watch(ctx) })
	group.Go(func() { r.purger(ctx) })
	group.Go(func() { r.keeper(ctx) })
	<-ctx.Done()
	r.life.becomeStopping()
	group.Wait()
	if err := errors.Join(append(errs, filled())...); err != nil {
		return fmt.Errorf("app %q: %w", r.c.App, err)
	}
	return nil
}

// fillGlobals begins to fill global stores. A failure stops the app. What it returns ends it, once no task borrows a store any more, and closes the
// stores.
func (r *Runtime) fillGlobals(stop context.CancelFunc) (end func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.ctx))
	var group sync.WaitGroup
	err := errors.New("the goroutine of global stores was ended by user code (runtime.Goexit)") // unless run returns
	group.Go(func() {
		defer func() {
			if err != nil {
				stop()
			}
		}()
		err = guarded(func() error { return r.globals.run(ctx) })
	})
	return func() error {
		cancel()
		group.Wait()
		return errors.Join(err, r.globals.close())
	}
}

// guarded turns a panic of ours into an error: none reaches the user's process.
func guarded(f func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v\n%s", x, debug.Stack())
		}
	}()
	return f()
}

// prepareTopics resolves what the app reads, and makes and checks its internal topics before any worker joins. It can be repeated.
func (r *Runtime) prepareTopics(ctx context.Context) error {
	counts, err := r.sourceCounts(ctx)
	if err != nil {
		return err
	}
	plan, err := r.c.Graph.Plan(r.c.App, counts, r.c.TopicConfig)
	if err != nil {
		return err
	}
	r.planned = map[string]int32{}
	if refusal, err := r.provide(ctx, plan.Internal); err != nil || refusal != nil {
		return errors.Join(err, refusal)
	}
	maps.Copy(counts, r.planned)
	r.meetings = newMeetings(r.c.Graph, r.c.App, counts, r.c.Log)
	r.topics.learn(ctx, r.sinks()...)
	return r.subscription()
}

// sinks are the topics that the topology names to be written to.
func (r *Runtime) sinks() (names []string) {
	for _, s := range r.c.Graph.Subs() {
		for _, n := range s.Nodes {
			if n.Kind != topology.Sink {
				continue
			}
			for _, t := range n.Topics {
				if !t.Internal {
					names = append(names, t.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func wrongCount(topic string, have, want int32) error {
	return fmt.Errorf("internal topic %q has %d partitions, but the topology needs %d, for keys are spread over as many as the source topics have: "+
		"either a source topic was given more partitions, so that state and keys do not fit together any more, or the topics that a pattern matches have others, "+
		"or the topic was made by hand. "+
		"Run the app under another name, or delete its internal topics and state directories, to begin anew", topic, have, want)
}

// sourceCounts are the partitions of every topic that the topology names or matches.
func (r *Runtime) sourceCounts(ctx context.Context) (map[string]int32, error) {
	names, patterns := r.c.Graph.Sources()
	counts := map[string]int32{}
	if len(names) > 0 {
		found, err := r.cluster.Topics(ctx, names...)
		if err != nil {
			return nil, err
		}
		for name, t := range found {
			counts[name] = t.Partitions
		}
	}
	for _, p := range patterns {
		re, err := regexp.Compile("^(?:" + p + ")$")
		if err != nil {
			return nil, err
		}
		found, err := r.cluster.TopicsMatching(ctx, re)
		if err != nil {
			return nil, err
		}
		for name, t := range found {
			counts[name] = t.Partitions
		}
	}
	return counts, nil
}

// subscription is what the group members read: source topics by name, and by pattern.
func (r *Runtime) subscription() error {
	names, patterns := r.c.Graph.Sources()
	for _, t := range r.c.Graph.Repartitions() {
		names = append(names, t.Topic().In(r.c.App))
	}
	r.subscribe = slices.Compact(slices.Sorted(slices.Values(names)))
	if len(patterns) > 0 {
		re, err := regexp.Compile("^(?:" + strings.Join(patterns, "|") + ")$")
		if err != nil {
			return err
		}
		r.pattern = re
	}
	return nil
}

// memberData is what a worker tells the leader; the first tells what state the process has.
func (r *Runtime) memberData(worker int) assign.MemberData {
	d := assign.MemberData{Process: r.dir.process, Topology: r.hash}
	if worker == 0 {
		d.Positions = r.dir.positions()
	}
	return d
}

// taskOf is the task that reads a partition.
func (r *Runtime) taskOf(tp kafka.TP) (assign.TaskID, error) {
	sub, ok := r.subOf.Load(tp.Topic)
	if !ok {
		s, n := r.reads(tp.Topic)
		if n == nil {
			return assign.TaskID{}, fmt.Errorf("the group assigned %s, which no source reads", tp)
		}
		sub = s.ID
		r.subOf.Store(tp.Topic, sub)
	}
	return assign.TaskID{Sub: sub.(int32), Partition: tp.Partition}, nil
}

// reads is the source of a topic. One that names it comes before a pattern, which may match an internal topic too.
func (r *Runtime) reads(topic string) (of *topology.Sub, by *topology.Node) {
	for _, s := range r.c.Graph.Subs() {
		n, ok := s.Source(r.c.App, topic)
		switch {
		case !ok:
		case n.Pattern == "":
			return s, n
		case by == nil:
			of, by = s, n
		}
	}
	return of, by
}

// matched reports whether a topic is read because a pattern matches it.
func (r *Runtime) matched(topic string) bool {
	_, n := r.reads(topic)
	return n != nil && n.Pattern != ""
}

// reset is where a topic begins without a committed offset.
func (r *Runtime) reset(topic string) kafka.ResetPolicy {
	policy := r.c.Reset
	if _, n := r.reads(topic); n != nil && n.Reset.Policy != topology.ResetDefault {
		policy = n.Reset
	}
	switch policy.Policy {
	case topology.ResetLatest:
		return kafka.ResetLatest()
	case topology.ResetNone:
		return kafka.ResetNone()
	case topology.ResetAgo:
		return kafka.ResetBack(policy.Ago)
	}
	return kafka.ResetEarliest()
}

func (r *Runtime) commitTimeout() time.Duration {
	return cmp.Or(r.settings.CommitTimeout, 30*time.Second) + 10*time.Second
}

// retryLimit is how long a retry may hold an open transaction.
func (r *Runtime) retryLimit() time.Duration {
	return cmp.Or(r.settings.TransactionTimeout, 10*time.Second) / 2
}

// watch reports a worker that has been away from its client for too long, and takes its member out of the group, so that others can go on.
func (r *Runtime) watch(ctx context.Context) {
	if r.c.MaxProcessingTime <= 0 {
		return
	}
	tick := time.NewTicker(max(r.c.MaxProcessingTime/4, time.Millisecond))
	defer tick.Stop()
	told := map[*worker]int64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, w := range r.all() {
			since := w.busy.Load()
			if since == 0 || told[w] == since || time.Since(time.Unix(0, since)) < r.c.MaxProcessingTime {
				continue
			}
			told[w] = since
			err := w.group.LeaveRaw(ctx)
			w.log.Error("the worker is stuck in user code: it was taken out of the group", zap.Duration("for", time.Since(time.Unix(0, since))), zap.Error(err))
		}
	}
}

func (r *Runtime) all() []*worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.workers)
}

// consumed notes committed offsets of repartition topics: what lies before them is deleted now and then.
func (r *Runtime) consumed(offsets []kafka.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range offsets {
		if _, ok := r.planned[o.Topic]; ok {
			r.purge[o.TP] = o.Offset
		}
	}
}

func (r *Runtime) purger(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.mu.Lock()
		below := r.purge
		r.purge = map[kafka.TP]int64{}
		r.mu.Unlock()
		if len(below) == 0 {
			continue
		}
		if err := r.cluster.DeleteRecords(ctx, below); err != nil && ctx.Err() == nil {
			r.c.Log.Warn("consumed records of repartition topics could not be deleted; the next try takes them too", zap.Error(err))
		}
	}
}

// Stats are the numbers of this moment.
type Stats struct {
	Records, Commits, Aborts int64
	Open                     int64 // records that wait for a call, or are in one
	Lags                     map[kafka.TP]Lag
	Dropped                  map[string]map[string]int64
	Restores                 []Restore
}

// Lag is how far an input partition is behind.
type Lag struct {
	Records int64
	Time    time.Duration
}

// Restore is a store that is being restored.
type Restore struct {
	Store     string
	Partition int32
	Done, End int64
}

// Stats returns the numbers of this moment. Any goroutine may call it.
func (r *Runtime) Stats() Stats {
	s := Stats{Records: r.stats.Records.Load(), Commits: r.commits.Load(), Aborts: r.aborts.Load(), Lags: map[kafka.TP]Lag{}, Dropped: r.stats.Dropped()}
	s.Open = r.stats.Open.Load()
	now := time.Now().UnixMilli()
	for _, w := range r.all() {
		if lags := w.lags.Load(); lags != nil {
			for tp, l := range *lags {
				s.Lags[tp] = l.at(now)
			}
		}
		for _, p := range w.restorer.Progress() {
			s.Restores = append(s.Restores, Restore(p))
		}
	}
	r.mu.Lock()
	gs := r.globals
	r.mu.Unlock()
	if gs == nil {
		return s
	}
	s.Restores = append(s.Restores, gs.restores()...)
	if lags := gs.lags.Load(); lags != nil {
		for tp, l := range *lags {
			s.Lags[tp] = l.at(now)
		}
	}
	return s
}

func (l inlag) at(now int64) Lag {
	if l.records == 0 || l.oldest == 0 {
		return Lag{Records: l.records}
	}
	return Lag{Records: l.records, Time: time.Duration(min(max(now-l.oldest, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond}
}

// View is the typed read-only facade of a store over the tasks that run here.
func (r *Runtime) View(store string) (any, error) {
	s, _, ok := r.c.Graph.Store(store)
	if !ok {
		return nil, fmt.Errorf("the topology has no store %q", store)
	}
	return r.views.View(s.Spec)
}
