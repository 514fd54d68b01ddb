package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/internal/assign"
)

// protocolName is what all members of a group agree on, or do not become one group.
const protocolName = "weir"

// Joined is what the leader of a rebalance knows.
type Joined struct {
	Generation int32
	Leader     string // this member's id
	Members    []JoinedMember
	Partitions map[string]int32 // of every topic that a member subscribes to; topics that do not exist are missing
}

// JoinedMember is one member as it described itself. Rack and Positions come from its user data, the rest from its join.
type JoinedMember struct {
	assign.Member
	Data assign.MemberData
}

// Work is what the leader has to give away.
type Work struct {
	Tasks   []assign.Task
	Options assign.Options
	// Refusal, if not empty, is why nobody is given anything: a source topic is missing. It reaches every member in
	// Plan.Error.
	Refusal string
	// Misfits are members that are given nothing, whatever the others are given, and why. It reaches them in Plan.Error;
	// they should leave.
	Misfits map[string]string
	// Foreign says that the leader, a misfit itself, does not know the others' tasks. They go on with the partitions that
	// they have, and nothing else is given away until somebody leads who does.
	Foreign bool
	// Unplaced, if set, is told of tasks to whose topics no member subscribes.
	Unplaced func([]assign.TaskID)
}

// Planner says what there is to do. It runs on a goroutine of the leader's client, outside the gate, while the whole
// group waits. An error fails the rebalance, and Poll of this member returns it as a PlanError; the group tries again.
type Planner func(Joined) (Work, error)

// Plan is what a member was given.
type Plan struct {
	Generation int32
	Member     string // this member's id
	assign.AssignmentData
}

// balancer adapts assign.Plan to the client's cooperative protocol. All methods but take run on the client's goroutine.
type balancer struct {
	data    func() assign.MemberData
	planner Planner

	mu     sync.Mutex
	latest synced
}

// synced is the latest answer of a SyncGroup.
type synced struct {
	owned []TP
	data  assign.AssignmentData
}

func (*balancer) ProtocolName() string { return protocolName }
func (*balancer) IsCooperative() bool  { return true }

// JoinGroupMetadata is asked at every join. Equal answers let a member join again without a rebalance.
func (b *balancer) JoinGroupMetadata(topics []string, owned map[string][]int32, generation int32) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version = 3
	m.Topics = topics
	m.Generation = generation
	data := b.data()
	if data.Rack != "" {
		m.Rack = &data.Rack
	}
	m.UserData = data.Append(nil)
	names := make([]string, 0, len(owned))
	for topic := range owned {
		names = append(names, topic)
	}
	slices.Sort(names)
	for _, topic := range names {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = topic, owned[topic]
		m.OwnedPartitions = append(m.OwnedPartitions, o)
	}
	return m.AppendTo(nil)
}

// ParseSyncAssignment runs outside the gate, while the worker works: it only keeps what came.
func (b *balancer) ParseSyncAssignment(answer []byte) (map[string][]int32, error) {
	if len(answer) == 0 {
		b.keep(synced{})
		return map[string][]int32{}, nil
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(answer); err != nil {
		return nil, fmt.Errorf("read the assignment: %w", err)
	}
	data, err := assign.DecodeAssignment(a.UserData)
	if err != nil {
		return nil, fmt.Errorf("read the assignment: %w", err)
	}
	owned := make(map[string][]int32, len(a.Topics))
	for _, t := range a.Topics {
		owned[t.Topic] = t.Partitions
	}
	b.keep(synced{owned: flatten(owned), data: data})
	return owned, nil
}

func (b *balancer) keep(s synced) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = s
}

// take returns the latest answer; it is called when the client applies it.
func (b *balancer) take() synced {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest
}

// MemberBalancer is called on the leader only.
func (b *balancer) MemberBalancer(members []kmsg.JoinGroupResponseMember) (kgo.GroupMemberBalancer, map[string]struct{}, error) {
	r := &round{planner: b.planner}
	topics := map[string]struct{}{}
	for _, m := range members {
		j, err := readMember(m)
		if err != nil {
			return nil, nil, &PlanError{fmt.Errorf("member %s: %w", m.MemberID, err)}
		}
		r.joined.Members = append(r.joined.Members, j)
		for _, t := range j.Topics {
			topics[t] = struct{}{}
		}
	}
	return r, topics, nil
}

func readMember(m kmsg.JoinGroupResponseMember) (JoinedMember, error) {
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(m.ProtocolMetadata); err != nil {
		return JoinedMember{}, err
	}
	data, err := assign.DecodeMember(meta.UserData)
	if err != nil {
		return JoinedMember{}, err
	}
	owned := map[string][]int32{}
	for _, o := range meta.OwnedPartitions {
		owned[o.Topic] = append(owned[o.Topic], o.Partitions...)
	}
	return JoinedMember{
		Member: assign.Member{
			ID:         m.MemberID,
			Process:    string(data.Process[:]),
			Rack:       data.Rack,
			Owned:      flatten(owned),
			Generation: meta.Generation,
			Positions:  data.Positions,
			Topics:     meta.Topics,
		},
		Data: data,
	}, nil
}

