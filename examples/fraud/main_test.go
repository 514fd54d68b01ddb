package main

import (
	"bytes"
	"context"
	"regexp"
	"testing"
	"time"
)

// until ends a run when it has written some lines.
type until struct {
	bytes.Buffer
	lines int
	stop  func()
}

func (u *until) Write(b []byte) (int, error) {
	if bytes.Count(u.Bytes(), []byte("\n"))+1 >= u.lines {
		u.stop()
	}
	return u.Buffer.Write(b)
}

var alert = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  card 4000-\d{4}-\d{4} of \w+ \w+ was used ([6-9]|1\d) times in a minute$`)

// TestProgram runs the whole program on a broker in the process, until it has raised some alerts.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &until{lines: 3, stop: cancel}
	if err := run(ctx, []string{"-exactly-once", "-speed", "300", "-workers", "2"}, out); err != nil {
		t.Fatal(err)
	}
	if got := len(alert.FindAllString(out.String(), -1)); got < 3 {
		t.Errorf("%d alerts:\n%s", got, out.String())
	}
}

func TestProgramRefuses(t *testing.T) {
	if err := run(t.Context(), []string{"-workers", "0"}, &bytes.Buffer{}); err == nil {
		t.Error("no worker is enough")
	}
	if err := run(t.Context(), []string{"stray"}, &bytes.Buffer{}); err == nil {
		t.Error("an argument was taken")
	}
}
