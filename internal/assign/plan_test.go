package assign

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPlanKeepsItsContractWhateverMembersClaim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		for i := range g.members { // some subscribe to less
			m := &g.members[i]
			m.Topics = slices.DeleteFunc(m.Topics, func(string) bool { return rapid.IntRange(0, 5).Draw(t, "drop") == 0 })
		}
		g.opts.Warmups = rapid.IntRange(0, 3).Draw(t, "warmups")
		plan, left := Plan(g.members, g.tasks, g.opts)
		if err := g.check(plan, left); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPlanIsBalanced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		plan := g.plan()
		if err := g.checkBalance(plan); err != nil {
			t.Fatal(err)
		}
		if err := g.checkCopies(plan); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPlanSpreadsCopiesOverRacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		racks := map[string]string{}
		for i := range g.members {
			m := &g.members[i]
			if racks[m.Process] == "" {
				racks[m.Process] = rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "rack")
			}
			m.Rack = racks[m.Process]
		}
		plan, left := Plan(g.members, g.tasks, g.opts)
		if err := g.check(plan, left); err != nil {
			t.Fatal(err)
		}
		if err := g.checkRacks(plan); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPlanDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		g.opts.Warmups = 2
		want := g.plan()
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		r.Shuffle(len(g.members), func(i, j int) { g.members[i], g.members[j] = g.members[j], g.members[i] })
		r.Shuffle(len(g.tasks), func(i, j int) { g.tasks[i], g.tasks[j] = g.tasks[j], g.tasks[i] })
		for _, m := range g.members {
			r.Shuffle(len(m.Owned), func(i, j int) { m.Owned[i], m.Owned[j] = m.Owned[j], m.Owned[i] })
		}
		if diff := cmp.Diff(want, g.plan()); diff != "" {
			t.Fatalf("another order, another plan:\n%s", diff)
		}
	})
}

func TestPlanIsItsOwnSuccessor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		plan := g.plan()
		g.swapWithin(t, plan)
		g.adopt(plan)
		if diff := cmp.Diff(where(plan), where(g.plan())); diff != "" {
			t.Fatalf("the same group, another plan:\n%s", diff)
		}
		plan = g.plan()
		g.adopt(plan)
		if diff := cmp.Diff(plan, g.plan()); diff != "" {
			t.Fatalf("the same group, other copies:\n%s", diff)
		}
	})
}

// swapWithin lets members of one process trade all they have: as good a plan, but not the one that falls out first.
func (g *group) swapWithin(t *rapid.T, plan map[string]Assignment) {
	for _, process := range g.procs() {
		var ids []string
		for _, m := range g.members {
			if m.Process == process {
				ids = append(ids, m.ID)
			}
		}
		was := maps.Clone(plan)
		for i, id := range rapid.Permutation(ids).Draw(t, "swap") {
			plan[ids[i]] = was[id]
		}
	}
}

// moved counts the tasks that run on another process than before, though theirs is still there.
func (g *group) moved(before map[TaskID]string, plan map[string]Assignment) (n int) {
	live := g.procs()
	for id, m := range where(plan) {
		if was := before[id]; slices.Contains(live, was) && was != g.process(m) {
			n++
		}
	}
	return n
}

// shuffled counts the tasks that another member of the same process runs, though theirs is still there.
func (g *group) shuffled(before, after map[string]Assignment) (n int) {
	now := where(after)
	for id, was := range where(before) {
		if _, live := after[was]; live && now[id] != was && g.process(now[id]) == g.process(was) {
			n++
		}
	}
	return n
}

func (g *group) processes(plan map[string]Assignment) map[TaskID]string {
	at := where(plan)
	for id, m := range at {
		at[id] = g.process(m)
	}
	return at
}

func TestNewcomerTakesItsShareAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		plan := g.plan()
		before := g.processes(plan)
		g.adopt(plan)
		process := rapid.SampledFrom(append(g.procs(), "new")).Draw(t, "process")
		g.addMember(process, "zz")
		old := plan
		plan = g.plan()
		if err := g.checkBalance(plan); err != nil {
			t.Fatal(err)
		}
		share := len(g.tasks)/len(g.members) + 1
		if n := g.moved(before, plan); n > share+maxSubs {
			t.Fatalf("%d of %d tasks moved for a newcomer whose share is %d", n, len(g.tasks), share)
		}
		if n := g.shuffled(old, plan); n > share+maxSubs {
			t.Fatalf("%d of %d tasks changed hands inside processes for a newcomer whose share is %d", n, len(g.tasks), share)
		}
	})
}

func TestLeaverMovesLittleButItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		if len(g.members) == 1 {
			g.addMember("p9", "zz")
		}
		plan := g.plan()
		before := g.processes(plan)
		g.adopt(plan)
		leaver := rapid.SampledFrom(g.members).Draw(t, "leaver")
		g.remove(leaver.ID)
		own := len(plan[leaver.ID].Active)
		old := plan
		plan = g.plan()
		if err := g.checkBalance(plan); err != nil {
			t.Fatal(err)
		}
		if n := g.moved(before, plan); n > own+maxSubs {
			t.Fatalf("%d of %d tasks moved when a member with %d left", n, len(g.tasks), own)
		}
		if n := g.shuffled(old, plan); n > own+maxSubs {
			t.Fatalf("%d of %d tasks changed hands inside processes when a member with %d left", n, len(g.tasks), own)
		}
	})
}

// When a process dies, tasks that have a standby go to a process that has one, if balance allows as many.
func TestStandbysTakeOver(t *testing.T) {
	g := &group{opts: Options{Standbys: 1}}
	for p := range int32(12) {
		g.tasks = append(g.tasks, Task{ID: TaskID{0, p}, Sources: []TopicPartition{{"in", p}}, Stateful: true, LogEnd: 1000})
	}
	for p := range 4 {
		g.addMember(fmt.Sprintf("p%d", p), "m")
	}
	plan := g.plan()
	g.adopt(plan)
	standby := map[TaskID]string{}
	for m, a := range plan {
		for _, id := range a.Standby {
			standby[id] = m
		}
	}
	g.remove("m-0")
	after := where(g.plan())
	cold := 0
	for _, id := range plan["m-0"].Active {
		if after[id] != standby[id] {
			cold++
		}
	}
	if cold > 0 {
		t.Fatalf("%d tasks restore from nothing; before %v, after %v", cold, plan, after)
	}
}

// A fifth process takes its share of copies from the fullest, and no other copy is made where there was no state, though the first tasks have theirs on one process.
func TestNewcomerTakesCopies(t *testing.T) {
	g := &group{opts: Options{Standbys: 1}}
	for p := range 4 {
		g.addMember(fmt.Sprintf("p%d", p), "m")
		g.members[p].Topics = []string{"in"}
		g.members[p].Positions = map[TaskID]int64{}
	}
	for p := range int32(60) {
		id, source := TaskID{0, p}, TopicPartition{"in", p}
		g.tasks = append(g.tasks, Task{ID: id, Sources: []TopicPartition{source}, Stateful: true, LogEnd: 1000})
		at, copy := &g.members[p/15], &g.members[(p/15+1)%4]
		at.Owned = append(at.Owned, source)
		at.Positions[id], copy.Positions[id] = Latest, 1000
	}
	g.addMember("p4", "m")
	cold := 0
	for _, m := range g.members {
		for _, id := range g.plan()[m.ID].Standby {
			if _, has := m.Positions[id]; !has {
				cold++
			}
		}
	}
	if cold > 60/5 {
		t.Fatalf("%d copies are made anew, the newcomer's share is %d", cold, 60/5)
	}
}

// Kafka's TaskAssignorConvergenceTest: whatever happens to the group, rebalancing until no warm-up is left ends, and in balance.
func TestWarmupsConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.opts.Warmups = rapid.IntRange(1, 3).Draw(t, "warmups")
		g.adopt(g.plan())
		for range rapid.IntRange(1, 3).Draw(t, "events") {
			if rapid.Bool().Draw(t, "grow") || len(g.members) == 1 {
				g.grow(t)
			} else {
				g.remove(rapid.SampledFrom(g.members).Draw(t, "leaver").ID)
			}
			g.settle(t)
		}
	})
}

