package changelog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/store"
)

// ErrRemoved is what Job.Done is told when the job was removed before it was complete. Its stores are open, if they were opened: what they
// hold is good, and how far it goes, they know.
var ErrRemoved = errors.New("the restore was called off")

// Log is a store and the partition that its rows are logged to.
type Log struct {
	Store string
	kafka.TP
	// Source says that the partition is an input of the task: rows come as far as the group has committed, and the rest when the task reads it.
	Source bool
}

// Job is one task's stores.
type Job struct {
	Task string
	Logs []Log
	// Open opens the stores; it may wait until a former owner has closed them. It runs on a goroutine of its own.
	Open func(context.Context) (*store.Set, error)
	// Moved, if set, is told how far the stores are: the sum of the logs' positions. It runs on the restorer's goroutine.
	Moved func(position int64)
	// Refused decides about a record of an input that cannot be read: without an error it is left out. It runs on the restorer's goroutine.
	Refused func(l Log, r store.LogRecord, err error) error
	// Done takes the job back, on the restorer's goroutine. After an error other than ErrRemoved there are no stores. ends are the logs'
	// ends, by store: what the next record written to them should get.
	Done func(stores *store.Set, ends map[string]int64, err error)

	stores *store.Set
	ends   map[string]int64
	parts  map[kafka.TP]*part
	cancel context.CancelFunc
	gone   bool
}

// part is one partition on its way to its end.
type part struct {
	store    string
	position int64
	end      int64
	log      Log
	source   bool          // nothing from end on may be applied
	reader   *kafka.Reader // that reads it
	records  int64
	began    time.Time
	moved    time.Time
}

// Progress is how far a store's restore is.
type Progress struct {
	Store     string
	Partition int32
	Done, End int64 // offsets
}

// Config is what a Restorer is made of.
type Config struct {
	Settings *kafka.Settings
	Cluster  *kafka.Cluster
	Log      *zap.Logger
}

// Restorer restores the tasks of one worker. Add, Remove and Progress may be called from any goroutine.
type Restorer struct {
	c      Config
	reader *kafka.Reader // of committed records
	all    *kafka.Reader // of the inputs of an app that takes all records, as the tasks do; nil before there are any

	mu       sync.Mutex
	inbox    []func()
	nudge    context.CancelFunc
	progress []Progress

	jobs    map[string]*Job
	byPart  map[kafka.TP]*Job
	lines   map[string]*line // by store
	opening sync.WaitGroup
}

// line is what a store's restore has done since it was last told of.
type line struct {
	at               time.Time
	offsets, records int64
}

// New makes a restorer; Run does its work.
func New(c Config) (*Restorer, error) {
	// Aborted records of a changelog are never state, whatever the guarantee: an earlier run of the app may have had another.
	reader, err := kafka.NewReader(c.Settings, kafka.ReaderConfig{Committed: true})
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	return &Restorer{c: c, reader: reader, nudge: func() {}, jobs: map[string]*Job{}, byPart: map[kafka.TP]*Job{}, lines: map[string]*line{}}, nil
}

// Add takes a job.
func (r *Restorer) Add(ctx context.Context, j *Job) { r.post(func() { r.begin(ctx, j) }) }

// Remove calls a job off; nothing happens when it is already done.
func (r *Restorer) Remove(task string) { r.post(func() { r.remove(task) }) }

// Progress is what is being restored.
func (r *Restorer) Progress() []Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// Run works until ctx ends; then it calls off what it has, and closes.
func (r *Restorer) Run(ctx context.Context) error {
	defer r.close()
	for ctx.Err() == nil {
		wait, cancel := r.arm(ctx)
		for _, f := range r.take() {
			f()
		}
		r.report()
		err := r.read(wait)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.failAll(err)
		}
	}
	r.failAll(ErrRemoved)
	r.opening.Wait()
	for _, f := range r.take() {
		f()
	}
	r.failAll(ErrRemoved)
	return nil
}

func (r *Restorer) close() {
	r.reader.Close()
	if r.all != nil {
		r.all.Close()
	}
}

// arm makes the context of the next wait, which post ends. It is made before the inbox is emptied: what is posted in between is not missed.
func (r *Restorer) arm(ctx context.Context) (context.Context, context.CancelFunc) {
	wait, cancel := context.WithTimeout(ctx, time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nudge = cancel
	return wait, cancel
}

func (r *Restorer) post(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inbox = append(r.inbox, f)
	r.nudge()
}

func (r *Restorer) take() []func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.inbox
	r.inbox = nil
	return all
}

