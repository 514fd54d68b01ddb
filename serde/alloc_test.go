//go:build !race

package serde_test

import (
	"testing"

	"github.com/weirstream/weir/serde"
)

func TestAllocationBudget(t *testing.T) {
	text, id := "a string of more than a few bytes", [16]byte{1}
	budget(t, serde.Bool(), true, 0, 0)
	budget(t, serde.Int16(), 7, 0, 0)
	budget(t, serde.Int32(), 7, 0, 0)
	budget(t, serde.Int64(), 7, 0, 0)
	budget(t, serde.Float32(), 7, 0, 0)
	budget(t, serde.Float64(), 7, 0, 0)
	budget(t, serde.UUID(), id, 0, 0)
	budget(t, serde.String(), text, 0, 1)
	budget(t, serde.Bytes(), []byte(text), 0, 1)
	budget(t, serde.Nullable(serde.Int64()), new(int64), 0, 1)
	budget(t, serde.JSON[struct{ N int }](), struct{ N int }{7}, 1, 5)
}

func budget[T any](t *testing.T, s serde.Serde[T], v T, encode, decode float64) {
	t.Helper()
	scratch := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Append(scratch, v) }); n > encode {
		t.Errorf("%s: %v allocations to encode, budget %v", s.Name(), n, encode)
	}
	encoded, _ := s.Append(nil, v)
	var out T
	if n := testing.AllocsPerRun(100, func() { out, _ = s.Decode(encoded) }); n > decode {
		t.Errorf("%s: %v allocations to decode, budget %v", s.Name(), n, decode)
	}
	_ = out
}

func BenchmarkRoundTrip(b *testing.B) {
	b.Run("int64", func(b *testing.B) { benchmark(b, serde.Int64(), 7) })
	b.Run("uuid", func(b *testing.B) { benchmark(b, serde.UUID(), [16]byte{1}) })
	b.Run("string", func(b *testing.B) { benchmark(b, serde.String(), "a string of more than a few bytes") })
}

func benchmark[T any](b *testing.B, s serde.Serde[T], v T) {
	b.ReportAllocs()
	var scratch []byte
	for b.Loop() {
		scratch, _ = s.Append(scratch[:0], v)
		_, _ = s.Decode(scratch)
	}
}
