package assign

// cost is what a plan is judged by, the first difference deciding. It adds up like a number, so a plan of least cost is a flow of least cost.
type cost struct {
	load int64 // unevenness of the bins
	row  int64 // unevenness of the bins within each row
	move int64 // items taken from their owner
	lag  int64 // how far behind the items' new places are
}

func (c cost) plus(d cost) cost {
	return cost{c.load + d.load, c.row + d.row, c.move + d.move, c.lag + d.lag}
}

func (c cost) minus(d cost) cost {
	return cost{c.load - d.load, c.row - d.row, c.move - d.move, c.lag - d.lag}
}

func (c cost) less(d cost) bool {
	switch {
	case c.load != d.load:
		return c.load < d.load
	case c.row != d.row:
		return c.row < d.row
	case c.move != d.move:
		return c.move < d.move
	}
	return c.lag < d.lag
}

// unevenness is the price of the k-th item (from 1) in a bin of a weight: it rises with every item, half as fast in a bin of twice the weight, so that the
// cheapest way to add items is in proportion to weight (Webster's method), and no bin starts its n+1st item per weight before all have their n-th.
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

// spread puts each item into a bin of its class at the least total cost, and returns the bin of each.
//
// It is a minimum-cost flow by successive shortest paths. Items flow into cells (a row and a bin), cells into bins, bins into the sink; the last two arcs cost more
// with each unit. An item is inserted along the cheapest path, on which it may push another item of its cell elsewhere, or one of another row out of its bin, and
// so on. Inserting so keeps the flow cheapest for the items inserted so far.
//
// Items that have no preference among bins are led through a node per class, so that arcs grow with items + bins, not with their product.
func spread(weights []int64, rows int, classes []class, items []item) []int {
	s := newSpreader(weights, rows, classes, items)
	for i := range items {
		s.insert(i)
	}
	return s.bin
}

type spreader struct {
	weights []int64
	classes []class
	items   []item

	bin  []int   // of each item; none before its insertion
	cell [][]int // items of a row in a bin, at row*bins+bin
	load []int   // items of a bin

	// One search. Nodes are cells, then bins, then classes.
	bins, classes0 int // the first node of the two latter
	dist           []cost
	from           []step
	queued         []bool
	queue          []int
}

// step is how a node was reached: from another node, by an item that leaves it (or none).
type step struct{ node, item int }

const (
	none      = -1
	source    = -2 // the step's node where a path begins
	unreached = -3
)

func newSpreader(weights []int64, rows int, classes []class, items []item) *spreader {
	cells := rows * len(weights)
	nodes := cells + len(weights) + len(classes)
	s := &spreader{
		weights: weights, classes: classes, items: items,
		bin: make([]int, len(items)), cell: make([][]int, cells), load: make([]int, len(weights)),
		bins: cells, classes0: cells + len(weights),
		dist: make([]cost, nodes), from: make([]step, nodes), queued: make([]bool, nodes),
	}
	for i := range s.bin {
		s.bin[i] = none
	}
	return s
}

func (s *spreader) insert(i int) {
	for n := range s.from {
		s.from[n].node = unreached
	}
	s.queue = s.queue[:0]
	s.leave(i, source, cost{})
	for head := 0; head < len(s.queue); head++ {
		n := s.queue[head]
		s.queued[n] = false
		s.expand(n)
	}
	s.apply(s.cheapestBin())
}

func (s *spreader) expand(n int) {
	switch {
	case n < s.bins:
		s.fromCell(n)
	case n < s.classes0:
		s.fromBin(n)
	default:
		s.fromClass(n)
	}
}

// leave reaches every place an item may go to from node n.
func (s *spreader) leave(i, n int, d cost) {
	it := &s.items[i]
	row := s.classes[it.class].row * len(s.weights)
	for _, p := range it.prefs {
		s.reach(row+p.bin, step{n, i}, d.plus(p.cost))
	}
	s.reach(s.classes0+it.class, step{n, i}, d.plus(it.other))
}

// fromCell: something came into the cell; it counts in the bin, or another item leaves.
func (s *spreader) fromCell(n int) {
	d, bin := s.dist[n], n%len(s.weights)
	s.reach(s.bins+bin, step{n, none}, d.plus(cost{row: unevenness(len(s.cell[n])+1, s.weights[bin])}))
	for _, j := range s.cell[n] {
		s.leave(j, n, d.minus(s.items[j].costIn(bin)))
	}
}

// fromBin: something came into the bin; an item of any row may leave it.
func (s *spreader) fromBin(n int) {
	bin := n - s.bins
	for cell := bin; cell < s.bins; cell += len(s.weights) {
		if k := len(s.cell[cell]); k > 0 {
			s.reach(cell, step{n, none}, s.dist[n].minus(cost{row: unevenness(k, s.weights[bin])}))
		}
	}
}

func (s *spreader) fromClass(n int) {
	c := s.classes[n-s.classes0]
	for _, bin := range c.bins {
		s.reach(c.row*len(s.weights)+bin, step{n, none}, s.dist[n])
	}
}

// reach notes a cheaper way to node n. Only strictly cheaper ones count, so that steps never form a cycle.
func (s *spreader) reach(n int, by step, d cost) {
	if s.from[n].node != unreached && !d.less(s.dist[n]) {
		return
	}
	s.dist[n], s.from[n] = d, by
	if !s.queued[n] {
		s.queued[n] = true
		s.queue = append(s.queue, n)
	}
}

func (s *spreader) cheapestBin() int {
	best, least := none, cost{}
	for bin, w := range s.weights {
		n := s.bins + bin
		if s.from[n].node == unreached {
			continue
		}
		if d := s.dist[n].plus(cost{load: unevenness(s.load[bin]+1, w)}); best == none || d.less(least) {
			best, least = n, d
		}
	}
	if best == none {
		panic("assign: an item that fits no bin")
	}
	return best
}

// apply moves the items on the path to node n, last one first.
func (s *spreader) apply(n int) {
	for n != source {
		by := s.from[n]
		if n < s.bins && by.node >= s.classes0 {
			by = s.from[by.node]
		}
		if n < s.bins && by.item != none {
			s.move(by.item, n)
		}
		n = by.node
	}
}

func (s *spreader) move(i, cell int) {
	bin := cell % len(s.weights)
	if old := s.bin[i]; old != none {
		s.remove(i, cell-bin+old)
		s.load[old]--
	}
	s.bin[i] = bin
	s.cell[cell] = append(s.cell[cell], i)
	s.load[bin]++
}

func (s *spreader) remove(i, cell int) {
	items := s.cell[cell]
	for k, j := range items {
		if j == i {
			s.cell[cell] = append(items[:k], items[k+1:]...)
			return
		}
	}
	panic("assign: an item is not in its cell")
}
