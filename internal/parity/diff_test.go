package parity_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

// sample is a recorded run with outputs, a changelog, drops, headers and rows.
func sample(t *testing.T) parity.Run {
	t.Helper()
	for _, r := range read(t, "aggregates/count-group-by").Runs {
		if find(r, func(s parity.Step) bool { return len(s.Out) > 2 && hasHeaders(s) }) >= 0 && len(r.Stores["agg"].Rows) > 1 {
			return r
		}
	}
	t.Fatal("no run has all that is to be broken")
	return parity.Run{}
}

func hasHeaders(s parity.Step) bool {
	return slices.ContainsFunc(s.Out, func(r parity.Record) bool { return len(r.Headers) > 0 })
}

func find(r parity.Run, f func(parity.Step) bool) int { return slices.IndexFunc(r.Steps, f) }

// copied shares nothing that a saboteur changes.
func copied(r parity.Run) parity.Run {
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		s.Out = slices.Clone(s.Out)
		for j := range s.Out {
			s.Out[j].Headers = slices.Clone(s.Out[j].Headers)
		}
		r.Steps[i] = s
	}
	stores := map[string]parity.Store{}
	for name, s := range r.Stores {
		s.Rows = slices.Clone(s.Rows)
		stores[name] = s
	}
	r.Stores = stores
	return r
}

// saboteurs each break one thing of a run, at a step with several outputs and headers.
var saboteurs = map[string]func(r *parity.Run, s *parity.Step){
	"a record doubled":   func(_ *parity.Run, s *parity.Step) { s.Out = append(s.Out, s.Out[len(s.Out)-1]) },
	"a record missing":   func(_ *parity.Run, s *parity.Step) { s.Out = s.Out[1:] },
	"another time":       func(_ *parity.Run, s *parity.Step) { s.Out[0].Time++ },
	"another key":        func(_ *parity.Run, s *parity.Step) { s.Out[0].Key = parity.Bytes("other") },
	"another value":      func(_ *parity.Run, s *parity.Step) { s.Out[0].Value = parity.Bytes("other") },
	"null for empty":     func(_ *parity.Run, s *parity.Step) { s.Out[0].Value = nil },
	"another topic":      func(_ *parity.Run, s *parity.Step) { s.Out[0].Topic = "other" },
	"another header":     func(_ *parity.Run, s *parity.Step) { header(s).Value = parity.Bytes("other") },
	"no headers":         func(_ *parity.Run, s *parity.Step) { withHeaders(s).Headers = nil },
	"a drop more":        func(_ *parity.Run, s *parity.Step) { s.Dropped++ },
	"a failure":          func(_ *parity.Run, s *parity.Step) { s.Error = "failed" },
	"a record elsewhere": func(r *parity.Run, s *parity.Step) { r.Steps[0].Out = append(r.Steps[0].Out, s.Out[0]) },
	"a step less":        func(r *parity.Run, _ *parity.Step) { r.Steps = r.Steps[:len(r.Steps)-1] },
	"a row less":         func(r *parity.Run, _ *parity.Step) { edit(r, func(rows []parity.Row) []parity.Row { return rows[1:] }) },
	"a row twice": func(r *parity.Run, _ *parity.Step) {
		edit(r, func(rows []parity.Row) []parity.Row { return append(rows, rows[0]) })
	},
	"a row's value": func(r *parity.Run, _ *parity.Step) {
		row(r, func(row *parity.Row) { row.Value = parity.Bytes("other") })
	},
	"a row's time":     func(r *parity.Run, _ *parity.Step) { row(r, func(row *parity.Row) { row.Time++ }) },
	"a row's window":   func(r *parity.Run, _ *parity.Step) { row(r, func(row *parity.Row) { row.Start = 5 }) },
	"no such store":    func(r *parity.Run, _ *parity.Step) { delete(r.Stores, "agg") },
	"a store too many": func(r *parity.Run, _ *parity.Step) { r.Stores["agg2"] = r.Stores["agg"] },
}

func withHeaders(s *parity.Step) *parity.Record {
	i := slices.IndexFunc(s.Out, func(r parity.Record) bool { return len(r.Headers) > 0 })
	return &s.Out[i]
}

func header(s *parity.Step) *parity.Header { return &withHeaders(s).Headers[0] }

func edit(r *parity.Run, f func([]parity.Row) []parity.Row) {
	s := r.Stores["agg"]
	s.Rows = f(s.Rows)
	r.Stores["agg"] = s
}

func row(r *parity.Run, f func(*parity.Row)) {
	edit(r, func(rows []parity.Row) []parity.Row {
		f(&rows[0])
		return rows
	})
}

