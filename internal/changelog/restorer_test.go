package changelog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// bench is a restorer in a bubble, with a broker whose topic "log" is the changelog of a store "sums".
type bench struct {
	t        *testing.T
	network  kfake.VirtualNetwork
	broker   *kfake.Cluster
	settings *kafka.Settings
	r        *Restorer
	logs     *observer.ObservedLogs
	disk     *mem.Disk
}

var tp = kafka.TP{Topic: "log"}

func onBench(t *testing.T, run func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, disk: &mem.Disk{}}
		var err error
		b.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(b.network.Listen), kfake.SeedTopics(1, "log"))
		b.ok(err)
		b.settings = &kafka.Settings{App: "app", Options: []kgo.Opt{kgo.SeedBrokers(b.broker.ListenAddrs()...), kgo.Dialer(b.network.DialContext)}}
		cluster, err := kafka.Dial(b.t.Context(), b.settings)
		b.ok(err)
		core, logs := observer.New(zap.InfoLevel)
		b.logs = logs
		b.r, err = New(Config{Settings: b.settings, Cluster: cluster, Log: zap.New(core)})
		b.ok(err)
		ctx, stop := context.WithCancel(b.t.Context())
		done := make(chan error, 1)
		go func() { done <- b.r.Run(ctx) }()
		run(b)
		stop()
		b.ok(<-done)
		cluster.Close()
		b.broker.Close()
		time.Sleep(time.Minute) // the bubble must be empty: what is left then is a leak
	})
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append(b.settings.Options, opts...)...)
	b.ok(err)
	return cl
}

// write writes rows key → number to the changelog.
func (b *bench) write(cl *kgo.Client, from, to int) {
	b.t.Helper()
	for i := from; i < to; i++ {
		r := &kgo.Record{Topic: "log", Key: fmt.Appendf(nil, "k%03d", i), Value: binary.BigEndian.AppendUint64(nil, uint64(i))}
		b.ok(cl.ProduceSync(b.t.Context(), r).FirstErr())
	}
}

func (b *bench) fill(from, to int) {
	b.t.Helper()
	cl := b.client()
	defer cl.Close()
	b.write(cl, from, to)
}

func (b *bench) open(context.Context) (*store.Set, error) {
	e, err := b.disk.Open("dir", "0_0")
	if err != nil {
		return nil, err
	}
	return store.Open(e, nil, []*rows.Spec{rows.NewKeyValue("sums", serde.String(), serde.Int64())})
}

// outcome is what Job.Done is told.
type outcome struct {
	stores *store.Set
	ends   map[string]int64
	err    error
}

func (b *bench) add(open func(context.Context) (*store.Set, error)) chan outcome {
	got := make(chan outcome, 2)
	b.r.Add(context.Background(), &Job{
		Task: "0_0", Logs: []Log{{Store: "sums", TP: tp}}, Open: open,
		Done: func(s *store.Set, ends map[string]int64, err error) { got <- outcome{s, ends, err} },
	})
	return got
}

// restore waits for a restore, compares the rows' number and the position, and closes the stores.
func (b *bench) restore(rows int, position int64) {
	b.t.Helper()
	b.check(<-b.add(b.open), rows, position)
}

func (b *bench) check(o outcome, rows int, position int64) {
	b.t.Helper()
	b.ok(o.err)
	if at, ok := o.stores.Position("sums"); position > 0 && (!ok || at != position) || o.ends["sums"] != position {
		b.t.Errorf("position %d, end %v; want %d", at, o.ends, position)
	}
	if n := b.rows(o.stores); n != rows {
		b.t.Errorf("%d rows, want %d", n, rows)
	}
	b.ok(o.stores.Close())
}

func (b *bench) rows(s *store.Set) (n int) {
	b.t.Helper()
	r, _, release, err := s.Snapshot("sums")
	b.ok(err)
	it, err := r.Iter(nil, nil, false)
	b.ok(err)
	for it.Next() {
		n++
	}
	b.ok(errors.Join(it.Err(), it.Close(), release()))
	return n
}

