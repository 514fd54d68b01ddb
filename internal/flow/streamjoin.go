package flow

import (
	"errors"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// KeepSide hands each record on, to the node that joins it, and then keeps it for the other side (Kafka's KStreamJoinWindow): so no record meets
// itself. A null key is not kept; a null value only reaches the changelog.
func KeepSide[K, V any](n *Node, side *rows.Side[K, V], next Receiver[K, V]) Receiver[K, V] {
	keep := keeping(side)
	return func(r processor.Record[K, V]) error {
		at, ok, fatal := timeOf(n, &r)
		if !ok {
			return fatal
		}
		side.Waits(false)
		if err := next(r); err != nil || r.KeyIsNull() {
			return err
		}
		_, err := n.deciding(func() error { return keep(&r, at) })
		return err
	}
}

// keeping keeps a record in a side.
func keeping[K, V any](side *rows.Side[K, V]) func(r *processor.Record[K, V], at int64) error {
	ctx := side.Host().Context()
	return func(r *processor.Record[K, V], at int64) (err error) {
		before := carry(ctx, r.Headers)
		if r.IsNull() {
			err = side.PutNull(r.Key, at)
		} else {
			err = side.Put(r.Key, at, r.Value)
		}
		ctx.Headers = before
		return err
	}
}

// JoinWithSelf joins a stream with itself in one store: a record meets as the left one what was kept before it, is kept, and meets as the right one all
// that is kept, itself too. That is what the two sides of JoinStreams and their stores make of it. Null keys and values are dropped; a null value reaches
// the changelog.
func JoinWithSelf[K, V, VO any](n *Node, left, right StreamJoin[K, V, V, VO], next Receiver[K, VO]) Receiver[K, V] {
	l := &streamJoin[K, V, V, VO]{StreamJoin: left, n: n, next: next}
	r := &streamJoin[K, V, V, VO]{StreamJoin: right, n: n, next: next}
	keep := keeping(left.Own)
	return func(rec processor.Record[K, V]) error {
		at, ok, fatal := timeOf(n, &rec)
		if !ok {
			return fatal
		}
		if err := l.take(rec); err != nil || rec.KeyIsNull() {
			return err
		}
		if kept, fatal := n.deciding(func() error { return keep(&rec, at) }); !kept || rec.IsNull() {
			return fatal
		}
		return r.take(rec)
	}
}

// StreamJoin is one side of a join of streams: what a record of V does that meets records of O. Its functions turn panics of user code into errors.
type StreamJoin[K, V, O, VO any] struct {
	Window window.JoinWindows // as seen from this side
	Own    *rows.Side[K, V]
	Others *rows.Side[K, O]
	// Pair joins a record with one of the other side.
	Pair func(r *processor.Record[K, V], other O) (VO, error)
	// Alone joins a record that no record of the other side meets with nothing; nil where such records are left out.
	Alone func(K, V) (VO, error)
	// Lone is what is shared with the other side of a left or outer join; nil for an inner one. Side is this side's number in it.
	Lone  *Lonely[K, VO]
	Side  int
	Value serde.Serde[V] // of records that wait in Lone
	Idle  int64          // after how many ms of silence those that wait in Lone are emitted: negative as the app says, 0 never
}

// JoinStreams joins the records of one side with those of the other that are kept (Kafka's KStreamKStreamJoin). Null values are dropped, and null keys
// too, but on a side with Alone, which joins them with nothing at once. A result's time is the greater of the two, its headers are those of the record
// in process.
func JoinStreams[K, V, O, VO any](n *Node, j StreamJoin[K, V, O, VO], next Receiver[K, VO]) Receiver[K, V] {
	if j.Lone != nil {
		j.Lone.closeIdle(n, j.Idle, next)
	}
	return (&streamJoin[K, V, O, VO]{StreamJoin: j, n: n, next: next}).take
}

type streamJoin[K, V, O, VO any] struct {
	StreamJoin[K, V, O, VO]
	n    *Node
	next Receiver[K, VO]
	enc  []byte
}

func (j *streamJoin[K, V, O, VO]) take(r processor.Record[K, V]) error {
	at := r.Time.UnixMilli()
	if j.Lone != nil {
		j.Lone.advance(at)
		if err := j.Lone.emit(j.n, at, r.Headers, j.next); err != nil {
			return err
		}
	}
	switch key, value := processor.Nulls(seal.Token{}, &r); {
	case key && j.Alone == nil:
		j.n.Drop(NullKey)
		return nil
	case value:
		j.n.Drop(NullValue)
		return nil
	case key:
		return j.alone(&r)
	}
	met, err := j.meet(&r, at)
	if met || err != nil || j.Alone == nil {
		return err
	}
	if _, upto := j.Window.Bounds(at); upto < j.Lone.time || at <= j.Lone.idle { // no record of the other side that is in order can meet it
		return j.alone(&r)
	}
	return j.wait(&r, at)
}

// meet joins a record with all that it meets, and reports whether there was any. A decision to skip ends it; what was joined before stays.
func (j *streamJoin[K, V, O, VO]) meet(r *processor.Record[K, V], at int64) (met bool, err error) {
	from, to := j.Window.Bounds(at)
	if j.Lone != nil {
		from = max(from, j.Lone.idle+1)
	}
	if done, fatal := j.n.deciding(func() error { return j.Others.Between(r.Key, from, to) }); !done {
		return true, fatal
	}
	met, err = j.each(r, at)
	if closed := j.Others.Close(); err == nil && closed != nil {
		err = j.n.lost(closed)
	}
	return met, err
}

func (j *streamJoin[K, V, O, VO]) each(r *processor.Record[K, V], at int64) (met bool, err error) {
	for {
		more, err := j.Others.Next()
		if err != nil {
			return met, j.n.lost(err)
		}
		if !more {
			return met, nil
		}
		met = true
		if j.Lone != nil && j.Others.Match() {
			if err := j.Lone.store.Delete(1-j.Side, r.Key, j.Others.At(), at); err != nil {
				return met, j.n.lost(err)
			}
		}
		if done, err := j.pair(r); !done || err != nil {
			return met, err
		}
	}
}

// pair joins a record with the one that the walk stands at.
func (j *streamJoin[K, V, O, VO]) pair(r *processor.Record[K, V]) (done bool, err error) {
	var out VO
	done, err = j.n.deciding(func() (err error) {
		out, err = j.once(r)
		return err
	})
	if !done || err != nil {
		return false, err
	}
	return true, j.next(notBefore(processor.WithValue(*r, out), j.Others.At()))
}

func (j *streamJoin[K, V, O, VO]) once(r *processor.Record[K, V]) (out VO, err error) {
	other, err := j.Others.Value()
	if err != nil {
		return out, err
	}
	return j.Pair(r, other)
}

// alone joins a record with nothing, at once.
func (j *streamJoin[K, V, O, VO]) alone(r *processor.Record[K, V]) error {
	var out VO
	done, err := j.n.deciding(func() (err error) {
		out, err = j.Alone(r.Key, r.Value)
		return err
	})
	if !done || err != nil {
		return err
	}
	return j.next(processor.WithValue(*r, out))
}

// wait keeps a record that nothing met until something does, or its window closes.
func (j *streamJoin[K, V, O, VO]) wait(r *processor.Record[K, V], at int64) error {
	_, err := j.n.deciding(func() error { return j.put(r, at) })
	return err
}

func (j *streamJoin[K, V, O, VO]) put(r *processor.Record[K, V], at int64) (err error) {
	if j.enc, err = j.Value.Append(j.enc[:0], r.Value); err != nil {
		return err
	}
	j.Own.Waits(true)
	return j.Lone.store.Put(j.Side, r.Key, at, j.enc)
}

// Lonely is what both sides of a left or outer join share: the records that wait for a match, and the join's time, which is the greatest of the records
// that reached it. The time is the store's mark and so survives a restart.
//
// A record that waits is joined with nothing once it can meet no record any more: when its time, what the other side may be later, and the grace are
// before the join's time. That is looked for at each record, at most once in Every; what is found is forwarded in the order of times.
type Lonely[K, VO any] struct {
	env   *Env
	set   *store.Set
	name  string
	store *rows.Pending[K]
	wait  [2]int64 // how long a record of a side waits, in ms
	alone [2]func(K, []byte) (VO, error)
	time  int64
	every int64
	due   int64 // wall-clock time of the next look
	idle  int64 // records up to it were closed by silence and meet nothing; −1: none
	idles bool
}

// NewLonely is the state of a join, in a store of pending records. alone are the sides' ways of joining an encoded record with nothing. every is how
// often, in ms of wall-clock time, what has closed is looked for; negative: as the app says.
func NewLonely[K, VO any](env *Env, name string, p *rows.Pending[K], w window.JoinWindows, every int64, alone [2]func(K, []byte) (VO, error)) *Lonely[K, VO] {
	if every < 0 {
		every = env.EmitEvery
	}
	env.sure(p)
	l := &Lonely[K, VO]{env: env, set: env.Stores, name: name, store: p, alone: alone, time: env.Stores.Mark(name), every: every, idle: -1}
	l.wait[rows.LeftSide], l.wait[rows.RightSide] = w.AfterMs()+w.GraceMs(), w.BeforeMs()+w.GraceMs()
	return l
}

// closeIdle has all that waits emitted after some silence, from the node of either side.
func (l *Lonely[K, VO]) closeIdle(n *Node, after int64, next Receiver[K, VO]) {
	if l.idles {
		return
	}
	l.idles = l.env.OnIdle(n, after, func() (bool, error) { return l.emitIdle(n, next) })
	if l.idles {
		l.idle = l.set.Mark(IdleMark(l.name))
	}
}

// emitIdle forwards all that waits. What came so far meets nothing any more: else what was joined with nothing could be joined again.
func (l *Lonely[K, VO]) emitIdle(n *Node, next Receiver[K, VO]) (any bool, err error) {
	if l.time > l.idle {
		l.idle, any = l.time, true
		l.set.SetMark(IdleMark(l.name), l.idle)
	}
	err = l.store.Take([2]int64{l.time, l.time}, l.time, func(lone rows.Lone[K]) error {
		any = true
		return l.forward(n, lone, nil, next)
	})
	if err != nil {
		return any, n.lost(err)
	}
	return any, nil
}

// advance raises the join's time to a record's.
func (l *Lonely[K, VO]) advance(at int64) {
	if at > l.time {
		l.time = at
		l.set.SetMark(l.name, at)
	}
}

// emit forwards what has closed from a node, for a record in process.
func (l *Lonely[K, VO]) emit(n *Node, now int64, h processor.Headers, next Receiver[K, VO]) error {
	upto := [2]int64{l.time - l.wait[0] - 1, l.time - l.wait[1] - 1}
	if !l.store.Any(upto) || l.env.WallTime < l.due {
		return nil
	}
	found := false
	err := l.store.Take(upto, now, func(lone rows.Lone[K]) error {
		found = true
		return l.forward(n, lone, h, next)
	})
	if found {
		l.due = l.env.WallTime + l.every
	}
	if err != nil {
		return n.lost(err)
	}
	return nil
}

func (l *Lonely[K, VO]) forward(n *Node, lone rows.Lone[K], h processor.Headers, next Receiver[K, VO]) error {
	var out VO
	done, err := n.deciding(func() (err error) {
		out, err = l.alone[lone.Side](lone.Key, lone.Value)
		return err
	})
	if !done || err != nil {
		return err
	}
	return next(processor.Record[K, VO]{Key: lone.Key, Value: out, Time: time.UnixMilli(lone.At).UTC(), Headers: h})
}

// lost is an error of a store in the middle of a record's work, which cannot be done again from here: nobody is asked.
func (n *Node) lost(err error) error {
	var decided *Fatal
	if errors.As(err, &decided) {
		return decided
	}
	return &Fatal{n.failure(processor.Processing, err)}
}
