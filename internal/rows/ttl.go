package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirstream/weir/serde"
)

// A key-value store with a time to live has two kinds of rows: values under 00 ‖ key, and index rows, empty, under 01 ‖ deadline ‖ key. An index row says no
// more than that the key is to be looked at then: rows that are written again keep theirs, and get a new one when it has been met. What must stay true:
// each value has an index row at its deadline or before.
const (
	ttlValue byte = iota
	ttlIndex
	ttlEnd

	ttlHead = 1 + 8 // of an index row's key
)

// putUnknown is when a row was put of which that is not known: the changelog does not have it. Its life begins when it is looked at.
const putUnknown = -1

// ttlKeys is the key schema of such a store.
type ttlKeys[K any] struct {
	of   serde.Serde[K]
	wall bool
}

func (p ttlKeys[K]) Append(dst []byte, k K) ([]byte, error) {
	return p.of.Append(append(dst, ttlValue), k)
}
func (p ttlKeys[K]) Decode(local []byte) (K, error) { return p.of.Decode(local[1:]) }
func (p ttlKeys[K]) AppendLog(dst, local []byte) ([]byte, error) {
	return append(dst, local[1:]...), nil
}
func (p ttlKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) {
	return append(append(dst, ttlValue), log...), nil
}

func (p ttlKeys[K]) Format() string {
	if p.wall {
		return "key-value-ttl/1 wall"
	}
	return "key-value-ttl/1"
}

// whole is the span of all values.
func (p ttlKeys[K]) whole() Span { return Span{[]byte{ttlValue}, []byte{ttlIndex}} }

// appendDeadline appends the index row's key of a value's local key.
func appendDeadline(dst []byte, deadline int64, local []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, ttlIndex), uint64(deadline))
	return append(dst, local[1:]...)
}

// Expirer is a store whose rows leave by themselves.
type Expirer interface {
	// Expire lets go of rows whose time is over, and looks at most at max of them; n is how many it looked at. It may forward.
	Expire(max int) (n int, err error)
	// Next is the time, in ms, at which something may be over, and whether that is one of the wall clock.
	Next() (at int64, wall bool)
}

// ttl is what a table knows of its rows' deadlines. Times are ms, of the store or of the wall clock.
type ttl struct {
	life int64
	wall bool
	one  int64   // when the row in hand was put, by the wall clock, where there is no cache
	puts []int64 // the same of cached rows, by their place in the slab

	queue []deadline // the first index rows, in order; from head on they are still to be looked at
	head  int
	keys  []byte // of the queue
	upto  int64  // the queue has every index row before
	floor int64  // no index row is before
	buf   []byte
	key   []byte
}

type deadline struct {
	at       int64
	from, to int // in ttl.keys
}

const (
	ttlAhead = 128 // how many index rows are read at once
	ttlEach  = 128 // how many rows go with one record
)

// stamp is the length of what stands before a value: its time, and when it was put, where that is not the same.
func (s *Spec) stamp() int {
	if s.WallTTL {
		return 2 * stampLen
	}
	return stampLen
}

// expires makes a table one of rows that live so long.
func (t *Table[KK, V]) expires(s *Spec) {
	t.ttl = &ttl{life: s.TTL, wall: s.WallTTL}
	t.host.Expires(t)
}

// now is the time by which rows expire.
func (t *Table[KK, V]) now() int64 {
	if t.ttl.wall {
		return t.host.Wall()
	}
	return t.host.Observed()
}

// since is when a row's life began.
func (t *Table[KK, V]) since(r *Row[V]) int64 {
	switch {
	case !t.ttl.wall:
		return r.At
	case r.idx == 0:
		return t.ttl.one
	}
	return t.ttl.puts[r.idx-1]
}

// begin notes when a row's life began, where its time does not say it.
func (t *Table[KK, V]) begin(r *Row[V], at int64) {
	x := t.ttl
	switch {
	case !x.wall:
	case r.idx == 0:
		x.one = at
	default:
		for len(x.puts) < int(r.idx) {
			x.puts = append(x.puts, putUnknown)
		}
		x.puts[r.idx-1] = at
	}
}

// ends is when a life that began then ends.
func (x *ttl) ends(since int64) int64 {
	if since > math.MaxInt64-x.life {
		return math.MaxInt64
	}
	return since + x.life
}

// over says whether a life that began then is over.
func (t *Table[KK, V]) over(since int64) bool { return since >= 0 && t.ttl.ends(since) <= t.now() }

// overRow says whether the time of a row in hand is over.
func (t *Table[KK, V]) overRow(r *Row[V]) bool { return t.ttl != nil && r.Has && t.over(t.since(r)) }

