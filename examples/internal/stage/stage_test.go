package stage_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/examples/internal/stage"
	"github.com/weirstream/weir/serde"
)

func parsed(t *testing.T, args ...string) *stage.Stage {
	t.Helper()
	s, err := stage.Parse("program", args, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parsed(t, "-exactly-once", "-workers", "3", "-speed", "2.5", "-seed", "9", "-for", "1m", "-state", "/s")
	if !s.ExactlyOnce || s.Workers != 3 || s.Speed != 2.5 || s.Seed != 9 || s.For != time.Minute || s.State != "/s" {
		t.Errorf("%+v", s)
	}
	var help bytes.Buffer
	if _, err := stage.Parse("program", []string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-brokers") {
		t.Errorf("%v, and the help %q", err, help.String())
	}
	if _, err := stage.Parse("program", []string{"stray"}, &help); err == nil {
		t.Error("an argument was taken")
	}
}

func TestRunEndsWithTheFirst(t *testing.T) {
	broken := errors.New("broken")
	waits := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	s := parsed(t)
	if err := s.Run(t.Context(), waits, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("after a failure: %v", err)
	}
	if err := s.Run(t.Context(), waits, func(context.Context) error { return nil }); err != nil {
		t.Errorf("after an end: %v", err)
	}
	s.For = time.Millisecond
	if err := s.Run(t.Context(), waits, waits); err != nil {
		t.Errorf("after its time: %v", err)
	}
}

// TestSendAndRead uses the broker in the process, and looks whether everything is gone after it.
func TestSendAndRead(t *testing.T) {
	s := parsed(t)
	if err := s.Open(t.Context(), 1, "words"); err != nil {
		t.Fatal(err)
	}
	words := weir.NewTopic("words", serde.String(), serde.Int64())
	at := time.UnixMilli(1_700_000_000_000)
	for i := range int64(3) {
		if err := stage.Send(t.Context(), s, words, "k", i, at); err != nil {
			t.Fatal(err)
		}
	}
	enough := errors.New("enough")
	next := int64(0)
	err := stage.Read(t.Context(), s, words, func(r weir.Record[string, int64]) error {
		if r.Key != "k" || r.Value != next || !r.Time.Equal(at) {
			t.Errorf("record %d is %v", next, r)
		}
		if next++; next == 3 {
			return enough
		}
		return nil
	})
	if err != enough {
		t.Errorf("reading ended with %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state's folder after Close: %v", err)
	}
}

func TestOpenWithoutABroker(t *testing.T) {
	s := parsed(t, "-brokers", "127.0.0.1:1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Open(ctx, 1, "words"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(s.State); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state's folder after a failure: %v", err)
	}
}
