package weir_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"
)

// noOperators are the exported functions and methods that make no part of a topology: by name, by the type that a method is of, or by the type of the
// result, each with the reason why it needs no example.
var noOperators = map[string]string{
	"App":              "runs topologies",
	"AppOption":        "a setting of an App",
	"AppState":         "what OnState tells",
	"Builder":          "what operators are added to: in every example",
	"Topology":         "what an App or a Driver is given: in every example",
	"OpOption":         "a setting of an operator",
	"CommonOption":     "a setting of an App and of operators",
	"TopicOption":      "a setting of a Topic",
	"Optimization":     "a rule of Build",
	"ResetPolicy":      "what StartAt is given",
	"Topic":            "what From, TableFrom and To are given",
	"Source":           "what From is given",
	"Case":             "what Split is given",
	"Aggregator":       "what Aggregate is given",
	"Suppression":      "what Suppress is given",
	"Decision":         "what OnError returns",
	"Record":           "what a test or a processor sends",
	"OrZero":           "a value for joiners",
	"ReadStore":        "asks an App",
	"ReadTestSettings": "is for weirtest",
	"RegisterSerde":    "a setting of a Builder",
}

// parsed are the files of this folder: the package's, without what is generated, or its tests'. What is generated spells functions as methods.
func parsed(t *testing.T, tests bool) (files []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") != tests {
			continue
		}
		if head, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments|parser.PackageClauseOnly); err != nil || ast.IsGenerated(head) {
			continue // it may be of a later Go
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// declaredOperators are the exported functions and methods of exported types that known does not name, by name: Stream.Filter. used is what it names.
func declaredOperators(files []*ast.File, known map[string]string) (names []string, used map[string]bool) {
	used = map[string]bool{}
	for _, file := range files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() {
				continue
			}
			name, of, result := f.Name.Name, "", ""
			if f.Recv != nil {
				of = baseOf(f.Recv.List[0].Type)
				name = of + "." + name
			}
			if f.Type.Results != nil {
				result = baseOf(f.Type.Results.List[0].Type)
			}
			if i := slices.IndexFunc([]string{name, of, result}, func(n string) bool { return known[n] != "" }); i >= 0 {
				used[[]string{name, of, result}[i]] = true
			} else if of == "" || ast.IsExported(of) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, used
}

// baseOf is the name of a type without its parameters, or of what it points to.
func baseOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return baseOf(e.X)
	case *ast.IndexExpr:
		return baseOf(e.X)
	case *ast.IndexListExpr:
		return baseOf(e.X)
	}
	return ""
}

// checked are the examples with checked output: what each calls, by the name of what it shows.
func checked(tests []*ast.File) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, e := range doc.Examples(tests...) {
		if e.Output == "" {
			continue
		}
		parts := slices.DeleteFunc(strings.Split(e.Name, "_"), func(part string) bool { return !ast.IsExported(part) }) // what begins with a small letter is a suffix
		name := strings.Join(parts, ".")
		if all[name] == nil {
			all[name] = map[string]bool{}
		}
		ast.Inspect(e.Code, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				all[name][s.Sel.Name] = true
			}
			return true
		})
	}
	return all
}

// withoutExample are the operators of which no example of their own name, with checked output, shows a call.
func withoutExample(operators []string, examples map[string]map[string]bool) (all []string) {
	for _, name := range operators {
		if !examples[name][name[strings.LastIndex(name, ".")+1:]] {
			all = append(all, name)
		}
	}
	return all
}

// Every operator has an example of its own name, whose output is checked.
func TestEveryOperatorHasAnExample(t *testing.T) {
	all, used := declaredOperators(parsed(t, false), noOperators)
	if len(all) < 80 {
		t.Errorf("only %d operators were found: %v", len(all), all)
	}
	for _, name := range withoutExample(all, checked(parsed(t, true))) {
		t.Errorf("%s has no Example%s with checked output that calls it", name, strings.ReplaceAll(name, ".", "_"))
	}
	for name := range noOperators {
		if !used[name] {
			t.Errorf("%s is said to be no operator, but nothing of that name is exported", name)
		}
	}
}

// What every operator emits, when, and what it does with null and late records stands in docs/semantics.md.
func TestSemanticsHaveEveryOperator(t *testing.T) {
	text, err := os.ReadFile("docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := declaredOperators(parsed(t, false), noOperators)
	for _, name := range unsaid(all, string(text)) {
		t.Errorf("docs/semantics.md does not say what `%s` does", name)
	}
}

// unsaid are the operators that do not occur in a text in backticks, a method with the name of its type or without.
func unsaid(operators []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(operators), func(name string) bool {
		return strings.Contains(text, "`"+name[strings.LastIndex(name, ".")+1:]+"`") || strings.Contains(text, "`"+name+"`")
	})
}

// The checks find what is missing.
func TestMissingExamplesAreFound(t *testing.T) {
	source := func(code string) []*ast.File {
		f, err := parser.ParseFile(token.NewFileSet(), "x_test.go", "package x\n"+code, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		return []*ast.File{f}
	}
	operators, _ := declaredOperators(source("func (s *Stream[K, V]) Sift() {}\nfunc Sieve[K any]() Grouped[K, int] {}\nfunc Strain() []int { return nil }\n"+
		"func Drip() {}\nfunc Named(string) OpOption { return nil }\nfunc (a App) Run() {}\nfunc sip() {}\nfunc (s source) Sip() {}\n"), noOperators)
	if want := []string{"Drip", "Sieve", "Strain", "Stream.Sift"}; !slices.Equal(operators, want) {
		t.Fatalf("operators: %v, want %v", operators, want)
	}
	examples := checked(source("func ExampleStream_Sift_twice() {\n\ts.Sift()\n\t// Output: 1\n}\nfunc ExampleSieve() {\n\tweir.Sift()\n\t// Output: 1\n}\n" +
		"func ExampleStrain() { weir.Strain() }\nfunc ExampleDrip() {\n\tweir.Drip()\n\t// Output: 1\n}\n"))
	if got := withoutExample(operators, examples); !slices.Equal(got, []string{"Sieve", "Strain"}) { // one calls another, one is not checked
		t.Errorf("without an example: %v", got)
	}
	if got := unsaid(operators, "`Drip`, Sieve, `Sift`, `Strainer`"); !slices.Equal(got, []string{"Sieve", "Strain"}) {
		t.Errorf("unsaid: %v", got)
	}
}
