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
	tombstones
	outOfOrder
	late
	equalTimes
	situations
)

var headings = [situations]string{"null key", "null value", "tombstone", "out of order", "late", "equal times"}

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

// matrixRow is a row of the table: operators, by their names and commas, and the recorded case that shows them.
type matrixRow struct {
	operators string
	name      string
	in        string // the one input that it is about, where they differ
	table     bool   // null values delete rows
	closes    int64  // so many s after its time everything that a record could be in has closed; 0: nothing closes
}

// farBehind is from when on a record is called late where nothing closes: as long as the windows of most cases stay open, in s.
const farBehind = 15

// streamRows, tableRows, windowRows and joinRows are the table. A case has its operators alone, as far as that can be.
var streamRows = []matrixRow{
	{operators: "From, Stream.To", name: "stateless/copy"}, {operators: "Stream.ToFunc", name: "topics/route-by-value"},
	{operators: "Stream.Filter", name: "stateless/filter"}, {operators: "Stream.FilterNot", name: "stateless/filter-not"},
	{operators: "Stream.Split", name: "stateless/split"}, {operators: "Stream.Peek, Stream.ForEach", name: "stateless/peek"},
	{operators: "Map", name: "stateless/map"}, {operators: "MapValues", name: "stateless/map-values"}, {operators: "MapValuesWithKey", name: "stateless/map-values-key"},
	{operators: "FlatMap", name: "stateless/flat-map"}, {operators: "FlatMapValues", name: "stateless/flat-map-values"},
	{operators: "FlatMapValuesWithKey", name: "stateless/flat-map-values-key"},
	{operators: "KeyBy", name: "stateless/key-by"}, {operators: "Stream.Merge", name: "stateless/merge"}, {operators: "Stream.Repartition", name: "stateless/repartition"},
	{operators: "Process", name: "processors/twice"}, {operators: "Process, OutputOf", name: "processors/children"}, {operators: "ProcessValues", name: "processors/values"},
	{operators: "Process with GlobalStore", name: "global/store", in: "in"}, {operators: "GlobalStore", name: "global/store", in: "r", table: true},
	{operators: "Process with ReadOnlyStore", name: "global/read-only-store", in: "in"}, {operators: "ReadOnlyStore", name: "global/read-only-store", in: "r", table: true},
}

var tableRows = []matrixRow{
	{operators: "TableFrom, Table.ToStream", name: "tables/table", table: true}, {operators: "TableFrom, Versioned", name: "versioned/table", table: true, closes: 60},
	{operators: "Stream.ToTable", name: "tables/to-table", table: true}, {operators: "Stream.ToTable, Versioned", name: "versioned/to-table", table: true, closes: 60},
	{operators: "Table.Filter", name: "tables/filter", table: true}, {operators: "Table.FilterNot", name: "tables/filter-not", table: true},
	{operators: "MapTable", name: "tables/map-values", table: true}, {operators: "TransformTable", name: "tables/transform-values", table: true},
	{operators: "Table.Suppress, UntilTimeLimit", name: "suppress/limit-table", table: true},
	{operators: "GroupTableBy, Count", name: "tables/group-count", table: true}, {operators: "GroupTableBy, ReduceTable", name: "tables/group-reduce", table: true},
	{operators: "GroupTableBy, Aggregate", name: "tables/group-aggregate", table: true},
	{operators: "JoinTables", name: "table-table/inner", table: true}, {operators: "JoinTables, Versioned", name: "versioned/join", table: true, closes: 60},
	{operators: "LeftJoinTables, left", name: "table-table/left", in: "l", table: true}, {operators: "LeftJoinTables, right", name: "table-table/left", in: "r", table: true},
	{operators: "OuterJoinTables", name: "table-table/outer", table: true},
	{operators: "JoinForeign, left", name: "foreign-key/inner", in: "l", table: true}, {operators: "JoinForeign, right", name: "foreign-key/inner", in: "r", table: true},
	{operators: "LeftJoinForeign, left", name: "foreign-key/left", in: "l", table: true}, {operators: "LeftJoinForeign, right", name: "foreign-key/left", in: "r", table: true},
}

