package assign

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Plan decides where every task runs, see the package's text. Every member has an entry. Tasks that no member may run, because none subscribes to all of their
// topics, are left out of the plan and returned.
func Plan(members []Member, tasks []Task, opts Options) (map[string]Assignment, []TaskID) {
	p := newPlanner(members, tasks, opts)
	p.placeActive()
	p.holdBack()
	p.placeStandbys()
	return p.assignments(), p.left
}

// planner holds the input, sorted and numbered: from here on members, processes and tasks are indexes, so that no map's order can reach the plan.
type planner struct {
	opts    Options
	members []Member
	procs   []process
	proc    []int  // process of each member
	tasks   []Task // those that somebody may run
	left    []TaskID
	rows    int   // sub-topologies
	class   []int // of each task
	classes []taskClass
	owner   []int   // member that runs the task now, or none
	ends    []int64 // where each task's changelogs end, as far as somebody knows

	on      []int   // member that runs the task
	at      []int   // its process
	warm    []int   // process that warms up for the task, or none
	standby [][]int // processes that keep a copy of the task's state
	busy    []int   // tasks of each member, of any kind
}

type process struct {
	name    string
	rack    string
	members []int
	states  map[TaskID]int64 // positions
}

// taskClass is tasks of one sub-topology with the same topics: the same members may run them.
type taskClass struct {
	row     int
	members []int
	procs   []int
}

func newPlanner(members []Member, tasks []Task, opts Options) *planner {
	p := &planner{opts: opts, members: slices.Clone(members)}
	slices.SortFunc(p.members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	p.groupMembers()
	p.classify(slices.SortedFunc(slices.Values(tasks), func(a, b Task) int { return a.ID.Compare(b.ID) }))
	p.findOwners()
	p.findEnds()
	return p
}

func (p *planner) groupMembers() {
	index := map[string]int{}
	for i, m := range p.members {
		name := m.Process
		if name == "" {
			name = "\x00" + m.ID
		}
		at, known := index[name]
		if !known {
			at = len(p.procs)
			index[name] = at
			p.procs = append(p.procs, process{name: name, states: map[TaskID]int64{}})
		}
		p.procs[at].join(i, m)
	}
	// By name, since member ids are new after every restart.
	slices.SortFunc(p.procs, func(a, b process) int { return cmp.Compare(a.name, b.name) })
	p.proc = make([]int, len(p.members))
	for i, q := range p.procs {
		for _, m := range q.members {
			p.proc[m] = i
		}
	}
}

func (q *process) join(i int, m Member) {
	q.members = append(q.members, i)
	q.rack = cmp.Or(q.rack, m.Rack)
	for id, at := range m.Positions {
		q.states[id] = max(at, q.states[id], 0)
	}
}

// classify numbers sub-topologies and classes, and keeps the tasks that somebody may run.
func (p *planner) classify(sorted []Task) {
	index := map[string]int{}
	last := TaskID{Sub: -1}
	for _, t := range sorted {
		if p.rows == 0 || t.ID.Sub != last.Sub {
			p.rows++
		}
		last = t.ID
		topics := topicsOf(t)
		key := strconv.Itoa(p.rows) + "\x00" + strings.Join(topics, "\x00")
		at, known := index[key]
		if !known {
			at = len(p.classes)
			index[key] = at
			p.classes = append(p.classes, p.newClass(p.rows-1, topics))
		}
		if len(p.classes[at].procs) == 0 {
			p.left = append(p.left, t.ID)
			continue
		}
		p.tasks = append(p.tasks, t)
		p.class = append(p.class, at)
	}
}

func topicsOf(t Task) []string {
	var topics []string
	for _, tp := range t.Sources {
		topics = append(topics, tp.Topic)
	}
	slices.Sort(topics)
	return slices.Compact(topics)
}

func (p *planner) newClass(row int, topics []string) taskClass {
	c := taskClass{row: row}
	for i, m := range p.members {
		if !slices.ContainsFunc(topics, func(t string) bool { return !slices.Contains(m.Topics, t) }) {
			c.members = append(c.members, i)
			c.procs = append(c.procs, p.proc[i])
		}
	}
	slices.Sort(c.procs)
	c.procs = slices.Compact(c.procs)
	return c
}

func (p *planner) findOwners() {
	all := claims(p.members)
	for _, t := range p.tasks {
		at, found := slices.BinarySearchFunc(p.members, owner(t, all), func(m Member, id string) int { return cmp.Compare(m.ID, id) })
		if !found {
			at = none
		}
		p.owner = append(p.owner, at)
	}
}

// ownedBy reports whether a member of the process runs the task now.
func (p *planner) ownedBy(t, proc int) bool {
	return p.owner[t] != none && p.proc[p.owner[t]] == proc
}

// findEnds takes the ends of changelogs from the tasks. One that is not known is taken to be where the foremost state is: then states can still be told apart.
func (p *planner) findEnds() {
	p.ends = make([]int64, len(p.tasks))
	for t := range p.tasks {
		p.ends[t] = p.tasks[t].LogEnd
		for i := range p.procs {
			if at, has := p.procs[i].states[p.tasks[t].ID]; has && at != Latest && p.tasks[t].LogEnd < 0 {
				p.ends[t] = max(p.ends[t], at)
			}
		}
	}
}

// lag is how many records the process must read before it can run the task, and whether it has any state of it. An owner that reports nothing is caught up.
func (p *planner) lag(t, proc int) (lag int64, has bool) {
	task := &p.tasks[t]
	at, has := p.procs[proc].states[task.ID]
	switch {
	case !task.Stateful || at == Latest || !has && p.ownedBy(t, proc):
		return 0, true
	case !has || at > p.ends[t]: // a state ahead of its log is of one that was made anew
		return task.restore(), false
	}
	return p.ends[t] - at, true
}

// restore is how many records a process without state reads.
func (t *Task) restore() int64 {
	switch {
	case !t.Stateful:
		return 0
	case t.LogEnd < 0:
		return math.MaxInt64
	}
	return t.LogEnd
}

func (p *planner) caughtUp(t, proc int) bool {
	lag, _ := p.lag(t, proc)
	return lag <= p.opts.AcceptableLag
}

// costOf is what it costs to run the task on the process: above all, whether it has to restore there. Lags count by their magnitude, so that what two processes read
// meanwhile does not reorder them.
func (p *planner) costOf(t, proc int) cost {
	lag, has := p.lag(t, proc)
	return p.cost(lag, has, p.ownedBy(t, proc))
}

func (p *planner) cost(lag int64, has, owned bool) cost {
	var c cost
	if lag > p.opts.AcceptableLag {
		c.place = cold
		c.lag = 2 * int64(bits.Len64(uint64(lag)))
	}
	if !owned {
		c.place += moved + turned
	}
	if !has {
		c.lag++
	}
	return c
}

func (p *planner) placeActive() {
	classes := make([]class, len(p.classes))
	for i, c := range p.classes {
		classes[i] = class{c.row, c.members}
	}
	items := make([]item, len(p.tasks))
	for t := range p.tasks {
		items[t] = p.itemOf(t)
	}
	p.on = spread(p.proc, p.rows, classes, items)
	p.at = make([]int, len(p.tasks))
	p.busy = make([]int, len(p.members))
	for t, m := range p.on {
		p.at[t] = p.proc[m]
		p.busy[m]++
	}
}

// itemOf names the members that are better for the task than one whose process neither runs it nor has any of its state.
func (p *planner) itemOf(t int) item {
	task := &p.tasks[t]
	it := item{class: p.class[t], other: p.cost(task.restore(), !task.Stateful, false)}
	last, c := none, cost{}
	for _, m := range p.classes[it.class].members {
		if p.proc[m] != last {
			last = p.proc[m]
			c = p.costOf(t, last)
		}
		own := c
		if p.ownedBy(t, last) && p.owner[t] != m {
			own.place += turned
		}
		if own.less(it.other) {
			it.prefs = append(it.prefs, pref{m, own})
		}
	}
	return it
}

// holdBack leaves a task on a process that is ready for it while the one that shall have it restores its state as a warm-up. Those that are nearest go first, so
// that a warm-up that has begun is not given up for another.
func (p *planner) holdBack() {
	p.warm = slices.Repeat([]int{none}, len(p.tasks))
	if p.opts.Warmups <= 0 {
		return
	}
	budget := p.opts.Warmups
	for _, t := range p.byLag() {
		ready := p.readiest(t)
		if p.caughtUp(t, p.at[t]) || ready == none {
			continue
		}
		if budget > 0 {
			budget--
			p.warm[t] = p.at[t]
		}
		p.at[t] = ready
		p.busy[p.on[t]]--
		p.on[t] = p.idlest(t, ready)
		if p.ownedBy(t, ready) && slices.Contains(p.classes[p.class[t]].members, p.owner[t]) {
			p.on[t] = p.owner[t]
		}
		p.busy[p.on[t]]++
	}
}

// byLag returns the tasks, those first whose state is least behind where they shall go.
func (p *planner) byLag() []int {
	order := make([]int, len(p.tasks))
	for t := range order {
		order[t] = t
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.costOf(a, p.at[a]).lag, p.costOf(b, p.at[b]).lag) })
	return order
}

