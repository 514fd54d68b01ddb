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

// Handler hears what a rebalance does. It is called only while the worker is inside Poll, never twice at once.
//
// Revoked and Lost name only partitions that Assigned has named, each once. Assigned comes at the end of every
// rebalance, with nothing new too, since the plan may say something about standbys. The context ends with the client.
type Handler interface {
	// Assigned names the partitions that came; reading of them begins later, with Polled.Started. Pause here those that
	// are not to be read at once.
	Assigned(ctx context.Context, plan Plan, added []TP)
	// Revoked names partitions that must be given up. The member still owns them: this is the last moment to commit. Those of a topic that was
	// deleted and made again come in the Assigned that follows, from the beginning; a Commit leaves their offsets out.
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
	// Expired, if not nil, is called, on any goroutine, when no heartbeat was answered for a session's time: others may own everything by now.
	Expired func()
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
	opened chan struct{}   // closed by the first Poll: the client joins as soon as it is made, and must not call before
	open   func()
	life   context.Context // of the client, ended by end
	end    func()
	wanted atomic.Bool
	polled Polled
	lease  *lease
	asked  time.Time     // when Check was answered last
	again  time.Duration // how long to wait before the next attempt at a rewind, 0 before the first

	// client is the client's own idea of the member's id and generation.
	client func() (member string, generation int32)

	mu      sync.Mutex
	member  string // the id under which parts were given, empty if there are none
	gone    string // an id that the coordinator says not to know
	parts   map[TP]*part
	started []Started        // not yet delivered
	fetched map[TP]Committed // from onOffsets to startPositions
	ids     map[string][16]byte
	failed  error // why positions could not be found, for the next Poll
	left    bool

	forgetting sync.WaitGroup
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
	cut    *int64 // where the log was found to have been cut off, below what was read of it; until reading begins anew
	first  *int64 // where reading began first
	gone   bool   // the client was told to forget the topic
	remade bool   // the topic was deleted and made again: a position in the old one says nothing of the new
}

type partState uint8

const (
	fetching partState = iota
	rewinding
	live
)

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

// Gone reports whether the topic is not the one any more that the client knew: it was deleted, and perhaps made anew.
func (f *Fetched) Gone() bool { return unknownTopic(f.Err) }

// OutOfRange reports whether the position is not in the log any more: records before it were deleted, or it was cut off below it. After Rewind
// reading goes on at the committed offset, where the log was cut off if that is before it, or where the reset policy says if neither is there.
func (f *Fetched) OutOfRange() bool {
	lost := (*kgo.ErrDataLoss)(nil)
	return errors.Is(f.Err, kerr.OffsetOutOfRange) || errors.As(f.Err, &lost)
}

func (f Fetched) String() string {
	return fmt.Sprintf("%s: %d records, end %d, error %v", f.TP, len(f.Records), f.End, f.Err)
}

// Polled is what one Poll brought. It is valid until the next.
type Polled struct {
	Started []Started // to be looked at before Records of the same partitions
	Fetched []Fetched
}

// NewGroup makes the member; it joins in the background. Handler calls come from Poll.
func NewGroup(set *Settings, cfg GroupConfig) (*Group, error) {
	g := &Group{
		set:    set,
		cfg:    cfg,
		bal:    &balancer{data: cfg.Data, planner: cfg.Planner},
		over:   over,
		opened: make(chan struct{}),
		parts:  map[TP]*part{},
		ids:    map[string][16]byte{},
		lease:  &lease{expired: cfg.Expired},
	}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	g.life, g.end = context.WithCancel(context.Background())
	cl, err := set.client(g.options()...)
	if err != nil {
		g.end()
		return nil, fmt.Errorf("group %s: %w", set.App, err)
	}
	g.cl, g.adm, g.client = cl, kadm.NewClient(cl), cl.GroupMetadata
	return g, nil
}

