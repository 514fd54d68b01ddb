package flow

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// JoinTableLater is JoinTable for records that wait in a buffer until their time is the grace behind the greatest that came to it (KIP-923), so that the
// table can catch up. One that is further behind when it comes is joined at once; so is a null key in a left join. Records are joined in the order of their
// times, each as if it were the one in process, with its own coordinates and headers.
func JoinTableLater[K, V, T, VO any](n *Node, left bool, buffer *rows.Waiting[K], values serde.Serde[V], look Look[K, T], join func(r processor.Record[K, V], t T, has bool) (VO, error), next Receiver[K, VO]) Receiver[K, V] {
	n.Env.sure(buffer)
	l := &later[K, V]{n: n, buffer: buffer, values: values, now: JoinTable(n, left, look, join, next)}
	return l.take
}

type later[K, V any] struct {
	n                   *Node
	buffer              *rows.Waiting[K]
	values              serde.Serde[V]
	now                 Receiver[K, V]
	value, headers, row []byte
}

func (l *later[K, V]) take(r processor.Record[K, V]) error {
	if r.KeyIsNull() || r.IsNull() {
		return l.now(r)
	}
	waits := false
	done, err := l.n.deciding(func() (err error) {
		waits, err = l.put(&r)
		return err
	})
	switch {
	case !done || err != nil:
		return err
	case !waits:
		return l.now(r)
	}
	_, err = l.n.deciding(func() error { return l.buffer.Release(r.Time.UnixMilli(), l.release) })
	return err
}

func (l *later[K, V]) put(r *processor.Record[K, V]) (waits bool, err error) {
	at, err := millis(r)
	if err != nil || !l.buffer.Takes(at) {
		return false, err
	}
	l.headers = appendHeaders(l.headers[:0], r.Headers)
	h := rows.Held{Context: contextOf(&l.n.Env.Origin, at), RawHeaders: l.headers}
	if l.value, h.New, err = appendPresent(l.values, l.value, r.Value, true); err != nil {
		return false, fmt.Errorf("encoding the value: %w", err)
	}
	l.row = h.Append(l.row[:0])
	return true, l.buffer.Put(r.Key, at, l.row)
}

// release joins a record that has waited.
func (l *later[K, V]) release(k K, row []byte) error {
	from, raw, err := fromWaiting(row)
	if err != nil {
		return err
	}
	v, err := l.values.Decode(raw)
	if err != nil {
		return fmt.Errorf("decoding a value that has waited: %w", err)
	}
	saved := l.n.Env.Origin
	l.n.Env.Origin = from
	err = l.now(processor.NewRecord(k, v, time.UnixMilli(from.Time).UTC()).WithHeaders(from.Headers))
	l.n.Env.Origin = saved
	return err
}

// fromWaiting takes a waiting record apart: where it came from, and its value, which is part of row.
func fromWaiting(row []byte) (from Origin, val []byte, err error) {
	h, err := rows.DecodeHeld(row)
	if err != nil {
		return from, nil, err
	}
	if h.New == nil {
		return from, nil, errWaiting
	}
	from = originOf(&h)
	from.Headers, err = headersOf(h.RawHeaders)
	return from, h.New, err
}

var errWaiting = errors.New("what has waited is no record: it has no value")
