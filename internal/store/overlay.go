package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/weirstream/weir/state"
)

// overlay is the uncommitted writes of one store, by engine key. It begins as a hash map and becomes a tree when it is first scanned.
type overlay struct {
	points  points
	ordered *ordered // nil while nobody scans
	scans   bool     // be ordered from the start
}

// write sets a row, or deletes it.
func (o *overlay) write(key, val []byte, del bool) {
	if o.ordered == nil && o.scans {
		o.ordered = newOrdered()
	}
	if o.ordered != nil {
		o.ordered.write(key, val, del)
		return
	}
	o.points.write(key, val, del)
}

// get says what was written of a key: known is false where nothing was.
func (o *overlay) get(key []byte) (val []byte, del, known bool) {
	if o.ordered != nil {
		return o.ordered.get(key)
	}
	return o.points.get(key)
}

// iter walks what was written, deletions too, as it is now. It returns nil where nothing was.
func (o *overlay) iter(lo, hi []byte, reverse bool) *orderedIter {
	if o.ordered == nil {
		o.scans = true
		if o.points.len() == 0 {
			return nil
		}
		o.ordered = newOrdered()
		o.points.each(func(key, val []byte, del bool) { o.ordered.write(key, val, del) })
		o.points.reset()
	}
	if o.ordered.len() == 0 {
		return nil
	}
	return o.ordered.iter(lo, hi, reverse)
}

// drain adds all writes to a batch, in the order of their keys, and forgets them once done is called.
func (o *overlay) drain(b *state.Batch) {
	if o.ordered != nil {
		o.ordered.each(func(key, val []byte, del bool) { add(b, key, val, del) })
		return
	}
	o.points.sorted(func(key, val []byte, del bool) { add(b, key, val, del) })
}

func add(b *state.Batch, key, val []byte, del bool) {
	if del {
		b.Delete(key)
		return
	}
	b.Set(key, val)
}

func (o *overlay) reset() {
	o.points.reset()
	if o.ordered != nil {
		o.ordered.reset()
	}
}

// bytes is the size of what was written, with what keeping it costs.
func (o *overlay) bytes() int64 {
	if o.ordered != nil {
		return o.ordered.size
	}
	return o.points.bytes()
}

// points is a hash map of writes: entries in the order of their first writes, keys and values in one buffer, an open-addressing index of
// hash << 32 | entry. No pointers, so that the garbage collector does not look into it.
type points struct {
	entries []point
	index   []uint64
	arena   []byte
	seed    maphash.Seed
}

type point struct {
	key, val       uint64 // offsets in the arena
	keyLen, valLen uint32
	del            bool
}

func (p *points) len() int { return len(p.entries) }

func (p *points) keyOf(e *point) []byte {
	return p.arena[e.key : e.key+uint64(e.keyLen) : e.key+uint64(e.keyLen)]
}

func (p *points) valOf(e *point) []byte {
	return p.arena[e.val : e.val+uint64(e.valLen) : e.val+uint64(e.valLen)]
}

func (p *points) find(key []byte) (e *point, h uint32) {
	if p.index == nil {
		p.seed, p.index = maphash.MakeSeed(), make([]uint64, 64)
	}
	h = uint32(maphash.Bytes(p.seed, key))
	mask := uint32(len(p.index) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		x := p.index[i]
		if x == 0 {
			return nil, h
		}
		if uint32(x>>32) != h {
			continue
		}
		if e := &p.entries[uint32(x)-1]; bytes.Equal(p.keyOf(e), key) {
			return e, h
		}
	}
}

func (p *points) get(key []byte) (val []byte, del, known bool) {
	if len(p.entries) == 0 {
		return nil, false, false
	}
	e, _ := p.find(key)
	if e == nil {
		return nil, false, false
	}
	return p.valOf(e), e.del, true
}

func (p *points) write(key, val []byte, del bool) {
	e, h := p.find(key)
	if e == nil {
		e = p.push(key, h)
	}
	e.del = del
	if len(val) > int(e.valLen) {
		e.val = uint64(len(p.arena))
		p.arena = append(p.arena, val...)
	} else {
		copy(p.arena[e.val:], val)
	}
	e.valLen = uint32(len(val))
}

func (p *points) push(key []byte, h uint32) *point {
	if (len(p.entries)+1)*4 > len(p.index)*3 {
		p.grow()
	}
	at := uint64(len(p.arena))
	p.arena = append(p.arena, key...)
	p.entries = append(p.entries, point{key: at, keyLen: uint32(len(key)), val: uint64(len(p.arena))})
	p.link(h, uint32(len(p.entries)))
	return &p.entries[len(p.entries)-1]
}

func (p *points) link(h, n uint32) {
	mask := uint32(len(p.index) - 1)
	i := h & mask
	for p.index[i] != 0 {
		i = (i + 1) & mask
	}
	p.index[i] = uint64(h)<<32 | uint64(n)
}

func (p *points) grow() {
	old := p.index
	p.index = make([]uint64, 2*len(old))
	for _, x := range old {
		if x != 0 {
			p.link(uint32(x>>32), uint32(x))
		}
	}
}

func (p *points) each(f func(key, val []byte, del bool)) {
	for i := range p.entries {
		e := &p.entries[i]
		f(p.keyOf(e), p.valOf(e), e.del)
	}
}

// sorted is each in the order of keys. Keys that lie beside each other in a store have much in common: it is skipped, and the eight bytes
// after it decide most comparisons.
func (p *points) sorted(f func(key, val []byte, del bool)) {
	common := p.common()
	type item struct {
		head uint64
		n    uint32
	}
	items := make([]item, len(p.entries))
	for i := range p.entries {
		items[i] = item{head(p.keyOf(&p.entries[i])[common:]), uint32(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		switch {
		case a.head < b.head:
			return -1
		case a.head > b.head:
			return 1
		}
		return bytes.Compare(p.keyOf(&p.entries[a.n]), p.keyOf(&p.entries[b.n]))
	})
	for _, it := range items {
		e := &p.entries[it.n]
		f(p.keyOf(e), p.valOf(e), e.del)
	}
}

// common is the length of the prefix that all keys share.
func (p *points) common() int {
	if len(p.entries) == 0 {
		return 0
	}
	first := p.keyOf(&p.entries[0])
	n := len(first)
	for i := range p.entries {
		key := p.keyOf(&p.entries[i])
		n = min(n, len(key))
		for !bytes.Equal(key[:n], first[:n]) {
			n--
		}
	}
	return n
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

// reset forgets everything; the memory of a large map is given back.
func (p *points) reset() {
	const keep = 1 << 10
	if len(p.entries) > keep {
		*p = points{}
		return
	}
	p.entries, p.arena = p.entries[:0], p.arena[:0]
	clear(p.index)
}

func (p *points) bytes() int64 {
	return int64(len(p.arena)) + int64(len(p.entries))*48
}
