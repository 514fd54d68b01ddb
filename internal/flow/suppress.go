package flow

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// ErrSuppressFull is what a full buffer fails with where nothing may be emitted early.
var ErrSuppressFull = errors.New("suppression buffer is full")

// Suppressing says how long, and in how much room, updates are held back.
type Suppressing[K, V any] struct {
	Key   serde.Serde[K]
	Value serde.Serde[V]
	Wait  int64 // ms
	// Ends is the end of a key's window, in ms: an update waits until Wait after it, and what was deleted by then is dropped. Nil: an update waits until
	// Wait after the first of its key that is held back.
	Ends                 func(K) int64
	MaxRecords, MaxBytes int64 // math.MaxInt64 for none; bytes as Kafka counts them
	Early                bool  // at a bound the oldest is emitted; else the task fails
	Idle                 int64 // after how many ms of silence all is emitted: negative as the app says, 0 never
}

// suppressor holds updates back (Kafka's KTableSuppressProcessor).
type suppressor[K, V any] struct {
	Suppressing[K, V]
	n             *Node
	name          string
	b             *rows.Buffer
	ctx           *rows.Context
	clock         *clock
	idle          int64 // windows that end by then were closed by silence; −1: none
	next          Receiver[K, Change[V]]
	key, old, new []byte
	headers       []byte
}

// Suppress holds the updates of a table back in a buffer. Time goes on with the updates that reach it, and only they let others go. What is emitted has the
// time, headers and coordinates of the last update that was held back. Its old value is that update's, as in Kafka: not what was emitted before.
func Suppress[K, V any](n *Node, name string, b *rows.Buffer, how Suppressing[K, V], next Receiver[K, Change[V]]) (Receiver[K, Change[V]], error) {
	s := &suppressor[K, V]{Suppressing: how, n: n, name: name, b: b, ctx: b.Host().Context(), next: next}
	s.clock = newClock(n.Env, name, "", b.Host(), how.Wait, false)
	if s.MaxRecords < math.MaxInt64 || s.MaxBytes < math.MaxInt64 {
		if err := b.Count(); err != nil {
			return nil, err
		}
	}
	n.Env.sure(b)
	b.Host().AtCommit(s.log)
	s.idle = -1
	if n.Env.OnIdle(n, how.Idle, s.closeIdle) {
		s.idle = n.Env.Stores.Mark(IdleMark(name))
	}
	return s.take, nil
}

// closeIdle emits all that is held back. Where it waits for windows to close, they have, and what comes for them later is late.
func (s *suppressor[K, V]) closeIdle() (any bool, err error) {
	last := int64(-1)
	err = s.evict(func() (more bool) {
		if at, ok := s.b.First(); ok {
			last, more, any = at, true, true
		}
		return more
	})
	if !any || err != nil {
		return any, err
	}
	s.clock.put(last + s.Wait)
	if s.idle = max(s.idle, last); s.Ends != nil {
		s.n.Env.Stores.SetMark(IdleMark(s.name), s.idle)
	}
	return true, nil
}

func (s *suppressor[K, V]) take(r processor.Record[K, Change[V]]) error {
	if s.Ends != nil && s.Ends(r.Key) <= s.idle {
		s.n.Drop(Late)
		return nil
	}
	if done, err := s.n.deciding(func() error { return s.hold(&r) }); !done || err != nil {
		return err
	}
	if err := s.evict(s.due); err != nil {
		return err
	}
	switch {
	case !s.full():
		return nil
	case s.Early:
		return s.evict(s.full)
	}
	return &Fatal{s.n.failure(processor.Processing, s.overflow())}
}

// hold puts an update into the buffer.
func (s *suppressor[K, V]) hold(r *processor.Record[K, Change[V]]) error {
	at, err := millis(r)
	if err != nil {
		return err
	}
	s.clock.advance(at)
	s.b.Host().Observe(at)
	h := rows.Held{Context: contextOf(&s.n.Env.Origin, at), At: at}
	if s.Ends != nil {
		h.At = s.Ends(r.Key)
	}
	if err := s.encode(r, &h); err != nil {
		return err
	}
	return s.b.Put(s.key, h)
}

func (s *suppressor[K, V]) encode(r *processor.Record[K, Change[V]], h *rows.Held) (err error) {
	defer Catch(&err)
	if s.key, err = s.Key.Append(s.key[:0], r.Key); err != nil {
		return fmt.Errorf("store %q: encode key: %w", s.name, err)
	}
	if s.old, h.Old, err = appendPresent(s.Value, s.old, r.Value.Old, r.Value.HasOld); err != nil {
		return fmt.Errorf("store %q: encode old value: %w", s.name, err)
	}
	if s.new, h.New, err = appendPresent(s.Value, s.new, r.Value.New, r.Value.HasNew); err != nil {
		return fmt.Errorf("store %q: encode value: %w", s.name, err)
	}
	s.headers = appendHeaders(s.headers[:0], r.Headers)
	h.RawHeaders = s.headers
	return nil
}

// contextOf is what a record that is held back keeps of where it came from; at is its time.
func contextOf(o *Origin, at int64) rows.Context {
	return rows.Context{Topic: o.Topic, Partition: o.Partition, Offset: o.Offset, Time: at}
}

