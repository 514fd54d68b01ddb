package state

import (
	"fmt"
	"maps"
	"time"

	"github.com/weirstream/weir/internal/rows"
)

// Option is a setting of a store that a descriptor declares.
type Option interface{ storeOption() }

type option func(*settings)

func (option) storeOption() {}

// settings is what options say. Each fills its own field; what does not fit the kind of store is a fault.
type settings struct {
	inMemory, cached, unlogged, duplicates bool
	retention                              *time.Duration
	lru                                    int
	ttl                                    time.Duration
	wall                                   bool // of ttl
	config                                 map[string]string
	faults                                 []string
}

// InMemory keeps the store in memory; it is restored from its changelog at each start.
func InMemory() Option { return option(func(s *settings) { s.inMemory = true }) }

// Cached puts a write-back cache before the store (the DSL's stores have one without asking).
func Cached() Option { return option(func(s *settings) { s.cached = true }) }

// NoChangelog writes no changelog: what the machine loses is lost.
func NoChangelog() Option { return option(func(s *settings) { s.unlogged = true }) }

// Retention is how long a window or session store keeps a row in event time; the default is a day.
func Retention(d time.Duration) Option { return option(func(s *settings) { s.retention = &d }) }

// Duplicates lets a window store keep several values of one key and time, as joins need it.
func Duplicates() Option { return option(func(s *settings) { s.duplicates = true }) }

// TTL deletes a row d after its time, in event time; the tombstone goes to the changelog.
//
// The time is the store's own: the greatest time of a record that was put or deleted. A row is seen while its time > the store's time − d; then it is gone for
// who reads, and it leaves with the records that follow, the last before a commit. What is put when it is that old is dropped and counted.
func TTL(d time.Duration) Option { return option(func(s *settings) { s.live("TTL", d, false) }) }

// WallTTL deletes a row d after it was put, in wall-clock time.
// A row is gone for who reads when its time is over, and leaves
// within a commit. One that was restored from the changelog, which does not have the moment of the put, lives for d from then on.
func WallTTL(d time.Duration) Option {
	return option(func(s *settings) { s.live("WallTTL", d, true) })
}

// LRU keeps only the n rows used last, in memory; an evicted row leaves a tombstone in the changelog.
func LRU(n int) Option {
	return option(func(s *settings) {
		if s.lru = n; n < 1 {
			s.fault("LRU(%d) keeps nothing", n)
		}
	})
}

// TopicConfig sets topic settings of the changelog.
func TopicConfig(c map[string]string) Option {
	return option(func(s *settings) {
		if s.config == nil {
			s.config = map[string]string{}
		}
		maps.Copy(s.config, c)
	})
}

// live notes a time to live.
func (s *settings) live(what string, d time.Duration, wall bool) {
	switch {
	case s.ttl != 0:
		s.fault("a second time to live: %s(%v)", what, d)
	case d < time.Millisecond || d%time.Millisecond != 0:
		s.fault("%s(%v) is not a whole number of milliseconds, and at least one", what, d)
	}
	s.ttl, s.wall = max(d, time.Millisecond), wall
}

func (s *settings) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func read(opts []Option) *settings {
	s := &settings{}
	for _, o := range opts {
		if f, ok := o.(option); ok {
			f(s)
		}
	}
	return s
}

const defaultRetention = 24 * time.Hour

// keep is the retention in ms; shortest is the least that makes sense.
func (s *settings) keep(shortest time.Duration) int64 {
	if s.retention == nil {
		return max(defaultRetention, shortest).Milliseconds()
	}
	d := *s.retention
	if d < shortest || d <= 0 {
		s.fault("Retention(%v) is too short: it keeps no whole window of %v", d, shortest)
	}
	if d%time.Millisecond != 0 {
		s.fault("Retention(%v) is not a whole number of milliseconds", d)
	}
	return max(d.Milliseconds(), 1)
}

// noWindows faults options that only stores of windows take.
func (s *settings) noWindows(kind rows.Kind) {
	if s.retention != nil {
		s.fault("Retention does not fit a %s store", kind)
	}
	s.noDuplicates(kind)
}

func (s *settings) noDuplicates(kind rows.Kind) {
	if s.duplicates {
		s.fault("Duplicates does not fit a %s store", kind)
	}
}

// apply gives a spec the settings and the faults.
func (s *settings) apply(spec *rows.Spec) *rows.Spec {
	spec.InMemory, spec.Cached, spec.Logged, spec.Config, spec.LRU = s.inMemory || s.lru > 0, s.cached, !s.unlogged, s.config, s.lru
	if s.lru != 0 && (spec.Kind != rows.KeyValueKind || s.cached) {
		s.fault("LRU fits a key-value store without Cached")
	}
	switch {
	case s.ttl == 0:
	case spec.Kind != rows.KeyValueKind:
		s.fault("TTL and WallTTL fit a key-value store, not a %s store", spec.Kind)
	case s.lru != 0:
		s.fault("LRU does not go with TTL and WallTTL")
	default:
		spec.Expiring(s.ttl.Milliseconds(), s.wall)
	}
	if spec.Name == "" {
		s.fault("a store needs a name")
	}
	if s.cached && s.duplicates {
		s.fault("Cached does not go with Duplicates")
	}
	if len(s.faults) > 0 {
		spec.Fault = fault{spec.Name, s.faults}
	}
	return spec
}

// fault is everything that is wrong with a declaration.
type fault struct {
	store string
	texts []string
}

func (f fault) Error() string {
	text := fmt.Sprintf("store %q: ", f.store)
	for i, t := range f.texts {
		if i > 0 {
			text += "; "
		}
		text += t
	}
	return text
}
