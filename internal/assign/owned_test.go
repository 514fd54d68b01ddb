package assign

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// handover plays the cooperative protocol: members join with what they own, and take up their assignments one after another, in any order.
type handover struct {
	*group
	holds map[string][]TopicPartition // what each member works on at this instant
}

func newHandover(g *group) *handover {
	h := &handover{g, map[string][]TopicPartition{}}
	for _, m := range g.members {
		h.holds[m.ID] = m.Owned
	}
	return h
}

// round is one rebalance. assignable is Assignable, or something that pretends to be.
func (h *handover) round(order []Member, assignable func(map[string]Assignment, []Member, []Task) (map[string]Assignment, bool)) (followUp bool, err error) {
	now, followUp := assignable(h.plan(), h.members, h.tasks)
	for _, m := range order {
		h.holds[m.ID] = Partitions(h.tasks, now[m.ID].Active)
		if err := h.exclusive(); err != nil {
			return followUp, err
		}
	}
	for i := range h.members {
		h.members[i].Owned = h.holds[h.members[i].ID]
		h.members[i].Generation = 9
	}
	return followUp, nil
}

func (h *handover) exclusive() error {
	holder := map[TopicPartition]string{}
	for member, owned := range h.holds {
		for _, tp := range owned {
			if other, taken := holder[tp]; taken {
				return fmt.Errorf("%s is held by %s and %s", tp, min(member, other), max(member, other))
			}
			holder[tp] = member
		}
	}
	return nil
}

func (h *handover) complete() error {
	for _, t := range h.tasks {
		if !slices.ContainsFunc(h.members, func(m Member) bool { return slices.Contains(m.Owned, t.Sources[0]) }) {
			return fmt.Errorf("nobody holds %s", t.ID)
		}
	}
	return nil
}

func TestHandoverIsExclusiveAndEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.adopt(g.plan())
		for range rapid.IntRange(0, 4).Draw(t, "events") {
			if rapid.Bool().Draw(t, "grow") || len(g.members) == 1 {
				g.grow(t)
			} else {
				g.remove(rapid.SampledFrom(g.members).Draw(t, "leaver").ID)
			}
		}
		h := newHandover(g)
		for round := 1; ; round++ {
			followUp, err := h.round(rapid.Permutation(g.members).Draw(t, "order"), Assignable)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if !followUp {
				break
			}
			if round == 2 {
				t.Fatal("a second round asks for a third")
			}
		}
		if err := h.complete(); err != nil {
			t.Fatal(err)
		}
	})
}

// With claims of any kind, disputed and stale ones too, nobody is given what another fresh member claims, and two rounds are enough.
func TestHandoverSettlesAnyClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGroup(t)
		g.disturb(t)
		g.reportOwned()
		for round := 1; ; round++ {
			now, followUp := Assignable(g.plan(), g.members, g.tasks)
			for _, m := range g.members {
				for _, tp := range Partitions(g.tasks, now[m.ID].Active) {
					for _, other := range g.members {
						if other.ID != m.ID && slices.Contains(other.Owned, tp) && !(slices.Contains(m.Owned, tp) && m.Generation > other.Generation) {
							t.Fatalf("%s is given %s, which %s claims", m.ID, tp, other.ID)
						}
					}
				}
			}
			for i := range g.members {
				g.members[i].Owned = Partitions(g.tasks, now[g.members[i].ID].Active)
				g.members[i].Generation = int32(9 + round)
			}
			if !followUp {
				return
			}
			if round == 2 {
				t.Fatal("a second round asks for a third")
			}
		}
	})
}

// reportOwned makes members report the state of what they claim, as they must.
func (g *group) reportOwned() {
	for i := range g.members {
		m := &g.members[i]
		for _, t := range g.tasks {
			if _, has := m.Positions[t.ID]; t.Stateful && !has && slices.ContainsFunc(t.Sources, func(tp TopicPartition) bool { return slices.Contains(m.Owned, tp) }) {
				if m.Positions == nil {
					m.Positions = map[TaskID]int64{}
				}
				m.Positions[t.ID] = Latest
			}
		}
	}
}

func TestAssignableClaims(t *testing.T) {
	p, q := TopicPartition{"a", 0}, TopicPartition{"b", 0}
	tasks := []Task{{ID: TaskID{0, 0}, Sources: []TopicPartition{p, q}}}
	target := map[string]Assignment{"x": {Active: []TaskID{{0, 0}}, Standby: []TaskID{{1, 1}}}, "y": {}, "z": {}}
	owns := func(id string, generation int32, tps ...TopicPartition) Member {
		return Member{ID: id, Generation: generation, Owned: tps}
	}
	for _, c := range []struct {
		name    string
		members []Member
		given   bool
		owner   string
	}{
		{"nobody", []Member{owns("x", 5), owns("y", 5)}, true, ""},
		{"itself", []Member{owns("x", 5, p, q), owns("y", 5)}, true, "x"},
		{"another", []Member{owns("x", 5), owns("y", 5, p, q)}, false, "y"},
		{"another owns half", []Member{owns("x", 5, p), owns("y", 5, q)}, false, ""},
		{"itself fresher", []Member{owns("x", 6, p, q), owns("y", 5, p, q)}, true, "x"},
		{"another fresher", []Member{owns("x", 4, p, q), owns("y", 5, p, q)}, false, "y"},
		{"two of one generation", []Member{owns("x", 5, p, q), owns("y", 5, p, q)}, false, ""},
		{"old dispute, itself fresher", []Member{owns("y", 4, p, q), owns("z", 4, p, q), owns("x", 5, p, q)}, true, "x"},
		{"the same, another order", []Member{owns("x", 5, p, q), owns("y", 4, p, q), owns("z", 4, p, q)}, true, "x"},
	} {
		now, followUp := Assignable(target, c.members, tasks)
		if given := len(now["x"].Active) == 1; given != c.given || followUp == given {
			t.Errorf("%s: given %v, follow-up %v", c.name, given, followUp)
		}
		if got := owner(tasks[0], claims(c.members)); got != c.owner {
			t.Errorf("%s: owner %q, want %q", c.name, got, c.owner)
		}
		if len(now["x"].Standby) != 1 || len(now) != 3 {
			t.Errorf("%s: only active tasks may be withheld: %v", c.name, now)
		}
	}
	if len(target["x"].Active) != 1 {
		t.Error("the target was changed")
	}
}

// A plan that is handed out at once must be caught by the same play.
func TestHandoverSeesDoubleOwners(t *testing.T) {
	g := &group{}
	for p := range int32(4) {
		g.tasks = append(g.tasks, Task{ID: TaskID{0, p}, Sources: []TopicPartition{{"in", p}}})
	}
	g.addMember("a", "m")
	g.adopt(g.plan())
	g.addMember("b", "m")
	order := []Member{g.members[1], g.members[0]}
	atOnce := func(target map[string]Assignment, _ []Member, _ []Task) (map[string]Assignment, bool) {
		return target, false
	}
	if _, err := newHandover(g).round(order, atOnce); err == nil || !strings.Contains(err.Error(), "held by m-0 and m-1") {
		t.Fatalf("handed out at once: %v", err)
	}
	never := func(map[string]Assignment, []Member, []Task) (map[string]Assignment, bool) { return nil, false }
	h := newHandover(g)
	if _, err := h.round(order, never); err != nil || h.complete() == nil {
		t.Fatalf("never handed out: %v, and complete says %v", err, h.complete())
	}
}
