package flow

import (
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
)

// Folding is how an aggregate A of values V is kept. Its functions turn panics of user code into errors.
type Folding[K, V, A any] struct {
	// Add is the aggregate with one record more; without has there was none.
	Add func(r processor.Record[K, V], now A, has bool) (A, error)
	// Sub is the aggregate with one value less; only grouped tables need it.
	Sub func(k K, v V, now A) (A, error)
	// Merge is the aggregate of two sessions; without has there is only one.
	Merge func(k K, sum A, has bool, more A) (A, error)
	// Drop says which aggregates delete their row; nil: only a nil of a nilable kind.
	Drop func(A) (bool, error)
	// Nulls says that null values are aggregated.
	Nulls bool
	// Input is which stream of a cogroup it is for; each has a time of its own. It is empty where there is only one.
	Input string
	// Late is told of what comes too late for its windows.
	Late Lateness[K, V]
	// Idle is after how many ms of silence windows are closed: negative as the app says, 0 never.
	Idle int64
}

// takes says whether a record is aggregated; one that is not is counted.
func (f *Folding[K, V, A]) takes(n *Node, r *processor.Record[K, V], nulls bool) bool {
	switch key, value := processor.Nulls(seal.Token{}, r); {
	case key:
		n.Drop(NullKey)
		return false
	case value && !nulls:
		n.Drop(NullValue)
		return false
	}
	return true
}

// drops says whether an aggregate deletes its row.
func (f *Folding[K, V, A]) drops(a A) (bool, error) {
	if f.Drop == nil {
		return false, nil
	}
	return f.Drop(a)
}

// folder adds records to rows: the work of every aggregation but that of sessions.
type folder[K, KK, V, A any] struct {
	Folding[K, V, A]
	n       *Node
	t       *rows.Table[KK, A]
	ctx     *rows.Context
	nilable bool // an A can be nil, which deletes the row
}

func newFolder[K, KK, V, A any](n *Node, t *rows.Table[KK, A], f Folding[K, V, A]) folder[K, KK, V, A] {
	if n.Env.Recovers {
		t.Recover()
	}
	return folder[K, KK, V, A]{f, n, t, t.Host().Context(), null.Nilable[A]()}
}

// add adds a record, whose time is at, to a row, until that succeeds or a decision ends it. done is false when the record was skipped. What
// failed user code made of a row's value is thrown away.
func (f *folder[K, KK, V, A]) add(k KK, r *processor.Record[K, V], at int64) (done bool, err error) {
	for {
		row, err := f.once(k, r, at)
		if err == nil {
			return true, nil
		}
		if again, err := f.failed(row, err); !again {
			return false, err
		}
	}
}

// failed says what becomes of a record on which user code failed, or a store. What user code made of the row that it had in hand is thrown away.
func (f *folder[K, KK, V, A]) failed(row *rows.Row[A], err error) (again bool, fatal error) {
	again, fatal = f.n.Decide(processor.Processing, err)
	if fatal != nil || row == nil {
		return again, fatal
	}
	if err := f.t.Undo(row); err != nil {
		return false, &Fatal{f.n.failure(processor.Processing, err)}
	}
	return again, nil
}

// once tries it. row is the one that failed user code had in hand.
func (f *folder[K, KK, V, A]) once(k KK, r *processor.Record[K, V], at int64) (row *rows.Row[A], err error) {
	if err := f.t.Advance(at); err != nil {
		return nil, err
	}
	now, err := f.t.Ref(k)
	if err != nil {
		return nil, err
	}
	latest := at
	if now.Has {
		latest = max(at, now.At)
	}
	sum, drop, err := f.sum(now.Value, now.Has, r)
	if err != nil {
		return now, err
	}
	return nil, f.keep(now, sum, drop, r.Headers, at, latest)
}

// sum is an aggregate with one record more; without has there was none. drop says that its row goes.
func (f *folder[K, KK, V, A]) sum(now A, has bool, r *processor.Record[K, V]) (sum A, drop bool, err error) {
	if sum, err = f.Add(*r, now, has); err != nil {
		return sum, false, err
	}
	drop, err = f.drops(sum)
	return sum, drop || f.nilable && null.Is(sum), err
}

// keep puts an aggregate into a row, or drops the row. at is the record's time, latest the greatest of all the aggregate's.
func (f *folder[K, KK, V, A]) keep(row *rows.Row[A], sum A, drop bool, h processor.Headers, at, latest int64) (err error) {
	before := carry(f.ctx, h)
	if drop {
		err = f.t.DropAggregate(row, at, latest)
	} else {
		err = f.t.Put(row, sum, latest)
	}
	f.ctx.Headers = before
	return err
}

// Aggregate keeps an aggregate of each key (Kafka's KStreamAggregate). Null keys and values are dropped; a result's time is the greatest of its
// records'.
func Aggregate[K, V, A any](n *Node, t *rows.Table[K, A], f Folding[K, V, A], old bool, next Receiver[K, Change[A]]) Receiver[K, V] {
	watch(n, t, old, nil, next)
	to := newFolder(n, t, f)
	return func(r processor.Record[K, V]) error {
		if !to.takes(n, &r, false) {
			return nil
		}
		at, ok, fatal := timeOf(n, &r)
		if !ok {
			return fatal
		}
		_, err := to.add(r.Key, &r, at)
		return err
	}
}
