package rows

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync"
)

// recent is the latest records of one side of a join, in memory: a record that comes in order meets the others without a scan. It holds every
// record after a time, since, that was put in this life of the task, and no other; what it drops raises that time.
//
// Records lie in chunks in the order of their coming, those of a key are chained from the latest time to the earliest. A chunk is dropped as a whole,
// the oldest first. What stands behind a dropped record in a chain is not later, so that a chain may end at the first record that was dropped.
//
// A record: next (8) ‖ time (8) ‖ waits (1) ‖ key length (4) ‖ value length (4) ‖ key ‖ value.
type recent struct {
	chunks []*recentChunk // the oldest first
	oldest uint64         // number of chunks[0]; the first is 1
	index  []uint64       // open addressing, by key: hash << placeBits | place of the first of its chain
	taken  int            // slots in use, those of dropped records too
	seed   maphash.Seed
	since  int64
	held   int64 // bytes
	off    bool  // there is no room at all
}

type recentChunk struct {
	buf    []byte
	latest int64
}

const (
	recentSize   = 64 << 10
	recentBits   = 17 // of an offset; a record that is larger than a chunk has one of its own
	recentPlaces = 48 // bits of chunk number and offset
	recentMask   = 1<<recentPlaces - 1
	recentHead   = 8 + 8 + 1 + 4 + 4
)

var recentPool = sync.Pool{New: func() any { return &recentChunk{buf: make([]byte, 0, recentSize)} }}

// met is a record in its chunk.
type met []byte

func (m met) next() uint64      { return binary.LittleEndian.Uint64(m) }
func (m met) link(place uint64) { binary.LittleEndian.PutUint64(m, place) }
func (m met) at() int64         { return int64(binary.LittleEndian.Uint64(m[8:])) }
func (m met) waits() bool       { return m[16] != 0 }
func (m met) match()            { m[16] = 0 }

func (m met) key() []byte {
	return m[recentHead : recentHead+binary.LittleEndian.Uint32(m[17:])]
}

func (m met) value() []byte {
	from := recentHead + binary.LittleEndian.Uint32(m[17:])
	to := from + binary.LittleEndian.Uint32(m[21:])
	return m[from:to:to]
}

// at is the record of a place that was not dropped.
func (r *recent) at(place uint64) met {
	return met(r.chunks[place>>recentBits-r.oldest].buf[place&(1<<recentBits-1):])
}

// live says whether a place is one, and was not dropped.
func (r *recent) live(place uint64) bool { return place != 0 && place>>recentBits >= r.oldest }

// find is the slot of a key, which holds its place or belongs to it; ok says that a chain begins there.
func (r *recent) find(key []byte) (slot int, ok bool) {
	mask := len(r.index) - 1
	h := maphash.Bytes(r.seed, key)
	free := -1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		x := r.index[i]
		switch {
		case x == 0 && free >= 0:
			return free, false
		case x == 0:
			return i, false
		case !r.live(x & recentMask):
			if free < 0 {
				free = i
			}
		case x>>recentPlaces == h>>recentPlaces && bytes.Equal(r.at(x&recentMask).key(), key):
			return i, true
		}
	}
}

// add keeps a record. Those of a chunk that are all before floor are let go.
func (r *recent) add(key []byte, at int64, value []byte, waits bool, floor int64) {
	if r.off {
		r.since = max(r.since, at)
		return
	}
	if (r.taken+1)*4 > len(r.index)*3 {
		r.rehash()
	}
	place, m := r.push(key, at, value, waits, floor)
	slot, ok := r.find(key)
	if !ok {
		if r.index[slot] == 0 {
			r.taken++
		}
		r.head(slot, key, place)
		return
	}
	before := r.index[slot] & recentMask
	if at >= r.at(before).at() {
		m.link(before)
		r.head(slot, key, place)
		return
	}
	r.insert(before, place, m)
}

func (r *recent) head(slot int, key []byte, place uint64) {
	r.index[slot] = maphash.Bytes(r.seed, key)>>recentPlaces<<recentPlaces | place
}

