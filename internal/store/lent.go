package store

import (
	"errors"
	"fmt"

	"github.com/weirstream/weir/internal/rows"
)

// Lent is a store of one task, its owner's, as another task reads it: committed rows, each as it is at that moment, whatever the owner does
// meanwhile. It is how tasks see global stores. One goroutine uses a Lent, the borrower's; the owner must not close its set before.
type Lent struct {
	owner  *host
	to     *Set
	at     host // of the number alone, for its buffers
	facade any
}

// Watcher is told which committed rows may have changed, by the owner of the rows, once readers see them. Readers use it meanwhile.
type Watcher interface {
	Changed(key []byte) // a local key, valid during the call
	Reset()             // any row
}

// Borrow makes a store of another task readable here by its name: Store returns a typed facade of it, whose writes fail. It is called after
// Start, and again after the next.
func (s *Set) Borrow(name string, from *Set) error {
	owner, err := from.find(name)
	if err != nil {
		return err
	}
	if s.byName[name] != nil {
		return fmt.Errorf("store %q: the task has a store of its own by this name", name)
	}
	l := &Lent{owner: owner, to: s, at: host{number: owner.number}}
	if l.facade, err = owner.spec.Open(l); err != nil {
		return owner.wrap("open", err)
	}
	if s.lent == nil {
		s.lent = map[string]*Lent{}
	}
	s.lent[name] = l
	return nil
}

// Lent is a borrowed store; false for a name that was not borrowed.
func (s *Set) Lent(name string) (*Lent, bool) {
	l, ok := s.lent[name]
	return l, ok
}

// Facade is what the store's Spec opened.
func (l *Lent) Facade() any { return l.facade }

// Watched is the one watcher of the store's rows, which the first caller makes: what all borrowers share, such as a cache. budget is what
// the owner's LendMemory said.
func (l *Lent) Watched(make func(budget int64) Watcher) Watcher {
	s := l.owner.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := l.owner.watcher.Load(); w != nil {
		return *w
	}
	w := make(s.lendMemory)
	l.owner.watcher.Store(&w)
	return w
}

// LendMemory says how many bytes the watchers of each store may take, before anything is borrowed.
func (s *Set) LendMemory(bytes int64) { s.lendMemory = bytes }

// changed tells who watches of the rows that were committed; the overlay still has them.
func (h *host) changed() {
	w := h.watcher.Load()
	if w == nil {
		return
	}
	h.over.each(func(key []byte) { (*w).Changed(key[prefixLen:]) })
}

// gone tells who watches that rows were forgotten.
func (h *host) gone() {
	if w := h.watcher.Load(); w != nil {
		(*w).Reset()
	}
}

// ErrReadOnly is the error of a write to a store that another task fills.
var ErrReadOnly = errors.New("a global store is read-only here: only its own processor writes it")

func (l *Lent) Get(dst, key []byte) (val []byte, ok bool, err error) {
	if val, ok, err = l.owner.engine.Get(dst, l.at.at(key)); err != nil {
		return dst, false, l.owner.wrap("get", err)
	}
	return val, ok, nil
}

func (l *Lent) Iter(lo, hi []byte, reverse bool) (rows.Iterator, error) {
	from, to := l.at.bounds(lo, hi)
	it, err := l.owner.engine.Iter(from, to, reverse)
	if err != nil {
		return nil, l.owner.wrap("scan", err)
	}
	return cutIter{it}, nil
}

func (l *Lent) refuse() error { return fmt.Errorf("store %q: %w", l.owner.spec.Name, ErrReadOnly) }

func (l *Lent) Set(_, _ []byte) error                  { return l.refuse() }
func (l *Lent) Delete([]byte) error                    { return l.refuse() }
func (l *Lent) Log(_, _ []byte, _ int64, _ bool) error { return l.refuse() }
func (l *Lent) Observed() int64                        { return l.owner.seen.Load() }
func (l *Lent) Observe(int64)                          {}
func (l *Lent) Keep(int64)                             {}
func (l *Lent) Expired()                               {}
func (l *Lent) Context() *rows.Context                 { return l.to.ctx }
func (l *Lent) Attach(rows.Cache) bool                 { return false }
func (l *Lent) AtCommit(func() error)                  {}
func (l *Lent) Pends(func() int64)                     {}
func (l *Lent) Wall() int64                            { return l.to.wall }
func (l *Lent) Expires(rows.Expirer)                   {}

// Stick hands the first error of a scan to the borrower's task.
func (l *Lent) Stick(err error) {
	if l.to.stick != nil {
		l.to.stick(err)
	}
}
