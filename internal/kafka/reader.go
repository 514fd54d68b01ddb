package kafka

import "context"

// Reader reads given partitions from given offsets, in no group: for restoring, standbys and global tables. It is owned
// by one goroutine, but for Close.
type Reader struct{}

// ReaderConfig says what a Reader sees.
type ReaderConfig struct {
	// Committed leaves out records of transactions that are open or aborted; their markers are still there. It is what an
	// exactly-once app, and every reader of another's topics, wants.
	Committed bool
}

// NewReader makes a reader of nothing.
func NewReader(set *Settings, cfg ReaderConfig) (*Reader, error) { return nil, nil }

// Add begins to read partitions at offsets. One whose offset is not in the log comes back once with an error, OutOfRange.
func (r *Reader) Add(from map[TP]int64) {}

// Remove stops reading partitions; what was fetched of them already does not come any more.
func (r *Reader) Remove(tps ...TP) {}

// Pause stops fetching partitions for a while, and Resume goes on.
func (r *Reader) Pause(tps ...TP) {}

// Resume undoes Pause.
func (r *Reader) Resume(tps ...TP) {}

// Poll waits until records come or the context ends, which is no error. What it returns is valid until the next Poll.
func (r *Reader) Poll(ctx context.Context) ([]Fetched, error) { return nil, nil }

// Close ends it; Poll returns ErrClosed.
func (r *Reader) Close() {}
