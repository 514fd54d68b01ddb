package assign

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// price is what spread minimises, written down without a flow.
func price(weights []int64, rows int, classes []class, items []item, bins []int) cost {
	var total cost
	load := make([]int, len(weights))
	row := make([]int, rows*len(weights))
	for i, bin := range bins {
		cell := classes[items[i].class].row*len(weights) + bin
		load[bin]++
		row[cell]++
		total = total.plus(items[i].costIn(bin))
		total = total.plus(cost{load: unevenness(load[bin], weights[bin]), row: unevenness(row[cell], weights[bin])})
	}
	return total
}

// cheapest tries every placement.
func cheapest(weights []int64, rows int, classes []class, items []item) cost {
	bins := make([]int, len(items))
	best, found := cost{}, false
	var try func(i int)
	try = func(i int) {
		if i == len(items) {
			if c := price(weights, rows, classes, items, bins); !found || c.less(best) {
				best, found = c, true
			}
			return
		}
		for _, bin := range classes[items[i].class].bins {
			bins[i] = bin
			try(i + 1)
		}
	}
	try(0)
	return best
}

func drawProblem(t *rapid.T, most int) (weights []int64, rows int, classes []class, items []item) {
	weights = rapid.SliceOfN(rapid.Int64Range(1, 3), 1, 4).Draw(t, "weights")
	rows = rapid.IntRange(1, 3).Draw(t, "rows")
	bins := rapid.SliceOfNDistinct(rapid.IntRange(0, len(weights)-1), 1, len(weights), rapid.ID)
	for range rapid.IntRange(1, 4).Draw(t, "classes") {
		classes = append(classes, class{rapid.IntRange(0, rows-1).Draw(t, "row"), bins.Draw(t, "bins")})
	}
	for range rapid.IntRange(0, most).Draw(t, "items") {
		it := item{class: rapid.IntRange(0, len(classes)-1).Draw(t, "class"), other: cost{move: 1, lag: 9}}
		for _, bin := range classes[it.class].bins {
			if rapid.Bool().Draw(t, "preferred") {
				it.prefs = append(it.prefs, pref{bin, cost{move: rapid.Int64Range(0, 1).Draw(t, "move"), lag: rapid.Int64Range(0, 8).Draw(t, "lag")}})
			}
		}
		items = append(items, it)
	}
	return weights, rows, classes, items
}

func TestSpreadIsCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights, rows, classes, items := drawProblem(t, 6)
		got := price(weights, rows, classes, items, spread(weights, rows, classes, items))
		if want := cheapest(weights, rows, classes, items); got != want {
			t.Fatalf("spread pays %+v, the cheapest is %+v", got, want)
		}
	})
}

// The comparison with cheapest must notice a placement that is worse in any one respect.
func TestPriceTellsPlacementsApart(t *testing.T) {
	classes := []class{{0, []int{0, 1}}, {1, []int{0, 1}}}
	items := []item{{class: 0}, {class: 0}, {class: 1}, {class: 1, other: cost{lag: 1}, prefs: []pref{{1, cost{}}}}}
	best := cheapest([]int64{1, 1}, 2, classes, items)
	for _, bins := range [][]int{{0, 0, 0, 1}, {0, 0, 1, 1}, {0, 1, 1, 0}} {
		if c := price([]int64{1, 1}, 2, classes, items, bins); !best.less(c) {
			t.Errorf("%v costs %+v, which is not worse than %+v", bins, c, best)
		}
	}
}

// Weights: a process of three members carries three times as much.
func TestSpreadFollowsWeights(t *testing.T) {
	items := make([]item, 12)
	load := map[int]int{}
	for _, bin := range spread([]int64{3, 1, 2}, 1, []class{{0, []int{0, 1, 2}}}, items) {
		load[bin]++
	}
	if got, want := fmt.Sprint(load), "map[0:6 1:2 2:4]"; got != want {
		t.Fatalf("loads %s, want %s", got, want)
	}
}

// certify checks that heights fit every arc by which a unit may still flow, forwards or back. A flow for which there are such heights is a cheapest one.
func (s *spreader) certify() error {
	var faults []error
	arc := func(from, to int, c cost) {
		if d := c.plus(s.height[from]).minus(s.height[to]); d.less(cost{}) {
			faults = append(faults, fmt.Errorf("from node %d to %d: %+v", from, to, d))
		}
	}
	both := func(from, to, units int, forwards, back cost) {
		arc(from, to, forwards)
		if units > 0 {
			arc(to, from, cost{}.minus(back))
		}
	}
	for bin, w := range s.weights {
		k := s.load[bin]
		both(firstBin+bin, sink, k, cost{load: unevenness(k+1, w)}, cost{load: unevenness(k, w)})
	}
	for cell, items := range s.cell {
		bin, k := cell%len(s.weights), len(items)
		w := s.weights[bin]
		both(s.firstCell+cell, firstBin+bin, k, cost{row: unevenness(k+1, w)}, cost{row: unevenness(k, w)})
		for _, i := range items {
			for _, other := range s.classes[s.items[i].class].bins {
				arc(s.firstCell+cell, s.cellOf(s.items[i].class, other), s.items[i].costIn(other).minus(s.items[i].costIn(bin)))
			}
		}
	}
	return errors.Join(faults...)
}

func TestSpreadIsCertified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSpreader(drawProblem(t, 40))
		for i := range s.items {
			s.insert(i)
			if err := s.certify(); err != nil {
				t.Fatalf("after item %d: %v", i, err)
			}
		}
	})
}

func TestCertifyComplains(t *testing.T) {
	items := []item{{prefs: []pref{{1, cost{lag: -1}}}}, {}}
	s := newSpreader([]int64{1, 1}, 1, []class{{0, []int{0, 1}}}, items)
	s.insert(0)
	s.insert(1)
	if err := s.certify(); err != nil {
		t.Fatal(err)
	}
	s.move(0, 0)
	if s.certify() == nil {
		t.Error("two items in one bin, none in the other: no complaint")
	}
	s.move(1, 1)
	if s.certify() == nil {
		t.Error("each item where the other belongs: no complaint")
	}
}
