// Package rows turns typed keys and values into byte rows and back: key schemas, typed facades, the typed write-back cache.
//
// It stands below package state, so that a descriptor, which alone knows its K and V, can open its own facade. It never sees an
// engine: a store's rows come through Host, which internal/store implements for the task that owns the store.
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
	Get(dst, key []byte) (val []byte, ok bool, err error)
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
	// Context is what is in process: a record, a punctuation or a cached entry that is being flushed.
	Context() *Context
	// Attach registers a write-back cache, which the task flushes before it commits.
	Attach(Cache)
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
	Headers   any   // processor.Headers; this package only carries them
}

// Cache is a write-back cache of one store.
type Cache interface {
	// Flush writes every dirty entry to the rows and the changelog and forwards it, in the order of their first writes.
	Flush() error
	// Shrink drops clean entries until the cache holds at most max bytes.
	Shrink(max int64)
	// Bytes estimates what the cache holds.
	Bytes() int64
	// Clear forgets everything, dirty entries too: the task was abandoned.
	Clear()
}

// Kind says how a store's rows are laid out and how its changelog is cleaned.
type Kind uint8

// The kinds of stores.
const (
	KeyValue Kind = iota
	Window
	Session
	Custom
)

// Spec is a store as its descriptor declares it, without types.
type Spec struct {
	Name      string
	Kind      Kind
	KeyType   string // for messages
	ValueType string
	InMemory  bool
	Cached    bool
	Logged    bool
	Retention int64 // ms; windows and sessions
	Config    map[string]string
	// Scans says that the store is read by ranges as well as by key: its uncommitted rows must be kept in order.
	Scans bool
	// Open makes the typed facade over a task's rows.
	Open func(Host) (any, error)
	// View makes the typed read-only facade over committed rows; observed is the store's time in them.
	View func(r Reader, observed int64) (any, error)
	// Row turns a changelog record into the row that it sets, appended to key and val; a nil log value deletes. ok == false: it sets none.
	Row func(key, val, logKey, logVal []byte, at int64) (k, v []byte, del, ok bool, err error)
	// Expire gives the range of local keys that are dead at a stream time; empty when there are none.
	Expire func(observed int64) (lo, hi []byte)
	// Fault is what is wrong with the declaration; nil when nothing is.
	Fault error
}
