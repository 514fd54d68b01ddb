package parity_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

// otherwise are cases whose stores may end otherwise when caches write back, or tasks end in the middle, and why.
var otherwise = map[string]string{
	"aggregates/count-of-counts":           countsUpdates,
	"foreign-key/left-then-group":          countsUpdates,
	"table-table/then-group":               countsUpdates,
	"tables/group-null-init":               countsUpdates,
	"tables/group-null-key":                countsUpdates,
	"tables/group-of-filter":               countsUpdates,
	"tables/group-of-reduce":               countsUpdates,
	"tables/transform-context-group":       countsUpdates,
	"tables/transform-values":              countsUpdates,
	"tables/transform-values-materialized": countsUpdates,
	"windows/tumbling-then-group":          countsUpdates,
	"suppress/limit-bytes-early":           holdsUpdates,
	"suppress/limit-cached":                holdsUpdates,
	"suppress/limit-records-early":         holdsUpdates,
	"suppress/limit-windows":               holdsUpdates,
	"suppress/tumbling-to-null":            holdsUpdates,
	"foreign-key/inner":                    answersUpdates,
	"foreign-key/inner-self":               answersUpdates,
	"foreign-key/inner-virtual":            answersUpdates,
	"foreign-key/left":                     answersUpdates,
	"foreign-key/partitioners":             answersUpdates,
	"versioned/outer-join-one":             "a row that came and went between two flushes never was: the result keeps its time",
	"cogroup/plain":                        arrival,
	"cogroup/rekeyed":                      arrival,
	"aggregates/aggregate-lru":             "what was evicted is in the changelog, and comes back",
	"aggregates/reduce-lru":                "what was evicted is in the changelog, and comes back",
	"processors/in-memory-store":           "its store has no changelog and is in memory",
}

const (
	countsUpdates  = "it aggregates the updates of another table, of which caches make fewer"
	holdsUpdates   = "what is held back, and how long, follows from updates, of which caches make fewer"
	answersUpdates = "times of results, and what subscriptions ask for, follow from updates, of which caches make fewer"
	arrival        = "it writes down the order in which two topics arrive, which is that of times where both wait"
)

// upset wants the stores to end as recorded whatever caches, commits, engines and ends there were.
func upset(t *testing.T, c *parity.Case, build parity.Build, run parity.Run) {
	t.Helper()
	if run.Stores == nil || otherwise[c.Name] != "" {
		return
	}
	u := parity.Upsetting(rand.New(rand.NewPCG(uint64(run.Seed), 1)), len(run.Steps))
	if strings.HasSuffix(c.Name, "no-changelog") {
		u.End = parity.Stopped // its rows are lost with the machine, and go on with what was not committed
	}
	got, err := parity.PlayUpset(t, c, build, run, u)
	if err != nil {
		t.Fatal(err)
	}
	if diff := parity.DiffStores(run.Stores, got); len(diff) > 0 {
		t.Errorf("seed %d, %+v: %d differences:\n%s", run.Seed, u, len(diff), strings.Join(diff[:min(len(diff), 8)], "\n"))
	}
}

// TestUpsetsAreNoticed loses a row, and wants that to be seen.
func TestUpsetsAreNoticed(t *testing.T) {
	run := read(t, "aggregates/count").Runs[0]
	got := map[string]parity.Store{}
	for name, s := range run.Stores {
		if s.Rows = s.Rows[:len(s.Rows)-1]; len(s.Rows) == 0 {
			t.Fatal("there is no row to lose but one")
		}
		got[name] = s
	}
	if len(parity.DiffStores(run.Stores, got)) != 1 {
		t.Error("a lost row goes unnoticed")
	}
}
