package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/runtime"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// truck plays a disk on which the rows of a directory end with the directory, and counts.
type truck struct {
	mem.Disk
	opened atomic.Int64
	open   atomic.Int64
}

func (d *truck) Open(dir, task string) (state.Engine, error) {
	mark := filepath.Join(dir, "rows")
	if _, err := os.Stat(mark); err != nil {
		d.Remove(dir)
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			return nil, err
		}
	}
	e, err := d.Disk.Open(dir, task)
	if err != nil {
		return nil, err
	}
	d.opened.Add(1)
	d.open.Add(1)
	return driven{e, d}, nil
}

type driven struct {
	state.Engine
	d *truck
}

func (e driven) Close() error { e.d.open.Add(-1); return e.Engine.Close() }

// town is a broker, and processes of one app that count the values of topic "in".
type town struct {
	t       *testing.T
	network kfake.VirtualNetwork
	broker  *kfake.Cluster
	client  *kgo.Client
	graph   *topology.Topology
	eos     bool

	partitions int32

	logs *observer.ObservedLogs
	log  *zap.Logger
	fed  int
}

// inTown runs a test in a bubble; its directories are made before.
func inTown(t *testing.T, partitions int32, eos bool, opts []weir.OpOption, run func(w *town, dirs []string)) {
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		w := &town{t: t, partitions: partitions, eos: eos}
		var err error
		w.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.network.Listen), kfake.SeedTopics(partitions, "in"))
		w.ok(err)
		w.client, err = kgo.NewClient(append(w.clients(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		w.ok(err)
		core, logs := observer.New(zap.InfoLevel)
		w.logs, w.log = logs, zap.New(core)
		b := weir.NewBuilder()
		weir.Count(weir.From(b, weir.NewTopic("in", serde.String(), serde.String())).GroupByKey(), "counts", opts...)
		topo, err := b.Build()
		w.ok(err)
		w.graph = topo.Graph(seal.Token{})
		run(w, dirs)
		w.client.Close()
		w.broker.Close()
		time.Sleep(time.Minute) // the bubble must be empty
	})
}

func (w *town) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) clients() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(w.broker.ListenAddrs()...), kgo.Dialer(w.network.DialContext)}
}

func (w *town) config(dir string, disk state.Provider, workers int) runtime.Config {
	return runtime.Config{
		App: "app", Graph: w.graph, StateDir: dir, Provider: disk, Workers: workers, CommitInterval: 100 * time.Millisecond, CacheBytes: 1 << 20, Replication: 1,
		CleanupDelay: 10 * time.Minute, Log: w.log,
		Settings: kafka.Settings{App: "app", ExactlyOnce: w.eos, SessionTimeout: 6 * time.Second, Options: append(w.clients(), kgo.RebalanceTimeout(3*time.Second))},
	}
}

// feed writes so many keys to each partition, each once.
func (w *town) feed(n int) {
	w.t.Helper()
	for i := range n {
		for p := range w.partitions {
			r := &kgo.Record{Topic: "in", Partition: p, Key: fmt.Appendf(nil, "%d-%d", p, w.fed+i), Value: []byte("v")}
			w.client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					w.t.Error(err)
				}
			})
		}
	}
	w.ok(w.client.Flush(context.Background()))
	w.fed += n
}

// records is how many were fed.
func (w *town) records() int64 { return int64(w.fed) * int64(w.partitions) }

func (w *town) until(what string, yes func() bool) {
	w.t.Helper()
	for range 600 {
		if yes() {
			return
		}
		time.Sleep(time.Second / 4)
	}
	w.t.Fatalf("%s: not in %v", what, 150*time.Second)
}

// running is a process.
type running struct {
	*runtime.Runtime
	stop func()
}

func (w *town) start(c runtime.Config) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Runtime: runtime.New(c)}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return r
}

// counts are the sums of what processes have counted, and the number of keys.
func counts(processes ...*running) (sum, keys int64) {
	for _, p := range processes {
		view, err := p.View("counts")
		if err != nil {
			continue
		}
		for _, n := range view.(state.ReadOnlyKeyValue[string, int64]).All() {
			sum += n
			keys++
		}
	}
	return sum, keys
}

// all waits until every key is counted, exactly once where that is promised.
func (w *town) all(processes ...*running) {
	w.t.Helper()
	sum := int64(0)
	w.until("every key is counted", func() (yes bool) {
		n, keys := counts(processes...)
		sum = n
		return keys == w.records()
	})
	if sum < w.records() || w.eos && sum > w.records() {
		w.t.Errorf("%d records were counted %d times", w.records(), sum)
	}
}

