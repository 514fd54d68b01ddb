package store

import (
	"fmt"
	"math"

	"github.com/weirstream/weir/internal/rows"
)

// expirer is a store whose rows leave by themselves.
type expirer struct {
	rows.Expirer
	name string
}

// ExpireError is an error of a store whose rows leave.
type ExpireError struct {
	Store string
	Err   error
}

// Error names the store.
func (e *ExpireError) Error() string {
	return fmt.Sprintf("store %q: let rows go whose time is over: %v", e.Store, e.Err)
}

// Unwrap gives what failed.
func (e *ExpireError) Unwrap() error { return e.Err }

// SetWall says what time it is by the wall clock, in ms.
func (s *Set) SetWall(now int64) { s.wall = now }

// Expire lets rows go whose time is over, of each store at most max at once, and says how many it looked at. It may forward.
func (s *Set) Expire(max int) (n int, err error) {
	for _, e := range s.expirers {
		k, err := e.Expire(max)
		if n += k; err != nil {
			return n, &ExpireError{e.name, err}
		}
	}
	return n, nil
}

// NextExpiry is the time of the wall clock, in ms, at which a row may have to leave; false for never.
func (s *Set) NextExpiry() (at int64, ok bool) {
	at = math.MaxInt64
	for _, e := range s.expirers {
		if next, wall := e.Next(); wall {
			at = min(at, next)
		}
	}
	return at, at != math.MaxInt64
}

// settle lets rows go and flushes the caches, which may move the time of other stores, until there is nothing more to do.
func (s *Set) settle() error {
	for {
		n, err := s.Expire(math.MaxInt)
		if err != nil {
			return err
		}
		dirty := false
		for _, c := range s.caches {
			dirty = dirty || c.Dirty() > 0
		}
		if n == 0 && !dirty {
			return nil
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}