func (g *group) settle(t *rapid.T) {
	limit := len(g.tasks) + 2
	for round := range limit {
		plan, left := Plan(g.members, g.tasks, g.opts)
		if err := g.check(plan, left); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		warm := 0
		for _, a := range plan {
			warm += len(a.Warmup)
		}
		if warm > g.opts.Warmups {
			t.Fatalf("%d warm-ups, %d allowed", warm, g.opts.Warmups)
		}
		g.adopt(plan)
		if warm == 0 {
			if err := g.checkBalance(plan); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("warm-ups are left after %d rounds", limit)
}

// Each checker must see what it is there to see.
func TestCheckersComplain(t *testing.T) {
	sound := func() (*group, map[string]Assignment) {
		g := &group{opts: Options{Standbys: 1}}
		for p := range int32(8) {
			g.tasks = append(g.tasks, Task{ID: TaskID{p / 4, p % 4}, Sources: []TopicPartition{{"in", p}}, Stateful: true})
		}
		for i, process := range []string{"a", "a", "b", "b", "c", "c"} {
			g.addMember(process, "m")
			g.members[i].Rack = process
		}
		return g, g.plan()
	}
	g, plan := sound()
	for name, err := range map[string]error{"check": g.check(plan, nil), "balance": g.checkBalance(plan), "copies": g.checkCopies(plan), "racks": g.checkRacks(plan)} {
		if err != nil {
			t.Fatalf("%s complains of a sound plan: %v", name, err)
		}
	}
	take := func(from []TaskID) (TaskID, []TaskID) { return from[0], slices.Clone(from[1:]) }
	give := func(plan map[string]Assignment, m string, change func(*Assignment)) {
		a := plan[m]
		change(&a)
		for _, ids := range [][]TaskID{a.Active, a.Standby} {
			slices.SortFunc(ids, TaskID.Compare)
		}
		plan[m] = a
	}
	add := func(ids []TaskID, id TaskID) []TaskID { return append(slices.Clone(ids), id) }
	for _, c := range []struct {
		name, want string
		harm       func(g *group, plan map[string]Assignment) error
	}{
		{"lost", "active 0 times", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-0", func(a *Assignment) { _, a.Active = take(a.Active) })
			return g.check(plan, nil)
		}},
		{"twice active", "active 2 times", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-0", func(a *Assignment) { a.Active = add(a.Active, plan["m-2"].Active[0]) })
			return g.check(plan, nil)
		}},
		{"standby beside its active", "2 times on process a", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-1", func(a *Assignment) { a.Standby = add(a.Standby, plan["m-0"].Active[0]) })
			return g.check(plan, nil)
		}},
		{"too few standbys", "0 standbys, want 1", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-0", func(a *Assignment) { a.Standby = nil })
			return g.check(plan, nil)
		}},
		{"unsubscribed", "does not subscribe", func(g *group, plan map[string]Assignment) error {
			g.members[0].Topics = nil
			return g.check(plan, nil)
		}},
		{"falsely left out", "reported as left out: true", func(g *group, plan map[string]Assignment) error {
			return g.check(plan, []TaskID{{0, 1}})
		}},
		{"copy of a stateless task", "stateless", func(g *group, plan map[string]Assignment) error {
			g.tasks[0].Stateful = false
			return g.check(plan, nil)
		}},
		{"no entry", "no entry", func(g *group, plan map[string]Assignment) error {
			delete(plan, "m-3")
			return g.check(plan, nil)
		}},
		{"unsorted", "not sorted", func(g *group, plan map[string]Assignment) error {
			a := plan["m-0"]
			a.Active = []TaskID{{1, 0}, {0, 0}}
			plan["m-0"] = a
			return g.check(plan, nil)
		}},
		{"uneven", "tasks: more than 1", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-0", func(a *Assignment) { a.Active = slices.Concat(a.Active, plan["m-2"].Active) })
			give(plan, "m-2", func(a *Assignment) { a.Active = nil })
			return g.checkBalance(plan)
		}},
		{"uneven in one sub-topology", "sub-topology 0", func(g *group, plan map[string]Assignment) error {
			for m := range plan {
				plan[m] = Assignment{}
			}
			for i := range int32(4) {
				plan[fmt.Sprintf("m-%d", i)] = Assignment{Active: []TaskID{{i / 2, i % 2 * 2}, {i / 2, i%2*2 + 1}}}
			}
			plan["m-4"], plan["m-5"] = Assignment{Active: []TaskID{{1, 4}}}, Assignment{Active: []TaskID{{1, 5}}}
			return g.checkBalance(plan)
		}},
		{"copies heaped", "should move", func(g *group, plan map[string]Assignment) error {
			give(plan, "m-0", func(a *Assignment) { a.Standby = slices.Concat(a.Standby, plan["m-2"].Standby, plan["m-3"].Standby) })
			give(plan, "m-2", func(a *Assignment) { a.Standby = nil })
			give(plan, "m-3", func(a *Assignment) { a.Standby = nil })
			return g.checkCopies(plan)
		}},
		{"one rack", "nowhere in c", func(g *group, plan map[string]Assignment) error {
			for i := range g.members[:4] {
				g.members[i].Rack = "a"
			}
			for m := range plan {
				plan[m] = Assignment{}
			}
			plan["m-0"], plan["m-2"] = Assignment{Active: []TaskID{{0, 0}}}, Assignment{Standby: []TaskID{{0, 0}}}
			return g.checkRacks(plan)
		}},
	} {
		g, plan := sound()
		if err := c.harm(g, maps.Clone(plan)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the checker says %v, want %q", c.name, err, c.want)
		}
	}
}

func TestParseTaskID(t *testing.T) {
	for _, id := range []TaskID{{0, 0}, {0, 3}, {12, 2147483647}} {
		if got, err := ParseTaskID(id.String()); got != id || err != nil {
			t.Errorf("%s came back as %v, %v", id, got, err)
		}
	}
	for _, bad := range []string{"", "_", "1", "1_", "_1", "1_2_3", "-1_2", "1_-2", "01_2", "+1_2", "1_2147483648", " 1_2"} {
		if id, err := ParseTaskID(bad); err == nil {
			t.Errorf("%q was read as %v", bad, id)
		}
	}
}
