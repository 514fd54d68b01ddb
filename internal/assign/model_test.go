package assign

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"
)

// group is a consumer group in a test: what the members would report, and what they would make of a plan.
type group struct {
	members []Member
	joined  int // members so far, those that left too: no two have the same name
	tasks   []Task
	opts    Options
}

func (g *group) plan() map[string]Assignment {
	plan, _ := Plan(g.members, g.tasks, g.opts)
	return plan
}

// adopt makes the members own a plan, with all states restored.
func (g *group) adopt(plan map[string]Assignment) {
	states := map[string]map[TaskID]int64{}
	for i := range g.members {
		m := &g.members[i]
		m.Owned = Partitions(g.tasks, plan[m.ID].Active)
		for _, id := range slices.Concat(plan[m.ID].Active, plan[m.ID].Standby, plan[m.ID].Warmup) {
			if states[m.Process] == nil {
				states[m.Process] = map[TaskID]int64{}
			}
			if g.task(id).Stateful {
				states[m.Process][id] = Latest
			}
		}
	}
	for i := range g.members {
		m := &g.members[i]
		m.Positions = states[m.Process]
		delete(states, m.Process) // one member per process reports
	}
}

func (g *group) task(id TaskID) Task {
	return g.tasks[slices.IndexFunc(g.tasks, func(t Task) bool { return t.ID == id })]
}

func (g *group) remove(member string) {
	g.members = slices.DeleteFunc(g.members, func(m Member) bool { return m.ID == member })
}

func (g *group) procs() []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range g.members {
			if !yield(m.Process) {
				return
			}
		}
	}))
}

// where maps every task to the member that runs it.
func where(plan map[string]Assignment) map[TaskID]string {
	at := map[TaskID]string{}
	for member, a := range plan {
		for _, id := range a.Active {
			at[id] = member
		}
	}
	return at
}

func (g *group) process(member string) string {
	return g.members[slices.IndexFunc(g.members, func(m Member) bool { return m.ID == member })].Process
}

// check is the contract of Plan but for balance.
func (g *group) check(plan map[string]Assignment, left []TaskID) error {
	var faults []error
	complain := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	active, used := map[TaskID]int{}, map[TaskID]map[string]int{}
	copies := map[TaskID]int{}
	for _, m := range g.members {
		a, ok := plan[m.ID]
		if !ok {
			complain("member %s has no entry", m.ID)
		}
		for kind, ids := range [][]TaskID{a.Active, a.Standby, a.Warmup} {
			if !slices.IsSortedFunc(ids, TaskID.Compare) {
				complain("member %s: %v is not sorted", m.ID, ids)
			}
			for _, id := range ids {
				t := g.task(id)
				if !subscribes(m, t) {
					complain("member %s does not subscribe to the topics of %s", m.ID, id)
				}
				if kind > 0 && !t.Stateful {
					complain("a copy of stateless %s", id)
				}
				if kind == 1 {
					copies[id]++
				}
				if kind == 0 {
					active[id]++
				}
				if used[id] == nil {
					used[id] = map[string]int{}
				}
				used[id][m.Process]++
			}
		}
	}
	if len(plan) != len(g.members) {
		complain("%d entries for %d members", len(plan), len(g.members))
	}
	for _, t := range g.tasks {
		able := map[string]bool{}
		for _, m := range g.members {
			if subscribes(m, t) {
				able[m.Process] = true
			}
		}
		if want := min(len(able), 1); active[t.ID] != want {
			complain("%s is active %d times, want %d", t.ID, active[t.ID], want)
		}
		if slices.Contains(left, t.ID) != (len(able) == 0) {
			complain("%s: reported as left out: %v, members that could run it: %d", t.ID, slices.Contains(left, t.ID), len(able))
		}
		warm := len(used[t.ID]) - copies[t.ID] - active[t.ID]
		if want := min(g.opts.Standbys, len(able)-1-warm); t.Stateful && len(able) > 0 && copies[t.ID] != want {
			complain("%s has %d standbys, want %d", t.ID, copies[t.ID], want)
		}
		for process, n := range used[t.ID] {
			if n > 1 {
				complain("%s is %d times on process %s", t.ID, n, process)
			}
		}
	}
	return errors.Join(faults...)
}

func subscribes(m Member, t Task) bool {
	return !slices.ContainsFunc(t.Sources, func(tp TopicPartition) bool { return !slices.Contains(m.Topics, tp.Topic) })
}

