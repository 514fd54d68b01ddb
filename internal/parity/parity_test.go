package parity_test

import (
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
			t.Run("upset", func(t *testing.T) { upset(t, c, build, c.Runs[0]) })
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
	for name := range otherwise {
		if !slices.Contains(names, name) {
			t.Errorf("%s is said to end otherwise, but was never recorded", name)
		}
	}
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