// begin opens the job's stores beside the loop, since a former owner may still have to close them.
func (r *Restorer) begin(ctx context.Context, j *Job) {
	r.jobs[j.Task] = j
	ctx, j.cancel = context.WithCancel(ctx)
	r.opening.Go(func() {
		stores, starts, err := r.open(ctx, j)
		r.post(func() { r.opened(j, stores, starts, err) })
	})
}

// open opens the stores and asks where their logs start and end. With an error it may return open stores.
func (r *Restorer) open(ctx context.Context, j *Job) (stores *store.Set, starts map[kafka.TP]int64, err error) {
	if stores, err = j.Open(ctx); err != nil {
		return nil, nil, err
	}
	tps := make([]kafka.TP, len(j.Logs))
	for i, l := range j.Logs {
		tps[i] = l.TP
	}
	if len(tps) == 0 {
		return stores, nil, nil
	}
	for {
		starts, ends, err := r.bounds(ctx, tps)
		committed := map[kafka.TP]int64{}
		if err == nil {
			committed, err = r.committed(ctx, j)
		}
		switch {
		case err == nil:
			j.plan(ends)
			j.stopAt(stores, committed, starts)
			return stores, starts, nil
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return stores, nil, fmt.Errorf("task %s: where changelogs end: %w", j.Task, err)
		}
		r.c.Log.Warn("the brokers do not answer: waiting for the ends of changelogs", zap.String("task", j.Task), zap.Error(err))
	}
}

func (r *Restorer) bounds(ctx context.Context, tps []kafka.TP) (starts, ends map[kafka.TP]int64, err error) {
	if starts, err = r.c.Cluster.StartOffsets(ctx, tps...); err == nil {
		ends, err = r.c.Cluster.EndOffsets(ctx, tps...)
	}
	return starts, ends, err
}

// committed are the offsets up to which the group has read those logs that are inputs.
func (r *Restorer) committed(ctx context.Context, j *Job) (map[kafka.TP]int64, error) {
	var inputs []kafka.TP
	for _, l := range j.Logs {
		if l.Source {
			inputs = append(inputs, l.TP)
		}
	}
	if len(inputs) == 0 {
		return nil, nil
	}
	got, err := r.c.Cluster.CommittedOffsets(ctx, r.c.Settings.App, inputs...)
	at := map[kafka.TP]int64{}
	for tp, c := range got {
		at[tp] = c.Offset
	}
	return at, err
}

// stopAt ends the restore of inputs at what is committed: at the start, where nothing is. Rows that go further, for the last commit stopped half way,
// stay: the task reads these records again.
func (j *Job) stopAt(stores *store.Set, committed, starts map[kafka.TP]int64) {
	for tp, at := range committed {
		p := j.parts[tp]
		p.source = true
		if had, ok := stores.Position(p.store); ok {
			at = max(at, had)
		}
		if at = max(at, starts[tp]); at < p.end {
			p.end = at
		}
	}
}

func (j *Job) plan(ends map[kafka.TP]int64) {
	j.parts, j.ends = map[kafka.TP]*part{}, map[string]int64{}
	now := time.Now()
	for _, l := range j.Logs {
		j.parts[l.TP] = &part{store: l.Store, log: l, end: ends[l.TP], began: now, moved: now}
		j.ends[l.Store] = ends[l.TP]
	}
}

// opened goes on with a job whose stores are open, on the restorer's goroutine.
func (r *Restorer) opened(j *Job, stores *store.Set, starts map[kafka.TP]int64, err error) {
	j.stores = stores
	if j.gone {
		r.finish(j, ErrRemoved)
		return
	}
	if err == nil {
		err = r.position(j, starts)
	}
	if err != nil {
		r.finish(j, err)
		return
	}
	r.settle(j)
}

