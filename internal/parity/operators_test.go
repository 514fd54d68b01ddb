package parity_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/surface"
)

const weirPath = "github.com/weirstream/weir"

// surroundings are the packages of what users' processors and windows are made of.
var surroundings = []string{weirPath + "/processor", weirPath + "/state", weirPath + "/window"}

// notCalled are types with methods that no topology calls, and why.
var notCalled = map[string]string{
	"state.Batch":                engines,
	"state.Engine":               engines,
	"state.Iterator":             engines,
	"state.Provider":             engines,
	"state.Reader":               engines,
	"state.Snapshot":             engines,
	"state.Binder":               "Bind calls it",
	"state.Viewer":               "View calls it",
	"state.ReadOnlyRows":         queries,
	"state.Readable":             queries,
	"state.Descriptor":           "it says which store is meant",
	"processor.StoreUser":        implemented,
	"processor.RecordError":      "an error says what it is",
	"processor.FixedKey":         implemented,
	"processor.Processor":        implemented,
	"processor.ValueTransformer": implemented,
}

// notKafkas are operators and options that no case can have, and why.
var notKafkas = map[string]string{
	"Aggregator.DropIf":                deletes,
	"AsyncFlatMapValues":               waits,
	"AsyncMap":                         waits,
	"AsyncMapValues":                   waits,
	"Backoff":                          waits,
	"Changes":                          "Kafka Streams hands old values to its own operators alone",
	"CloseIdleAfter":                   "windows of Kafka Streams close by records alone",
	"Cogrouped.DropIf":                 deletes,
	"Concurrency":                      waits,
	"LateOf":                           late,
	"LateTo":                           late,
	"MapRecords":                       "times and headers are changed by processors alone in Kafka Streams",
	"OnDropped":                        "Kafka Streams counts and logs what it drops, and tells nobody",
	"StartAt":                          "the test driver has no committed offsets and no choice where to start",
	"Stream.AsyncFilter":               waits,
	"Stream.AsyncForEach":              waits,
	"Stream.TryFilter":                 errs,
	"Stream.TryForEach":                errs,
	"Stream.TryPeek":                   errs,
	"TTL":                              "rows of Kafka Streams' key-value stores do not expire",
	"Timeout":                          waits,
	"TryFlatMap":                       errs,
	"TryFlatMapValues":                 errs,
	"TryMap":                           errs,
	"TryMapRecords":                    errs,
	"Unordered":                        waits,
	"processor.Context.BindOutput":     "Output.Bind calls it",
	"processor.Output.Name":            "it says what was given",
	"processor.Retry":                  "Kafka Streams tries nothing again but sending",
	"state.CustomDesc.View":            queries,
	"state.KeyValueDesc.View":          queries,
	"state.ReadOnlyVersioned.Err":      "scans of versions alone need it: queries",
	"state.ReadOnlyVersioned.Versions": queries,
	"state.SessionDesc.View":           queries,
	"state.TTL":                        "rows of Kafka Streams' key-value stores do not expire",
	"state.VersionedDesc.View":         queries,
	"state.WallTTL":                    "rows of Kafka Streams' key-value stores do not expire",
	"state.WindowDesc.View":            queries,
	"window.JoinWindows.Mirror":        "joins turn their own windows round",
	"WallTTL":                          "rows of Kafka Streams' key-value stores do not expire",
}

const (
	deletes     = "an aggregate of Kafka Streams is deleted by null alone"
	errs        = "functions of Kafka Streams see neither the record nor the context, and return no error"
	late        = "Kafka Streams drops what is late"
	engines     = "engines are chosen for an app"
	implemented = "users implement it"
	queries     = "stores are read from outside by queries"
	waits       = "Kafka Streams' functions do not wait for others"
)

// imported are weir's packages as the builders of cases see them.
type imported struct {
	used map[string]bool // the functions and methods that builders use
	weir *types.Package
	near []*types.Package // the surroundings
}

// builders finds what the builders of cases use.
func builders(t *testing.T) (b imported) {
	t.Helper()
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	imp, err := surface.Importer(fset, ".")
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	if _, err := (&types.Config{Importer: imp}).Check("parity", fset, files, info); err != nil {
		t.Fatal(err)
	}
	b.used = map[string]bool{}
	for _, obj := range info.Uses {
		if f, ok := obj.(*types.Func); ok && f.Pkg() != nil {
			b.used[spelled(f.Origin())] = true
			if f.Signature().Recv() == nil && f.Pkg().Path() == weirPath {
				b.used["processor."+f.Name()] = true // weir's own names for decisions
			}
		}
	}
	if b.weir, err = imp.Import(weirPath); err != nil {
		t.Fatal(err)
	}
	for _, path := range surroundings {
		pkg, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		b.near = append(b.near, pkg)
	}
	return b
}

