package flow

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// sessions aggregates by session windows.
type sessions[K, V, A any] struct {
	Folding[K, V, A]
	n       *Node
	s       *rows.Sessions[K, A]
	ctx     *rows.Context
	w       window.SessionWindows
	clock   *clock
	closing *closing[window.Key[K], A] // nil: every update is forwarded
	found   []window.Key[K]
}

// AggregateSessions keeps an aggregate of each key and session (Kafka's KStreamSessionWindowAggregate). A record and the sessions at most a gap away
// become one; each session that is merged away leaves a tombstone, also that of the same bounds. A result's time is the session's end. A
// null key is dropped and does not move the time. A record whose session would be closed is dropped as late.
//
// What can be merged is what the store still shows: its time moves when a session is put, so that without grace two records exactly a gap apart do
// not merge once another key has moved it, as in Kafka.
func AggregateSessions[K, V, A any](n *Node, name string, s *rows.Sessions[K, A], w window.SessionWindows, f Folding[K, V, A], emit *Closing, old bool, next Receiver[window.Key[K], Change[A]]) Receiver[K, V] {
	a := &sessions[K, V, A]{Folding: f, n: n, s: s, ctx: s.T.Host().Context(), w: w}
	a.clock = newClock(n.Env, name, s.T.Host(), w.GapMs()+w.GraceMs(), emit != nil)
	if emit == nil {
		watch(n, s.T, old, window.Key[K].EndMs, next)
		return a.take
	}
	a.closing = &closing[window.Key[K], A]{
		after:  func(mark int64) int64 { return mark },
		upto:   func(mark int64) int64 { return mark - 1 },
		timeOf: func(k window.Key[K], _ rows.Item[A]) int64 { return k.EndMs() },
	}
	a.closing.start(n, name, s.T, *emit, next)
	return a.take
}

func (a *sessions[K, V, A]) take(r processor.Record[K, V]) error {
	if !a.takes(a.n, &r, a.Nulls) {
		return nil
	}
	if _, fatal := a.n.deciding(func() error { return a.add(&r) }); fatal != nil || a.closing == nil {
		return fatal
	}
	return a.closing.emit(a.clock.time-a.clock.lag, r.Headers)
}

// add merges a record with the sessions around it. Everything is computed before anything is written, on values of its own, so that failed user
// code leaves nothing behind.
func (a *sessions[K, V, A]) add(r *processor.Record[K, V]) error {
	at, err := millis(r)
	if err != nil {
		return err
	}
	a.clock.advance(at)
	start, end, sum, has, err := a.merged(r.Key, at)
	if err != nil {
		return err
	}
	if a.w.Closed(end, a.clock.time) {
		a.n.Drop(Late)
		return nil
	}
	if sum, err = a.Add(*r, sum, has); err != nil {
		return err
	}
	drop, err := a.drops(sum)
	if err != nil {
		return err
	}
	var h processor.Headers // Kafka's results carry none when they are forwarded at once
	if a.s.T.Cached() {
		h = r.Headers
	}
	before := carry(a.ctx, h)
	err = a.write(window.NewKey(r.Key, start, end), sum, drop, at)
	a.ctx.Headers = before
	return err
}

// merged finds the sessions that a record at a time belongs to, and their bounds and aggregate with it.
func (a *sessions[K, V, A]) merged(k K, at int64) (start, end int64, sum A, has bool, err error) {
	start, end = at, at
	from, upto := a.w.Neighbours(at)
	if a.closing != nil { // a longer retention may still show sessions that were emitted
		from = max(from, a.clock.time-a.clock.lag)
	}
	a.found = a.found[:0]
	for s, it := range a.s.Find(k, from, upto) {
		a.found = append(a.found, s)
		start, end = min(start, s.StartMs()), max(end, s.EndMs())
		if sum, err = a.Merge(k, sum, has, it.Value); err != nil {
			return start, end, sum, has, err
		}
		has = true
	}
	return start, end, sum, has, nil
}

// write replaces the sessions that were found. A record at the bounds of the only one just changes it.
func (a *sessions[K, V, A]) write(k window.Key[K], sum A, drop bool, at int64) error {
	if k.Start.Before(k.End) {
		for _, s := range a.found {
			if err := a.s.T.Delete(s, at); err != nil {
				return err
			}
		}
	}
	if drop {
		return a.s.T.Delete(k, at)
	}
	return a.s.T.Set(k, sum, at)
}
