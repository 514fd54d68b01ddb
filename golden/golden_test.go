package golden_test

import (
	"encoding/hex"
	"os"
	"testing"

	"github.com/weirstream/weir/golden"
)

// compare runs a check over every line of a file, and reports the first few that differ.
func compare[T any](t *testing.T, file string, check func(T) error) {
	t.Helper()
	lines, err := golden.Lines[T](file)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 50 {
		t.Fatalf("%s has only %d lines", file, len(lines))
	}
	failed := 0
	for i, line := range lines {
		if err := check(line); err != nil {
			t.Errorf("%s:%d: %v", file, i+1, err)
			failed++
		}
		if failed == 10 {
			t.Fatal("…")
		}
	}
}

// sabotage shows that a check, run on an implementation that is wrong, fails on some line.
func sabotage[T any](t *testing.T, file, what string, check func(T) error) {
	t.Helper()
	lines, err := golden.Lines[T](file)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if check(line) != nil {
			return
		}
	}
	t.Errorf("%s: %s passed", file, what)
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a recorded file holds hex here
	}
	return b
}

func TestFilesAreAsRecorded(t *testing.T) {
	m, err := golden.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	const others = 2 // the manifest, and the topologies, which have their own
	if len(entries) != len(m.Files)+others {
		t.Errorf("%d files, the manifest has %d", len(entries)-others, len(m.Files))
	}
	for name := range m.Files {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Describes(name, b); err != nil {
			t.Error(err)
		}
		b[0] ^= 1
		if m.Describes(name, b) == nil {
			t.Errorf("%s: a changed byte was not noticed", name)
		}
		if m.Describes(name, append(b, '\n')) == nil {
			t.Errorf("%s: an added line was not noticed", name)
		}
	}
}

func TestManifestNamesTheJars(t *testing.T) {
	m, err := golden.ReadManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, jar := range []string{"kafka-clients-4.3.1.jar", "kafka-streams-4.3.1.jar"} {
		if len(m.Jars[jar]) != 64 {
			t.Errorf("%s has the hash %q", jar, m.Jars[jar])
		}
	}
}

func TestLinesAreReadStrictly(t *testing.T) {
	if _, err := golden.Lines[struct{ Serde string }]("serdes.jsonl"); err == nil {
		t.Error("fields that nobody reads were not noticed")
	}
	if _, err := golden.Lines[any]("none.jsonl"); err == nil {
		t.Error("a missing file was not noticed")
	}
}
