package rows

// Kind says how a store's rows are laid out and how its changelog is cleaned.
type Kind uint8

// The kinds of stores.
const (
	KeyValueKind Kind = iota
	WindowKind
	SessionKind
	CustomKind
	VersionedKind
	BufferKind
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"key-value", "window", "session", "custom", "versioned", "buffer"}[k]
}

// Spec is a store as its descriptor declares it, without types. Flags may be changed until the store is opened.
type Spec struct {
	Name      string
	Kind      Kind
	Format    string // of the rows, with all that they depend on; rows of another format are rebuilt from the changelog
	KeyType   string // for messages
	ValueType string
	InMemory  bool
	Cached    bool
	Logged    bool
	Sourced   bool              // filled from a source topic, which restores it: no rows are lost when they are forgotten
	Emits     bool              // windows are emitted on close: rows wait for Host.Keep before they expire
	Retention int64             // ms; windows and sessions; 0 keeps for ever
	History   int64             // ms; of versioned stores, and how long records wait in buffers
	LRU       int               // key-value stores: how many rows are kept, those used last; 0 keeps all
	Quiet     bool              // with LRU: what is evicted leaves no tombstone in the changelog
	TTL       int64             // ms; key-value stores: how long a row lives, set by Expiring; 0 is for ever
	WallTTL   bool              // with TTL: from when it was put, by the wall clock; else from its time
	Config    map[string]string // of the changelog topic
	// Scans says that the store is read by ranges as well as by key: its uncommitted rows are kept in order from the start.
	Scans bool
	// Open makes the typed facade over a task's rows.
	Open func(Host) (any, error)
	// View makes the typed read-only facade over committed rows; observed is the store's time in them.
	View func(r Reader, observed int64) (any, error)
	// Row gives the rows that a changelog record sets; a nil val deletes.
	Row func(to Restorer, key, val []byte, at int64) error
	// Replay, where it is not nil, applies a changelog record in place of Row: it may read rows. It writes neither to the changelog nor counts anything.
	Replay func(h Host, key, val []byte, at int64) error
	// Reread, where it is not nil, makes what turns records of the source topic that fills the store into the changelog records that processing them
	// would write. It is nil where they are those already.
	Reread func() Reread
	// Expire gives the ranges of local keys whose rows are all older than floor; nil where nothing expires.
	Expire func(floor int64) []Span
	// Expiring gives the rows of a key-value store, before it is opened, a life of so many ms.
	Expiring func(life int64, wall bool)
	// Fault is what is wrong with the declaration; nil when nothing is.
	Fault error
}

// Reread gives the changelog record of a source record with a key; ok is false where there is none. The slices are the caller's to keep, and what was made
// serves one goroutine. An error says that the record cannot be read: processing it has met the source's decision.
type Reread func(key, val []byte, at int64) (k, v []byte, t int64, ok bool, err error)

// Span is a range of local keys: Lo <= key < Hi.
type Span struct{ Lo, Hi []byte }

// Restorer takes the rows of changelog records. It copies what it is given.
type Restorer interface {
	Set(key, val []byte)
	Delete(key []byte)
	Observe(at int64)
}
