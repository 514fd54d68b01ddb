package rows

// Iterator walks rows; the slices are valid until Next or Close.
type Iterator interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// Reader reads one store's rows. Keys are local: the store's number before them is the Host's affair.
type Reader interface {
	// Get appends the row to dst; without one it returns dst as it was and false.
	Get(dst, key []byte) (val []byte, ok bool, err error)
	// Iter walks the rows with lo <= key < hi; nil is no bound. It sees the moment in which it was made.
	Iter(lo, hi []byte, reverse bool) (Iterator, error)
}

// Host is a store's side of its task: its rows, its changelog and the record in process. It is used by the task's goroutine.
type Host interface {
	Reader
	// Set and Delete change the uncommitted rows; they reach the engine when the task commits. Both copy what they are given.
	Set(key, val []byte) error
	Delete(key []byte) error
	// Log writes a record to the store's changelog at a time in ms; a nil val is a tombstone. With headers it carries those of the
	// record in process. It does nothing where the store has no changelog. It copies what it is given.
	Log(key, val []byte, at int64, headers bool) error
	// Observed is the greatest time, in ms, that the store has seen; −1 before the first. It is kept with the rows. Observe raises it.
	Observed() int64
	Observe(at int64)
	// Keep says that rows from a time on are still needed, whatever the store has observed: windows that were not emitted yet. In a Spec
	// with Emits nothing expires until it was called.
	Keep(from int64)
	// Context is what is in process: a record, a punctuation or a cached entry that is being flushed.
	Context() *Context
	// Attach registers a write-back cache, which the task flushes before it commits; false where the task has none, so that every write goes
	// straight down.
	Attach(Cache) bool
	// AtCommit has f called in each commit, once all caches are flushed: for what is logged no more often than that.
	AtCommit(f func() error)
	// Pends has f asked how many bytes of changes wait for AtCommit elsewhere than in the uncommitted rows.
	Pends(f func() int64)
	// Wall is the time of the task's loop by the wall clock, ms.
	Wall() int64
	// Expires registers a store whose rows leave by themselves: the task has it let go of them between records and in commits.
	Expires(Expirer)
	// Expired counts a put that was older than the store keeps.
	Expired()
	// Stick keeps the first error of a scan, which cannot return one; the task fails the record at the node's boundary.
	Stick(error)
}

// Context is where a write comes from. A cached entry keeps a copy, so that what is forwarded at a flush carries the entry's own.
type Context struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      int64 // of the record in process, ms
	Headers   any   // processor.Headers; this package only carries them. Leave it nil where there are none: it costs an allocation
}

// Cache is a write-back cache of one store.
type Cache interface {
	// Dirty is the number of entries that wait for a flush.
	Dirty() int
	// Flush writes every dirty entry to the rows and the changelog and forwards it, in the order of their first writes. Those that forwarding
	// makes dirty are flushed too.
	Flush() error
	// Shrink drops clean entries until the cache holds at most max bytes; those that were used since the last Shrink stay the longest.
	Shrink(max int64)
	// Bytes estimates what the cache holds.
	Bytes() int64
	// Clear forgets everything, dirty entries too: the task was abandoned.
	Clear()
}
