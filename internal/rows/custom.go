package rows

import (
	"fmt"
	"iter"
)

// NewCustom is the Spec of a store of the user's own over byte rows, whose keys and values are those of the changelog. Open calls open.
func NewCustom(name string, open func(*Bytes) (any, error)) *Spec {
	s := &Spec{Name: name, Kind: CustomKind, Format: "custom/1", KeyType: "bytes", ValueType: "bytes", Logged: true}
	s.Open = func(h Host) (any, error) { return open(&Bytes{name, h}) }
	s.View = func(Reader, int64) (any, error) {
		return nil, fmt.Errorf("store %q: a custom store has no view", s.Name)
	}
	s.Row = func(to Restorer, key, val []byte, _ int64) error {
		if val == nil {
			to.Delete(key)
		} else {
			to.Set(key, val)
		}
		return nil
	}
	return s
}

// Bytes are the rows of a custom store: state.Rows.
type Bytes struct {
	name string
	host Host
}

// Get appends the value of a key to dst.
func (b *Bytes) Get(dst, key []byte) (val []byte, ok bool, err error) { return b.host.Get(dst, key) }

// Put sets a value and logs it at the time of the record in process; nil deletes.
func (b *Bytes) Put(key, val []byte) (err error) {
	if val == nil {
		err = b.host.Delete(key)
	} else {
		err = b.host.Set(key, val)
	}
	if err != nil {
		return err
	}
	return b.host.Log(key, val, b.host.Context().Time, false)
}

// Scan walks the rows with lo <= key < hi as they were when it began; nil is no bound. The slices are valid during the body.
func (b *Bytes) Scan(lo, hi []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		it, err := b.host.Iter(lo, hi, false)
		if err != nil {
			b.host.Stick(b.wrap(err))
			return
		}
		defer func() {
			if err := it.Close(); err != nil {
				b.host.Stick(b.wrap(err))
			}
		}()
		for it.Next() {
			if !yield(it.Key(), it.Value()) {
				return
			}
		}
		if err := it.Err(); err != nil {
			b.host.Stick(b.wrap(err))
		}
	}
}

func (b *Bytes) wrap(err error) error { return fmt.Errorf("store %q: scan: %w", b.name, err) }
