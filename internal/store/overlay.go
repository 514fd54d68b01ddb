package store

import (
	"github.com/weirstream/weir/state"
)

// overlay is the uncommitted writes of one store, by engine key. It begins as a hash map, becomes a tree when it is scanned, and is a hash map again once
// nobody has scanned it between two commits.
type overlay struct {
	points  points
	ordered *ordered // nil while nobody scans
	scans   bool     // be ordered from the start
	scanned bool     // since the last reset
}

// write sets a row, or deletes it.
func (o *overlay) write(key, val []byte, del bool) {
	if o.ordered == nil && (o.scans || o.scanned) {
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
	o.scanned = true
	if o.ordered == nil {
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

// each walks the keys that were written, in no order.
func (o *overlay) each(f func(key []byte)) {
	if o.ordered != nil {
		o.ordered.each(func(key, _ []byte, _ bool) { f(key) })
		return
	}
	o.points.each(func(key, _ []byte, _ bool) { f(key) })
}

func (o *overlay) reset() {
	o.points.reset()
	if o.ordered != nil && (o.scans || o.scanned) {
		o.ordered.reset()
	} else {
		o.ordered = nil
	}
	o.scanned = false
}

// bytes is the size of what was written, with what keeping it costs.
func (o *overlay) bytes() int64 {
	if o.ordered != nil {
		return o.ordered.size
	}
	return o.points.bytes()
}
