package pebble

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// files is the file system of one engine. It stands between Pebble and the true one for two reasons.
//
// Syncs of the log: only when strict. Pebble writes a batch to the log's file when its sync is asked for, and not before; so every batch
// asks, and the file itself decides whether the disk has to be waited for.
//
// Freezing: after a fatal error nothing may be written any more. What Pebble does then is not defined, as it expects its process to
// end; with the files frozen, what it does stays in memory and the next Open finds what a crash would have left.
type files struct {
	vfs.FS
	strict atomic.Bool
	fatal  atomic.Pointer[error]
}

func newFiles(fs vfs.FS) *files { return &files{FS: fs} }

// errFrozen is what Pebble hears of its writes after a fatal error.
var errFrozen = errors.New("pebble: stopped by an earlier error")

// freeze ends all writing; the first error is kept.
func (f *files) freeze(err error) { f.fatal.CompareAndSwap(nil, &err) }

// fault is the error that froze the files, or nil.
func (f *files) fault() error {
	if err := f.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *files) frozen() error {
	if f.fatal.Load() != nil {
		return errFrozen
	}
	return nil
}

func (f *files) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	w := &written{File: file, files: f}
	if strings.HasSuffix(name, ".log") {
		return &logFile{written: w}, nil
	}
	return w, nil
}

func (f *files) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.frozen(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return f.wrap(name, file, err)
}

func (f *files) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := f.frozen(); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.wrap(name, file, err)
}

func (f *files) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.frozen(); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(old, name, c)
	return f.wrap(name, file, err)
}

func (f *files) Link(old, name string) error {
	return f.unlessFrozen(func() error { return f.FS.Link(old, name) })
}

func (f *files) Rename(old, name string) error {
	return f.unlessFrozen(func() error { return f.FS.Rename(old, name) })
}

func (f *files) Remove(name string) error {
	return f.unlessFrozen(func() error { return f.FS.Remove(name) })
}

func (f *files) RemoveAll(name string) error {
	return f.unlessFrozen(func() error { return f.FS.RemoveAll(name) })
}

// Unwrap is how Pebble finds the true file system.
func (f *files) Unwrap() vfs.FS { return f.FS }

func (f *files) unlessFrozen(do func() error) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return do()
}

// written is a file that Pebble writes.
type written struct {
	vfs.File
	files *files
}

func (w *written) Write(p []byte) (int, error) {
	if err := w.files.frozen(); err != nil {
		return 0, err
	}
	return w.File.Write(p)
}

func (w *written) WriteAt(p []byte, at int64) (int, error) {
	if err := w.files.frozen(); err != nil {
		return 0, err
	}
	return w.File.WriteAt(p, at)
}

func (w *written) Sync() error     { return w.files.unlessFrozen(w.File.Sync) }
func (w *written) SyncData() error { return w.files.unlessFrozen(w.File.SyncData) }

// logFile is a file of the write-ahead log. Its methods are called by one goroutine at a time.
type logFile struct {
	*written
	dirty bool // written since the last true sync
}

func (l *logFile) Write(p []byte) (int, error) {
	l.dirty = true
	return l.written.Write(p)
}

func (l *logFile) Sync() error { return l.SyncData() }

func (l *logFile) SyncData() error {
	if !l.files.strict.Load() {
		return l.files.frozen()
	}
	return l.syncNow()
}

func (l *logFile) syncNow() error {
	if !l.dirty {
		return l.files.frozen()
	}
	if err := l.written.SyncData(); err != nil {
		return err
	}
	l.dirty = false
	return nil
}

// Close syncs. Pebble opens the next log only then, and takes a log that is not the last for corrupt when its end is missing.
func (l *logFile) Close() error { return errors.Join(l.syncNow(), l.written.Close()) }

// Preallocate does nothing: Pebble would set aside more than a memory table's size per engine, and most tasks never write so much.
func (l *logFile) Preallocate(offset, length int64) error { return nil }
