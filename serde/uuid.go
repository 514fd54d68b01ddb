package serde

import (
	"encoding/hex"
	"fmt"
)

// UUID is the 36-byte text form, as Kafka's UUIDSerializer. Upper-case digits are read too; Java's shortened groups ("1-1-1-1-1") are not.
func UUID() Serde[[16]byte] { return uuid{} }

const uuidLen = 36

type uuid struct{}

func (uuid) Append(dst []byte, v [16]byte) ([]byte, error) {
	dst = hex.AppendEncode(dst, v[:4])
	for _, group := range [4][2]int{{4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, v[group[0]:group[1]])
	}
	return dst, nil
}

func (uuid) Decode(b []byte) (v [16]byte, err error) {
	if len(b) != uuidLen {
		return v, wrongLength("uuid", len(b), uuidLen)
	}
	var digits [32]byte
	n := 0
	for i, c := range b {
		if isDash := i == 8 || i == 13 || i == 18 || i == 23; !isDash {
			digits[n] = c
			n++
		} else if c != '-' {
			return v, fmt.Errorf("uuid: byte 0x%02x at %d, want a dash", c, i)
		}
	}
	if _, err := hex.Decode(v[:], digits[:]); err != nil {
		return [16]byte{}, fmt.Errorf("uuid: %w", err)
	}
	return v, nil
}

func (uuid) Name() string { return "uuid" }
