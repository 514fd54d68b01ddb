package rows

import (
	"sync"
	"unsafe"
)

// dirtyList is the changed rows of a cache in the order of their last changes (as Kafka's NamedCache), each with the context of that change: what is
// below a flush then sees its time go on as it does for records. Contexts are kept in parts, because a task reads few partitions and few records
// have headers: 32 bytes a change, without pointers, in chunks that all tables of the process share by a pool.
type dirtyList struct {
	chunks  []*dirtyChunk
	n       int // entries, those given up included
	live    int
	walked  bool // a flush goes by positions: none may move
	sources []origin
	headers []any
}

type dirtyEntry struct {
	offset, time int64
	row          uint32 // 0: the entry was given up
	source       uint32
	headers      uint32 // in dirtyList.headers, from 1; 0: none
}

const (
	dirtyBits = 8
	dirtyRows = 1 << dirtyBits
)

type dirtyChunk [dirtyRows]dirtyEntry

var dirtyPool = sync.Pool{New: func() any { return new(dirtyChunk) }}

type origin struct {
	topic     string
	partition int32
}

func (d *dirtyList) at(i int) *dirtyEntry { return &d.chunks[i>>dirtyBits][i&(dirtyRows-1)] }

func (d *dirtyList) push(row uint32) {
	if d.n>>dirtyBits == len(d.chunks) {
		d.chunks = append(d.chunks, dirtyPool.Get().(*dirtyChunk))
	}
	d.n++
	d.live++
	*d.at(d.n - 1) = dirtyEntry{row: row}
}

// note puts a row at the end, or moves the one that has a mark there, and returns its mark.
func (d *dirtyList) note(row, mark uint32, c *Context) uint32 {
	headers := uint32(0)
	if mark != 0 {
		headers = d.at(int(mark) - 1).headers
	}
	if int(mark) != d.n || mark == 0 {
		d.giveUp(mark)
		d.push(row)
	}
	e := d.at(d.n - 1)
	e.offset, e.time, e.source, e.headers = c.Offset, c.Time, d.source(c), headers
	d.noteHeaders(e, c.Headers)
	return uint32(d.n)
}

// giveUp ends the entry of a mark, if there is one.
func (d *dirtyList) giveUp(mark uint32) {
	if mark != 0 {
		d.at(int(mark) - 1).row = 0
		d.live--
	}
}

// sparse reports whether so many entries were given up that compact is worth its while.
func (d *dirtyList) sparse() bool { return d.n > 2*d.live+dirtyRows && !d.walked }

// compact takes out the entries that were given up; moved hears the new marks.
func (d *dirtyList) compact(moved func(row, mark uint32)) {
	n := 0
	for i := range d.n {
		e := d.at(i)
		if e.row == 0 {
			continue
		}
		if i != n {
			*d.at(n) = *e
			moved(e.row, uint32(n+1))
		}
		n++
	}
	d.n = n
}

func (d *dirtyList) noteHeaders(e *dirtyEntry, h any) {
	switch {
	case e.headers > 0:
		d.headers[e.headers-1] = h
	case h != nil:
		d.headers = append(d.headers, h)
		e.headers = uint32(len(d.headers))
	}
}

// source finds the number of a partition. There are few, and neighbours come from the same.
func (d *dirtyList) source(c *Context) uint32 {
	for i := len(d.sources) - 1; i >= 0; i-- {
		if s := &d.sources[i]; s.partition == c.Partition && s.topic == c.Topic {
			return uint32(i)
		}
	}
	d.sources = append(d.sources, origin{c.Topic, c.Partition})
	return uint32(len(d.sources) - 1)
}

// context is the context of an entry.
func (d *dirtyList) context(e *dirtyEntry) Context {
	s := d.sources[e.source]
	c := Context{Topic: s.topic, Partition: s.partition, Offset: e.offset, Time: e.time}
	if e.headers > 0 {
		c.Headers = d.headers[e.headers-1]
	}
	return c
}

// reset empties the list and gives its memory back, but for one chunk.
func (d *dirtyList) reset() {
	const keep = 1 << 12
	for i, c := range d.chunks {
		if i > 0 {
			dirtyPool.Put(c)
		}
	}
	if len(d.chunks) > 1 {
		clear(d.chunks[1:])
		d.chunks = d.chunks[:1]
	}
	clear(d.headers)
	if d.headers = d.headers[:0]; cap(d.headers) > keep {
		d.headers = nil
	}
	d.n, d.live = 0, 0
}

// bytes is what the list holds.
func (d *dirtyList) bytes() int64 { return int64(len(d.chunks)) * int64(unsafe.Sizeof(dirtyChunk{})) }
