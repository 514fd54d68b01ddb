package murmur3_test

import (
	"encoding/hex"
	"testing"

	"github.com/weirstream/weir/internal/murmur3"
)

// recorded are what Kafka Streams 4.3.1 says of the bytes i * 37 + 200, for i from 0 to a length, and cover each way through the tail.
var recorded = []struct {
	length int
	sum    string
}{
	{0, "9d2764a018e329428c3cf3b035938518"},
	{1, "bff2166f25d4e3caad76f90042c32eb7"},
	{2, "bcd4482b54b21ae4ff522487ce044fc6"},
	{7, "e2c12aaa37615c8d78e8fff449acd2e3"},
	{8, "5376fe5d8752a4802bcfb922970c534c"},
	{9, "b79cc91e67eb164f7285936d18b5c4c8"},
	{15, "8541440932df88a8133781906f758397"},
	{16, "3b1ca826ba2a8ab100ff368af7e15570"},
	{17, "14606ec89b0c68c720e38f08a941bbdf"},
	{24, "51113554edd27de75501bcf9acda8270"},
	{31, "0fc8bff6b4d635a2db8b6c0ce90a3cd8"},
	{32, "271fc7adca25c66d69f499a2c53fd088"},
	{33, "c811ac0257c06b43de4815d1c281354e"},
	{100, "ac5e6f34f01858a4773258770366c397"},
}

func TestSumIsKafkas(t *testing.T) {
	for _, r := range recorded {
		b := make([]byte, r.length)
		for i := range b {
			b[i] = byte(i*37 + 200)
		}
		sum := murmur3.Sum(b)
		if got := hex.EncodeToString(sum[:]); got != r.sum {
			t.Errorf("%d bytes: %s, want %s", r.length, got, r.sum)
		}
	}
}

func TestAllocationBudget(t *testing.T) {
	b := make([]byte, 33)
	if n := testing.AllocsPerRun(100, func() { murmur3.Sum(b) }); n != 0 {
		t.Errorf("%v allocations, budget 0", n)
	}
}