// position finds where each partition is read from: behind what the engine holds, or the log's start.
func (r *Restorer) position(j *Job, starts map[kafka.TP]int64) error {
	from := map[*kafka.Reader]map[kafka.TP]int64{}
	for tp, p := range j.parts {
		at, ok := j.stores.Position(p.store)
		switch {
		case !ok:
			at = starts[tp]
		case at > p.end:
			return fmt.Errorf("task %s: store %q holds changelog %s up to offset %d, but the topic ends at %d: it was made anew or cut; bring it back, or remove the task's state directory to go on with what the topic holds", j.Task, p.store, tp, at, p.end)
		case at < starts[tp]:
			r.c.Log.Warn("the changelog no longer holds what comes after the store's rows: reading it whole",
				zap.String("task", j.Task), zap.String("store", p.store), zap.Stringer("changelog", tp), zap.Int64("position", at), zap.Int64("start", starts[tp]))
			if err := j.stores.Forget(p.store); err != nil {
				return fmt.Errorf("task %s: store %q: %w", j.Task, p.store, err)
			}
			at = starts[tp]
		}
		if p.position = at; at == p.end {
			continue
		}
		if err := r.reads(p); err != nil {
			return err
		}
		if from[p.reader] == nil {
			from[p.reader] = map[kafka.TP]int64{}
		}
		from[p.reader][tp] = at
		r.byPart[tp] = j
	}
	for reader, at := range from {
		reader.Add(at)
	}
	j.moved()
	return nil
}