func (g *Group) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.WithContext(g.life),
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
	if g.lease.expired != nil {
		opts = append(opts, kgo.WithHooks(g.lease))
	}
	if id := g.instance(); id != nil {
		opts = append(opts, kgo.InstanceID(*id))
	}
	if d := g.set.SessionTimeout; d > 0 {
		// Heartbeats three times within the timeout, as everywhere in Kafka; the client's own interval suits its own timeout.
		opts = append(opts, kgo.SessionTimeout(d), kgo.HeartbeatInterval(min(d/3, 3*time.Second)))
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
// An error means that this member cannot go on: the group refuses it, or it could not plan (PlanError), or it is closed.
func (g *Group) Poll(ctx context.Context) (*Polled, error) {
	if ctx != nil && ctx.Err() != nil {
		ctx = nil
	}
	g.open()
	g.cl.AllowRebalance()
	g.wanted.Store(false)
	fetches := g.pollFetches(ctx)
	if len(fetches) == 0 {
		// Such a poll does not hold the gate: callbacks could run while the worker works. This one does, and reads nothing.
		g.cl.PollFetches(g.over)
	}
	g.fence()
	clear(g.polled.Fetched) // it would keep the records of the poll before
	g.polled.Fetched = g.polled.Fetched[:0]
	err := g.take(fetches) // before the rewind: what was polled of a rewound partition is from where it had been
	g.rewind()
	return &g.polled, errors.Join(err, g.takeStarted())
}

// pollFetches does not park while a rewind is to be done, but between attempts at it.
func (g *Group) pollFetches(ctx context.Context) kgo.Fetches {
	switch {
	case ctx == nil || len(g.inState(rewinding)) == 0:
		return g.cl.PollFetches(ctx)
	case g.again == 0:
		//lint:ignore SA1012 nil is the client's way to say "do not wait"
		return g.cl.PollFetches(nil)
	}
	ctx, cancel := context.WithTimeout(ctx, g.again)
	defer cancel()
	return g.cl.PollFetches(ctx)
}

// fence notices that the client joined again under another id.
func (g *Group) fence() {
	if g.Fenced() {
		g.lose(g.life)
	}
}

// Fenced reports whether the client is not the member any more that was given the partitions: all of them are lost. Poll
// sees to it; between Polls the worker asks before it does what cannot be taken back.
func (g *Group) Fenced() bool {
	id, _ := g.client()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.member != "" && (g.member != id || g.member == g.gone)
}

// condemn notes the coordinator's word that it does not know a member. The client hears it too, later; for a coordinator that then knows the
// member again, the member leaves: it would keep its partitions and never be given them anew.
func (g *Group) condemn(ctx context.Context, member string) {
	g.mu.Lock()
	g.gone = member
	g.mu.Unlock()
	if g.instance() == nil {
		ctx, cancel := context.WithTimeout(ctx, leavePatience)
		defer cancel()
		_ = g.removeBy(ctx, g.cl, member, "it was called unknown")
	}
}

// identity returns what a commit carries: the recorded member id and the generation of the moment.
func (g *Group) identity() (member string, generation int32, err error) {
	id, generation := g.client()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.member == "" || g.member != id || g.member == g.gone {
		return "", 0, fmt.Errorf("%w: group %s: was %q, is %q", ErrFenced, g.set.App, g.member, id)
	}
	return g.member, generation, nil
}

// lasting leaves out the offsets of partitions whose topic was made again.
func (g *Group) lasting(offsets []Offset) []Offset {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(offsets), func(o Offset) bool {
		p := g.parts[o.TP]
		return p != nil && p.remade
	})
}

// owns returns ErrFenced for the first of some offsets whose partition is not the member's.
func (g *Group) owns(offsets []Offset) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range offsets {
		if g.parts[o.TP] == nil {
			return fmt.Errorf("%w: %s is not this member's any more", ErrFenced, o.TP)
		}
	}
	return nil
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
	gone := g.Owned()
	g.mu.Lock()
	g.drop(gone)
	g.mu.Unlock()
	if len(gone) > 0 {
		g.cfg.Handler.Lost(ctx, gone)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.member = ""
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
	<-g.opened
	g.fence()
	tps := flatten(added)
	g.revoke(ctx, g.begunAnew(tps))
	plan, fresh, ok := g.adopt(tps)
	if ok {
		g.cfg.Handler.Assigned(ctx, plan, fresh)
	}
}

// begunAnew marks and returns the partitions that the member had already: the client begins those anew whose topic was deleted and made again.
func (g *Group) begunAnew(tps []TP) (known []TP) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tp := range tps {
		if p := g.parts[tp]; p != nil {
			p.remade = true
			known = append(known, tp)
		}
	}
	return known
}

// adopt records the identity and what is new to us. That may be more than is new to the client, which forgets nothing
// when it joins again silently: such partitions are at wherever it had read to, and must be rewound.
func (g *Group) adopt(added []TP) (Plan, []TP, bool) {
	id, generation := g.client()
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
		delete(g.ids, tp.Topic) // it may have been made again
		fresh = append(fresh, tp)
	}
	return Plan{Generation: generation, Member: id, AssignmentData: latest.data}, fresh, true
}