// alive hides a row in hand whose time is over.
func (t *Table[KK, V]) alive(r *Row[V]) *Row[V] {
	if r == nil || !t.overRow(r) {
		return r
	}
	t.one, t.had = Row[V]{}, false
	return &t.one
}

// hides says whether the time of a row is over that is given as bytes.
func (t *Table[KK, V]) hides(raw []byte) bool {
	if t.ttl == nil || len(raw) < t.stamp {
		return false
	}
	return t.over(sinceOf(raw, t.ttl.wall))
}

func sinceOf(raw []byte, wall bool) int64 {
	if wall {
		return timeAt(raw[stampLen:])
	}
	return timeAt(raw)
}

// Advance raises the store's time to that of a record, before it is looked up what the record meets, and lets go of rows that are over by then: of
// many at once some are left for later. It does nothing for stores without a TTL in event time.
func (t *Table[KK, V]) Advance(at int64) error {
	x := t.ttl
	if x == nil || x.wall {
		return nil
	}
	t.host.Observe(at)
	if next, _ := t.Next(); next > t.host.Observed() {
		return nil
	}
	_, err := t.Expire(ttlEach)
	return err
}

// born says whether a value that is put lives at all; where it does, it has an index row afterwards.
func (t *Table[KK, V]) born(r *Row[V], at int64) (bool, error) {
	x := t.ttl
	since := at
	if x.wall {
		since = t.host.Wall()
	} else if t.host.Observe(at); t.over(since) {
		t.host.Expired()
		return false, nil
	}
	if !r.Has || since < t.since(r) || t.since(r) < 0 {
		if err := t.watchFor(x.ends(since), t.localOf(r)); err != nil {
			return false, err
		}
	}
	t.begin(r, since)
	return true, nil
}

// localOf is the local key of a row in hand.
func (t *Table[KK, V]) localOf(r *Row[V]) []byte {
	if r.idx != 0 {
		return t.rows.keyOf(r)
	}
	return t.key
}

// died takes the index row of a row that is dropped away, if it is where the row's time says.
func (t *Table[KK, V]) died(r *Row[V], at int64) error {
	if !t.ttl.wall {
		t.host.Observe(at)
	}
	if !r.Has || t.since(r) < 0 {
		return nil
	}
	t.ttl.buf = appendDeadline(t.ttl.buf[:0], t.ttl.ends(t.since(r)), t.localOf(r))
	return t.host.Delete(t.ttl.buf)
}

// watchFor writes an index row.
func (t *Table[KK, V]) watchFor(at int64, local []byte) error {
	x := t.ttl
	x.buf = appendDeadline(x.buf[:0], at, local)
	if err := t.host.Set(x.buf, nil); err != nil {
		return err
	}
	x.floor = min(x.floor, at)
	switch {
	case at >= x.upto: // what the queue does not have yet
	case len(x.queue)-x.head < ttlAhead && (x.head == len(x.queue) || x.queue[len(x.queue)-1].at <= at):
		x.push(at, local[1:])
	default:
		x.forget(min(x.next(), at))
	}
	return nil
}

func (x *ttl) push(at int64, key []byte) {
	if x.head == len(x.queue) || x.head >= 4*ttlAhead {
		x.compact()
	}
	from := len(x.keys)
	x.keys = append(x.keys, key...)
	x.queue = append(x.queue, deadline{at, from, len(x.keys)})
}

// compact gives up what was looked at.
func (x *ttl) compact() {
	gone := len(x.keys)
	if x.head < len(x.queue) {
		gone = x.queue[x.head].from
	}
	x.keys = x.keys[:copy(x.keys, x.keys[gone:])]
	x.queue = x.queue[:copy(x.queue, x.queue[x.head:])]
	x.head = 0
	for i := range x.queue {
		x.queue[i].from -= gone
		x.queue[i].to -= gone
	}
}

// forget empties the queue, which knows of nothing from a time on.
func (x *ttl) forget(from int64) {
	x.queue, x.head, x.keys, x.upto = x.queue[:0], 0, x.keys[:0], from
}

// next is the time of the first index row, or one before it.
func (x *ttl) next() int64 {
	if x.head < len(x.queue) {
		return x.queue[x.head].at
	}
	return x.upto
}

// Next is the time at which a row may be over.
func (t *Table[KK, V]) Next() (at int64, wall bool) { return t.ttl.next(), t.ttl.wall }

