package weir_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/surface"
)

// exports imports the packages that weir and its users import.
func exports(t *testing.T, fset *token.FileSet) types.Importer {
	t.Helper()
	imp, err := surface.Importer(fset, ".", "./serde", "./state/...", "./window", "./processor", "./query", "./weirtest", "./devbroker")
	if err != nil {
		t.Fatal(err)
	}
	return imp
}

// typeErrors are the errors in a source, by line.
func typeErrors(t *testing.T, name string, src []byte) map[int]string {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	errs := map[int]string{}
	conf := types.Config{Importer: exports(t, fset), Error: func(err error) {
		e := err.(types.Error)
		if line := fset.Position(e.Pos).Line; errs[line] == "" && !e.Soft {
			errs[line] = e.Msg
		}
	}}
	_, _ = conf.Check(name, fset, []*ast.File{file}, nil) // Error has them
	return errs
}

// What must not compile does not, and the lines between do.
func TestMustFail(t *testing.T) {
	const name = "testdata/mustfail/mustfail.go"
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	errs := typeErrors(t, name, src)
	marked := 0
	for i, line := range bytes.Split(src, []byte("\n")) {
		_, why, want := bytes.Cut(line, []byte("// error: "))
		if want {
			marked++
		}
		if got := errs[i+1]; want != (got != "") {
			t.Errorf("%s:%d: want an error: %v (%s); got %q", name, i+1, want, why, got)
		}
	}
	if marked < 15 || len(errs) != marked {
		t.Errorf("%d lines are marked, %d have errors", marked, len(errs))
	}
}

// shape is the type of a stream or table in a chain.
type shape struct{ kind, key, value string }

func (s shape) String() string { return fmt.Sprintf("weir.%s[%s, %s]", s.kind, s.key, s.value) }

// of is the shape with another kind, key and value; an empty one stays.
func (s shape) of(kind, key, value string) shape {
	return shape{cmp.Or(kind, s.kind), cmp.Or(key, s.key), cmp.Or(value, s.value)}
}

// link is an operator after a stream or table S of keys K and values V: Go without a type argument, and the shape of what it makes.
type link struct {
	kind, code string
	to         func(shape) shape // nil: nothing comes after it
}

