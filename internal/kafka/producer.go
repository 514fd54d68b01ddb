package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/internal/flow"
)

// Out is a record to send. Nil and empty are different for Key and Value: nil is null.
type Out struct {
	Topic     string
	Partition int32 // or AnyPartition
	Key       []byte
	Value     []byte
	Timestamp int64 // milliseconds
	Headers   []kgo.RecordHeader
	From      *flow.Origin // what is in process, which a Dest's OnFail may want to know; copied, may be nil
}

// Producer is the producing half of one worker, owned by the worker's goroutine. Without exactly once it is idempotent;
// under it, transactional as <app>-<process id>-<worker>: the first record after a commit begins a transaction.
type Producer struct {
	set  *Settings
	id   string // transactional id, empty without exactly once
	slab []byte

	life atomic.Pointer[life] // nil once closed; Close and Buffered come from other goroutines too
}

// life is one client of a producer, from Replace to Replace. What arrives late from a former one counts nowhere.
type life struct {
	cl     *kgo.Client
	ctx    context.Context
	cancel context.CancelFunc
	txnID  string
	tv2    bool // the cluster finalized transaction.version 2: offsets join a transaction without being announced
	begun  bool
	topics outTopics

	acked   atomic.Int64 // since the last commit
	pending atomic.Int64 // sent, and neither written nor failed
	idle    chan struct{}
	failure atomic.Pointer[SendError]
	promise func(*kgo.Record, error)
}

// NewProducer makes the producer of a worker. Under exactly once it aborts what a former life of the same process and
// worker left open.
func NewProducer(ctx context.Context, set *Settings, worker int) (*Producer, error) {
	p := &Producer{set: set}
	if set.ExactlyOnce {
		p.id = set.App + "-" + set.ProcessID + "-" + strconv.Itoa(worker)
	}
	return p, p.Replace(ctx)
}

// TransactionalID returns the producer's, empty without exactly once.
func (p *Producer) TransactionalID() string { return p.id }

// Replace closes the client, drops what it had not written, and makes another, which aborts the transaction the former
// left open. While the brokers are away it waits, until the context ends. After an error the producer is closed; Replace may be called again.
func (p *Producer) Replace(ctx context.Context) error {
	p.Close()
	var l *life
	err := retry(ctx, func(ctx context.Context) (err error) {
		l, err = p.open(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("producer %s: %w", p.id, err)
	}
	p.life.Store(l)
	return nil
}

// Close drops what was not written. Any goroutine may call it, and again.
func (p *Producer) Close() {
	if l := p.life.Swap(nil); l != nil {
		l.cancel()
		l.cl.Close()
	}
}

func (p *Producer) open(ctx context.Context) (*life, error) {
	own := []kgo.Opt{kgo.RecordPartitioner(partitioner{})}
	if p.id != "" {
		own = append(own, kgo.TransactionalID(p.id), kgo.TransactionTimeout(p.set.transactionTimeout()))
	}
	cl, err := p.set.client(own...)
	if err != nil {
		return nil, err
	}
	l := &life{cl: cl, txnID: p.id, idle: make(chan struct{}, 1), topics: outTopics{keeps: keeps(cl)}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.promise = l.done
	if err := l.start(ctx); err != nil {
		l.cancel()
		cl.Close()
		return nil, err
	}
	return l, nil
}

func (l *life) start(ctx context.Context) error {
	if l.txnID == "" {
		return nil
	}
	var err error
	if l.tv2, err = transactionVersion2(ctx, l.cl); err != nil {
		return err
	}
	_, _, err = l.cl.ProducerID(ctx)
	return err
}

// transactionVersion2 asks anew for each client, since a cluster can be upgraded under a running app.
func transactionVersion2(ctx context.Context, cl *kgo.Client) (bool, error) {
	resp, err := apiVersions(ctx, cl)
	if err != nil {
		return false, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel >= 2, nil
		}
	}
	return false, nil
}

func apiVersions(ctx context.Context, cl *kgo.Client) (*kmsg.ApiVersionsResponse, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "weir", "1"
	return req.RequestWith(ctx, cl)
}

// sent is a record under way. It rides as its own record's context, so that the promise finds it without an allocation.
type sent struct {
	kgo.Record
	dest *Dest
	from flow.Origin
	new  bool // its topic may be one that the client does not keep yet
}

// From is what was in process when a record was sent, for a Dest's OnFail.
func From(r *kgo.Record) flow.Origin { return sentOf(r).from }

var sentPool = sync.Pool{New: func() any { return new(sent) }}

type sentKey struct{}

func (*sent) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*sent) Done() <-chan struct{}       { return nil }
func (*sent) Err() error                  { return nil }

// Value finds the record again below what a user's hook may have wrapped about it.
func (s *sent) Value(key any) any {
	if key == (sentKey{}) {
		return s
	}
	return nil
}

// Send hands a record over. It copies Key and Value; Headers must not change until the record was written. It returns
// before the record is written, and blocks while the client's buffer is full (MaxBufferedRecords, by default 20,000
// records): this is the back-pressure. Close, from another goroutine too, ends the wait.
//
// An error says that some record of this transaction, not necessarily this one, was not written: ErrProducerDead, or a
// SendError that no Dest wanted to skip.
func (p *Producer) Send(dest *Dest, out Out) error {
	l := p.life.Load()
	if l == nil {
		return ErrProducerDead
	}
	if err := l.err(); err != nil {
		return err
	}
	if err := l.begin(); err != nil {
		return err
	}
	s := sentPool.Get().(*sent)
	// Field by field into the zeroed record: a literal would be built beside it and copied.
	s.dest, s.new = dest, l.txnID != "" && !l.topics.known(out.Topic)
	s.Topic, s.Partition = out.Topic, out.Partition
	s.Record.Key, s.Record.Value = p.copied(out.Key), p.copied(out.Value)
	s.Timestamp = time.UnixMilli(out.Timestamp)
	s.Headers = out.Headers
	if out.From != nil {
		s.from = *out.From
	}
	s.Context = s
	l.pending.Add(1)
	l.cl.Produce(l.ctx, &s.Record, l.promise)
	return nil
}

func (l *life) begin() error {
	if l.begun || l.txnID == "" {
		return nil
	}
	if err := l.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("%w: begin a transaction as %s: %w", ErrProducerDead, l.txnID, err)
	}
	l.begun = true
	return nil
}

