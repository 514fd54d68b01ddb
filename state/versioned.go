package state

import (
	"iter"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
)

// VersionedDesc describes a versioned store.
type VersionedDesc[K, V any] struct{ declared }

// VersionedStore declares a versioned store that remembers a history: what each key held at any time not older than that, as seen from the greatest time that
// was put (KIP-889). The current version is kept however old it is.
func VersionedStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], history time.Duration, opts ...Option) VersionedDesc[K, V] {
	s := read(opts)
	s.noWindows(rows.VersionedKind)
	if history < 0 || history%time.Millisecond != 0 {
		s.fault("the history %v is not a whole number of milliseconds", history)
	}
	if s.cached {
		s.fault("Cached does not fit a versioned store")
	}
	return VersionedDesc[K, V]{declared{s.apply(rows.NewVersioned(name, k, v, max(history, 0).Milliseconds()))}}
}

// VersionedOf describes a versioned store by its Spec. It is for weir's own rooms.
func VersionedOf[K, V any](_ seal.Token, s *rows.Spec) VersionedDesc[K, V] {
	return VersionedDesc[K, V]{declared{s}}
}

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d VersionedDesc[K, V]) Bind(b Binder) Versioned[K, V] {
	s := bind[*rows.Versions[K, V]](b, d)
	if s == nil {
		return nil
	}
	return versions[K, V]{versionsView[K, V]{&s.VersionsView}, s}
}

// View finds a store to read; weir.ReadStore calls it.
func (d VersionedDesc[K, V]) View(v Viewer) (ReadOnlyVersioned[K, V], error) {
	r, err := view[*rows.VersionsView[K, V]](v, d)
	if err != nil {
		return nil, err
	}
	return versionsView[K, V]{r}, nil
}

// versionsView has times where rows have ms.
type versionsView[K, V any] struct{ v *rows.VersionsView[K, V] }

func (r versionsView[K, V]) Err() error { return r.v.Err() }

func (r versionsView[K, V]) Get(k K) (Version[V], bool, error) { return found(r.v.Latest(k)) }

func (r versionsView[K, V]) GetAsOf(k K, asOf time.Time) (Version[V], bool, error) {
	return found(r.v.AsOf(k, asOf.UnixMilli()))
}

func (r versionsView[K, V]) Versions(k K, from, to time.Time) iter.Seq[Version[V]] {
	return func(yield func(Version[V]) bool) {
		for v := range r.v.Between(k, from.UnixMilli(), to.UnixMilli()) {
			if !yield(versionOf(v)) {
				return
			}
		}
	}
}

func found[V any](v rows.Version[V], ok bool, err error) (Version[V], bool, error) {
	if !ok || err != nil {
		return Version[V]{}, false, err
	}
	return versionOf(v), true, nil
}

func versionOf[V any](v rows.Version[V]) Version[V] {
	return Version[V]{Value: v.Value, From: millis(v.From), To: millis(v.To)}
}

// millis is a time in ms; a negative one is none.
func millis(at int64) time.Time {
	if at < 0 {
		return time.Time{}
	}
	return time.UnixMilli(at).UTC()
}

type versions[K, V any] struct {
	versionsView[K, V]
	s *rows.Versions[K, V]
}

func (s versions[K, V]) Put(k K, v V, at time.Time) (until time.Time, kept bool, err error) {
	next, kept, err := s.s.Put(k, v, at.UnixMilli())
	if !kept || err != nil {
		return time.Time{}, false, err
	}
	return millis(next), true, nil
}

func (s versions[K, V]) Delete(k K, at time.Time) (old Version[V], had bool, err error) {
	was, had, err := s.s.Delete(k, at.UnixMilli())
	return found(was, had, err)
}
