package parity_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

var namedRow = regexp.MustCompile(`(?m)^\| \*\*(.+?)\*\* \|(.+)\|(.+)\|(.+)\|$`)

// explained are the names of the differences that a text explains, sorted.
func explained(text string) (names []string) {
	_, part, _ := strings.Cut(text, "\n## Different from Kafka Streams, on purpose\n")
	for _, row := range namedRow.FindAllStringSubmatch(part, -1) {
		names = append(names, row[1])
	}
	slices.Sort(names)
	return names
}

// TestDifferencesAreExplained wants a row for each difference, and no other.
func TestDifferencesAreExplained(t *testing.T) {
	b, err := os.ReadFile(semantics)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, d := range parity.Differences {
		all = append(all, d.Name)
	}
	slices.Sort(all)
	if got := explained(string(b)); !slices.Equal(got, all) {
		t.Errorf("%s explains %q, there are %q", semantics, got, all)
	}
	for _, name := range all {
		spoiled := strings.ReplaceAll(string(b), "**"+name+"**", name)
		if slices.Equal(explained(spoiled), all) {
			t.Errorf("that nothing explains %q goes unnoticed", name)
		}
	}
}
