package assign

import "slices"

// claim is who says to own a partition. The freshest generation is believed: a member that missed a rebalance still lists what it lost.
type claim struct {
	member     string
	generation int32
	disputed   bool // two members of one generation claim it: neither is believed, both must let go
}

func claims(members []Member) map[TopicPartition]claim {
	all := map[TopicPartition]claim{}
	for _, m := range members {
		for _, tp := range m.Owned {
			mine := claim{member: m.ID, generation: m.Generation}
			old, taken := all[tp]
			switch {
			case !taken || mine.generation > old.generation:
				all[tp] = mine
			case mine.generation == old.generation && mine.member != old.member:
				old.disputed = true
				all[tp] = old
			}
		}
	}
	return all
}

// Owners is who has each partition now, as far as what members claim can be believed: a partition is missing that two claim with equal right.
func Owners(members []Member) map[TopicPartition]string {
	owners := map[TopicPartition]string{}
	for tp, c := range claims(members) {
		if !c.disputed {
			owners[tp] = c.member
		}
	}
	return owners
}

// owner is the member that runs a task now, empty for nobody. Where claims conflict it is nobody: the task will be withheld from whoever gets it.
func owner(t Task, all map[TopicPartition]claim) string {
	for _, tp := range t.Sources {
		if c, taken := all[tp]; taken && free(t, c.member, all) {
			return c.member
		}
	}
	return ""
}

// free reports whether no one but the member claims any partition of the task. A task is handed over whole, never half its topics.
func free(t Task, member string, all map[TopicPartition]claim) bool {
	return !slices.ContainsFunc(t.Sources, func(tp TopicPartition) bool {
		c, taken := all[tp]
		return taken && (c.disputed || c.member != member)
	})
}

// Assignable returns the part of a target that may be assigned in this round of the cooperative protocol: active tasks are withheld while another member still
// owns one of their partitions. It also reports whether something was withheld, so that a rebalance must follow once the owners have let go (an owner learns that it
// must from not being assigned the partition). Standbys and warm-ups read no source partition and are never withheld.
func Assignable(target map[string]Assignment, members []Member, tasks []Task) (now map[string]Assignment, followUp bool) {
	all := claims(members)
	byID := make(map[TaskID]Task, len(tasks))
	for _, t := range tasks {
		byID[t.ID] = t
	}
	now = make(map[string]Assignment, len(target))
	for member, a := range target {
		wanted := len(a.Active)
		a.Active = slices.DeleteFunc(slices.Clone(a.Active), func(id TaskID) bool { return !free(byID[id], member, all) })
		followUp = followUp || len(a.Active) < wanted
		now[member] = a
	}
	return now, followUp
}
