package main

import (
	"bytes"
	"context"
	"regexp"
	"sync"
	"testing"
	"time"
)

// until ends a run when it has written some lines. Parts of the program write at once.
type until struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines int
	stop  func()
}

func (u *until) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.text.Write(b)
	if bytes.Count(u.text.Bytes(), []byte("\n")) >= u.lines {
		u.stop()
	}
	return len(b), nil
}

var total = regexp.MustCompile(`(?m)^\d\d:\d\d:00  acme was paid \d+\.\d\d in \d+ payments$`)

// TestProgram runs the whole program on a broker in the process, until it has totalled some minutes.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &until{lines: 3, stop: cancel}
	if err := run(ctx, []string{"-exactly-once", "-speed", "300"}, out); err != nil {
		t.Fatal(err)
	}
	if got := len(total.FindAllString(out.text.String(), -1)); got < 2 {
		t.Errorf("%d totals:\n%s", got, out.text.String())
	}
}

func TestProgramRefuses(t *testing.T) {
	if err := run(t.Context(), []string{"-workers", "0"}, &until{lines: 1000, stop: func() {}}); err == nil {
		t.Error("no worker is enough")
	}
	if err := run(t.Context(), []string{"stray"}, &until{lines: 1000, stop: func() {}}); err == nil {
		t.Error("an argument was taken")
	}
}
