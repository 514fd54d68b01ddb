package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/topology"
)

const (
	app        = "app"
	partitions = 4
	session    = 6 * time.Second
	// rebalance is short for kfake's sake. A member whose session ends while it waits in SyncGroup is counted there as one that had joined, so that
	// from then on rebalances end by this time-out alone. Each JoinGroup starts it anew, and each of four members repeats its own after the
	// time-out and ten seconds: there must be room between them.
	rebalance = 3 * time.Second
	// patience is how long, in virtual time, a group may take to get through what was fed to it once nothing disturbs it any more.
	patience = 5 * time.Minute
)

// plan is what a run is like.
type plan struct {
	exactlyOnce bool
	old         bool // the broker has transaction.version 1: offsets are announced to the transaction
	processes   int
	workers     int
	commit      time.Duration
	rounds      int
	deeds       int // of the nemesis, in each round
	// sabotage breaks the run before its processes start.
	sabotage func(*world)
}

// verbose shows what clients and the broker have to say.
var verbose = os.Getenv("WEIR_CHAOS_VERBOSE") != ""

// logs writes to a test's log.
type logs struct{ t *testing.T }

func (l logs) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

func (p plan) String() string {
	if !p.exactlyOnce {
		return "at least once"
	}
	version := 2
	if p.old {
		version = 1
	}
	return fmt.Sprintf("exactly once, transaction version %d, %d workers", version, p.workers)
}

// world is one run.
type world struct {
	t       *testing.T
	seed    uint64
	plan    plan
	scene   *scene
	log     *zap.Logger
	network kfake.VirtualNetwork
	cluster *kfake.Cluster
	brokers []string
	graph   *topology.Topology
	client  *kgo.Client // of the checker and the feeder

	// What saboteurs change.
	onStart   func(*life)
	last      func() // when the app has stopped
	loses     string // payments to this merchant are dropped in the second round
	forgetful bool   // stores drop writes

	processes []*process
	fed       []*kgo.Record

	busy   sync.WaitGroup // peace waits for it
	over   atomic.Bool    // the broker is about to go
	mu     sync.Mutex
	rng    *rand.Rand
	counts map[string]int
	lives  []*life
	relics []relic
	dawdle time.Duration
	awake  time.Time // when user code that was told to dawdle will have done so
	errors []*kfake.FaultHandle
	faults []error
}

// relic is a disk as a process left it.
type relic struct {
	of string
	fs *vfs.MemFS
}

// run is one run of a scene in a bubble; its error says what is wrong. eventful tells whether anything happened to the app.
func run(t *testing.T, s *scene, p plan, seed uint64) (counts map[string]int, err error) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s, p, seed)
		err = w.play()
		counts = w.counts
	})
	return counts, err
}

func newWorld(t *testing.T, s *scene, p plan, seed uint64) *world {
	w := &world{t: t, seed: seed, plan: p, scene: s, rng: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}}
	w.log = zaptest.NewLogger(t, zaptest.WrapOptions(zap.WithCaller(false)))
	versions := kversion.V4_0_0()
	if p.old {
		versions = kversion.V3_9_0()
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(w.network.Listen), kfake.Ports(9092), kfake.MaxVersions(versions), kfake.SeedTopics(partitions, "in", "out")}
	if verbose {
		opts = append(opts, kfake.WithLogger(kfake.BasicLogger(logs{t}, kfake.LogLevelDebug)))
	}
	cluster, err := kfake.NewCluster(opts...)
	w.ok(err)
	w.cluster, w.brokers = cluster, cluster.ListenAddrs()
	topo, err := s.build(w)
	w.ok(err)
	w.graph = topo.Graph(seal.Token{})
	w.client, err = kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.Dialer(w.network.DialContext), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.ok(err)
	for i := range p.processes {
		w.add(i)
	}
	return w
}

func (w *world) add(i int) *process {
	p := &process{w: w, name: fmt.Sprintf("p%d", i), fs: vfs.NewCrashableMem()}
	w.processes = append(w.processes, p)
	return p
}

