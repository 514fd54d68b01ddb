package flow

import (
	"math"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// WindowTable is a table of windows.
type WindowTable[K, A any] = rows.Table[window.Key[K], A]

// windowed aggregates by tumbling and hopping windows.
type windowed[K, V, A any] struct {
	folder[K, window.Key[K], V, A]
	w       window.TimeWindows
	clock   *clock
	late    refusal[K, V]
	closing *closing[window.Key[K], A] // nil: every update is forwarded
}

// AggregateWindows keeps an aggregate of each key and window (Kafka's KStreamWindowAggregate). A null key is dropped and does not move the time. Each
// window of a record that is closed is a late drop of its own. A result's time is the greatest of its records'.
func AggregateWindows[K, V, A any](n *Node, name string, t *WindowTable[K, A], w window.TimeWindows, f Folding[K, V, A], emit *Closing, old bool, next Receiver[window.Key[K], Change[A]]) Receiver[K, V] {
	a := &windowed[K, V, A]{folder: newFolder(n, t, f), w: w, clock: newClock(n.Env, name, f.Input, t.Host(), w.GraceMs(), emit != nil)}
	a.late = refusal[K, V]{Lateness: f.Late, n: n, clock: a.clock}
	a.clock.closeIdle(n, f.Idle, func(at int64) int64 { return w.End(at-at%w.AdvanceMs()) + w.GraceMs() }, func() (bool, error) {
		return a.closing.emitIdle(a.clock.closed())
	})
	if emit == nil {
		watch(n, t, old, nil, next)
		return a.take
	}
	size := w.SizeMs()
	a.closing = &closing[window.Key[K], A]{
		after:  func(mark int64) int64 { return mark - size + 1 },
		upto:   func(mark int64) int64 { return mark - size },
		timeOf: func(_ window.Key[K], it rows.Item[A]) int64 { return it.At },
	}
	a.closing.start(n, name, t, *emit, next)
	return a.take
}

func (a *windowed[K, V, A]) take(r processor.Record[K, V]) error {
	a.late.begin()
	if !a.takes(a.n, &r, a.Nulls) {
		return nil
	}
	at, ok, fatal := timeOf(a.n, &r)
	if !ok {
		return fatal
	}
	a.clock.advance(at)
	if err := a.addAll(&r, at); err != nil {
		return err
	}
	if err := a.late.tell(&r); err != nil || a.closing == nil {
		return err
	}
	return a.closing.emit(a.clock.closed(), r.Headers)
}

// addAll adds a record to its windows. A decision to skip ends it, as an exception ends Kafka's process; the windows before keep the record.
func (a *windowed[K, V, A]) addAll(r *processor.Record[K, V], at int64) error {
	for start := a.w.First(at); start >= 0 && start <= at; start += a.w.AdvanceMs() {
		end := a.w.End(start)
		if a.w.Closed(end, a.clock.time) {
			a.late.miss(start, end)
			continue
		}
		if done, err := a.add(window.NewKey(r.Key, start, end), r, at); !done || err != nil {
			return err
		}
	}
	return nil
}

// AggregateUnlimited keeps an aggregate of each key from a start, in ms, without end. Records before it are dropped.
func AggregateUnlimited[K, V, A any](n *Node, t *WindowTable[K, A], start int64, f Folding[K, V, A], old bool, next Receiver[window.Key[K], Change[A]]) Receiver[K, V] {
	watch(n, t, old, nil, next)
	to := newFolder(n, t, f)
	return func(r processor.Record[K, V]) error {
		if !to.takes(n, &r, f.Nulls) {
			return nil
		}
		at, ok, fatal := timeOf(n, &r)
		if !ok {
			return fatal
		}
		if at < start {
			n.Drop(BeforeStart)
			return nil
		}
		_, err := to.add(window.NewKey(r.Key, start, math.MaxInt64), &r, at)
		return err
	}
}
