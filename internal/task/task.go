package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

// Config is what a task is made of.
type Config struct {
	App       string
	Name      string // subtopology_partition
	Partition int32
	Sub       *topology.Sub
	Inputs    []Input    // every partition that the task reads
	Stores    *store.Set // opened and restored; the task's until Close or Abandon
	Out       flow.Collector
	Stats     *flow.Stats
	OnError   flow.Handler
	OnDropped flow.DropHandler
	Around    flow.Wrapper
	Pause     func(time.Duration) error
	Calls     flow.Calls // for this task alone; nil where no node needs it
	Atomic    bool       // see flow.Env
	// MaxIdle is how long, in ms, an empty queue whose lag is known to be zero holds the others back (KIP-695); −1 never waits.
	MaxIdle    int64
	CacheBytes int64 // of all stores together; with 0 none has a cache
	QueueBytes int64 // a queue over it asks for its partition to be paused; 0 for no limit
	Now        int64 // ms
	Recovers   bool
	EmitEvery  int64 // ms of wall-clock time; see flow.Env
	CloseIdle  int64 // ms of wall-clock time; see flow.Env
	// Lend finds the task's stores that hold a global store, which the sub-topology borrows; nil where it borrows none.
	Lend func(store string) (*store.Set, bool)
}

// Input is one partition that a task reads, with what was committed for it.
type Input struct {
	flow.TopicPartition
	// Start is where reading begins, if that is known; else 0. It matters for the lag of a partition from which nothing has come yet.
	Start    int64
	Metadata string // of the committed offset; what cannot be read counts as none
}

// Offset is what is committed for an input partition.
type Offset struct {
	Next     int64 // the first offset that is not done
	Epoch    int32 // of the record before it, −1 if unknown
	Metadata string
}

// PendingLimit is how many bytes of uncommitted writes make a task want a commit.
const PendingLimit = 64 << 20

// Task is owned by one goroutine.
type Task struct {
	c          Config
	env        *flow.Env
	ctx        rows.Context // what is in process; the stores hold its address
	cancel     context.CancelFunc
	inputs     []*input // in the order of ties
	byName     map[flow.TopicPartition]*input
	users      map[string]*flow.Node // by store: the first node that uses it
	changelogs map[string]*flow.Dest
	mirrors    map[string]flow.TopicPartition // stores whose changelog is an input
	watermarks map[string]int64               // as committed
	prepared   map[flow.TopicPartition]Offset // between the halves of a commit
	worked     bool                           // since the last commit
	idleUntil  int64                          // when the task stops waiting for a queue; −1 when it waits for something else, or not
	quiet      int64                          // since when all inputs have been read to their ends and silent; −1: they are not
	confirmed  int64                          // when the inputs' ends were asked for last; −1: never
	node       string                         // the source or punctuation in process
	err        error                          // the first; final
	closed     bool
}

// New makes the nodes and starts the stores. Errors of processors' Init come back here; then what was made is closed again, and the
// stores are as they were.
func New(c Config) (*Task, error) {
	t := &Task{c: c, idleUntil: -1, quiet: -1, confirmed: -1, byName: map[flow.TopicPartition]*input{}}
	t.env = &flow.Env{
		App: c.App, Task: c.Name, Partition: c.Partition, Stores: c.Stores, Out: c.Out, OnError: c.OnError, OnDropped: c.OnDropped, Around: c.Around,
		Stats: c.Stats, StreamTime: -1, WallTime: c.Now, Pause: c.Pause, Recovers: c.Recovers, EmitEvery: c.EmitEvery, CloseIdle: c.CloseIdle,
		Calls: c.Calls, Atomic: c.Atomic, Starts: map[flow.TopicPartition]int64{},
	}
	t.env.Context, t.cancel = context.WithCancel(context.Background())
	t.between()
	if err := t.start(); err != nil {
		return nil, errors.Join(err, t.shut())
	}
	return t, nil
}

// start restores the times before it makes the nodes: a processor's Init may look at them.
func (t *Task) start() (err error) {
	if err := t.prepareStores(); err != nil {
		return t.named(err)
	}
	made, err := t.c.Sub.Make(t.env) // names the task
	if err != nil {
		return err
	}
	if err := t.join(made.Sources); err != nil {
		return t.named(err)
	}
	return nil
}

func (t *Task) prepareStores() (err error) {
	defer flow.Catch(&err)
	if err := t.addInputs(); err != nil {
		return err
	}
	t.users, t.changelogs, t.mirrors = map[string]*flow.Node{}, map[string]*flow.Dest{}, map[string]flow.TopicPartition{}
	for _, s := range t.c.Sub.Stores {
		t.addStore(s)
	}
	t.c.Stores.Caching(t.c.CacheBytes > 0)
	t.c.Stores.SetWall(t.c.Now)
	t.env.OnClose(func() error { return errors.Join(t.c.Stores.CloseFacades()...) })
	if err := t.c.Stores.Start(t.log, &t.ctx, t.env.Stick, t.expired); err != nil {
		return err
	}
	t.restoreMarks()
	return t.borrow()
}

// borrow makes the global stores readable that the nodes name.
func (t *Task) borrow() error {
	for _, name := range t.c.Sub.Borrows {
		from, ok := (*store.Set)(nil), false
		if t.c.Lend != nil {
			from, ok = t.c.Lend(name)
		}
		if !ok {
			return fmt.Errorf("nobody lends the global store %q", name)
		}
		if err := t.c.Stores.Borrow(name, from); err != nil {
			return err
		}
	}
	return nil
}

