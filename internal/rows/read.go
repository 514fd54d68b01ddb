package rows

import (
	"errors"
	"fmt"
	"sync"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
)

// Item is a value with its time in ms.
type Item[V any] struct {
	Value V
	At    int64
}

// source is where a facade reads: a table in a task, or committed rows.
type source[V any] interface {
	lookup(local []byte) (Item[V], bool, error)
	iter(lo, hi []byte, reverse bool) (Iterator, error)
	unpack(raw []byte) (Item[V], error)
	hides(raw []byte) bool // a row whose time is over
	observed() int64       // the least time that a part of it has seen
	newest() int64         // the greatest
	fail(error)
	firstErr() error
}

// A table as a source. Its first error is the task's affair.

func (t *Table[KK, V]) lookup(local []byte) (it Item[V], ok bool, err error) {
	t.key = append(t.key[:0], local...)
	r, err := t.peek()
	if err != nil || !r.Has {
		return it, false, err
	}
	return Item[V]{r.Value, r.At}, true, nil
}

func (t *Table[KK, V]) iter(lo, hi []byte, reverse bool) (Iterator, error) {
	if t.cached {
		if err := t.spillRange(lo, hi); err != nil {
			return nil, err
		}
	}
	return t.host.Iter(lo, hi, reverse)
}

func (t *Table[KK, V]) unpack(raw []byte) (it Item[V], err error) {
	it.Value, it.At, err = t.decode(raw)
	return it, err
}

func (t *Table[KK, V]) observed() int64 { return t.host.Observed() }
func (t *Table[KK, V]) newest() int64   { return t.host.Observed() }
func (t *Table[KK, V]) fail(err error)  { t.host.Stick(err) }
func (t *Table[KK, V]) firstErr() error { return nil }

// committed is a source over rows that do not change. Many goroutines may use it.
type committed[V any] struct {
	Reader
	name  string
	value serde.Serde[V]
	time  int64
	skip  int // bytes between a row's time and its value
	mu    sync.Mutex
	err   error
}

func (c *committed[V]) lookup(local []byte) (it Item[V], ok bool, err error) {
	raw, ok, err := c.Get(nil, local)
	if err != nil || !ok {
		return it, false, err
	}
	it, err = c.unpack(raw)
	return it, err == nil, err
}

func (c *committed[V]) iter(lo, hi []byte, reverse bool) (Iterator, error) {
	return c.Iter(lo, hi, reverse)
}

func (c *committed[V]) unpack(raw []byte) (it Item[V], err error) {
	if len(raw) < stampLen+c.skip {
		return it, fmt.Errorf("store %q: %w", c.name, tooShort("row", raw, stampLen+c.skip))
	}
	if it.Value, err = c.value.Decode(raw[stampLen+c.skip:]); err != nil {
		return it, fmt.Errorf("store %q: decode value: %w", c.name, err)
	}
	it.At = timeAt(raw)
	return it, nil
}

// hides is false: what is committed has been rid of such rows, and the time has stood still since.
func (c *committed[V]) hides([]byte) bool { return false }

func (c *committed[V]) observed() int64 {
	least, _ := c.span()
	return least
}

func (c *committed[V]) newest() int64 {
	_, greatest := c.span()
	return greatest
}

// Observing is a Reader over the rows of several tasks, which go on: each has seen times of its own. Nothing is hidden that one of them shows.
type Observing interface {
	Observed() (least, greatest int64)
}

func (c *committed[V]) span() (least, greatest int64) {
	if o, ok := c.Reader.(Observing); ok {
		return o.Observed()
	}
	return c.time, c.time
}

func (c *committed[V]) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *committed[V]) firstErr() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// reads is what all read-only facades share.
type reads[KK, V any] struct {
	name      string
	keys      Keys[KK]
	src       source[V]
	retention int64
}

// Err is the first error of any scan. In a task it is nil: there the error fails the record.
func (r *reads[KK, V]) Err() error { return r.src.firstErr() }

func (r *reads[KK, V]) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", r.name, doing, err)
}

// floor is the least time that is still visible: time > observed − retention.
func (r *reads[KK, V]) floor() int64 {
	if r.retention <= 0 {
		return 0
	}
	return max(0, r.src.observed()-r.retention+1)
}

// ceiling is the greatest time that a row can have.
func (r *reads[KK, V]) ceiling(to int64) int64 {
	if r.retention <= 0 {
		return to
	}
	return min(to, r.src.newest())
}

// scan walks spans of rows, which are in order, and closes itself. All iterators are made first: the scan sees one moment. yield gets the local
// key, valid during the call, and the value; wanted, if not nil, is asked before the value is decoded.
func (r *reads[KK, V]) scan(spans []Span, reverse bool, wanted func(local []byte) bool, yield func(local []byte, it Item[V]) bool) {
	its := make([]Iterator, 0, len(spans))
	defer func() {
		for _, it := range its {
			if err := it.Close(); err != nil {
				r.src.fail(r.wrap("close scan", err))
			}
		}
	}()
	for i := range spans {
		s := spans[i]
		if reverse {
			s = spans[len(spans)-1-i]
		}
		if s.Hi != nil && compare(s.Lo, s.Hi) >= 0 {
			continue
		}
		it, err := r.src.iter(s.Lo, s.Hi, reverse)
		if err != nil {
			r.src.fail(r.wrap("scan", err))
			return
		}
		its = append(its, it)
	}
	for _, it := range its {
		if !r.walk(it, wanted, yield) {
			return
		}
	}
}

func (r *reads[KK, V]) walk(it Iterator, wanted func(local []byte) bool, yield func(local []byte, it Item[V]) bool) bool {
	for it.Next() {
		if wanted != nil && !wanted(it.Key()) || r.src.hides(it.Value()) {
			continue
		}
		item, err := r.src.unpack(it.Value())
		if err != nil {
			r.src.fail(err)
			return false
		}
		if !yield(it.Key(), item) {
			return false
		}
	}
	if err := it.Err(); err != nil {
		r.src.fail(r.wrap("scan", err))
		return false
	}
	return true
}

// keyed is scan with decoded keys.
func (r *reads[KK, V]) keyed(spans []Span, reverse bool, wanted func(local []byte) bool, yield func(KK, Item[V]) bool) {
	r.scan(spans, reverse, wanted, func(local []byte, it Item[V]) bool {
		k, err := r.keys.Decode(local)
		if err != nil {
			r.src.fail(r.wrap("decode key", err))
			return false
		}
		return yield(k, it)
	})
}

var errNilKey = errors.New("the key is nil")

// encodeKey appends the bytes of a user's key; nil is no key.
func encodeKey[K any](s serde.Serde[K], dst []byte, k K) ([]byte, error) {
	if null.Is(k) {
		return dst, errNilKey
	}
	return s.Append(dst, k)
}
