package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A scenario runs on any broker: kfake in every run, real ones under the build tag kafka. It returns what is wrong, so
// that a saboteur can be seen to be caught.

// place is where a scenario runs: topics of its own on a broker.
type place struct {
	cluster *kfake.Cluster // nil with a real broker
	brokers []string
	app     string
	in, out string
	session time.Duration // the shortest that the broker allows
	options []kgo.Opt
}

func (p place) settings(eos bool) *Settings {
	set := settingsFor(p.app, eos, p.brokers...)
	set.Options = append(set.Options, kgo.SessionTimeout(p.session))
	set.Options = append(set.Options, p.options...)
	return set
}

func (p place) committed(t testing.TB, partition int32) Committed {
	t.Helper()
	tp := TP{Topic: p.in, Partition: partition}
	got, err := dial(t, p.settings(false)).CommittedOffsets(testContext(t), p.app, tp)
	if err != nil {
		t.Fatal(err)
	}
	return got[tp]
}

// held is a network on which requests of one kind can be stopped on their way out, as by a pause of the process.
type held struct {
	key  int16
	stop atomic.Pointer[chan struct{}]
	hit  chan struct{}
}

func hold(key int16) *held { return &held{key: key, hit: make(chan struct{}, 100)} }

// arm holds requests until what it returns is called.
func (h *held) arm() (release func()) {
	until := make(chan struct{})
	h.stop.Store(&until)
	return sync.OnceFunc(func() { h.stop.Store(nil); close(until) })
}

func (h *held) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &heldConn{c, h}, nil
}

type heldConn struct {
	net.Conn
	h *held
}

// Write sees whole requests: length (4), key (2), version (2), …
func (c *heldConn) Write(b []byte) (int, error) {
	if until := c.h.stop.Load(); until != nil && len(b) >= 8 && int16(binary.BigEndian.Uint16(b[4:])) == c.h.key {
		c.h.hit <- struct{}{}
		<-*until
	}
	return c.Conn.Write(b)
}

const joinGroup = 11

// zombieScenario: A, which processed up to 50, stalls in its JoinGroup and is thrown out. B takes over, processes and
// commits 100. A wakes, is a member again under another id, and tries to commit what it had.
//
// With sabotage A takes the member id from the client instead of the recorded one.
func zombieScenario(t *testing.T, at place, eos, sabotage bool) error {
	network := hold(joinGroup)
	set := at.settings(eos)
	set.TransactionTimeout = time.Minute
	setA := *set
	setA.Options = append(slices.Clone(set.Options), kgo.Dialer(network.dial))
	setA.ProcessID = "a"
	a := newTester(t, &setA, 0, at.in).withProducer(0)
	a.untilStarted(2)
	if eos {
		mustSend(t, a.p, NewDest(nil), Out{Topic: at.out, Value: []byte("A: 0 to 49")})
	}
	release := network.arm()
	defer release()

	tried := make(chan error, 1)
	tp := TP{Topic: at.in}
	commit := func() error {
		if sabotage {
			defer believeTheClient(a.g, tp)()
		}
		_, err := Commit(testContext(t), a.g, a.p, CommitInput{Offsets: []Offset{{TP: tp, Offset: 50, LeaderEpoch: -1}}})
		return err
	}
	try := sync.OnceFunc(func() {
		err := commit()
		// The saboteur may be too early: the client has an id, and is not a member under it yet.
		for n := 0; sabotage && err != nil && n < 100; n++ {
			time.Sleep(50 * time.Millisecond)
			err = commit()
		}
		tried <- err
	})
	lost := &lateCommit{tester: a, commit: try}
	a.g.cfg.Handler = lost

	stopA := a.background()
	defer stopA()
	setB := *set
	setB.ProcessID = "b"
	b := newTester(t, &setB, 1, at.in).withProducer(1)
	b.untilStarted(2)
	if eos {
		mustSend(t, b.p, NewDest(nil), Out{Topic: at.out, Value: []byte("B: 0 to 99")})
	}
	if out, err := b.commit(100); err != nil || out != OffsetsCommitted {
		t.Fatal(out, err)
	}
	release()
	stopB := b.background()
	defer stopB()
	select {
	case err := <-tried:
		if !errors.Is(err, ErrFenced) {
			t.Logf("the zombie's commit: %v", err)
		}
	case <-testContext(t).Done():
		t.Fatal("the zombie never woke")
	}
	if got := at.committed(t, 0).Offset; got != 100 {
		return fmt.Errorf("committed is %d, not 100: the zombie overwrote it", got)
	}
	return nil
}

