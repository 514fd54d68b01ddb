package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/internal/assign"
)

// ResetPolicy says where to begin a partition for which nothing is committed, or whose committed offset is not in the
// log any more (Kafka's auto.offset.reset).
type ResetPolicy struct {
	kind resetKind
	back time.Duration
}

type resetKind uint8

const (
	resetEarliest resetKind = iota
	resetLatest
	resetBack
	resetNone
)

// ResetEarliest begins at the log's start; it is the zero ResetPolicy.
func ResetEarliest() ResetPolicy { return ResetPolicy{} }

// ResetLatest begins at the log's end.
func ResetLatest() ResetPolicy { return ResetPolicy{kind: resetLatest} }

// ResetBack begins at the first record that is not older than d (KIP-1106).
func ResetBack(d time.Duration) ResetPolicy { return ResetPolicy{kind: resetBack, back: d} }

// ResetNone fails.
func ResetNone() ResetPolicy { return ResetPolicy{kind: resetNone} }

// Handler hears what a rebalance does. It is called only while the worker is inside Poll, never twice at once.
//
// Revoked and Lost name only partitions that Assigned has named, each once. Assigned comes at the end of every
// rebalance, with nothing new too, since the plan may say something about standbys. The context ends with the client.
type Handler interface {
	// Assigned names the partitions that came; reading of them begins later, with Polled.Started. Pause here those that
	// are not to be read at once.
	Assigned(ctx context.Context, plan Plan, added []TP)
	// Revoked names partitions that must be given up. The member still owns them: this is the last moment to commit.
	Revoked(ctx context.Context, gone []TP)
	// Lost names partitions that others may own already. Nothing can be committed.
	Lost(ctx context.Context, gone []TP)
}

// GroupConfig is what one worker's member of the group is made of.
type GroupConfig struct {
	Worker  int
	Topics  []string
	Pattern *regexp.Regexp // also topics whose whole name matches; nil is none
	Handler Handler
	Planner Planner
	// Data is asked at each join, on a goroutine of the client, for what the leader is to know.
	Data func() assign.MemberData
	// Reset is asked where a topic begins.
	Reset func(topic string) ResetPolicy
}

// Group is one worker's member of the consumer group. It is owned by the worker's goroutine, but for Wanted, LeaveRaw
// and ForceRebalance, which any goroutine may call.
type Group struct {
	set    *Settings
	cfg    GroupConfig
	cl     *kgo.Client
	adm    *kadm.Client
	bal    *balancer
	over   context.Context // ended: a poll with it takes the gate and reads nothing
	wanted atomic.Bool
	polled Polled

	mu      sync.Mutex
	member  string // the id under which parts were given, empty if there are none
	parts   map[TP]*part
	started []Started // not yet delivered
	ids     map[string][16]byte
	failed  error // why positions could not be found, for the next Poll
	left    bool
}

// part is a partition between Assigned and Revoked or Lost.
//
//	fetching --(the client fetched its offsets)--> live
//	    live --Rewind--> rewinding --(Poll fetched its offsets)--> live
//
// One that the client kept through a loss that it did not notice begins as rewinding. Records reach the worker only from
// live partitions.
type part struct {
	state  partState
	paused bool
}

type partState uint8

const (
	fetching partState = iota
	rewinding
	live
)

// Started is where reading of a partition begins.
type Started struct {
	TP
	Offset    int64     // the first to be read
	Committed Committed // what the group had committed
	End       int64     // the partition's end then: the last stable offset under exactly once, else the high watermark
	Reset     bool      // Offset comes from the reset policy
}

// Fetched is what one poll brought of one partition. Records include control records, which only advance the position.
type Fetched struct {
	TP
	Records       []*kgo.Record
	End           int64 // as in Started
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	// Err is set if the partition is not read any more: its topic is gone or forbidden, or the position is not in the
	// log (OutOfRange). Rewind tries again.
	Err error
}

// OutOfRange reports whether the position is not in the log any more. Rewind applies the reset policy.
func (f *Fetched) OutOfRange() bool {
	lost := (*kgo.ErrDataLoss)(nil)
	return errors.Is(f.Err, kerr.OffsetOutOfRange) || errors.As(f.Err, &lost)
}

// Polled is what one Poll brought. It is valid until the next.
type Polled struct {
	Started []Started // to be looked at before Records of the same partitions
	Fetched []Fetched
}

// NewGroup makes the member; it joins in the background. Handler calls come from Poll.
func NewGroup(set *Settings, cfg GroupConfig) (*Group, error) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	g := &Group{
		set:   set,
		cfg:   cfg,
		bal:   &balancer{data: cfg.Data, planner: cfg.Planner},
		over:  over,
		parts: map[TP]*part{},
		ids:   map[string][16]byte{},
	}
	cl, err := set.client(g.options()...)
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", set.App, err)
	}
	g.cl, g.adm = cl, kadm.NewClient(cl)
	return g, nil
}

