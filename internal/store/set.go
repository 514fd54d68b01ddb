package store

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
)

// Set is the stores of one task over one durable engine and one in memory. It is owned by the task's goroutine, or by the restorer's
// before the task runs; View may be called from any.
type Set struct {
	durable, mem state.Engine // either may be nil
	stores       []*host      // as declared; not changed after Open
	byName       map[string]*host
	caches       []rows.Cache
	uncached     bool // no store has a cache, whatever its Spec says
	atCommit     []func() error
	pends        []func() int64
	expirers     []expirer
	wall         int64 // ms, of the task's loop
	marks        map[string]int64
	moved        map[string]int64 // marks that were set since the last commit

	log     Logger
	ctx     *rows.Context
	stick   func(error)
	expired func(store string)

	lent       map[string]*Lent // of other tasks
	lendMemory int64            // of each watcher

	mu     sync.Mutex
	views  int      // guarded by mu
	closed bool     // guarded by mu
	after  []func() // of CloseThen, until the engines are closed; guarded by mu
}

// Logger writes a changelog record: the task sends it to the store's changelog topic.
type Logger func(store string, key, value []byte, at int64, headers bool) error

// ErrClosed is the error of a view of a set that was closed.
var ErrClosed = errors.New("the task's stores are closed")

// Open opens the stores of a task. Stores of an earlier life that are not declared any more keep their rows and numbers. Rows of another
// format than the Spec's are forgotten where a changelog can bring them back. mem may be nil when no store is in memory. On an error the
// engines stay the caller's.
func Open(durable, mem state.Engine, specs []*rows.Spec) (*Set, error) {
	s := &Set{durable: durable, mem: mem, byName: map[string]*host{}, marks: map[string]int64{}, moved: map[string]int64{}, ctx: &rows.Context{}}
	for _, spec := range specs {
		if err := s.declare(spec); err != nil {
			return nil, err
		}
	}
	for _, e := range s.engines() {
		if err := s.enter(e); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Set) declare(spec *rows.Spec) error {
	h := newHost(s, spec)
	switch {
	case spec.Fault != nil:
		return spec.Fault
	case s.byName[spec.Name] != nil:
		return fmt.Errorf("store %q is declared twice", spec.Name)
	case h.engine == nil:
		return fmt.Errorf("store %q: the task has no engine for it", spec.Name)
	}
	s.stores = append(s.stores, h)
	s.byName[spec.Name] = h
	return nil
}

// engines are those that the task has, the one with the marks first.
func (s *Set) engines() (all []state.Engine) {
	for _, e := range []state.Engine{s.durable, s.mem} {
		if e != nil {
			all = append(all, e)
		}
	}
	return all
}

// enter reads an engine's dictionary and adds the stores that are new in it.
func (s *Set) enter(e state.Engine) error {
	var b state.Batch
	d, err := readDictionary(e, &b)
	if err != nil {
		return err
	}
	for _, h := range s.stores {
		if h.engine != e {
			continue
		}
		if err := d.enter(h, &b); err != nil {
			return err
		}
	}
	if e == s.engines()[0] {
		s.marks = d.marks
	}
	return apply(e, &b)
}

func apply(e state.Engine, b *state.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if err := e.Apply(b); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}

// Caching says whether the stores that Start opens may have caches, as their Specs say; they may, if nobody says otherwise.
func (s *Set) Caching(on bool) { s.uncached = !on }

// Start makes the facades, once the task is restored. ctx is what is in process; the set keeps the pointer.
func (s *Set) Start(log Logger, ctx *rows.Context, stick func(error), expired func(store string)) error {
	s.log, s.ctx, s.stick, s.expired = log, ctx, stick, expired
	s.caches, s.atCommit, s.pends, s.expirers, s.lent = nil, nil, nil, nil, nil
	for _, h := range s.stores {
		h.facade = nil
	}
	for _, h := range s.stores {
		f, err := h.spec.Open(h)
		if err != nil {
			return h.wrap("open", err)
		}
		h.facade = f
	}
	return nil
}

// CloseFacades closes what the Specs of custom stores have opened since Start, also for stores that were borrowed, if it has Close() error. It is called
// once in the life of a task.
func (s *Set) CloseFacades() (errs []error) {
	for _, h := range s.stores {
		if err := closed(h.spec, h.facade); err != nil {
			errs = append(errs, h.wrap("close", err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.lent)) {
		if err := closed(s.lent[name].owner.spec, s.lent[name].facade); err != nil {
			errs = append(errs, s.lent[name].owner.wrap("close", err))
		}
	}
	return errs
}

// closed closes user code that can be closed, with its panic as an error.
func closed(spec *rows.Spec, facade any) (err error) {
	c, ok := facade.(interface{ Close() error })
	if !ok || spec.Kind != rows.CustomKind {
		return nil
	}
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v", x)
		}
	}()
	return c.Close()
}

// Context is what is in process, as it was given to Start.
func (s *Set) Context() *rows.Context { return s.ctx }

// Store is the typed facade of a store, as its Spec.Open made it; false for a name that the task does not have.
func (s *Set) Store(name string) (any, bool) {
	if h := s.byName[name]; h != nil {
		return h.facade, true
	}
	if l := s.lent[name]; l != nil {
		return l.facade, true
	}
	return nil, false
}

// LogRecord is a record of a changelog.
type LogRecord struct {
	Key, Value []byte // a nil Value is a tombstone
	Time       int64
	Offset     int64 // of a record of a source topic, for messages
}

// Reread makes changelog records of those of the source topic that fills a store, in place. refused decides about what cannot be read: its error ends the
// restore; without one the record is left out, as it was when it was processed.
func (s *Set) Reread(store string, recs []LogRecord, refused func(LogRecord, error) error) ([]LogRecord, error) {
	h, err := s.find(store)
	if err != nil || h.spec.Reread == nil {
		return recs, err
	}
	if h.reread == nil {
		h.reread = h.spec.Reread()
	}
	kept := recs[:0]
	for _, r := range recs {
		if r.Key == nil {
			continue
		}
		k, v, at, ok, err := h.reread(r.Key, r.Value, r.Time)
		if err != nil {
			if err := refused(r, err); err != nil {
				return nil, h.wrap("restore", err)
			}
		} else if ok {
			kept = append(kept, LogRecord{Key: k, Value: v, Time: at, Offset: r.Offset})
		}
	}
	return kept, nil
}

func (s *Set) find(store string) (*host, error) {
	if h := s.byName[store]; h != nil {
		return h, nil
	}
	return nil, fmt.Errorf("store %q: the task has no such store", store)
}

// Position is the changelog offset up to which a store's rows are applied: the next one to read. ok is false where it never was: read from the start.
func (s *Set) Position(store string) (next int64, ok bool) {
	h := s.byName[store]
	if h == nil || h.position < 0 {
		return 0, false
	}
	return h.position, true
}

// changelogDay is how much longer than the store a changelog keeps a window (Kafka's windowstore.changelog.additional.retention.ms), in ms.
const changelogDay = 24 * 60 * 60 * 1000

// Replay applies changelog records, and the position after them, in one batch. Records without a key are passed over.
func (s *Set) Replay(store string, recs []LogRecord, next int64) error {
	h, err := s.find(store)
	if err != nil {
		return err
	}
	b := getBatch()
	defer putBatch(b)
	for _, r := range recs {
		if r.Key == nil {
			continue
		}
		if err := h.replay(b, r); err != nil {
			return h.wrap("restore", err)
		}
	}
	if h.spec.Replay != nil {
		defer h.over.reset()
		h.over.drain(b)
	}
	if h.spec.Retention > 0 {
		floor := h.observed - h.spec.Retention + 1
		if h.spec.Emits { // what waits to be emitted is not known here
			floor -= changelogDay
		}
		h.sweep(b, floor)
	}
	b.Set(metaKey(tagPosition, store), be(next))
	h.observe(b)
	if err := apply(h.engine, b); err != nil {
		return h.wrap("restore", err)
	}
	h.position, h.kept = next, h.observed
	h.seen.Store(h.kept)
	h.gone()
	return nil
}

// observe adds the store's time to a batch where it is new.
func (h *host) observe(b *state.Batch) {
	if h.observed != h.kept {
		b.Set(metaKey(tagObserved, h.spec.Name), be(h.observed))
	}
}

// batchPool shares the memory of batches between tasks, which need it only while they commit or restore.
var batchPool = sync.Pool{New: func() any { return new(state.Batch) }}

func getBatch() *state.Batch { return batchPool.Get().(*state.Batch) }

func putBatch(b *state.Batch) {
	b.Reset()
	batchPool.Put(b)
}

// Forget drops all rows and the position of a store, as when its changelog no longer holds what it builds on.
func (s *Set) Forget(store string) error {
	h, err := s.find(store)
	if err != nil {
		return err
	}
	var b state.Batch
	h.forget(&b)
	h.over.reset()
	if err := apply(h.engine, &b); err != nil {
		return h.wrap("forget", err)
	}
	h.seen.Store(h.kept)
	h.gone()
	return nil
}

// FlushCaches is the stores' part in the first half of a commit: rows whose time is over leave, every cache is flushed, then what is logged in commits
// alone is logged.
func (s *Set) FlushCaches() error {
	if err := s.settle(); err != nil {
		return err
	}
	for _, f := range s.atCommit {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// WriteBack flushes every cache.
func (s *Set) WriteBack() error { return s.flush() }

// flush writes and forwards every dirty entry, in the order in which the stores were declared, until none is left: forwarding may dirty
// further ones.
func (s *Set) flush() error {
	for again := true; again; {
		again = false
		for _, c := range s.caches {
			if c.Dirty() == 0 {
				continue
			}
			again = true
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Trim keeps the caches within a budget: when they hold more, dirty entries are flushed and clean ones dropped, down to three quarters of it, each
// cache in proportion. It is called between records.
func (s *Set) Trim(max int64) error {
	if len(s.caches) == 0 || s.CacheBytes() <= max {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	all := s.CacheBytes()
	if all <= max {
		return nil
	}
	for _, c := range s.caches {
		c.Shrink(int64(float64(max) * 0.75 * float64(c.Bytes()) / float64(all)))
	}
	return nil
}

// CacheBytes is what the caches hold, by estimate.
func (s *Set) CacheBytes() (n int64) {
	for _, c := range s.caches {
		n += c.Bytes()
	}
	return n
}

// PendingBytes is the size of uncommitted writes.
func (s *Set) PendingBytes() (n int64) {
	for _, h := range s.stores {
		n += h.over.bytes()
	}
	for _, f := range s.pends {
		n += f()
	}
	return n
}

// Commit applies all uncommitted writes together with the acknowledged changelog positions (by store: next offset), observed times and the
// marks, in one batch per engine. Rows that have expired are deleted in it. Caches must have been flushed.
func (s *Set) Commit(positions map[string]int64) error {
	for store := range positions {
		if _, err := s.find(store); err != nil {
			return err
		}
	}
	for i, e := range s.engines() {
		if err := s.commitTo(e, i == 0, positions); err != nil {
			return err
		}
	}
	s.committed(positions)
	return nil
}

// commitTo commits what belongs into one engine.
func (s *Set) commitTo(e state.Engine, marks bool, positions map[string]int64) error {
	b := getBatch()
	defer putBatch(b)
	if marks {
		for name, at := range s.moved {
			b.Set(metaKey(tagMark, name), be(at))
		}
	}
	for _, h := range s.stores {
		if h.engine == e {
			h.drain(b, positions)
		}
	}
	return apply(e, b)
}

// drain adds all that a store has to commit to a batch.
func (h *host) drain(b *state.Batch, positions map[string]int64) {
	h.over.drain(b)
	if next, ok := positions[h.spec.Name]; ok && next != h.position {
		b.Set(metaKey(tagPosition, h.spec.Name), be(next))
	}
	h.observe(b)
	if h.spec.Retention > 0 {
		h.sweep(b, min(h.observed-h.spec.Retention+1, h.keep))
	}
}

// committed makes what was applied the state to which Discard goes back.
func (s *Set) committed(positions map[string]int64) {
	for name, at := range s.moved {
		s.marks[name] = at
	}
	clear(s.moved)
	for _, h := range s.stores {
		h.changed()
		h.over.reset()
		h.kept = h.observed
		h.seen.Store(h.kept)
		if next, ok := positions[h.spec.Name]; ok {
			h.position = next
		}
	}
}

// Discard forgets everything that is not committed, caches too, and goes back to the kept times and marks. What Host.Keep said is forgotten.
func (s *Set) Discard() error {
	for _, c := range s.caches {
		c.Clear()
	}
	clear(s.moved)
	for _, h := range s.stores {
		h.over.reset()
		h.observed = h.kept
		h.unkeep()
	}
	return nil
}

// Mark and SetMark are named numbers that are kept with the rows: watermarks of emit-on-close. A missing one is −1.
func (s *Set) Mark(name string) int64 {
	if at, ok := s.moved[name]; ok {
		return at
	}
	if at, ok := s.marks[name]; ok {
		return at
	}
	return -1
}

// MarksOf walks a store's marks that are not −1: the one of its name, and those whose names are its and what follows a zero byte.
func (s *Set) MarksOf(store string) iter.Seq2[string, int64] {
	return func(yield func(name string, at int64) bool) {
		for _, known := range [...]map[string]int64{s.moved, s.marks} {
			for name := range known {
				rest, ok := strings.CutPrefix(name, store)
				if !ok || rest != "" && rest[0] != 0 {
					continue
				}
				if at := s.Mark(name); at >= 0 && !yield(name, at) {
					return
				}
			}
		}
	}
}

// SetMark sets a named number; the next Commit keeps it.
func (s *Set) SetMark(name string, at int64) { s.moved[name] = at }

// Flush makes what was committed durable.
func (s *Set) Flush() (err error) {
	for _, e := range s.engines() {
		err = errors.Join(err, e.Flush())
	}
	return err
}

// Close flushes and closes the engines. Views that are still out keep the engines open until they are released; what was committed is durable
// when Close returns all the same.
func (s *Set) Close() error { return s.CloseThen(func() {}) }

// CloseThen is Close, and calls after once the engines are closed: before it returns, or when the last view is released, on the goroutine
// that does so. It is called once, whatever fails; it must not use the set.
func (s *Set) CloseThen(after func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.closed
	s.closed = true
	s.after = append(s.after, after)
	switch {
	case !first && s.views == 0:
		s.ended()
		return nil
	case !first:
		return nil
	case s.views > 0:
		return s.Flush()
	}
	return s.closeEngines()
}

// closeEngines closes them; mu is held.
func (s *Set) closeEngines() (err error) {
	for _, e := range s.engines() {
		err = errors.Join(err, e.Close())
	}
	s.ended()
	return err
}

// ended says that the engines are closed; mu is held.
func (s *Set) ended() {
	for _, f := range s.after {
		f()
	}
	s.after = nil
}