// believeTheClient makes a group take over the client's member id, and one partition with it, until it is undone.
func believeTheClient(g *Group, tp TP) (undo func()) {
	id, _ := g.cl.GroupMetadata()
	g.mu.Lock()
	defer g.mu.Unlock()
	member, p := g.member, g.parts[tp]
	g.member, g.parts[tp] = id, &part{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.member, g.parts[tp] = member, p
		if p == nil {
			delete(g.parts, tp)
		}
	}
}

// lateCommit is a handler that commits, at last, what it had when it hears that it is too late.
type lateCommit struct {
	*tester
	commit func()
}

func (l *lateCommit) Lost(ctx context.Context, gone []TP) { l.commit(); l.tester.Lost(ctx, gone) }
func (l *lateCommit) Revoked(ctx context.Context, gone []TP) {
	l.commit()
	l.tester.Revoked(ctx, gone)
}

// emptyScenario commits offsets 1, 2, 3 … with all kinds of output: none, only records that are refused, some. After
// each commit the group's committed offset, with its metadata, must be the one given, and in the end the outputs those
// that were acknowledged.
//
// With sabotage the acknowledged records are not counted: a commit with nothing written goes through the transaction.
func emptyScenario(t *testing.T, at place, sabotage bool) error {
	set := at.settings(true)
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	d := NewDest(func(*kgo.Record, error) error { return nil })
	var want []string
	for i := int64(1); i <= 24; i++ {
		switch i % 4 {
		case 1: // nothing
		case 2: // only a record that is refused
			mustSend(t, w.p, d, Out{Topic: at.out, Value: make([]byte, 2<<20)})
		default:
			v := fmt.Sprint("v", i)
			want = append(want, v)
			mustSend(t, w.p, d, Out{Topic: at.out, Value: []byte(v)})
		}
		mustFlush(t, w.p)
		if sabotage && w.p.Acked() == 0 {
			if err := w.p.life.Load().begin(); err != nil {
				t.Fatal(err)
			}
			w.p.life.Load().acked.Store(1)
		}
		if out, err := w.commit(i); err != nil || out != OffsetsCommitted {
			return fmt.Errorf("commit %d: %v, %w", i, out, err)
		}
		if got, err := stableSoon(t, at, i); err != nil {
			return err
		} else if got.Offset != i || got.Metadata != fmt.Sprint("m", i) {
			return fmt.Errorf("committed %+v, want %d", got, i)
		}
	}
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, want) {
		return fmt.Errorf("outputs %v, want %v", got, want)
	}
	return nil
}

// stableSoon reads the committed offset; one that a transaction holds for ever is an error.
func stableSoon(t *testing.T, at place, want int64) (Committed, error) {
	t.Helper()
	set := at.settings(false)
	set.RequestTimeout = 5 * time.Second
	tp := TP{Topic: at.in}
	got, err := dial(t, set).CommittedOffsets(testContext(t), at.app, tp)
	return got[tp], err
}

// churnScenario commits without a pause while members come and go. No commit may fail, and every committed offset must
// be the one that was given last.
func churnScenario(t *testing.T, at place, eos bool, commits int) error {
	set := at.settings(eos)
	set.TransactionTimeout = time.Minute
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)

	quit := make(chan struct{})
	var churn sync.WaitGroup
	churn.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-quit:
				return
			case <-time.After(200 * time.Millisecond):
			}
			b := newTester(t, set, n, at.in)
			stop := b.background()
			time.Sleep(time.Duration(200+100*(n%4)) * time.Millisecond)
			stop()
			b.g.Close()
		}
	})
	defer churn.Wait()
	defer close(quit)

	d := NewDest(func(*kgo.Record, error) error { return nil })
	r := rand.New(rand.NewPCG(1, 2))
	var want []string
	generations := map[int32]bool{}
	for i := int64(1); i <= int64(commits); i++ {
		if err := w.poll(); err != nil {
			return err
		}
		tp := TP{Topic: at.in}
		if !w.owned[tp] {
			// The other member has it for a moment; that is not this test's matter.
			w.until("the partition comes back", func() bool { return w.owned[tp] })
		}
		switch k := r.IntN(4); {
		case k == 1:
			mustSend(t, w.p, d, Out{Topic: at.out, Value: make([]byte, 2<<20)})
		case k > 1:
			want = append(want, fmt.Sprint("v", i))
			mustSend(t, w.p, d, Out{Topic: at.out, Value: []byte(want[len(want)-1])})
		}
		_, generation := w.g.cl.GroupMetadata()
		generations[generation] = true
		out, err := Commit(testContext(t), w.g, w.p, CommitInput{Offsets: []Offset{{TP: tp, Offset: i, LeaderEpoch: -1}}})
		if err != nil || out != OffsetsCommitted {
			return fmt.Errorf("commit %d: %v, %w", i, out, err)
		}
		if i%10 == 0 {
			if got, err := stableSoon(t, at, i); err != nil || got.Offset != i {
				return fmt.Errorf("committed %+v, want %d (%v)", got, i, err)
			}
		}
	}
	if len(w.lost) > 0 {
		return fmt.Errorf("lost %v", w.lost)
	}
	t.Logf("%d commits, %d generations", commits, len(generations))
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, want) {
		return fmt.Errorf("%d outputs, want %d: %v", len(got), len(want), got)
	}
	return nil
}

