package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reader reads given partitions from given offsets, in no group: for restoring, standbys and global tables. It is owned
// by one goroutine, but for Close.
type Reader struct {
	cl        *kgo.Client
	committed bool
	fetched   []Fetched
	reading   map[TP]struct{}
}

// ReaderConfig says what a Reader sees.
type ReaderConfig struct {
	// Committed leaves out records of transactions that are open or aborted; their markers are still there. It is what an
	// exactly-once app, and every reader of another's topics, wants.
	Committed bool
}

// NewReader makes a reader of nothing.
func NewReader(set *Settings, cfg ReaderConfig) (*Reader, error) {
	level := kgo.ReadUncommitted()
	if cfg.Committed {
		level = kgo.ReadCommitted()
	}
	cl, err := set.client(
		kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	)
	if err != nil {
		return nil, fmt.Errorf("reader: %w", err)
	}
	return &Reader{cl: cl, committed: cfg.Committed, reading: map[TP]struct{}{}}, nil
}

// Add begins to read partitions at offsets, also ones that are being read. One whose offset is not in the log comes back
// once with an error, OutOfRange, and is then not read.
func (r *Reader) Add(from map[TP]int64) {
	var again []TP
	add := map[string]map[int32]kgo.Offset{}
	for tp, offset := range from {
		if _, known := r.reading[tp]; known {
			again = append(again, tp)
		}
		r.reading[tp] = struct{}{}
		if add[tp.Topic] == nil {
			add[tp.Topic] = map[int32]kgo.Offset{}
		}
		add[tp.Topic][tp.Partition] = kgo.NewOffset().At(offset)
	}
	if len(again) > 0 {
		r.cl.RemoveConsumePartitions(byTopic(again))
	}
	r.cl.AddConsumePartitions(add)
}

// Remove stops reading partitions; what was fetched of them already does not come any more.
func (r *Reader) Remove(tps ...TP) {
	if len(tps) == 0 {
		return
	}
	for _, tp := range tps {
		delete(r.reading, tp)
	}
	r.cl.ResumeFetchPartitions(byTopic(tps)) // the client would remember a pause
	r.cl.RemoveConsumePartitions(byTopic(tps))
}

// Reading says whether it reads anything.
func (r *Reader) Reading() bool { return len(r.reading) > 0 }

// Pause stops fetching partitions for a while.
func (r *Reader) Pause(tps ...TP) {
	if len(tps) > 0 {
		r.cl.PauseFetchPartitions(byTopic(tps))
	}
}

// Resume undoes Pause.
func (r *Reader) Resume(tps ...TP) {
	if len(tps) > 0 {
		r.cl.ResumeFetchPartitions(byTopic(tps))
	}
}

// Poll waits until records come or the context ends, which is no error; with a nil or ended context it only takes what is
// there. What it returns is valid until the next Poll.
func (r *Reader) Poll(ctx context.Context) ([]Fetched, error) {
	if ctx != nil && ctx.Err() != nil {
		ctx = nil
	}
	clear(r.fetched) // it would keep the records of the poll before
	r.fetched = r.fetched[:0]
	closed := false
	r.cl.PollFetches(ctx).EachPartition(func(f kgo.FetchTopicPartition) {
		closed = closed || errors.Is(f.Err, kgo.ErrClientClosed)
		tp := TP{Topic: f.Topic, Partition: f.Partition}
		if _, reading := r.reading[tp]; reading {
			r.fetched = append(r.fetched, fetchedOf(tp, &f.FetchPartition, r.committed))
		}
	})
	if closed {
		return r.fetched, ErrClosed
	}
	return r.fetched, nil
}

// Close ends it, and a Poll under way: that returns ErrClosed. Any goroutine may call it, and again.
func (r *Reader) Close() { r.cl.Close() }
