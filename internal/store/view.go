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
	h, err := s.find(store)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, h.wrap("view", ErrClosed)
	}
	snap := h.engine.Snapshot()
	view, err = h.view(snap)
	if err != nil {
		return nil, nil, errors.Join(err, snap.Close())
	}
	s.views++
	return view, sync.OnceValue(func() error { return s.release(snap) }), nil
}

func (h *host) view(snap state.Snapshot) (any, error) {
	observed := int64(-1)
	raw, ok, err := snap.Get(nil, metaKey(tagObserved, h.spec.Name))
	if err != nil {
		return nil, h.wrap("view", err)
	}
	if ok && len(raw) == 8 {
		observed = int64(binary.BigEndian.Uint64(raw))
	}
	if h.spec.View == nil {
		return nil, fmt.Errorf("store %q: a %s store of this kind has no view", h.spec.Name, h.spec.Kind)
	}
	return h.spec.View(reader{h.number, snap}, observed)
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
