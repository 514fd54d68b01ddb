package assign

import (
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

func drawProblem(t *rapid.T) (weights []int64, rows int, classes []class, items []item) {
	weights = rapid.SliceOfN(rapid.Int64Range(1, 3), 1, 4).Draw(t, "weights")
	rows = rapid.IntRange(1, 3).Draw(t, "rows")
	bins := rapid.SliceOfNDistinct(rapid.IntRange(0, len(weights)-1), 1, len(weights), rapid.ID)
	for range rapid.IntRange(1, 4).Draw(t, "classes") {
		classes = append(classes, class{rapid.IntRange(0, rows-1).Draw(t, "row"), bins.Draw(t, "bins")})
	}
	for range rapid.IntRange(0, 6).Draw(t, "items") {
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
		weights, rows, classes, items := drawProblem(t)
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
