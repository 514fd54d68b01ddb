package state

// Provider opens the engines of tasks; weir.WithState takes one. It is used by many goroutines at once.
type Provider interface {
	// Open opens, or makes, the engine of one task. dir is the task's own directory, which the caller has made and locked; task is its
	// name (0_3). One engine is open per directory at a time.
	Open(dir, task string) (Engine, error)
}

// Engine is one ordered byte map of one task; its stores share it by prefix. Apply, Ingest, Flush and Close are called by one
// goroutine at a time, Get, Iter and Snapshot by any number at once with them.
//
// After a crash of the process or of the machine an engine holds a prefix of the batches that were applied, each whole or not at all.
// After Flush, all that was applied before it survives.
type Engine interface {
	Reader
	// Apply applies a batch, all or nothing. The engine keeps nothing of it: the caller may Reset and fill it again.
	Apply(*Batch) error
	// Ingest adds whole sorted files that the engine's own kind wrote, all or nothing; rows in them replace older ones.
	Ingest(paths []string) error
	// Flush makes what was applied durable: it bounds the tail that a crash costs.
	Flush() error
	// Snapshot is a view of this moment. It must be closed.
	Snapshot() Snapshot
	// Close flushes and closes. Open snapshots and iterators must be closed before.
	Close() error
}

// Reader reads an engine or a snapshot of it.
type Reader interface {
	// Get appends the value of key to dst; without one it returns dst as it was and false.
	Get(dst, key []byte) (val []byte, ok bool, err error)
	// Iter walks the rows with lo <= key < hi in order, or from the greatest down; nil lo or hi is no bound.
	Iter(lo, hi []byte, reverse bool) (Iterator, error)
}

// Snapshot is a Reader that holds on to its moment until closed.
type Snapshot interface {
	Reader
	Close() error
}

// Iterator walks rows, as in: for it.Next() { it.Key(), it.Value() }; then it.Err(). The slices are valid until Next or Close.
type Iterator interface {
	Next() bool
	Key() []byte
	Value() []byte
	Err() error
	Close() error
}

// Op is one change of a Batch.
type Op struct {
	Kind       OpKind
	Key, Value []byte // of DeleteRange: from, to (not in it)
}

// OpKind is the kind of an Op.
type OpKind uint8

// The kinds of changes.
const (
	OpSet OpKind = iota
	OpDelete
	OpDeleteRange
)

// Batch is a set of changes applied all or not at all, in the order in which they were added. The zero Batch is empty. It copies what
// it is given. One goroutine uses it.
type Batch struct {
	ops []Op
	buf []byte
}

// Set sets a row.
func (b *Batch) Set(key, value []byte) { b.add(OpSet, key, value) }

// Delete deletes a row; one that is not there is no error.
func (b *Batch) Delete(key []byte) { b.add(OpDelete, key, nil) }

// DeleteRange deletes the rows with lo <= key < hi.
func (b *Batch) DeleteRange(lo, hi []byte) { b.add(OpDeleteRange, lo, hi) }

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.ops) }

// Bytes is the size of keys and values.
func (b *Batch) Bytes() int { return len(b.buf) }

// Ops are the changes, in order; they are valid until Reset.
func (b *Batch) Ops() []Op { return b.ops }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.ops, b.buf = b.ops[:0], b.buf[:0] }

// add copies key and value into the buffer. When the buffer grows, earlier ops keep the old one: their slices stay valid.
func (b *Batch) add(kind OpKind, key, value []byte) {
	at := len(b.buf)
	b.buf = append(append(b.buf, key...), value...)
	k, v := b.buf[at:at+len(key):at+len(key)], b.buf[at+len(key):len(b.buf):len(b.buf)]
	b.ops = append(b.ops, Op{Kind: kind, Key: k, Value: v})
}
