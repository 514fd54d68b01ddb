package flow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/internal/murmur3"
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// Asking says how a node calls user code that takes long.
type Asking[K, V any] struct {
	Key       serde.Serde[K] // of what is asked about: records that are open at a commit are written down
	Value     serde.Serde[V]
	AtOnce    int // calls of the task
	Unordered bool
	Limit     time.Duration // of one call; 0 for none
	Tries     int           // after a call that failed, before anyone is asked what becomes of the record
	First     time.Duration // the wait before the first of them; it doubles from one to the next
}

// How many records a node holds open before its task takes no more: the first bound, or the second once there is one for every call.
const (
	openRecords = 1024
	openBytes   = 4 << 20
)

// asker holds records open until their calls have ended. One has a row from the first commit after it came until its result has been forwarded, so that offsets
// may pass it; what comes and is done between two commits has none. Where a commit is not atomic, a row goes one commit later than its result, which is
// durable then: else the row could be gone and the result not be there.
//
// Of one key one record is asked about at a time; the next ones wait behind it, in the order of their coming. Null keys are no key.
//
//	taken ──> waiting (for its key) ──> ready (for one of AtOnce places) ──> called ──> forwarded, or skipped
//	                                      ^                                    │
//	                                      └──────────── (failed, wait) ────────┘
type asker[K, V, R any] struct {
	Asking[K, V]
	n     *Node
	store *rows.Open
	call  func(context.Context, processor.Record[K, V]) (R, error)
	then  func(processor.Record[K, V], R) error

	last    map[uint64]*asked[K, V, R] // of each key that is open, by hash: who came last. Keys of one hash just wait for each other
	fresh   list[K, V, R]              // without rows, as they came
	ready   list[K, V, R]
	free    *asked[K, V, R]
	seq     uint64   // the last that was given
	running int      // calls
	open    int      // records
	bytes   int64    // of their rows
	done    []uint64 // rows whose results were forwarded since the last commit
	durable []uint64 // rows whose results were forwarded before it, or of which nothing is to be known
	headers []byte
	key     []byte
	value   []byte
}

// asked is a record that is open. It belongs to the task's goroutine, but for out and err while its call runs, which only reads rec.
type asked[K, V, R any] struct {
	a      *asker[K, V, R]
	rec    processor.Record[K, V]
	from   Origin
	seq    uint64
	row    []byte
	kept   bool   // it has a row
	keyed  bool   // it waits for its key, and others for it
	hash   uint64 // of the key
	tries  int
	behind *asked[K, V, R] // the next one of its key

	inFresh, inReady links[K, V, R]
	out              R
	err              error
}

// Ask calls user code beside the task and hands what it returns to then, on the task's goroutine, as if the record were the one in process. An error of then is
// fatal. A call that fails is repeated as Asking says; then it meets the record's decision, whose retries do not hold the task up.
func Ask[K, V, R any](n *Node, store *rows.Open, how Asking[K, V], call func(context.Context, processor.Record[K, V]) (R, error), then func(processor.Record[K, V], R) error) (Receiver[K, V], error) {
	if n.Env.Calls == nil {
		return nil, fmt.Errorf("node %q: nothing runs calls here", n.Name)
	}
	a := &asker[K, V, R]{Asking: how, n: n, store: store, call: call, then: then, last: map[uint64]*asked[K, V, R]{}}
	a.fresh.of = func(q *asked[K, V, R]) *links[K, V, R] { return &q.inFresh }
	a.ready.of = func(q *asked[K, V, R]) *links[K, V, R] { return &q.inReady }
	if err := store.Each(a.restore); err != nil {
		return nil, err
	}
	store.Host().AtCommit(a.commit)
	n.Env.asking = append(n.Env.asking, a)
	n.Env.owing = append(n.Env.owing, a.owes)
	n.Env.OnClose(func() error {
		n.Env.Stats.Open.Add(-int64(a.open))
		return nil
	})
	return a.take, nil
}

// waits says that records are open.
func (a *asker[K, V, R]) waits() bool { return a.open > 0 }

func (a *asker[K, V, R]) full() bool {
	return a.open >= max(openRecords, 2*a.AtOnce) || a.open >= 2*a.AtOnce && a.bytes >= openBytes
}

func (a *asker[K, V, R]) owes() bool { return len(a.done)+len(a.durable) > 0 }

func (a *asker[K, V, R]) take(r processor.Record[K, V]) error {
	q := a.make()
	q.rec, q.from = r, a.origin()
	for err := q.encode(); err != nil; err = q.encode() {
		if again, fatal := a.n.Decide(processor.Processing, err); !again {
			a.recycle(q)
			return fatal
		}
	}
	a.seq++
	q.seq = a.seq
	a.fresh.push(q)
	a.admit(q)
	return nil
}

