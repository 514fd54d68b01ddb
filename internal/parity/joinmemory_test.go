package parity_test

import (
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
	"github.com/weirstream/weir/weirtest"
)

// The cases were recorded without caches, and so are played without: then joins of streams scan their stores. With room they read memory, and nothing else
// may change.
func TestStreamJoinsReadMemoryAlike(t *testing.T) {
	played := 0
	for name, build := range parity.Builders() {
		if !strings.HasPrefix(name, "stream-stream/") {
			continue
		}
		c, err := recorded(t).Expected(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.Runs[:min(10, runs(len(c.Runs)))] {
			got, err := parity.Play(t, c, build, want, weirtest.Cache(1<<20))
			if err != nil {
				t.Fatal(err)
			}
			if diff := parity.Diff(want, got); len(diff) > 0 {
				t.Errorf("%s, seed %d: %s", name, want.Seed, strings.Join(diff[:min(len(diff), 5)], "\n"))
				break
			}
			played++
		}
	}
	if played < 100 {
		t.Errorf("only %d runs", played)
	}
}
