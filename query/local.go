package query

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
)

// ErrNotHere is the error of reads while no task with the store runs on this instance: it is restoring, or other instances have them.
var ErrNotHere = errors.New("no task with the store runs here")

// Local is the registry of the stores of running tasks.
type Local struct {
	mu    sync.RWMutex
	tasks map[string]*store.Set
}

// Add makes a task's stores readable.
func (l *Local) Add(task string, s *store.Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks == nil {
		l.tasks = map[string]*store.Set{}
	}
	l.tasks[task] = s
}

// Remove ends that.
func (l *Local) Remove(task string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tasks, task)
}

// View is the typed read-only facade of a store over what runs here.
func (l *Local) View(spec *rows.Spec) (any, error) {
	if spec.View == nil {
		return nil, fmt.Errorf("store %q: a %s store of this kind has no view", spec.Name, spec.Kind)
	}
	r := &reader{l, spec.Name}
	all, err := r.parts()
	if err != nil {
		return nil, err
	}
	if err := releaseAll(all); err != nil {
		return nil, err
	}
	return spec.View(r, -1)
}

// reader is one store over all tasks.
type reader struct {
	l     *Local
	store string
}

// part is one task's rows at a moment.
type part struct {
	rows.Reader
	observed int64
	release  func() error
}

// parts are the store's rows of every task that has it.
func (r *reader) parts() (all []part, err error) {
	r.l.mu.RLock()
	defer r.l.mu.RUnlock()
	for _, task := range slices.Sorted(maps.Keys(r.l.tasks)) {
		s := r.l.tasks[task]
		if !s.Has(r.store) {
			continue
		}
		rd, observed, release, err := s.Snapshot(r.store)
		if errors.Is(err, store.ErrClosed) {
			continue // it is just leaving
		}
		if err != nil {
			return nil, errors.Join(err, releaseAll(all))
		}
		all = append(all, part{rd, observed, release})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("store %q: %w", r.store, ErrNotHere)
	}
	return all, nil
}

func releaseAll(all []part) (err error) {
	for _, p := range all {
		err = errors.Join(err, p.release())
	}
	return err
}

// Observed is the least and the greatest time that the tasks' stores have seen (rows.Observing); without any, nothing is to be seen.
func (r *reader) Observed() (least, greatest int64) {
	all, err := r.parts()
	if err != nil {
		return -1, -1
	}
	defer func() { _ = releaseAll(all) }()
	least, greatest = all[0].observed, all[0].observed
	for _, p := range all {
		least, greatest = min(least, p.observed), max(greatest, p.observed)
	}
	return least, greatest
}

// Get finds the row in the one task that has it.
func (r *reader) Get(dst, key []byte) (val []byte, ok bool, err error) {
	all, err := r.parts()
	if err != nil {
		return dst, false, err
	}
	defer func() { err = errors.Join(err, releaseAll(all)) }()
	for _, p := range all {
		if val, ok, err = p.Get(dst, key); ok || err != nil {
			return val, ok, err
		}
	}
	return dst, false, nil
}

// Iter walks the rows of all tasks in one order.
func (r *reader) Iter(lo, hi []byte, reverse bool) (rows.Iterator, error) {
	all, err := r.parts()
	if err != nil {
		return nil, err
	}
	m := &merged{reverse: reverse, parts: all}
	for _, p := range all {
		it, err := p.Iter(lo, hi, reverse)
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		m.all = append(m.all, it)
	}
	return m, nil
}

// merged walks several iterators as one. Keys of different tasks differ.
type merged struct {
	parts   []part
	all     []rows.Iterator // that are still open
	live    []rows.Iterator // that stand on a row
	first   rows.Iterator
	begun   bool
	reverse bool
	err     error
}

func (m *merged) Next() bool {
	if !m.begun {
		m.begun = true
		for _, it := range m.all {
			m.advance(it)
		}
	} else if m.first != nil {
		it := m.first
		m.live = slices.DeleteFunc(m.live, func(x rows.Iterator) bool { return x == it })
		m.advance(it)
	}
	m.first = nil
	for _, it := range m.live {
		if m.first == nil || m.before(it, m.first) {
			m.first = it
		}
	}
	return m.first != nil && m.err == nil
}

func (m *merged) advance(it rows.Iterator) {
	if it.Next() {
		m.live = append(m.live, it)
		return
	}
	m.err = errors.Join(m.err, it.Err())
}

func (m *merged) before(a, b rows.Iterator) bool {
	c := bytes.Compare(a.Key(), b.Key())
	return c < 0 && !m.reverse || c > 0 && m.reverse
}

func (m *merged) Key() []byte   { return m.first.Key() }
func (m *merged) Value() []byte { return m.first.Value() }
func (m *merged) Err() error    { return m.err }

func (m *merged) Close() (err error) {
	for _, it := range m.all {
		err = errors.Join(err, it.Close())
	}
	err = errors.Join(err, releaseAll(m.parts))
	m.all, m.live, m.first, m.parts = nil, nil, nil, nil
	return err
}
