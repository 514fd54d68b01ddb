package murmur2_test

import (
	"fmt"
	"math/bits"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/weirstream/weir/internal/murmur2"
	"pgregory.net/rapid"
)

// kgoPartition is franz-go's own copy of the Java producer's partitioner.
func kgoPartition(key []byte, n int) int {
	return kgo.StickyKeyPartitioner(nil).ForTopic("t").Partition(&kgo.Record{Key: key}, n)
}

func agrees(partition func([]byte, int32) int32, key []byte, n int32) error {
	if got, want := partition(key, n), int32(kgoPartition(key, int(n))); got != want {
		return fmt.Errorf("key %x of %d: partition %d, want %d", key, n, got, want)
	}
	return nil
}

func TestPartitionAgreesWithFranzGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "key")
		if err := agrees(murmur2.Partition, key, rapid.Int32Range(1, 1<<20).Draw(t, "n")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAgreementCatchesAnotherHash(t *testing.T) {
	reversed := func(key []byte, n int32) int32 {
		return int32(bits.Reverse32(uint32(murmur2.Sum(key)))&0x7fffffff) % n
	}
	for i := range 100 {
		if agrees(reversed, fmt.Append(nil, i), 1000) != nil {
			return
		}
	}
	t.Error("another hash passed")
}

func TestSumsOfKafkasOwnExamples(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := murmur2.Sum([]byte(key)); got != want {
			t.Errorf("%q: %d, want %d", key, got, want)
		}
	}
}

func TestTopicOfOnePartition(t *testing.T) {
	for i := range 100 {
		if p := murmur2.Partition(fmt.Append(nil, i), 1); p != 0 {
			t.Fatalf("key %d goes to partition %d of 1", i, p)
		}
	}
}
