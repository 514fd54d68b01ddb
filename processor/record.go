package processor

import (
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/seal"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Headers are a record's headers, in order; a key may occur more than once.
type Headers []Header

// Get returns the last header of a key.
func (h Headers) Get(key string) ([]byte, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == key {
			return h[i].Value, true
		}
	}
	return nil, false
}

// With returns a copy with one header more.
func (h Headers) With(key string, value []byte) Headers {
	return append(h[:len(h):len(h)], Header{Key: key, Value: value})
}

// Record is a key, a value, an event time and headers, by value. Where K or V is nilable, nil is null; where it is not, a hidden bit says so, which the source,
// Tombstone and AsTombstone set and WithKey and WithValue clear: assigning to a field does not.
type Record[K, V any] struct {
	Key     K
	Value   V
	Time    time.Time
	Headers Headers
	null    uint8 // nullKey, nullValue
}

// NewRecord makes a record; nil of a nilable kind is null.
func NewRecord[K, V any](k K, v V, at time.Time) Record[K, V] {
	return Record[K, V]{Key: k, Value: v, Time: at}
}

// Tombstone makes a record whose value is null. V stands first, so that only it is written: Tombstone[Total](key, at).
func Tombstone[V, K any](k K, at time.Time) Record[K, V] {
	return Record[K, V]{Key: k, Time: at, null: nullValue}
}

// IsNull reports whether the value is null: a tombstone.
func (r Record[K, V]) IsNull() bool { return r.null&nullValue != 0 || null.Is(r.Value) }

// KeyIsNull reports whether the key is null.
func (r Record[K, V]) KeyIsNull() bool { return r.null&nullKey != 0 || null.Is(r.Key) }

// AsTombstone returns the record with a null value.
func (r Record[K, V]) AsTombstone() Record[K, V] {
	var zero V
	r.Value, r.null = zero, r.null|nullValue
	return r
}

// WithTime returns the record at another time.
func (r Record[K, V]) WithTime(t time.Time) Record[K, V] { r.Time = t; return r }

// WithHeaders returns the record with other headers.
func (r Record[K, V]) WithHeaders(h Headers) Record[K, V] { r.Headers = h; return r }

// WithKey returns the record with another key, of any type; value, time and headers stay, a null value stays null.
func WithKey[K2, K, V any](r Record[K, V], k K2) Record[K2, V] {
	return Record[K2, V]{Key: k, Value: r.Value, Time: r.Time, Headers: r.Headers, null: r.null &^ nullKey}
}

// WithValue returns the record with another value, of any type; key, time and headers stay, a null key stays null.
func WithValue[V2, K, V any](r Record[K, V], v V2) Record[K, V2] {
	return Record[K, V2]{Key: r.Key, Value: v, Time: r.Time, Headers: r.Headers, null: r.null &^ nullValue}
}

// FixedKeyRecord is a record whose key cannot be changed, so that partitioning is kept.
type FixedKeyRecord[K, V any] struct {
	Value   V
	Time    time.Time
	Headers Headers
	key     K
	null    uint8
}

// Key returns the key.
func (r FixedKeyRecord[K, V]) Key() K { return r.key }

// IsNull reports whether the value is null.
func (r FixedKeyRecord[K, V]) IsNull() bool { return r.null&nullValue != 0 || null.Is(r.Value) }

// KeyIsNull reports whether the key is null.
func (r FixedKeyRecord[K, V]) KeyIsNull() bool { return r.null&nullKey != 0 || null.Is(r.key) }

// WithFixedValue returns the record with another value, of any type; the key stays.
func WithFixedValue[V2, K, V any](r FixedKeyRecord[K, V], v V2) FixedKeyRecord[K, V2] {
	return FixedKeyRecord[K, V2]{Value: v, Time: r.Time, Headers: r.Headers, key: r.key, null: r.null &^ nullValue}
}

// The bits of Record.null.
const (
	nullKey   uint8 = 1
	nullValue uint8 = 2
)

// Seal makes a record with its null bits: 1 a null key, 2 a null value. It is for weir's own rooms.
func Seal[K, V any](_ seal.Token, r Record[K, V], nulls uint8) Record[K, V] {
	r.null = nulls
	return r
}

// SealIn sets headers and null bits in place. It is for weir's own rooms.
func SealIn[K, V any](_ seal.Token, r *Record[K, V], h Headers, nulls uint8) {
	r.Headers, r.null = h, nulls
}

// Nulls are IsNull of key and value, without a copy. It is for weir's own rooms.
func Nulls[K, V any](_ seal.Token, r *Record[K, V]) (key, value bool) {
	return r.null&nullKey != 0 || null.Is(r.Key), r.null&nullValue != 0 || null.Is(r.Value)
}

// FixKey turns a record into one whose key is fixed. It is for weir's own rooms.
func FixKey[K, V any](_ seal.Token, r Record[K, V]) FixedKeyRecord[K, V] {
	return FixedKeyRecord[K, V]{Value: r.Value, Time: r.Time, Headers: r.Headers, key: r.Key, null: r.null}
}

// FreeKey is the opposite of FixKey. It is for weir's own rooms.
func FreeKey[K, V any](_ seal.Token, r FixedKeyRecord[K, V]) Record[K, V] {
	return Record[K, V]{Key: r.key, Value: r.Value, Time: r.Time, Headers: r.Headers, null: r.null}
}