// checkBalance holds for members that subscribe to the same, without warm-ups.
func (g *group) checkBalance(plan map[string]Assignment) error {
	if err := g.even("tasks", plan, 1, func(TaskID) bool { return true }); err != nil {
		return err
	}
	sizes := map[string]int{}
	for _, m := range g.members {
		sizes[m.Process]++
	}
	same := len(slices.Compact(slices.Sorted(maps.Values(sizes)))) == 1
	bound := 1
	if !same {
		bound = 2
	}
	for sub := range int32(maxSubs) {
		if err := g.even(fmt.Sprintf("tasks of sub-topology %d", sub), plan, bound, func(id TaskID) bool { return id.Sub == sub }); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) even(what string, plan map[string]Assignment, bound int, count func(TaskID) bool) error {
	var counts []int
	for _, m := range g.members {
		n := 0
		for _, id := range plan[m.ID].Active {
			if count(id) {
				n++
			}
		}
		counts = append(counts, n)
	}
	if len(counts) > 0 && slices.Max(counts)-slices.Min(counts) > bound {
		return fmt.Errorf("members have %v %s: more than %d apart", counts, what, bound)
	}
	return nil
}

// checkCopies complains when moving a single standby would give two processes of one size loads that are nearer, though racks do not stand in the way.
func (g *group) checkCopies(plan map[string]Assignment) error {
	load, size := map[string]int{}, map[string]int{}
	uses, copies := map[TaskID][]string{}, map[TaskID][]string{}
	for _, m := range g.members {
		size[m.Process]++
		load[m.Process] += len(plan[m.ID].Standby)
		for _, id := range plan[m.ID].Active {
			uses[id] = append(uses[id], m.Process)
		}
		for _, id := range plan[m.ID].Standby {
			uses[id] = append(uses[id], m.Process)
			copies[id] = append(copies[id], m.Process)
		}
	}
	for id, from := range copies {
		for _, a := range from {
			for b := range size {
				if !slices.Contains(uses[id], b) && size[a] == size[b] && load[a] > load[b]+1 {
					return fmt.Errorf("standby %s should move from %s (%d copies) to %s (%d)", id, a, load[a], b, load[b])
				}
			}
		}
	}
	return nil
}

// checkRacks complains when two copies of a task share a rack though a process in another rack could have one of them.
func (g *group) checkRacks(plan map[string]Assignment) error {
	racks, procs := map[TaskID]map[string]int{}, map[TaskID][]string{}
	for _, m := range g.members {
		for _, id := range slices.Concat(plan[m.ID].Active, plan[m.ID].Standby) {
			if racks[id] == nil {
				racks[id] = map[string]int{}
			}
			racks[id][m.Rack]++
			procs[id] = append(procs[id], m.Process)
		}
	}
	for id, in := range racks {
		for _, m := range g.members {
			if in[m.Rack] == 0 && slices.Max(slices.Collect(maps.Values(in))) > 1 {
				return fmt.Errorf("%s is on %v, in racks %v, and nowhere in %s", id, procs[id], in, m.Rack)
			}
		}
	}
	return nil
}

const maxSubs = 3

// drawGroup draws a group that starts: nobody owns anything.
func drawGroup(t *rapid.T) *group {
	g := &group{opts: Options{Standbys: rapid.IntRange(0, 2).Draw(t, "standbys"), AcceptableLag: 10}}
	for sub := range int32(rapid.IntRange(1, maxSubs).Draw(t, "subs")) {
		stateful := rapid.Bool().Draw(t, "stateful")
		topics := rapid.IntRange(1, 2).Draw(t, "topics")
		for p := range int32(rapid.IntRange(1, 9).Draw(t, "partitions")) {
			task := Task{ID: TaskID{sub, p}, Stateful: stateful, LogEnd: 1000}
			for k := range topics {
				task.Sources = append(task.Sources, TopicPartition{fmt.Sprintf("t%d%c", sub, 'a'+k), p})
			}
			g.tasks = append(g.tasks, task)
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "processes") {
		g.grow(t)
	}
	return g
}

// grow adds a process with some members.
func (g *group) grow(t *rapid.T) {
	process := fmt.Sprintf("p%d", g.joined)
	for range rapid.IntRange(1, 3).Draw(t, "members") {
		g.addMember(process, rapid.StringMatching("[a-z]{3}").Draw(t, "prefix"))
	}
}

func (g *group) addMember(process, prefix string) {
	m := Member{ID: fmt.Sprintf("%s-%d", prefix, g.joined), Process: process, Topics: g.topics()}
	g.joined++
	g.members = append(g.members, m)
}

func (g *group) topics() []string {
	var topics []string
	for _, t := range g.tasks {
		topics = append(topics, topicsOf(t)...)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

// disturb gives members claims and states that no plan of ours left behind.
func (g *group) disturb(t *rapid.T) {
	for i := range g.members {
		m := &g.members[i]
		m.Generation = int32(rapid.IntRange(1, 3).Draw(t, "generation"))
		for _, task := range g.tasks {
			for _, tp := range task.Sources {
				if rapid.IntRange(0, 3).Draw(t, "owns") == 0 {
					m.Owned = append(m.Owned, tp)
				}
			}
			if lag := rapid.Int64Range(-20, 40).Draw(t, "lag"); task.Stateful && lag >= 0 {
				if m.Positions == nil {
					m.Positions = map[TaskID]int64{}
				}
				m.Positions[task.ID] = task.LogEnd - lag
			}
		}
	}
}
