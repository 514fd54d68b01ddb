package rows

import (
	"fmt"
	"iter"
	"sync"
)

// NewCustom is the Spec of a store of the user's own over byte rows, whose keys and values are those of the changelog. Open calls open, View makes a
// *BytesView.
func NewCustom(name string, open func(*Bytes) (any, error)) *Spec {
	s := &Spec{Name: name, Kind: CustomKind, Format: "custom/1", KeyType: "bytes", ValueType: "bytes", Logged: true}
	s.Open = func(h Host) (any, error) { return open(&Bytes{name, h}) }
	s.View = func(r Reader, _ int64) (any, error) { return &BytesView{name: s.Name, rows: r}, nil }
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
	return scanned(b.name, b.host, lo, hi, b.host.Stick)
}

// scanned walks rows, and says what went wrong.
func scanned(name string, r Reader, lo, hi []byte, failed func(error)) iter.Seq2[[]byte, []byte] {
	fail := func(err error) {
		if err != nil {
			failed(fmt.Errorf("store %q: scan: %w", name, err))
		}
	}
	return func(yield func(k, v []byte) bool) {
		it, err := r.Iter(lo, hi, false)
		if err != nil {
			fail(err)
			return
		}
		defer func() { fail(it.Close()) }()
		for it.Next() {
			if !yield(it.Key(), it.Value()) {
				return
			}
		}
		fail(it.Err())
	}
}

// BytesView are the committed rows of a custom store: state.ReadOnlyRows. Many goroutines may use it.
type BytesView struct {
	name string
	rows Reader
	mu   sync.Mutex
	err  error // guarded by mu
}

// Get appends the value of a key to dst.
func (v *BytesView) Get(dst, key []byte) (val []byte, ok bool, err error) {
	if val, ok, err = v.rows.Get(dst, key); err != nil {
		err = fmt.Errorf("store %q: get: %w", v.name, err)
	}
	return val, ok, err
}

// Scan walks the rows with lo <= key < hi; nil is no bound. The slices are valid during the body.
func (v *BytesView) Scan(lo, hi []byte) iter.Seq2[[]byte, []byte] {
	return scanned(v.name, v.rows, lo, hi, func(err error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.err == nil {
			v.err = err
		}
	})
}

// Err is the first error of any scan.
func (v *BytesView) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}
