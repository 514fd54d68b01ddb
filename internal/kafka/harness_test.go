package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/assign"
)

// deadline bounds every wait of a test; nothing is expected to take it.
const deadline = 60 * time.Second

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func fakeCluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// settingsFor are the settings of an app on brokers, quick to notice rebalances.
func settingsFor(app string, eos bool, brokers ...string) *Settings {
	return &Settings{
		App:         app,
		ProcessID:   "p",
		ExactlyOnce: eos,
		Options: []kgo.Opt{
			kgo.SeedBrokers(brokers...),
			kgo.HeartbeatInterval(100 * time.Millisecond),
			kgo.SessionTimeout(6 * time.Second),
			kgo.FetchMaxWait(50 * time.Millisecond),
		},
	}
}

func dial(t testing.TB, set *Settings) *Cluster {
	t.Helper()
	c, err := Dial(testContext(t), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// tester is a worker: a member of a group that reads a topic whose partitions are the tasks, and a handler that notes
// what it hears.
type tester struct {
	t     testing.TB
	set   *Settings
	topic string
	g     *Group
	p     *Producer

	working   atomic.Bool // between two Polls
	ungated   atomic.Int64
	callbacks atomic.Int64

	// onRevoked and onAssigned, if set, run inside the callbacks.
	onRevoked  func(gone []TP)
	onAssigned func(plan Plan, added []TP)

	mu      sync.Mutex
	plan    Plan
	owned   map[TP]bool
	lost    []TP
	started map[TP]Started
	starts  int
	reset   ResetPolicy

	records []*kgo.Record // what Poll brought, control records too
	ends    map[TP]int64
	fetched []Fetched // with errors
}

func newTester(t testing.TB, set *Settings, worker int, topic string, change ...func(*tester, *GroupConfig)) *tester {
	t.Helper()
	w := &tester{t: t, set: set, topic: topic, owned: map[TP]bool{}, started: map[TP]Started{}, ends: map[TP]int64{}}
	cfg := GroupConfig{
		Worker:  worker,
		Topics:  []string{topic},
		Handler: w,
		Planner: planFor(topic),
		Data:    func() assign.MemberData { return assign.MemberData{Process: [16]byte{byte(worker + 1)}} },
		Reset:   func(string) ResetPolicy { return w.reset },
	}
	for _, f := range change {
		f(w, &cfg)
	}
	g, err := NewGroup(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.g = g
	t.Cleanup(g.Close)
	return w
}

func (w *tester) withProducer(worker int) *tester {
	w.t.Helper()
	p, err := NewProducer(testContext(w.t), w.set, worker)
	if err != nil {
		w.t.Fatal(err)
	}
	w.p = p
	w.t.Cleanup(p.Close)
	return w
}

func planFor(topic string) Planner {
	return func(j Joined) (Work, error) {
		var work Work
		for p := range j.Partitions[topic] {
			work.Tasks = append(work.Tasks, assign.Task{
				ID:      assign.TaskID{Partition: p},
				Sources: []TP{{Topic: topic, Partition: p}},
			})
		}
		return work, nil
	}
}

// enter is called first in each callback: whoever works now works unguarded.
func (w *tester) enter() {
	w.callbacks.Add(1)
	if w.working.Load() {
		w.ungated.Add(1)
	}
	time.Sleep(100 * time.Microsecond) // gives an ungated worker the time to begin
	if w.working.Load() {
		w.ungated.Add(1)
	}
}

func (w *tester) Assigned(_ context.Context, plan Plan, added []TP) {
	w.enter()
	w.mu.Lock()
	w.plan = plan
	for _, tp := range added {
		if w.owned[tp] {
			w.t.Errorf("%s assigned twice", tp)
		}
		w.owned[tp] = true
	}
	w.mu.Unlock()
	if w.onAssigned != nil {
		w.onAssigned(plan, added)
	}
}

func (w *tester) Revoked(_ context.Context, gone []TP) {
	w.enter()
	if w.onRevoked != nil {
		w.onRevoked(gone)
	}
	w.drop(gone)
}

func (w *tester) Lost(_ context.Context, gone []TP) {
	w.enter()
	w.mu.Lock()
	w.lost = append(w.lost, gone...)
	w.mu.Unlock()
	w.drop(gone)
}

func (w *tester) drop(gone []TP) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, tp := range gone {
		if !w.owned[tp] {
			w.t.Errorf("%s taken, and not owned", tp)
		}
		delete(w.owned, tp)
		delete(w.started, tp)
	}
}

func (w *tester) has() []TP {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Keys(w.owned), TP.Compare)
}

// poll polls once, for at most 20 ms, and checks that records fit what is owned.
func (w *tester) poll() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	return w.pollWith(ctx)
}