const slabSize = 64 << 10

// copied puts bytes into the current slab, which lives as long as one of its records.
func (p *Producer) copied(b []byte) []byte {
	switch {
	case b == nil:
		return nil
	case len(b) == 0:
		return []byte{} // a slice of no slab would be nil
	case len(b) > slabSize/4:
		return append([]byte(nil), b...)
	case len(b) > cap(p.slab)-len(p.slab):
		p.slab = make([]byte, 0, slabSize)
	}
	from := len(p.slab)
	p.slab = append(p.slab, b...)
	return p.slab[from:len(p.slab):len(p.slab)]
}

func (l *life) done(r *kgo.Record, err error) {
	s := sentOf(r)
	if err == nil {
		s.dest.written(r.Partition, r.Offset)
		if s.new {
			l.topics.written(r.Topic, r.Partition)
		}
		l.acked.Add(1)
	} else {
		l.failed(s, err)
	}
	*s = sent{}
	sentPool.Put(s)
	if l.pending.Add(-1) == 0 {
		select {
		case l.idle <- struct{}{}:
		default:
		}
	}
}

func sentOf(r *kgo.Record) *sent {
	if s, ok := r.Context.(*sent); ok {
		return s
	}
	s, ok := r.Context.Value(sentKey{}).(*sent)
	if !ok {
		panic("kafka: a hook took away the record's context instead of wrapping it")
	}
	return s
}

func (l *life) failed(s *sent, err error) {
	if !killsProducer(err) {
		if err = s.dest.failed(&s.Record, err); err == nil {
			return
		}
	}
	l.failure.CompareAndSwap(nil, &SendError{Topic: s.Topic, Partition: s.Partition, Err: err})
}

// err is the first failure that was not skipped.
func (l *life) err() error {
	f := l.failure.Load()
	if f == nil {
		return nil
	}
	if killsProducer(f.Err) {
		return fmt.Errorf("%w: %w", ErrProducerDead, f)
	}
	return f
}

// Flush waits until every record was written or has failed, or the context ends. It returns the first failure that was
// not skipped.
func (p *Producer) Flush(ctx context.Context) error {
	l := p.life.Load()
	if l == nil {
		return ErrProducerDead
	}
	if err := l.flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return l.err()
}

// flush waits for our own count too: the client's Flush does not wait for records that it refused before buffering them.
func (l *life) flush(ctx context.Context) error {
	if err := l.cl.Flush(ctx); err != nil {
		return err
	}
	for l.pending.Load() > 0 {
		select {
		case <-l.idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Acked returns how many records were written since the last commit. It is complete after Flush.
func (p *Producer) Acked() int64 {
	if l := p.life.Load(); l != nil {
		return l.acked.Load()
	}
	return 0
}

// Buffered returns how many records were sent and are not yet written. Any goroutine may ask.
func (p *Producer) Buffered() int64 {
	if l := p.life.Load(); l != nil {
		return l.pending.Load()
	}
	return 0
}

// end ends the transaction, by the client's own call: see the package comment.
func (l *life) end(ctx context.Context, how kgo.TransactionEndTry) error {
	if err := l.topics.await(ctx); err != nil {
		return err
	}
	if err := l.cl.EndTransaction(ctx, how); err != nil {
		return err
	}
	l.begun = false
	l.acked.Store(0)
	return nil
}

// Abort drops what was sent since the last commit and ends the transaction, if one was begun. After ErrProducerDead,
// Replace it. Without exactly once it drops what is still buffered.
func (p *Producer) Abort(ctx context.Context) error {
	l := p.life.Load()
	if l == nil {
		return ErrProducerDead
	}
	if err := errors.Join(l.cl.AbortBufferedRecords(ctx), l.abort(ctx)); err != nil {
		return fmt.Errorf("%w: abort: %w", ErrProducerDead, err)
	}
	l.failure.Store(nil)
	l.acked.Store(0)
	return nil
}

func (l *life) abort(ctx context.Context) error {
	if !l.begun {
		return nil
	}
	return l.end(ctx, kgo.TryAbort)
}
