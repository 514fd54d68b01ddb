package rows

// dirtyList is the changed rows of a cache in the order of their first change, each with the context of its last one. Contexts are kept in
// parts, because a task reads few partitions and few records have headers: 32 bytes a row, without pointers.
type dirtyList struct {
	entries []dirtyEntry
	live    int
	sources []origin
	headers []any
}

type dirtyEntry struct {
	offset, time int64
	row          uint32 // 0: the entry was given up
	source       uint32
	headers      uint32 // in dirtyList.headers, from 1; 0: none
}

type origin struct {
	topic     string
	partition int32
}

// note adds a row, or renews the context of the one that has a mark, and returns its mark.
func (d *dirtyList) note(row, mark uint32, c *Context) uint32 {
	if mark == 0 {
		d.entries = append(d.entries, dirtyEntry{row: row})
		d.live++
		mark = uint32(len(d.entries))
	}
	e := &d.entries[mark-1]
	e.offset, e.time, e.source = c.Offset, c.Time, d.source(c)
	d.noteHeaders(e, c.Headers)
	return mark
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

// reset empties the list; the memory of a long one is given back.
func (d *dirtyList) reset() {
	const keep = 1 << 12
	clear(d.headers)
	d.entries, d.headers, d.live = d.entries[:0], d.headers[:0], 0
	if cap(d.entries) > keep {
		d.entries = nil
	}
	if cap(d.headers) > keep {
		d.headers = nil
	}
}