// read is how many records the last restore took, by its own word.
func (b *bench) read() int64 {
	all := b.logs.FilterMessage("store restored").TakeAll()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].ContextMap()["records"].(int64)
}

func (b *bench) warned(part string) bool {
	for _, e := range b.logs.FilterLevelExact(zap.WarnLevel).All() {
		if strings.Contains(e.Message, part) {
			return true
		}
	}
	return false
}

func TestRestoreReadsTheTailAlone(t *testing.T) {
	onBench(t, func(b *bench) {
		b.restore(0, 0)
		for _, step := range []struct{ to, read int }{{100, 100}, {130, 30}, {130, 0}} {
			end, _ := b.bounds()
			b.fill(int(end), step.to)
			b.restore(step.to, int64(step.to))
			if n := b.read(); n != int64(step.read) {
				t.Errorf("%d records were read for a log of %d, want %d", n, step.to, step.read)
			}
			b.logs.TakeAll()
		}
	})
}

func (b *bench) bounds() (end, start int64) {
	p := b.broker.PartitionInfo("log", 0)
	return p.HighWatermark, p.LogStartOffset
}

// A log that was cut above the store's position no longer has what comes next: its rows are dropped, and the log is read whole.
func TestRestoreFromALogThatWasCut(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 50)
		b.restore(50, 50)
		b.fill(50, 100)
		b.ok(b.broker.DeleteRecords("log", 0, 70))
		b.restore(30, 100)
		if !b.warned("reading it whole") {
			t.Error("nobody was told")
		}
	})
}

// A cut below the store's position costs nothing.
func TestRestoreFromALogThatWasCutBelow(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 50)
		b.restore(50, 50)
		b.fill(50, 60)
		b.ok(b.broker.DeleteRecords("log", 0, 50))
		b.restore(60, 60)
		if n := b.read(); n != 10 {
			t.Errorf("%d records were read, want 10", n)
		}
	})
}

// A log that is cut while it is read is read again from its new start.
func TestRestoreWhileTheLogIsCut(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 100)
		b.broker.ControlKey(1, func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.DropControl()
			go func() { _ = b.broker.DeleteRecords("log", 0, 60) }()
			time.Sleep(time.Second)
			return nil, nil, false
		})
		b.restore(40, 100)
		if !b.warned("was cut while it was read") {
			t.Error("nobody was told")
		}
	})
}

// A store that is ahead of its changelog is an error that says what to do, and keeps the store.
func TestRestoreOfAStoreAheadOfItsLog(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 50)
		b.restore(50, 50)
		b.ok(b.broker.DeleteTopic("log"))
		b.ok(b.broker.CreateTopic("log", 1, nil))
		b.fill(0, 20)
		o := <-b.add(b.open)
		if o.err == nil || o.stores != nil {
			t.Fatalf("restored: %v", o)
		}
		for _, part := range []string{"task 0_0", `store "sums"`, "log-0", "offset 50", "ends at 20", "state directory"} {
			if !strings.Contains(o.err.Error(), part) {
				t.Errorf("%q does not say %q", o.err, part)
			}
		}
		s, err := b.open(b.t.Context()) // it was closed, and holds what it held
		b.ok(err)
		if n := b.rows(s); n != 50 {
			t.Errorf("%d rows", n)
		}
		b.ok(s.Close())
	})
}

