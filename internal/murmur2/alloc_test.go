//go:build !race

package murmur2_test

import (
	"testing"

	"github.com/weirstream/weir/internal/murmur2"
)

func TestAllocationBudget(t *testing.T) {
	key := []byte("a key of some length")
	if n := testing.AllocsPerRun(100, func() { murmur2.Partition(key, 12) }); n != 0 {
		t.Errorf("%v allocations, budget 0", n)
	}
}

func BenchmarkPartition(b *testing.B) {
	key := []byte("a key of some length")
	b.SetBytes(int64(len(key)))
	for b.Loop() {
		murmur2.Partition(key, 12)
	}
}
