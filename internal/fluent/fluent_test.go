package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the package whose functions are repeated.
const root = "../.."

func TestTheFileIsOfTodaysFunctions(t *testing.T) {
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, target))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s does not repeat today's functions: run \"go generate .\" in the repository's root, and commit what it writes", target)
	}
}

// lines are the parts of a text that begin with a word.
func lines(text, with string) (all []string) {
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, with) {
			all = append(all, strings.TrimSpace(l))
		}
	}
	return all
}

func generated(t *testing.T, source string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.go": source, "a_test.go": "package weir\n\nfunc Test[K, V any](s Stream[K, V]) {}\n", target: "not Go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := generate(dir)
	return string(text), err
}

func TestEachKindOfFunction(t *testing.T) {
	for source, want := range map[string]string{
		"func Map[K, V, V2 any](s Stream[K, V], f func(V) V2, opts ...OpOption) Stream[K, V2]":                "func (s Stream[K, V]) Map[V2 any](f func(V) V2, opts ...OpOption) Stream[K, V2] {",
		"func MapTable[K, V, V2 any](t Table[K, V], f func(V) V2) Table[K, V2]":                               "func (t Table[K, V]) MapValues[V2 any](f func(V) V2) Table[K, V2] {",
		"func From[K, V any](b *Builder, src Source[K, V]) Stream[K, V]":                                      "func (b *Builder) From[K, V any](src Source[K, V]) Stream[K, V] {",
		"func RegisterSerde[T any](b *Builder, s Serde[T])":                                                   "func (b *Builder) RegisterSerde[T any](s Serde[T]) {",
		"func ReadStore[R any](app *App, store Readable[R]) (R, error)":                                       "func (app *App) Read[R any](store Readable[R]) (R, error) {",
		"func Process[K, V, KO any, P Processor[K, V, KO]](s Stream[K, V], new func() P) Stream[KO, V]":       "func (s Stream[K, V]) Process[KO any, P Processor[K, V, KO]](newProcessor func() P) Stream[KO, V] {",
		"func ReduceTable[K, V any](g GroupedTable[K, V], add, sub func(sum, v V) V) Table[K, V]":             "func (g GroupedTable[K, V]) Reduce(add, sub func(sum, v V) V) Table[K, V] {",
		"func Reduce[K, KO, V any](g Reducible[K, KO, V], store string) Table[KO, V]":                         "func (g Grouped[K, V]) Reduce(store string) Table[K, V] {",
		"func AggregateCogroup[K, KO, A any](g Coaggregable[K, KO, A], store string) Table[KO, A]":            "func (g Cogrouped[K, A]) Aggregate(store string) Table[K, A] {",
		"func Changes[K, V any](t Table[K, V]) Stream[K, Change[V]]":                                          "",
		"func LateOf[K, V any](w Windowed[K, V]) Stream[K, Late[V]]":                                          "",
		"func Lists[K, V any](s Stream[K, V]) Stream[K, []V]":                                                 "",
		"func Unwindow[K, V any](s Stream[window.Key[K], V]) Stream[K, V]":                                    "",
		"func Named(name string) OpOption":                                                                    "",
		"func NewTopic[K, V any](name string) Topic[K, V]":                                                    "",
		"func unexported[K, V any](s Stream[K, V]) Stream[K, V]":                                              "",
		"func TryMap[K, V any](s Stream[K, V], f func(context.Context, V) error) (x Stream[K, V], err error)": "func (s Stream[K, V]) TryMap(f func(context.Context, V) error) (x Stream[K, V], err error) {",
	} {
		text, err := generated(t, "package weir\n\nimport \"context\"\n\n"+source+" { panic(0) }\n")
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := strings.Join(lines(text, "func"), "\n"); got != want {
			t.Errorf("%s\nis\n%s\nwant\n%s", source, got, want)
		}
		if strings.Contains(text, "import") != strings.Contains(want, "context.") {
			t.Errorf("%s: imports are wrong:\n%s", source, text)
		}
	}
}

func TestAnInterfaceStandsForItsKinds(t *testing.T) {
	text, err := generated(t, "package weir\n\nfunc Count[K, KO, V any](g Aggregable[K, KO, V], store string) Table[KO, int64] { panic(0) }\n")
	if err != nil || len(lines(text, "func (g Grouped[K, V]) Count(store string) Table[K, int64]")) != 1 || len(lines(text, "func (g GroupedTable[K, V]) Count(store string) Table[K, int64]")) != 1 {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAMethodThatIsThereIsNotWrittenAgain(t *testing.T) {
	for name, source := range map[string]string{
		"by hand":      "func Join[K, V any](s Stream[K, V]) {}\n\nfunc (s Stream[K, V]) Join() {}\n",
		"of functions": "func Join[K, V any](t Table[K, V]) {}\n\nfunc JoinTables[K, V any](t Table[K, V]) {}\n",
	} {
		if _, err := generated(t, "package weir\n\n"+source); err == nil || !strings.Contains(err.Error(), "another name") {
			t.Errorf("%s: %v, want an error that asks for another name", name, err)
		}
	}
}

// The two spellings of the example promise the same output, by which each is checked.
func TestTheExampleIsTheSameInBothSpellings(t *testing.T) {
	output := regexp.MustCompile(`(?s)// Output:\n.*?\n}`)
	var texts []string
	for _, name := range []string{"example_test.go", "example_go127_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, output.FindString(string(text)))
	}
	if texts[0] == "" || texts[0] != texts[1] {
		t.Errorf("functions promise\n%s\nmethods promise\n%s", texts[0], texts[1])
	}
}