// gateScenario works while others force rebalances, and counts the callbacks that ran between two Polls.
//
// With sabotage a poll that brings nothing is not polled again.
func gateScenario(t *testing.T, at place, sabotage bool, polls int) error {
	set := at.settings(false)
	set.Options = append(set.Options, kgo.FetchMaxWait(10*time.Millisecond))
	var ws []*tester
	for n := range 2 {
		w := newTester(t, set, n, at.in)
		if sabotage {
			w.g.over = nil // nil takes what is there and leaves
		}
		ws = append(ws, w)
	}
	quit := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(quit)
	others.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-time.After(3 * time.Millisecond):
				ws[n%len(ws)].g.ForceRebalance()
			}
		}
	})
	others.Go(func() { stream(t, set, at.in, quit) })
	var workers sync.WaitGroup
	for _, w := range ws {
		workers.Go(func() {
			for n := 0; n < polls && (!sabotage || w.ungated.Load() == 0); n++ {
				// Every other poll only looks, and mostly brings nothing.
				poll := w.poll
				if n%2 == 0 {
					poll = w.look
				}
				if err := poll(); err != nil {
					t.Errorf("poll: %v", err)
					return
				}
				time.Sleep(200 * time.Microsecond) // work
			}
			w.working.Store(false)
			w.g.cl.AllowRebalance()
		})
	}
	workers.Wait()
	var calls, ungated int64
	for _, w := range ws {
		calls += w.callbacks.Load()
		ungated += w.ungated.Load()
	}
	t.Logf("%d callbacks, %d while the worker worked", calls, ungated)
	if calls < 10 && ungated == 0 {
		t.Errorf("only %d callbacks: nothing was tried", calls)
	}
	if ungated > 0 {
		return fmt.Errorf("%d callbacks ran while the worker worked", ungated)
	}
	return nil
}

// stream writes to both partitions until quit.
func stream(t *testing.T, set *Settings, topic string, quit chan struct{}) {
	cl, err := kgo.NewClient(append(slices.Clone(set.Options), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))...)
	if err != nil {
		t.Error(err)
		return
	}
	defer cl.Close()
	for {
		select {
		case <-quit:
			return
		case <-time.After(time.Millisecond):
			cl.Produce(context.Background(), &kgo.Record{Topic: topic, Value: []byte("v")}, nil)
		}
	}
}

// stuckScenario: the worker is stuck in user code, the watchdog removes its member, others take over, and what the
// worker commits when it wakes is refused.
func stuckScenario(t *testing.T, at place, eos bool) error {
	set := at.settings(eos)
	a := newTester(t, set, 0, at.in).withProducer(0)
	a.untilStarted(2)
	b := newTester(t, set, 1, at.in)
	go func() { _ = a.g.LeaveRaw(testContext(t)) }()
	b.untilStarted(2)
	out, err := a.commit(7)
	if !errors.Is(err, ErrFenced) || out != NothingCommitted {
		return fmt.Errorf("the stuck worker's commit: %v, %v", out, err)
	}
	if got := at.committed(t, 0).Offset; got != -1 {
		return fmt.Errorf("committed %d", got)
	}
	if !a.g.Fenced() {
		return errors.New("the coordinator does not know the member, and it thinks that it is one")
	}
	stop := b.background()
	defer stop()
	if err := a.look(); err != nil {
		return err
	}
	if len(a.lost) != 2 {
		return fmt.Errorf("lost %v", a.lost)
	}
	a.untilStarted(1) // and is a member again
	return nil
}