// spelled is a function's name, with its package's unless that is weir.
func spelled(f *types.Func) string {
	if f.Pkg().Path() == weirPath {
		return surface.Name(f)
	}
	return f.Pkg().Name() + "." + surface.Name(f)
}

// operators are the functions and methods with which topologies are made, and the options of operators; then what users' processors call.
func (b imported) operators() (all []string) {
	for _, f := range surface.Functions(b.weir) {
		if builds(f) {
			all = append(all, spelled(f))
		}
	}
	for _, pkg := range b.near {
		for _, f := range append(surface.Functions(pkg), surface.Methods(pkg)...) {
			if called(f) {
				all = append(all, spelled(f))
			}
		}
	}
	return all
}

// called says whether users call a function: not what is for weir's own rooms, and of windows only what makes them, and their serdes.
func called(f *types.Func) bool {
	sig := f.Signature()
	for p := range sig.Params().Variables() {
		if strings.HasSuffix(p.Type().String(), "/seal.Token") {
			return false
		}
	}
	if f.Pkg().Name() != "window" {
		return f.Name() != "String" && notCalled[typeOf(f)] == ""
	}
	if sig.Results().Len() == 0 {
		return false
	}
	of, ok := sig.Results().At(0).Type().(*types.Named)
	return ok && of.Obj().Pkg() != nil && (of.Obj().Pkg() == f.Pkg() || of.Obj().Name() == "Serde")
}

// typeOf is the type that a method is of, with its package.
func typeOf(f *types.Func) string {
	if of := surface.Receiver(f); of != nil {
		return f.Pkg().Name() + "." + of.Obj().Name()
	}
	return ""
}

// made are the types of which topologies are made.
var made = []string{"Stream", "Table", "GlobalTable", "Grouped", "Windowed", "GroupedTable", "Cogrouped", "WindowedCogrouped", "CogroupInput", "Suppression",
	"Topic", "Source", "Aggregator", "OpOption", "CommonOption", "TopicOption", "Optimization"}

// builds says whether a function takes operators' options, or returns a part of a topology.
func builds(f *types.Func) bool {
	sig := f.Signature()
	if sig.Variadic() && isOneOf(sig.Params().At(sig.Params().Len()-1).Type().(*types.Slice).Elem(), "OpOption") {
		return true
	}
	return sig.Results().Len() > 0 && isOneOf(sig.Results().At(0).Type(), made...)
}

func isOneOf(at types.Type, names ...string) bool {
	named, ok := at.(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == weirPath && slices.Contains(names, named.Obj().Name())
}

// unrecorded are operators that no case has, without those of which it is known.
func unrecorded(all []string, used map[string]bool, known map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return used[name] || known[name] != "" })
}

// TestEveryOperatorIsRecorded finds operators and options that were never compared with Kafka Streams.
func TestEveryOperatorIsRecorded(t *testing.T) {
	b := builders(t)
	all := b.operators()
	if len(all) < 180 {
		t.Errorf("only %d operators and options were found: %v", len(all), all)
	}
	for _, name := range unrecorded(all, b.used, notKafkas) {
		t.Errorf("%s occurs in no recorded topology", name)
	}
	for _, name := range slices.Sorted(maps.Keys(notKafkas)) {
		if !slices.Contains(all, name) {
			t.Errorf("%s is said to be weir's alone, but is no operator or option", name)
		}
		if b.used[name] {
			t.Errorf("%s is said to be weir's alone, but occurs in a recorded topology", name)
		}
	}
}

// TestOtherTypes finds types that are said to be no topology's, but are not there, or whose methods builders call.
func TestOtherTypes(t *testing.T) {
	b := builders(t)
	there := map[string]bool{}
	for _, pkg := range b.near {
		for _, f := range append(surface.Functions(pkg), surface.Methods(pkg)...) {
			there[typeOf(f)] = true
			if notCalled[typeOf(f)] != "" && b.used[spelled(f)] {
				t.Errorf("%s is of no topology, but is called in a recorded one", spelled(f))
			}
		}
	}
	for name := range notCalled {
		if !there[name] {
			t.Errorf("%s is said to be of no topology, but is no type with methods", name)
		}
	}
}

func TestUnrecordedOperatorsAreFound(t *testing.T) {
	b := builders(t)
	names := []string{"Stream.Filter", "JoinTable", "InMemory", "EventTime", "state.LRU", "state.ReadOnlyWindow.FetchAll", "state.KeyValue.PutAll",
		"processor.Schedule.From", "processor.Context.Task", "window.Tumbling", "window.JoinWindows.Before"}
	for _, name := range names {
		if !b.used[name] {
			t.Errorf("%s is said to occur nowhere", name)
		}
		delete(b.used, name)
		if !slices.Contains(unrecorded(b.operators(), b.used, nil), name) {
			t.Errorf("that %s occurs nowhere goes unnoticed", name)
		}
	}
}
