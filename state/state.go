// Package state declares stores, what they can do, and what an engine must do for them.
//
// A descriptor (KeyValueStore, WindowStore, …) is a value: declare it once, hand it to weir.Stores, Bind it in a processor's
// Init, read it with weir.ReadStore. Putting nil of a nilable kind deletes, in every kind of store. A scan closes itself; it sees the store as it was when
// it began, so its body may put, delete and forward. Its first error fails the record in a processor; in a view it is Err.
package state

import (
	"iter"
	"time"
	"github.com/weirstream/weir/serde"
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

// Option is a setting of a store that a descriptor declares.
type Option interface{ storeOption() }
type option struct{}

func (option) storeOption() {}

// InMemory keeps the store in memory; it is restored from its changelog at each start.
func InMemory() Option { return option{} }

// Cached puts a write-back cache before the store (the DSL's stores have one without asking).
func Cached() Option { return option{} }

// NoChangelog writes no changelog: what the machine loses is lost.
func NoChangelog() Option { return option{} }

// Retention is how long a window or session store keeps a row in event time; the default is a day.
func Retention(d time.Duration) Option { return option{} }

// Duplicates lets a window store keep several values of one key and time, as joins need it.
func Duplicates() Option { return option{} }

// TTL deletes a row d after its time, in event time; the tombstone goes to the changelog.
func TTL(d time.Duration) Option { return option{} }

// WallTTL deletes a row d after it was put, in wall-clock time.
func WallTTL(d time.Duration) Option { return option{} }

// LRU keeps only the n rows used last, in memory; an evicted row leaves a tombstone in the changelog.
func LRU(n int) Option { return option{} }

// TopicConfig sets topic settings of the changelog.
func TopicConfig(map[string]string) Option { return option{} }

// Descriptor names a store.
type Descriptor interface{ StoreName() string }

// Binder is a processor's context: it finds the task's stores. What it cannot find fails the processor's Init, by name.
type Binder interface{ BindStore(Descriptor) any }

// Viewer is an App: it finds stores to read.
type Viewer interface{ ViewStore(Descriptor) (any, error) }

// Readable is a descriptor whose store is read through an R.
type Readable[R any] interface {
	Descriptor
	View(Viewer) (R, error)
}

// KeyValueDesc describes a key-value store.
type KeyValueDesc[K, V any] struct{ name string }

// KeyValueStore declares a key-value store.
func KeyValueStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], _ ...Option) KeyValueDesc[K, V] {
	return KeyValueDesc[K, V]{name}
}

// StoreName is the name that was given.
func (d KeyValueDesc[K, V]) StoreName() string { return d.name }

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d KeyValueDesc[K, V]) Bind(b Binder) KeyValue[K, V] { return bind[KeyValue[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d KeyValueDesc[K, V]) View(v Viewer) (ReadOnlyKeyValue[K, V], error) {
	return view[ReadOnlyKeyValue[K, V]](v, d)
}

// WindowDesc describes a window store.
type WindowDesc[K, V any] struct{ name string }

// WindowStore declares a window store for windows of a size.
func WindowStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size time.Duration, _ ...Option) WindowDesc[K, V] {
	return WindowDesc[K, V]{name}
}

// StoreName is the name that was given.
func (d WindowDesc[K, V]) StoreName() string { return d.name }

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d WindowDesc[K, V]) Bind(b Binder) Window[K, V] { return bind[Window[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d WindowDesc[K, V]) View(v Viewer) (ReadOnlyWindow[K, V], error) {
	return view[ReadOnlyWindow[K, V]](v, d)
}

// SessionDesc describes a session store.
type SessionDesc[K, V any] struct{ name string }

// SessionStore declares a session store.
func SessionStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], _ ...Option) SessionDesc[K, V] {
	return SessionDesc[K, V]{name}
}

// StoreName is the name that was given.
func (d SessionDesc[K, V]) StoreName() string { return d.name }

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d SessionDesc[K, V]) Bind(b Binder) Session[K, V] { return bind[Session[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d SessionDesc[K, V]) View(v Viewer) (ReadOnlySession[K, V], error) {
	return view[ReadOnlySession[K, V]](v, d)
}

// VersionedDesc describes a versioned store.
type VersionedDesc[K, V any] struct{ name string }

// VersionedStore declares a versioned store that remembers a history.
func VersionedStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], history time.Duration, _ ...Option) VersionedDesc[K, V] {
	return VersionedDesc[K, V]{name}
}

// StoreName is the name that was given.
func (d VersionedDesc[K, V]) StoreName() string { return d.name }

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d VersionedDesc[K, V]) Bind(b Binder) Versioned[K, V] { return bind[Versioned[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d VersionedDesc[K, V]) View(v Viewer) (ReadOnlyVersioned[K, V], error) {
	return view[ReadOnlyVersioned[K, V]](v, d)
}

// CustomDesc describes a store of the user's own, S.
type CustomDesc[S any] struct{ name string }

// CustomStore declares a store that open makes over the byte rows that weir keeps, logs and restores for it.
func CustomStore[S any](name string, open func(Rows) (S, error), _ ...Option) CustomDesc[S] {
	return CustomDesc[S]{name}
}

// StoreName is the name that was given.
func (d CustomDesc[S]) StoreName() string { return d.name }

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d CustomDesc[S]) Bind(b Binder) S { return bind[S](b, d) }

// Rows are the byte rows of a custom store; put with a nil value deletes.
type Rows interface {
	Get(dst, key []byte) (val []byte, ok bool, err error)
	Put(key, val []byte) error
	Scan(lo, hi []byte) iter.Seq2[[]byte, []byte]
}

func bind[S any](b Binder, d Descriptor) S {
	s, _ := b.BindStore(d).(S)
	return s
}

func view[R any](v Viewer, d Descriptor) (r R, err error) {
	found, err := v.ViewStore(d)
	if err == nil {
		r, _ = found.(R)
	}
	return r, err
}

