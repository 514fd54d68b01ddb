package chaos

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/kafka"
)

// deeds are what the nemesis can do, with how often it does each.
var deeds = []struct {
	name  string
	often int
	do    func(*world, *process) string
}{
	{"kill", 3, (*world).killNow},
	{"kill at a request", 6, (*world).killAtRequest},
	{"kill at a step of a commit", 5, (*world).killAtStep},
	{"stop", 2, (*world).stopOne},
	{"start", 8, (*world).startOne},
	{"add", 1, (*world).addOne},
	{"lose an answer", 4, (*world).loseAnswer},
	{"flap", 1, (*world).flapOne},
	{"freeze", 2, (*world).freezeOne},
	{"dawdle", 2, (*world).dawdleOnce},
	{"broker error", 8, (*world).brokerError},
	{"outage", 1, (*world).outage},
	{"move coordinators", 1, (*world).moveCoordinators},
}

// deed does one thing to a process, or the broker.
func (w *world) deed() {
	total := 0
	for _, d := range deeds {
		total += d.often
	}
	n := w.below(total)
	for _, d := range deeds {
		if n -= d.often; n >= 0 {
			continue
		}
		if alive := w.alive(); len(alive) > 0 {
			what := d.do(w, alive[w.below(len(alive))])
			w.log.Info("nemesis", zap.String("deed", d.name), zap.String("what", what))
			return
		}
		w.startOne(nil)
		return
	}
}

// unsynced is how much of what was not synced survives: all, when only the process dies.
func (w *world) unsynced() int { return []int{100, 100, 0, 50}[w.below(4)] }

func (w *world) killNow(p *process) string {
	p.kill(w.unsynced())
	return p.name
}

// requests are those at which a process is killed or an answer is lost: each is a moment of the protocol.
var requests = []kmsg.Key{
	kmsg.Produce, kmsg.Produce, kmsg.EndTxn, kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn, kmsg.AddPartitionsToTxn, kmsg.OffsetCommit, kmsg.InitProducerID,
	kmsg.Fetch, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.OffsetFetch, kmsg.ListOffsets, kmsg.LeaveGroup,
}

func (w *world) request() *trap {
	return &trap{key: int16(requests[w.below(len(requests))]), n: 1 + w.below(3), after: w.below(2) == 0}
}

func (t *trap) String() string {
	when := "before"
	if t.after {
		when = "after"
	}
	return fmt.Sprintf("%s the %d. %s", when, t.n, kmsg.Key(t.key).Name())
}

func (w *world) killAtRequest(p *process) string {
	t, unsynced := w.request(), w.unsynced()
	what := fmt.Sprint(p.name, " ", t)
	t.spring = func(*conn) { p.kill(unsynced) }
	return w.arm(p, t, what)
}

func (w *world) loseAnswer(p *process) string {
	t := w.request()
	t.after = true
	what := fmt.Sprint(p.name, " ", t)
	t.spring = func(c *conn) {
		w.count("lost answers")
		c.cut()
	}
	return w.arm(p, t, what)
}

func (w *world) arm(p *process, t *trap, what string) string {
	if l := p.now(); l != nil {
		l.wire.arm(t)
	}
	return what
}

func (w *world) killAtStep(p *process) string {
	names := kafka.FailpointNames(w.plan.exactlyOnce)
	name, unsynced := names[w.below(len(names))], w.unsynced()
	if l := p.now(); l != nil {
		l.fail.arm(name, func() { p.kill(unsynced) })
	}
	return p.name + " " + name
}

func (w *world) stopOne(p *process) string {
	if len(w.alive()) == 1 {
		return "not the last"
	}
	w.failIf(p.quit())
	return p.name
}

// startOne starts a process that is dead.
func (w *world) startOne(*process) string {
	for _, p := range w.processes {
		if p.now() == nil {
			p.start()
			return p.name
		}
	}
	return "all are alive"
}

func (w *world) addOne(*process) string {
	if len(w.processes) >= 4 {
		return "enough"
	}
	p := w.add(len(w.processes))
	p.start()
	return p.name
}

