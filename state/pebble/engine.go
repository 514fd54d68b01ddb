package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirstream/weir/state"
)

// ErrClosed is the error of every use of an engine after its Close.
var ErrClosed = errors.New("closed")

// maxBatch is what one Pebble batch takes, with room for its own headers.
const maxBatch = 3 << 30

// engine is a state.Engine on one database. Every method holds mu for reading, so that Close, which holds it for writing, pulls the
// database away from under no one.
type engine struct {
	dir      string
	provider *Provider
	lock     *pebble.Lock
	files    *files

	mu sync.RWMutex
	db *pebble.DB // nil once closed; guarded by mu

	unsynced bool // batches were applied since the log was synced; of the one goroutine that applies, flushes and ingests
}

// configure adds to opts what is this engine's own.
func (e *engine) configure(opts *pebble.Options) {
	opts.FS, opts.Lock = e.files, e.lock
	opts.Logger = logger{e}
	opts.EventListener = &pebble.EventListener{BackgroundError: e.report}
}

func (e *engine) report(err error) { e.provider.o.report(e.dir, err) }

// usable is nil while the engine may be used; mu is held.
func (e *engine) usable() error {
	if e.db == nil {
		return ErrClosed
	}
	return e.files.fault()
}

func (e *engine) error(what string, err error) error {
	return fmt.Errorf("pebble: %s: %s: %w", e.dir, what, err)
}

func (e *engine) Get(dst, key []byte) ([]byte, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.usable(); err != nil {
		return dst, false, e.error("get", err)
	}
	return e.get(e.db, dst, key)
}

func (e *engine) get(r pebble.Reader, dst, key []byte) ([]byte, bool, error) {
	v, c, err := r.Get(key)
	if err == pebble.ErrNotFound {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, e.error("get", err)
	}
	dst = append(dst, v...)
	if err := c.Close(); err != nil {
		return dst, true, e.error("get", err)
	}
	return dst, true, nil
}

func (e *engine) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.usable(); err != nil {
		return nil, e.error("iter", err)
	}
	return e.iter(e.db, lo, hi, reverse)
}

func (e *engine) iter(r pebble.Reader, lo, hi []byte, reverse bool) (state.Iterator, error) {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return nothing{}, nil // Pebble takes an empty hi for no bound
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		return nil, e.error("iter", err)
	}
	return &iterator{e: e, it: it, reverse: reverse}, nil
}

// Apply writes the batch to the log's file and to memory. The file waits for no disk unless it is strict: see files.
func (e *engine) Apply(b *state.Batch) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.usable(); err != nil {
		return e.error("apply", err)
	}
	if b.Len() == 0 {
		return nil
	}
	if b.Bytes() > maxBatch {
		return e.error("apply", fmt.Errorf("a batch of %d bytes; at most %d go into one", b.Bytes(), maxBatch))
	}
	if err := e.apply(b); err != nil {
		return e.error("apply", err)
	}
	return nil
}

func (e *engine) apply(b *state.Batch) error {
	e.unsynced = true
	to := e.db.NewBatch() // from Pebble's pool, where Close puts it back
	for _, op := range b.Ops() {
		if err := add(to, op); err != nil {
			return errors.Join(err, to.Close())
		}
	}
	if err := e.db.Apply(to, pebble.Sync); err != nil {
		return errors.Join(err, to.Close())
	}
	if err := e.files.fault(); err != nil {
		return err // Pebble answers nil to what it calls fatal; its batch is lost to the pool
	}
	return to.Close()
}

func add(to *pebble.Batch, op state.Op) error {
	switch op.Kind {
	case state.OpSet:
		return to.Set(op.Key, op.Value, nil)
	case state.OpDelete:
		return to.Delete(op.Key, nil)
	case state.OpDeleteRange:
		if bytes.Compare(op.Key, op.Value) >= 0 {
			return nil // Pebble has no meaning for such a range
		}
		return to.DeleteRange(op.Key, op.Value, nil)
	}
	panic(fmt.Sprintf("pebble: a batch holds an operation of unknown kind %d", op.Kind))
}

// Ingest adds table files, which NewTable writes, and takes them: they are linked into the directory where that is possible, else copied,
// and gone from their paths after success. The ranges of keys of several files must be apart. What was applied before is made durable
// first, since the files are durable at once and must not survive what they follow.
func (e *engine) Ingest(paths []string) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.usable(); err != nil {
		return e.error("ingest", err)
	}
	if len(paths) == 0 {
		return nil
	}
	err := e.strictly(func() error { return e.db.Ingest(context.Background(), paths) })
	if err != nil {
		return e.error("ingest", err)
	}
	return nil
}

// Flush waits until the log is on disk. It writes no table file: what is in memory is replayed from the log.
func (e *engine) Flush() error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if err := e.usable(); err != nil {
		return e.error("flush", err)
	}
	if err := e.strictly(func() error { return nil }); err != nil {
		return e.error("flush", err)
	}
	return nil
}

// strictly syncs the log, and then does something whose syncs of the log are true ones. One goroutine at a time applies, flushes and
// ingests, so no batch waits for the disk on account of this.
func (e *engine) strictly(do func() error) error {
	e.files.strict.Store(true)
	defer e.files.strict.Store(false)
	if err := e.syncLog(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return e.files.fault()
}

// syncLog costs an idle engine nothing: what earlier processes left in the log went into table files when it was opened.
func (e *engine) syncLog() error {
	if !e.unsynced {
		return nil
	}
	if err := e.db.LogData(nil, pebble.Sync); err != nil {
		return err
	}
	e.unsynced = false
	return e.files.fault()
}

func (e *engine) Snapshot() state.Snapshot {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := &snapshot{e: e}
	if e.usable() == nil {
		s.s = e.db.NewSnapshot()
	}
	return s
}

// Close closes the log, which syncs it, and gives the directory back.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.db == nil {
		return e.error("close", ErrClosed)
	}
	err := errors.Join(e.files.fault(), e.db.Close(), e.lock.Close())
	e.db = nil
	e.provider.release()
	if err != nil {
		return e.error("close", err)
	}
	return nil
}

// snapshot is a state.Snapshot; s is nil once closed, and where the engine could not be used.
type snapshot struct {
	e *engine
	s *pebble.Snapshot
}

func (s *snapshot) usable() error {
	if s.s == nil {
		return ErrClosed
	}
	return s.e.usable()
}

func (s *snapshot) Get(dst, key []byte) ([]byte, bool, error) {
	s.e.mu.RLock()
	defer s.e.mu.RUnlock()
	if err := s.usable(); err != nil {
		return dst, false, s.e.error("get from a snapshot", err)
	}
	return s.e.get(s.s, dst, key)
}

func (s *snapshot) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	s.e.mu.RLock()
	defer s.e.mu.RUnlock()
	if err := s.usable(); err != nil {
		return nil, s.e.error("iter over a snapshot", err)
	}
	return s.e.iter(s.s, lo, hi, reverse)
}

func (s *snapshot) Close() error {
	if s.s == nil {
		return nil
	}
	err := s.s.Close()
	s.s = nil
	if err != nil {
		return s.e.error("close a snapshot", err)
	}
	return nil
}
