package store

import (
	"bytes"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
)

// cutIter walks one store's rows in an engine and cuts the store's number off.
type cutIter struct{ state.Iterator }

func (i cutIter) Key() []byte { return i.Iterator.Key()[prefixLen:] }

// mergeIter walks the rows of an engine with uncommitted writes over them.
type mergeIter struct {
	over  *orderedIter
	under state.Iterator
	dir   int // 1 forward, −1 reverse

	w        write // the overlay's next
	hasW     bool
	key      []byte // the engine's next
	hasKey   bool
	begun    bool
	takeOver bool // the current row is the overlay's
}

func (i *mergeIter) Next() bool {
	if !i.begun {
		i.begun = true
		i.stepOver()
		i.stepUnder()
	} else if i.takeOver {
		i.stepOver()
	} else {
		i.stepUnder()
	}
	return i.settle()
}

// settle finds the current row: of equal keys the overlay's wins, and a deletion shows nothing.
func (i *mergeIter) settle() bool {
	for {
		if !i.hasW {
			i.takeOver = false
			return i.hasKey
		}
		c := -1
		if i.hasKey {
			c = i.dir * bytes.Compare(i.w.key, i.key)
		}
		if c > 0 {
			i.takeOver = false
			return true
		}
		if c == 0 {
			i.stepUnder()
		}
		if !i.w.del {
			i.takeOver = true
			return true
		}
		i.stepOver()
	}
}

func (i *mergeIter) stepOver() { i.w, i.hasW = i.over.next() }

func (i *mergeIter) stepUnder() {
	if i.hasKey = i.under.Next(); i.hasKey {
		i.key = i.under.Key()
	}
}

func (i *mergeIter) Key() []byte {
	if i.takeOver {
		return i.w.key[prefixLen:]
	}
	return i.key[prefixLen:]
}

func (i *mergeIter) Value() []byte {
	if i.takeOver {
		return i.w.val
	}
	return i.under.Value()
}

func (i *mergeIter) Err() error { return i.under.Err() }

func (i *mergeIter) Close() error {
	i.over.close()
	return i.under.Close()
}

var (
	_ rows.Iterator = cutIter{}
	_ rows.Iterator = (*mergeIter)(nil)
)
