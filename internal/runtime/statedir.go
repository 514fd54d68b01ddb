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
	"sync"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/state/pebble"
)

// stateDir is an app's state directory: a lock, the process id, and a directory per task.
type stateDir struct {
	path    string
	lock    io.Closer
	process [16]byte

	mu    sync.Mutex
	inUse map[string]chan struct{} // by task; closed when given back
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
	d := &stateDir{path: path, lock: lock, inUse: map[string]chan struct{}{}}
	if err := d.identify(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
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

// claim waits until no other owner in this process has the task's directory, makes it, and returns it with what gives it back.
func (d *stateDir) claim(ctx context.Context, task string) (dir string, release func(), err error) {
	for {
		d.mu.Lock()
		taken := d.inUse[task]
		if taken == nil {
			mine := make(chan struct{})
			d.inUse[task] = mine
			d.mu.Unlock()
			dir = filepath.Join(d.path, task)
			release = sync.OnceFunc(func() {
				d.mu.Lock()
				defer d.mu.Unlock()
				delete(d.inUse, task)
				close(mine)
			})
			if err := os.MkdirAll(dir, 0o755); err != nil {
				release()
				return "", nil, fmt.Errorf("state directory: %w", err)
			}
			return dir, release, nil
		}
		d.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
}

// tasks are those that have a directory: this process may hold state of them.
func (d *stateDir) tasks() (ids []assign.TaskID) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if id, err := assign.ParseTaskID(e.Name()); err == nil && e.IsDir() {
			ids = append(ids, id)
		}
	}
	return ids
}

func (d *stateDir) close() error { return d.lock.Close() }