func (w *world) flapOne(p *process) string {
	if l := p.now(); l != nil {
		l.wire.flap()
	}
	return p.name
}

// freezeOne stops a process; exactly once for so long that its session, perhaps its transaction, times out. At least once nothing keeps
// what such a process still writes to a changelog, when it wakes, from hiding what its successor has written: as in Kafka Streams.
func (w *world) freezeOne(p *process) string {
	d := w.upTo(session / 2)
	if w.plan.exactlyOnce {
		d = session/2 + w.upTo(15*time.Second)
	}
	if l := p.now(); l != nil {
		l.wire.freeze()
		time.AfterFunc(d, l.wire.thaw)
		w.count("freezes")
	}
	return fmt.Sprint(p.name, " ", d)
}

// dawdleOnce lets user code take so long for one record that its transaction may time out.
func (w *world) dawdleOnce(*process) string {
	d := w.upTo(15 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dawdle = d
	return d.String()
}

// brokerErrors are answers that a client must live with.
var brokerErrors = []kfake.Fault{
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Err: kerr.NotCoordinator},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress},
	{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ConcurrentTransactions},
	{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.NotCoordinator},
	{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.CoordinatorNotAvailable},
	{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.ProducerFenced},
	{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ConcurrentTransactions},
	{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.NotCoordinator},
	{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn, kmsg.AddPartitionsToTxn}, Err: kerr.ConcurrentTransactions},
	{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.NotCoordinator},
	{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.RebalanceInProgress},
	{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup}, Err: kerr.CoordinatorLoadInProgress},
	{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.UnstableOffsetCommit},
	{Keys: []kmsg.Key{kmsg.OffsetFetch, kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable},
	{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition},
	{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicasAfterAppend},
	{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut},
	{Keys: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition},
	// Those by which a coordinator or a leader says that a client is not who it was.
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Err: kerr.UnknownMemberID},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.OffsetCommit}, Err: kerr.IllegalGeneration},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.AddOffsetsToTxn}, Err: kerr.InvalidProducerEpoch},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.AddOffsetsToTxn}, Err: kerr.InvalidTxnState},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.TransactionAbortable},
	{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.ConcurrentTransactions},
	{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidProducerEpoch},
	{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber},
	{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup}, Err: kerr.UnknownMemberID},
	{Keys: []kmsg.Key{kmsg.SyncGroup}, Err: kerr.RebalanceInProgress},
	{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress},
}

// sessionErrors end a session under a worker that may be busy. When it wakes, others have its partitions: see freezeOne.
var sessionErrors = []kfake.Fault{
	{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID},
	{Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.IllegalGeneration},
}

func (w *world) brokerError(*process) string {
	all := brokerErrors
	if w.plan.exactlyOnce {
		all = slices.Concat(brokerErrors, sessionErrors)
	}
	f := all[w.below(len(all))]
	f.Count = 1 + w.below(4)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errors = append(w.errors, w.cluster.Fault(f))
	return fmt.Sprintf("%d times %v: %v", f.Count, f.Keys, f.Err.Message)
}

// outage takes the broker away from everybody, sometimes for longer than most time-outs are.
func (w *world) outage(*process) string {
	d := w.upTo(20 * time.Second)
	if w.below(3) == 0 {
		d = 70 * time.Second
	}
	w.away(d)
	return d.String()
}

func (w *world) away(d time.Duration) {
	for _, p := range w.processes {
		if l := p.now(); l != nil {
			l.wire.freeze()
		}
	}
	time.Sleep(d)
	for _, p := range w.processes {
		if l := p.now(); l != nil {
			l.wire.thaw()
		}
	}
	w.count("outages")
}

func (w *world) moveCoordinators(*process) string {
	w.cluster.RehashCoordinators()
	w.cluster.ShufflePartitionLeaders()
	return ""
}

// forgive takes back what the broker has yet to answer wrongly.
func (w *world) forgive() {
	w.mu.Lock()
	all := w.errors
	w.errors, w.dawdle = nil, 0
	w.mu.Unlock()
	for _, h := range all {
		w.counts["broker errors"] += h.Hits()
		h.Remove()
	}
}

func (w *world) failIf(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, err)
}
