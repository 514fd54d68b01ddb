package mem

import (
	"fmt"
	"sync"

	"github.com/weirstream/weir/state"
)

// Provider opens engines that are empty at every Open and forget at Close. The zero Provider is ready.
type Provider struct{}

// Open makes an empty engine; dir is not touched.
func (Provider) Open(dir, task string) (state.Engine, error) { return New(), nil }

// Disk is a Provider whose engines outlive their Close: Open finds the rows that the last engine of the directory held. It plays a disk
// in tests of stops and restarts. The zero Disk is empty and ready.
type Disk struct {
	mu   sync.Mutex
	dirs map[string]*folder // guarded by mu
}

type folder struct {
	rows *tree
	open bool
}

// Open opens the engine of a directory, which no other engine may have open.
func (d *Disk) Open(dir, task string) (state.Engine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.folder(dir)
	if f.open {
		return nil, fmt.Errorf("mem: task %s: %s is open already", task, dir)
	}
	f.open = true
	return &engine{rows: f.rows, closed: func() { d.release(f) }}, nil
}

func (d *Disk) folder(dir string) *folder {
	if d.dirs == nil {
		d.dirs = map[string]*folder{}
	}
	if d.dirs[dir] == nil {
		d.dirs[dir] = &folder{rows: newTree()}
	}
	return d.dirs[dir]
}

func (d *Disk) release(f *folder) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.open = false
}

// Remove forgets a directory, as deleting it would.
func (d *Disk) Remove(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.dirs, dir)
}
