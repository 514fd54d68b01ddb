package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
)

// points is a hash map of writes. Each write is one record in a list of chunks, which all tasks of the process share by a pool: a write
// costs its bytes, a header and an index entry, and neither growing nor giving back copies anything. No pointers but the chunks', so that the
// garbage collector has nothing to look into.
//
// A record: key length(4) ‖ value length(4) ‖ room for the value(4) ‖ state(1) ‖ key ‖ value.
type points struct {
	index  []uint64 // open addressing: hash << placeBits | place + 1
	chunks []*[]byte
	n      int
	size   int64
	last   int // how many there were at the last reset
	seed   maphash.Seed
}

const (
	chunkSize  = 64 << 10
	offsetBits = 30 // within a chunk; a write larger than a chunk has one of its own
	placeBits  = 48 // chunk << offsetBits | offset
	placeMask  = 1<<placeBits - 1
	headerLen  = 13
)

// The states of a record.
const (
	isSet     byte = iota
	isDeleted      // the write is a deletion
	isMoved        // a later record replaces it
)

// maxChunks is how many chunks a place can tell apart.
const maxChunks = 1 << (placeBits - offsetBits)

var chunkPool = sync.Pool{New: func() any { b := make([]byte, 0, chunkSize); return &b }}

// record is a record at its place.
type record []byte

func (r record) keyLen() int { return int(binary.LittleEndian.Uint32(r)) }
func (r record) valLen() int { return int(binary.LittleEndian.Uint32(r[4:])) }
func (r record) room() int   { return int(binary.LittleEndian.Uint32(r[8:])) }
func (r record) state() byte { return r[12] }
func (r record) len() int    { return headerLen + r.keyLen() + r.room() }

func (r record) key() []byte {
	n := headerLen + r.keyLen()
	return r[headerLen:n:n]
}

func (r record) val() []byte {
	from := headerLen + r.keyLen()
	to := from + r.valLen()
	return r[from:to:to]
}

// set replaces the value, for which there is room.
func (r record) set(val []byte, state byte) {
	binary.LittleEndian.PutUint32(r[4:], uint32(len(val)))
	r[12] = state
	copy(r[headerLen+r.keyLen():], val)
}

func (p *points) len() int { return p.n }

func (p *points) at(place uint64) record {
	return record((*p.chunks[place>>offsetBits])[place&(1<<offsetBits-1):])
}

func (p *points) hash(key []byte) uint64 { return maphash.Bytes(p.seed, key) }

// find returns the index slot of a key: that of its record, or the empty one where it belongs.
func (p *points) find(key []byte, h uint64) (slot int, r record) {
	mask := len(p.index) - 1
	tag := h >> placeBits
	for i := int(h) & mask; ; i = (i + 1) & mask {
		x := p.index[i]
		if x == 0 {
			return i, nil
		}
		if x>>placeBits != tag {
			continue
		}
		if r := p.at(x&placeMask - 1); bytes.Equal(r.key(), key) {
			return i, r
		}
	}
}

func (p *points) get(key []byte) (val []byte, del, known bool) {
	if p.n == 0 {
		return nil, false, false
	}
	_, r := p.find(key, p.hash(key))
	if r == nil {
		return nil, false, false
	}
	return r.val(), r.state() == isDeleted, true
}

func (p *points) write(key, val []byte, del bool) {
	if (p.n+1)*4 > len(p.index)*3 {
		p.grow()
	}
	state := isSet
	if del {
		state = isDeleted
	}
	h := p.hash(key)
	slot, r := p.find(key, h)
	if r != nil && len(val) <= r.room() {
		r.set(val, state)
		return
	}
	if r == nil {
		p.n++
	} else {
		r[12] = isMoved
	}
	p.index[slot] = h>>placeBits<<placeBits | p.append(key, val, state) + 1
}

