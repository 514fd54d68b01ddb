package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// Option changes how a Provider keeps state.
type Option func(*options)

type options struct {
	memory   int64
	memTable int
	files    int
	fs       vfs.FS
	report   func(dir string, err error)
}

// The budgets of a Provider that is told nothing.
const (
	DefaultMemory    = 128 << 20
	DefaultOpenFiles = 1000
)

const (
	minMemory   = 8 << 20
	minMemTable = 256 << 10
	// Why not smaller: each memory table that fills becomes a file, and small files are compacted more often. Why not larger: what is in
	// it must be replayed from the log when the engine is opened, and it is taken from the block cache.
	maxMemTable = 16 << 20
)

// Memory is how many bytes all engines of the Provider share: their memory tables, and what these leave for cached blocks. At least
// 8 MiB; DefaultMemory unless told. An engine that is hardly written to takes 256 KiB.
func Memory(bytes int64) Option { return func(o *options) { o.memory = max(bytes, minMemory) } }

// MemTable is how many bytes one engine gathers in memory before it writes a file; it may hold two of them. Without this option it is an
// eighth of Memory divided by the number of engines that are open, between 1 and 16 MiB.
func MemTable(bytes int) Option { return func(o *options) { o.memTable = max(bytes, minMemTable) } }

// OpenFiles is how many table files all engines together keep open. Each engine has about six more: log, manifest, lock, directories.
func OpenFiles(n int) Option { return func(o *options) { o.files = max(n, 16) } }

// FS puts the state into another file system, such as vfs.NewMem() for a test.
func FS(fs vfs.FS) Option { return func(o *options) { o.fs = fs } }

// OnError is told of what goes wrong in the background, such as a compaction that found the disk full, with the engine's directory. It is
// called from any goroutine, and must not call the engine.
func OnError(f func(dir string, err error)) Option { return func(o *options) { o.report = f } }

func newOptions(opts []Option) options {
	o := options{memory: DefaultMemory, files: DefaultOpenFiles, fs: vfs.Default, report: func(string, error) {}}
	for _, set := range opts {
		set(&o)
	}
	return o
}

// memTableFor is the size of the memory table of the n-th open engine: early ones get more, and the sum stays within reach of the
// budget (a hundred engines: two thirds of it, when all are full).
func (o *options) memTableFor(n int) int {
	if o.memTable > 0 {
		return o.memTable
	}
	return min(max(int(o.memory/8)/n, 1<<20), maxMemTable)
}