// origin is where the record in process was read; at a flush of a cache, the row's last record.
func (a *asker[K, V, R]) origin() Origin {
	o := a.n.Env.Origin
	if ctx := a.n.Env.Stores.Context(); o.Topic == "" && ctx.Topic != "" {
		return Origin{Topic: ctx.Topic, Partition: ctx.Partition, Offset: ctx.Offset, Time: ctx.Time, Written: ctx.Time}
	}
	return o
}

// encode makes the row at once: later, user code may have the value in its hands.
func (q *asked[K, V, R]) encode() (err error) {
	defer Catch(&err)
	a := q.a
	at, err := millis(&q.rec)
	if err != nil {
		return err
	}
	nullKey, nullValue := processor.Nulls(seal.Token{}, &q.rec)
	row := rows.OpenRecord{Context: contextOf(&q.from, q.from.Time), Written: q.from.Written, At: at, FromKey: q.from.Key, FromValue: q.from.Value}
	if a.key, row.Key, err = appendPresent(a.Key, a.key, q.rec.Key, !nullKey); err != nil {
		return fmt.Errorf("encoding the key: %w", err)
	}
	if a.value, row.Value, err = appendPresent(a.Value, a.value, q.rec.Value, !nullValue); err != nil {
		return fmt.Errorf("encoding the value: %w", err)
	}
	a.headers = appendHeaders(a.headers[:0], q.rec.Headers)
	row.RawHeaders = a.headers
	q.row = row.Append(q.row[:0])
	q.keyedBy(row.Key)
	return nil
}

func (q *asked[K, V, R]) keyedBy(key []byte) {
	if q.keyed = key != nil && !q.a.Unordered; q.keyed {
		sum := murmur3.Sum(key)
		q.hash = binary.BigEndian.Uint64(sum[:])
	}
}

// restore opens a record again that an earlier life has left.
func (a *asker[K, V, R]) restore(seq uint64, row []byte) (err error) {
	defer Catch(&err)
	q := a.make()
	q.row = append(q.row[:0], row...)
	had, err := rows.DecodeOpen(q.row)
	if err != nil {
		return err
	}
	a.seq = max(a.seq, seq)
	if a.comes(&had) {
		a.durable = append(a.durable, seq)
		a.recycle(q)
		return nil
	}
	if err := q.decode(&had); err != nil {
		return err
	}
	q.seq, q.kept = seq, true
	q.keyedBy(had.Key)
	a.admit(q)
	return nil
}

// comes says that a record will be read again: a changelog may hold more than what was committed.
func (a *asker[K, V, R]) comes(r *rows.OpenRecord) bool {
	start, ok := a.n.Env.Starts[TopicPartition{r.Topic, r.Partition}]
	return ok && r.Offset >= start
}

func (q *asked[K, V, R]) decode(row *rows.OpenRecord) (err error) {
	headers, err := headersOf(row.RawHeaders)
	if err != nil {
		return err
	}
	q.from = Origin{
		Topic: row.Topic, Partition: row.Partition, Offset: row.Offset, Key: row.FromKey, Value: row.FromValue,
		Time: row.Time, Written: row.Written, Headers: headers,
	}
	q.rec.Time = time.UnixMilli(row.At).UTC()
	var nulls uint8
	if row.Key == nil {
		nulls |= bitUnless(null.Nilable[K](), 1)
	} else if q.rec.Key, err = q.a.Key.Decode(row.Key); err != nil {
		return fmt.Errorf("decoding the key of an open record: %w", err)
	}
	if row.Value == nil {
		nulls |= bitUnless(null.Nilable[V](), 2)
	} else if q.rec.Value, err = q.a.Value.Decode(row.Value); err != nil {
		return fmt.Errorf("decoding the value of an open record: %w", err)
	}
	processor.SealIn(seal.Token{}, &q.rec, headers, nulls)
	return nil
}

// admit opens a record.
func (a *asker[K, V, R]) admit(q *asked[K, V, R]) {
	a.open++
	a.bytes += int64(len(q.row))
	a.n.Env.Stats.Open.Add(1)
	if q.keyed {
		before := a.last[q.hash]
		a.last[q.hash] = q
		if before != nil {
			before.behind = q
			return
		}
	}
	a.prepare(q)
}

// prepare has a record be asked about as soon as there is a place.
func (a *asker[K, V, R]) prepare(q *asked[K, V, R]) {
	a.ready.push(q)
	a.start()
}

func (a *asker[K, V, R]) start() {
	for a.running < a.AtOnce && a.ready.first != nil {
		q := a.ready.first
		a.ready.remove(q)
		a.running++
		a.n.Env.Calls.Start(a.n.Env.Context, q, a.Limit)
	}
}

var errGoexit = errors.New("the call ended its goroutine (runtime.Goexit)")

// Run is the call's, on a goroutine of its own.
func (q *asked[K, V, R]) Run(ctx context.Context) {
	q.err = errGoexit // unless the call returns
	q.out, q.err = Try(ctx, q.a.call, q.rec)
}

