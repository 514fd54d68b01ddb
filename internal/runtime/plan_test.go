package runtime_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/runtime"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// planner is the planning of an app that counts what two topics hold.
func planner(t *testing.T) (hash uint64, plan kafka.Planner) {
	t.Helper()
	hash, plan, err := runtime.Planner(runtime.Config{App: "app", Graph: graph(t), Log: zap.NewNop()}, map[string]int32{"a": 2, "b": 2})
	if err != nil {
		t.Fatal(err)
	}
	return hash, plan
}

// member is one with a topology that has partitions of topic a.
func member(id string, topology uint64, generation int32, has ...int32) kafka.JoinedMember {
	m := kafka.JoinedMember{Member: assign.Member{ID: id, Generation: generation, Topics: []string{"a", "b"}}, Data: assign.MemberData{Topology: topology}}
	for _, p := range has {
		m.Owned = append(m.Owned, kafka.TP{Topic: "a", Partition: p})
	}
	return m
}

// The topology stays that has most of the partitions, else most members, else one that all leaders agree on; who leads makes no difference.
func TestWhoFits(t *testing.T) {
	mine, plan := planner(t)
	for _, c := range []struct {
		name    string
		members []kafka.JoinedMember
		misfits string
		runs    uint64 // beyond mine
	}{
		{"all alike", []kafka.JoinedMember{member("x", mine, 1, 0), member("y", mine, 1)}, "", 0},
		{"a newcomer", []kafka.JoinedMember{member("x", mine, 1, 0), member("y", mine+1, -1), member("z", mine+1, -1)}, "y z", 0},
		{"we are the newcomer", []kafka.JoinedMember{member("x", mine, 1), member("y", mine+1, 1, 0)}, "x", 1},
		{"most partitions", []kafka.JoinedMember{member("x", mine, 1, 0), member("y", mine+1, 1, 1, 2), member("z", mine, 1)}, "x z", 1},
		{"what was lost does not count", []kafka.JoinedMember{member("x", mine, 5, 0), member("y", mine+1, 4, 0)}, "y", 0},
		{"most members", []kafka.JoinedMember{member("x", mine, -1), member("y", mine+1, -1), member("z", mine, -1)}, "y", 0},
		{"the smaller hash", []kafka.JoinedMember{member("x", mine, -1), member("y", mine+1, -1)}, "y", 0},
		{"three kinds", []kafka.JoinedMember{member("x", mine, 1), member("y", mine+1, 1), member("z", mine+2, 1, 0)}, "x y", 2},
	} {
		for range 2 {
			work, err := plan(kafka.Joined{Members: c.members, Partitions: map[string]int32{"a": 2, "b": 2}})
			var misfits []string
			for id, why := range work.Misfits {
				misfits = append(misfits, id)
				for _, want := range []string{"member " + id, `group "app"`, fmt.Sprintf("runs topology %016x", c.runs+mine), "stop all members", "another application id"} {
					if !strings.Contains(why, want) {
						t.Errorf("%s: %q does not say %q", c.name, why, want)
					}
				}
			}
			slices.Sort(misfits)
			if got := strings.Join(misfits, " "); got != c.misfits || err != nil || work.Refusal != "" {
				t.Errorf("%s: misfits %q, want %q; refusal %q, error %v", c.name, got, c.misfits, work.Refusal, err)
			}
			_, foreign := work.Misfits["x"]
			if want := 2; work.Foreign != foreign || !foreign && len(work.Tasks) != want {
				t.Errorf("%s: foreign %v, tasks %v", c.name, work.Foreign, work.Tasks)
			}
			slices.Reverse(c.members)
		}
	}
}

// What is wrong with the topics is everybody's trouble.
func TestRefusalsAreForAll(t *testing.T) {
	mine, plan := planner(t)
	for want, counts := range map[string]map[string]int32{
		`"b"`:             {"a": 2},
		"has 2 partition": {"a": 3, "b": 3},
	} {
		work, err := plan(kafka.Joined{Members: []kafka.JoinedMember{member("x", mine, 1), member("y", mine+1, -1)}, Partitions: counts})
		if err != nil || !strings.Contains(work.Refusal, want) || len(work.Tasks) > 0 {
			t.Errorf("error %v, refusal %q, want %q", err, work.Refusal, want)
		}
	}
}

// A topic of a pattern is read when all members that fit know it; one that only a misfit knows is not.
func TestPatternTopicsAreReadWhenAllKnowThem(t *testing.T) {
	b := weir.NewBuilder()
	weir.From(b, weir.TopicsMatching("p-.*", serde.String(), serde.String())).ForEach(func(string, string) {})
	weir.From(b, weir.NewTopic("named", serde.String(), serde.String())).ForEach(func(string, string) {})
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int32{"p-1": 1, "p-2": 1, "p-3": 1, "named": 1}
	mine, plan, err := runtime.Planner(runtime.Config{App: "app", Graph: graphOf(topo), Log: zap.NewNop()}, counts)
	if err != nil {
		t.Fatal(err)
	}
	knows := func(id string, topology uint64, topics ...string) kafka.JoinedMember {
		m := member(id, topology, 1, 0)
		m.Topics = topics
		return m
	}
	for want, members := range map[string][]kafka.JoinedMember{
		"named-0 p-1-0 p-2-0": {knows("x", mine, "p-1", "p-2", "named"), knows("y", mine, "p-2", "p-1", "named")},
		"named-0 p-1-0":       {knows("x", mine, "p-1", "p-2", "named"), knows("y", mine, "p-1")},
		"named-0 p-2-0":       {knows("x", mine, "p-2", "named"), knows("y", mine, "p-2", "named"), knows("z", mine+1, "p-3")},
		"named-0":             {knows("x", mine, "named"), knows("y", mine, "p-2", "named")},
	} {
		for i := range members {
			members[i].Owned[0].Partition = int32(i)
			if members[i].Data.Topology != mine {
				members[i].Owned = nil
			}
		}
		work, err := plan(kafka.Joined{Members: members, Partitions: counts})
		var got []string
		for _, task := range work.Tasks {
			for _, tp := range task.Sources {
				got = append(got, tp.String())
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("reads %v, want %s; refusal %q, error %v", got, want, work.Refusal, err)
		}
	}
}

func graphOf(topo *weir.Topology) *topology.Topology { return topo.Graph(seal.Token{}) }
