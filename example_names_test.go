package weir_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"regexp"
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
	if len(all) < 80 {
		t.Errorf("only %d operators were found: %v", len(all), all)
	}
	for _, name := range unsaid(all, string(text)) {
		t.Errorf("docs/semantics.md has no row, column or paragraph of its own for `%s`, in a section that says what is emitted, and what becomes of null keys, null values and late records", name)
	}
}

var (
	saysAll   = []*regexp.Regexp{regexp.MustCompile(`(?i)\bemits?\b`), regexp.MustCompile(`(?i)null keys?\b`), regexp.MustCompile(`(?i)null values?\b|tombstone`), regexp.MustCompile(`(?i)\blate\b`)}
	quoted    = regexp.MustCompile("`([A-Za-z.]+)`")
	generated = regexp.MustCompile(`(?s)<!-- The table is made.*?<!-- end of the table -->`)
)

// beginnings are the parts of a section that say of what the rest is: the first cells of rows, the heads of tables, the first words of paragraphs.
func beginnings(section string) (all []string) {
	lines := strings.Split(section, "\n")
	fresh := true
	for i, line := range lines {
		switch row := strings.HasPrefix(line, "|"); {
		case row && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---"):
			all = append(all, line)
		case row:
			first, _, _ := strings.Cut(line[1:], "|")
			all = append(all, first)
		case fresh || strings.HasPrefix(line, "* "):
			all = append(all, line[:min(len(line), 100)])
		}
		fresh = line == ""
	}
	return all
}

// unsaid are the operators that no section is about: one that names them, a method with the name of its type or without, where a row, a column or a paragraph begins, and that has all
// the answers. Operators of one name need as many places.
func unsaid(operators []string, text string) []string {
	text, _, _ = strings.Cut(generated.ReplaceAllString(text, ""), "\n## Different from")
	places, same := map[string]int{}, map[string]int{}
	for section := range strings.SplitSeq(strings.ReplaceAll(text, "\n### ", "\n## "), "\n## ") {
		if slices.ContainsFunc(saysAll, func(a *regexp.Regexp) bool { return !a.MatchString(section) }) {
			continue
		}
		for _, part := range beginnings(section) {
			for _, m := range quoted.FindAllStringSubmatch(part, -1) {
				places[m[1]]++
			}
		}
	}
	last := func(name string) string { return name[strings.LastIndex(name, ".")+1:] }
	for _, name := range operators {
		if places[name] == 0 || name == last(name) {
			same[last(name)]++
		}
	}
	return slices.DeleteFunc(slices.Clone(operators), func(name string) bool {
		return name != last(name) && places[name] > 0 || places[last(name)] >= same[last(name)]
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
	const heads, answers = "| operator | emits | null key | null value | late |\n|---|---|---|---|---|\n", "What it emits. A null key, null values. Late records.\n"
	for text, want := range map[string]string{
		"## A\n" + heads + "| `Drip`, `Sieve` | as `Strain` | | | |\n":                                                                     "Strain Stream.Sift", // in a later cell
		"## A\n" + answers + "\n`Strain` does.\n* **Sieves** (`Sieve`) do, as `Drip`\n":                                                    "Stream.Sift",
		"## A\n" + answers + "## B\n`Drip`\n":                                                                                              "Drip Sieve Strain Stream.Sift", // in a section without answers
		"## A\n" + answers + "\nIt does what it does, which is a long story, and then it does what others do who are not it, as `Drip`.\n": "Drip Sieve Strain Stream.Sift",
		"## A\n" + heads + "| `Stream.Sift` | | | | |\n| `Strain` |\n\n## Different from\n" + heads + "| `Drip` |\n":                       "Drip Sieve",
		"## A\n" + answers + "<!-- The table is made -->\n| `Drip` |\n<!-- end of the table -->":                                           "Drip Sieve Strain Stream.Sift",
	} {
		if got := strings.Join(unsaid(operators, text), " "); got != want {
			t.Errorf("unsaid: %s, want %s, of\n%s", got, want, text)
		}
	}
	for text, want := range map[string]int{"`Sift`": 2, "`Sift` |\n| `Sift`": 0, "`Sift` |\n| `Stream.Sift`": 0, "`Stream.Sift`": 1} {
		if got := unsaid([]string{"Stream.Sift", "Table.Sift"}, heads+"| "+text+" |\n"); len(got) != want {
			t.Errorf("two of one name, unsaid %v, want %d, of %s", got, want, text)
		}
	}
}
