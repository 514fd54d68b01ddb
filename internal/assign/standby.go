package assign

import (
	"cmp"
	"slices"
)

// placeStandbys chooses the processes that keep copies. Copies that exist are kept, what is missing goes where there is least, and then copies move while that makes
// the plan better: first in racks (no two copies of a task in one, if it can be), then in balance. A plan that cannot be bettered is its own successor.
func (p *planner) placeStandbys() {
	p.standby = make([][]int, len(p.tasks))
	if p.opts.Standbys <= 0 {
		return
	}
	s := &copies{planner: p, load: make([]int, len(p.procs)), pairs: map[[2]int]int{}}
	s.each(s.keep)
	s.each(s.fill)
	s.improve()
	for t := range p.tasks {
		slices.Sort(p.standby[t])
	}
}

type copies struct {
	*planner
	load  []int // copies on each process
	total int
	pairs map[[2]int]int // copies that a process keeps for another
}

func (s *copies) each(do func(t int)) {
	for t := range s.tasks {
		if s.tasks[t].Stateful {
			do(t)
		}
	}
}

// legal are the processes that could have one more copy of the task.
func (s *copies) legal(t int) []int {
	return slices.DeleteFunc(slices.Clone(s.classes[s.class[t]].procs), func(proc int) bool { return s.uses(t, proc) })
}

func (s *copies) uses(t, proc int) bool {
	return s.at[t] == proc || s.warm[t] == proc || slices.Contains(s.standby[t], proc)
}

// crowd is how many of the task's other places, active included, share the process's rack. Without racks nothing is crowded.
func (s *copies) crowd(t, proc, except int) int {
	rack := s.procs[proc].rack
	if rack == "" {
		return 0
	}
	n := 0
	for _, other := range append([]int{s.at[t]}, s.standby[t]...) {
		if other != except && s.procs[other].rack == rack {
			n++
		}
	}
	return n
}

func (s *copies) price(proc, k int) int64 {
	return unevenness(k, int64(len(s.procs[proc].members)))
}

func (s *copies) add(t, proc int) {
	s.standby[t] = append(s.standby[t], proc)
	s.load[proc]++
	s.total++
	s.pairs[[2]int{s.at[t], proc}]++
}

// keep takes up the copies that exist, the least behind first.
func (s *copies) keep(t int) {
	s.choose(t, func(proc int) (int64, bool) {
		_, has := s.procs[proc].states[s.tasks[t].ID]
		return s.costOf(t, proc).lag, has
	})
}

// fill adds copies where there are least, and among equals where there are least of the same process's tasks: when it dies, many take over a few tasks each.
func (s *copies) fill(t int) {
	s.choose(t, func(proc int) (int64, bool) {
		return s.price(proc, s.load[proc]+1)<<20 + int64(s.pairs[[2]int{s.at[t], proc}]), true
	})
}

// choose adds copies of the task, best rack and then least price first, until there are enough or no process is acceptable.
func (s *copies) choose(t int, price func(proc int) (int64, bool)) {
	for len(s.standby[t]) < s.opts.Standbys {
		best, crowded, least := none, 0, int64(0)
		for _, proc := range s.legal(t) {
			c, ok := price(proc)
			n := s.crowd(t, proc, none)
			if ok && (best == none || n < crowded || n == crowded && c < least) {
				best, crowded, least = proc, n, c
			}
		}
		if best == none {
			return
		}
		s.add(t, best)
	}
}

// improve first empties only processes above their share, so that a newcomer takes from the fullest and few copies move.
func (s *copies) improve() {
	for _, eligible := range []func(proc int) bool{s.overfull, func(int) bool { return true }} {
		for changed := true; changed; {
			changed = false
			s.each(func(t int) {
				for i := range s.standby[t] {
					changed = s.better(t, i, eligible) || changed
				}
			})
		}
	}
}

func (s *copies) overfull(proc int) bool {
	return s.load[proc]*len(s.members) > s.total*len(s.procs[proc].members)+len(s.members)-1
}

// better moves the i-th copy of the task to where it crowds less or, crowding no more, to where there is less. Both lower one sum, so it ends.
func (s *copies) better(t, i int, eligible func(proc int) bool) bool {
	from := s.standby[t][i]
	best, crowded, least := from, s.crowd(t, from, from), s.price(from, s.load[from])
	for _, proc := range s.legal(t) {
		n, c := s.crowd(t, proc, from), s.price(proc, s.load[proc]+1)
		if d := cmp.Compare(n, crowded); d < 0 || d == 0 && c < least && eligible(from) {
			best, crowded, least = proc, n, c
		}
	}
	if best == from {
		return false
	}
	s.standby[t][i] = best
	s.load[from]--
	s.load[best]++
	return true
}