// play is the run: rounds of records and deeds, then peace, then the reckoning.
func (w *world) play() error {
	defer w.end()
	if w.plan.sabotage != nil {
		w.plan.sabotage(w)
	}
	for _, p := range w.processes {
		p.start()
	}
	for round := range w.plan.rounds {
		fed := w.feed(round)
		for range w.plan.deeds {
			time.Sleep(w.upTo(3 * time.Second))
			w.deed()
		}
		<-fed
		w.busy.Wait()
		w.peace()
		if err := w.settled(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	if err := w.awaken(); err != nil {
		return err
	}
	return w.reckon()
}

// awaken waits for user code that is stuck: the transaction of a worker that is not a member any more ends, and moves the ends of what it wrote.
func (w *world) awaken() error {
	for d := time.Second; d > 0; {
		w.mu.Lock()
		d = time.Until(w.awake)
		w.mu.Unlock()
		time.Sleep(d)
	}
	time.Sleep(5 * time.Second)
	return w.settled()
}

// end stops everything and waits: a bubble must be left empty.
func (w *world) end() {
	for _, l := range w.lives {
		l.wire.thaw()
		l.stop()
	}
	for _, l := range w.lives {
		<-l.done
	}
	w.over.Store(true)
	time.Sleep(time.Minute)
	w.client.Close()
	w.cluster.Close()
	time.Sleep(2 * time.Minute) // a bubble's clock stops with its test; clients end some things beside their Close
}

// peace ends what the nemesis has begun, and has at least two processes run.
func (w *world) peace() {
	w.forgive()
	for i, p := range w.processes {
		l := p.now()
		switch {
		case l != nil:
			l.wire.thaw()
			l.fail.arm("", nil)
			l.wire.disarm()
		case i < 2:
			p.start()
		}
	}
}

// settled waits until the group has committed all that there is to read.
func (w *world) settled() error {
	deadline := time.Now().Add(patience)
	for {
		behind := w.behind()
		if err := w.failed(); err != nil {
			return err
		}
		if len(behind) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the group does not get on:\n%s\n%s", strings.Join(behind, "\n"), w.describe())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// behind are the partitions whose committed offset is not their end.
func (w *world) behind() (all []string) {
	g := w.cluster.GroupInfo(app)
	if g == nil {
		return []string{"there is no group"}
	}
	for _, topic := range w.read() {
		for _, p := range w.cluster.PartitionInfos(topic) {
			at := g.Commits[topic][p.Partition].Offset
			if at != p.HighWatermark {
				all = append(all, fmt.Sprintf("%s/%d: committed %d, stable %d, end %d", topic, p.Partition, at, p.LastStableOffset, p.HighWatermark))
			}
		}
	}
	return all
}

// read are the topics that the app reads.
func (w *world) read() []string {
	names, _ := w.graph.Sources()
	for _, r := range w.graph.Repartitions() {
		names = append(names, r.Topic().In(app))
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// alive are the processes that run.
func (w *world) alive() []*process {
	return slices.DeleteFunc(slices.Clone(w.processes), func(p *process) bool { return p.now() == nil })
}

// failed is the failure of a process that nobody has killed, or of one that was stopped.
func (w *world) failed() error {
	w.mu.Lock()
	faults := w.faults
	w.mu.Unlock()
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for _, p := range w.processes {
		l := p.now()
		if l == nil {
			continue
		}
		select {
		case <-l.done:
			return fmt.Errorf("process %s ended by itself: %w", p.name, l.err)
		default:
		}
	}
	return nil
}

func (w *world) describe() string {
	var b strings.Builder
	if g := w.cluster.GroupInfo(app); g != nil {
		fmt.Fprintf(&b, "group %s, generation %d\n", g.State, g.Epoch)
		for _, m := range g.Members {
			fmt.Fprintf(&b, "  %s: %v\n", m.MemberID, m.Assignment)
		}
	}
	for _, p := range w.processes {
		if l := p.now(); l != nil {
			fmt.Fprintf(&b, "%s: %s, %+v\n", p.name, l.run.State(), l.run.Stats())
		}
	}
	return b.String()
}

// ctx bounds what the checker does.
func (w *world) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// ok is for what cannot go wrong.
func (w *world) ok(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

func (w *world) born(l *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives = append(w.lives, l)
}

func (w *world) relic(of string, fs *vfs.MemFS) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.relics = append(w.relics, relic{of, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})})
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.below(int(d))) }

func (w *world) below(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

func (w *world) latency() time.Duration { return w.upTo(2 * time.Millisecond) }

// work is called by user code for each record: it takes as long as the nemesis wants.
func (w *world) work() {
	w.mu.Lock()
	d := w.dawdle
	w.dawdle = 0
	if d > 0 {
		w.awake = time.Now().Add(d)
	}
	w.mu.Unlock()
	time.Sleep(d)
}

func shown(counts map[string]int) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return strings.Join(all, ", ")
}