// deadScenario: a transaction runs into its time-out. The commit fails, nothing of it is there, and after Replace and
// Rewind the work is done again.
func deadScenario(t *testing.T, at place) error {
	set := at.settings(true)
	set.TransactionTimeout = time.Second
	produce(t, set, at.in, 0, "a", "b")
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.until("a and b", func() bool { return len(w.records) == 2 })
	d := NewDest(nil)
	mustSend(t, w.p, d, Out{Topic: at.out, Value: []byte("first")})
	mustFlush(t, w.p)
	c, out := dial(t, set), TP{Topic: at.out}
	for aborted := false; !aborted; {
		ends, err := c.StableOffsets(testContext(t), out)
		if err != nil {
			return err
		}
		aborted = ends[out] == 2 // its marker is there
		if err := w.poll(); err != nil {
			return err
		}
	}
	outcome, err := w.commit(2)
	if outcome == OffsetsCommitted || !anyOf(err, ErrProducerDead, ErrUnknownOutcome) {
		return fmt.Errorf("commit after the time-out: %v, %v", outcome, err)
	}
	t.Logf("commit after the time-out: %v, %v", outcome, err)
	if err := w.p.Replace(testContext(t)); err != nil {
		return err
	}
	w.records = nil
	w.g.Rewind()
	w.until("a and b again", func() bool { return len(w.records) == 2 })
	mustSend(t, w.p, d, Out{Topic: at.out, Value: []byte("second")})
	if outcome, err := w.commit(2); err != nil || outcome != OffsetsCommitted {
		return fmt.Errorf("commit by the new producer: %v, %v", outcome, err)
	}
	if got := at.committed(t, 0).Offset; got != 2 {
		return fmt.Errorf("committed %d", got)
	}
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, []string{"second"}) {
		return fmt.Errorf("outputs %v", got)
	}
	return nil
}

// restoreScenario reads a log of committed, aborted and open transactions to its end, from several offsets.
//
// With sabotage the reader does not see control records.
func restoreScenario(t *testing.T, at place, sabotage bool) error {
	set := at.settings(true)
	p := newProducer(t, set)
	d := NewDest(nil)
	wrote := int64(0)
	transaction := func(n int, end kgo.TransactionEndTry) {
		for range n {
			mustSend(t, p, d, Out{Topic: at.out, Value: []byte("v")})
		}
		mustFlush(t, p)
		if err := p.life.Load().end(testContext(t), end); err != nil {
			t.Fatal(err)
		}
		wrote += int64(n) + 1
		awaitStable(t, at, wrote) // a broker answers before it has written the marker
	}
	transaction(3, kgo.TryCommit) // 0 to 2, marker 3
	if err := readToEnd(t, at, 0, 3, 1, sabotage); err != nil {
		return err
	}
	if err := readToEnd(t, at, 3, 0, 1, sabotage); err != nil { // a tail of only a marker
		return err
	}
	transaction(2, kgo.TryAbort) // 4 and 5, marker 6
	if err := readToEnd(t, at, 4, 0, 1, sabotage); err != nil {
		return err
	}
	// An open one is waited out: its end is not reached before it is decided.
	mustSend(t, p, d, Out{Topic: at.out, Value: []byte("v")}) // 7
	mustFlush(t, p)
	c, tp := dial(t, set), TP{Topic: at.out}
	ends, err := c.EndOffsets(testContext(t), tp)
	if err != nil || ends[tp] != 8 {
		return fmt.Errorf("end with an open transaction: %v, %w", ends, err)
	}
	stable, err := c.StableOffsets(testContext(t), tp)
	if err != nil || stable[tp] != 7 {
		return fmt.Errorf("stable end with an open transaction: %v, %w", stable, err)
	}
	if err := p.life.Load().end(testContext(t), kgo.TryCommit); err != nil {
		return err
	}
	awaitStable(t, at, 9)
	return readToEnd(t, at, 4, 1, 2, sabotage)
}

func awaitStable(t *testing.T, at place, end int64) {
	t.Helper()
	c, tp := dial(t, at.settings(true)), TP{Topic: at.out}
	for {
		ends, err := c.StableOffsets(testContext(t), tp)
		if err != nil {
			t.Fatal(err)
		}
		if ends[tp] == end {
			return
		}
	}
}

