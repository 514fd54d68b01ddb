package murmur2

import "encoding/binary"

const (
	seed  = 0x9747b28c
	mult  = 0x5bd1e995
	shift = 24
)

// Sum is the hash of b.
func Sum(b []byte) int32 {
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * mult
		k ^= k >> shift
		h = h*mult ^ k*mult
	}
	if len(b) > 0 {
		h = (h ^ rest(b)) * mult
	}
	h ^= h >> 13
	h *= mult
	return int32(h ^ h>>15)
}

// rest reads one to three bytes, little-endian.
func rest(b []byte) (k uint32) {
	for i, c := range b {
		k |= uint32(c) << (8 * i)
	}
	return k
}

// Partition is where a record with this encoded key goes in a topic of n partitions; n is positive. The hash's sign bit is cleared first, as Kafka
// does, not its sign changed.
func Partition(key []byte, n int32) int32 {
	return Sum(key) & 0x7fffffff % n
}
