package murmur3

import (
	"encoding/binary"
	"math/bits"
)

const (
	seed  = 104729
	mult1 = 0x87c37b91114253d5
	mult2 = 0x4cf5ad432745937f
	add1  = 0x52dce729
	add2  = 0x38495ab5
	block = 16
)

// Sum is the hash of b: two numbers of 64 bits, big-endian.
func Sum(b []byte) (sum [16]byte) {
	h1, h2, n := uint64(seed), uint64(seed), uint64(len(b))
	for ; len(b) >= block; b = b[block:] {
		h1 ^= scramble1(binary.LittleEndian.Uint64(b))
		h1 = (bits.RotateLeft64(h1, 27)+h2)*5 + add1
		h2 ^= scramble2(binary.LittleEndian.Uint64(b[8:]))
		h2 = (bits.RotateLeft64(h2, 31)+h1)*5 + add2
	}
	var tail [block]byte
	copy(tail[:], b)
	h1 ^= scramble1(binary.LittleEndian.Uint64(tail[:])) ^ n // what is not there scrambles to zero
	h2 ^= scramble2(binary.LittleEndian.Uint64(tail[8:])) ^ n
	h1 += h2
	h2 += h1
	h1, h2 = avalanche(h1), avalanche(h2)
	h1 += h2
	h2 += h1
	binary.BigEndian.PutUint64(sum[:], h1)
	binary.BigEndian.PutUint64(sum[8:], h2)
	return sum
}

func scramble1(k uint64) uint64 { return bits.RotateLeft64(k*mult1, 31) * mult2 }

func scramble2(k uint64) uint64 { return bits.RotateLeft64(k*mult2, 33) * mult1 }

func avalanche(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
