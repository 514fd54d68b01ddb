package flow

import (
	"math"

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
	late    refusal[K, V]
	closing *closing[window.Key[K], A] // nil: every update is forwarded
	met     meeting[K, A]
}

// meeting is a record and the sessions that it becomes one with.
type meeting[K, A any] struct {
	found      []window.Key[K]
	start, end int64 // of the session that they become
	sum        A
	has        bool         // something was found
	row        *rows.Row[A] // the one found, where user code is given the cached value itself
	later      rows.Latest  // the latest of those that were not met; End is −1 without one
}

// AggregateSessions keeps an aggregate of each key and session (Kafka's KStreamSessionWindowAggregate). A record and the sessions at most a gap away
// become one; each session that is merged away leaves a tombstone, also that of the same bounds. A result's time is the session's end. A
// null key is dropped and does not move the time. A record whose session would be closed is dropped as late.
//
// What can be merged is what the store still shows: its time moves when a session is put, so that without grace two records exactly a gap apart do
// not merge once another key has moved it, as in Kafka. Where it closes when idle, a session that has closed takes nothing more.
func AggregateSessions[K, V, A any](n *Node, name string, s *rows.Sessions[K, A], w window.SessionWindows, f Folding[K, V, A], emit *Closing, old bool, next Receiver[window.Key[K], Change[A]]) Receiver[K, V] {
	a := &sessions[K, V, A]{Folding: f, n: n, s: s, ctx: s.T.Host().Context(), w: w}
	a.clock = newClock(n.Env, name, f.Input, s.T.Host(), w.GapMs()+w.GraceMs(), emit != nil)
	a.late = refusal[K, V]{Lateness: f.Late, n: n, clock: a.clock}
	a.clock.closeIdle(n, f.Idle, func(at int64) int64 { return at + a.clock.lag + 1 }, func() (bool, error) {
		return a.closing.emitIdle(a.clock.closed())
	})
	if n.Env.Recovers {
		s.T.Recover()
	}
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
	a.late.begin()
	if !a.takes(a.n, &r, a.Nulls) {
		return nil
	}
	if _, fatal := a.n.deciding(func() error { return a.add(&r) }); fatal != nil {
		return fatal
	}
	if err := a.late.tell(&r); err != nil || a.closing == nil {
		return err
	}
	return a.closing.emit(a.clock.closed(), r.Headers)
}

// add merges a record with the sessions around it. Everything is computed before anything is written, so that failed user code leaves nothing behind
// but what it made of a cached value, which is thrown away.
func (a *sessions[K, V, A]) add(r *processor.Record[K, V]) error {
	at, err := millis(r)
	if err != nil {
		return err
	}
	a.clock.advance(at)
	drop, err := a.compute(r, at)
	if err != nil {
		return a.undone(err)
	}
	if a.w.Closed(a.met.end, a.clock.time) {
		a.late.miss(a.met.start, a.met.end)
		return nil
	}
	var h processor.Headers // Kafka's results carry none when they are forwarded at once
	if a.s.T.Cached() {
		h = r.Headers
	}
	before := carry(a.ctx, h)
	err = a.write(r.Key, drop, at)
	a.ctx.Headers = before
	return err
}

// compute finds what a record meets and adds it, unless it is late.
func (a *sessions[K, V, A]) compute(r *processor.Record[K, V], at int64) (drop bool, err error) {
	if err := a.meet(r.Key, at); err != nil || a.w.Closed(a.met.end, a.clock.time) {
		return false, err
	}
	if a.met.sum, err = a.Add(*r, a.met.sum, a.met.has); err != nil {
		return false, err
	}
	return a.drops(a.met.sum)
}

// undone throws away what user code made of a cached value before it failed with err.
func (a *sessions[K, V, A]) undone(err error) error {
	if a.met.row == nil || !a.n.Env.Recovers {
		return err
	}
	if lost := a.s.T.Undo(a.met.row); lost != nil {
		return &Fatal{a.n.failure(processor.Processing, lost)}
	}
	return err
}

// meet finds the sessions that a record at a time belongs to, and their bounds and aggregate with it.
func (a *sessions[K, V, A]) meet(k K, at int64) error {
	a.met = meeting[K, A]{found: a.met.found[:0], start: at, end: at, later: rows.Latest{End: -1}}
	from, upto := a.w.Neighbours(at)
	if a.clock.idles { // what silence has closed may be near, and the store still shows it
		from = max(from, a.clock.closed())
	}
	last, known, err := a.s.Latest(k)
	switch {
	case err != nil:
		return err
	case known && at >= last.Start:
		return a.meetLatest(k, last, from, upto)
	}
	for s, it := range a.s.Find(k, from, math.MaxInt64) {
		if s.StartMs() > upto {
			a.met.later = rows.Latest{Start: s.StartMs(), End: s.EndMs()}
			continue
		}
		if err := a.join(s, it.Value); err != nil {
			return err
		}
	}
	return nil
}

// meetLatest is meet for a record that is not before the start of its key's latest session: it can meet no other, for those that can be seen end
// more than a gap before that one starts.
func (a *sessions[K, V, A]) meetLatest(k K, last rows.Latest, from, upto int64) error {
	if last.End < from || last.Start > upto {
		return nil
	}
	s := window.NewKey(k, last.Start, last.End)
	row, err := a.s.T.Ref(s)
	if err != nil || !row.Has {
		return err
	}
	a.met.row = row
	return a.join(s, row.Value)
}

// join merges one session.
func (a *sessions[K, V, A]) join(s window.Key[K], sum A) (err error) {
	m := &a.met
	m.found = append(m.found, s)
	m.start, m.end = min(m.start, s.StartMs()), max(m.end, s.EndMs())
	m.sum, err = a.Merge(s.Key, m.sum, m.has, sum)
	m.has = true
	return err
}

// write replaces the sessions that were met. A record at the bounds of the only one just changes it.
func (a *sessions[K, V, A]) write(key K, drop bool, at int64) error {
	m := &a.met
	k := window.NewKey(key, m.start, m.end)
	if m.start < m.end {
		for _, s := range m.found {
			if err := a.s.T.Delete(s, at); err != nil {
				return err
			}
		}
	}
	if drop {
		return a.s.T.Delete(k, at)
	}
	if last := (rows.Latest{Start: m.start, End: m.end}); last.End >= m.later.End {
		a.s.SetLatest(last)
	} else {
		a.s.SetLatest(m.later)
	}
	return a.s.T.Set(k, m.sum, at)
}
