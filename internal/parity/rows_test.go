package parity_test

import (
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
	"github.com/weirstream/weir/internal/surface"
)

// rowless are operators that have no row in the table of special inputs, and why; those that no case can have are not meant.
var rowless = map[string]string{
	"Stream.Print": "passes records on as Stream.Peek does; what it prints was not recorded",
	"TryMapValues": "does what MapValues does where nothing fails, and what fails is no special input",
}

// notSteps are what operators return that are no steps of a topology.
var notSteps = []string{"OpOption", "CommonOption", "TopicOption", "Optimization", "Topic", "Source", "Aggregator", "Suppression"}

// steps are the operators alone, without options.
func steps(weir *types.Package) (all []string) {
	for _, f := range surface.Functions(weir) {
		results := f.Signature().Results()
		if builds(f) && (results.Len() == 0 || !isOneOf(results.At(0).Type(), notSteps...)) {
			all = append(all, surface.Name(f))
		}
	}
	return all
}

// withoutRow are operators that no row names.
func withoutRow(operators []string, rows []string, known ...map[string]string) []string {
	named := map[string]bool{}
	for _, row := range rows {
		for name := range strings.SplitSeq(row, ", ") {
			named[name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(operators), func(name string) bool {
		return named[name] || slices.ContainsFunc(known, func(k map[string]string) bool { return k[name] != "" })
	})
}

// TestEveryOperatorHasARow wants a row for each operator that Kafka Streams has too.
func TestEveryOperatorHasARow(t *testing.T) {
	imp, err := surface.Importer(token.NewFileSet(), weirPath)
	if err != nil {
		t.Fatal(err)
	}
	weir, err := imp.Import(weirPath)
	if err != nil {
		t.Fatal(err)
	}
	all := steps(weir)
	if len(all) < 60 {
		t.Errorf("only %d operators were found: %v", len(all), all)
	}
	for _, name := range withoutRow(all, parity.Rows(), notKafkas, rowless) {
		t.Errorf("%s has no row in the table of special inputs", name)
	}
	for name := range rowless {
		if !slices.Contains(withoutRow(all, parity.Rows()), name) {
			t.Errorf("%s is said to have no row, but is no operator or has one", name)
		}
	}
	for _, name := range []string{"Stream.FilterNot", "GlobalStore", "Cogrouped.MergeBy"} {
		fewer := slices.DeleteFunc(parity.Rows(), func(row string) bool { return strings.Contains(row, name) })
		if !slices.Contains(withoutRow(all, fewer, notKafkas, rowless), name) {
			t.Errorf("that %s has no row goes unnoticed", name)
		}
	}
}
