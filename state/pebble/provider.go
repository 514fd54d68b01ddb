package pebble

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/weirstream/weir/state"
)

// The errors of Open that a program may want to tell from others.
var (
	// ErrLocked: another process, or another engine of this one, has the directory.
	ErrLocked = errors.New("the directory is in use")
	// ErrNewer: the directory was written in a format that this version does not know.
	ErrNewer = errors.New("the directory was written by a newer version")
)

// format is what databases are written in: the newest without sync offsets in the log, which would be promises that Apply does not
// keep. It must have columnar blocks: the writer of the older ones shares channels between databases, which a bubble of testing/synctest
// forbids.
const format = pebble.FormatColumnarBlocks

// Provider opens engines in directories. What they share, a block cache and a cache of open files, is made when the first of them is
// opened and released when the last is closed: a Provider itself needs no closing. It is used by many goroutines at once.
type Provider struct {
	o options

	mu    sync.Mutex
	open  int               // engines; guarded by mu
	cache *pebble.Cache     // nil while none is open; guarded by mu
	files *pebble.FileCache // the same
}

var _ state.Provider = (*Provider)(nil)

// New makes a Provider. Without options it has the budgets DefaultMemory and DefaultOpenFiles, and the operating system's files.
func New(opts ...Option) *Provider { return &Provider{o: newOptions(opts)} }

// Open opens the engine in dir, or makes one there. Its error names the task and the directory; see ErrLocked and ErrNewer.
func (p *Provider) Open(dir, task string) (state.Engine, error) {
	e, err := p.openEngine(dir)
	if err != nil {
		return nil, fmt.Errorf("pebble: task %s: open %s: %w", task, dir, err)
	}
	return e, nil
}

func (p *Provider) openEngine(dir string) (*engine, error) {
	if err := p.o.fs.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, p.o.fs)
	if err != nil {
		return nil, lockError(err)
	}
	e, err := p.openLocked(dir, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return e, nil
}

func (p *Provider) openLocked(dir string, lock *pebble.Lock) (*engine, error) {
	if err := checkFormat(p.o.fs, dir); err != nil {
		return nil, err
	}
	e := &engine{dir: dir, provider: p, lock: lock, files: newFiles(p.o.fs)}
	opts := p.acquire()
	e.configure(opts)
	db, err := pebble.Open(dir, opts)
	if fault := e.files.fault(); fault != nil && err == nil {
		err = errors.Join(fault, db.Close())
	}
	if err != nil {
		p.release()
		return nil, err
	}
	e.db = db
	return e, nil
}

// acquire counts an engine in, and gives the options that engines share.
func (p *Provider) acquire() *pebble.Options {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == 0 {
		p.cache = pebble.NewCache(p.o.memory)
		p.files = pebble.NewFileCache(runtime.GOMAXPROCS(0), p.o.files)
	}
	p.open++
	o := &pebble.Options{Cache: p.cache, FileCache: p.files, MemTableSize: uint64(p.o.memTableFor(p.open)), FormatMajorVersion: format}
	for i := range o.Levels {
		// Most reads of an aggregation's new key find nothing: a filter spares them the disk.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// release counts an engine out.
func (p *Provider) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	if p.open == 0 {
		p.cache.Unref()
		p.files.Unref()
		p.cache, p.files = nil, nil
	}
}

// lockError tells a lock that is held from a directory that cannot be locked.
func lockError(err error) error {
	var path *fs.PathError
	held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held")
	if held && !errors.As(err, &path) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return fmt.Errorf("lock: %w", err)
}

// checkFormat refuses a newer database before it is touched. Pebble itself would open one that it knows and go on in that format.
func checkFormat(fs vfs.FS, dir string) error {
	m, version, err := atomicfs.LocateMarker(fs, dir, "format-version")
	if err != nil {
		return err
	}
	if err := m.Close(); err != nil || version == "" {
		return err
	}
	v, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return fmt.Errorf("format version %q: %w", version, err)
	}
	if pebble.FormatMajorVersion(v) > format {
		return fmt.Errorf("%w: Pebble format %d, while this one writes %d", ErrNewer, v, format)
	}
	return nil
}
