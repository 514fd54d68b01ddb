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

// notKafkas are operators and options that no case can have, and why.
var notKafkas = map[string]string{
	"Aggregator.DropIf":   deletes,
	"AsyncFlatMapValues":  waits,
	"AsyncMap":            waits,
	"AsyncMapValues":      waits,
	"Backoff":             waits,
	"Changes":             "Kafka Streams hands old values to its own operators alone",
	"CloseIdleAfter":      "windows of Kafka Streams close by records alone",
	"Cogrouped.DropIf":    deletes,
	"Concurrency":         waits,
	"LateOf":              late,
	"LateTo":              late,
	"MapRecords":          "times and headers are changed by processors alone in Kafka Streams",
	"OnDropped":           "Kafka Streams counts and logs what it drops, and tells nobody",
	"StartAt":             "the test driver has no committed offsets and no choice where to start",
	"Stream.AsyncFilter":  waits,
	"Stream.AsyncForEach": waits,
	"Stream.Print":        "what is printed is no record",
	"Stream.TryFilter":    errs,
	"Stream.TryForEach":   errs,
	"Stream.TryPeek":      errs,
	"TTL":                 "rows of Kafka Streams' key-value stores do not expire",
	"Timeout":             waits,
	"TryFlatMap":          errs,
	"TryFlatMapValues":    errs,
	"TryMap":              errs,
	"TryMapRecords":       errs,
	"Unordered":           waits,
	"WallTTL":             "rows of Kafka Streams' key-value stores do not expire",
}

const (
	deletes = "an aggregate of Kafka Streams is deleted by null alone"
	errs    = "functions of Kafka Streams see neither the record nor the context, and return no error"
	late    = "Kafka Streams drops what is late"
	waits   = "Kafka Streams' functions do not wait for others"
)

// builders are what the builders of cases use of package weir, and that package.
func builders(t *testing.T) (used map[string]bool, weir *types.Package) {
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
	used = map[string]bool{}
	for _, obj := range info.Uses {
		if f, ok := obj.(*types.Func); ok && f.Pkg() != nil && f.Pkg().Path() == weirPath {
			used[surface.Name(f.Origin())] = true
		}
	}
	if weir, err = imp.Import(weirPath); err != nil {
		t.Fatal(err)
	}
	return used, weir
}

// operators are the functions and methods with which topologies are made, and the options of operators.
func operators(weir *types.Package) (all []string) {
	for _, f := range surface.Functions(weir) {
		if builds(f) {
			all = append(all, surface.Name(f))
		}
	}
	return all
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
	used, weir := builders(t)
	all := operators(weir)
	if len(all) < 80 {
		t.Errorf("only %d operators and options were found: %v", len(all), all)
	}
	for _, name := range unrecorded(all, used, notKafkas) {
		t.Errorf("%s occurs in no recorded topology", name)
	}
	for _, name := range slices.Sorted(maps.Keys(notKafkas)) {
		if !slices.Contains(all, name) {
			t.Errorf("%s is said to be weir's alone, but is no operator or option", name)
		}
		if used[name] {
			t.Errorf("%s is said to be weir's alone, but occurs in a recorded topology", name)
		}
	}
}

func TestUnrecordedOperatorsAreFound(t *testing.T) {
	used, weir := builders(t)
	for _, name := range []string{"Stream.Filter", "JoinTable", "InMemory", "EventTime"} {
		if !used[name] {
			t.Errorf("%s is said to occur nowhere", name)
		}
		delete(used, name)
		if !slices.Contains(unrecorded(operators(weir), used, nil), name) {
			t.Errorf("that %s occurs nowhere goes unnoticed", name)
		}
	}
}