func (t *Task) addStore(s *topology.Store) {
	user := t.userOf(s.Name)
	t.users[s.Name] = flow.NewNode(t.env, user, nil, nil)
	topic, ok := s.Changelog()
	switch {
	case !ok, t.c.Sub.Global: // its positions are Global's affair
	case s.SourceTopic != "":
		t.mirrors[s.Name] = flow.TopicPartition{Topic: topic.In(t.c.App), Partition: t.c.Partition}
	default:
		n := flow.NewNode(t.env, user, alwaysFail, nil)
		t.changelogs[s.Name] = &flow.Dest{Topic: topic.In(t.c.App), Store: s.Name, Node: n, Changelog: true}
	}
}

// alwaysFail is the decision about what a changelog refuses: state and changelog would part.
func alwaysFail(context.Context, *processor.RecordError) processor.Decision { return processor.Fail() }

// userOf is the first node that uses a store, for messages and counters.
func (t *Task) userOf(store string) string {
	for _, n := range t.c.Sub.Nodes {
		if slices.Contains(n.Stores, store) {
			return n.Name
		}
	}
	return store
}

// log sends a changelog record. Its error sticks: user code that swallowed it, or a decision to skip, would part state and changelog.
func (t *Task) log(store string, key, value []byte, at int64, headers bool) error {
	d := t.changelogs[store]
	if d == nil {
		return nil
	}
	var h processor.Headers
	if headers {
		h, _ = t.ctx.Headers.(processor.Headers)
	}
	err := t.send(d, key, value, h, at)
	if err == nil {
		return nil
	}
	err = t.fatal(processor.Producing, d.Node.Name, fmt.Errorf("changelog of store %q: %w", store, err))
	t.env.Stick(err)
	return err
}

// send has the record in process known to the collector; at a flush that is where the row's last record was read.
func (t *Task) send(d *flow.Dest, key, value []byte, h processor.Headers, at int64) error {
	if t.env.Origin.Topic != "" {
		return t.c.Out.Send(d, t.c.Partition, key, value, h, at)
	}
	none := t.env.Origin
	t.env.Origin = flow.Origin{Topic: t.ctx.Topic, Partition: t.ctx.Partition, Offset: t.ctx.Offset, Time: t.ctx.Time, Written: t.ctx.Time}
	err := t.c.Out.Send(d, t.c.Partition, key, value, h, at)
	t.env.Origin = none
	return err
}

func (t *Task) expired(store string) { t.env.Drop(t.users[store], flow.Expired) }

// fatal is an error about which nobody is asked.
func (t *Task) fatal(p processor.Phase, node string, err error) error {
	var decided *flow.Fatal
	if errors.As(err, &decided) {
		return decided
	}
	o := &t.env.Origin
	return &flow.Fatal{RecordError: &processor.RecordError{
		Phase: p, Node: node, Source: o.Source(), Key: o.Key, Value: o.Value, Time: time.UnixMilli(o.Time).UTC(), Err: err,
	}}
}

func (t *Task) named(err error) error { return fmt.Errorf("task %s: %w", t.c.Name, err) }

// usable refuses work after an error.
func (t *Task) usable() error {
	switch {
	case t.closed:
		return t.named(errors.New("closed"))
	case t.err != nil:
		return t.named(fmt.Errorf("stopped by an earlier error: %w", t.err))
	}
	return nil
}

// boundary ends a method that runs nodes: a panic of anything below becomes its error, and any error is the task's last.
func (t *Task) boundary(err *error) {
	if x := recover(); x != nil {
		*err = t.fatal(processor.Processing, t.node, flow.Panicked(x))
	}
	if *err != nil {
		t.err = *err
		*err = t.named(*err)
	}
}

// Status is what a task looks like from outside.
type Status struct {
	StreamTime int64 // ms, −1 before the first record
	Inputs     []InputStatus
}

// InputStatus is an input partition in a Status. Before anything came Position is where reading begins; End is −1 while unknown.
type InputStatus struct {
	flow.TopicPartition
	Position int64 // the first offset that is not done
	End      int64
	Records  int // that wait
	Bytes    int64
}

// Status tells where the task stands.
func (t *Task) Status() Status {
	s := Status{StreamTime: t.env.StreamTime}
	for _, in := range t.inputs {
		at, _, ok := in.queue.Position()
		if !ok {
			at = in.next
		}
		s.Inputs = append(s.Inputs, InputStatus{in.TopicPartition, at, in.end, in.queue.Len(), in.queue.Bytes()})
	}
	return s
}

// Close closes processors and stores; what was not committed is forgotten. A second Close does nothing.
func (t *Task) Close() error {
	if t.closed {
		return nil
	}
	return t.ended(errors.Join(t.shut(), t.c.Stores.Close()))
}

// Abandon closes processors and brings the stores back to the last commit. They stay open and are the caller's again: to restore their tail and
// to make a new task on.
func (t *Task) Abandon() error {
	if t.closed {
		return nil
	}
	return t.ended(errors.Join(t.shut(), t.c.Stores.Discard()))
}

func (t *Task) ended(err error) error {
	if err != nil {
		return t.named(err)
	}
	return nil
}

// shut ends everything but the stores.
func (t *Task) shut() (err error) {
	t.closed = true
	t.cancel()
	for _, in := range t.inputs {
		if in.queue != nil {
			in.queue.Clear()
		}
	}
	t.between()
	defer flow.Catch(&err)
	return errors.Join(t.env.Close()...)
}
