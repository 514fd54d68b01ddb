package mem

import (
	"bytes"

	"github.com/tidwall/btree"
)

// iterator walks a tree that nobody writes. It is at a row, before the first, or done.
type iterator struct {
	it      btree.IterG[row]
	lo, hi  []byte // copies; nil is no bound
	reverse bool
	begun   bool
	done    bool
	row     row
}

func newIterator(t *tree, lo, hi []byte, reverse bool) *iterator {
	return &iterator{it: t.Iter(), lo: bytes.Clone(lo), hi: bytes.Clone(hi), reverse: reverse}
}

func (i *iterator) Next() bool {
	if i.done {
		return false
	}
	ok := i.move()
	if ok {
		i.row = i.it.Item()
		ok = i.within(i.row.key)
	}
	if !ok {
		i.done, i.row = true, row{}
	}
	return ok
}

func (i *iterator) move() bool {
	if i.begun && i.reverse {
		return i.it.Prev()
	}
	if i.begun {
		return i.it.Next()
	}
	i.begun = true
	if i.reverse {
		return i.last()
	}
	return i.it.Seek(row{key: i.lo}) // a nil key is before every other
}

// last moves to the greatest row below hi.
func (i *iterator) last() bool {
	if i.hi == nil || !i.it.Seek(row{key: i.hi}) {
		return i.it.Last()
	}
	return i.it.Prev()
}

func (i *iterator) within(key []byte) bool {
	return bytes.Compare(key, i.lo) >= 0 && (i.hi == nil || bytes.Compare(key, i.hi) < 0)
}

func (i *iterator) Key() []byte   { return i.row.key }
func (i *iterator) Value() []byte { return i.row.value }
func (i *iterator) Err() error    { return nil }

func (i *iterator) Close() error {
	i.it.Release()
	i.done, i.row = true, row{}
	return nil
}