// insert puts a record into a chain, after one that is later.
func (r *recent) insert(before, place uint64, m met) {
	for {
		b := r.at(before)
		next := b.next()
		if !r.live(next) || r.at(next).at() <= m.at() {
			m.link(next)
			b.link(place)
			return
		}
		before = next
	}
}

// push appends a record.
func (r *recent) push(key []byte, at int64, value []byte, waits bool, floor int64) (uint64, met) {
	c := r.room(recentHead+len(key)+len(value), floor)
	c.latest = max(c.latest, at)
	from := len(c.buf)
	b := binary.LittleEndian.AppendUint64(c.buf, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	flag := byte(0)
	if waits {
		flag = 1
	}
	b = binary.LittleEndian.AppendUint32(append(b, flag), uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	c.buf = append(append(b, key...), value...)
	return (r.oldest+uint64(len(r.chunks)-1))<<recentBits | uint64(from), met(c.buf[from:])
}

// room is a chunk that has room.
func (r *recent) room(n int, floor int64) *recentChunk {
	if k := len(r.chunks); k > 0 && len(r.chunks[k-1].buf)+n <= cap(r.chunks[k-1].buf) {
		return r.chunks[k-1]
	}
	for len(r.chunks) > 0 && r.chunks[0].latest < floor {
		r.drop()
	}
	c := &recentChunk{}
	if n > recentSize {
		c.buf = make([]byte, 0, n)
	} else {
		c = recentPool.Get().(*recentChunk)
	}
	c.latest = -1
	r.chunks = append(r.chunks, c)
	r.held += int64(cap(c.buf))
	if r.oldest == 0 {
		r.oldest = 1
	}
	return c
}

// drop lets the oldest chunk go.
func (r *recent) drop() {
	c := r.chunks[0]
	r.since = max(r.since, c.latest)
	r.held -= int64(cap(c.buf))
	r.chunks[0] = nil
	r.chunks = r.chunks[1:]
	r.oldest++
	if c.buf = c.buf[:0]; cap(c.buf) == recentSize {
		recentPool.Put(c)
	}
}

// rehash makes an index with room for as many keys again as are live.
func (r *recent) rehash() {
	old, live := r.index, 0
	for _, x := range old {
		if r.live(x & recentMask) {
			live++
		}
	}
	size := 64
	for size < 4*live {
		size *= 2
	}
	if old == nil {
		r.seed = maphash.MakeSeed()
	}
	r.index, r.taken = make([]uint64, size), live
	for _, x := range old {
		if r.live(x & recentMask) {
			slot := int(maphash.Bytes(r.seed, r.at(x&recentMask).key())) & (size - 1)
			for r.index[slot] != 0 {
				slot = (slot + 1) & (size - 1)
			}
			r.index[slot] = x
		}
	}
}

// between appends the places of a key's records from one time to another, both in it, from the latest to the earliest; of equal times the one that came
// last is first.
func (r *recent) between(dst []uint64, key []byte, from, to int64) []uint64 {
	if len(r.chunks) == 0 {
		return dst
	}
	slot, ok := r.find(key)
	if !ok {
		return dst
	}
	for place := r.index[slot] & recentMask; r.live(place); {
		m := r.at(place)
		at := m.at()
		if at < from {
			break
		}
		if at <= to {
			dst = append(dst, place)
		}
		place = m.next()
	}
	return dst
}

func (r *recent) bytes() int64 { return r.held + int64(len(r.index))*8 }

// shrink drops the oldest chunks until at most max bytes are held. The newest stays, unless there is to be nothing at all.
func (r *recent) shrink(max int64) {
	for len(r.chunks) > 1 && r.bytes() > max {
		r.drop()
	}
	if max > 0 {
		return
	}
	r.off = true
	r.clear(r.since)
}

// clear drops all, of which none is after since.
func (r *recent) clear(since int64) {
	for len(r.chunks) > 0 {
		r.drop()
	}
	r.index, r.taken, r.since = nil, 0, max(r.since, since)
}
