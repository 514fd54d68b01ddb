package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/serde"
)

// Key is the key of a windowed table: a key in one window. Time windows end before End, sliding and session windows at it.
type Key[K any] struct {
	Key        K
	Start, End time.Time
}

// NewKey is a Key of milliseconds since 1970. Its times are UTC, so that keys of equal windows are equal with ==.
func NewKey[K any](key K, startMs, endMs int64) Key[K] {
	return Key[K]{Key: key, Start: time.UnixMilli(startMs).UTC(), End: time.UnixMilli(endMs).UTC()}
}

// StartMs is the start in milliseconds since 1970; what is finer is cut off.
func (k Key[K]) StartMs() int64 { return k.Start.UnixMilli() }

// EndMs is the end in milliseconds since 1970; what is finer is cut off.
func (k Key[K]) EndMs() int64 { return k.End.UnixMilli() }

// String is Kafka's text of a windowed key: [key@start/end], in milliseconds.
func (k Key[K]) String() string { return fmt.Sprintf("[%v@%d/%d]", k.Key, k.StartMs(), k.EndMs()) }

const stampLen = 8

// KeySerde encodes key and start, as Kafka's TimeWindowedSerializer; size gives the end back and is part of the serde's name.
// It serves time windows with their size and sliding windows with their time difference. Decoded times are UTC.
func KeySerde[K any](k serde.Serde[K], size time.Duration) serde.Serde[Key[K]] {
	s := startKeys[K]{of: k, name: "window(" + size.String() + "):" + k.Name(), sizeMs: size.Milliseconds()}
	if err := notNegative(s.name, "size", size); err != nil {
		return refused[K](s.name, err)
	}
	return s
}

// UnlimitedKeySerde is KeySerde for unlimited windows: End is time.UnixMilli(math.MaxInt64), as Kafka's.
func UnlimitedKeySerde[K any](k serde.Serde[K]) serde.Serde[Key[K]] {
	return startKeys[K]{of: k, name: "window(unlimited):" + k.Name(), sizeMs: math.MaxInt64}
}

// SessionKeySerde encodes key, end and start, as Kafka's SessionWindowedSerializer. Decoded times are UTC.
func SessionKeySerde[K any](k serde.Serde[K]) serde.Serde[Key[K]] {
	return sessionKeys[K]{of: k, name: "session:" + k.Name()}
}

// refused is the serde of a size that cannot be: every use is the same error.
func refused[K any](name string, err error) serde.Serde[Key[K]] {
	return serde.New(name,
		func(dst []byte, _ Key[K]) ([]byte, error) { return dst, err },
		func([]byte) (Key[K], error) { return Key[K]{}, err })
}

// startKeys are keys followed by their window's start.
type startKeys[K any] struct {
	of     serde.Serde[K]
	name   string
	sizeMs int64
}

func (s startKeys[K]) Append(dst []byte, k Key[K]) ([]byte, error) {
	start := k.StartMs()
	if err := validSpan(start, start); err != nil {
		return dst, fmt.Errorf("%s: %w", s.name, err)
	}
	out, err := s.of.Append(dst, k.Key)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", s.name, err)
	}
	return binary.BigEndian.AppendUint64(out, uint64(start)), nil
}

func (s startKeys[K]) Decode(b []byte) (Key[K], error) {
	inner, window, err := cut(b, stampLen)
	if err != nil {
		return Key[K]{}, fmt.Errorf("%s: %w", s.name, err)
	}
	start := int64(binary.BigEndian.Uint64(window))
	return decodeKey(s.of, s.name, inner, start, add(max(start, 0), s.sizeMs))
}

func (s startKeys[K]) Name() string { return s.name }

// InnerKey is the encoded key without its window: the part that is partitioned by.
func (s startKeys[K]) InnerKey(encoded []byte) []byte { return innerOf(encoded, stampLen) }

// sessionKeys are keys followed by their session's end and start.
type sessionKeys[K any] struct {
	of   serde.Serde[K]
	name string
}

func (s sessionKeys[K]) Append(dst []byte, k Key[K]) ([]byte, error) {
	start, end := k.StartMs(), k.EndMs()
	if err := validSpan(start, end); err != nil {
		return dst, fmt.Errorf("%s: %w", s.name, err)
	}
	out, err := s.of.Append(dst, k.Key)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", s.name, err)
	}
	out = binary.BigEndian.AppendUint64(out, uint64(end))
	return binary.BigEndian.AppendUint64(out, uint64(start)), nil
}

func (s sessionKeys[K]) Decode(b []byte) (Key[K], error) {
	inner, window, err := cut(b, 2*stampLen)
	if err != nil {
		return Key[K]{}, fmt.Errorf("%s: %w", s.name, err)
	}
	end := int64(binary.BigEndian.Uint64(window))
	start := int64(binary.BigEndian.Uint64(window[stampLen:]))
	return decodeKey(s.of, s.name, inner, start, end)
}

func (s sessionKeys[K]) Name() string { return s.name }

// InnerKey is the encoded key without its session: the part that is partitioned by.
func (s sessionKeys[K]) InnerKey(encoded []byte) []byte { return innerOf(encoded, 2*stampLen) }

func decodeKey[K any](of serde.Serde[K], name string, inner []byte, start, end int64) (Key[K], error) {
	if err := validSpan(start, end); err != nil {
		return Key[K]{}, fmt.Errorf("%s: %w", name, err)
	}
	key, err := of.Decode(inner)
	if err != nil {
		return Key[K]{}, fmt.Errorf("%s: %w", name, err)
	}
	return NewKey(key, start, end), nil
}

// cut splits an encoded key from the n bytes of its window.
func cut(b []byte, n int) (inner, window []byte, err error) {
	if len(b) < n {
		return nil, nil, fmt.Errorf("%d bytes, want at least %d for the window", len(b), n)
	}
	return b[:len(b)-n], b[len(b)-n:], nil
}

func innerOf(encoded []byte, n int) []byte {
	if inner, _, err := cut(encoded, n); err == nil {
		return inner
	}
	return encoded
}

var errNegativeStart = errors.New("window starts before 1970")

// validSpan refuses the windows that Kafka's own classes refuse.
func validSpan(start, end int64) error {
	if start < 0 {
		return fmt.Errorf("%w, at %d ms", errNegativeStart, start)
	}
	if end < start {
		return fmt.Errorf("window ends at %d ms, before its start %d ms", end, start)
	}
	return nil
}
