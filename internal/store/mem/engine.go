package mem

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/tidwall/btree"

	"github.com/weirstream/weir/state"
)

// ErrClosed is the error of every use of an engine or a snapshot after its Close.
var ErrClosed = errors.New("mem: closed")

// row is one row of the map. Its slices are never written again: trees, snapshots and iterators share them.
type row struct{ key, value []byte }

type tree = btree.BTreeG[row]

func newTree() *tree {
	return btree.NewBTreeGOptions(func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }, btree.Options{NoLocks: true})
}

// engine is a state.Engine. A batch changes rows in place, under the lock; whoever wants to look for longer than one Get takes a copy
// of the tree, which from then on shares only nodes that no one writes.
type engine struct {
	mu     sync.RWMutex
	rows   *tree  // nil once closed; guarded by mu
	closed func() // tells the Disk; may be nil
}

// New makes an empty engine that forgets its rows at Close.
func New() state.Engine { return &engine{rows: newTree()} }

func (e *engine) Get(dst, key []byte) ([]byte, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.rows == nil {
		return dst, false, ErrClosed
	}
	return get(e.rows, dst, key)
}

func get(t *tree, dst, key []byte) ([]byte, bool, error) {
	r, ok := t.Get(row{key: key})
	if !ok {
		return dst, false, nil
	}
	return append(dst, r.value...), true, nil
}

func (e *engine) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	t := e.copy()
	if t == nil {
		return nil, ErrClosed
	}
	return newIterator(t, lo, hi, reverse), nil
}

// copy is the tree as it is now, or nil after Close. Taking it writes to the tree's header: hence the whole lock.
func (e *engine) copy() *tree {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		return nil
	}
	return e.rows.Copy()
}

func (e *engine) Apply(b *state.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		return ErrClosed
	}
	for _, op := range b.Ops() {
		e.apply(op)
	}
	return nil
}

func (e *engine) apply(op state.Op) {
	switch op.Kind {
	case state.OpSet:
		e.rows.Set(newRow(op.Key, op.Value))
	case state.OpDelete:
		e.rows.Delete(row{key: op.Key})
	case state.OpDeleteRange:
		e.deleteRange(op.Key, op.Value)
	default:
		panic(fmt.Sprintf("mem: a batch holds an operation of unknown kind %d", op.Kind))
	}
}

// newRow copies a row out of the batch, key and value in one piece.
func newRow(key, value []byte) row {
	buf := make([]byte, len(key)+len(value))
	n := copy(buf, key)
	copy(buf[n:], value)
	return row{buf[:n:n], buf[n:]}
}

func (e *engine) deleteRange(lo, hi []byte) {
	var gone []row
	e.rows.Ascend(row{key: lo}, func(r row) bool {
		if bytes.Compare(r.key, hi) >= 0 {
			return false
		}
		gone = append(gone, r)
		return true
	})
	for _, r := range gone {
		e.rows.Delete(r)
	}
}

func (e *engine) Ingest(paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	return fmt.Errorf("mem: ingest %s: an engine in memory takes no files", paths[0])
}

// Flush does nothing: there is nothing slower than memory below.
func (e *engine) Flush() error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.rows == nil {
		return ErrClosed
	}
	return nil
}

func (e *engine) Snapshot() state.Snapshot { return &snapshot{rows: e.copy()} }

func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		return ErrClosed
	}
	e.rows = nil
	if e.closed != nil {
		e.closed()
	}
	return nil
}

// snapshot owns a tree that nobody writes, so that its readers need no lock.
type snapshot struct{ rows *tree }

func (s *snapshot) Get(dst, key []byte) ([]byte, bool, error) {
	if s.rows == nil {
		return dst, false, ErrClosed
	}
	return get(s.rows, dst, key)
}

func (s *snapshot) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	if s.rows == nil {
		return nil, ErrClosed
	}
	return newIterator(s.rows, lo, hi, reverse), nil
}

func (s *snapshot) Close() error {
	s.rows = nil
	return nil
}
