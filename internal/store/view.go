package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
)

// View is a typed read-only facade over committed rows (Spec.View) as they are now, for queries from any goroutine; it must be released.
// To release it again does nothing.
func (s *Set) View(store string) (view any, release func() error, err error) {
	r, observed, release, err := s.Snapshot(store)
	if err != nil {
		return nil, nil, err
	}
	spec := s.byName[store].spec
	if spec.View == nil {
		return nil, nil, errors.Join(fmt.Errorf("store %q: a %s store of this kind has no view", store, spec.Kind), release())
	}
	if view, err = spec.View(r, observed); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return view, release, nil
}

// Has reports whether the task has a store.
func (s *Set) Has(store string) bool { return s.byName[store] != nil }

// Snapshot is a store's committed rows as they are now, and the greatest time that the store had seen then, for any goroutine; it must be
// released. To release it again does nothing.
func (s *Set) Snapshot(store string) (r rows.Reader, observed int64, release func() error, err error) {
	h, err := s.find(store)
	if err != nil {
		return nil, 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, nil, h.wrap("view", ErrClosed)
	}
	snap := h.engine.Snapshot()
	if observed, err = h.observedIn(snap); err != nil {
		return nil, 0, nil, errors.Join(err, snap.Close())
	}
	s.views++
	return reader{h.number, snap}, observed, sync.OnceValue(func() error { return s.release(snap) }), nil
}

func (h *host) observedIn(snap state.Snapshot) (int64, error) {
	raw, ok, err := snap.Get(nil, metaKey(tagObserved, h.spec.Name))
	if err != nil {
		return 0, h.wrap("view", err)
	}
	if !ok || len(raw) != 8 {
		return -1, nil
	}
	return int64(binary.BigEndian.Uint64(raw)), nil
}

func (s *Set) release(snap state.Snapshot) error {
	err := snap.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views--
	if s.closed && s.views == 0 {
		err = errors.Join(err, s.closeEngines())
	}
	return err
}

// reader is one store's rows in a snapshot. Many goroutines may use it.
type reader struct {
	number uint16
	of     state.Reader
}

func (r reader) Get(dst, key []byte) ([]byte, bool, error) {
	h := host{number: r.number}
	return r.of.Get(dst, h.at(key))
}

func (r reader) Iter(lo, hi []byte, reverse bool) (rows.Iterator, error) {
	h := host{number: r.number}
	from, to := h.bounds(lo, hi)
	it, err := r.of.Iter(from, to, reverse)
	if err != nil {
		return nil, err
	}
	return cutIter{it}, nil
}
