package layers

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestThisModuleKeepsToTheTable(t *testing.T) {
	pkgs, err := Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 5 {
		t.Fatalf("only %d packages found: the loader looks at the wrong folder", len(pkgs))
	}
	for _, v := range Check(pkgs) {
		t.Error(v)
	}
}

// withoutContract are the folders of root whose doc.go is missing or says nothing. An example's own part is there to be copied, and says it all in one file.
func withoutContract(root string, pkgs []Package) (all []string) {
	for _, p := range pkgs {
		if strings.HasPrefix(p.Path, "examples/") && strings.Count(p.Path, "/") > 1 && !strings.HasPrefix(p.Path, "examples/internal/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, p.Path, "doc.go"))
		if err != nil || !strings.HasPrefix(string(text), "// ") || !strings.Contains(string(text), "\npackage ") {
			all = append(all, p.Path)
		}
	}
	return all
}

func TestEveryRoomHasItsContract(t *testing.T) {
	pkgs, err := Load("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range withoutContract("../..", pkgs) {
		t.Errorf("%s has no doc.go that says what one gets there, and what one owes", path)
	}
}

func TestAMissingContractIsSeen(t *testing.T) {
	root := writeModule(t, map[string]string{
		"doc.go": "// Package weir is.\npackage weir\n", "serde/serde.go": "package serde\n", "state/doc.go": "package state\n", "examples/pay/totals/x.go": "package totals\n",
	})
	pkgs, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := withoutContract(root, pkgs); !slices.Equal(got, []string{"serde", "state"}) {
		t.Errorf("without a contract: %v", got)
	}
}

func TestTableHasEachRoomOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range table {
		if seen[r.path] {
			t.Errorf("%s is in the table twice", r.path)
		}
		seen[r.path] = true
	}
}

func ours(path string) Fact    { return Fact{Name: path, Ours: true, At: "f.go:1"} }
func foreignTo(p string) Fact  { return Fact{Name: p, At: "f.go:1"} }
func act(name string) []Fact   { return []Fact{{Name: name, At: "f.go:1"}} }
func imports(f ...Fact) []Fact { return f }

