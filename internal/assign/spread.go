package assign

import "slices"

// cost is what a plan is judged by, the first difference deciding. It adds up like a number, so a plan of least cost is a flow of least cost.
type cost struct {
	load  int64 // unevenness of the bins
	share int64 // unevenness of the groups of bins
	row   int64 // unevenness of the bins within each row
	place int64 // what is wrong with where the items are: sums of the constants below
	lag   int64 // how far behind they are there
}

// Three counts in one number; a million of one is less than one of the next.
const (
	turned int64 = 1       // runs on another member than before
	moved        = 1 << 20 // runs on another process than before
	cold         = 1 << 40 // has to restore before it can run
)

func (c cost) plus(d cost) cost {
	return cost{c.load + d.load, c.share + d.share, c.row + d.row, c.place + d.place, c.lag + d.lag}
}

func (c cost) minus(d cost) cost {
	return cost{c.load - d.load, c.share - d.share, c.row - d.row, c.place - d.place, c.lag - d.lag}
}

func (c cost) less(d cost) bool {
	switch {
	case c.load != d.load:
		return c.load < d.load
	case c.share != d.share:
		return c.share < d.share
	case c.row != d.row:
		return c.row < d.row
	case c.place != d.place:
		return c.place < d.place
	}
	return c.lag < d.lag
}

// unevenness is the price of the k-th item (from 1) in something of a weight: it rises with every item, half as fast where the weight is twice, so that the
// cheapest way to add items is in proportion to weight (Webster's method).
func unevenness(k int, weight int64) int64 {
	const unit = 1 << 16
	return unit * (2*int64(k) - 1) / (2 * weight)
}

// class is a set of items that fit the same bins and are counted in the same row.
type class struct {
	row  int
	bins []int
}

// item is one thing to put into a bin of its class: at a cost of its own into the bins in prefs, at the cost other into the rest.
type item struct {
	class int
	other cost
	prefs []pref // cheaper than other
}

type pref struct {
	bin  int
	cost cost
}

func (it *item) costIn(bin int) cost {
	for _, p := range it.prefs {
		if p.bin == bin {
			return p.cost
		}
	}
	return it.other
}

// spread puts each item into a bin of its class at the least total cost, and returns the bin of each. groups has the group of each bin, numbered from 0.
//
// It is a minimum-cost flow by successive shortest paths. Items flow into cells (a row and a bin), cells into bins, bins into groups, groups into the sink; arcs but
// the first cost more with each unit. An item is inserted along the cheapest path, on which it may push another item of its cell elsewhere, or one of another row out
// of its bin, and so on. Inserting so keeps the flow cheapest for the items inserted so far. Pushing an item out has a negative price; heights (potentials) make up for it, so
// that Dijkstra's search holds, and ends as soon as it reaches the sink.
//
// Items that have no preference among bins are led through a node per class, so that arcs grow with items + bins, not with their product.
func spread(groups []int, rows int, classes []class, items []item) []int {
	s := newSpreader(groups, rows, classes, items)
	for i := range items {
		s.insert(i)
	}
	return s.bin
}

type spreader struct {
	groups  []int   // of each bin
	members [][]int // bins of each group
	classes []class
	items   []item

	bin   []int   // of each item; none before its insertion
	cell  [][]int // items of a row in a bin, at row*bins+bin
	load  []int   // items of a bin
	share []int   // items of a group

	// Nodes are the sink, then groups, bins, cells and classes. H: the cost of an arc plus the height at its start is never less than the height at its end.
	firstBin, firstCell, firstClass int
	height                          []cost

	// One search.
	number int
	seen   []int // the last search that reached the node
	dist   []cost
	from   []step
	open   frontier
	closed []int
}

// step is how a node was reached: from another node, by an item that leaves it (or none).
type step struct{ node, item int }

const (
	none       = -1
	source     = -2 // the node where a path begins
	sink       = 0
	firstGroup = 1
)

func newSpreader(groups []int, rows int, classes []class, items []item) *spreader {
	s := &spreader{groups: groups, classes: classes, items: items, bin: slices.Repeat([]int{none}, len(items))}
	for bin, g := range groups {
		for len(s.members) <= g {
			s.members = append(s.members, nil)
		}
		s.members[g] = append(s.members[g], bin)
	}
	s.cell, s.load, s.share = make([][]int, rows*len(groups)), make([]int, len(groups)), make([]int, len(s.members))
	s.firstBin = firstGroup + len(s.members)
	s.firstCell = s.firstBin + len(groups)
	s.firstClass = s.firstCell + len(s.cell)
	nodes := s.firstClass + len(classes)
	s.height, s.dist, s.from, s.seen = make([]cost, nodes), make([]cost, nodes), make([]step, nodes), make([]int, nodes)
	return s
}

func (s *spreader) insert(i int) {
	s.number++
	s.open, s.closed = s.open[:0], s.closed[:0]
	s.leave(i, source, cost{})
	for n := s.nearest(); n != sink; n = s.nearest() {
		s.closed = append(s.closed, n)
		s.expand(n)
	}
	s.raise()
	s.apply()
}

func (s *spreader) nearest() int {
	for len(s.open) > 0 {
		if at := s.open.pop(); at.dist == s.dist[at.node] {
			return at.node
		}
	}
	panic("assign: an item that fits no bin")
}

