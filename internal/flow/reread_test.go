package flow

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirstream/weir/processor"
)

// What cannot be read again is left out only where it was left out before.
func TestRefused(t *testing.T) {
	unreadable := errors.New("unreadable")
	says := func(d processor.Decision) Handler {
		return func(_ context.Context, e *processor.RecordError) processor.Decision {
			if e.Phase != processor.Decoding || e.Node != "source" || e.Source.Offset != 7 || string(e.Key) != "k" || !errors.Is(e, unreadable) {
				t.Errorf("asked about %v", e)
			}
			return d
		}
	}
	panics := func(context.Context, *processor.RecordError) processor.Decision { panic("no") }
	for name, c := range map[string]struct {
		own, apps Handler
		left      bool
	}{
		"nobody":         {nil, nil, false},
		"skip":           {says(processor.Skip()), nil, true},
		"dead letter":    {nil, says(processor.DeadLetter("dead")), true},
		"fail":           {nil, says(processor.Fail()), false},
		"again":          {says(processor.Retry(time.Second)), nil, false},
		"the node's own": {says(processor.Fail()), says(processor.Skip()), false},
		"a panic":        {panics, nil, false},
	} {
		err := Refused(c.own, c.apps, "source", processor.Source{Topic: "in", Offset: 7}, []byte("k"), []byte("?"), time.UnixMilli(1), unreadable)
		if c.left != (err == nil) || err != nil && !errors.Is(err, unreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