func (g *Group) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(g.set.App),
		kgo.Balancers(g.bal),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(g.set.isolation()),
		kgo.KeepControlRecords(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.OnPartitionsAssigned(g.onAssigned),
		kgo.OnPartitionsRevoked(g.onRevoked),
		kgo.OnPartitionsLost(g.onLost),
		kgo.OnPartitionsCallbackBlocked(func(context.Context, *kgo.Client) { g.wanted.Store(true) }),
		kgo.OnOffsetsFetched(g.onOffsets),
		kgo.AdjustFetchOffsetsFn(g.startPositions),
	}
	if id := g.instance(); id != nil {
		opts = append(opts, kgo.InstanceID(*id))
	}
	return append(opts, g.subscription()...)
}

func (g *Group) instance() *string {
	if g.set.Instance == "" {
		return nil
	}
	id := g.set.Instance + "-" + strconv.Itoa(g.cfg.Worker)
	return &id
}

// subscription: the client knows either names or patterns, so beside a pattern names become patterns of themselves.
func (g *Group) subscription() []kgo.Opt {
	if g.cfg.Pattern == nil {
		return []kgo.Opt{kgo.ConsumeTopics(g.cfg.Topics...)}
	}
	patterns := []string{"^(?:" + g.cfg.Pattern.String() + ")$"}
	for _, t := range g.cfg.Topics {
		patterns = append(patterns, "^"+regexp.QuoteMeta(t)+"$")
	}
	return []kgo.Opt{kgo.ConsumeRegex(), kgo.ConsumeTopics(patterns...)}
}

// Poll parks the worker until records come or the context ends; with a nil or ended context it only takes what is there.
// Rebalances happen meanwhile, and only meanwhile. That the context ended is no error.
//
// An error means that this member can not go on: the group refuses it, or it could not plan (PlanError), or it is closed.
func (g *Group) Poll(ctx context.Context) (*Polled, error) {
	if ctx != nil && ctx.Err() != nil {
		ctx = nil
	}
	g.cl.AllowRebalance()
	g.wanted.Store(false)
	fetches := g.cl.PollFetches(ctx)
	if len(fetches) == 0 {
		// Such a poll does not hold the gate: callbacks could run while the worker works. This one does, and reads nothing.
		g.cl.PollFetches(g.over)
	}
	g.fence()
	g.rewind()
	g.polled.Started, g.polled.Fetched = nil, g.polled.Fetched[:0]
	err := g.take(fetches)
	return &g.polled, err
}

// fence notices that the client joined again under another id.
func (g *Group) fence() {
	if g.Fenced() {
		g.lose(g.cl.Context())
	}
}

// Fenced reports whether the client is not the member any more that was given the partitions: all of them are lost. Poll
// sees to it; between Polls the worker asks before it does what cannot be taken back.
func (g *Group) Fenced() bool {
	id, _ := g.cl.GroupMetadata()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member != "" && g.member != id
}

// identity returns what a commit carries: the recorded member id and the generation of the moment.
func (g *Group) identity() (member string, generation int32, err error) {
	id, generation := g.cl.GroupMetadata()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.member == "" || g.member != id {
		return "", 0, fmt.Errorf("%w: group %s: was %q, is %q", ErrFenced, g.set.App, g.member, id)
	}
	return g.member, generation, nil
}

// Member returns the id under which the partitions were given, empty without any.
func (g *Group) Member() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member
}

// Owned returns the partitions between Assigned and Revoked or Lost, sorted.
func (g *Group) Owned() []TP {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.SortedFunc(maps.Keys(g.parts), TP.Compare)
}

// lose gives up everything, and the id with it.
func (g *Group) lose(ctx context.Context) {
	g.mu.Lock()
	gone := slices.SortedFunc(maps.Keys(g.parts), TP.Compare)
	g.drop(gone)
	g.member = ""
	left := g.left
	g.mu.Unlock()
	if len(gone) > 0 && !left {
		g.cfg.Handler.Lost(ctx, gone)
	}
}

// drop forgets partitions; g.mu is held.
func (g *Group) drop(gone []TP) {
	var paused []TP
	for _, tp := range gone {
		if p := g.parts[tp]; p != nil && p.paused {
			paused = append(paused, tp)
		}
		delete(g.parts, tp)
	}
	g.started = slices.DeleteFunc(g.started, func(s Started) bool { return g.parts[s.TP] == nil })
	if len(paused) > 0 {
		// The client remembers a pause beyond the assignment.
		g.cl.ResumeFetchPartitions(byTopic(paused))
	}
}

// onAssigned runs behind the gate, at the end of every rebalance.
func (g *Group) onAssigned(ctx context.Context, _ *kgo.Client, added map[string][]int32) {
	g.fence()
	plan, fresh, ok := g.adopt(flatten(added))
	if ok {
		g.cfg.Handler.Assigned(ctx, plan, fresh)
	}
}

