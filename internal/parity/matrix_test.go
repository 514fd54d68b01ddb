package parity_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the table of operators into the document")

const (
	semantics   = "../../docs/semantics.md"
	matrixBegin = "<!-- The table is made by: go test ./internal/parity -run TestMatrix -rewrite -->\n\n"
	matrixEnd   = "\n<!-- end of the table -->"
)

// TestMatrix wants the table of operators to say what was recorded.
func TestMatrix(t *testing.T) {
	want, err := recorded(t).Matrix()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(semantics)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(text), matrixBegin)
	table, tail, ended := strings.Cut(rest, matrixEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the table", semantics)
	}
	if table == want {
		return
	}
	if !*rewrite {
		t.Fatalf("the table of %s is not what was recorded: run go test ./internal/parity -run TestMatrix -rewrite", semantics)
	}
	if err := os.WriteFile(semantics, []byte(head+matrixBegin+want+matrixEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