// round is one rebalance on its leader.
type round struct {
	planner Planner
	joined  Joined
}

func (r *round) SetBalanceInfo(info kgo.BalanceInfo) {
	r.joined.Generation, r.joined.Leader = info.Generation, info.LeaderID
}

// Balance is never called: BalanceOrError is.
func (*round) Balance(map[string]int32) kgo.IntoSyncAssignment {
	panic("kafka: Balance called on a balancer that can fail")
}

func (r *round) BalanceOrError(partitions map[string]int32) (kgo.IntoSyncAssignment, error) {
	r.joined.Partitions = partitions
	work, err := r.planner(r.joined)
	if err != nil {
		return nil, &PlanError{err}
	}
	answers, err := r.answers(work)
	if err != nil {
		return nil, &PlanError{err}
	}
	return answers, nil
}

type answers []kmsg.SyncGroupRequestGroupAssignment

func (a answers) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment { return a }

func (r *round) answers(work Work) (answers, error) {
	switch {
	case work.Refusal != "":
		return r.refusals(work), nil
	case work.Foreign:
		return r.kept(work), nil
	}
	all := r.members()
	fit := slices.DeleteFunc(slices.Clone(all), func(m assign.Member) bool { _, misfit := work.Misfits[m.ID]; return misfit })
	target, unplaced := assign.Plan(fit, work.Tasks, work.Options)
	if len(unplaced) > 0 && work.Unplaced != nil {
		work.Unplaced(unplaced)
	}
	now, _ := assign.Assignable(target, all, work.Tasks) // what misfits have is free when they have let go of it
	peers := r.peers(now)
	var out answers
	for _, m := range all {
		if why, misfit := work.Misfits[m.ID]; misfit {
			out = append(out, refusal(m.ID, why))
			continue
		}
		data := assign.AssignmentData{Assignment: target[m.ID], Group: peers}
		out = append(out, answer(m.ID, assign.Partitions(work.Tasks, now[m.ID].Active), data))
	}
	return out, nil
}

// refusals leave everyone what it has of nothing: the partitions go back until the cause is gone.
func (r *round) refusals(work Work) answers {
	var out answers
	for _, m := range r.joined.Members {
		out = append(out, refusal(m.ID, cmp.Or(work.Misfits[m.ID], work.Refusal)))
	}
	return out
}

// kept leaves everyone but the misfits what it has.
func (r *round) kept(work Work) answers {
	has := map[string][]TP{}
	for tp, member := range assign.Owners(r.members()) {
		has[member] = append(has[member], tp)
	}
	var out answers
	for _, m := range r.joined.Members {
		if why, misfit := work.Misfits[m.ID]; misfit {
			out = append(out, refusal(m.ID, why))
			continue
		}
		slices.SortFunc(has[m.ID], TP.Compare)
		out = append(out, answer(m.ID, has[m.ID], assign.AssignmentData{}))
	}
	return out
}

func (r *round) members() (all []assign.Member) {
	for _, m := range r.joined.Members {
		all = append(all, m.Member)
	}
	return all
}

func refusal(member, why string) kmsg.SyncGroupRequestGroupAssignment {
	return answer(member, nil, assign.AssignmentData{Error: why})
}

// peers says where everybody's state is, for those processes that can be asked.
func (r *round) peers(now map[string]assign.Assignment) []assign.Peer {
	at := map[string]int{}
	var peers []assign.Peer
	for _, m := range r.joined.Members {
		if m.Data.Endpoint == "" {
			continue
		}
		i, known := at[m.Data.Endpoint]
		if !known {
			i = len(peers)
			at[m.Data.Endpoint] = i
			peers = append(peers, assign.Peer{Endpoint: m.Data.Endpoint})
		}
		peers[i].Active = append(peers[i].Active, now[m.ID].Active...)
		peers[i].Standby = append(peers[i].Standby, now[m.ID].Standby...)
	}
	return peers
}

func answer(member string, owned []TP, data assign.AssignmentData) kmsg.SyncGroupRequestGroupAssignment {
	a := kmsg.NewConsumerMemberAssignment()
	topics := byTopic(owned)
	for _, topic := range topicsOf(owned) {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = topic, topics[topic]
		a.Topics = append(a.Topics, t)
	}
	a.UserData = data.Append(nil)
	out := kmsg.NewSyncGroupRequestGroupAssignment()
	out.MemberID, out.MemberAssignment = member, a.AppendTo(nil)
	return out
}