// onRevoked runs behind the gate. It comes with nothing at the end of each session.
func (g *Group) onRevoked(ctx context.Context, _ *kgo.Client, lost map[string][]int32) {
	<-g.opened
	g.fence()
	g.mu.Lock()
	gone := slices.DeleteFunc(flatten(lost), func(tp TP) bool { return g.parts[tp] == nil })
	g.mu.Unlock()
	g.revoke(ctx, gone)
}

// revoke gives up partitions that are still the member's.
func (g *Group) revoke(ctx context.Context, gone []TP) {
	if len(gone) == 0 {
		return
	}
	g.cfg.Handler.Revoked(ctx, gone)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(gone)
}

// onLost runs behind the gate. Whatever the client names: the id is gone, so all is lost.
func (g *Group) onLost(ctx context.Context, _ *kgo.Client, _ map[string][]int32) {
	<-g.opened
	g.lose(ctx)
}

// Wanted reports whether a rebalance waits for the worker to Poll. It is for cutting a turn short.
func (g *Group) Wanted() bool { return g.wanted.Load() }

// Forget makes the client forget a topic that is gone, and look again whether the pattern matches one of its name: the member joins again
// without the topic, and once more if there is one. It reports whether that begins now; until the partitions are revoked nothing more happens.
func (g *Group) Forget(topic string) bool {
	fresh := g.condemned(topic)
	if len(fresh) == 0 {
		return false
	}
	g.Pause(fresh...) // the broker would be asked again and again
	// The client does it between two requests for metadata, and those wait for brokers.
	g.forgetting.Go(func() {
		g.cl.PurgeTopicsFromConsuming(topic)
		g.cl.ForceMetadataRefresh()
	})
	return true
}

// condemned marks a topic's partitions as to be forgotten, and returns those that were not.
func (g *Group) condemned(topic string) (fresh []TP) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for tp, p := range g.parts {
		if tp.Topic == topic && !p.gone {
			p.gone = true
			fresh = append(fresh, tp)
		}
	}
	return fresh
}

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

// topicOf returns the topic of an id, empty if it is not known.
func (g *Group) topicOf(id [16]byte) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, x := range g.ids {
		if x == id {
			return name
		}
	}
	return ""
}

// remade reports whether a topic was made anew: the id is not the one by which it was known.
func (g *Group) remade(topic string, id [16]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.ids[topic]
	return ok && known != id
}

// learn asks for the ids of topics, which requests name them by.
func (g *Group) learn(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	found, err := topics(ctx, g.adm, names...)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, t := range found {
		g.ids[name] = t.ID
	}
	return nil
}

// idsOf returns the ids of topics, asking for those it does not know.
func (g *Group) idsOf(ctx context.Context, names []string) (map[string][16]byte, error) {
	ids := map[string][16]byte{}
	lookUp := func() (missing []string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, name := range names {
			id, ok := g.ids[name]
			if !ok {
				missing = append(missing, name)
			}
			ids[name] = id
		}
		return missing
	}
	missing := lookUp()
	if len(missing) == 0 {
		return ids, nil
	}
	if err := g.learn(ctx, missing); err != nil {
		return nil, err
	}
	if missing = lookUp(); len(missing) > 0 {
		return nil, fmt.Errorf("topic %s: %w", missing[0], kerr.UnknownTopicOrPartition)
	}
	return ids, nil
}

// take sorts what a poll brought. The gate is held: nothing is revoked meanwhile.
func (g *Group) take(fetches kgo.Fetches) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				err = errors.Join(err, g.takeOne(t.Topic, &t.Partitions[k]))
			}
		}
	}
	return err
}

func (g *Group) takeStarted() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.failed
	g.polled.Started, g.started, g.failed = g.started, nil, nil
	return err
}

func (g *Group) takeOne(topic string, p *kgo.FetchPartition) error {
	if topic == "" {
		return g.clientError(p.Err)
	}
	tp := TP{Topic: topic, Partition: p.Partition}
	mine := g.parts[tp]
	if mine == nil || mine.state != live && p.Err == nil {
		return nil
	}
	if lost := (*kgo.ErrDataLoss)(nil); errors.As(p.Err, &lost) {
		mine.cut = &lost.ResetTo
	}
	f := fetchedOf(tp, p, g.set.ExactlyOnce)
	if mine.state != live && f.OutOfRange() {
		return nil // of the position that the rewind leaves
	}
	g.polled.Fetched = append(g.polled.Fetched, f)
	return nil
}

