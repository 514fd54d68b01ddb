package store

import (
	"bytes"

	"github.com/tidwall/btree"
)

// write is one uncommitted write. Its slices are never written again: trees and iterators share them.
type write struct {
	key, val []byte
	del      bool
}

type tree = btree.BTreeG[write]

// ordered is a tree of writes. While iterators are open it leaves them its tree and goes on with a copy, which shares what is not changed: so
// what is written meanwhile is not seen by them.
type ordered struct {
	tree *tree
	size int64
	open int // iterators of the current tree
}

func newOrdered() *ordered {
	less := func(a, b write) bool { return bytes.Compare(a.key, b.key) < 0 }
	return &ordered{tree: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

func (o *ordered) len() int { return o.tree.Len() }

func (o *ordered) write(key, val []byte, del bool) {
	if o.open > 0 {
		o.tree, o.open = o.tree.Copy(), 0
	}
	buf := make([]byte, len(key)+len(val))
	n := copy(buf, key)
	copy(buf[n:], val)
	old, had := o.tree.Set(write{buf[:n:n], buf[n:], del})
	o.size += int64(len(buf)) + 80
	if had {
		o.size -= int64(len(old.key)+len(old.val)) + 80
	}
}

func (o *ordered) get(key []byte) (val []byte, del, known bool) {
	w, ok := o.tree.Get(write{key: key})
	return w.val, w.del, ok
}

func (o *ordered) each(f func(key, val []byte, del bool)) {
	o.tree.Scan(func(w write) bool {
		f(w.key, w.val, w.del)
		return true
	})
}

// reset forgets everything; open iterators keep what they see.
func (o *ordered) reset() { *o = *newOrdered() }

func (o *ordered) iter(lo, hi []byte, reverse bool) *orderedIter {
	o.open++
	i := &orderedIter{of: o, tree: o.tree, it: o.tree.Iter(), reverse: reverse}
	bounds := append(append(make([]byte, 0, len(lo)+len(hi)), lo...), hi...)
	if i.lo = bounds[:len(lo)]; hi != nil {
		i.hi = bounds[len(lo):]
	}
	return i
}

// orderedIter walks the tree of the moment in which it was made: before the first write, at one, or done.
type orderedIter struct {
	of      *ordered
	tree    *tree
	it      btree.IterG[write]
	lo, hi  []byte
	reverse bool
	begun   bool
	closed  bool
}

func (i *orderedIter) next() (write, bool) {
	if !i.move() {
		return write{}, false
	}
	w := i.it.Item()
	if bytes.Compare(w.key, i.lo) < 0 || i.hi != nil && bytes.Compare(w.key, i.hi) >= 0 {
		return write{}, false
	}
	return w, true
}

func (i *orderedIter) move() bool {
	switch {
	case i.begun && i.reverse:
		return i.it.Prev()
	case i.begun:
		return i.it.Next()
	}
	i.begun = true
	if !i.reverse {
		return i.it.Seek(write{key: i.lo})
	}
	if i.hi == nil || !i.it.Seek(write{key: i.hi}) {
		return i.it.Last()
	}
	return i.it.Prev()
}

func (i *orderedIter) close() {
	if i.closed {
		return
	}
	i.closed = true
	i.it.Release()
	if i.of.tree == i.tree {
		i.of.open--
	}
}