// Node is the name of the node.
func (q *asked[K, V, R]) Node() string { return q.a.n.Name }

// Done is back on the task's goroutine. The place goes to another record before what follows from this one is done.
func (q *asked[K, V, R]) Done() error {
	a := q.a
	a.running--
	a.start()
	env := a.n.Env
	ctx := env.Stores.Context()
	origin, before := env.Origin, *ctx
	env.Origin = q.from
	*ctx = contextOf(&q.from, q.from.Time)
	if len(q.rec.Headers) > 0 {
		ctx.Headers = q.rec.Headers
	}
	err := q.settle()
	env.Origin, *ctx = origin, before
	return err
}

// settle is what becomes of a record whose call has ended.
func (q *asked[K, V, R]) settle() error {
	a := q.a
	if q.err == nil {
		if err := a.then(q.rec, q.out); err != nil {
			return err
		}
		return a.close(q)
	}
	if q.tries < a.Tries {
		a.later(q, doubled(a.First, q.tries))
		q.tries++
		return nil
	}
	again, after, fatal := a.n.DecideLater(processor.Processing, q.err)
	switch {
	case fatal != nil:
		return fatal
	case again:
		a.later(q, after)
		return nil
	}
	return a.close(q)
}

// doubled is a time, twice as long each time, as far as there are such.
func doubled(d time.Duration, times int) time.Duration {
	for ; times > 0 && d < math.MaxInt64/2; times-- {
		d *= 2
	}
	return d
}

// later asks about a record again after a while. Its place is another's until then.
func (a *asker[K, V, R]) later(q *asked[K, V, R], wait time.Duration) {
	env := a.n.Env
	every := max(1, (wait + time.Millisecond - 1).Milliseconds())
	var once func()
	once = env.Timers.Schedule(a.n, every, -1, true, env.WallTime, func(int64) error {
		once()
		a.prepare(q)
		return nil
	})
}

// close ends a record, and lets the next one of its key be asked about.
func (a *asker[K, V, R]) close(q *asked[K, V, R]) error {
	a.open--
	a.bytes -= int64(len(q.row))
	a.n.Env.Stats.Open.Add(-1)
	switch {
	case !q.keyed:
	case q.behind != nil:
		a.prepare(q.behind)
	default:
		delete(a.last, q.hash)
	}
	err := a.forget(q)
	a.recycle(q)
	return err
}

// forget sees to it that the record has no row any more.
func (a *asker[K, V, R]) forget(q *asked[K, V, R]) error {
	switch {
	case !q.kept:
		a.fresh.remove(q)
	case !a.n.Env.Atomic:
		a.done = append(a.done, q.seq)
	default:
		return a.lost(a.store.Delete(q.seq, a.n.Env.WallTime))
	}
	return nil
}

// lost is an error of the store, about which nobody is asked.
func (a *asker[K, V, R]) lost(err error) error {
	if err != nil {
		return a.n.lost(err)
	}
	return nil
}

// commit writes what is open and has no row, and takes away the rows of what is done and durable.
func (a *asker[K, V, R]) commit() error {
	for _, seq := range a.durable {
		if err := a.store.Delete(seq, a.n.Env.WallTime); err != nil {
			return err
		}
	}
	a.durable, a.done = a.done, a.durable[:0]
	for q := a.fresh.first; q != nil; q = a.fresh.first {
		a.fresh.remove(q)
		q.kept = true
		if err := a.store.Put(q.seq, q.row, q.rec.Time.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker[K, V, R]) make() *asked[K, V, R] {
	q := a.free
	if q == nil {
		return &asked[K, V, R]{a: a}
	}
	a.free, q.behind = q.behind, nil
	return q
}

// recycle keeps what a record took for another; of large rows it keeps none.
func (a *asker[K, V, R]) recycle(q *asked[K, V, R]) {
	row := q.row[:0]
	if cap(row) > openBytes/openRecords {
		row = nil
	}
	*q = asked[K, V, R]{a: a, row: row, behind: a.free}
	a.free = q
}

// list is a list of records, in the order in which they came to it. A record is in each list at most once.
type list[K, V, R any] struct {
	of          func(*asked[K, V, R]) *links[K, V, R]
	first, last *asked[K, V, R]
}

type links[K, V, R any] struct{ before, after *asked[K, V, R] }

func (l *list[K, V, R]) push(q *asked[K, V, R]) {
	at := l.of(q)
	at.before, at.after = l.last, nil
	if l.last == nil {
		l.first = q
	} else {
		l.of(l.last).after = q
	}
	l.last = q
}

func (l *list[K, V, R]) remove(q *asked[K, V, R]) {
	at := l.of(q)
	if at.before == nil {
		l.first = at.after
	} else {
		l.of(at.before).after = at.after
	}
	if at.after == nil {
		l.last = at.before
	} else {
		l.of(at.after).before = at.before
	}
	*at = links[K, V, R]{}
}