func fetchedOf(tp TP, p *kgo.FetchPartition, committed bool) Fetched {
	f := Fetched{
		TP:            tp,
		Records:       p.Records,
		End:           p.HighWatermark,
		HighWatermark: p.HighWatermark,
		LastStable:    p.LastStableOffset,
		LogStart:      p.LogStartOffset,
		Err:           p.Err,
	}
	if committed {
		f.End = p.LastStableOffset
	}
	return f
}

// clientError sorts errors that the client puts into a poll: those that the worker cannot go on with are returned.
func (g *Group) clientError(err error) error {
	plan, ke := (*PlanError)(nil), (*kerr.Error)(nil)
	session := (*kgo.ErrGroupSession)(nil)
	switch {
	case errors.Is(err, kgo.ErrClientClosed):
		return ErrClosed
	case !errors.As(err, &session):
		return nil
	case errors.As(err, &plan):
		return fmt.Errorf("group %s: %w", g.set.App, plan)
	case errors.As(err, &ke) && !ke.Retriable && !stale(ke) && !errors.Is(ke, kerr.UnknownMemberID):
		return fmt.Errorf("group %s: %w", g.set.App, ke)
	}
	return nil // the client joins again
}

// leavePatience is how long Leave lets the client leave by itself. The client first finishes a join that is under way, and
// a join lasts as long as the slowest member: others may be stuck for minutes.
const leavePatience = 2 * time.Second

// Leave leaves the group at once. Commit and close all tasks before: the handler is not called for what Leave gives up.
// A static member stays, until its session times out or it comes back. Afterwards there is only Close.
func (g *Group) Leave(ctx context.Context) error {
	if !g.depart() {
		return nil
	}
	member, _ := g.client()
	patient, cancel := context.WithTimeout(ctx, leavePatience)
	defer cancel()
	g.cl.AllowRebalance()
	err := g.cl.LeaveGroupContext(patient)
	if patient.Err() == nil {
		return wrap(err, "leave group %s", g.set.App)
	}
	// The client must not join again when the coordinator tells it that it is no member any more.
	g.end()
	if member == "" || g.instance() != nil {
		return nil
	}
	return g.remove(ctx, member, "leaving in the middle of a rebalance")
}

// depart gives up all partitions, without a word to the handler; false if that was done before.
func (g *Group) depart() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return false
	}
	g.left = true
	g.drop(slices.Collect(maps.Keys(g.parts)))
	g.member = ""
	g.open()
	return true
}

// Close ends the client, leaving the group first if Leave did not. Any goroutine may call it when the worker has stopped,
// and again.
func (g *Group) Close() {
	_ = g.Leave(context.Background()) // at worst the session times out
	g.end()
	g.lease.end()
	g.cl.CloseAllowingRebalance()
	// The client polls once more as it closes. What leaves the group beside that, since Leave did before, would wait for it for ever.
	g.cl.AllowRebalance()
	g.forgetting.Wait()
}

// LeaveRaw removes this worker's member from the group while the worker itself is stuck: others get its partitions, and
// what it may commit later is refused. Any goroutine may call it. (The client's own leave waits for the gate, so a stuck
// worker could never leave.)
func (g *Group) LeaveRaw(ctx context.Context) error {
	member := g.Member()
	if member == "" {
		return nil
	}
	g.mu.Lock()
	g.gone = member // whatever comes of the request: the worker is to hear of it when it comes back
	g.mu.Unlock()
	return wrap(g.removeBy(ctx, g.cl, member, "the worker is stuck"), "remove member %s from group %s", member, g.set.App)
}

// remove does it by a client of its own.
func (g *Group) remove(ctx context.Context, member, why string) error {
	cl, err := g.set.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return wrap(g.removeBy(ctx, cl, member, why), "remove member %s from group %s", member, g.set.App)
}

func (g *Group) removeBy(ctx context.Context, cl *kgo.Client, member, why string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = g.set.App, member
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID, m.InstanceID, m.Reason = member, g.instance(), &why
	req.Members = append(req.Members, m)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, m := range resp.Members {
		if err := kerr.ErrorForCode(m.ErrorCode); err != nil && !errors.Is(err, kerr.UnknownMemberID) {
			return err
		}
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}
