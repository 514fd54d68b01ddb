package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestDemoBalances(t *testing.T) {
	out := run(t, "demo", "--for", "4s", "--speed", "60")
	if !strings.Contains(out, "The books balance") {
		t.Errorf("the demonstration said:\n%s", out)
	}
}

func TestVersion(t *testing.T) {
	if out := run(t, "version"); !strings.HasPrefix(out, "weir ") {
		t.Errorf("version said %q", out)
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return out.String()
}