// raise restores H for the arcs that the path turns round.
func (s *spreader) raise() {
	for _, n := range s.closed {
		s.height[n] = s.height[n].plus(s.dist[n]).minus(s.dist[sink])
	}
}

func (s *spreader) expand(n int) {
	d := s.dist[n].plus(s.height[n])
	switch {
	case n < s.firstBin:
		s.fromGroup(n, d)
	case n < s.firstCell:
		s.fromBin(n, d)
	case n < s.firstClass:
		s.fromCell(n, d)
	default:
		s.fromClass(n, d)
	}
}

// leave reaches every place an item may go to from node n.
func (s *spreader) leave(i, n int, d cost) {
	it := &s.items[i]
	for _, p := range it.prefs {
		s.reach(s.cellOf(it.class, p.bin), step{n, i}, d.plus(p.cost))
	}
	s.reach(s.firstClass+it.class, step{n, i}, d.plus(it.other))
}

func (s *spreader) cellOf(class, bin int) int {
	return s.firstCell + s.classes[class].row*len(s.groups) + bin
}

func (s *spreader) fromClass(n int, d cost) {
	class := n - s.firstClass
	for _, bin := range s.classes[class].bins {
		s.reach(s.cellOf(class, bin), step{n, none}, d)
	}
}

// fromCell: something came into the cell; it counts in the bin, or another item leaves.
func (s *spreader) fromCell(n int, d cost) {
	cell := n - s.firstCell
	bin := cell % len(s.groups)
	s.reach(s.firstBin+bin, step{n, none}, d.plus(s.rowPrice(cell, 1)))
	for _, j := range s.cell[cell] {
		s.leave(j, n, d.minus(s.items[j].costIn(bin)))
	}
}

// fromBin: something came into the bin; it counts in the group, or an item of any row leaves.
func (s *spreader) fromBin(n int, d cost) {
	bin := n - s.firstBin
	s.reach(firstGroup+s.groups[bin], step{n, none}, d.plus(s.loadPrice(bin, 1)))
	for cell := bin; cell < len(s.cell); cell += len(s.groups) {
		if len(s.cell[cell]) > 0 {
			s.reach(s.firstCell+cell, step{n, none}, d.minus(s.rowPrice(cell, 0)))
		}
	}
}

// fromGroup: something came into the group; it stays, or an item of any bin leaves.
func (s *spreader) fromGroup(n int, d cost) {
	g := n - firstGroup
	s.reach(sink, step{n, none}, d.plus(s.sharePrice(g, 1)))
	for _, bin := range s.members[g] {
		if s.load[bin] > 0 {
			s.reach(s.firstBin+bin, step{n, none}, d.minus(s.loadPrice(bin, 0)))
		}
	}
}

// The price of the last item there, or with more = 1 of the next.

func (s *spreader) rowPrice(cell, more int) cost {
	return cost{row: unevenness(len(s.cell[cell])+more, 1)}
}

func (s *spreader) loadPrice(bin, more int) cost {
	return cost{load: unevenness(s.load[bin]+more, 1)}
}

func (s *spreader) sharePrice(g, more int) cost {
	return cost{share: unevenness(s.share[g]+more, int64(len(s.members[g])))}
}

// reach notes a nearer way to node n; d is what the way costs, plus the height at its start. Nodes that are no nearer than the sink is so far cannot be on the path.
func (s *spreader) reach(n int, by step, d cost) {
	d = d.minus(s.height[n])
	if s.knows(n, d) || s.knows(sink, d) {
		return
	}
	s.seen[n], s.dist[n], s.from[n] = s.number, d, by
	s.open.push(spot{d, n})
}

// knows reports whether a way to node n is known that is no longer than d.
func (s *spreader) knows(n int, d cost) bool { return s.seen[n] == s.number && !d.less(s.dist[n]) }

// apply moves the items on the path, last one first.
func (s *spreader) apply() {
	for n := sink; n != source; {
		by := s.from[n]
		if by.node >= s.firstClass {
			by = s.from[by.node]
		}
		if by.item != none {
			s.move(by.item, n-s.firstCell)
		}
		n = by.node
	}
}

func (s *spreader) move(i, cell int) {
	bin := cell % len(s.groups)
	if old := s.bin[i]; old != none {
		at := &s.cell[cell-bin+old]
		k := slices.Index(*at, i)
		*at = slices.Delete(*at, k, k+1)
		s.load[old]--
		s.share[s.groups[old]]--
	}
	s.bin[i] = bin
	s.cell[cell] = append(s.cell[cell], i)
	s.load[bin]++
	s.share[s.groups[bin]]++
}

// frontier is a heap of nodes to expand, the nearest first; of equals the first kind, so that the sink comes as early as it can.
type frontier []spot

type spot struct {
	dist cost
	node int
}

func (a spot) before(b spot) bool {
	return a.dist.less(b.dist) || a.dist == b.dist && a.node < b.node
}

func (f *frontier) push(s spot) {
	h := append(*f, s)
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if !h[i].before(h[up]) {
			break
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
	*f = h
}

func (f *frontier) pop() spot {
	h := *f
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down+1 < last && h[down+1].before(h[down]) {
			down++
		}
		if down >= last || !h[down].before(h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	*f = h
	return top
}
