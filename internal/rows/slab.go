package rows

import (
	"bytes"
	"hash/maphash"
	"unsafe"
)

// Row is a row in hand. Value is the zero value and Has false where there is none.
type Row[V any] struct {
	Value V
	At    int64  // ms; of a row that is not there it says nothing
	key   uint64 // in the slab's keys: offset << keyLenBits | length
	idx   uint32 // in the slab, from 1; 0: the row is not cached
	mark  uint32 // in the dirty list, from 1; 0: clean
	Has   bool
	flags uint8
}

// The bits of Row.flags.
const (
	hit     uint8 = 1 << iota // used again since it was added, or since the last compaction
	loaded                    // Value, At and Has are known
	absent                    // below the cache there is no row
	spilled                   // what the row holds was written below, and not yet logged
	hasOld                    // the bytes of before the first change are kept in Table.olds
)

const (
	chunkBits  = 8
	chunkRows  = 1 << chunkBits
	keyLenBits = 24
	maxKey     = 1<<keyLenBits - 1
)

// slab holds rows by their encoded keys, flat: rows in chunks that never move until a compaction, keys one after the other in one buffer, and
// an open-addressing index of hash << 32 | row. A row of a small value without pointers costs about 70 bytes, and the garbage collector sees none of it.
type slab[V any] struct {
	chunks [][]Row[V]
	n      int // rows
	index  []uint64
	keys   []byte
	seed   maphash.Seed
}

func (s *slab[V]) at(idx uint32) *Row[V] {
	i := idx - 1
	return &s.chunks[i>>chunkBits][i&(chunkRows-1)]
}

// keyOf is valid until the next compaction.
func (s *slab[V]) keyOf(r *Row[V]) []byte {
	from := r.key >> keyLenBits
	to := from + r.key&maxKey
	return s.keys[from:to:to]
}

func (s *slab[V]) hash(key []byte) uint32 { return uint32(maphash.Bytes(s.seed, key)) }

// find returns the row of a key, or nil.
func (s *slab[V]) find(key []byte) *Row[V] {
	if s.n == 0 {
		return nil
	}
	h := s.hash(key)
	mask := uint32(len(s.index) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := s.index[i]
		if e == 0 {
			return nil
		}
		if uint32(e>>32) != h {
			continue
		}
		if r := s.at(uint32(e)); bytes.Equal(s.keyOf(r), key) {
			return r
		}
	}
}

// add makes an empty row for a key that is not there.
func (s *slab[V]) add(key []byte) *Row[V] {
	if s.index == nil {
		s.seed, s.index = maphash.MakeSeed(), make([]uint64, 64)
	}
	if (s.n+1)*4 > len(s.index)*3 {
		s.grow()
	}
	r := s.push(key)
	s.link(s.hash(key), r.idx)
	return r
}

// push appends a row that the index does not know yet.
func (s *slab[V]) push(key []byte) *Row[V] {
	c := s.n >> chunkBits
	if c == len(s.chunks) {
		s.chunks = append(s.chunks, make([]Row[V], chunkRows))
	}
	s.n++
	r := s.at(uint32(s.n))
	*r = Row[V]{idx: uint32(s.n), key: uint64(len(s.keys))<<keyLenBits | uint64(len(key))}
	s.keys = append(s.keys, key...)
	return r
}

func (s *slab[V]) link(h, idx uint32) {
	mask := uint32(len(s.index) - 1)
	i := h & mask
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = uint64(h)<<32 | uint64(idx)
}

func (s *slab[V]) grow() {
	old := s.index
	s.index = make([]uint64, 2*len(old))
	for _, e := range old {
		if e != 0 {
			s.link(uint32(e>>32), uint32(e))
		}
	}
}

// bytes is what the slab holds, without what values point to.
func (s *slab[V]) bytes() int64 {
	return int64(len(s.chunks))*chunkRows*int64(unsafe.Sizeof(Row[V]{})) + int64(len(s.index))*8 + int64(cap(s.keys))
}

// compact drops the rows for which keep is false and moves the others together, in their order. Every *Row is invalid after it.
func (s *slab[V]) compact(keep func(*Row[V]) bool) {
	n, end := 0, 0
	for i := range s.n {
		r := s.at(uint32(i + 1))
		if !keep(r) {
			continue
		}
		moved, key := *r, s.keyOf(r)
		moved.idx, moved.key = uint32(n+1), uint64(end)<<keyLenBits|uint64(len(key))
		end += copy(s.keys[end:], key) // moves down, never past what is still to be read
		n++
		*s.at(moved.idx) = moved
	}
	s.truncate(n, end)
}

// truncate keeps the first n rows and gives memory back where much of it is empty.
func (s *slab[V]) truncate(n, keyBytes int) {
	for i := n; i < s.n; i++ {
		*s.at(uint32(i + 1)) = Row[V]{}
	}
	chunks := (n + chunkRows - 1) >> chunkBits
	clear(s.chunks[chunks:])
	s.chunks, s.n = s.chunks[:chunks], n
	s.keys = s.keys[:keyBytes]
	if cap(s.keys) > 2*keyBytes+1024 {
		s.keys = clone(s.keys)
	}
	size := 64
	for (n+1)*4 > size*3 {
		size *= 2
	}
	if size != len(s.index) {
		s.index = make([]uint64, size)
	} else {
		clear(s.index)
	}
	for i := range n {
		r := s.at(uint32(i + 1))
		s.link(s.hash(s.keyOf(r)), r.idx)
	}
}

func (s *slab[V]) clear() { *s = slab[V]{} }