// readiest is the process that may run the task at once: its owner, or one whose copy is caught up.
func (p *planner) readiest(t int) int {
	best, least := none, cost{}
	for _, proc := range p.classes[p.class[t]].procs {
		if c := p.costOf(t, proc); p.caughtUp(t, proc) && (best == none || c.less(least)) {
			best, least = proc, c
		}
	}
	return best
}

func (p *planner) assignments() map[string]Assignment {
	shares := make([]Assignment, len(p.members))
	for t := range p.tasks {
		id, a := p.tasks[t].ID, &shares[p.on[t]]
		a.Active = append(a.Active, id)
		for _, proc := range p.standby[t] {
			a := &shares[p.copyOn(t, proc)]
			a.Standby = append(a.Standby, id)
		}
		if p.warm[t] != none {
			a := &shares[p.copyOn(t, p.warm[t])]
			a.Warmup = append(a.Warmup, id)
		}
	}
	all := make(map[string]Assignment, len(shares))
	for m, a := range shares {
		all[p.members[m].ID] = a
	}
	return all
}

// copyOn chooses the member of the process that keeps a copy of the task.
func (p *planner) copyOn(t, proc int) int {
	m := p.idlest(t, proc)
	p.busy[m]++
	return m
}

// idlest is the member of the process that may have the task and has least to do.
func (p *planner) idlest(t, proc int) int {
	best := none
	for _, m := range p.classes[p.class[t]].members {
		if p.proc[m] == proc && (best == none || p.busy[m] < p.busy[best]) {
			best = m
		}
	}
	return best
}