// Expire lets go of the rows whose time is over: their tombstones, at their deadlines, go to the changelog and to who watches.
func (t *Table[KK, V]) Expire(max int) (n int, err error) {
	x := t.ttl
	ctx := t.host.Context()
	headers := ctx.Headers
	defer func() {
		if headers != nil {
			ctx.Headers = headers
		}
	}()
	for ; n < max; n++ {
		if x.next() > t.now() {
			return n, nil
		}
		if x.head == len(x.queue) {
			if err := t.readAhead(); err != nil {
				return n, err
			}
			n--
			continue
		}
		d := x.queue[x.head]
		x.head++
		x.key = append(append(x.key[:0], ttlValue), x.keys[d.from:d.to]...)
		x.floor = d.at
		if headers != nil {
			ctx.Headers = nil
		}
		if err := t.look(d.at, x.key); err != nil {
			return n, fmt.Errorf("store %q: expire: %w", t.name, err)
		}
	}
	return n, nil
}

// readAhead reads the first index rows.
func (t *Table[KK, V]) readAhead() error {
	x := t.ttl
	x.forget(math.MaxInt64)
	lo := binary.BigEndian.AppendUint64([]byte{ttlIndex}, uint64(max(0, x.floor)))
	it, err := t.host.Iter(lo, []byte{ttlEnd}, false)
	if err != nil {
		return err
	}
	for it.Next() {
		if len(it.Key()) < ttlHead {
			return fmt.Errorf("store %q: %w", t.name, errors.Join(tooShort("index row", it.Key(), ttlHead), closed(it)))
		}
		at := int64(binary.BigEndian.Uint64(it.Key()[1:]))
		if len(x.queue) == ttlAhead {
			x.upto = at
			break
		}
		x.push(at, it.Key()[ttlHead:])
	}
	return closed(it)
}

// look looks at a row whose index row says that it may be over.
func (t *Table[KK, V]) look(at int64, local []byte) error {
	x := t.ttl
	t.key = append(t.key[:0], local...)
	r, err := t.ref()
	if err != nil {
		return err
	}
	x.buf = appendDeadline(x.buf[:0], at, local)
	if err := t.host.Delete(x.buf); err != nil || !r.Has {
		return err
	}
	switch since := t.since(r); {
	case since < 0:
		return t.adopt(r, local)
	case t.over(since):
		return t.expire(r)
	default:
		return t.watchFor(x.ends(since), local)
	}
}

// adopt begins the life of a row that was restored.
func (t *Table[KK, V]) adopt(r *Row[V], local []byte) error {
	now := t.now()
	t.begin(r, now)
	if err := t.watchFor(t.ttl.ends(now), local); err != nil {
		return err
	}
	raw, ok, err := t.host.Get(nil, local)
	if err != nil || !ok || len(raw) < t.stamp {
		return err
	}
	binary.BigEndian.PutUint64(raw[stampLen:], uint64(now))
	return t.host.Set(local, raw)
}

// expire drops a row in hand at its deadline.
func (t *Table[KK, V]) expire(r *Row[V]) error { return t.Drop(r, t.ttl.ends(t.since(r))) }

// fresh is the row of t.key to be written: one whose time is over has left before.
func (t *Table[KK, V]) fresh() (*Row[V], error) {
	r, err := t.ref()
	if err != nil || !t.overRow(r) {
		return r, err
	}
	ctx, key := t.host.Context(), append([]byte(nil), t.key...)
	headers := ctx.Headers
	ctx.Headers = nil
	err = t.expire(r)
	ctx.Headers = headers
	if err != nil {
		return nil, err
	}
	t.key = append(t.key[:0], key...)
	return t.ref()
}

// clear forgets what is not in the rows.
func (x *ttl) clear() {
	x.forget(0)
	x.floor, x.puts = 0, nil
}

// kept moves what is known of cached rows with them: it is called for each row that a compaction keeps, in order, with how many it kept before.
func (x *ttl) kept(idx uint32, before int) {
	if x != nil && x.wall && int(idx) <= len(x.puts) {
		x.puts[before] = x.puts[idx-1]
	}
}

// ttlRestore gives the rows of a changelog record.
func ttlRestore[K any](keys ttlKeys[K], life int64, to Restorer, key, val []byte, at int64) error {
	var buf, index, row [256]byte
	local, err := keys.AppendLocal(buf[:0], key)
	if err != nil {
		return err
	}
	to.Observe(at)
	if val == nil {
		to.Delete(local)
		return nil
	}
	x := ttl{life: life}
	put, ends := int64(putUnknown), int64(0)
	stamped := appendTime(row[:0], at)
	if keys.wall {
		stamped = appendTime(stamped, put)
	} else {
		ends = x.ends(at)
	}
	to.Set(local, append(stamped, val...))
	to.Set(appendDeadline(index[:0], ends, local), nil)
	return nil
}