// readToEnd reads read-committed until the position is at the read-uncommitted end.
func readToEnd(t *testing.T, at place, from int64, wantData, wantMarkers int, sabotage bool) error {
	t.Helper()
	set := at.settings(true)
	tp := TP{Topic: at.out}
	ends, err := dial(t, set).EndOffsets(testContext(t), tp)
	if err != nil {
		return err
	}
	r, err := NewReader(set, ReaderConfig{Committed: true})
	if err != nil {
		return err
	}
	defer r.Close()
	r.Add(map[TP]int64{tp: from})
	data, markers := 0, 0
	limit := deadline
	if sabotage {
		limit = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for position := from; position < ends[tp]; {
		fetched, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the restore from %d stands at %d and never reaches %d", from, position, ends[tp])
		}
		for _, f := range fetched {
			if f.Err != nil {
				t.Logf("reading %s at %d: %v", tp, position, f.Err)
			}
			for _, rec := range f.Records {
				if rec.Attrs.IsControl() && sabotage {
					continue
				}
				position = rec.Offset + 1
				if rec.Attrs.IsControl() {
					markers++
				} else {
					data++
				}
			}
		}
	}
	if data != wantData || markers < wantMarkers {
		logTopic(t, set, tp)
		return fmt.Errorf("from %d: %d records and %d markers, want %d and %d", from, data, markers, wantData, wantMarkers)
	}
	return nil
}

// crash is what a failpoint panics with.
type crash struct{}

// crashScenario kills the worker at a failpoint, again and again, between restarts, while it copies inputs to outputs.
// In the end no input may be missing in the outputs, and under exactly once none may be there twice.
//
// With sabotage offsets go without the transaction.
func crashScenario(t *testing.T, at place, eos bool, name string, sabotage bool) error {
	const inputs = 12
	values := make([]string, inputs)
	for i := range values {
		values[i] = fmt.Sprint("v", i)
	}
	produce(t, at.settings(eos), at.in, 0, values...)
	engine, crashes := int64(0), 0
	for run := 0; ; run++ {
		if run > 3*inputs {
			return fmt.Errorf("no progress: engine at %d after %d crashes", engine, crashes)
		}
		armed := run < 3
		died, err := copyInputs(t, at, eos, name, armed, sabotage, &engine)
		if err != nil {
			return err
		}
		if !died {
			break
		}
		crashes++
	}
	if crashes == 0 {
		return fmt.Errorf("%q was never reached", name)
	}
	if got := at.committed(t, 0).Offset; got != inputs {
		return fmt.Errorf("committed %d", got)
	}
	err := checkCopies(readCommittedValues(t, at.settings(true), at.out, 0), values, eos)
	if err != nil && !sabotage {
		logTopic(t, at.settings(true), TP{Topic: at.out})
	}
	return err
}

func checkCopies(got, want []string, eos bool) error {
	if eos {
		if !slices.Equal(got, want) {
			return fmt.Errorf("outputs %v, want %v", got, want)
		}
		return nil
	}
	for _, v := range want {
		if !slices.Contains(got, v) {
			return fmt.Errorf("%s is missing in %v", v, got)
		}
	}
	return nil
}

// copyInputs is one life of a worker: three inputs a commit, and one commit without outputs, until all is done or it
// dies at the failpoint in its second commit or later.
func copyInputs(t *testing.T, at place, eos bool, name string, armed, sabotage bool, engine *int64) (died bool, err error) {
	set := at.settings(eos)
	commits := 0
	set.Failpoint = func(at string) {
		if armed && commits > 0 && at == name {
			panic(crash{})
		}
	}
	w := newTester(t, set, 0, at.in).withProducer(0)
	defer func() {
		if p := recover(); p != nil {
			if _, ours := p.(crash); !ours {
				panic(p)
			}
			died = true
		}
		w.g.Close()
		w.p.Close()
	}()
	d := NewDest(func(*kgo.Record, error) error { return nil })
	w.untilStarted(2)
	position := w.started[TP{Topic: at.in}].Offset
	if eos && *engine > position || !eos && *engine < position {
		return false, fmt.Errorf("engine at %d, committed %d", *engine, position)
	}
	for next := 0; ; commits++ {
		if commits%2 == 1 {
			// Nothing is acknowledged here: a record is refused.
			mustSend(t, w.p, d, Out{Topic: at.out, Value: make([]byte, 2<<20)})
		} else {
			for range 3 {
				if position == 12 {
					return false, nil
				}
				w.until("an input", func() bool { return len(w.records) > next })
				r := w.records[next]
				if r.Offset != position {
					return false, fmt.Errorf("read %d at %d", r.Offset, position)
				}
				mustSend(t, w.p, d, Out{Topic: at.out, Value: r.Value})
				next, position = next+1, position+1
			}
		}
		in := CommitInput{
			Offsets: []Offset{{TP: TP{Topic: at.in}, Offset: position, LeaderEpoch: -1}},
			Apply:   func() error { *engine = position; return nil },
		}
		if sabotage {
			mustFlush(t, w.p)
			c := &commit{ctx: testContext(t), set: set, g: w.g, life: w.p.life.Load(), in: in}
			if _, err := c.offsets(); err != nil {
				return false, err
			}
		}
		if out, err := Commit(testContext(t), w.g, w.p, in); err != nil || out != OffsetsCommitted {
			return false, fmt.Errorf("commit: %v, %w", out, err)
		}
	}
}