func TestEverySabotageIsFound(t *testing.T) {
	want := sample(t)
	if diff := parity.Diff(want, copied(want)); len(diff) > 0 {
		t.Fatalf("a run differs from itself: %s", diff)
	}
	at := find(want, func(s parity.Step) bool { return len(s.Out) > 2 && hasHeaders(s) })
	for what, sabotage := range saboteurs {
		got := copied(want)
		sabotage(&got, &got.Steps[at])
		if len(parity.Diff(want, got)) == 0 {
			t.Errorf("%s was not found", what)
		}
	}
}

func record(topic, key, value string) parity.Record {
	return parity.Record{Topic: topic, Key: parity.Bytes(key), Value: parity.Bytes(value), Time: 1}
}

func runOf(out ...parity.Record) parity.Run {
	return parity.Run{Steps: []parity.Step{{Advance: 1, Out: out}}}
}

// TestOrder: records of a topic have an order; those of a changelog have it key by key, those of several partitions partition by partition.
func TestOrder(t *testing.T) {
	in := func(partition int, r parity.Record) parity.Record {
		r.Partition = &partition
		return r
	}
	for _, c := range []struct {
		name   string
		first  parity.Record
		second parity.Record
		free   bool
	}{
		{"one topic", record("out", "a", "1"), record("out", "b", "2"), false},
		{"two topics", record("out", "a", "1"), record("out-2", "b", "2"), true},
		{"a changelog's key", record("app-s-changelog", "a", "1"), record("app-s-changelog", "a", "2"), false},
		{"a changelog's keys", record("app-s-changelog", "a", "1"), record("app-s-changelog", "b", "2"), true},
		{"one partition", in(1, record("out", "a", "1")), in(1, record("out", "b", "2")), false},
		{"two partitions", in(0, record("out", "a", "1")), in(1, record("out", "b", "2")), true},
	} {
		if free := len(parity.Diff(runOf(c.first, c.second), runOf(c.second, c.first))) == 0; free != c.free {
			t.Errorf("%s: an order that is free: %t, want %t", c.name, free, c.free)
		}
	}
	if len(parity.Diff(runOf(in(0, record("out", "a", "1"))), runOf(in(1, record("out", "a", "1"))))) == 0 {
		t.Error("another partition was not found")
	}
}

func TestBuffersAreCompared(t *testing.T) {
	with := func(count int, from int64) parity.Run {
		return parity.Run{Stores: map[string]parity.Store{"s": {Kind: "buffer", Count: count, From: from}}}
	}
	if len(parity.Diff(with(1, 5), with(1, 5))) > 0 || len(parity.Diff(with(0, 5), with(0, 6))) > 0 {
		t.Error("equal buffers differ")
	}
	if len(parity.Diff(with(1, 5), with(2, 5))) == 0 || len(parity.Diff(with(1, 5), with(1, 6))) == 0 {
		t.Error("another count or time was not found")
	}
}

// TestRowsOfBuffersAreCompared: they are what the changelog has left of each key.
func TestRowsOfBuffersAreCompared(t *testing.T) {
	left := []parity.Row{{Key: parity.Bytes("b"), Value: parity.Bytes("2"), Start: -1, End: -1, Time: -1}}
	deleted := record("app-s-changelog", "a", "")
	deleted.Value = nil
	run := runOf(record("app-s-changelog", "a", "1"), record("app-s-changelog", "b", "1"), deleted, record("app-s-changelog", "b", "2"))
	holding := func(rows ...parity.Row) parity.Run {
		run := copied(run)
		run.Stores = map[string]parity.Store{"s": {Kind: "buffer", Count: 1, From: 5, Rows: rows}}
		return run
	}
	if diff := parity.Diff(holding(), holding(left...)); len(diff) > 0 {
		t.Errorf("what its changelog has left of a buffer differs from it: %s", diff)
	}
	other := left[0]
	other.Value = parity.Bytes("1")
	if len(parity.Diff(holding(), holding(other))) == 0 || len(parity.Diff(holding(), holding())) == 0 {
		t.Error("another row, or none, was not found")
	}
}

