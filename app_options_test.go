package weir_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// Every time span that an app is given is checked before it starts, and all faults are reported together.
func TestNegativeTimesAreFaults(t *testing.T) {
	b := weir.NewBuilder()
	weir.From(b, weir.NewTopic("in", serde.String(), serde.String())).To(weir.NewTopic("out", serde.String(), serde.String()))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	_, err = weir.New("app", topo, weir.CommitInterval(-time.Second), weir.SessionTimeout(-time.Minute), weir.MaxProcessingTime(-1),
		weir.StateCleanupDelay(-time.Millisecond), weir.StateMaxAge(-time.Hour))
	contains(t, err, "CommitInterval(-1s) is negative", "SessionTimeout(-1m0s) is negative", "MaxProcessingTime(-1ns) is negative",
		"StateCleanupDelay(-1ms) is negative", "StateMaxAge(-1h0m0s) is negative")
	if _, err := weir.New("app", topo, weir.StateCleanupDelay(0), weir.StateMaxAge(time.Hour)); err != nil {
		t.Error(err)
	}
}
