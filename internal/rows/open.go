package rows

import (
	"encoding/binary"
	"fmt"
)

// NewOpen is the Spec of records that were taken and are not done: what waits for, or in, a call. Open makes an *Open; there is no View.
func NewOpen(name, keyType, valueType string) *Spec {
	s := &Spec{Name: name, Kind: BufferKind, Format: "open/1", KeyType: keyType, ValueType: valueType, Scans: true, Logged: true}
	s.Open = func(h Host) (any, error) { return &Open{name: name, host: h}, nil }
	s.Row = func(to Restorer, key, val []byte, _ int64) error {
		if len(key) != seqBytes {
			return fmt.Errorf("an open record's key: %x", key)
		}
		if val == nil {
			to.Delete(key)
		} else {
			to.Set(key, val)
		}
		return nil
	}
	return s
}

const seqBytes = 8

// Open is a task's store of open records, each under a number, in its rows and in the changelog.
type Open struct {
	name string
	host Host
	key  [seqBytes]byte
}

// Host is the store's side of its task.
func (o *Open) Host() Host { return o.host }

// Each walks the records by number. The bytes are valid during the call.
func (o *Open) Each(f func(seq uint64, val []byte) error) error {
	it, err := o.host.Iter(nil, nil, false)
	if err != nil {
		return o.wrap("scan", err)
	}
	for it.Next() && err == nil {
		if key := it.Key(); len(key) != seqBytes {
			err = fmt.Errorf("an open record's key: %x", key)
		} else {
			err = f(binary.BigEndian.Uint64(key), it.Value())
		}
	}
	if closing := closed(it); err == nil {
		err = closing
	}
	if err != nil {
		return o.wrap("scan", err)
	}
	return nil
}

// Put writes a record. at is the time of the changelog's record, in ms.
func (o *Open) Put(seq uint64, val []byte, at int64) error {
	binary.BigEndian.PutUint64(o.key[:], seq)
	if err := o.host.Set(o.key[:], val); err != nil {
		return o.wrap("put", err)
	}
	return o.host.Log(o.key[:], val, at, false)
}

// Delete takes a record out.
func (o *Open) Delete(seq uint64, at int64) error {
	binary.BigEndian.PutUint64(o.key[:], seq)
	if err := o.host.Delete(o.key[:]); err != nil {
		return o.wrap("delete", err)
	}
	return o.host.Log(o.key[:], nil, at, false)
}

func (o *Open) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", o.name, doing, err)
}

// OpenRecord is an open record as bytes, with the record of the source that it came from. Nil stands for null.
type OpenRecord struct {
	Context                   // where it was read, and that record's event time; Headers are not used
	Written            int64  // that record's time in the broker, ms
	At                 int64  // its own time, ms
	RawHeaders         []byte // as a Held has them
	Key, Value         []byte
	FromKey, FromValue []byte // the source's
}

// Append appends the bytes of a row.
func (r *OpenRecord) Append(dst []byte) []byte {
	dst = appendTime(appendTime(appendTime(appendTime(dst, r.At), r.Time), r.Written), r.Offset)
	dst = append(appendLength(dst, len(r.Topic)), r.Topic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Partition))
	if len(r.RawHeaders) == 0 {
		dst = appendLength(dst, 0)
	}
	dst = append(dst, r.RawHeaders...)
	dst = appendValue(appendValue(dst, r.Key), r.Value)
	return appendSame(appendSame(dst, r.FromKey, r.Key), r.FromValue, r.Value)
}

// appendSame appends a value that often is another one, which stands before it.
func appendSame(dst, v, other []byte) []byte {
	if v != nil && sameBytes(v, other) {
		return binary.BigEndian.AppendUint32(dst, sameValue)
	}
	return appendValue(dst, v)
}

// DecodeOpen is the opposite of Append; but for the topic, what it returns are parts of b.
func DecodeOpen(b []byte) (r OpenRecord, err error) {
	c := cutter{rest: b}
	r.At, r.Time, r.Written, r.Offset = c.int64(), c.int64(), c.int64(), c.int64()
	r.Topic = string(c.bytes(c.uint32()))
	r.Partition = int32(c.uint32())
	r.RawHeaders, _ = c.headers()
	r.Key, r.Value = c.bytes(c.uint32()), c.bytes(c.uint32())
	r.FromKey, r.FromValue = c.same(r.Key), c.same(r.Value)
	if c.bad || len(c.rest) > 0 {
		return OpenRecord{}, fmt.Errorf("%d bytes that are no open record", len(b))
	}
	return r, nil
}

// same cuts what appendSame appended.
func (c *cutter) same(other []byte) []byte {
	n := c.uint32()
	if n == sameValue {
		return other
	}
	return c.bytes(n)
}
