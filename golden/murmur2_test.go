package golden_test

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/murmur2"
)

type hashLine struct {
	Key        string
	Hash       int32
	Partitions [][2]int32
}

func checkHash(partition func(key []byte, n int32) int32) func(hashLine) error {
	return func(line hashLine) error {
		key := unhex(line.Key)
		if got := murmur2.Sum(key); got != line.Hash {
			return fmt.Errorf("hash of %x is %d, want %d", key, got, line.Hash)
		}
		for _, p := range line.Partitions {
			if got := partition(key, p[0]); got != p[1] {
				return fmt.Errorf("partition of %x is %d of %d, want %d", key, got, p[0], p[1])
			}
		}
		return nil
	}
}

func TestHashesAreKafkas(t *testing.T) {
	compare(t, "murmur2.jsonl", checkHash(murmur2.Partition))
}

func TestHashComparisonCatches(t *testing.T) {
	absolute := func(key []byte, n int32) int32 {
		if h := murmur2.Sum(key) % n; h < 0 {
			return -h
		}
		return murmur2.Sum(key) % n
	}
	sabotage(t, "murmur2.jsonl", "an absolute value instead of a cleared sign", checkHash(absolute))
}