// What a transaction that is still open has written is waited for: it may have been committed already, but for its markers.
func TestRestoreWaitsForAnOpenTransaction(t *testing.T) {
	for commit, want := range map[kgo.TransactionEndTry]int{kgo.TryCommit: 30, kgo.TryAbort: 10} {
		onBench(t, func(b *bench) {
			b.fill(0, 10)
			cl := b.client(kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
			defer cl.Close()
			b.ok(cl.BeginTransaction())
			b.write(cl, 10, 30)
			got := b.add(b.open)
			select {
			case o := <-got:
				t.Fatalf("did not wait: %v", o.err)
			case <-time.After(time.Minute):
			}
			if !b.warned("a restore waits") {
				t.Error("nobody was told")
			}
			if p := b.r.Progress(); len(p) != 1 || p[0].Done != 10 || p[0].End != 30 {
				t.Errorf("progress %v", p)
			}
			b.ok(cl.EndTransaction(b.t.Context(), commit))
			o := <-got
			b.ok(o.err)
			if n := b.rows(o.stores); n != want {
				t.Errorf("%d rows, want %d", n, want)
			}
			if at, _ := o.stores.Position("sums"); at < 30 {
				t.Errorf("position %d", at)
			}
			b.ok(o.stores.Close())
		})
	}
}

// A log whose last records are markers alone comes to an end too.
func TestRestoreOfMarkers(t *testing.T) {
	onBench(t, func(b *bench) {
		cl := b.client(kgo.TransactionalID("own"))
		defer cl.Close()
		for i, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryAbort} {
			b.ok(cl.BeginTransaction())
			b.write(cl, 5*i, 5*i+5)
			b.ok(cl.EndTransaction(b.t.Context(), how))
		}
		b.restore(5, 18)
		if n := b.read(); n != 5 {
			t.Errorf("%d records were read, want 5", n)
		}
		// Cut to its last marker, the log has nothing but that.
		b.disk = &mem.Disk{}
		b.ok(b.broker.DeleteRecords("log", 0, 17))
		b.restore(0, 18)
	})
}

// An input is read as the tasks read it: all of it at least once, exactly once what was committed.
func TestRestoreOfAnInput(t *testing.T) {
	for eos, want := range map[bool]int{false: 23, true: 10} {
		onBench(t, func(b *bench) {
			b.settings.ExactlyOnce = eos
			cl := b.client(kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
			defer cl.Close()
			b.fill(0, 5)
			b.ok(cl.BeginTransaction())
			b.write(cl, 5, 15)
			b.ok(cl.EndTransaction(b.t.Context(), kgo.TryAbort)) // a marker, at 15
			b.fill(15, 20)
			b.ok(cl.BeginTransaction())
			b.write(cl, 20, 25)
			read := int64(21)
			if !eos { // into the transaction that is open
				read = 24
			}
			b.commit(read)
			got := make(chan outcome, 1)
			b.r.Add(context.Background(), &Job{
				Task: "0_0", Logs: []Log{{Store: "sums", TP: tp, Source: true}}, Open: b.open,
				Done: func(s *store.Set, ends map[string]int64, err error) { got <- outcome{s, ends, err} },
			})
			o := <-got
			b.ok(o.err)
			if n := b.rows(o.stores); n != want {
				t.Errorf("exactly once %v: %d rows, want %d", eos, n, want)
			}
			if at, _ := o.stores.Position("sums"); at != read {
				t.Errorf("exactly once %v: position %d, want %d", eos, at, read)
			}
			b.ok(o.stores.Close())
			b.ok(cl.EndTransaction(b.t.Context(), kgo.TryAbort))
		})
	}
}

// commit commits how far the app has read the log.
func (b *bench) commit(at int64) {
	b.t.Helper()
	cl := b.client()
	defer cl.Close()
	o := kadm.Offsets{}
	o.AddOffset(tp.Topic, tp.Partition, at, -1)
	_, err := kadm.NewClient(cl).CommitOffsets(b.t.Context(), b.settings.App, o)
	b.ok(err)
}

func TestRemoveWhileOpening(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 10)
		// One that waits for a former owner is told to stop.
		got := b.add(func(ctx context.Context) (*store.Set, error) { <-ctx.Done(); return nil, ctx.Err() })
		synctest.Wait()
		b.r.Remove("0_0")
		if o := <-got; o.err == nil || o.stores != nil {
			t.Errorf("%v", o)
		}
		// One that succeeds all the same is given back as it is.
		e := &counting{disk: b.disk}
		wait := make(chan struct{})
		got = b.add(func(context.Context) (*store.Set, error) { <-wait; return e.open() })
		synctest.Wait()
		b.r.Remove("0_0")
		again := b.add(b.open) // the task may come back meanwhile
		close(wait)
		o := <-got
		if !errors.Is(o.err, ErrRemoved) || o.stores == nil || e.opened != 1 {
			t.Fatalf("%v, opened %d", o, e.opened)
		}
		b.ok(o.stores.Close())
		if o := <-again; o.err != nil {
			// The directory was still open elsewhere: owners that share one wait for each other in Open.
			t.Log(o.err)
		} else {
			b.ok(o.stores.Close())
		}
		b.restore(10, 10)
	})
}