// originOf is where what was held back came from, without headers.
func originOf(h *rows.Held) Origin {
	return Origin{Topic: h.Topic, Partition: h.Partition, Offset: h.Offset, Time: h.Time, Written: h.Time}
}

// appendHeaders appends headers as a Held has them.
func appendHeaders(dst []byte, h processor.Headers) []byte {
	for _, x := range h {
		dst = rows.AppendHeader(dst, x.Key, x.Value)
	}
	return dst
}

// appendPresent encodes a value into a buffer of its own; nil stands for none.
func appendPresent[V any](to serde.Serde[V], buf []byte, v V, has bool) (_, encoded []byte, err error) {
	if !has {
		return buf, nil, nil
	}
	if buf, err = to.Append(buf[:0], v); err != nil {
		return buf, nil, err
	}
	if buf == nil {
		buf = []byte{}
	}
	return buf, buf, nil
}

// due reports whether the first has waited long enough.
func (s *suppressor[K, V]) due() bool {
	at, ok := s.b.First()
	return ok && at <= s.clock.time-s.Wait
}

func (s *suppressor[K, V]) full() bool { return s.b.Len() > s.MaxRecords || s.b.Size() > s.MaxBytes }

func (s *suppressor[K, V]) overflow() error {
	if s.b.Len() > s.MaxRecords {
		return fmt.Errorf("store %q: %w: %d records, at most %d are allowed (MaxRecords)", s.name, ErrSuppressFull, s.b.Len(), s.MaxRecords)
	}
	return fmt.Errorf("store %q: %w: %d bytes, at most %d are allowed (MaxBytes)", s.name, ErrSuppressFull, s.b.Size(), s.MaxBytes)
}

// evict emits as long as more says so. An error of the buffer itself is final: nobody could be asked about it again.
func (s *suppressor[K, V]) evict(more func() bool) error {
	if err := s.b.Evict(more, s.emit); err != nil {
		return s.n.lost(err)
	}
	return nil
}

// emit forwards what was held back, as if its last update were in process.
func (s *suppressor[K, V]) emit(key []byte, h rows.Held) error {
	if s.Ends != nil && h.New == nil {
		return nil
	}
	env := s.n.Env
	origin, ctx := env.Origin, *s.ctx
	defer func() { env.Origin, *s.ctx = origin, ctx }()
	headers, err := headersOf(h.RawHeaders)
	if err != nil {
		return err
	}
	env.Origin = originOf(&h)
	env.Origin.Headers = headers
	*s.ctx = h.Context
	if headers != nil {
		s.ctx.Headers = headers
	}
	r := processor.Record[K, Change[V]]{Time: time.UnixMilli(h.Time).UTC(), Headers: headers}
	if done, err := s.n.deciding(func() error { return s.decode(key, &h, &r) }); !done || err != nil {
		return err
	}
	return s.next(r)
}

func (s *suppressor[K, V]) decode(key []byte, h *rows.Held, r *processor.Record[K, Change[V]]) (err error) {
	defer Catch(&err)
	if r.Key, err = s.Key.Decode(key); err != nil {
		return fmt.Errorf("store %q: decode key: %w", s.name, err)
	}
	c := &r.Value
	c.HasOld, c.HasNew = h.Old != nil, h.New != nil
	if c.HasOld {
		if c.Old, err = s.Value.Decode(h.Old); err != nil {
			return fmt.Errorf("store %q: decode old value: %w", s.name, err)
		}
	}
	if c.HasNew {
		if c.New, err = s.Value.Decode(h.New); err != nil {
			return fmt.Errorf("store %q: decode value: %w", s.name, err)
		}
	}
	return nil
}

func headersOf(raw []byte) (all processor.Headers, err error) {
	err = rows.EachHeader(raw, func(key, value []byte) {
		all = append(all, processor.Header{Key: string(key), Value: bytes.Clone(value)})
	})
	return all, err
}

// heldVersion is the header by which Kafka knows the version of a changelog record's value.
var heldVersion any = processor.Headers{{Key: "v", Value: []byte{3}}}

// log writes what has changed to the changelog, in a commit. Kafka gives these records no time, so that they get that of their sending.
func (s *suppressor[K, V]) log() error {
	before := s.ctx.Headers
	s.ctx.Headers = heldVersion
	err := s.b.Log(s.n.Env.WallTime)
	s.ctx.Headers = before
	return err
}

// Suppressed looks up the rows of a suppressed table: of a key whose updates are held back what it was before them, else what the table above has.
func Suppressed[K, V any](b *rows.Buffer, key serde.Serde[K], value serde.Serde[V], above Getter[K, V]) Getter[K, V] {
	var raw []byte
	return func(k K) (v V, at int64, ok bool, err error) {
		if raw, err = key.Append(raw[:0], k); err != nil {
			return v, 0, false, err
		}
		prior, held, err := b.Prior(raw)
		switch {
		case err != nil:
			return v, 0, false, err
		case !held:
			return above(k)
		case prior == nil:
			return v, 0, false, nil
		}
		v, err = value.Decode(prior)
		return v, -1, err == nil, err // nobody knows when it was put
	}
}
