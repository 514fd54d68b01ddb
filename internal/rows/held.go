package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Held is an update that is held back: Kafka's BufferValue, with the time by which it waits. Its bytes are the rows and the changelog's values
// (version 3). Of the Context the Headers are not used: they are here as bytes.
type Held struct {
	Context
	RawHeaders      []byte // count (4), then length (4) ‖ key ‖ length (4, −1 null) ‖ value; empty for none
	Prior, Old, New []byte // before the first update that is held back, before the last, and with it; nil where there is no value
	At              int64  // ms
}

// The lengths that stand for something else, as unsigned numbers.
const (
	noValue   = math.MaxUint32     // −1: null
	sameValue = math.MaxUint32 - 1 // −2: the old value is the prior one
)

// Append appends the bytes.
func (h *Held) Append(dst []byte) []byte {
	dst = appendTime(appendTime(dst, h.Time), h.Offset)
	dst = append(appendLength(dst, len(h.Topic)), h.Topic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.Partition))
	if len(h.RawHeaders) == 0 {
		dst = appendLength(dst, 0)
	}
	dst = append(dst, h.RawHeaders...)
	dst = appendValue(dst, h.Prior)
	if h.Old != nil && sameBytes(h.Prior, h.Old) {
		dst = binary.BigEndian.AppendUint32(dst, sameValue)
	} else {
		dst = appendValue(dst, h.Old)
	}
	return appendTime(appendValue(dst, h.New), h.At)
}

func appendLength(dst []byte, n int) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }

func appendValue(dst, v []byte) []byte {
	if v == nil {
		return binary.BigEndian.AppendUint32(dst, noValue)
	}
	return append(appendLength(dst, len(v)), v...)
}

// sameBytes tells nil from empty.
func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// held is a Held's bytes, cut up; the slices are parts of them.
type held struct {
	time, offset    int64
	topic           []byte
	partition       int32
	headers         []byte // with their count
	inHeaders       int64  // their part of size
	prior, old, new []byte
	at              int64
}

// cutHeld is the opposite of Held.Append. It takes nothing else: a value of an earlier version than 3 does not end where it should.
func cutHeld(b []byte) (h held, err error) {
	c := cutter{rest: b}
	h.time, h.offset = c.int64(), c.int64()
	h.topic = c.bytes(c.uint32())
	h.partition = int32(c.uint32())
	h.headers, h.inHeaders = c.headers()
	h.prior = c.bytes(c.uint32())
	if n := c.uint32(); n == sameValue {
		h.old = h.prior
	} else {
		h.old = c.bytes(n)
	}
	h.new = c.bytes(c.uint32())
	h.at = c.int64()
	if c.bad || len(c.rest) > 0 || h.at < 0 {
		return h, fmt.Errorf("%d bytes that are no update of version 3", len(b))
	}
	return h, nil
}

// DecodeHeld is the opposite of Append; but for the topic, what it returns are parts of b.
func DecodeHeld(b []byte) (Held, error) {
	h, err := cutHeld(b)
	if err != nil {
		return Held{}, err
	}
	return h.out(string(h.topic)), nil
}

// out is the update with slices of the bytes that it was cut from; topic is its own, as a string.
func (h *held) out(topic string) Held {
	return Held{
		Context:    Context{Topic: topic, Partition: h.partition, Offset: h.offset, Time: h.time},
		RawHeaders: h.headers, Prior: h.prior, Old: h.old, New: h.new, At: h.at,
	}
}

// size is what Kafka takes the update to need in memory, which bounds in bytes go by.
func (h *held) size(key int) int64 {
	const times, partition = 3 * stampLen, 4 // the third is the time by which it waits
	n := times + partition + int64(key) + units(h.topic) + h.inHeaders + int64(len(h.prior)+len(h.new))
	if !sameBytes(h.prior, h.old) {
		n += int64(len(h.old))
	}
	return n
}

// units is the length of a Java string.
func units(s []byte) (n int64) {
	for len(s) > 0 {
		r, w := utf8.DecodeRune(s)
		if n++; r > math.MaxUint16 {
			n++
		}
		s = s[w:]
	}
	return n
}

// cutter cuts bytes up; bad says that they were too few.
type cutter struct {
	rest []byte
	bad  bool
}

func (c *cutter) take(n int64) []byte {
	if n < 0 || n > int64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cutter) int64() int64 {
	if b := c.take(8); b != nil {
		return timeAt(b)
	}
	return 0
}

func (c *cutter) uint32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cutter) bytes(n uint32) []byte {
	if n == noValue || c.bad {
		return nil
	}
	return c.take(int64(n))
}

// headers are the headers as they stand, and what they add to a size. A count of −1 is none, as old versions of Kafka wrote it.
func (c *cutter) headers() (raw []byte, size int64) {
	begin := c.rest
	n := c.uint32()
	if n == noValue || c.bad {
		return nil, 0
	}
	for ; n > 0 && !c.bad; n-- {
		size += units(c.bytes(c.uint32()))
		size += int64(len(c.bytes(c.uint32())))
	}
	if c.bad {
		return nil, 0
	}
	used := len(begin) - len(c.rest)
	return begin[:used:used], size
}

// EachHeader walks the headers of a Held. The slices are parts of raw; a nil value is null.
func EachHeader(raw []byte, f func(key, value []byte)) error {
	if len(raw) == 0 {
		return nil
	}
	c := cutter{rest: raw}
	for n := c.uint32(); n > 0 && !c.bad; n-- {
		key, value := c.bytes(c.uint32()), c.bytes(c.uint32())
		if !c.bad {
			f(key, value)
		}
	}
	if c.bad {
		return errHeaders
	}
	return nil
}

var errHeaders = errors.New("headers that end too early")

// AppendHeader appends one header to those of a Held: nil for none yet. A nil value is null.
func AppendHeader(raw []byte, key string, value []byte) []byte {
	if len(raw) == 0 {
		raw = appendLength(raw, 0)
	}
	binary.BigEndian.PutUint32(raw, binary.BigEndian.Uint32(raw)+1)
	raw = append(appendLength(raw, len(key)), key...)
	return appendValue(raw, value)
}
