package state

import (
	"iter"
	"time"

	"github.com/weirstream/weir/window"
)

// ReadOnlyKeyValue is a key-value store to read. A nil or missing value is ok == false.
type ReadOnlyKeyValue[K, V any] interface {
	Get(K) (V, bool, error)
	GetWithTime(K) (V, time.Time, bool, error)
	Range(from, to K) iter.Seq2[K, V] // both ends belong to it, in the order of the encoded keys
	ReverseRange(from, to K) iter.Seq2[K, V]
	All() iter.Seq2[K, V]
	ReverseAll() iter.Seq2[K, V]
	From(k K) iter.Seq2[K, V] // from k, which belongs to it, to the end
	Upto(k K) iter.Seq2[K, V] // from the start to k, which belongs to it
	Prefix(encoded []byte) iter.Seq2[K, V]
	Err() error // the first error of any scan
}

// KeyValue is a key-value store; putting nil of a nilable kind deletes.
type KeyValue[K, V any] interface {
	ReadOnlyKeyValue[K, V]
	Put(K, V) error
	PutAll(iter.Seq2[K, V]) error
	PutIfAbsent(K, V) (old V, had bool, err error)
	Delete(K) error // of a missing row too: its tombstone is logged
}

// ReadOnlyWindow is a window store to read.
type ReadOnlyWindow[K, V any] interface {
	Get(k K, start time.Time) (V, bool, error)
	Fetch(k K, from, to time.Time) iter.Seq2[time.Time, V] // by start; both ends belong to it
	ReverseFetch(k K, from, to time.Time) iter.Seq2[time.Time, V]
	FetchRange(lo, hi K, from, to time.Time) iter.Seq2[window.Key[K], V] // by segment, key, start, as Kafka's persistent store
	FetchAll(from, to time.Time) iter.Seq2[window.Key[K], V]
	All() iter.Seq2[window.Key[K], V]
	ReverseFetchRange(lo, hi K, from, to time.Time) iter.Seq2[window.Key[K], V] // the exact mirror
	ReverseFetchAll(from, to time.Time) iter.Seq2[window.Key[K], V]
	ReverseAll() iter.Seq2[window.Key[K], V]
	Err() error
}

// Window is a window store; a put older than the retention is dropped and counted.
type Window[K, V any] interface {
	ReadOnlyWindow[K, V]
	Put(k K, start time.Time, v V) error
	Delete(k K, start time.Time) error
}

// ReadOnlySession is a session store to read.
type ReadOnlySession[K, V any] interface {
	Get(window.Key[K]) (V, bool, error)
	Fetch(K) iter.Seq2[window.Key[K], V]
	FindSessions(k K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V]
	FindSessionsRange(lo, hi K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V]
	ReverseFindSessions(k K, earliestEnd, latestStart time.Time) iter.Seq2[window.Key[K], V]
	All() iter.Seq2[window.Key[K], V]
	Err() error
}

// Session is a session store.
type Session[K, V any] interface {
	ReadOnlySession[K, V]
	Put(window.Key[K], V) error
	Delete(window.Key[K]) error
}

// ReadOnlyVersioned is a versioned store to read: what a key held at a time.
type ReadOnlyVersioned[K, V any] interface {
	Get(K) (Version[V], bool, error)
	GetAsOf(k K, asOf time.Time) (Version[V], bool, error)
	Versions(k K, from, to time.Time) iter.Seq[Version[V]] // newest first; those valid at any moment of [from, to]
	Err() error
}

// Versioned is a versioned store; a put older than the history is dropped and counted.
type Versioned[K, V any] interface {
	ReadOnlyVersioned[K, V]
	Put(k K, v V, at time.Time) (until time.Time, kept bool, err error) // until is zero for the newest; !kept: older than the history
	Delete(k K, at time.Time) (old Version[V], had bool, err error)
}

// Version is a value with the time from which it held; To is zero for the current one.
type Version[V any] struct {
	Value    V
	From, To time.Time
}
