package kafka

import (
	"slices"
	"testing"

	"github.com/weirstream/weir/internal/assign"
)

// misfitting makes a planner name misfits.
func misfitting(plan Planner, foreign bool, ids ...string) Planner {
	return func(j Joined) (Work, error) {
		work, err := plan(j)
		work.Misfits, work.Foreign = map[string]string{}, foreign
		for _, id := range ids {
			work.Misfits[id] = "go, " + id
		}
		return work, err
	}
}

// A misfit is given nothing and told why; the others keep what they have and get what is free, but not what the misfit has yet to let go.
func TestMisfitsGetNothing(t *testing.T) {
	a := balancerWith(assign.MemberData{Process: [16]byte{1}, Endpoint: "a:1"}, misfitting(planFor("in"), false, "m-b"))
	b := balancerWith(assign.MemberData{Process: [16]byte{2}, Endpoint: "b:1"}, nil)
	counts := map[string]int32{"in": 4}
	first := map[string][]int32{"in": {0, 1}}
	owned, data := lead(t, a, counts, joinAs("m-a", a, 3, []string{"in"}, first), joinAs("m-b", b, 3, []string{"in"}, map[string][]int32{"in": {2}}))
	if want := []TP{{Topic: "in"}, {Topic: "in", Partition: 1}, {Topic: "in", Partition: 3}}; !slices.Equal(owned["m-a"], want) || len(owned["m-b"]) != 0 {
		t.Errorf("first round: %v", owned)
	}
	if data["m-a"].Error != "" || data["m-b"].Error != "go, m-b" || len(data["m-a"].Active) != 4 || len(data["m-b"].Active) != 0 {
		t.Errorf("they are told %+v", data)
	}
	owned, _ = lead(t, a, counts, joinAs("m-a", a, 4, []string{"in"}, byTopic(owned["m-a"])), joinAs("m-b", b, 4, []string{"in"}, nil))
	if len(owned["m-a"]) != 4 {
		t.Errorf("when it has let go: %v", owned)
	}
}

// A leader that does not know the others' tasks leaves everybody what it has; what nobody has, or two claim, waits.
func TestForeignLeaderLeavesThingsAsTheyAre(t *testing.T) {
	leader := balancerWith(assign.MemberData{Process: [16]byte{9}}, misfitting(func(Joined) (Work, error) { return Work{}, nil }, true, "m-new"))
	old := balancerWith(assign.MemberData{Process: [16]byte{1}}, nil)
	owned, data := lead(t, leader, map[string]int32{"in": 6},
		joinAs("m-new", leader, 7, []string{"other"}, map[string][]int32{"other": {0}}),
		joinAs("m-a", old, 7, []string{"in"}, map[string][]int32{"in": {1, 0, 4}}),
		joinAs("m-b", old, 7, []string{"in"}, map[string][]int32{"in": {2, 4}}),
		joinAs("m-late", old, 5, []string{"in"}, map[string][]int32{"in": {0, 3}}))
	for member, want := range map[string][]TP{
		"m-new":  nil,
		"m-a":    {{Topic: "in"}, {Topic: "in", Partition: 1}},
		"m-b":    {{Topic: "in", Partition: 2}},
		"m-late": {{Topic: "in", Partition: 3}},
	} {
		if !slices.Equal(owned[member], want) {
			t.Errorf("%s is given %v, want %v", member, owned[member], want)
		}
		if told := data[member].Error != ""; told != (member == "m-new") {
			t.Errorf("%s is told %q", member, data[member].Error)
		}
	}
}

// What keeps everybody from working is told to all, and to misfits what is wrong with them.
func TestRefusalAndMisfits(t *testing.T) {
	b := balancerWith(assign.MemberData{}, misfitting(func(Joined) (Work, error) { return Work{Refusal: "no topic"}, nil }, false, "m-b"))
	_, data := lead(t, b, nil, joinAs("m-a", b, 1, nil, nil), joinAs("m-b", b, 1, nil, nil))
	if data["m-a"].Error != "no topic" || data["m-b"].Error != "go, m-b" {
		t.Errorf("they are told %+v", data)
	}
}
