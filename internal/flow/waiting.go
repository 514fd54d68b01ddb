package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// JoinTableLater is JoinTable for records that wait in a buffer until their time is the grace behind the greatest that came to it (KIP-923), so that the
// table can catch up. One that is further behind when it comes is joined at once; so is a null key in a left join. Records are joined in the order of their
// times, each as if it were the one in process, with its own coordinates and headers.
func JoinTableLater[K, V, T, VO any](n *Node, left bool, buffer *rows.Waiting[K], values serde.Serde[V], look Look[K, T], join func(r processor.Record[K, V], t T, has bool) (VO, error), next Receiver[K, VO]) Receiver[K, V] {
	l := &later[K, V]{n: n, buffer: buffer, values: values, now: JoinTable(n, left, look, join, next)}
	return l.take
}

type later[K, V any] struct {
	n      *Node
	buffer *rows.Waiting[K]
	values serde.Serde[V]
	now    Receiver[K, V]
	value  []byte
	row    []byte
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
	if l.value, err = l.values.Append(l.value[:0], r.Value); err != nil {
		return false, fmt.Errorf("encoding the value: %w", err)
	}
	l.row = appendWaiting(l.row[:0], &l.n.Env.Origin, at, r.Headers, l.value)
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

const noBytes = 0xffffffff // the length of what is null

// appendWaiting appends Kafka's BufferValue of a record that waits, with a buffer time of 0: its context, no values of before, its value.
func appendWaiting(dst []byte, o *Origin, at int64, h processor.Headers, val []byte) []byte {
	be := binary.BigEndian
	dst = be.AppendUint64(dst, uint64(at))
	dst = be.AppendUint64(dst, uint64(o.Offset))
	dst = append(be.AppendUint32(dst, uint32(len(o.Topic))), o.Topic...)
	dst = be.AppendUint32(dst, uint32(o.Partition))
	dst = be.AppendUint32(dst, uint32(len(h)))
	for _, x := range h {
		dst = append(be.AppendUint32(dst, uint32(len(x.Key))), x.Key...)
		if x.Value == nil {
			dst = be.AppendUint32(dst, noBytes)
			continue
		}
		dst = append(be.AppendUint32(dst, uint32(len(x.Value))), x.Value...)
	}
	dst = be.AppendUint32(be.AppendUint32(dst, noBytes), noBytes)
	dst = append(be.AppendUint32(dst, uint32(len(val))), val...)
	return be.AppendUint64(dst, 0)
}

// fromWaiting is the opposite. The value is part of row; the rest is not.
func fromWaiting(row []byte) (o Origin, val []byte, err error) {
	c := cutter{rest: row}
	o.Time = int64(c.number(8))
	o.Written = o.Time
	o.Offset = int64(c.number(8))
	o.Topic = string(c.bytes())
	o.Partition = int32(c.number(4))
	for n := int32(c.number(4)); n > 0 && !c.short; n-- {
		key := string(c.bytes())
		o.Headers = append(o.Headers, processor.Header{Key: key, Value: slices.Clone(c.bytes())})
	}
	c.bytes()
	c.bytes()
	if val = c.bytes(); c.short || val == nil {
		return o, nil, errWaiting
	}
	return o, val, nil
}

var errWaiting = errors.New("what has waited is no record: its bytes are cut short")

// cutter takes bytes apart.
type cutter struct {
	rest  []byte
	short bool
}

func (c *cutter) take(n int) []byte {
	if n > len(c.rest) {
		c.short, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cutter) number(n int) (x uint64) {
	for _, b := range c.take(n) {
		x = x<<8 | uint64(b)
	}
	return x
}

// bytes are nil where a length says that there are none.
func (c *cutter) bytes() []byte {
	n := uint32(c.number(4))
	if c.short || n >= 1<<31 {
		return nil
	}
	if n == 0 {
		return []byte{}
	}
	return c.take(int(n))
}