// reads finds who reads a partition: an input is read as the tasks read it.
func (r *Restorer) reads(p *part) (err error) {
	p.reader = r.reader
	if !p.log.Source || r.c.Settings.ExactlyOnce {
		return nil
	}
	if r.all == nil {
		if r.all, err = kafka.NewReader(r.c.Settings, kafka.ReaderConfig{}); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	p.reader = r.all
	return nil
}

// moved tells how far the job is.
func (j *Job) moved() {
	if j.Moved == nil {
		return
	}
	var sum int64
	for _, p := range j.parts {
		sum += p.position
	}
	j.Moved(sum)
}

// settle finishes the job when every partition has reached its end.
func (r *Restorer) settle(j *Job) {
	for _, p := range j.parts {
		if p.position < p.end {
			return
		}
	}
	r.finish(j, nil)
}

// finish gives the job back.
func (r *Restorer) finish(j *Job, err error) {
	for tp, p := range j.parts {
		if r.byPart[tp] == j {
			delete(r.byPart, tp)
			p.reader.Remove(tp)
		}
		if err == nil && p.records > 0 {
			took := time.Since(p.began)
			r.c.Log.Info("store restored", zap.String("task", j.Task), zap.String("store", p.store), zap.Int64("records", p.records),
				zap.Duration("took", took), zap.Float64("records/s", float64(p.records)/max(took.Seconds(), 1e-3)))
		}
	}
	if r.jobs[j.Task] == j {
		delete(r.jobs, j.Task)
	}
	if j.cancel != nil {
		j.cancel()
	}
	stores := j.stores
	if err != nil && stores != nil && !errors.Is(err, ErrRemoved) {
		err = errors.Join(err, stores.Close())
		stores = nil
	}
	j.Done(stores, j.ends, err)
}

func (r *Restorer) remove(task string) {
	j := r.jobs[task]
	if j == nil {
		return
	}
	if j.stores == nil { // still opening: opened finishes it
		j.gone = true
		j.cancel()
		delete(r.jobs, task)
		return
	}
	r.finish(j, ErrRemoved)
}

func (r *Restorer) failAll(err error) {
	for _, j := range r.jobs {
		if j.stores == nil {
			j.gone = true
			j.cancel()
			delete(r.jobs, j.Task)
			continue
		}
		r.finish(j, err)
	}
}

// read waits for records and applies them. Where there are two who read, each waits for a turn alone.
func (r *Restorer) read(ctx context.Context) error {
	switch {
	case r.all == nil || !r.all.Reading():
		return r.readFrom(ctx, r.reader)
	case !r.reader.Reading():
		return r.readFrom(ctx, r.all)
	}
	for _, reader := range []*kafka.Reader{r.reader, r.all} {
		wait, cancel := context.WithTimeout(ctx, turn)
		err := r.readFrom(wait, reader)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Restorer) readFrom(ctx context.Context, reader *kafka.Reader) error {
	fetched, err := reader.Poll(ctx)
	if err != nil {
		return err
	}
	for i := range fetched {
		f := &fetched[i]
		j := r.byPart[f.TP]
		if j == nil {
			continue
		}
		if err := r.apply(j, f); err != nil {
			r.finish(j, fmt.Errorf("task %s: restore from %s: %w", j.Task, f.TP, err))
			continue
		}
		r.settle(j)
	}
	return nil
}

func (r *Restorer) apply(j *Job, f *kafka.Fetched) error {
	p := j.parts[f.TP]
	if f.Err != nil {
		if !f.OutOfRange() {
			return f.Err
		}
		return r.restart(j, f.TP, p)
	}
	recs := make([]store.LogRecord, 0, len(f.Records))
	next := p.position
	for _, rec := range f.Records {
		if p.source && rec.Offset >= p.end {
			next = p.end
			break
		}
		next = rec.Offset + 1
		if rec.Attrs.IsControl() {
			continue
		}
		recs = append(recs, store.LogRecord{Key: rec.Key, Value: rec.Value, Time: rec.Timestamp.UnixMilli(), Offset: rec.Offset})
	}
	if next == p.position {
		return nil
	}
	recs, err := j.reread(p, recs)
	if err != nil {
		return err
	}
	if err := j.stores.Replay(p.store, recs, next); err != nil {
		return err
	}
	r.count(p, next-p.position, int64(len(recs)))
	p.position, p.moved = next, time.Now()
	j.moved()
	return nil
}

// reread makes changelog records of those of an input.
func (j *Job) reread(p *part, recs []store.LogRecord) ([]store.LogRecord, error) {
	if !p.source {
		return recs, nil
	}
	return j.stores.Reread(p.store, recs, func(r store.LogRecord, err error) error { return j.Refused(p.log, r, err) })
}

// restart reads a log whose start has moved past the position.
func (r *Restorer) restart(j *Job, tp kafka.TP, p *part) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	starts, err := r.c.Cluster.StartOffsets(ctx, tp)
	if err != nil {
		return err
	}
	r.c.Log.Warn("the changelog was cut while it was read: reading it whole", zap.String("task", j.Task), zap.String("store", p.store), zap.Stringer("changelog", tp))
	if err := j.stores.Forget(p.store); err != nil {
		return err
	}
	p.position = starts[tp]
	j.moved()
	p.reader.Remove(tp)
	if p.position < p.end {
		p.reader.Add(map[kafka.TP]int64{tp: p.position})
	}
	return nil
}

const (
	turn    = 20 * time.Millisecond
	stalled = 10 * time.Second // how long a restore may stand still before it says so
	telling = 10 * time.Second // how often a restore that takes long says how far it is
)

// report publishes the progress, and says which restores stand still.
func (r *Restorer) report() {
	var all []Progress
	now := time.Now()
	under := map[string]*sum{}
	for tp, j := range r.byPart {
		p := j.parts[tp]
		all = append(all, Progress{p.store, tp.Partition, p.position, p.end})
		under[p.store] = under[p.store].plus(p)
		if now.Sub(p.moved) > stalled {
			p.moved = now
			r.c.Log.Warn("a restore waits: a transaction may be open in the changelog", zap.String("task", j.Task), zap.String("store", p.store), zap.Stringer("changelog", tp), zap.Int64("position", p.position), zap.Int64("end", p.end))
		}
	}
	r.tell(under, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = all
}

// sum is one store's restore, over all partitions that are under way.
type sum struct {
	partitions    int
	records, left int64 // left: offsets, and so no fewer than records
}

func (s *sum) plus(p *part) *sum {
	if s == nil {
		s = &sum{}
	}
	s.partitions++
	s.records += p.records
	s.left += p.end - p.position
	return s
}

// count adds to what a store's next line tells.
func (r *Restorer) count(p *part, offsets, records int64) {
	p.records += records
	if l := r.lines[p.store]; l != nil {
		l.offsets += offsets
		l.records += records
	}
}

// tell says how far restores are that take long, a line a store. One that stands still has a line of its own.
func (r *Restorer) tell(under map[string]*sum, now time.Time) {
	maps.DeleteFunc(r.lines, func(store string, _ *line) bool { return under[store] == nil })
	for _, store := range slices.Sorted(maps.Keys(under)) {
		l := r.lines[store]
		switch {
		case l == nil:
			r.lines[store] = &line{at: now}
		case now.Sub(l.at) >= telling:
			if l.offsets > 0 {
				r.progressed(store, under[store], l, now.Sub(l.at).Seconds())
			}
			*l = line{at: now}
		}
	}
}

func (r *Restorer) progressed(store string, s *sum, l *line, seconds float64) {
	left := time.Duration(float64(s.left) / float64(l.offsets) * seconds * float64(time.Second))
	r.c.Log.Info("restoring", zap.String("store", store), zap.Int("partitions", s.partitions), zap.Int64("records", s.records), zap.Int64("of", s.records+s.left),
		zap.Float64("records/s", float64(l.records)/seconds), zap.Duration("left", left.Round(time.Second)))
}