// append adds a record and returns its place.
func (p *points) append(key, val []byte, state byte) uint64 {
	c := p.chunkFor(headerLen + len(key) + len(val))
	at := len(*c)
	b := binary.LittleEndian.AppendUint32(*c, uint32(len(key)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(val)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(val)))
	b = append(append(append(b, state), key...), val...)
	p.size += int64(len(b) - at)
	*c = b
	return uint64(len(p.chunks)-1)<<offsetBits | uint64(at)
}

func (p *points) chunkFor(n int) *[]byte {
	if k := len(p.chunks); k > 0 && len(*p.chunks[k-1])+n <= cap(*p.chunks[k-1]) {
		return p.chunks[k-1]
	}
	var c *[]byte
	if n > chunkSize {
		own := make([]byte, 0, n)
		c = &own
	} else {
		c = chunkPool.Get().(*[]byte)
	}
	if len(p.chunks) == maxChunks {
		panic("store: more uncommitted writes than places for them")
	}
	p.chunks = append(p.chunks, c)
	return c
}

// grow doubles the index, which begins with room for what the last one held.
func (p *points) grow() {
	size := max(64, 2*len(p.index))
	if p.index == nil {
		p.seed = maphash.MakeSeed()
		for size*3 < p.last*4 {
			size *= 2
		}
	}
	p.index = make([]uint64, size)
	p.places(func(place uint64, r record) {
		h := p.hash(r.key())
		slot, _ := p.find(r.key(), h)
		p.index[slot] = h>>placeBits<<placeBits | place + 1
	})
}

// places walks the records that count, in the order of their writes.
func (p *points) places(f func(place uint64, r record)) {
	for i, c := range p.chunks {
		for at := 0; at < len(*c); {
			r := record((*c)[at:])
			if r.state() != isMoved {
				f(uint64(i)<<offsetBits|uint64(at), r)
			}
			at += r.len()
		}
	}
}

func (p *points) each(f func(key, val []byte, del bool)) {
	p.places(func(_ uint64, r record) { f(r.key(), r.val(), r.state() == isDeleted) })
}

// sorted is each in the order of keys. Keys that lie beside each other in a store have much in common: it is skipped, and the eight bytes
// after it decide most comparisons.
func (p *points) sorted(f func(key, val []byte, del bool)) {
	type item struct{ head, place uint64 }
	common := p.common()
	items := make([]item, 0, p.n)
	p.places(func(place uint64, r record) { items = append(items, item{head(r.key()[common:]), place}) })
	slices.SortFunc(items, func(a, b item) int {
		switch {
		case a.head < b.head:
			return -1
		case a.head > b.head:
			return 1
		}
		return bytes.Compare(p.at(a.place).key(), p.at(b.place).key())
	})
	for _, it := range items {
		r := p.at(it.place)
		f(r.key(), r.val(), r.state() == isDeleted)
	}
}

// common is the length of the prefix that all keys share.
func (p *points) common() int {
	var first []byte
	n := -1
	p.places(func(_ uint64, r record) {
		key := r.key()
		if n < 0 {
			first, n = key, len(key)
		}
		n = min(n, len(key))
		for !bytes.Equal(key[:n], first[:n]) {
			n--
		}
	})
	return max(n, 0)
}

// head is the first eight bytes as a number; what is missing counts as zeros.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var buf [8]byte
	copy(buf[:], b)
	return binary.BigEndian.Uint64(buf[:])
}

// reset forgets everything, and gives chunks back but for one of a small map.
func (p *points) reset() {
	const keep = 1 << 10
	p.last = p.n
	if p.n <= keep && len(p.chunks) == 1 && len(p.index) <= 4*keep {
		*p.chunks[0] = (*p.chunks[0])[:0]
		clear(p.index)
	} else {
		for _, c := range p.chunks {
			if *c = (*c)[:0]; cap(*c) == chunkSize {
				chunkPool.Put(c)
			}
		}
		p.chunks, p.index = nil, nil
	}
	p.n, p.size = 0, 0
}

func (p *points) bytes() int64 { return p.size + int64(len(p.index))*8 }
