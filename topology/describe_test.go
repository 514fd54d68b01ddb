package topology

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestDescribeIsKafkas compares descriptions with those that Kafka Streams printed of the same graphs. testdata/record/record.sh writes the
// outputs, so -rewrite leaves them alone.
func TestDescribeIsKafkas(t *testing.T) {
	datadriven.Walk(t, "testdata/kafka", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			top, err := parse(t, d.Input).Build()
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			if got := top.Describe(); got != d.Expected {
				t.Errorf("%s: %s", d.Pos, firstDifference(got, d.Expected))
			}
			return d.Expected
		})
	})
}

// firstDifference shows the first lines that differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "we print\n" + g[i] + "\nKafka prints\n" + w[i]
		}
	}
	return "we print\n" + got + "\nKafka prints\n" + want
}

// TestDescribeWithoutTopic prints what Kafka prints as a Java object.
func TestDescribeWithoutTopic(t *testing.T) {
	top, err := parse(t, "source a topics=in\nsink b parents=a").Build()
	if err != nil {
		t.Fatal(err)
	}
	if want := "    Sink: b (extractor class: To)\n      <-- a\n"; !strings.Contains(top.Describe(), want) {
		t.Errorf("%s has no %q", top.Describe(), want)
	}
}

// TestDifferenceIsSeen is the saboteur of firstDifference.
func TestDifferenceIsSeen(t *testing.T) {
	if got := firstDifference("a\nb\n", "a\nc\n"); !strings.Contains(got, "b\nKafka prints\nc") {
		t.Errorf("got %q", got)
	}
}
