package flow

import "github.com/weirstream/weir/processor"

// Missed is a window that a record has missed, in ms. By is how long after the end of the window's grace it came.
type Missed struct{ Start, End, By int64 }

// Lateness says who is told of what an aggregation refuses as late, once the record has entered the windows that it does not miss. Nobody is where
// both are nil.
type Lateness[K, V any] struct {
	// Own takes what this aggregation refuses.
	Own func(r processor.Record[K, V], m Missed) error
	// All takes what each of the aggregations that share Votes refuses.
	All   func(r processor.Record[K, V], m Missed) error
	Votes *Votes
}

// Votes finds what every one of several aggregations refuses. They must be given the same records in the same order: each counts them, so that no
// two mean different records.
type Votes struct {
	of      int
	record  int64
	windows []vote
}

type vote struct {
	start, end int64
	n          int
}

// NewVotes is for some number of aggregations.
func NewVotes(of int) *Votes { return &Votes{of: of} }

// refused takes the vote of one aggregation against a window of its record-th record, and says whether it was the last.
func (v *Votes) refused(record int64, m Missed) bool {
	if record != v.record {
		v.record, v.windows = record, v.windows[:0]
	}
	for i := range v.windows {
		if w := &v.windows[i]; w.start == m.Start && w.end == m.End {
			w.n++
			return w.n == v.of
		}
	}
	v.windows = append(v.windows, vote{m.Start, m.End, 1})
	return v.of == 1
}

// refusal is what an aggregation does with windows that records miss.
type refusal[K, V any] struct {
	Lateness[K, V]
	n      *Node
	clock  *clock
	record int64    // how many were taken
	missed []Missed // by the one in process
}

// begin says that a record is taken.
func (l *refusal[K, V]) begin() {
	l.record++
	l.missed = l.missed[:0]
}

// miss counts a window, which is closed, that the record in process has missed.
func (l *refusal[K, V]) miss(start, end int64) {
	l.n.Drop(Late)
	if l.Own == nil && l.All == nil {
		return
	}
	for _, m := range l.missed {
		if m.Start == start && m.End == end {
			return
		}
	}
	l.missed = append(l.missed, Missed{start, end, l.clock.closed() - end})
}

// tell hands on what the record has missed. The record stays where it is: it must not escape.
func (l *refusal[K, V]) tell(r *processor.Record[K, V]) error {
	for _, m := range l.missed {
		if l.Own != nil {
			if err := l.Own(*r, m); err != nil {
				return err
			}
		}
		if l.All != nil && l.Votes.refused(l.record, m) {
			if err := l.All(*r, m); err != nil {
				return err
			}
		}
	}
	return nil
}