// counting counts the sets that it opens.
type counting struct {
	disk   *mem.Disk
	opened int
}

func (c *counting) open() (*store.Set, error) {
	c.opened++
	e, err := (&mem.Disk{}).Open("dir", "0_0")
	if err != nil {
		return nil, err
	}
	return store.Open(e, nil, []*rows.Spec{rows.NewKeyValue("sums", serde.String(), serde.Int64())})
}

// A job that is removed while it reads gives its stores back as far as they are.
func TestRemoveWhileReading(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 10)
		cl := b.client(kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
		defer cl.Close()
		b.ok(cl.BeginTransaction())
		b.write(cl, 10, 11) // holds the restore
		got := b.add(b.open)
		time.Sleep(5 * time.Second)
		b.r.Remove("0_0")
		o := <-got
		if !errors.Is(o.err, ErrRemoved) || o.stores == nil {
			t.Fatalf("%v", o)
		}
		if at, _ := o.stores.Position("sums"); at != 10 {
			t.Errorf("position %d", at)
		}
		b.ok(o.stores.Close())
		b.ok(cl.EndTransaction(b.t.Context(), kgo.TryCommit))
		b.restore(11, 12)
		if n := b.read(); n != 1 {
			t.Errorf("%d records were read, want 1", n)
		}
	})
}

// The end of the restorer calls off what it has: each job is given back, with its stores if it has any.
func TestEndCallsOff(t *testing.T) {
	var all []outcome
	done := func(s *store.Set, ends map[string]int64, err error) { all = append(all, outcome{s, ends, err}) }
	onBench(t, func(b *bench) {
		cl := b.client(kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute))
		b.ok(cl.BeginTransaction())
		b.write(cl, 0, 1)
		b.r.Add(context.Background(), &Job{Task: "0_0", Logs: []Log{{Store: "sums", TP: tp}}, Open: b.open, Done: done})
		b.r.Add(context.Background(), &Job{Task: "0_1", Open: func(ctx context.Context) (*store.Set, error) { <-ctx.Done(); return nil, ctx.Err() }, Done: done})
		time.Sleep(5 * time.Second)
		cl.Close()
	})
	if len(all) != 2 {
		t.Fatalf("%d of 2 jobs came back", len(all))
	}
	opened := 0
	for _, o := range all {
		if o.err == nil {
			t.Errorf("%v", o)
		}
		if o.stores != nil {
			opened++
			if err := o.stores.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if opened != 1 {
		t.Errorf("%d jobs came back with stores, want the one that had opened them", opened)
	}
}

// whole is check for a log whose last markers the restore need not have seen.
func (b *bench) whole(o outcome, rows int) {
	b.t.Helper()
	b.ok(o.err)
	if n := b.rows(o.stores); n != rows {
		b.t.Errorf("%d rows, want %d", n, rows)
	}
	b.ok(o.stores.Close())
}

// slow writes 100 records in ten transactions, which end one after the other, and returns what ends the next one.
func (b *bench) slow() (end func()) {
	b.t.Helper()
	var open []*kgo.Client
	for i := range 10 {
		cl := b.client(kgo.TransactionalID(fmt.Sprint("t", i)), kgo.TransactionTimeout(10*time.Minute))
		b.ok(cl.BeginTransaction())
		b.write(cl, 10*i, 10*i+10)
		open = append(open, cl)
	}
	return func() {
		b.ok(open[0].EndTransaction(b.t.Context(), kgo.TryCommit))
		open[0].Close()
		open = open[1:]
	}
}

// A restore that takes long says every ten seconds how far it is, how fast, and what is left; Progress says it at any time.
func TestRestoreThatTakesLongTellsOfIt(t *testing.T) {
	onBench(t, func(b *bench) {
		end := b.slow()
		got := b.add(b.open)
		for i := range int64(10) {
			time.Sleep(3 * time.Second)
			if p := b.r.Progress(); len(p) != 1 || p[0] != (Progress{"sums", 0, 10 * i, 100}) {
				t.Errorf("after %d s: progress %v", 3*(i+1), p)
			}
			end()
		}
		b.whole(<-got, 100)
		time.Sleep(2 * time.Second)
		if p := b.r.Progress(); len(p) != 0 {
			t.Errorf("in the end: progress %v", p)
		}
		lines := b.logs.FilterMessage("restoring").All()
		if len(lines) != 3 {
			t.Fatalf("%d lines: %v", len(lines), lines)
		}
		for i, l := range lines {
			f := l.ContextMap()
			done := int64(30 * (i + 1))
			if f["store"] != "sums" || f["partitions"] != int64(1) || f["records"] != done || f["of"] != int64(100) {
				t.Errorf("line %d: %v", i, f)
			}
			rate, left := f["records/s"].(float64), f["left"].(time.Duration)
			if rate < 2 || rate > 4 || left < time.Duration(100-done)*time.Second/4 || left > time.Duration(100-done)*time.Second/2 {
				t.Errorf("line %d: 10 records in 3 s make %v records/s, %v left", i, rate, left)
			}
		}
		if b.read() != 100 {
			t.Error("no line at the end")
		}
	})
}

// A restore that stands still has no speed to tell of, and a short one needs no line on its way.
func TestRestoresThatHaveNothingToTell(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 50)
		b.restore(50, 50)
		end := b.slow()
		got := b.add(b.open)
		time.Sleep(time.Minute)
		if n := b.logs.FilterMessage("restoring").Len(); n > 0 || !b.warned("a restore waits") {
			t.Errorf("%d lines of a restore that stands still, warned: %v", n, b.warned("a restore waits"))
		}
		for range 10 {
			end()
		}
		b.whole(<-got, 100)
	})
}

