package assign

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// price is what spread minimises, written down without a flow.
func price(groups []int, classes []class, items []item, bins []int) cost {
	var total cost
	load, share, row := map[int]int{}, map[int]int{}, map[[2]int]int{}
	weight := map[int]int64{}
	for _, g := range groups {
		weight[g]++
	}
	for i, bin := range bins {
		g, cell := groups[bin], [2]int{classes[items[i].class].row, bin}
		load[bin]++
		share[g]++
		row[cell]++
		total = total.plus(items[i].costIn(bin))
		total = total.plus(cost{load: unevenness(load[bin], 1), share: unevenness(share[g], weight[g]), row: unevenness(row[cell], 1)})
	}
	return total
}

// cheapest tries every placement.
func cheapest(groups []int, classes []class, items []item) cost {
	bins := make([]int, len(items))
	best, found := cost{}, false
	var try func(i int)
	try = func(i int) {
		if i == len(items) {
			if c := price(groups, classes, items, bins); !found || c.less(best) {
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

func drawProblem(t *rapid.T, most int) (groups []int, rows int, classes []class, items []item) {
	for g := range rapid.IntRange(1, 3).Draw(t, "groups") {
		groups = append(groups, slices.Repeat([]int{g}, rapid.IntRange(1, 2).Draw(t, "weight"))...)
	}
	groups = rapid.Permutation(groups).Draw(t, "bins")
	rows = rapid.IntRange(1, 3).Draw(t, "rows")
	bins := rapid.SliceOfNDistinct(rapid.IntRange(0, len(groups)-1), 1, len(groups), rapid.ID)
	for range rapid.IntRange(1, 4).Draw(t, "classes") {
		classes = append(classes, class{rapid.IntRange(0, rows-1).Draw(t, "row"), bins.Draw(t, "bins")})
	}
	for range rapid.IntRange(0, most).Draw(t, "items") {
		it := item{class: rapid.IntRange(0, len(classes)-1).Draw(t, "class"), other: cost{place: moved, lag: 9}}
		for _, bin := range classes[it.class].bins {
			if rapid.Bool().Draw(t, "preferred") {
				it.prefs = append(it.prefs, pref{bin, cost{place: moved * rapid.Int64Range(0, 1).Draw(t, "move"), lag: rapid.Int64Range(0, 8).Draw(t, "lag")}})
			}
		}
		items = append(items, it)
	}
	return groups, rows, classes, items
}

func TestSpreadIsCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups, rows, classes, items := drawProblem(t, 5)
		got := price(groups, classes, items, spread(groups, rows, classes, items))
		if want := cheapest(groups, classes, items); got != want {
			t.Fatalf("spread pays %+v, the cheapest is %+v", got, want)
		}
	})
}

// The comparison with cheapest must notice a placement that is worse in any one respect.
func TestPriceTellsPlacementsApart(t *testing.T) {
	classes := []class{{0, []int{0, 1}}, {1, []int{0, 1}}}
	items := []item{{class: 0}, {class: 0}, {class: 1}, {class: 1, other: cost{lag: 1}, prefs: []pref{{1, cost{}}}}}
	best := cheapest([]int{0, 1}, classes, items)
	for _, bins := range [][]int{{0, 0, 0, 1}, {0, 0, 1, 1}, {0, 1, 1, 0}} {
		if c := price([]int{0, 1}, classes, items, bins); !best.less(c) {
			t.Errorf("%v costs %+v, which is not worse than %+v", bins, c, best)
		}
	}
}

// Ten items on two groups of two bins: two bins have three items, and not of one group, whatever the items would rather.
func TestSpreadIsProportionalToGroups(t *testing.T) {
	items := slices.Repeat([]item{{other: cost{place: moved}, prefs: []pref{{0, cost{}}, {1, cost{}}}}}, 10)
	groups := []int{0, 0, 1, 1}
	share := map[int]int{}
	for _, bin := range spread(groups, 1, []class{{0, []int{0, 1, 2, 3}}}, items) {
		share[groups[bin]]++
	}
	if got, want := fmt.Sprint(share), "map[0:5 1:5]"; got != want {
		t.Fatalf("groups have %s, want %s", got, want)
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
	for g, bins := range s.members {
		k, w := s.share[g], int64(len(bins))
		both(firstGroup+g, sink, k, cost{share: unevenness(k+1, w)}, cost{share: unevenness(k, w)})
	}
	for bin, k := range s.load {
		both(s.firstBin+bin, firstGroup+s.groups[bin], k, cost{load: unevenness(k+1, 1)}, cost{load: unevenness(k, 1)})
	}
	for cell, items := range s.cell {
		bin, k := cell%len(s.groups), len(items)
		both(s.firstCell+cell, s.firstBin+bin, k, cost{row: unevenness(k+1, 1)}, cost{row: unevenness(k, 1)})
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
	s := newSpreader([]int{0, 1}, 1, []class{{0, []int{0, 1}}}, items)
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
