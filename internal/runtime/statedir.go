package runtime

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/state/pebble"
)

// stateDir is an app's state directory: a lock, the process id, and a directory per task.
type stateDir struct {
	path    string
	lock    io.Closer
	process [16]byte
	remove  func(dir string) error // os.RemoveAll

	mu      sync.Mutex
	slots   map[string]*slot // by task; guarded by mu
	changed chan struct{}    // something was parked
}

// slot is the directory of a task, or the place for one.
//
//	free ──claim──> taken ──free──> free ──(long enough)──> deleted
//	                 ^ │
//	                 │ └──park──> parked ──(nobody came)──> taken, to be closed ──> free
//	                 └───claim──────┘
//
// No one but who has taken it touches the directory or the stores in it.
type slot struct {
	task    string
	exists  bool          // there is a directory
	taken   chan struct{} // nil while free or parked; closed when given back
	parked  *store.Set    // open stores with nothing but committed state in them
	since   time.Time     // when it became free or parked
	running bool
	at      int64 // how far the stores are, as the sum of changelog offsets; −1 where nobody knows
}

// openStateDir makes and locks the directory, so that no second process uses it.
func openStateDir(path string) (*stateDir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	lock, err := pebble.Lock(filepath.Join(path, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("state directory %s: another process uses it, and each needs one of its own (weir.StateDir): %w", path, err)
	}
	d := &stateDir{path: path, lock: lock, remove: os.RemoveAll, slots: map[string]*slot{}, changed: make(chan struct{}, 1)}
	if err := errors.Join(d.identify(), d.list()); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// trash ends the names of directories that are being deleted. A process that died meanwhile leaves them to the next.
const trash = ".deleted"

// list finds the directories of tasks.
func (d *stateDir) list() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	for _, e := range entries {
		if _, err := assign.ParseTaskID(e.Name()); err == nil && e.IsDir() {
			d.slot(e.Name()).exists = true
		}
	}
	return nil
}

// slot is that of a task; mu is held, or nobody else is there yet.
func (d *stateDir) slot(task string) *slot {
	s := d.slots[task]
	if s == nil {
		s = &slot{task: task, since: time.Now(), at: -1}
		d.slots[task] = s
	}
	return s
}

// identify reads the process id, or makes one. It stays the same over restarts: transactional ids are made of it, and assignments stick to it.
func (d *stateDir) identify() error {
	file := filepath.Join(d.path, "process-id")
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.newIdentity(file)
	case err != nil:
		return fmt.Errorf("state directory: %w", err)
	}
	if n, err := hex.Decode(d.process[:], bytes.TrimSpace(text)[:min(32, len(bytes.TrimSpace(text)))]); err != nil || n != len(d.process) {
		return fmt.Errorf("state directory: %s does not hold a process id", file)
	}
	return nil
}

func (d *stateDir) newIdentity(file string) error {
	if _, err := rand.Read(d.process[:]); err != nil {
		return err
	}
	tmp := file + ".tmp"
	if err := writeSynced(tmp, fmt.Appendf(nil, "%x\n", d.process)); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := os.Rename(tmp, file); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// writeSynced writes a file that a power failure leaves whole once it has its name.
func writeSynced(file string, text []byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// lease is a slot that was taken. One goroutine at a time uses it.
type lease struct {
	d    *stateDir
	s    *slot
	mine chan struct{}
	dir  string
	held *store.Set // what the former owner has left open
}

// claim waits until no other owner in this process has the task's directory, makes it where there is none, and takes it.
func (d *stateDir) claim(ctx context.Context, task string) (*lease, error) {
	l, err := d.wait(ctx, task)
	if err != nil {
		return nil, err
	}
	return l.made()
}

// borrow takes the slot of a task whose stores are all in memory, for what the former owner leaves there; it needs no directory. An owner who
// does not let go of it within a while, perhaps stuck, keeps it to itself: nil, and the task can run without.
func (d *stateDir) borrow(ctx context.Context, task string) (*lease, error) {
	patient, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	l, err := d.wait(patient, task)
	if err != nil {
		return nil, ctx.Err()
	}
	return l, nil
}

func (d *stateDir) wait(ctx context.Context, task string) (*lease, error) {
	for {
		l, taken := d.take(task)
		if l != nil {
			return l, nil
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take takes a slot that is free or parked, or returns what is closed when it may be.
func (d *stateDir) take(task string) (*lease, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slot(task)
	if s.taken != nil {
		return nil, s.taken
	}
	return d.lease(s), nil
}

// lease takes a slot that nobody has; mu is held.
func (d *stateDir) lease(s *slot) *lease {
	l := &lease{d: d, s: s, mine: make(chan struct{}), dir: filepath.Join(d.path, s.task), held: s.parked}
	s.taken, s.parked = l.mine, nil
	return l
}

func (l *lease) made() (*lease, error) {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		l.free()
		return nil, fmt.Errorf("state directory: %w", err)
	}
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.s.exists = true
	return l, nil
}

// free gives the slot back. Again, it does nothing: it may be another's by now.
func (l *lease) free() { l.giveBack(nil) }

// park gives the slot back together with open stores, which the next owner takes over if one comes soon.
func (l *lease) park(stores *store.Set) {
	l.giveBack(stores)
	select {
	case l.d.changed <- struct{}{}:
	default:
	}
}

func (l *lease) giveBack(stores *store.Set) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	if l.s.taken != l.mine {
		return
	}
	l.s.taken, l.s.parked, l.s.since, l.s.running = nil, stores, time.Now(), false
	close(l.mine)
}

// close closes stores and frees the slot when nobody looks into them any more.
func (l *lease) close(stores *store.Set) error { return stores.CloseThen(l.free) }

// at notes how far the stores are; the task does not run.
func (l *lease) at(position int64) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.s.at, l.s.running = position, false
}

// run notes that the task runs.
func (l *lease) run() {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.s.running = true
}

// positions are how far all state is that this process has, as the leader wants to know it.
func (d *stateDir) positions() map[assign.TaskID]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[assign.TaskID]int64{}
	for task, s := range d.slots {
		id, err := assign.ParseTaskID(task)
		switch {
		case err != nil:
		case s.running:
			all[id] = assign.Latest
		case s.at >= 0 && (s.exists || s.taken != nil || s.parked != nil):
			all[id] = s.at
		}
	}
	return all
}

// tasks are those that have a directory.
func (d *stateDir) tasks() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for task, s := range d.slots {
		if s.exists {
			names = append(names, task)
		}
	}
	slices.Sort(names)
	return names
}

// close closes what is parked and gives the lock back. Nobody may come after it.
func (d *stateDir) close() error { return errors.Join(d.closeParked(time.Now()), d.lock.Close()) }

// closeParked closes the stores that were parked at a time or before.
func (d *stateDir) closeParked(by time.Time) (err error) {
	for _, l := range d.overdue(by) {
		err = errors.Join(err, l.close(l.held))
	}
	return err
}

func (d *stateDir) overdue(by time.Time) (all []*lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.slots {
		if s.parked != nil && !s.since.After(by) {
			all = append(all, d.lease(s))
		}
	}
	return all
}
