package runtime

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/topology"
)

// globals fills the app's global stores: one goroutine with a fetch-only client of its own, in no group. It owns what fills the stores; tasks
// borrow the stores, and must be closed before.
//
//	opened ──> filling ──(holds what the topic held at the start)──> ready ──> closed
//
// Tasks that borrow a store wait until it is ready; others run. The end that a store waits for is the last stable offset of the start: it does
// not wait for a transaction that is open, and sees no part of one. After that the stores follow their topics, without an order between them and the tasks.
type globals struct {
	r      *Runtime
	reader *kafka.Reader
	all    []*global
	topics map[string]*global
	looked time.Time // when the topics were last looked at

	mu       sync.Mutex
	progress []Restore
	lags     atomic.Pointer[map[kafka.TP]inlag]
}

// global is one global store.
type global struct {
	*task.Global
	topic   kafka.TopicInfo
	parts   []*globalPart
	filled  atomic.Bool
	records int64
	began   time.Time
	told    time.Time // of the last line of a long filling
	missing int       // how often the topic was not there
}

// globalPart is a partition.
type globalPart struct {
	next, end int64 // end: where it must be for the store to be ready
	moved     time.Time
	lag       inlag
}

const (
	lookEvery = 30 * time.Second // how often, at least, it is looked whether topics have grown, or are gone
	slowFill  = 10 * time.Second // how often a filling that takes long says how far it is, and one that stands still that it does
)

// globalDir is where global stores are, each in a directory of its own.
func (r *Runtime) globalDir(store string) string {
	return filepath.Join(r.c.StateDir, "global", store)
}

// openGlobals opens the global stores; nil where there are none.
func (r *Runtime) openGlobals(ctx context.Context) (gs *globals, err error) {
	gs = &globals{r: r, topics: map[string]*global{}}
	r.tidyGlobals(time.Now())
	found, err := r.cluster.Topics(ctx, r.c.Graph.Globals()...)
	if err != nil {
		return gs, err
	}
	if err := r.globalTopics(found); err != nil {
		return gs, err
	}
	for _, sub := range r.c.Graph.Subs() {
		if !sub.Global {
			continue
		}
		g, err := r.openGlobal(sub, found[sub.Sources()[0].Topics[0].Name])
		if err != nil {
			return gs, fmt.Errorf("global store %q: state in %s: %w", sub.Stores[0].Name, r.globalDir(sub.Stores[0].Name), err)
		}
		gs.all = append(gs.all, g)
		gs.topics[g.Topic()] = g
	}
	if len(gs.all) > 0 {
		gs.reader, err = kafka.NewReader(&r.settings, kafka.ReaderConfig{Committed: true})
	}
	return gs, err
}

