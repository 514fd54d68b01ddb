package parity

import (
	"fmt"
	"slices"
	"strings"
)

// situation is what is special about an input.
type situation int

const (
	nullKeys situation = iota
	nullValues
	outOfOrder
	late
	equalTimes
	situations
)

var headings = [situations]string{"null key", "null value", "out of order", "late", "equal times"}

// shows is what a step does in a situation.
type shows struct{ values, tombstones, dropped bool }

func (s shows) String() string {
	var parts []string
	for _, p := range []struct {
		is   bool
		name string
	}{{s.values, "value"}, {s.tombstones, "tombstone"}, {s.dropped, "dropped"}} {
		if p.is {
			parts = append(parts, p.name)
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " + ")
}

// matrixRow is an operator in the table, and the recorded case that shows it.
type matrixRow struct{ operator, name string }

// matrixRows are the operators of the table. A case has the operator alone, as far as that can be.
var matrixRows = []matrixRow{
	{"Filter", "stateless/filter"}, {"Map", "stateless/map"}, {"MapValues", "stateless/map-values"}, {"FlatMap", "stateless/flat-map"}, {"KeyBy", "stateless/key-by"},
	{"Merge", "stateless/merge"}, {"Repartition", "stateless/repartition"}, {"TableFrom, ToStream", "tables/table"}, {"ToTable", "tables/to-table"},
	{"Table.Filter", "tables/filter"}, {"MapTable", "tables/map-values"}, {"TransformTable", "tables/transform-values"},
	{"GroupTableBy, Count", "tables/group-count"}, {"GroupTableBy, ReduceTable", "tables/group-reduce"}, {"GroupTableBy, Aggregate", "tables/group-aggregate"},
	{"Count", "aggregates/count"}, {"Reduce", "aggregates/reduce"}, {"Aggregate", "aggregates/aggregate"},
	{"Count, tumbling", "windows/tumbling-count"}, {"Count, hopping", "windows/hopping-count"}, {"Count, sliding", "sliding/count"}, {"Count, session", "sessions/count"},
	{"Count, unlimited", "windows/unlimited-start-on"}, {"Count, tumbling, EmitOnClose", "windows/tumbling-close"},
	{"AggregateCogroup", "cogroup/three"}, {"AggregateCogroup, tumbling", "cogroup/tumbling"},
	{"Suppress, UntilWindowCloses", "suppress/tumbling"}, {"Suppress, UntilTimeLimit", "suppress/limit-table"},
	{"JoinTable", "stream-table/inner"}, {"LeftJoinTable", "stream-table/left"}, {"JoinTable, Grace", "stream-table/grace-inner"},
	{"JoinGlobal", "global/inner"}, {"LeftJoinGlobal", "global/left"},
	{"Join", "stream-stream/inner"}, {"LeftJoin", "stream-stream/left"}, {"OuterJoin", "stream-stream/outer"},
	{"JoinTables", "table-table/inner"}, {"LeftJoinTables", "table-table/left"}, {"OuterJoinTables", "table-table/outer"},
	{"JoinForeign", "foreign-key/inner"}, {"LeftJoinForeign", "foreign-key/left"}, {"TableFrom, Versioned", "versioned/table"},
}

// Matrix is the table of what operators forward in special situations, in Markdown, as it was recorded: what most inputs of a kind led to, and what others did.
func (r *Recorded) Matrix() (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "| operator | %s |\n|---%s|\n", strings.Join(headings[:], " | "), strings.Repeat("|---", int(situations)))
	for _, row := range matrixRows {
		c, err := r.Expected(row.name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.operator, strings.Join(c.cells(), " | "))
	}
	return b.String(), nil
}

// cells are what a case does in each situation.
func (c *Case) cells() (all []string) {
	var seen [situations]map[shows]int
	for i := range seen {
		seen[i] = map[shows]int{}
	}
	for _, run := range c.Runs {
		run.situations(func(at situation, s Step) { seen[at][shownBy(s)]++ })
	}
	for _, counts := range seen {
		all = append(all, cell(counts))
	}
	return all
}

// situations walks the inputs that are special in one way alone.
func (r Run) situations(f func(situation, Step)) {
	greatest := map[string]int64{}
	for _, s := range r.Steps {
		if s.In == nil || s.Error != "" {
			continue
		}
		before, had := greatest[s.In.Topic]
		switch {
		case s.In.Key == nil:
			f(nullKeys, s)
		case s.In.Value == nil:
			f(nullValues, s)
		case had && s.In.Time == before:
			f(equalTimes, s)
		case had && s.In.Time < before && s.Dropped > 0:
			f(late, s)
		case had && s.In.Time < before:
			f(outOfOrder, s)
		}
		greatest[s.In.Topic] = max(before, s.In.Time)
	}
}

// shownBy is what came out of a step, internal topics left out.
func shownBy(s Step) (what shows) {
	what.dropped = s.Dropped > 0
	for _, r := range s.Out {
		if strings.HasPrefix(r.Topic, "app-") {
			continue
		}
		if r.Value == nil {
			what.tombstones = true
		} else {
			what.values = true
		}
	}
	return what
}

// cell says what happened, the most frequent first; a dash where the situation does not occur.
func cell(counts map[shows]int) string {
	type outcome struct {
		name string
		n    int
	}
	var all []outcome
	for what, n := range counts {
		all = append(all, outcome{what.String(), n})
	}
	slices.SortFunc(all, func(a, b outcome) int {
		if a.n != b.n {
			return b.n - a.n
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, o := range all {
		names = append(names, o.name)
	}
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, ", ")
}
