package serde_test

import (
	"bytes"
	"testing"

	"github.com/weirstream/weir/serde"
)

// A decoder never panics, and what it accepts it can write again.
func FuzzDecoders(f *testing.F) {
	for _, seed := range []string{"", "\x00", "\x01", "ab", "abcd", "abcdefgh", "123e4567-e89b-12d3-a456-426614174000", `{"id":"x"}`, "null"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		exact(t, serde.String(), b)
		exact(t, serde.Bytes(), b)
		exact(t, serde.Bool(), b)
		exact(t, serde.Int16(), b)
		exact(t, serde.Int32(), b)
		exact(t, serde.Int64(), b)
		exact(t, serde.Float32(), b)
		exact(t, serde.Nullable(serde.Int64()), b)
		again(t, serde.Float64(), b)
		again(t, serde.UUID(), b)
		again(t, serde.JSON[payment](), b)
	})
}

// exact is for formats in which a value has one encoding.
func exact[T any](t *testing.T, s serde.Serde[T], b []byte) {
	v, err := s.Decode(b)
	if err != nil {
		return
	}
	if out, err := s.Append(nil, v); err != nil || !bytes.Equal(out, b) {
		t.Errorf("%s: %x decodes to %v, which encodes to %x, %v", s.Name(), b, v, out, err)
	}
}

func again[T any](t *testing.T, s serde.Serde[T], b []byte) {
	v, err := s.Decode(b)
	if err != nil {
		return
	}
	if err := lawful(s, v); err != nil {
		t.Errorf("%s: %x decodes to %v: %v", s.Name(), b, v, err)
	}
}