// revokeScenario: a rebalance takes partitions in the middle of a transaction; it is committed in the callback.
func revokeScenario(t *testing.T, at place) error {
	set := at.settings(true)
	a := newTester(t, set, 0, at.in).withProducer(0)
	a.untilStarted(2)
	mustSend(t, a.p, NewDest(nil), Out{Topic: at.out, Value: []byte("in the middle")})
	var outcome Outcome
	var err error
	a.onRevoked = func([]TP) { outcome, err = a.commit(5) }
	b := newTester(t, set, 1, at.in)
	stop := a.background()
	b.untilStarted(1)
	stop()
	if err != nil || outcome != OffsetsCommitted {
		return fmt.Errorf("commit in the callback: %v, %v", outcome, err)
	}
	for _, s := range b.started {
		if s.Offset != 0 && s.Committed.Offset != 5 {
			return fmt.Errorf("the next owner begins with %+v", s)
		}
	}
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, []string{"in the middle"}) {
		return fmt.Errorf("outputs %v", got)
	}
	return nil
}

// refusedTopicScenario: the broker, not the client, refuses a record as too large.
func refusedTopicScenario(t *testing.T, at place) error {
	set := at.settings(true)
	small := at.out + "-small"
	c := dial(t, set)
	if err := c.CreateTopics(testContext(t), NewTopic{Name: small, Partitions: 1, Replication: 1, Configs: map[string]string{"max.message.bytes": "1000"}}); err != nil {
		return err
	}
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	var failed error
	skip := NewDest(func(_ *kgo.Record, err error) error { failed = err; return nil })
	for i := int64(1); i <= 3; i++ {
		mustSend(t, w.p, skip, Out{Topic: small, Value: []byte(strings.Repeat(fmt.Sprint(i), 5000))})
		if out, err := w.commit(i); err != nil || out != OffsetsCommitted {
			return fmt.Errorf("commit %d: %v, %w", i, out, err)
		}
		if got, err := stableSoon(t, at, i); err != nil || got.Offset != i {
			return fmt.Errorf("committed %+v, want %d (%v)", got, i, err)
		}
		mustSend(t, w.p, skip, Out{Topic: at.out, Value: []byte(fmt.Sprint("good", i))})
		if out, err := w.commit(i); err != nil || out != OffsetsCommitted {
			return fmt.Errorf("commit %d: %v, %w", i, out, err)
		}
	}
	if !errors.Is(failed, kerr.MessageTooLarge) || skip.Skipped() != 3 {
		return fmt.Errorf("skipped %d, %v", skip.Skipped(), failed)
	}
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, []string{"good1", "good2", "good3"}) {
		return fmt.Errorf("outputs %v", got)
	}
	return nil
}

// leaveScenario: a member leaves while it waits for a join that another member, which does not poll, holds up.
func leaveScenario(t *testing.T, at place) error {
	set := at.settings(false)
	a := newTester(t, set, 0, at.in)
	a.untilStarted(2)
	b := newTester(t, set, 1, at.in)
	for !a.g.Wanted() {
		time.Sleep(50 * time.Millisecond)
	}
	before := time.Now()
	if err := b.g.Leave(testContext(t)); err != nil {
		return err
	}
	b.g.Close()
	// The rebalance time-out is 20 s at least.
	if waited := time.Since(before); waited > 10*time.Second {
		return fmt.Errorf("left after %v", waited)
	}
	for a.g.Wanted() || len(a.has()) != 2 {
		if err := a.poll(); err != nil {
			return err
		}
	}
	described, err := dial(t, set).adm.DescribeGroups(testContext(t), at.app)
	if err != nil || len(described[at.app].Members) != 1 {
		return fmt.Errorf("members left: %+v, %v", described[at.app].Members, err)
	}
	return nil
}
