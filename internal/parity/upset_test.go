package parity_test

import (
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

// reserve is what a case's ends may have otherwise when caches write back, or tasks end in the middle, and why.
type reserve struct {
	by  parity.Depth
	in  string // the stores and topics of which it is true
	why string
}

const (
	headers      = "who was the last is not known where updates of two tables are made one"
	noHeaders    = "without a cache Kafka Streams forwards the results of sessions without headers"
	times        = "a row that came and went between two flushes never was, and so is not what a time is the greatest of"
	gone         = "what is added and taken out again between two flushes never was, nor what is made of it"
	eachUpdate   = "it makes something of each update of a table, of which caches make fewer"
	held         = "what is held back, and how long, follows from each update, of which caches make fewer"
	asks         = "what a subscription asks for follows from the update, of which caches make fewer"
	staleAnswers = "an answer of the right table finds another row in the left one's cache, is dropped, and the row does not ask for what it takes for unchanged"
	anew         = "schedules begin anew when tasks do"
	evicted      = "what is evicted follows from each access, of which caches make fewer; and it is in the changelog, and comes back"
	looked       = "it looks for closed windows at times of the wall clock, which begin anew when tasks do"
	inMemory     = "its store has no changelog and is in memory"
	wrapped      = "what its wrapper counts is in memory"
	numbered     = "the numbers of records of one key and time begin anew when tasks do"
)

func one(by parity.Depth, in, why string) []reserve { return []reserve{{by, in, why}} }

// innerForeign is what is true of inner joins by foreign key that are read from so.
func innerForeign(results string) []reserve {
	return []reserve{{parity.NoneMissing, results, staleAnswers}, {parity.Keyed, "fk-subscription-store", asks}}
}

// reserves are all of them, by case.
var reserves = map[string][]reserve{
	"aggregates/count-lru":                 {{parity.Nothing, "agg", evicted}, {parity.Keyed, "out", evicted}},
	"aggregates/aggregate-lru":             {{parity.Nothing, "agg", evicted}, {parity.Keyed, "out", evicted}},
	"aggregates/reduce-lru":                {{parity.Nothing, "agg", evicted}, {parity.Keyed, "out", evicted}},
	"aggregates/count-of-counts":           one(parity.Nothing, "agg2 out", eachUpdate),
	"cogroup/lru":                          {{parity.Nothing, "agg", evicted}, {parity.Keyed, "out", evicted}},
	"cogroup/sessions":                     one(parity.Headless, "out", noHeaders),
	"foreign-key/inner":                    innerForeign("j out"),
	"foreign-key/inner-cached":             innerForeign("j out"),
	"foreign-key/inner-filtered":           one(parity.Keyed, "fk-subscription-store", asks),
	"foreign-key/inner-key-and-value":      innerForeign("j out"),
	"foreign-key/inner-self":               innerForeign("j out"),
	"foreign-key/inner-to-null":            innerForeign("j out"),
	"foreign-key/inner-virtual":            innerForeign("out"),
	"foreign-key/partitioners":             innerForeign("j out"),
	"foreign-key/left":                     one(parity.Untimed, "j out", times),
	"foreign-key/left-cached":              one(parity.Untimed, "j out", times),
	"foreign-key/left-key-and-value":       one(parity.Untimed, "j out", times),
	"foreign-key/left-virtual":             one(parity.Headless, "out", headers),
	"foreign-key/left-then-group":          {{parity.Untimed, "j", times}, {parity.Net, "agg out", gone}},
	"optimizer/source-tables":              one(parity.Untimed, "j out", times),
	"optimizer/source-tables-not":          one(parity.Untimed, "j out", times),
	"processors/both-clocks":               one(parity.Keyed, "out", anew),
	"processors/cancelled":                 one(parity.Nothing, "out", anew),
	"processors/in-memory-store":           {{parity.Nothing, "s", inMemory}, {parity.Keyed, "out", inMemory}},
	"processors/stream-time":               one(parity.Nothing, "out", anew),
	"processors/times":                     one(parity.Keyed, "out", anew),
	"processors/two-schedules":             one(parity.Keyed, "out", anew),
	"processors/wall-clock":                one(parity.Keyed, "out", anew),
	"processors/wrapped":                   one(parity.Keyed, "out out-2", wrapped),
	"processors/wrapped-tables":            one(parity.Keyed, "out", wrapped),
	"sessions/aggregate":                   one(parity.Headless, "out", noHeaders),
	"sessions/aggregate-to-null":           one(parity.Headless, "out", noHeaders),
	"sessions/close-throttled":             one(parity.NoneMissing, "out", looked),
	"sessions/count":                       one(parity.Headless, "out", noHeaders),
	"sessions/count-group-by":              one(parity.Headless, "out", noHeaders),
	"sessions/count-no-grace":              one(parity.Headless, "out", noHeaders),
	"sessions/count-partitions":            one(parity.Headless, "out", noHeaders),
	"sessions/in-memory":                   one(parity.Headless, "out", noHeaders),
	"sessions/reduce":                      one(parity.Headless, "out", noHeaders),
	"sessions/retention":                   one(parity.Headless, "out", noHeaders),
	"sliding/close-throttled":              one(parity.NoneMissing, "out", looked),
	"stores/window-duplicates":             one(parity.Keyed, "out", numbered),
	"suppress/limit-bytes-early":           one(parity.Nothing, "s-store out", held),
	"suppress/limit-cached":                one(parity.Nothing, "s-store out", held),
	"suppress/limit-count":                 one(parity.Nothing, "s-store out", held),
	"suppress/limit-records-early":         one(parity.Nothing, "s-store out", held),
	"suppress/limit-table":                 one(parity.Nothing, "s-store out", held),
	"suppress/limit-then-filter":           one(parity.Nothing, "s-store f out", held),
	"suppress/limit-then-group":            one(parity.Nothing, "s-store agg out", held),
	"suppress/limit-virtual":               one(parity.Nothing, "s-store out", held),
	"suppress/limit-windows":               one(parity.Nothing, "s-store out", held),
	"suppress/sessions":                    one(parity.Headless, "out", noHeaders),
	"suppress/then-group":                  one(parity.Keyed, "agg2 out", held),
	"table-table/aggregates":               one(parity.Headless, "out", headers),
	"table-table/if-needed":                one(parity.Headless, "out", headers),
	"table-table/inner-cached":             one(parity.Headless, "out", headers),
	"table-table/inner-materialized":       one(parity.Headless, "out", headers),
	"table-table/left":                     one(parity.Untimed, "out", times),
	"table-table/left-materialized":        one(parity.Headless, "out", headers),
	"table-table/outer":                    one(parity.Untimed, "out", times),
	"table-table/outer-cached":             one(parity.Untimed, "j out", times),
	"table-table/outer-materialized":       one(parity.Untimed, "j out", times),
	"table-table/outer-to-null":            one(parity.Headless, "out", headers),
	"table-table/then-count":               one(parity.Nothing, "agg out", eachUpdate),
	"table-table/then-group":               one(parity.Net, "agg out", gone),
	"table-table/three":                    one(parity.Headless, "out", headers),
	"tables/group-aggregate":               one(parity.Net, "agg out", gone),
	"tables/group-aggregate-cached":        one(parity.Net, "agg out", gone),
	"tables/group-aggregate-to-null":       one(parity.Nothing, "agg out", gone),
	"tables/group-count":                   one(parity.Net, "agg out", gone),
	"tables/group-count-if-needed":         one(parity.Net, "agg out", gone),
	"tables/group-count-lru":               one(parity.Nothing, "agg out", evicted),
	"tables/group-null-init":               one(parity.Nothing, "agg out", gone),
	"tables/group-null-key":                one(parity.Net, "agg out", gone),
	"tables/group-null-value":              one(parity.Net, "agg out", gone),
	"tables/group-of-count":                one(parity.Net, "agg out", gone),
	"tables/group-of-filter":               one(parity.Net, "agg out", gone),
	"tables/group-of-group":                {{parity.Net, "agg", gone}, {parity.Nothing, "agg2 out", gone}},
	"tables/group-of-map":                  one(parity.Net, "agg out", gone),
	"tables/group-of-reduce":               one(parity.Net, "agg out", gone),
	"tables/group-reduce":                  one(parity.Net, "agg out", gone),
	"tables/group-same-key":                one(parity.Net, "agg out", gone),
	"tables/group-then-filter":             one(parity.Net, "agg", gone),
	"tables/to-stream-key":                 one(parity.Nothing, "out", eachUpdate),
	"tables/to-stream-twice":               one(parity.Nothing, "out-2", eachUpdate),
	"tables/transform-context":             one(parity.Keyed, "j out", eachUpdate),
	"tables/transform-context-group":       one(parity.Nothing, "agg out", eachUpdate),
	"tables/transform-values":              one(parity.Nothing, "seen out", eachUpdate),
	"tables/transform-values-materialized": one(parity.Nothing, "m seen out", eachUpdate),
	"tables/two-of-one-group":              one(parity.Net, "agg agg2 out out-2", gone),
	"topics/wall-clock":                    one(parity.Untimed, "out", "what is taken again is taken at another time"),
	"versioned/foreign-key":                one(parity.Untimed, "j out", times),
	"versioned/outer-join-one":             one(parity.Untimed, "j out", times),
	"windows/tumbling-then-group":          one(parity.Keyed, "agg2 out", eachUpdate),
	"windows/windowed-table-group-by":      one(parity.Net, "agg2 out", gone),
}

// mayFail is the case whose suppression stops when it is full, which follows from what is held back.
const mayFail = "suppress/limit-records-shut-down"

// fleeting are families, and cases of others, whose results are each a record of its own: all of them are compared, not the last of each key alone.
var fleeting = []string{"stateless", "stream-stream", "stream-table", "global", "topics", "errors"}

// lasting are cases of those whose results are updates of a table.
var lasting = []string{"errors/aggregate-skip", "stream-table/then-count", "topics/event-time-windows"}

// closing are cases of other families whose results come once, when windows close.
func closes(name string) bool {
	family, rest, _ := strings.Cut(name, "/")
	if family == "suppress" {
		return !strings.HasPrefix(rest, "limit-") && rest != "then-group"
	}
	return strings.HasPrefix(rest, "close") || strings.Contains(rest, "-close")
}

// lawOf is what is compared of a case.
func lawOf(name string) parity.Law {
	family, _, _ := strings.Cut(name, "/")
	all := closes(name) || slices.Contains(fleeting, family) && !slices.Contains(lasting, name)
	law := parity.Law{Rows: true, Last: !all, All: all, Of: map[string]parity.Depth{}}
	for _, r := range reserves[name] {
		for _, in := range strings.Fields(r.in) {
			law.Of[in] = r.by
		}
	}
	return law
}

// arriving are families in which results follow from the order in which topics' records are taken.
var arriving = []string{"cogroup", "global", "optimizer", "processors", "stream-stream", "stream-table"}

// upsetting is an Upset of a run, on disk or in memory. A task that reads several topics takes what is at hand in the order of times, and after a crash,
// or behind a repartition topic whose transaction is open, other records are at hand than before: where that order counts tasks end cleanly, at least once.
func upsetting(c *parity.Case, run parity.Run, onDisk bool) parity.Upset {
	ends := []parity.End{parity.Stopped, parity.Moved, parity.Crashed}
	alone := strings.HasSuffix(c.Name, "no-changelog") // its rows are lost with the machine, and go on with what was not committed
	family, _, _ := strings.Cut(c.Name, "/")
	ordered := len(c.Inputs) > 1 && slices.Contains(arriving, family) || c.Name == "versioned/stream-join"
	switch {
	case alone:
		ends = ends[:1]
	case ordered:
		ends = ends[:2]
	}
	seed := uint64(run.Seed)
	if onDisk {
		seed = ^seed
	}
	u := parity.Upsetting(rand.New(rand.NewPCG(seed, 1)), len(run.Steps), ends...)
	u.Pebble, u.Least = onDisk, ordered
	return u
}

// upset wants the ends to be as recorded whatever caches, commits, engines and ends of tasks there were.
func upset(t *testing.T, c *parity.Case, build parity.Build) {
	t.Helper()
	law, left := lawOf(c.Name), upsets()
	if c.Name == mayFail {
		return
	}
	reserved(t, c)
	for _, run := range c.Runs {
		if left == 0 {
			break
		}
		if run.Stores == nil { // a failure ends it
			continue
		}
		left--
		for _, onDisk := range []bool{false, true} {
			u := upsetting(c, run, onDisk)
			got, err := parity.PlayUpset(t, c, build, run, u)
			if err != nil {
				t.Fatal(err)
			}
			if diff := c.DiffEnds(law, run, got); len(diff) > 0 {
				t.Errorf("seed %d, %+v: %d differences:\n%s", run.Seed, u, len(diff), strings.Join(diff[:min(len(diff), 8)], "\n"))
			}
		}
	}
}

// upsets is how many runs of a case are upset: one, or as many as WEIR_SEEDS says.
func upsets() int {
	n, _ := strconv.Atoi(os.Getenv("WEIR_SEEDS"))
	return max(1, n)
}

// stricter is what must not be true where so much is reserved.
var stricter = map[parity.Depth]parity.Depth{
	parity.Headless: parity.Whole, parity.Untimed: parity.Headless, parity.NoneMissing: parity.Untimed, parity.Net: parity.Untimed, parity.Keyed: parity.Untimed,
	parity.Nothing: parity.Keyed,
}

// seenIn are the runs in which some cases need all that is reserved for them, to look there first.
var seenIn = map[string][]int{
	"aggregates/count-lru":                 {7, 9},
	"aggregates/reduce-lru":                {2, 21},
	"cogroup/lru":                          {2},
	"foreign-key/inner":                    {1, 4},
	"foreign-key/inner-cached":             {3, 4},
	"foreign-key/inner-filtered":           {8},
	"foreign-key/inner-key-and-value":      {6, 7},
	"foreign-key/inner-self":               {1},
	"foreign-key/inner-to-null":            {2, 8},
	"foreign-key/inner-virtual":            {4, 9},
	"foreign-key/left-cached":              {5},
	"foreign-key/left-key-and-value":       {1},
	"foreign-key/left-virtual":             {14},
	"foreign-key/partitioners":             {5},
	"optimizer/source-tables":              {1},
	"optimizer/source-tables-not":          {1},
	"processors/cancelled":                 {3},
	"processors/in-memory-store":           {3},
	"processors/stream-time":               {5},
	"processors/times":                     {18},
	"processors/two-schedules":             {3},
	"sessions/close-throttled":             {15},
	"sessions/reduce":                      {1},
	"sessions/retention":                   {1},
	"sliding/close-throttled":              {19},
	"suppress/limit-bytes-early":           {1},
	"suppress/limit-cached":                {1, 9},
	"suppress/limit-count":                 {10},
	"suppress/limit-table":                 {2},
	"suppress/limit-then-group":            {1, 2},
	"suppress/limit-virtual":               {7},
	"suppress/limit-windows":               {1, 11},
	"table-table/if-needed":                {2},
	"table-table/inner-cached":             {8},
	"table-table/inner-materialized":       {6},
	"table-table/left":                     {6},
	"table-table/left-materialized":        {1},
	"table-table/outer":                    {3},
	"table-table/outer-cached":             {19},
	"table-table/outer-materialized":       {1},
	"table-table/then-count":               {2},
	"table-table/three":                    {1},
	"tables/group-count-if-needed":         {1},
	"tables/group-of-group":                {4},
	"tables/group-of-map":                  {1},
	"tables/group-then-filter":             {2},
	"tables/to-stream-twice":               {6},
	"tables/transform-values":              {18},
	"tables/transform-values-materialized": {18},
	"versioned/foreign-key":                {10},
	"versioned/outer-join-one":             {2},
	"windows/tumbling-then-group":          {1},
}

// reserved finds stores and topics that end as recorded though they are said to end otherwise.
func reserved(t *testing.T, c *parity.Case) {
	t.Helper()
	left := map[string]parity.Depth{}
	for _, r := range reserves[c.Name] {
		for _, in := range strings.Fields(r.in) {
			left[in] = stricter[r.by]
		}
	}
	look := func(run parity.Run) {
		maps.DeleteFunc(left, func(in string, by parity.Depth) bool { return needed(t, c, run, by, in) })
	}
	for _, i := range seenIn[c.Name] {
		look(c.Runs[i])
	}
	for i := 0; i < len(c.Runs) && len(left) > 0; i++ {
		look(c.Runs[i])
	}
	if len(left) > 0 {
		t.Errorf("they end as recorded, as deeply as is said here: %v", left)
	}
}

// needed says that a run does not end as recorded in a store or topic if so much is compared.
func needed(t *testing.T, c *parity.Case, run parity.Run, by parity.Depth, in string) bool {
	t.Helper()
	law := lawOf(c.Name)
	law.By, law.Of = parity.Nothing, map[string]parity.Depth{in: by}
	return run.Stores != nil && slices.ContainsFunc([]bool{false, true}, func(onDisk bool) bool {
		got, err := parity.PlayUpset(t, c, parity.Builders()[c.Name], run, upsetting(c, run, onDisk))
		if err != nil {
			t.Fatal(err)
		}
		return len(c.DiffEnds(law, run, got)) > 0
	})
}

// TestEndsAreCompared breaks what a run ends with, and wants that to be seen as deeply as is asked for.
func TestEndsAreCompared(t *testing.T) {
	c := read(t, "aggregates/count-group-by")
	want := sample(t)
	seen := func(law parity.Law, sabotage func(r *parity.Run)) bool {
		got := copied(want)
		sabotage(&got)
		return len(c.DiffEnds(law, want, got)) > 0
	}
	last := func(r *parity.Run) *parity.Record {
		for i := range slices.Backward(r.Steps) {
			if at := slices.IndexFunc(r.Steps[i].Out, func(r parity.Record) bool { return r.Topic == "out" }); at >= 0 {
				return &r.Steps[i].Out[at]
			}
		}
		t.Fatal("nothing was sent")
		return nil
	}
	stores, lasts, all := parity.Law{Rows: true}, parity.Law{Last: true}, parity.Law{All: true}
	logs := parity.Law{Logs: true}
	for what, c := range map[string]struct {
		law      parity.Law
		until    parity.Depth // it is seen, no longer so
		sabotage func(r *parity.Run)
	}{
		"a row less":      {stores, parity.Nothing, func(r *parity.Run) { edit(r, func(rows []parity.Row) []parity.Row { return rows[1:] }) }},
		"a row's value":   {stores, parity.Keyed, func(r *parity.Run) { row(r, func(row *parity.Row) { row.Value = parity.Bytes("z") }) }},
		"a row's time":    {stores, parity.Untimed, func(r *parity.Run) { row(r, func(row *parity.Row) { row.Time++ }) }},
		"a last value":    {lasts, parity.Keyed, func(r *parity.Run) { last(r).Value = parity.Bytes("z") }},
		"a last time":     {lasts, parity.Untimed, func(r *parity.Run) { last(r).Time++ }},
		"a last header":   {lasts, parity.Headless, func(r *parity.Run) { last(r).Headers = []parity.Header{{Key: "z"}} }},
		"a last record":   {lasts, parity.Nothing, func(r *parity.Run) { last(r).Key = parity.Bytes("z") }},
		"one of all":      {all, parity.Nothing, func(r *parity.Run) { *last(r) = record("out", "z", "z") }},
		"a changelog's":   {logs, parity.Nothing, func(r *parity.Run) { r.Steps = append(r.Steps, runOf(record("app-z-changelog", "z", "z")).Steps...) }},
		"nothing is left": {stores, parity.Nothing, func(r *parity.Run) { r.Stores = nil }},
	} {
		for by := parity.Whole; by <= parity.Nothing; by++ {
			if by == parity.NoneMissing {
				continue
			}
			c.law.By = by
			if found := seen(c.law, c.sabotage); found != (by < c.until) {
				t.Errorf("%s, as deep as %d: %t", what, by, found)
			}
		}
	}
	more := func(r *parity.Run) { r.Steps = append(r.Steps, runOf(record("out", "z", "z")).Steps...) }
	if seen(parity.Law{Last: true, By: parity.NoneMissing}, more) || !seen(parity.Law{Last: true, By: parity.Untimed}, more) {
		t.Error("a record more is seen where there may be one, or not seen where there may not")
	}
	if !seen(parity.Law{Last: true, By: parity.NoneMissing}, func(r *parity.Run) { last(r).Key = parity.Bytes("z") }) {
		t.Error("a missing record is not seen where there may be more")
	}
}

// TestNetEffect sets what an aggregate has taken out against what it has added.
func TestNetEffect(t *testing.T) {
	c := read(t, "tables/group-reduce")
	ending := func(value string) parity.Run { return runOf(record("out", "k", value)) }
	law := parity.Law{Last: true, By: parity.Net}
	for _, of := range []struct {
		a, b string
		same bool
	}{
		{"a1a2-a1", "a2", true}, {"+b-b+c", "+c", true}, {"a0b1", "b1a0", true}, {"y:f1/a4-y:f1/a4+y:g2/a4", "y:g2/a4", true}, {"b0/null-b0/null+b0/e1", "b0/e1", true},
		{"a1a2", "a2", false}, {"a1-a2", "a1", false}, {"a1", "a1a1", false}, {"+1+2-1", "+2", true}, {"c2!-c2!", "", true},
		{"\x00\x00\x00\x00\x00\x00\x00\x00", "", true}, {"\x00\x00\x00\x00\x00\x00\x00\x01", "\x00\x00\x00\x00\x00\x00\x00\x02", false},
	} {
		if same := len(c.DiffEnds(law, ending(of.a), ending(of.b))) == 0; same != of.same {
			t.Errorf("%q is in effect %q: %t", of.a, of.b, same)
		}
	}
}
