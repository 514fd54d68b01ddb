package parity_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weirstream/weir/internal/parity"
)

const folder = "../../golden/testdata/topologies"

// recorded are the committed cases.
func recorded(t testing.TB) *parity.Recorded {
	t.Helper()
	r, err := parity.Open(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func read(t testing.TB, name string) *parity.Case {
	t.Helper()
	c, err := recorded(t).Case(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCases plays every recorded run of every case, and compares all that comes of it; and the first once more, with upsets.
func TestCases(t *testing.T) {
	for name, build := range parity.Builders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := recorded(t).Expected(name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != name || c.What == "" || c.Describe == "" || len(c.Runs) < 40 {
				t.Errorf("%s: name %q, %d runs, defined as %q", name, c.Name, len(c.Runs), c.What)
			}
			if diff := differences(t, c, build); len(diff) > 0 {
				t.Errorf("%s\n%d differences:\n%s", c.What, len(diff), strings.Join(diff[:min(len(diff), 12)], "\n"))
			}
			t.Run("upset", func(t *testing.T) { upset(t, c, build) })
		})
	}
}

// differences are those of the description, and of the first run that has any.
func differences(t *testing.T, c *parity.Case, build parity.Build) (all []string) {
	t.Helper()
	topo, err := c.Topology(build)
	if err != nil {
		t.Fatal(err)
	}
	if err := parity.DiffDescribe(c.Describe, topo.Describe()); err != nil {
		all = append(all, err.Error())
	}
	if shares := parity.SharesSinks(c.Describe, topo.Describe()); shares != slices.Contains(sharedSinks, c.Name) {
		all = append(all, fmt.Sprintf("one sink with several parents is several of ours: %t", shares))
	}
	for _, want := range c.Runs[:runs(len(c.Runs))] {
		got, err := parity.Play(t, c, build, want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := parity.Diff(want, got); len(diff) > 0 {
			return append(all, diff...)
		}
	}
	return all
}

// runs is how many of a case's runs are played: all, but few where haste is asked for.
func runs(all int) int {
	if testing.Short() {
		return min(all, 4)
	}
	return all
}

// TestBuildersAreOfCases finds builders, and exceptions, of cases that do not exist.
func TestBuildersAreOfCases(t *testing.T) {
	names := recorded(t).Names()
	if len(names) < 100 {
		t.Errorf("only %d topologies are recorded", len(names))
	}
	for name := range parity.Builders() {
		if !slices.Contains(names, name) {
			t.Errorf("%s is built, but was never recorded", name)
		}
	}
	for name := range reserves {
		if !slices.Contains(names, name) {
			t.Errorf("%s is said to end otherwise, but was never recorded", name)
		}
	}
}

// sharedSinks are the cases in which Kafka Streams has one sink with several parents, and weir one for each; TestCases finds those that are not known, and known
// ones that are not.
var sharedSinks = []string{"processors/by-hand"}

func TestSharesSinks(t *testing.T) {
	if parity.SharesSinks(description, description) {
		t.Error("a description shares sinks that another of itself does not")
	}
}

// TestRenamesOccur finds stores with names of Kafka Streams' own that have ours.
func TestRenamesOccur(t *testing.T) {
	for name := range parity.Renamed {
		if renames, err := recorded(t).Renames(name); err != nil || !renames {
			t.Errorf("%s: its stores need no other names (%v)", name, err)
		}
	}
	if renames, err := recorded(t).Renames("stream-stream/inner"); err != nil || renames {
		t.Errorf("a case that is not renamed is (%v)", err)
	}
}

// TestSpreadInputsOccur finds cases that are comparable as they are.
func TestSpreadInputsOccur(t *testing.T) {
	for name := range parity.SpreadInputs {
		if !differsAsIs(t, name) {
			t.Errorf("%s need not be made comparable", name)
		}
	}
	if differsAsIs(t, "foreign-key/inner") {
		t.Error("a case that is comparable as it is differs")
	}
}

// differsAsIs says that a run of a case differs from the recorded one before it is made comparable.
func differsAsIs(t *testing.T, name string) bool {
	t.Helper()
	c, err := recorded(t).Expected(name)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(c.Runs[:4], func(want parity.Run) bool {
		got, err := parity.PlayAsIs(t, c, parity.Builders()[name], want)
		if err != nil {
			t.Fatal(err)
		}
		return len(parity.Diff(want, got)) > 0
	})
}

// TestSilencesOccur finds drops of which Kafka Streams is said not to count them, and that are counted there, or do not happen.
func TestSilencesOccur(t *testing.T) {
	for _, s := range parity.Silences {
		if !occurs(t, s) {
			t.Errorf("%s drops nothing at %q with the reason %q that Kafka Streams does not count", s.Case, s.Node, s.Reason)
		}
	}
	if occurs(t, parity.Silence{Reason: "null key", Case: "aggregates/count"}) {
		t.Error("drops that are counted are said not to be")
	}
}

// occurs says that a run of the case has drops of the kind, and Kafka Streams counted fewer of all.
func occurs(t *testing.T, s parity.Silence) bool {
	t.Helper()
	c := read(t, s.Case)
	return slices.ContainsFunc(c.Runs[:10], func(want parity.Run) bool {
		such, all, err := s.Drops(t, c, parity.Builders()[s.Case], want)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range want.Steps {
			all -= step.Dropped
		}
		return such > 0 && all >= such
	})
}

// TestDifferencesOccur finds differences on purpose that no longer change anything.
func TestDifferencesOccur(t *testing.T) {
	if n := len(parity.Differences); n > parity.MaxDifferences {
		t.Errorf("%d differences on purpose, at most %d are allowed", n, parity.MaxDifferences)
	}
	for _, d := range parity.Differences {
		for _, name := range d.Concerned() {
			if occurs, err := recorded(t).Occurs(d, name); !occurs || err != nil {
				t.Errorf("%s: %s: as recorded, it is as weir does it (%v)", name, d.Name, err)
			}
		}
	}
}

func TestOccurs(t *testing.T) {
	const name = "stateless/copy"
	occurs := func(d parity.Difference) bool {
		ok, err := recorded(t).Occurs(d, name)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if occurs(parity.Difference{Run: func(r, _ parity.Run) parity.Run { return r }, Describe: func(s string) string { return s }}) {
		t.Error("an edit that changes nothing occurs")
	}
	if !occurs(parity.Difference{Describe: func(s string) string { return s + "more" }}) {
		t.Error("an edit of the description does not occur")
	}
	if occurs(parity.Difference{Whole: map[string]string{name: name}}) {
		t.Error("a case that is as itself occurs")
	}
	late := parity.Difference{Run: func(r, _ parity.Run) parity.Run {
		r.Steps[1].Dropped++
		return r
	}}
	if !occurs(late) {
		t.Error("an edit of a run does not occur")
	}
	late.Cases = map[string]string{name: "stateless/filter"}
	if _, err := recorded(t).Occurs(late, name); err == nil {
		t.Error("runs of other inputs were put together")
	}
	whole := parity.Difference{Whole: map[string]string{name: "stateless/filter"}}
	if _, err := recorded(t).Occurs(whole, name); err == nil {
		t.Error("a case of other inputs was taken for another")
	}
}

func TestChangedFilesAreRefused(t *testing.T) {
	manifest, err := os.ReadFile(folder + "/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(folder + "/stateless/map.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parity.Open(fstest.MapFS{"manifest.json": {Data: manifest}, "stateless/copy.jsonl.gz": {Data: other}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Case("stateless/copy"); err == nil {
		t.Error("a case's file that holds something else was read")
	}
	if _, err := r.Case("stateless/none"); err == nil {
		t.Error("a case that does not exist was read")
	}
}

// TestEveryCaseIsBuilt finds recorded cases without a builder.
func TestEveryCaseIsBuilt(t *testing.T) {
	if missing := parity.Missing(recorded(t).Names()); len(missing) > 0 {
		t.Errorf("nothing builds %q", missing)
	}
}