var windowRows = []matrixRow{
	{operators: "Stream.GroupByKey, Count", name: "aggregates/count"}, {operators: "Reduce", name: "aggregates/reduce"}, {operators: "Aggregate", name: "aggregates/aggregate"},
	{operators: "GroupBy, Count", name: "aggregates/count-group-by"}, {operators: "GroupBy, Reduce", name: "aggregates/reduce-group-by"},
	{operators: "Grouped.WindowedBy, Count, tumbling", name: "windows/tumbling-count", closes: 15}, {operators: "Reduce, tumbling", name: "windows/tumbling-reduce", closes: 15},
	{operators: "Aggregate, tumbling", name: "windows/tumbling-aggregate", closes: 15}, {operators: "Count, Unwindow", name: "windows/tumbling-unwindowed", closes: 15},
	{operators: "Count, hopping", name: "windows/hopping-count", closes: 15}, {operators: "Count, sliding", name: "sliding/count", closes: 15},
	{operators: "Count, session", name: "sessions/count", closes: 10}, {operators: "Aggregate, unlimited", name: "windows/unlimited-start-on"},
	{operators: "Count, tumbling, EmitOnClose", name: "windows/tumbling-close", closes: 15}, {operators: "Reduce, hopping, EmitOnClose", name: "windows/hopping-close", closes: 15},
	{operators: "Count, sliding, EmitOnClose", name: "sliding/close", closes: 15}, {operators: "Count, session, EmitOnClose", name: "sessions/close", closes: 10},
	{operators: "Count, tumbling, Table.Suppress, UntilWindowCloses", name: "suppress/tumbling", closes: 15},
	{operators: "Count, session, Table.Suppress, UntilWindowCloses", name: "suppress/sessions", closes: 10},
	{operators: "Cogroup, Adding, AggregateCogroup", name: "cogroup/plain"}, {operators: "Cogrouped.And, AggregateCogroup", name: "cogroup/three"},
	{operators: "Cogrouped.WindowedBy, AggregateCogroup, tumbling", name: "cogroup/tumbling", closes: 15},
	{operators: "AggregateCogroup, hopping", name: "cogroup/hopping", closes: 15}, {operators: "AggregateCogroup, sliding", name: "cogroup/sliding", closes: 15},
	{operators: "Cogrouped.MergeBy, AggregateCogroup, session", name: "cogroup/sessions", closes: 10},
}

var joinRows = []matrixRow{
	{operators: "JoinTable, stream", name: "stream-table/inner", in: "in"}, {operators: "JoinTable, table", name: "stream-table/inner", in: "r", table: true},
	{operators: "LeftJoinTable, stream", name: "stream-table/left-null-keys", in: "in"}, {operators: "LeftJoinTable, table", name: "stream-table/left", in: "r", table: true},
	{operators: "JoinTable, Versioned, stream", name: "stream-table/versioned-inner", in: "in"}, {operators: "LeftJoinTable, Versioned, stream", name: "stream-table/versioned-left", in: "in"},
	{operators: "JoinTable, Grace, stream", name: "stream-table/grace-inner", in: "in", closes: 5},
	{operators: "JoinTable, Grace, table", name: "stream-table/grace-inner", in: "r", table: true, closes: 60},
	{operators: "LeftJoinTable, Grace, stream", name: "stream-table/grace-left", in: "in", closes: 5},
	{operators: "LeftJoinTable, Grace, table", name: "stream-table/grace-left", in: "r", table: true, closes: 60},
	{operators: "JoinGlobal, stream", name: "global/inner", in: "in"}, {operators: "LeftJoinGlobal, stream", name: "global/left", in: "in"},
	{operators: "GlobalFrom, under either", name: "global/inner", in: "r", table: true},
	{operators: "Join", name: "stream-stream/inner", closes: 13},
	{operators: "LeftJoin, left", name: "stream-stream/left-null-keys", in: "in", closes: 13}, {operators: "LeftJoin, right", name: "stream-stream/left-null-keys", in: "in2", closes: 13},
	{operators: "OuterJoin", name: "stream-stream/outer-null-keys", closes: 13},
}

var matrixRows = slices.Concat(streamRows, tableRows, windowRows, joinRows)

// Rows are the rows of the table: the operators of each, by their names and commas.
func Rows() (all []string) {
	for _, row := range matrixRows {
		all = append(all, row.operators)
	}
	return all
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
		if row.in != "" && !slices.Contains(c.Inputs, row.in) {
			return "", fmt.Errorf("parity: %s has no input %s", row.name, row.in)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.operators, strings.Join(row.cells(c), " | "))
	}
	return b.String(), nil
}

// cells are what a case does in each situation.
func (m matrixRow) cells(c *Case) (all []string) {
	var seen [situations]map[shows]int
	for i := range seen {
		seen[i] = map[shows]int{}
	}
	for _, run := range c.Runs {
		m.situations(run, func(at situation, s Step) { seen[at][shownBy(s)]++ })
	}
	for _, counts := range seen {
		all = append(all, cell(counts))
	}
	return all
}

// situations walks the inputs that are special in one way alone. Null keys move no time.
func (m matrixRow) situations(r Run, f func(situation, Step)) {
	greatest := map[string]int64{}
	for _, s := range r.Steps {
		if s.In == nil || s.Error != "" {
			continue
		}
		before, had := greatest[s.In.Topic]
		if at, special := m.situation(s, before, had); special && (m.in == "" || m.in == s.In.Topic) {
			f(at, s)
		}
		if s.In.Key != nil {
			greatest[s.In.Topic] = max(before, s.In.Time)
		}
	}
}

// situation is what is special about a step, by the greatest time that its input had before.
func (m matrixRow) situation(s Step, before int64, had bool) (at situation, special bool) {
	switch {
	case s.In.Key == nil:
		return nullKeys, true
	case s.In.Value == nil && m.table:
		return tombstones, true
	case s.In.Value == nil:
		return nullValues, true
	case !had || s.In.Time > before:
		return 0, false
	case s.In.Time == before:
		return equalTimes, true
	case m.isLate(s, before):
		return late, true
	}
	return outOfOrder, true
}

// isLate is true of what is too far behind, and, where something closes, of what misses some of the windows that it could be in.
func (m matrixRow) isLate(s Step, before int64) bool {
	if m.closes == 0 {
		return s.In.Time < before-farBehind*1000
	}
	return s.In.Time < before-m.closes*1000 || s.Dropped > 0
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
