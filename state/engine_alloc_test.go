//go:build !race

package state_test

import (
	"testing"

	"github.com/weirstream/weir/state"
)

func TestBatchReusesMemory(t *testing.T) {
	var b state.Batch
	key, value := []byte("key"), []byte("value")
	fill := func() {
		b.Reset()
		for range 100 {
			b.Set(key, value)
		}
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n != 0 {
		t.Errorf("filling a used batch allocates %v times, want 0", n)
	}
}