func folders(t *testing.T, dir string) (n int) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "0_*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// What moves to another process is deleted after a while, and restored whole when it comes back.
func TestStateOfTasksThatMovedIsDeleted(t *testing.T) {
	for _, eos := range []bool{false, true} {
		inTown(t, 4, eos, nil, func(w *town, dirs []string) {
			disks := []*truck{{}, {}}
			a := w.start(w.config(dirs[0], disks[0], 2))
			w.feed(50)
			w.all(a)
			b := w.start(w.config(dirs[1], disks[1], 2))
			w.until("both have two tasks", func() bool {
				return a.State() == runtime.Running && b.State() == runtime.Running && a.Tasks() == 2 && b.Tasks() == 2
			})
			w.feed(50)
			w.all(a, b)
			time.Sleep(9 * time.Minute)
			if n, m := folders(t, dirs[0]), folders(t, dirs[1]); n != 4 || m != 2 || disks[0].open.Load() != 2 {
				t.Errorf("after 9 minutes there are %d and %d directories; open are %d", n, m, disks[0].open.Load())
			}
			time.Sleep(2 * time.Minute)
			if n, m := folders(t, dirs[0]), folders(t, dirs[1]); n != 2 || m != 2 {
				t.Errorf("after 11 minutes there are %d and %d directories", n, m)
			}
			if n := w.logs.FilterMessage("state directory deleted: its task is elsewhere").Len(); n != 2 {
				t.Errorf("%d deletions were logged", n)
			}
			b.stop()
			w.until("all are back", func() bool { return a.State() == runtime.Running && a.Tasks() == 4 })
			w.feed(50)
			w.all(a)
			if n := folders(t, dirs[0]); n != 4 {
				t.Errorf("%d directories", n)
			}
			a.stop()
		})
	}
}

// A process that starts again has its tasks back at once: each store is opened once, and nothing is read again.
func TestRestartOpensEachStoreOnce(t *testing.T) {
	inTown(t, 4, true, nil, func(w *town, dirs []string) {
		disk := &truck{}
		a := w.start(w.config(dirs[0], disk, 2))
		w.feed(50)
		w.all(a)
		a.stop()
		if n := disk.open.Load(); n != 0 {
			t.Errorf("%d stores are open when nothing runs", n)
		}
		disk.opened.Store(0)
		w.logs.TakeAll()
		a = w.start(w.config(dirs[0], disk, 2))
		w.all(a)
		if n := disk.opened.Load(); n != 4 {
			t.Errorf("4 stores were opened %d times", n)
		}
		if n := w.logs.FilterMessage("store restored").Len(); n > 0 {
			t.Errorf("%d stores had to be restored", n)
		}
		a.stop()
	})
}

// Tasks that pass from worker to worker take their stores along, and what was not committed stays behind; those in memory need no restore either.
func TestWorkersHandStoresOver(t *testing.T) {
	for name, opts := range map[string][]weir.OpOption{"disk": nil, "memory": {weir.InMemory()}} {
		for _, eos := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, eos), func(t *testing.T) {
				inTown(t, 4, eos, opts, func(w *town, dirs []string) {
					disk := &truck{}
					a := w.start(w.config(dirs[0], disk, 2))
					w.feed(50)
					w.all(a)
					w.logs.TakeAll()
					opened := disk.opened.Load()
					for round := range 4 {
						w.feed(10)
						if round%2 == 0 {
							w.all(a) // else there is something that is not committed
						}
						w.ok(a.Kick(context.Background(), round%2))
						w.feed(10)
						w.until("all run again", func() bool { return a.State() == runtime.Running && a.Tasks() == 4 })
						w.all(a)
					}
					if n := w.logs.FilterMessage("task assigned").Len(); n < 8 {
						t.Fatalf("tasks moved only %d times", n)
					}
					if n := disk.opened.Load() - opened; n != 0 {
						t.Errorf("stores were opened %d times", n)
					}
					for _, l := range w.logs.FilterMessage("store restored").All() {
						if n := l.ContextMap()["records"].(int64); n > 20 {
							t.Errorf("a hand-over read %d records", n)
						}
					}
					a.stop()
					if n := disk.open.Load(); n != 0 {
						t.Errorf("%d stores are open in the end", n)
					}
				})
			})
		}
	}
}

// joined is a process as it tells of itself when it joins, without a past in the group.
func (w *town) joined(id string, b *runtime.Bench) kafka.JoinedMember {
	d := b.Data()
	return kafka.JoinedMember{Member: assign.Member{ID: id, Process: string(d.Process[:]), Positions: d.Positions, Topics: []string{"in"}}, Data: d}
}

// bench is a process before it takes part.
func (w *town) bench(dir string, disk *truck) *runtime.Bench {
	w.t.Helper()
	b, err := runtime.NewBench(context.Background(), w.config(dir, disk, 1))
	w.ok(err)
	return b
}