func TestEachRuleComplains(t *testing.T) {
	for name, c := range map[string]struct {
		pkg Package
		why string
	}{
		"unknown package":     {Package{Path: "util"}, "without a floor"},
		"unknown import":      {Package{Path: "weirtest", Imports: imports(ours("util"))}, "util is not in the table"},
		"leaf with imports":   {Package{Path: "internal/murmur2", Imports: imports(ours("serde"))}, "a leaf imports nothing"},
		"up one floor":        {Package{Path: "state", Imports: imports(ours("processor"))}, "from floor 2 to 3; floors 0 to 4 are vocabulary"},
		"meaning to machine":  {Package{Path: "internal/task", Imports: imports(ours("internal/kafka"))}, "floors 5 to 7 are meaning"},
		"machine to DSL":      {Package{Path: "internal/runtime", Imports: imports(ours("."))}, "never see the DSL"},
		"root to roof":        {Package{Path: ".", Imports: imports(ours("weirtest"))}, "are the roof"},
		"same floor":          {Package{Path: "internal/task", Imports: imports(ours("internal/assign"))}, "from floor 7 to 7"},
		"beside, turned":      {Package{Path: "window", Imports: imports(ours("internal/rows"))}, "from floor 1 to 1"},
		"same folder's name":  {Package{Path: "internal/task", Imports: imports(ours("internal/taskx"))}, "not in the table"},
		"into state's folder": {Package{Path: "state", Imports: imports(ours("state/pebble"))}, "imports only go down"},
		"test code":           {Package{Path: "cmd/weir", Imports: imports(ours("internal/kafkatest"))}, "is for tests"},
		"golden":              {Package{Path: "weirtest", Imports: imports(ours("golden/java"))}, "is for tests"},
		"kgo in a task":       {Package{Path: "internal/task", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kgo"))}, "Kafka never appears"},
		"kadm in a store":     {Package{Path: "internal/store", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kadm"))}, "Kafka never appears"},
		"kmsg in the plan":    {Package{Path: "internal/assign", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kmsg"))}, "Kafka never appears"},
		"Pebble in a store":   {Package{Path: "internal/store", Imports: imports(foreignTo("github.com/cockroachdb/pebble/v2"))}, "state/pebble alone"},
		"Pebble in runtime":   {Package{Path: "internal/runtime", Imports: imports(foreignTo("github.com/cockroachdb/pebble/v2/vfs"))}, "state/pebble alone"},
		"network in a task":   {Package{Path: "internal/task", Imports: imports(foreignTo("net"))}, "open no connection"},
		"HTTP in a query":     {Package{Path: "query", Imports: imports(foreignTo("net/http"))}, "open no connection"},
		"clock in a task":     {Package{Path: "internal/task", Acts: act("time.Now")}, "look at no clock"},
		"clock in a serde":    {Package{Path: "serde", Acts: act("time.Since")}, "look at no clock"},
		"goroutine in a task": {Package{Path: "internal/task", Acts: act(goroutine)}, "start no goroutine"},
		"goroutine in Pebble": {Package{Path: "state/pebble", Acts: act(goroutine)}, "start no goroutine"},
	} {
		found := Check([]Package{c.pkg})
		if len(found) != 1 || !strings.Contains(found[0].Why, c.why) {
			t.Errorf("%s: %v, want one violation that says %q", name, found, c.why)
		}
	}
}

func TestWhatIsAllowed(t *testing.T) {
	for name, pkg := range map[string]Package{
		"down":                  {Path: "internal/task", Imports: imports(ours("topology"), ours("internal/flow"), ours("serde"))},
		"beside":                {Path: "internal/rows", Imports: imports(ours("window"))},
		"parts of a room":       {Path: "internal/store", Imports: imports(ours("internal/store/mem"))},
		"an example's parts":    {Path: "examples/orders", Imports: imports(ours("examples/orders/model"), ours("."))},
		"the room for Kafka":    {Path: "internal/kafka", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kgo")), Acts: act("time.Now")},
		"the root names kgo":    {Path: ".", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kgo"))},
		"devbroker is a shell":  {Path: "devbroker", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/kfake"), foreignTo("net")), Acts: act(goroutine)},
		"registry is a shell":   {Path: "serde/registry", Imports: imports(foreignTo("github.com/twmb/franz-go/pkg/sr"), foreignTo("net/http")), Acts: act("time.Now")},
		"the engine":            {Path: "state/pebble", Imports: imports(ours("state"), foreignTo("github.com/cockroachdb/pebble/v2"))},
		"workers":               {Path: "internal/runtime", Imports: imports(ours("internal/changelog")), Acts: act(goroutine)},
		"tests' helpers":        {Path: "internal/kafkatest", Imports: imports(ours("."), foreignTo("github.com/twmb/franz-go/pkg/kadm")), Acts: act("time.Now")},
		"a namesake of Pebble":  {Path: "internal/store", Imports: imports(foreignTo("github.com/cockroachdb/pebbles"))},
		"addresses, no network": {Path: "internal/task", Imports: imports(foreignTo("net/netip"))},
	} {
		if found := Check([]Package{pkg}); len(found) != 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

// sources are a module on disk: what the loader must see, and what it must pass over.
var sources = map[string]string{
	"root.go":             "package weir\n\nimport clock \"time\"\n\nvar start = clock.Now\n",
	"fluent_go127.go":     "//go:build go1.27\n\npackage weir\n\nimport \"net\"\n\nfunc (s S) Map[T any](t T) {}\n\nvar _ net.Conn\n",
	"root_test.go":        "package weir\n\nimport \"net/http\"\n",
	"serde/serde.go":      "package serde\n\nimport (\n\t\"sync\"\n\t\"time\"\n\n\t\"" + module + "\"\n)\n\nfunc f(d time.Duration) {\n\tgo f(d)\n\tvar wg sync.WaitGroup\n\twg.Go(func() { time.Sleep(d) })\n}\n",
	"serde/testdata/x.go": "package x\n\nimport \"net\"\n",
	"bench/go.mod":        "module bench\n",
	"bench/bench.go":      "package bench\n\nimport \"net\"\n",
	".hidden/x.go":        "package x\n",
	"docs/readme.md":      "no package",
}

func writeModule(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLoad(t *testing.T) {
	pkgs, err := Load(writeModule(t, sources))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range pkgs {
		var facts []string
		for _, f := range append(slices.Clone(p.Imports), p.Acts...) {
			facts = append(facts, f.Name+" "+f.At)
		}
		slices.Sort(facts)
		got[p.Path] = strings.Join(facts, "; ")
	}
	want := map[string]string{
		".":     "net fluent_go127.go:5; time root.go:3; time.Now root.go:5",
		"serde": ". serde/serde.go:7; a goroutine serde/serde.go:11; a goroutine serde/serde.go:13; sync serde/serde.go:4; time serde/serde.go:5; time.Sleep serde/serde.go:13",
	}
	if !maps.Equal(got, want) {
		t.Errorf("loaded\n%v\nwant\n%v", got, want)
	}
}

func TestLoadReportsWhatItCannotParse(t *testing.T) {
	_, err := Load(writeModule(t, map[string]string{"state/broken.go": "package state\n\nfunc {"}))
	if err == nil || !strings.Contains(err.Error(), "broken.go") {
		t.Errorf("%v, want an error that names the file", err)
	}
}
