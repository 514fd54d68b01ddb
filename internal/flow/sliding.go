package flow

import (
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// sliding aggregates by sliding windows.
type sliding[K, V, A any] struct {
	folder[K, window.Key[K], V, A]
	s       *rows.Windows[K, A]
	w       window.SlidingWindows
	diff    int64
	clock   *clock
	late    refusal[K, V]
	closing *closing[window.Key[K], A] // nil: every update is forwarded
	starts  []int64                    // of the windows around the record in process, ascending
}

// AggregateSliding keeps an aggregate of each key and sliding window (Kafka's KStreamSlidingWindowAggregate). A record enters the windows that exist and
// hold its time; three may begin with it: the one after the record before, its own left one, which ends at it, and its right one, which begins after
// it, if later records are known. What is before diff shares the window [0, diff] in place of its left ones. Null keys and values are dropped
// and do not move the time. A record of which every window is closed is one late drop, of the window that ends at it; else each closed window that it misses is one. A result's
// time is the greatest of its records'.
func AggregateSliding[K, V, A any](n *Node, name string, s *rows.Windows[K, A], w window.SlidingWindows, f Folding[K, V, A], emit *Closing, old bool, next Receiver[window.Key[K], Change[A]]) Receiver[K, V] {
	a := &sliding[K, V, A]{folder: newFolder(n, s.T, f), s: s, w: w, diff: w.DiffMs()}
	a.clock = newClock(n.Env, name, f.Input, s.T.Host(), w.GraceMs(), emit != nil)
	a.late = refusal[K, V]{Lateness: f.Late, n: n, clock: a.clock}
	a.clock.closeIdle(n, f.Idle, func(at int64) int64 { return w.End(at) + w.GraceMs() + 1 }, func() (bool, error) {
		return a.closing.emitIdle(a.clock.closed())
	})
	if emit == nil {
		watch(n, s.T, old, nil, next)
		return a.take
	}
	a.closing = &closing[window.Key[K], A]{
		after:  func(mark int64) int64 { return mark - a.diff },
		upto:   func(mark int64) int64 { return mark - a.diff - 1 },
		timeOf: func(_ window.Key[K], it rows.Item[A]) int64 { return it.At },
	}
	a.closing.start(n, name, s.T, *emit, next)
	return a.take
}

func (a *sliding[K, V, A]) take(r processor.Record[K, V]) error {
	a.late.begin()
	if !a.takes(a.n, &r, false) {
		return nil
	}
	at, ok, fatal := timeOf(a.n, &r)
	if !ok {
		return fatal
	}
	a.clock.advance(at)
	if a.w.Closed(a.w.End(at), a.clock.time) {
		left := a.w.Left(at)
		a.late.miss(left, a.w.End(left))
		return a.late.tell(&r)
	}
	if err := a.addAll(&r, at); err != nil {
		return err
	}
	if err := a.late.tell(&r); err != nil || a.closing == nil {
		return err
	}
	return a.closing.emit(a.clock.closed(), r.Headers)
}

// addAll adds a record to its windows. A decision to skip ends it, as an exception ends Kafka's process; the windows before keep the record.
func (a *sliding[K, V, A]) addAll(r *processor.Record[K, V], at int64) error {
	var m beside[A]
	ok, fatal := a.n.deciding(func() (err error) {
		m, err = a.look(r.Key, at)
		return err
	})
	if !ok {
		return fatal
	}
	if at < a.diff {
		return a.early(r, at, &m)
	}
	return a.usual(r, at, &m)
}

// beside is what is around a record beside the windows that hold its time, before it is added to any.
type beside[A any] struct {
	holding []int64 // the starts of the windows that hold its time, ascending
	own     bool    // the window that a record makes is among them, the first: its left one, or [0, diff]
	same    bool    // own has a record of the same time or, before diff, of a later one
	before  int64   // the time of the record before; −1: unknown, or none
	left    int64   // the start of the window that holds what its left window would hold without it, or nothing
	right   A       // what its right window will hold
	rightAt int64   // the greatest time in it; −1: no right window is to be made
}

// look finds what is around a record.
func (a *sliding[K, V, A]) look(k K, at int64) (m beside[A], err error) {
	if a.starts, err = a.s.Near(a.starts[:0], k, max(0, at-2*a.diff), at+1, 2*a.diff); err != nil {
		return m, err
	}
	m = beside[A]{before: -1, left: nothing, rightAt: -1}
	n := len(a.starts)
	hasRight := n > 0 && a.starts[n-1] == at+1
	if hasRight {
		n--
	}
	first := n
	for first > 0 && a.starts[first-1] >= at-a.diff {
		first--
	}
	m.holding = a.starts[first:n]
	m.own = len(m.holding) > 0 && m.holding[0] == a.w.Left(at)
	if !hasRight && n > first {
		if err := a.lookRight(&m, at); err != nil {
			return m, err
		}
	}
	return m, a.lookBefore(&m, at, a.starts[:first])
}

// lookRight finds what a record's right window will hold: the later records of the latest window that holds its time.
func (a *sliding[K, V, A]) lookRight(m *beside[A], at int64) error {
	row, err := a.s.Window(m.holding[len(m.holding)-1])
	if err != nil || !row.Has || row.At <= at {
		return err
	}
	m.rightAt = row.At
	m.right, err = a.t.Own(row)
	return err
}

// lookBefore finds the record before, by the windows that end at or before the record: earlier holds the starts of those before.
func (a *sliding[K, V, A]) lookBefore(m *beside[A], at int64, earlier []int64) error {
	if m.own {
		row, err := a.s.Window(m.holding[0])
		if err != nil || !row.Has {
			return err
		}
		if m.same = row.At >= at; m.same {
			return nil
		}
		m.before = row.At
	}
	if len(earlier) == 0 {
		return nil
	}
	start := earlier[len(earlier)-1]
	row, err := a.s.Window(start)
	if err != nil || !row.Has {
		return err
	}
	if m.before = row.At; at-a.diff <= row.At {
		m.left = start
	}
	return nil
}

// usual adds a record to the windows that hold it, latest first, and then makes those that begin with it.
func (a *sliding[K, V, A]) usual(r *processor.Record[K, V], at int64, m *beside[A]) error {
	for i := len(m.holding) - 1; i >= 0; i-- {
		if done, err := a.into(r, at, m.holding[i], m.holding[i]); !done || err != nil {
			return err
		}
	}
	if m.same {
		return nil
	}
	if done, err := a.afterBefore(r, at, m); !done || err != nil {
		return err
	}
	if !m.own {
		if done, err := a.into(r, at, at-a.diff, m.left); !done || err != nil {
			return err
		}
	}
	return a.putRight(r, at, m)
}

// early is usual for a record before diff. All of those have one left window, [0, diff], which comes last.
func (a *sliding[K, V, A]) early(r *processor.Record[K, V], at int64, m *beside[A]) error {
	for _, start := range m.holding {
		if start == 0 {
			continue
		}
		if done, err := a.into(r, at, start, start); !done || err != nil {
			return err
		}
	}
	if err := a.putRight(r, at, m); err != nil {
		return err
	}
	if done, err := a.afterBefore(r, at, m); !done || err != nil {
		return err
	}
	from := nothing
	if m.own {
		from = 0
	}
	_, err := a.into(r, at, 0, from)
	return err
}

// afterBefore makes the right window of the record before, if the record falls into it and no record has made it.
func (a *sliding[K, V, A]) afterBefore(r *processor.Record[K, V], at int64, m *beside[A]) (done bool, err error) {
	start := m.before + 1
	if m.before < 0 || start+a.diff < at || has(m.holding, start) {
		return true, nil
	}
	return a.into(r, at, start, nothing)
}

// has says whether there is a window of a start, among few.
func has(starts []int64, start int64) bool {
	for _, s := range starts {
		if s == start {
			return true
		}
	}
	return false
}

// nothing is the start of no window.
const nothing int64 = -1

// into gives a window what the window from holds, which may be itself, and the record, unless it is closed. done is false when the record was
// skipped.
func (a *sliding[K, V, A]) into(r *processor.Record[K, V], at, start, from int64) (done bool, err error) {
	if end := a.w.End(start); a.w.Closed(end, a.clock.time) {
		a.late.miss(start, end)
		return true, nil
	}
	for {
		row, err := a.tryInto(r, at, start, from)
		if err == nil {
			return true, nil
		}
		if again, err := a.failed(row, err); !again {
			return false, err
		}
	}
}

// tryInto tries it. row is the one that failed user code had in hand.
func (a *sliding[K, V, A]) tryInto(r *processor.Record[K, V], at, start, from int64) (row *rows.Row[A], err error) {
	if from != start {
		return nil, a.begin(r, at, start, from)
	}
	if row, err = a.s.Window(start); err != nil {
		return nil, err
	}
	sum, drop, err := a.sum(row.Value, row.Has, r)
	if err != nil {
		return row, err
	}
	latest := at
	if row.Has {
		latest = max(at, row.At)
	}
	return nil, a.put(row, start, sum, drop, r, at, latest)
}

// begin makes a window of a record and what another one holds.
func (a *sliding[K, V, A]) begin(r *processor.Record[K, V], at, start, from int64) error {
	var base A
	if from != nothing {
		row, err := a.s.Window(from)
		if err != nil {
			return err
		}
		if base, err = a.t.Own(row); err != nil {
			return err
		}
	}
	sum, drop, err := a.sum(base, from != nothing, r)
	if err != nil {
		return err
	}
	row, err := a.s.Fresh(start)
	if err != nil {
		return err
	}
	return a.put(row, start, sum, drop, r, at, at)
}

// put is keep, of which the store takes note.
func (a *sliding[K, V, A]) put(row *rows.Row[A], start int64, sum A, drop bool, r *processor.Record[K, V], at, latest int64) error {
	if err := a.keep(row, sum, drop, r.Headers, at, latest); err != nil {
		return err
	}
	a.s.Note(start, !drop)
	return nil
}

// putRight makes the record's right window, which holds what is known to come after it.
func (a *sliding[K, V, A]) putRight(r *processor.Record[K, V], at int64, m *beside[A]) error {
	if m.rightAt < 0 {
		return nil
	}
	_, fatal := a.n.deciding(func() error {
		row, err := a.s.Fresh(at + 1)
		if err != nil {
			return err
		}
		return a.put(row, at+1, m.right, false, r, m.rightAt, m.rightAt)
	})
	return fatal
}
