package weir_test

import (
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the repository's texts, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".md") {
			text, err := os.ReadFile(path)
			all[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d documents were found", len(all))
	}
	return all
}

var (
	named  = regexp.MustCompile(`\b(weir|serde|window|state|processor|weirtest|devbroker|query|enginetest)\.([A-Z][A-Za-z0-9]*)(?:\.([A-Z][A-Za-z0-9]*))?`)
	linked = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	fenced = regexp.MustCompile("(?s)```.*?```")
	filed  = regexp.MustCompile("`([a-z][A-Za-z0-9_./-]*/[A-Za-z0-9_.-]+|[a-z_0-9]+\\.go)`")
)

// public looks up what the public packages export; nil where they do not.
func public(t *testing.T) func(pkg, name string) types.Object {
	t.Helper()
	imp := exports(t, token.NewFileSet())
	return func(pkg, name string) types.Object {
		path := "github.com/weirstream/weir"
		switch pkg {
		case "weir":
		case "enginetest":
			path += "/state/enginetest"
		default:
			path += "/" + pkg
		}
		p, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		return p.Scope().Lookup(name)
	}
}

// unknown are the names of our packages that a text uses and nobody exports.
func unknown(text string, lookup func(pkg, name string) types.Object) (all []string) {
	for _, m := range named.FindAllStringSubmatch(text, -1) {
		switch o := lookup(m[1], m[2]); {
		case o == nil:
			all = append(all, m[0])
		case m[3] != "":
			if found, _, _ := types.LookupFieldOrMethod(o.Type(), true, o.Pkg(), m[3]); found == nil {
				all = append(all, m[0])
			}
		}
	}
	return all
}

// broken are the links and the files that a text in a folder names and that are not there.
func broken(dir, text string) (all []string) {
	for _, m := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			all = append(all, m[1])
		}
	}
	for _, m := range filed.FindAllStringSubmatch(text, -1) {
		if !there(dir, m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

// there says whether a file is in the repository: as the path says, from the root or from dir, or, without a folder, anywhere. What does not begin with
// a folder of ours is no path.
func there(dir, path string) bool {
	first, _, deep := strings.Cut(path, "/")
	if info, err := os.Stat(first); deep && (err != nil || !info.IsDir()) {
		return true
	}
	for _, p := range []string{path, path + ".go", filepath.Join(dir, path)} {
		if _, err := os.Stat(p); err == nil {
			return true
		}
	}
	for _, pattern := range []string{"", "*/", "*/*/", "*/*/*/"} {
		if found, err := filepath.Glob(pattern + path); err == nil && len(found) > 0 && !deep {
			return true
		}
	}
	return false
}

// What the documents name exists.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	lookup := public(t)
	for path, text := range documents(t) {
		for _, name := range unknown(text, lookup) {
			t.Errorf("%s names %s, which does not exist", path, name)
		}
		for _, file := range broken(filepath.Dir(path), text) {
			t.Errorf("%s names the file %s, which does not exist", path, file)
		}
	}
}

// Every operator stands in the translation; that docs/semantics.md has it is checked beside the examples.
func TestTranslationHasEveryOperator(t *testing.T) {
	translation := documents(t)["docs/kafka-streams.md"]
	for _, name := range operators(t) {
		if !mentioned(translation, name[strings.LastIndex(name, ".")+1:]) {
			t.Errorf("docs/kafka-streams.md does not name %s", name)
		}
	}
}

// mentioned says whether a text names an operator, or one of a family of which it names one with an ellipsis: `Try…`.
func mentioned(text, name string) bool {
	if regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
		return true
	}
	return strings.HasPrefix(name, "Try") && mentioned(text, strings.TrimPrefix(name, "Try")) && strings.Contains(text, "`Try…`")
}

// The decisions are numbered without a gap, and listed.
func TestDecisionsAreNumbered(t *testing.T) {
	if err := numbered(documents(t)); err != nil {
		t.Error(err)
	}
}

func numbered(texts map[string]string) error {
	var names []string
	for path := range texts {
		if dir, name := filepath.Split(path); dir == "docs/decisions/" && name != "README.md" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var faults []error
	for i, name := range names {
		if !strings.HasPrefix(name, fmt.Sprintf("%04d-", i+1)) || !strings.HasPrefix(texts["docs/decisions/"+name], fmt.Sprintf("# %d. ", i+1)) {
			faults = append(faults, fmt.Errorf("docs/decisions/%s should have the number %d, in its name and its title", name, i+1))
		}
		if !strings.Contains(texts["docs/decisions/README.md"], "("+name+")") {
			faults = append(faults, fmt.Errorf("docs/decisions/README.md does not list %s", name))
		}
		for _, part := range []string{"**Context.**", "**Choice.**", "**What it costs.**", "**What would change our mind.**"} {
			if !strings.Contains(texts["docs/decisions/"+name], part) {
				faults = append(faults, fmt.Errorf("docs/decisions/%s has no part %s", name, part))
			}
		}
	}
	return errors.Join(faults...)
}

// The checks of the documents see what is wrong.
func TestDocumentsAreChecked(t *testing.T) {
	lookup := public(t)
	if got := unknown("weir.From weir.Form state.KeyValue.Get state.KeyValue.Gett weirtest.Driver.Crash", lookup); !slices.Equal(got, []string{"weir.Form", "state.KeyValue.Gett"}) {
		t.Errorf("unknown: %v", got)
	}
	if got := broken(".", "[a](README.md) [b](REAMDE.md) `internal/flow` `internal/flaw` `compile_test.go` `compiled_test.go` `topic/partition`"); !slices.Equal(got, []string{"REAMDE.md", "internal/flaw", "compiled_test.go"}) {
		t.Errorf("broken: %v", got)
	}
	if mentioned("`Map`, `MapValues`", "Maps") || mentioned("`Map`", "TryMap") || !mentioned("`Map`; `Try…` of it", "TryMap") {
		t.Error("mentioned")
	}
	texts := documents(t)
	texts["docs/decisions/0099-x.md"] = "# 98. X\n"
	if err := numbered(texts); err == nil || strings.Count(err.Error(), "0099") != 6 {
		t.Errorf("numbered: %v", err)
	}
}