func chainLinks() []link {
	const agg = `weir.NewAggregator(nil, func({K}, {V}, string) string { return "" }).MergeBy(func({K}, string, string) string { return "" })`
	same := func(s shape) shape { return s }
	made := func(kind, key, value string) func(shape) shape {
		return func(s shape) shape { return s.of(kind, key, value) }
	}
	windows := func(value string) func(shape) shape {
		return func(s shape) shape { return s.of("Table", "window.Key["+s.key+"]", value) }
	}
	unwindowed := func(s shape) shape {
		return s.of("", strings.TrimSuffix(strings.TrimPrefix(s.key, "window.Key["), "]"), "")
	}
	return []link{
		{"Stream", `{S}.Filter(func({K}, {V}) bool { return true })`, same},
		{"Stream", `{S}.FilterNot(func({K}, {V}) bool { return true })`, same},
		{"Stream", `{S}.TryFilter(func(context.Context, weir.Record[{K}, {V}]) (bool, error) { return true, nil })`, same},
		{"Stream", `{S}.Peek(func({K}, {V}) {})`, same},
		{"Stream", `{S}.TryPeek(func(context.Context, weir.Record[{K}, {V}]) error { return nil })`, same},
		{"Stream", `{S}.Print(nil)`, same},
		{"Stream", `{S}.To(weir.Topic[{K}, {V}]{})`, nil},
		{"Stream", `{S}.ToFunc(func(weir.Record[{K}, {V}]) (to weir.Topic[{K}, {V}]) { return to })`, nil},
		{"Stream", `{S}.ForEach(func({K}, {V}) {})`, nil},
		{"Stream", `{S}.TryForEach(func(context.Context, weir.Record[{K}, {V}]) error { return nil })`, nil},
		{"Stream", `{S}.AsyncFilter(func(context.Context, weir.Record[{K}, {V}]) (bool, error) { return true, nil }, weir.Concurrency(2))`, same},
		{"Stream", `{S}.AsyncForEach(func(context.Context, weir.Record[{K}, {V}]) error { return nil }, weir.Unordered())`, nil},
		{"Stream", `weir.AsyncMap({S}, func(context.Context, weir.Record[{K}, {V}]) (string, int, error) { return "", 0, nil })`, made("", "string", "int")},
		{"Stream", `weir.AsyncMapValues({S}, func(context.Context, weir.Record[{K}, {V}]) (bool, error) { return true, nil }, weir.Timeout(1))`, made("", "", "bool")},
		{"Stream", `weir.AsyncFlatMapValues({S}, func(context.Context, weir.Record[{K}, {V}]) ([]bool, error) { return nil, nil }, weir.Backoff(1, 1))`, made("", "", "bool")},
		{"Stream", `{S}.Merge({S})`, same},
		{"Stream", `weir.Process({S}, func() (p processor.Processor[{K}, {V}, {V}, {K}]) { return p })`, func(s shape) shape { return s.of("", s.value, s.key) }},
		{"Stream", `weir.ProcessValues({S}, func() (p processor.FixedKey[{K}, {V}, int16]) { return p })`, made("", "", "int16")},
		{"Stream", `weir.OutputOf({S}, processor.Output[{V}, {K}]{})`, func(s shape) shape { return s.of("", s.value, s.key) }},
		{"Stream", `weir.MapRecords({S}, func(r weir.Record[{K}, {V}]) (to weir.Record[{V}, {K}]) { return to })`, func(s shape) shape { return s.of("", s.value, s.key) }},
		{"Stream", `weir.TryMapRecords({S}, func(_ context.Context, r weir.Record[{K}, {V}]) (to weir.Record[{V}, {K}], err error) { return to, err })`, func(s shape) shape { return s.of("", s.value, s.key) }},
		{"Stream", `weir.TryMap({S}, func(context.Context, weir.Record[{K}, {V}]) (string, int, error) { return "", 0, nil })`, made("", "string", "int")},
		{"Stream", `weir.MapValuesWithKey({S}, func({K}, {V}) bool { return true })`, made("", "", "bool")},
		{"Stream", `weir.TryMapValues({S}, func(context.Context, weir.Record[{K}, {V}]) (bool, error) { return true, nil })`, made("", "", "bool")},
		{"Stream", `weir.FlatMapValues({S}, func({V}) []bool { return nil })`, made("", "", "bool")},
		{"Stream", `weir.FlatMapValuesWithKey({S}, func({K}, {V}) []bool { return nil })`, made("", "", "bool")},
		{"Stream", `weir.TryFlatMapValues({S}, func(context.Context, weir.Record[{K}, {V}]) ([]bool, error) { return nil, nil })`, made("", "", "bool")},
		{"Stream", `weir.TryFlatMap({S}, func(_ context.Context, _ weir.Record[{K}, {V}], emit func(string, int)) error { return nil })`, made("", "string", "int")},
		{"Stream of windows", `weir.Unwindow({S})`, unwindowed},
		{"Stream", `{S}.Split("x", weir.When("y", func({K}, {V}) bool { return true }))[0]`, same},
		{"Stream", `{S}.Repartition("x")`, same},
		{"Stream", `weir.KeyBy({S}, func({K}, {V}) int { return 0 })`, made("", "int", "")},
		{"Stream", `weir.Map({S}, func({K}, {V}) (string, int) { return "", 0 })`, made("", "string", "int")},
		{"Stream", `weir.MapValues({S}, func({V}) bool { return true })`, made("", "", "bool")},
		{"Stream", `weir.FlatMap({S}, func(k {K}, v {V}, emit func({V}, {K})) { emit(v, k) })`, func(s shape) shape { return s.of("", s.value, s.key) }},
		{"Stream", `{S}.ToTable("x")`, made("Table", "", "")},
		{"Stream", `weir.Count({S}.GroupByKey(), "x")`, made("Table", "", "int64")},
		{"Stream", `weir.Count(weir.GroupBy({S}, func({K}, {V}) {V} { panic(0) }), "x")`, func(s shape) shape { return s.of("Table", s.value, "int64") }},
		{"Stream", `weir.Reduce({S}.GroupByKey(), "x", func(a, b {V}) {V} { return a })`, made("Table", "", "")},
		{"Stream", `weir.Aggregate({S}.GroupByKey(), "x", ` + agg + `)`, made("Table", "", "string")},
		{"Stream", `weir.Count({S}.GroupByKey().WindowedBy(window.Tumbling(1)), "x")`, windows("int64")},
		{"Stream", `weir.Count({S}.GroupByKey().WindowedBy(window.Sliding(1)), "x")`, windows("int64")},
		{"Stream", `weir.Reduce({S}.GroupByKey().WindowedBy(window.Session(1)), "x", func(a, b {V}) {V} { return a })`, windows("")},
		{"Stream", `weir.LateOf({S}.GroupByKey().WindowedBy(window.Session(1)))`, func(s shape) shape { return s.of("", "", "weir.Late["+s.value+"]") }},
		{"Stream", `weir.Aggregate({S}.GroupByKey().WindowedBy(window.Unlimited(time.Time{})), "x", ` + agg + `)`, windows("string")},
		{"Stream", `weir.Count(weir.GroupBy({S}, func({K}, {V}) {K} { panic(0) }).WindowedBy(window.Hopping(2, 1)), "x", weir.EmitOnClose())`, windows("int64")},
		{"Stream", `weir.Join({S}, {S}, "x", window.Within(1), func({K}, {V}, {V}) int8 { return 0 })`, made("", "", "int8")},
		{"Stream", `weir.LeftJoin({S}, {S}, "x", window.Within(1), func({K}, {V}, *{V}) int8 { return 0 })`, made("", "", "int8")},
		{"Stream", `weir.OuterJoin({S}, {S}, "x", window.Within(1), func({K}, *{V}, *{V}) int8 { return 0 }, weir.EmitEvery(0))`, made("", "", "int8")},
		{"Stream", `weir.AggregateCogroup(weir.Cogroup(func() string { return "" }, weir.Adding({S}.GroupByKey(), func(_ {K}, _ {V}, a string) string { return a })), "x")`, made("Table", "", "string")},
		{"Stream", `weir.AggregateCogroup(weir.Cogroup(func() string { return "" }, weir.Adding({S}.GroupByKey(), func(_ {K}, _ {V}, a string) string { return a })).And().WindowedBy(window.Sliding(1)), "x")`, windows("string")},
		{"Stream", `weir.JoinTable({S}, {S}.ToTable("y"), func({K}, {V}, {V}) int8 { return 0 })`, made("", "", "int8")},
		{"Stream", `weir.LeftJoinTable({S}, {S}.ToTable("y"), func({K}, {V}, *{V}) int8 { return 0 })`, made("", "", "int8")},
		{"Stream", `weir.JoinGlobal({S}, *new(weir.GlobalTable[string, int16]), func({K}, {V}) (string, bool) { return "", true }, func({K}, {V}, int16) int8 { return 0 })`, made("", "", "int8")},
		{"Stream", `weir.LeftJoinGlobal({S}, *new(weir.GlobalTable[string, int16]), func({K}, {V}) (string, bool) { return "", true }, func({K}, {V}, *int16) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `{S}.Filter(func({K}, {V}) bool { return true })`, same},
		{"Table", `{S}.FilterNot(func({K}, {V}) bool { return true })`, same},
		{"Table", `{S}.Suppress("w", weir.UntilTimeLimit(0))`, same},
		{"Table", `weir.MapTable({S}, func({K}, {V}) []{K} { return nil })`, func(s shape) shape { return s.of("", "", "[]"+s.key) }},
		{"Table", `weir.TransformTable({S}, func() (p processor.ValueTransformer[{K}, {V}, int16]) { return p })`, made("", "", "int16")},
		{"Table", `weir.Count(weir.GroupTableBy({S}, func(k {K}, v {V}) ({V}, {K}) { return v, k }), "x")`, func(s shape) shape { return s.of("", s.value, "int64") }},
		{"Table", `weir.ReduceTable(weir.GroupTableBy({S}, func(k {K}, v {V}) ({K}, {V}) { return k, v }), "x", func(a, b {V}) {V} { return a }, func(a, b {V}) {V} { return a })`, same},
		{"Table", `weir.Aggregate(weir.GroupTableBy({S}, func(k {K}, v {V}) ({K}, {V}) { return k, v }), "x", ` + agg + `)`, made("", "", "string")},
		{"Table", `weir.JoinTables({S}, {S}, func({K}, {V}, {V}) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `weir.LeftJoinTables({S}, {S}, func({K}, {V}, *{V}) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `weir.OuterJoinTables({S}, {S}, func({K}, *{V}, *{V}) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `weir.JoinForeign({S}, *new(weir.Table[string, int16]), "x", func({K}, {V}) (string, bool) { return "", true }, func({K}, {V}, int16) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `weir.LeftJoinForeign({S}, *new(weir.Table[string, int16]), "x", func({K}, {V}) (string, bool) { return "", true }, func({K}, {V}, *int16) int8 { return 0 })`, made("", "", "int8")},
		{"Table", `{S}.ToStream()`, made("Stream", "", "")},
		{"Table", `weir.Changes({S})`, func(s shape) shape { return s.of("Stream", "", "weir.Change["+s.value+"]") }},
	}
}

// write writes the operator after the stream or table s of a shape, and declares the result's type, so that inference must agree.
func (l link) write(out io.Writer, s shape) shape {
	code := strings.NewReplacer("{S}", "s", "{K}", s.key, "{V}", s.value).Replace(l.code)
	if l.to == nil {
		fmt.Fprintf(out, "\t%s\n", code)
		return s
	}
	to := l.to(s)
	fmt.Fprintf(out, "\t{\n\t\tvar made %s = %s\n\t\t_ = made\n\t}\n", to, code)
	return to
}

// fits says whether the operator comes after a shape.
func (l link) fits(s shape) bool {
	kind, windows := strings.CutSuffix(l.kind, " of windows")
	return kind == s.kind && (!windows || strings.HasPrefix(s.key, "window.Key["))
}

// Every operator can follow every other, three deep, with no type argument written: no method or function leads into a cycle of instantiations.
func TestOperatorsChain(t *testing.T) {
	var src bytes.Buffer
	src.WriteString("package chain\n\nimport (\n\t\"context\"\n\t\"time\"\n\n\t\"github.com/weirstream/weir\"\n" +
		"\t\"github.com/weirstream/weir/processor\"\n\t\"github.com/weirstream/weir/window\"\n)\n\nvar _ time.Time\n\n")
	chains := 0
	shapes := map[shape]bool{{"Stream", "string", "float64"}: true, {"Table", "string", "float64"}: true}
	seen := map[shape]bool{}
	for range 3 {
		for _, s := range slices.SortedFunc(maps.Keys(shapes), func(a, b shape) int { return strings.Compare(a.String(), b.String()) }) {
			if seen[s] {
				continue
			}
			seen[s] = true
			fmt.Fprintf(&src, "func _(s %s) {\n", s)
			for _, l := range chainLinks() {
				if l.fits(s) {
					shapes[l.write(&src, s)] = true
					chains++
				}
			}
			src.WriteString("}\n\n")
		}
	}
	errs := typeErrors(t, "chain.go", src.Bytes())
	lines := bytes.Split(src.Bytes(), []byte("\n"))
	for _, n := range slices.Sorted(maps.Keys(errs)) {
		t.Errorf("%s\n%s", bytes.TrimSpace(lines[n-1]), errs[n])
	}
	t.Logf("%d operators after %d types", chains, len(seen))
	if chains < 600 {
		t.Errorf("only %d", chains)
	}
}

// operators are the package's exported functions and methods that take a stream, a table or a group, by name.
func operators(t *testing.T) (names []string) {
	t.Helper()
	pkg, err := exports(t, token.NewFileSet()).Import("github.com/weirstream/weir")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range surface.Functions(pkg) {
		if of, in := surface.Receiver(f), f.Signature().Params(); of != nil && flows(of) || of == nil && in.Len() > 0 && flows(in.At(0).Type()) {
			names = append(names, surface.Name(f))
		}
	}
	return names
}

// flows says whether a type is a stream, a table or what is made of one to aggregate it.
func flows(of types.Type) bool {
	named, ok := of.(*types.Named)
	return ok && slices.Contains([]string{"Stream", "Table", "Grouped", "Windowed", "Aggregable", "Reducible"}, named.Obj().Name())
}

// No operator is left out of the chains.
func TestEveryOperatorIsInTheChains(t *testing.T) {
	var code strings.Builder
	for _, l := range chainLinks() {
		code.WriteString(l.code)
	}
	ends := []string{"Table.Store", "Table.VersionedStore", "WindowStoreOf", "SessionStoreOf"} // they give a descriptor
	all := operators(t)
	for _, name := range all {
		call := "weir." + name + "("
		if _, method, is := strings.Cut(name, "."); is {
			call = "." + method + "("
		}
		if !strings.Contains(code.String(), call) && !slices.Contains(ends, name) {
			t.Errorf("%s is in no chain", name)
		}
	}
	if len(all) < 40 {
		t.Errorf("only %d operators were found: %v", len(all), all)
	}
}
