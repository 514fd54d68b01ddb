package soak

import (
	"strings"
	"testing"
)

// wants fails unless err says so; an empty text wants no error.
func wants(t *testing.T, what string, err error, text string) {
	t.Helper()
	switch {
	case text == "" && err != nil:
		t.Errorf("%s: %v, want no complaint", what, err)
	case text != "" && (err == nil || !strings.Contains(err.Error(), text)):
		t.Errorf("%s: %v, want a complaint that says %q", what, err, text)
	}
}

func TestSumsAreJudged(t *testing.T) {
	a, b := slot{"ann", 0}, slot{"bob", 60_000}
	model := map[slot]int64{a: 10, b: 7}
	for name, c := range map[string]struct {
		got              sums
		exactly, atLeast string
	}{
		"right":   {sums{a: {10}, b: {7}}, "", ""},
		"twice":   {sums{a: {10, 10}, b: {7}}, "want 10 once", ""},
		"missing": {sums{a: {10}}, "want 7 once", "is missing"},
		"short":   {sums{a: {10}, b: {6}}, "want 7 once", "want 7 or more"},
		"early":   {sums{a: {9, 10}, b: {7}}, "want 10 once", "want 10 or more"},
		"long":    {sums{a: {11}, b: {7}}, "want 10 once", ""},
		"foreign": {sums{a: {10}, b: {7}, slot{"eve", 0}: {1}}, "no payment", "no payment"},
		"nothing": {nil, "2 faults", "2 faults"},
	} {
		wants(t, name+", exactly once", judgeExactly(model, c.got), c.exactly)
		wants(t, name+", at least once", judgeAtLeast(model, c.got), c.atLeast)
	}
}

func TestCountsAreJudged(t *testing.T) {
	model := map[string]int64{"k": 3}
	for name, c := range map[string]struct {
		got              []int64
		exactly, atLeast string
	}{
		"right":    {[]int64{1, 2, 3}, "", ""},
		"again":    {[]int64{1, 2, 2, 3}, "want 1 to 3", ""},
		"beyond":   {[]int64{1, 2, 3, 4}, "want 1 to 3", ""},
		"gap":      {[]int64{1, 3}, "want 1 to 3", ""},
		"lost":     {[]int64{1, 2}, "want 1 to 3", "want at least 3"},
		"set back": {[]int64{1, 2, 3, 2}, "want 1 to 3", "want at least 3"},
		"nothing":  {nil, "want 1 to 3", "want at least 3"},
	} {
		got := map[string][]int64{"k": c.got}
		wants(t, name+", exactly once", judgeCounts(model, got, true), c.exactly)
		wants(t, name+", at least once", judgeCounts(model, got, false), c.atLeast)
	}
	wants(t, "a foreign key", judgeCounts(model, map[string][]int64{"k": {1, 2, 3}, "x": {1}}, true), "never written")
}

func TestReplaysAreJudged(t *testing.T) {
	wants(t, "a tenth", judgeReplay(1000, 100), "")
	wants(t, "more", judgeReplay(1000, 101), "at most a tenth")
	wants(t, "all", judgeReplay(1000, 1000), "at most a tenth")
}
