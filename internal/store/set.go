// Package store keeps the stores of one task: uncommitted writes over an engine, the changelog's records, what a restore applies.
package store

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
)

// Set is the stores of one task over one durable engine and one in memory. It is owned by the task's goroutine, or by the restorer's
// before the task runs.
type Set struct{}

// Logger writes a changelog record: the task sends it to the store's changelog topic.
type Logger func(store string, key, value []byte, at int64, headers bool) error

// Open opens the stores of a task. Stores of an earlier life that are not declared any more keep their rows and numbers. mem may be nil when
// no store is in memory.
func Open(durable, mem state.Engine, specs []*rows.Spec) (*Set, error) { return nil, nil }

// Start makes the facades, once the task is restored. ctx is what is in process; the set keeps the pointer.
func (s *Set) Start(log Logger, ctx *rows.Context, stick func(error), expired func(store string)) error {
	return nil
}

// Store is the typed facade of a store, as its Spec.Open made it; false for a name that the task does not have.
func (s *Set) Store(name string) (any, bool) { return nil, false }

// LogRecord is a record of a changelog.
type LogRecord struct {
	Key, Value []byte // a nil Value is a tombstone
	Time       int64
}

// Position is the changelog offset up to which a store's rows are applied: the next one to read. ok is false where it never was: read from the start.
func (s *Set) Position(store string) (next int64, ok bool) { return 0, false }

// Replay applies changelog records, and the position after them, in one batch.
func (s *Set) Replay(store string, recs []LogRecord, next int64) error { return nil }

// Forget drops all rows and the position of a store, as when its changelog no longer holds what it builds on.
func (s *Set) Forget(store string) error { return nil }

// FlushCaches writes and forwards every dirty entry, in the order in which the stores were declared, until none is left: forwarding may
// dirty further ones.
func (s *Set) FlushCaches() error { return nil }

// Trim keeps the caches within a budget: when they hold more, dirty entries are flushed and clean ones dropped. It is called between records.
func (s *Set) Trim(max int64) error { return nil }

// CacheBytes is what the caches hold; PendingBytes what is not yet committed.
func (s *Set) CacheBytes() int64 { return 0 }

// PendingBytes is the size of uncommitted writes.
func (s *Set) PendingBytes() int64 { return 0 }

// Commit applies all uncommitted writes together with the acknowledged changelog positions (by store: next offset), observed times and the
// marks, in one batch per engine.
func (s *Set) Commit(positions map[string]int64) error { return nil }

// Discard forgets everything that is not committed, caches too, and reads the kept times again.
func (s *Set) Discard() error { return nil }

// Mark and SetMark are named numbers that are kept with the rows: watermarks of emit-on-close. A missing one is −1.
func (s *Set) Mark(name string) int64        { return -1 }
func (s *Set) SetMark(name string, at int64) {}

// View is a typed read-only facade over committed rows (Spec.View), for queries from any goroutine; it must be released.
func (s *Set) View(store string) (view any, release func() error, err error) { return nil, nil, nil }

// Flush makes what was committed durable.
func (s *Set) Flush() error { return nil }

// Close flushes and closes the engines. Views that are still out keep them open until they are released.
func (s *Set) Close() error { return nil }