// TestFailures: a step that fails is one of the same kind of error, before which the same was sent.
func TestFailures(t *testing.T) {
	const class, ours = "SerializationException", `weirtest: task 0_0: decoding: node "from-1": topic "in", partition 0, offset 1: value: int64: 3 bytes, want 8`
	sent := record("out", "a", "1")
	failed := func(err string, out ...parity.Record) parity.Run {
		return parity.Run{Steps: []parity.Step{{Advance: 1, Error: err, Out: out}}}
	}
	if diff := parity.Diff(failed(class, sent), failed(ours, sent)); len(diff) > 0 {
		t.Errorf("equal failures differ: %s", diff)
	}
	for what, got := range map[string]parity.Run{
		"no failure":                failed("", sent),
		"another kind of failure":   failed(`weirtest: task 0_0: processing: node "map-1": topic "in", partition 0, offset 1: h`, sent),
		"a failure before the send": failed(ours),
		"another record before it":  failed(ours, record("out", "a", "2")),
	} {
		if len(parity.Diff(failed(class, sent), got)) == 0 {
			t.Errorf("%s was not found", what)
		}
	}
	if len(parity.Diff(failed("", sent), failed(ours, sent))) == 0 {
		t.Error("a failure that Kafka Streams does not have was not found")
	}
	if len(parity.Diff(failed("SomeException"), failed(ours))) == 0 {
		t.Error("an exception of which nothing is known was taken for ours")
	}
}

const description = `Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: [in, in2])
      --> KSTREAM-FILTER-0000000001, KSTREAM-FILTER-0000000002
    Processor: KSTREAM-FILTER-0000000001 (stores: [a, b])
      --> KSTREAM-SINK-0000000003
      <-- KSTREAM-SOURCE-0000000000
    Processor: KSTREAM-FILTER-0000000002 (stores: [])
      --> none
      <-- KSTREAM-SOURCE-0000000000
    Sink: KSTREAM-SINK-0000000003 (topic: out)
      <-- KSTREAM-FILTER-0000000001

`

func TestDescriptions(t *testing.T) {
	renamed := strings.NewReplacer("KSTREAM-SOURCE-0000000000", "z", "KSTREAM-FILTER-0000000001", "y", "KSTREAM-FILTER-0000000002", "x", "KSTREAM-SINK-0000000003", "w",
		"[a, b]", "[b, a]", "[in, in2]", "[in2, in]").Replace(description)
	if err := parity.DiffDescribe(description, renamed); err != nil {
		t.Errorf("other names: %v", err)
	}
	for what, change := range map[string][2]string{
		"another topic":     {"topic: out", "topic: other"},
		"another source":    {"[in, in2]", "[in]"},
		"another store":     {"[a, b]", "[a]"},
		"stores moved":      {"(stores: [])", "(stores: [c])"},
		"another edge":      {"      --> KSTREAM-SINK-0000000003\n      <-- KSTREAM-SOURCE", "      --> none\n      <-- KSTREAM-SOURCE"},
		"another kind":      {"    Sink: ", "    Processor: "},
		"a sub-topology":    {"\n\n", "\n\n  Sub-topology: 1\n    Source: q (topics: [q])\n      --> none\n\n"},
		"another beginning": {"Sub-topology: 0", "Sub-topology: 0 for global store (will not generate tasks)"},
	} {
		if changed := strings.Replace(description, change[0], change[1], 1); parity.DiffDescribe(description, changed) == nil {
			t.Errorf("%s was not found", what)
		}
	}
}

// TestSymmetricNodes: two chains that end in different topics are told apart although their beginnings look alike.
func TestSymmetricNodes(t *testing.T) {
	chains := func(first, second string) string {
		return "Topologies:\n   Sub-topology: 0\n    Source: s (topics: [in])\n      --> a, b\n" +
			"    Processor: a (stores: [])\n      --> x\n      <-- s\n    Processor: b (stores: [])\n      --> y\n      <-- s\n" +
			"    Sink: x (topic: " + first + ")\n      <-- a\n    Sink: y (topic: " + second + ")\n      <-- b\n\n"
	}
	if err := parity.DiffDescribe(chains("p", "q"), chains("q", "p")); err != nil {
		t.Errorf("renamed chains: %v", err)
	}
	if parity.DiffDescribe(chains("p", "q"), chains("p", "p")) == nil {
		t.Error("another chain was not found")
	}
}

// TestUnsetTimesAreNotCompared: where Kafka leaves the time to the broker, ours may be any.
func TestUnsetTimesAreNotCompared(t *testing.T) {
	unset := record("app-s-changelog", "a", "1")
	unset.Time = parity.Unset
	if diff := parity.Diff(runOf(unset), runOf(record("app-s-changelog", "a", "1"))); len(diff) > 0 {
		t.Errorf("a time that Kafka did not set was compared: %s", diff)
	}
	if len(parity.Diff(runOf(record("out", "a", "1")), runOf(unset))) == 0 {
		t.Error("a time that we did not set was not found")
	}
}