// A task goes where its state is nearest to the end of the changelog, and not where there is just some state; also when nobody can say where that end is.
func TestStaleStateAttractsNothing(t *testing.T) {
	inTown(t, 1, false, nil, func(w *town, dirs []string) {
		disks := []*truck{{}, {}}
		for i, n := range []int{10, 10_100} {
			p := w.start(w.config(dirs[i], disks[i], 1))
			w.feed(n)
			w.all(p)
			p.stop()
		}
		both := []*runtime.Bench{w.bench(dirs[0], disks[0]), w.bench(dirs[1], disks[1])}
		x, y := w.joined("x", both[0]), w.joined("y", both[1])
		first := assign.TaskID{}
		if x.Data.Positions[first] != 10 || y.Data.Positions[first] != 10_110 {
			t.Errorf("positions %v and %v", x.Positions, y.Positions)
		}
		decide := func(x, y kafka.JoinedMember) (string, int64) {
			t.Helper()
			plan, tasks, err := both[0].Planned(kafka.Joined{Members: []kafka.JoinedMember{x, y}, Partitions: map[string]int32{"in": 1}})
			w.ok(err)
			for id, a := range plan {
				if len(a.Active) == 1 {
					return id, tasks[0].LogEnd
				}
			}
			t.Fatalf("plan %v", plan)
			return "", 0
		}
		other := [2]kafka.JoinedMember{x, y} // the order of processes is no reason
		other[0].Process, other[1].Process = y.Process, x.Process
		for _, members := range [][2]kafka.JoinedMember{{x, y}, other} {
			if at, end := decide(members[0], members[1]); at != "y" || end != 10_110 {
				t.Errorf("the task goes to %s; its changelog ends at %d", at, end)
			}
		}
		wrong := 0 // what a directory says that has not been looked into
		for _, members := range [][2]kafka.JoinedMember{{x, y}, other} {
			for i := range members {
				members[i].Positions = map[assign.TaskID]int64{first: assign.Latest}
			}
			if at, _ := decide(members[0], members[1]); at != "y" {
				wrong++
			}
		}
		if wrong == 0 {
			t.Error("the task finds its way without positions: this test tests nothing")
		}
		w.broker.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.broker.KeepControl()
			return nil, errors.New("cut"), true
		})
		began := time.Now()
		if at, end := decide(x, y); at != "y" || end != -1 {
			t.Errorf("without an answer the task goes to %s; its changelog ends at %d", at, end)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the group waited %v for an answer", took)
		}
		for _, b := range both {
			w.ok(b.Close())
		}
	})
}

// Stats tell of a restore while it runs.
func TestStatsTellOfRestores(t *testing.T) {
	inTown(t, 4, true, nil, func(w *town, dirs []string) {
		a := w.start(w.config(dirs[0], &truck{}, 1))
		w.feed(20)
		w.all(a)
		a.stop()
		other, err := kgo.NewClient(append(w.clients(), kgo.TransactionalID("other"), kgo.TransactionTimeout(10*time.Minute), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		w.ok(err)
		w.ok(other.BeginTransaction())
		w.ok(other.ProduceSync(context.Background(), &kgo.Record{Topic: "app-counts-changelog", Partition: 2, Key: []byte("k")}).FirstErr())
		end := w.broker.PartitionInfo("app-counts-changelog", 2).HighWatermark
		a = w.start(w.config(dirs[1], &truck{}, 1))
		w.until("it restores", func() bool { return a.State() == runtime.Restoring && a.Tasks() == 3 })
		time.Sleep(2 * time.Second)
		if got := a.Stats().Restores; len(got) != 1 || got[0] != (runtime.Restore{Store: "counts", Partition: 2, Done: end - 1, End: end}) {
			t.Errorf("restores %v, the changelog ends at %d", got, end)
		}
		w.ok(other.EndTransaction(context.Background(), kgo.TryAbort))
		other.Close()
		w.all(a)
		w.until("it runs", func() bool { return a.State() == runtime.Running })
		time.Sleep(2 * time.Second)
		if got := a.Stats().Restores; len(got) != 0 {
			t.Errorf("in the end restores %v", got)
		}
		a.stop()
	})
}

// The position of a task that is being restored, or runs, is its own.
func TestPositionsOfTasksAtWork(t *testing.T) {
	inTown(t, 4, true, nil, func(w *town, dirs []string) {
		disk := &truck{}
		a := w.start(w.config(dirs[0], disk, 1))
		w.feed(20)
		w.all(a)
		a.stop()
		b := w.bench(dirs[0], disk)
		id, in := assign.TaskID{Partition: 1}, kafka.TP{Topic: "in", Partition: 1}
		stored := b.Data().Positions[id]
		if stored < 20 {
			t.Errorf("position %d", stored)
		}
		b.Assign(in)
		b.Rest()
		b.Start(in)
		if got := b.Data().Positions[id]; got != assign.Latest {
			t.Errorf("a running task's position %d", got)
		}
		b.Revoke(in)
		b.Rest()
		if got := b.Data().Positions[id]; got < stored || got == assign.Latest {
			t.Errorf("position %d of a task that was closed at %d", got, stored)
		}
		w.ok(b.Close())
	})
}
