package kafka

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/internal/assign"
)

func balancerWith(data assign.MemberData, planner Planner) *balancer {
	return &balancer{data: func() assign.MemberData { return data }, planner: planner}
}

// joinAs is the join of a member as the leader gets it.
func joinAs(id string, b *balancer, generation int32, topics []string, owned map[string][]int32) kmsg.JoinGroupResponseMember {
	m := kmsg.NewJoinGroupResponseMember()
	m.MemberID, m.ProtocolMetadata = id, b.JoinGroupMetadata(topics, owned, generation)
	return m
}

func lead(t *testing.T, b *balancer, counts map[string]int32, members ...kmsg.JoinGroupResponseMember) (map[string][]TP, map[string]assign.AssignmentData) {
	t.Helper()
	r, _, err := b.MemberBalancer(members)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := r.(kgo.GroupMemberBalancerOrError).BalanceOrError(counts)
	if err != nil {
		t.Fatal(err)
	}
	owned, data := map[string][]TP{}, map[string]assign.AssignmentData{}
	for _, a := range plan.IntoSyncAssignment() {
		member := &balancer{}
		if _, err := member.ParseSyncAssignment(a.MemberAssignment); err != nil {
			t.Fatal(err)
		}
		owned[a.MemberID], data[a.MemberID] = member.take().owned, member.take().data
	}
	return owned, data
}

func TestWhatMembersSayReachesThePlanner(t *testing.T) {
	states := map[assign.TaskID]int64{{Sub: 0, Partition: 1}: 42}
	var got Joined
	a := balancerWith(assign.MemberData{Process: [16]byte{1}, Rack: "r1", Endpoint: "a:1", Topology: 7, Positions: states}, func(j Joined) (Work, error) {
		got = j
		return planFor("in")(j)
	})
	b := balancerWith(assign.MemberData{Process: [16]byte{2}}, nil)
	lead(t, a, map[string]int32{"in": 2},
		joinAs("m-a", a, 3, []string{"in"}, map[string][]int32{"in": {0, 1}}),
		joinAs("m-b", b, -1, []string{"in"}, nil))
	want := assign.Member{
		ID: "m-a", Process: string(append([]byte{1}, make([]byte, 15)...)), Rack: "r1", Generation: 3, Positions: states, Topics: []string{"in"},
		Owned: []TP{{Topic: "in"}, {Topic: "in", Partition: 1}},
	}
	if diff := cmp.Diff(want, got.Members[0].Member); diff != "" {
		t.Error(diff)
	}
	if d := got.Members[0].Data; d.Endpoint != "a:1" || d.Topology != 7 {
		t.Errorf("data %+v", d)
	}
	if len(got.Members) != 2 || got.Partitions["in"] != 2 {
		t.Errorf("joined %+v", got)
	}
}

func TestCooperativeHandOver(t *testing.T) {
	a := balancerWith(assign.MemberData{Process: [16]byte{1}, Endpoint: "a:1"}, planFor("in"))
	b := balancerWith(assign.MemberData{Process: [16]byte{2}, Endpoint: "b:1"}, nil)
	counts := map[string]int32{"in": 4}
	owned, data := lead(t, a, counts,
		joinAs("m-a", a, 3, []string{"in"}, map[string][]int32{"in": {0, 1, 2, 3}}),
		joinAs("m-b", b, -1, []string{"in"}, nil))
	if len(owned["m-a"]) != 2 || len(owned["m-b"]) != 0 {
		t.Errorf("first round: %v", owned)
	}
	if len(data["m-b"].Active) != 2 {
		t.Errorf("the newcomer is to have %v", data["m-b"].Active)
	}
	if len(data["m-a"].Group) != 2 {
		t.Errorf("peers: %+v", data["m-a"].Group)
	}
	owned2, _ := lead(t, a, counts,
		joinAs("m-a", a, 4, []string{"in"}, byTopic(owned["m-a"])),
		joinAs("m-b", b, 4, []string{"in"}, nil))
	if !slices.Equal(owned2["m-a"], owned["m-a"]) || len(owned2["m-b"]) != 2 {
		t.Errorf("second round: %v", owned2)
	}
}

func TestBalancerFaultsNameTheMember(t *testing.T) {
	b := balancerWith(assign.MemberData{}, planFor("in"))
	bad := joinAs("m-bad", b, 1, []string{"in"}, nil)
	for _, metadata := range [][]byte{{0}, (&kmsg.ConsumerMemberMetadata{}).AppendTo(nil)} {
		bad.ProtocolMetadata = metadata
		_, _, err := b.MemberBalancer([]kmsg.JoinGroupResponseMember{bad})
		var plan *PlanError
		if !errors.As(err, &plan) || !strings.Contains(err.Error(), "m-bad") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := b.ParseSyncAssignment([]byte{0, 0}); err == nil {
		t.Error("a broken assignment was read")
	}
	if owned, err := b.ParseSyncAssignment(nil); err != nil || len(owned) > 0 || len(b.take().owned) > 0 {
		t.Errorf("an empty assignment: %v, %v", owned, err)
	}
}

// The client joins again without a rebalance if its metadata is what it was.
func TestMetadataIsDeterministic(t *testing.T) {
	b := balancerWith(assign.MemberData{Positions: map[assign.TaskID]int64{{Sub: 1}: 1, {Sub: 2}: 2, {Sub: 3}: 3}}, nil)
	owned := map[string][]int32{"a": {1, 2}, "b": {0}, "c": {5}}
	first := b.JoinGroupMetadata([]string{"a", "b", "c"}, owned, 4)
	for range 20 {
		if !bytes.Equal(first, b.JoinGroupMetadata([]string{"a", "b", "c"}, owned, 4)) {
			t.Fatal("two joins differ")
		}
	}
}

// A member whose data changed, and the leader in any case, get a new plan by forcing a rebalance; it reaches the handler
// of everybody, with nothing new assigned.
func TestForcedRebalanceBringsANewPlan(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	var at, standbys atomic.Int64
	set.ProcessID = "a"
	planner := func(j Joined) (Work, error) {
		work, err := planFor("in")(j)
		for i := range work.Tasks {
			work.Tasks[i].Stateful = true
		}
		var seen int64
		for _, m := range j.Members {
			seen = max(seen, m.Positions[assign.TaskID{Partition: 1}])
		}
		standbys.Store(seen)
		work.Options.Standbys = int(seen)
		return work, err
	}
	change := func(_ *tester, cfg *GroupConfig) {
		worker := byte(cfg.Worker + 1)
		cfg.Planner = planner
		cfg.Data = func() assign.MemberData {
			d := assign.MemberData{Process: [16]byte{worker}}
			if worker == 2 {
				d.Positions = map[assign.TaskID]int64{{Partition: 1}: at.Load()}
			}
			return d
		}
	}
	a := newTester(t, set, 0, "in", change)
	a.untilStarted(2)
	b := newTester(t, set, 1, "in", change)
	stop := b.background()
	a.untilStarted(1)
	a.until("both have one", func() bool { return len(b.has()) == 1 })
	plans := func(w *tester) int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.plan.Standby)
	}
	at.Store(1)
	b.g.ForceRebalance() // a follower, whose data changed
	a.until("standbys", func() bool { return plans(a) == 1 && plans(b) == 1 })
	if len(a.has()) != 1 || len(b.has()) != 1 || standbys.Load() != 1 {
		t.Errorf("owned %v and %v", a.has(), b.has())
	}
	stop()
}
