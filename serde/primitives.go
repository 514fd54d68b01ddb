package serde

import (
	"encoding/binary"
	"fmt"
	"math"
)

// String is UTF-8, as Kafka's StringSerializer. The bytes are taken as they are: invalid UTF-8 survives a round trip, where Java replaces it.
func String() Serde[string] { return str{} }

type str struct{}

func (str) Append(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }
func (str) Decode(b []byte) (string, error)             { return string(b), nil }
func (str) Name() string                                { return "string" }

// Bytes is the bytes themselves; nil is null.
func Bytes() Serde[[]byte] { return raw{} }

type raw struct{}

func (raw) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (raw) Name() string                                { return "bytes" }

// DecodeKept is Decode of bytes that nobody changes any more, as those of a fetched record: they are not copied.
func (raw) DecodeKept(b []byte) ([]byte, error) { return b[:len(b):len(b)], nil }

// Decode never returns nil, because nil is null and zero bytes are a value.
func (raw) Decode(b []byte) ([]byte, error) { return append(make([]byte, 0, len(b)), b...), nil }

// Bool is one byte, 0 or 1.
func Bool() Serde[bool] { return boolean{} }

type boolean struct{}

func (boolean) Append(dst []byte, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolean) Decode(b []byte) (bool, error) {
	if len(b) != 1 {
		return false, wrongLength("bool", len(b), 1)
	}
	if b[0] > 1 {
		return false, fmt.Errorf("bool: byte 0x%02x, want 0x00 or 0x01", b[0])
	}
	return b[0] == 1, nil
}

func (boolean) Name() string { return "bool" }

// Int16 is 2 bytes big-endian.
func Int16() Serde[int16] {
	return fixed[int16]{"int16", 2,
		func(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) },
		func(b []byte) int16 { return int16(binary.BigEndian.Uint16(b)) }}
}

// Int32 is 4 bytes big-endian.
func Int32() Serde[int32] {
	return fixed[int32]{"int32", 4,
		func(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) },
		func(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }}
}

// Int64 is 8 bytes big-endian.
func Int64() Serde[int64] {
	return fixed[int64]{"int64", 8,
		func(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) },
		func(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }}
}

// Float32 is 4 bytes, IEEE 754, big-endian. Every bit is kept, also of NaNs and of negative zero.
func Float32() Serde[float32] {
	return fixed[float32]{"float32", 4,
		func(dst []byte, v float32) []byte { return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)) },
		func(b []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(b)) }}
}

// Float64 is 8 bytes, IEEE 754, big-endian. Every NaN is written as Java's one, 7ff8000000000000, as Kafka's DoubleSerializer does (its FloatSerializer
// does not); Go's own ends in 1.
func Float64() Serde[float64] {
	return fixed[float64]{"float64", 8,
		func(dst []byte, v float64) []byte { return binary.BigEndian.AppendUint64(dst, javaBits(v)) },
		func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }}
}

func javaBits(v float64) uint64 {
	if v != v {
		return 0x7ff8000000000000
	}
	return math.Float64bits(v)
}

// fixed is a kind whose encodings all have one size. get is called with exactly size bytes.
type fixed[T any] struct {
	name string
	size int
	put  func(dst []byte, v T) []byte
	get  func(b []byte) T
}

func (f fixed[T]) Append(dst []byte, v T) ([]byte, error) { return f.put(dst, v), nil }

func (f fixed[T]) Decode(b []byte) (T, error) {
	if len(b) != f.size {
		var zero T
		return zero, wrongLength(f.name, len(b), f.size)
	}
	return f.get(b), nil
}

func (f fixed[T]) Name() string { return f.name }

func wrongLength(name string, got, want int) error {
	unit := "bytes"
	if got == 1 {
		unit = "byte"
	}
	return fmt.Errorf("%s: %d %s, want %d", name, got, unit, want)
}
