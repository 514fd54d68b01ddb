package weir

import (
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/window"
)

// Suppression says how long, and in how much room, updates are held back.
type Suppression struct {
	limit              time.Duration
	closes, early      bool
	maxRecords         int
	maxBytes           int64
	byRecords, byBytes bool
}

// UntilWindowCloses lets only the final result of each window pass.
func UntilWindowCloses() Suppression { return Suppression{closes: true} }

// UntilTimeLimit lets an update of each key pass d after the first that was held back.
func UntilTimeLimit(d time.Duration) Suppression { return Suppression{limit: d} }

// MaxRecords bounds the buffer; without a bound it spills to disk.
func (s Suppression) MaxRecords(n int) Suppression {
	s.maxRecords, s.byRecords = n, true
	return s
}

// MaxBytes bounds the buffer; without a bound it spills to disk. Bytes are counted as Kafka counts them: keys, values (the new one, the one before,
// and the one before the first update that is held back, if it is another), and 28 with the names of topic and headers and the headers' values.
func (s Suppression) MaxBytes(n int64) Suppression {
	s.maxBytes, s.byBytes = n, true
	return s
}

// EmitEarlyWhenFull emits the oldest at a bound; not with UntilWindowCloses.
func (s Suppression) EmitEarlyWhenFull() Suppression { s.early = true; return s }

// StopWhenFull fails with ErrSuppressFull at a bound, which no decision can skip; it is the default.
func (s Suppression) StopWhenFull() Suppression { s.early = false; return s }

// ErrSuppressFull is what a full buffer of StopWhenFull fails with, inside a RecordError. Nothing is lost: the record that did not fit is taken again
// after a restart, which fails the same way until there is more room.
var ErrSuppressFull = flow.ErrSuppressFull

// validate says everything that is wrong.
func (s Suppression) validate(b *Builder, o *op) {
	if s.limit < 0 || s.limit%time.Millisecond != 0 {
		b.faultf(o, "UntilTimeLimit(%v) must be whole milliseconds, and not negative", s.limit)
	}
	if s.maxRecords < 0 || s.maxBytes < 0 {
		b.faultf(o, "MaxRecords(%d), MaxBytes(%d): a bound cannot be negative", s.maxRecords, s.maxBytes)
	}
	if s.early && s.closes {
		b.faultf(o, "EmitEarlyWhenFull does not fit UntilWindowCloses: what is emitted early is not final")
	}
	if s.early && !s.byRecords && !s.byBytes {
		b.faultf(o, "EmitEarlyWhenFull needs MaxRecords or MaxBytes")
	}
}

// bounds are the greatest counts that are allowed.
func (s Suppression) bounds() (records, size int64) {
	records, size = math.MaxInt64, math.MaxInt64
	if s.byRecords {
		records = int64(s.maxRecords)
	}
	if s.byBytes {
		size = s.maxBytes
	}
	return records, size
}

// closes says when the windows of a table close: some time, in ms, after their ends.
type closes[K any] struct {
	end   func(K) int64
	after int64
	idle  *time.Duration // CloseIdleAfter of what makes them; nil without it
}

// closing says when windows close; nil for those that never do.
func closing[K any](spec window.Spec) *closes[window.Key[K]] {
	end := window.Key[K].EndMs
	switch w := spec.(type) {
	case window.TimeWindows:
		return &closes[window.Key[K]]{end: end, after: w.GraceMs()}
	case window.SlidingWindows:
		return &closes[window.Key[K]]{end: end, after: w.GraceMs()}
	case window.SessionWindows:
		return &closes[window.Key[K]]{end: end, after: w.GapMs() + w.GraceMs()}
	}
	return nil
}

// later is when the windows of two tables have closed; nil where those of either never do.
func later[K any](a, b *closes[K]) *closes[K] {
	if a == nil || b == nil || b.after > a.after {
		a, b = b, a
	}
	if b == nil {
		return nil
	}
	return a
}

// Suppress holds updates back in a buffer: node name, store name-store, changelog <app>-<name>-store-changelog. UntilWindowCloses on a table
// without windows is a Build error; NoChangelog, InMemory, TopicConfig and CloseIdleAfter fit. Tombstones are dropped until windows close, forwarded at a time limit.
// Time goes on with updates alone: what is the last waits for one that is later, or for CloseIdleAfter.
func (t Table[K, V]) Suppress(name string, until Suppression, opts ...OpOption) Table[K, V] {
	return Table[K, V]{suppressed(t.made, name, until, t.b.newOp("Suppress", opts, []string{"NoChangelog", "InMemory", "TopicConfig", "CloseIdleAfter"}))}
}

func suppressed[K, V any](t made[K, V], name string, until Suppression, o *op) made[K, V] {
	b, store := t.b, name+"-store"
	if o.name == "" {
		o.name = name
	}
	until.validate(b, o)
	how := flow.Suppressing[K, V]{Wait: until.limit.Milliseconds(), Early: until.early}
	how.MaxRecords, how.MaxBytes = until.bounds()
	switch {
	case !until.closes:
	case t.closes == nil:
		b.faultf(o, "UntilWindowCloses needs a table of windows that close")
	default:
		how.Wait, how.Ends = t.closes.after, t.closes.end
		if o.closeIdle == nil {
			o.closeIdle = t.closes.idle
		}
	}
	how.Idle = o.idleAfter()
	if t.past != nil {
		b.faultf(o, "a versioned table cannot be suppressed: what is held back has no history")
	}
	key, value := storeSerdes(b, o, store, t.key, t.value)
	o.store.noCache = true // its own way of logging
	addSpec(b, o, store, key, value, func() *rows.Spec { return rows.NewBuffer(store, key.s.Name(), value.s.Name()) })
	t.olds.want() // what is held back knows what was before it
	n := addNode(b, o, b.nodeName(o), []topology.Parent{{Node: t.n}}, func(n *flow.Node, next flow.Receiver[K, changes[V]]) (flow.Receiver[K, changes[V]], error) {
		buffer, err := facade[*rows.Buffer](n.Env, store)
		if err != nil {
			return nil, err
		}
		how := how
		how.Key, how.Value = key.s, value.s
		return flow.Suppress(n, store, buffer, how, next)
	})
	n.Stores = []string{store}
	above := t.rows
	look := func(env *flow.Env) (flow.Getter[K, V], error) {
		of, err := above(env)
		if err != nil {
			return nil, err
		}
		buffer, err := facade[*rows.Buffer](env, store)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
		return flow.Suppressed(buffer, key.s, value.s, of), nil
	}
	t.n, t.key, t.value, t.rows, t.spec, t.past = n, key, value, look, nil, nil
	t.olds = &olds{wanted: true, above: []*olds{t.olds}}
	t.stores = append([]string{store}, t.stores...)
	return t
}