// adopt records the identity and what is new to us. That may be more than is new to the client, which forgets nothing
// when it joins again silently: such partitions are at wherever it had read to, and must be rewound.
func (g *Group) adopt(added []TP) (Plan, []TP, bool) {
	id, generation := g.cl.GroupMetadata()
	latest := g.bal.take()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return Plan{}, nil, false
	}
	g.member = id
	var fresh []TP
	for _, tp := range latest.owned {
		if g.parts[tp] != nil {
			continue
		}
		p := &part{state: rewinding}
		if slices.Contains(added, tp) {
			p.state = fetching
		}
		g.parts[tp] = p
		fresh = append(fresh, tp)
	}
	return Plan{Generation: generation, Member: id, AssignmentData: latest.data}, fresh, true
}

// onRevoked runs behind the gate. It comes with nothing at the end of each session.
func (g *Group) onRevoked(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
	g.fence()
	g.mu.Lock()
	gone := slices.DeleteFunc(flatten(lost), func(tp TP) bool { return g.parts[tp] == nil })
	left := g.left
	g.mu.Unlock()
	if len(gone) == 0 || left {
		return
	}
	g.cfg.Handler.Revoked(ctx, gone)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(gone)
}

// onLost runs behind the gate. Whatever the client names: the id is gone, so all is lost.
func (g *Group) onLost(ctx context.Context, _ *kgo.Client, _ map[string][]int32) { g.lose(ctx) }

// Wanted reports whether a rebalance waits for the worker to Poll. It is for cutting a turn short.
func (g *Group) Wanted() bool { return g.wanted.Load() }

// ForceRebalance makes the member join again: because its Data changed or because, as the leader, it wants another plan.
func (g *Group) ForceRebalance() { g.cl.ForceRebalance() }

// Pause stops reading partitions; those it does not own are ignored.
func (g *Group) Pause(tps ...TP) {
	if mine := g.mark(tps, true); len(mine) > 0 {
		g.cl.PauseFetchPartitions(byTopic(mine))
	}
}

// Resume undoes Pause.
func (g *Group) Resume(tps ...TP) {
	if mine := g.mark(tps, false); len(mine) > 0 {
		g.cl.ResumeFetchPartitions(byTopic(mine))
	}
}

// mark returns the partitions that it changed.
func (g *Group) mark(tps []TP, paused bool) []TP {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(tps), func(tp TP) bool {
		p := g.parts[tp]
		if p == nil || p.paused == paused {
			return true
		}
		p.paused = paused
		return false
	})
}

// Rewind forgets where partitions were read to. Poll fetches their committed offsets, waiting for transactions that hold
// them, and says where each begins anew in Polled.Started; until then it brings no records of them. Without arguments it
// rewinds all.
func (g *Group) Rewind(tps ...TP) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(tps) == 0 {
		tps = slices.Collect(maps.Keys(g.parts))
	}
	for _, tp := range tps {
		// One whose offsets the client is fetching was not read yet.
		if p := g.parts[tp]; p != nil && p.state == live {
			p.state = rewinding
		}
	}
	g.started = slices.DeleteFunc(g.started, func(s Started) bool { return g.parts[s.TP].state != live })
}

// rewind finds the positions of rewound partitions, trying once: if some transaction holds them, the next Poll tries
// again. It holds the gate, so that nothing is revoked meanwhile.
func (g *Group) rewind() {
	tps := g.inState(rewinding)
	if len(tps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(g.cl.Context(), g.set.requestTimeout())
	defer cancel()
	begin, err := committed(ctx, g.cl, g.adm, g.set.App, tps)
	if err == nil {
		err = g.begin(ctx, begin, true)
	}
	if err != nil && !passes(err) {
		g.fail(err)
	}
}

func (g *Group) inState(state partState) []TP {
	g.mu.Lock()
	defer g.mu.Unlock()
	var tps []TP
	for tp, p := range g.parts {
		if p.state == state {
			tps = append(tps, tp)
		}
	}
	return tps
}

// fail keeps an error for the worker.
func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = errors.Join(g.failed, err)
}

// onOffsets runs outside the gate, when the client has fetched the offsets of new partitions. It keeps the metadata,
// which the client does not.
func (g *Group) onOffsets(ctx context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	return nil
}

// begin resolves positions, tells the client of them if it is to be told, and keeps them for the worker.
func (g *Group) begin(ctx context.Context, from map[TP]Committed, tell bool) error {
	return nil
}

// startPositions runs outside the gate, right after onOffsets, and before the client begins to read.
func (g *Group) startPositions(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	return offsets, nil
}

func (g *Group) take(fetches kgo.Fetches) error {
	return nil
}

// Leave leaves the group. Commit and close all tasks before: the handler is not called for what Leave gives up.
func (g *Group) Leave(ctx context.Context) error { return nil }

// Close ends the client; a member that has not left stays in the group until its session times out.
func (g *Group) Close() {}

// LeaveRaw removes this worker's member from the group while the worker itself is stuck: others get its partitions, and
// what it may commit later is refused. Any goroutine may call it.
func (g *Group) LeaveRaw(ctx context.Context) error { return nil }