// Who wants to know how far a task is hears of each step.
func TestRestoreSaysHowFarItIs(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 10)
		var heard []int64
		done := make(chan outcome, 1)
		b.r.Add(context.Background(), &Job{
			Task: "0_0", Logs: []Log{{Store: "sums", TP: tp}}, Open: b.open, Moved: func(at int64) { heard = append(heard, at) },
			Done: func(s *store.Set, ends map[string]int64, err error) { done <- outcome{s, ends, err} },
		})
		b.check(<-done, 10, 10)
		if len(heard) < 2 || heard[0] != 0 || heard[len(heard)-1] != 10 {
			t.Errorf("heard %v", heard)
		}
	})
}

// While the brokers are away a restore waits; it does not fail.
func TestRestoreOutlastsBrokers(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 10)
		away := true
		b.broker.ControlKey(2, func(kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.KeepControl()
			if away {
				return nil, errors.New("cut"), true
			}
			return nil, nil, false
		})
		got := b.add(b.open)
		time.Sleep(2 * time.Minute)
		away = false
		b.check(<-got, 10, 10)
	})
}

// A store whose rows an engine cannot take is an error that names task and changelog.
func TestRestoreIntoABrokenStore(t *testing.T) {
	onBench(t, func(b *bench) {
		b.fill(0, 10)
		o := <-b.add(func(context.Context) (*store.Set, error) {
			e, err := b.disk.Open("dir", "0_0")
			if err != nil {
				return nil, err
			}
			return store.Open(broken{e}, nil, []*rows.Spec{rows.NewKeyValue("sums", serde.String(), serde.Int64())})
		})
		if o.err == nil || o.stores != nil || !strings.Contains(o.err.Error(), "task 0_0: restore from log-0") || !errors.Is(o.err, errDisk) {
			t.Errorf("%v", o.err)
		}
		b.restore(10, 10)
	})
}

var errDisk = errors.New("disk full")

// broken is an engine that takes its own rows alone.
type broken struct{ state.Engine }

func (b broken) Apply(batch *state.Batch) error {
	if batch.Len() > 2 {
		return errDisk
	}
	return b.Engine.Apply(batch)
}