// globalTopics refuses an app whose global topics are not all there.
func (r *Runtime) globalTopics(found map[string]kafka.TopicInfo) error {
	var missing []string
	for _, sub := range r.c.Graph.Subs() {
		if sub.Global && found[sub.Sources()[0].Topics[0].Name].Partitions == 0 {
			missing = append(missing, fmt.Sprintf("%q (of the global store %q)", sub.Sources()[0].Topics[0].Name, sub.Stores[0].Name))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("these topics do not exist: %s: create them first, for weir creates internal topics only", strings.Join(missing, ", "))
	}
	return nil
}

func (r *Runtime) openGlobal(sub *topology.Sub, topic kafka.TopicInfo) (*global, error) {
	spec := sub.Stores[0].Spec
	dir := ""
	if !spec.InMemory {
		dir = r.globalDir(spec.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	stores, err := r.openIn(dir, "global-"+spec.Name, []*rows.Spec{spec})
	if err != nil {
		return nil, err
	}
	stores.LendMemory(r.share() / int64(max(len(r.c.Graph.Globals()), 1)))
	g := &global{topic: topic, began: time.Now(), told: time.Now()}
	g.Global, err = task.NewGlobal(task.Config{
		App: r.c.App, Sub: sub, Stores: stores, Stats: &r.stats, OnError: r.c.OnError, OnDropped: r.c.OnDropped, Around: r.c.Around, Pause: r.pauseGlobal, Now: time.Now().UnixMilli(), Recovers: r.c.Recovers,
	}, topic.Partitions)
	if err != nil {
		return nil, errors.Join(err, stores.Close())
	}
	return g, nil
}

// share is what a worker may cache, or all global stores together.
func (r *Runtime) share() int64 {
	n := int64(r.c.Workers)
	if len(r.c.Graph.Globals()) > 0 {
		n++
	}
	return r.c.CacheBytes / n
}

// pauseGlobal waits for a retry.
func (r *Runtime) pauseGlobal(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// tidyGlobals deletes the state of global stores that is too old to be used, and of those that the topology has no more for long.
func (r *Runtime) tidyGlobals(now time.Time) {
	entries, err := os.ReadDir(filepath.Join(r.c.StateDir, "global"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.c.Log.Warn("the state of global stores cannot be listed", zap.Error(err))
	}
	for _, e := range entries {
		dir := r.globalDir(e.Name())
		age := r.c.MaxStateAge
		if _, _, ok := r.c.Graph.Store(e.Name()); !ok {
			age = max(r.c.CleanupDelay, time.Millisecond)
		}
		if written := lastWritten(dir); age > 0 && now.Sub(written) > age {
			err := r.dir.remove(dir)
			r.c.Log.Info("state of a global store deleted: it is too old, or of no use any more", zap.String("dir", dir), zap.Time("written", written), zap.Error(err))
		}
	}
}

// lend finds a global store for a task that reads it; false while it is not ready.
func (gs *globals) lend(store string) (*store.Set, bool) {
	for _, g := range gs.all {
		if g.Store() == store {
			return g.Stores(), g.filled.Load()
		}
	}
	return nil, false
}

// ready says whether all of some stores are.
func (gs *globals) ready(stores []string) bool {
	for _, s := range stores {
		if _, ok := gs.lend(s); !ok {
			return false
		}
	}
	return true
}

// run fills the stores and keeps them up to date until ctx ends.
func (gs *globals) run(ctx context.Context) error {
	if len(gs.all) == 0 {
		return nil
	}
	err := gs.begin(ctx)
	for err == nil && ctx.Err() == nil {
		err = gs.turn(ctx)
	}
	if ended(ctx, err) || errors.Is(err, flow.ErrInterrupted) && gs.r.ctx.Err() != nil {
		return nil
	}
	return err
}

// close closes the stores; no task borrows them any more.
func (gs *globals) close() error {
	if gs == nil {
		return nil
	}
	var errs []error
	for _, g := range gs.all {
		gs.r.views.Remove(g.view())
		if err := g.Close(); err != nil {
			errs = append(errs, fmt.Errorf("global store %q: %w", g.Store(), err))
		}
	}
	if gs.reader != nil {
		gs.reader.Close()
	}
	return errors.Join(errs...)
}

func (g *global) view() string { return "global " + g.Store() }

func (g *global) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("global store %q: topic %q: %w", g.Store(), g.Topic(), err)
}

// begin finds where every partition is read from, and to where it must come for its store to be ready.
func (gs *globals) begin(ctx context.Context) error {
	from := map[kafka.TP]int64{}
	for _, g := range gs.all {
		starts, ends, err := gs.bounds(ctx, g)
		if err != nil {
			return g.wrap(err)
		}
		if err := gs.position(g, starts, ends); err != nil {
			return g.wrap(err)
		}
		for p, part := range g.parts {
			from[g.tp(p)] = part.next
		}
	}
	gs.reader.Add(from)
	gs.looked = time.Now()
	return gs.settle()
}

func (g *global) tp(p int) kafka.TP { return kafka.TP{Topic: g.Topic(), Partition: int32(p)} }

// bounds are where a topic's partitions start and end, for readers of committed records; it waits for brokers that are away.
func (gs *globals) bounds(ctx context.Context, g *global) (starts, ends map[kafka.TP]int64, err error) {
	var tps []kafka.TP
	for p := range int(g.Partitions()) {
		tps = append(tps, g.tp(p))
	}
	for {
		if starts, err = gs.r.cluster.StartOffsets(ctx, tps...); err == nil {
			ends, err = gs.r.cluster.StableOffsets(ctx, tps...)
		}
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return starts, ends, err
		}
		gs.r.c.Log.Warn("the brokers do not answer: waiting for the ends of a global store's topic", zap.String("store", g.Store()), zap.Error(err))
	}
}

// position takes up what the store holds, if that is of this topic, else nothing.
func (gs *globals) position(g *global, starts, ends map[kafka.TP]int64) error {
	if why := g.unfit(starts, ends); why != "" {
		gs.r.c.Log.Warn("a global store is filled anew", zap.String("store", g.Store()), zap.String("topic", g.Topic()), zap.String("because", why))
		if err := g.Reset(g.Partitions()); err != nil {
			return err
		}
	}
	g.identify()
	now := time.Now()
	for p := range g.Partitions() {
		next, ok := g.Next(p)
		if !ok {
			next = starts[g.tp(int(p))]
		}
		g.parts = append(g.parts, &globalPart{next: next, end: ends[g.tp(int(p))], moved: now})
	}
	return nil
}

// unfit says why the rows are not those of the topic as it is.
func (g *global) unfit(starts, ends map[kafka.TP]int64) string {
	if hi, lo := id(g.topic.ID); (g.Mark("id0") != -1 || g.Mark("id1") != -1) && (hi != 0 || lo != 0) && (g.Mark("id0") != hi || g.Mark("id1") != lo) {
		return "the topic was deleted and made anew"
	}
	for p := range g.Partitions() {
		next, ok := g.Next(p)
		switch tp := g.tp(int(p)); {
		case ok && next > ends[tp]:
			return fmt.Sprintf("it holds partition %d up to offset %d, but the topic ends at %d", p, next, ends[tp])
		case ok && next < starts[tp]:
			return fmt.Sprintf("it holds partition %d up to offset %d, but the topic starts at %d", p, next, starts[tp])
		}
	}
	return ""
}

// id is a topic's id as two numbers; zero where the broker has none.
func id(b [16]byte) (hi, lo int64) {
	return int64(binary.BigEndian.Uint64(b[:])), int64(binary.BigEndian.Uint64(b[8:]))
}

// identify has the next commit keep which topic the rows are of.
func (g *global) identify() {
	hi, lo := id(g.topic.ID)
	g.SetMark("id0", hi)
	g.SetMark("id1", lo)
}

// turn takes what has come and puts it into the stores.
func (gs *globals) turn(ctx context.Context) error {
	fetched, err := gs.poll(ctx)
	if err != nil {
		return err
	}
	touched := map[*global]bool{}
	for i := range fetched {
		f := &fetched[i]
		g := gs.topics[f.Topic]
		if g == nil || int(f.Partition) >= len(g.parts) {
			continue
		}
		if err := gs.take(g, f); err != nil {
			return g.wrap(err)
		}
		touched[g] = true
	}
	now := time.Now().UnixMilli()
	for _, g := range gs.all {
		if at, ok := g.Wake(); !touched[g] && (!ok || at > now) {
			continue
		}
		if err := g.Work(now); err != nil {
			return g.wrap(err)
		}
	}
	if err := gs.look(ctx); err != nil {
		return err
	}
	return gs.settle()
}

// poll waits for records, or for a schedule of a processor that fills a store.
func (gs *globals) poll(ctx context.Context) ([]kafka.Fetched, error) {
	wait := min(time.Second, gs.r.cluster.MetadataAge())
	for _, g := range gs.all {
		if at, ok := g.Wake(); ok {
			wait = min(wait, max(time.Until(time.UnixMilli(at)), 0))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return gs.reader.Poll(ctx)
}

func (gs *globals) take(g *global, f *kafka.Fetched) error {
	switch {
	case f.OutOfRange():
		return fmt.Errorf("partition %d: offset %d is not in the log any more: the topic was cut; run the app again to fill the store anew: %w", f.Partition, g.parts[f.Partition].next, f.Err)
	case f.Gone():
		return fmt.Errorf("partition %d: the topic was deleted, or deleted and made anew; run the app again to fill the store anew: %w", f.Partition, f.Err)
	case f.Err != nil:
		return fmt.Errorf("partition %d: %w", f.Partition, f.Err)
	}
	if len(f.Records) == 0 {
		return nil
	}
	raws := make([]flow.Raw, 0, len(f.Records))
	for _, rec := range f.Records {
		raws = append(raws, rawOf(rec))
	}
	if err := g.Push(f.Partition, raws); err != nil {
		return err
	}
	p := g.parts[f.Partition]
	p.next, p.moved = raws[len(raws)-1].Offset+1, time.Now()
	p.lag = inlag{records: max(f.End-p.next, 0), oldest: raws[0].Time}
	g.records += int64(len(raws))
	return nil
}

// look finds topics that have more partitions than before, or are gone.
func (gs *globals) look(ctx context.Context) error {
	if time.Since(gs.looked) < min(lookEvery, gs.r.cluster.MetadataAge()) {
		return nil
	}
	gs.looked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, listing)
	defer cancel()
	found, err := gs.r.cluster.Topics(ctx, gs.r.c.Graph.Globals()...)
	if err != nil {
		gs.r.c.Log.Warn("the topics of global stores cannot be looked up; it is tried again", zap.Error(err))
		return nil
	}
	for _, g := range gs.all {
		if err := gs.compare(ctx, g, found[g.Topic()]); err != nil {
			return g.wrap(err)
		}
	}
	return nil
}

func (gs *globals) compare(ctx context.Context, g *global, now kafka.TopicInfo) error {
	switch {
	case now.Partitions == 0: // a broker that has just come up may not know it yet
		if g.missing++; g.missing > 1 {
			return errors.New("the topic was deleted")
		}
		return nil
	case now.ID != g.topic.ID:
		return errors.New("the topic was deleted and made anew while the app ran; run it again to fill the store anew")
	}
	g.missing = 0
	if now.Partitions <= g.Partitions() {
		return nil
	}
	return gs.grow(ctx, g, now)
}

// grow reads new partitions too, from their starts.
func (gs *globals) grow(ctx context.Context, g *global, now kafka.TopicInfo) error {
	gs.r.c.Log.Info("the topic of a global store has more partitions", zap.String("store", g.Store()), zap.String("topic", g.Topic()), zap.Int32("partitions", now.Partitions))
	var tps []kafka.TP
	for p := g.Partitions(); p < now.Partitions; p++ {
		tps = append(tps, g.tp(int(p)))
	}
	starts, err := gs.r.cluster.StartOffsets(ctx, tps...)
	if err != nil {
		gs.r.c.Log.Warn("where new partitions start is not known; it is tried again", zap.String("store", g.Store()), zap.Error(err))
		return nil
	}
	if err := g.Grow(now.Partitions); err != nil {
		return err
	}
	g.identify()
	for _, tp := range tps {
		g.parts = append(g.parts, &globalPart{next: starts[tp], end: starts[tp], moved: time.Now()})
	}
	gs.reader.Add(starts)
	return nil
}

// settle makes those stores ready that have what they waited for, and tells how far the others are.
func (gs *globals) settle() error {
	var progress []Restore
	lags := map[kafka.TP]inlag{}
	for _, g := range gs.all {
		for p, part := range g.parts {
			lags[g.tp(p)] = part.lag
			if part.next < part.end {
				progress = append(progress, Restore{g.Store(), int32(p), part.next, part.end})
			}
		}
		if !g.filled.Load() {
			gs.fill(g)
		}
	}
	gs.lags.Store(&lags)
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.progress = progress
	return nil
}

func (gs *globals) fill(g *global) {
	if slices.ContainsFunc(g.parts, func(p *globalPart) bool { return p.next < p.end }) {
		gs.tell(g)
		return
	}
	g.filled.Store(true)
	gs.r.views.Add(g.view(), g.Stores())
	took := time.Since(g.began)
	gs.r.c.Log.Info("global store ready", zap.String("store", g.Store()), zap.String("topic", g.Topic()), zap.Int64("records", g.records),
		zap.Duration("took", took), zap.Float64("records/s", float64(g.records)/max(took.Seconds(), 1e-3)))
	for _, w := range gs.r.all() {
		w.post(w.runWaiting)
	}
	gs.idle()
}

// tell says how far a filling is that takes long.
func (gs *globals) tell(g *global) {
	now := time.Now()
	if now.Sub(g.told) < slowFill {
		return
	}
	g.told = now
	left := int64(0)
	for i, p := range g.parts {
		left += max(p.end-p.next, 0)
		if p.next < p.end && now.Sub(p.moved) >= slowFill {
			gs.r.c.Log.Warn("the filling of a global store stands still", zap.String("store", g.Store()), zap.Stringer("partition", g.tp(i)), zap.Int64("position", p.next), zap.Int64("end", p.end))
		}
	}
	gs.r.c.Log.Info("filling a global store", zap.String("store", g.Store()), zap.Int("partitions", len(g.parts)), zap.Int64("records", g.records), zap.Int64("of", g.records+left),
		zap.Float64("records/s", float64(g.records)/max(now.Sub(g.began).Seconds(), 1e-3)))
}

// idle says that the app runs where it has nothing but global stores.
func (gs *globals) idle() {
	if gs.r.worked() || !gs.ready(gs.names()) {
		return
	}
	for i := range gs.r.c.Workers {
		gs.r.life.worker(i, Running)
	}
}

func (gs *globals) names() (all []string) {
	for _, g := range gs.all {
		all = append(all, g.Store())
	}
	return all
}

// restores are the stores that are being filled; any goroutine may call it.
func (gs *globals) restores() []Restore {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.progress
}

// worked says whether there is anything for workers to do: an app may have global stores alone.
func (r *Runtime) worked() bool { return len(r.subscribe) > 0 || r.pattern != nil }