// look polls once without waiting.
func (w *tester) look() error {
	//lint:ignore SA1012 nil is how Poll is told so
	return w.pollWith(nil)
}

func (w *tester) pollWith(ctx context.Context) error {
	w.working.Store(false)
	polled, err := w.g.Poll(ctx)
	w.working.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range polled.Started {
		if !w.owned[s.TP] {
			w.t.Errorf("%s started, and not owned", s.TP)
		}
		w.started[s.TP] = s
		w.starts++
	}
	for _, f := range polled.Fetched {
		if f.Err != nil {
			w.fetched = append(w.fetched, f)
			continue
		}
		if _, ok := w.started[f.TP]; !ok {
			w.t.Errorf("records of %s, which was not started", f.TP)
		}
		w.ends[f.TP] = f.End
		w.records = append(w.records, f.Records...)
	}
	return err
}

// until polls until something is so.
func (w *tester) until(what string, so func() bool) {
	w.t.Helper()
	for end := time.Now().Add(deadline); !so(); {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s (owns %v)", what, w.has())
		}
		if err := w.poll(); err != nil {
			w.t.Fatalf("poll, waiting for %s: %v", what, err)
		}
	}
}

// untilStarted polls until a number of partitions are owned and started.
func (w *tester) untilStarted(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d partitions started", n), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.owned) == n && len(w.started) == n
	})
}

// background polls until stop, on a goroutine of its own.
func (w *tester) background() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				w.working.Store(false)
				return
			default:
				if err := w.poll(); err != nil {
					w.t.Errorf("poll: %v", err)
					return
				}
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

func (w *tester) commit(offset int64) (Outcome, error) {
	w.t.Helper()
	var offsets []Offset
	for _, tp := range w.has() {
		offsets = append(offsets, Offset{TP: tp, Offset: offset, LeaderEpoch: -1, Metadata: fmt.Sprint("m", offset)})
	}
	return Commit(testContext(w.t), w.g, w.p, CommitInput{Offsets: offsets})
}

// produce writes values to a partition by a client that has nothing to do with the code under test.
func produce(t testing.TB, set *Settings, topic string, partition int32, values ...string) {
	t.Helper()
	cl, err := kgo.NewClient(append(slices.Clone(set.Options), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
		if err := cl.ProduceSync(testContext(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readCommittedValues reads what a reader of committed records sees in a partition, to the log's stable end.
func readCommittedValues(t testing.TB, set *Settings, topic string, partition int32) (values []string) {
	t.Helper()
	c := dial(t, set)
	tp := TP{Topic: topic, Partition: partition}
	ends, err := c.StableOffsets(testContext(t), tp)
	if err != nil {
		t.Fatal(err)
	}
	if ends[tp] == 0 {
		return nil
	}
	readTo(t, set, ReaderConfig{Committed: true}, tp, ends[tp], func(rec *kgo.Record) {
		if !rec.Attrs.IsControl() {
			values = append(values, string(rec.Value))
		}
	})
	return values
}

// readTo reads a partition from its start until the position is at end.
func readTo(t testing.TB, set *Settings, cfg ReaderConfig, tp TP, end int64, each func(*kgo.Record)) {
	t.Helper()
	r, err := NewReader(set, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Add(map[TP]int64{tp: 0})
	for position := int64(0); position < end; {
		fetched, err := r.Poll(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetched {
			if f.Err != nil {
				t.Logf("reading %s at %d: %v", tp, position, f.Err)
			}
			for _, rec := range f.Records {
				position = rec.Offset + 1
				each(rec)
			}
		}
	}
}

// logTopic logs all that a partition holds, whatever became of its transactions.
func logTopic(t testing.TB, set *Settings, tp TP) {
	t.Helper()
	ends, err := dial(t, set).EndOffsets(testContext(t), tp)
	if err != nil {
		t.Fatal(err)
	}
	readTo(t, set, ReaderConfig{}, tp, ends[tp], func(rec *kgo.Record) {
		t.Logf("%s, %d: producer %d epoch %d, control %v, key %x, value %q", tp, rec.Offset, rec.ProducerID, rec.ProducerEpoch, rec.Attrs.IsControl(), rec.Key, rec.Value)
	})
}
