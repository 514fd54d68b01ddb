package rows

import (
	"bytes"
	"fmt"

	"github.com/weirstream/weir/serde"
)

// Keys is the key schema of a Table: how a key looks as a local row key and as a changelog key. It is a value without state.
type Keys[KK any] interface {
	// Append appends the local key.
	Append(dst []byte, k KK) ([]byte, error)
	// Decode is the opposite of Append.
	Decode(local []byte) (KK, error)
	// AppendLog appends the changelog key of a local key.
	AppendLog(dst, local []byte) ([]byte, error)
	// AppendLocal is the opposite of AppendLog.
	AppendLocal(dst, log []byte) ([]byte, error)
	// Format names the schema with all that local keys depend on.
	Format() string
}

// Timed are keys whose rows have a time by which they expire.
type Timed interface {
	// Time is the row's time in ms.
	Time(local []byte) (int64, error)
	// Interval is the grain, in ms, in which rows expire.
	Interval() int64
	// Expire gives the ranges of the rows older than floor, which is a multiple of Interval.
	Expire(floor int64) []Span
	// Between gives the range in which the rows of these times stand in the order of time, both ends in it. Where it is a range of index
	// rows, FromIndex makes local keys of them.
	Between(from, to int64) Span
}

// Indexed are keys of which each row has an index row beside it, so that rows can be found in the order of time.
type Indexed interface {
	AppendIndex(dst, local []byte) ([]byte, error)
	FromIndex(dst, index []byte) ([]byte, error)
}

// indexTag begins the local keys of index rows. Other rows of such stores begin with a number that is not negative: they sort before.
const indexTag = 0xff

// PlainKeys is the schema of key-value stores: the local key and the changelog key are the key's bytes.
func PlainKeys[K any](k serde.Serde[K]) Keys[K] { return plainKeys[K]{k} }

type plainKeys[K any] struct{ of serde.Serde[K] }

func (p plainKeys[K]) Append(dst []byte, k K) ([]byte, error)      { return p.of.Append(dst, k) }
func (p plainKeys[K]) Decode(local []byte) (K, error)              { return p.of.Decode(local) }
func (p plainKeys[K]) AppendLog(dst, local []byte) ([]byte, error) { return append(dst, local...), nil }
func (p plainKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) { return append(dst, log...), nil }
func (p plainKeys[K]) Format() string                              { return "key-value/1" }
func (p plainKeys[K]) logIsLocal()                                 {}

// logIsLocal marks keys whose changelog key is the local key.
type logIsLocal interface{ logIsLocal() }

// successor is the least key that is greater than every key beginning with prefix, appended to dst; nil when there is none.
func successor(dst, prefix []byte) []byte {
	for n := len(prefix); n > 0; n-- {
		if prefix[n-1] != 0xff {
			dst = append(dst, prefix[:n]...)
			dst[len(dst)-1]++
			return dst
		}
	}
	return nil
}

func tooShort(what string, b []byte, want int) error {
	return fmt.Errorf("%s: %d bytes, want at least %d", what, len(b), want)
}

func clone(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

func compare(a, b []byte) int { return bytes.Compare(a, b) }
