package state

import (
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
)

// Descriptor names a store. Only this package's types are descriptors.
type Descriptor interface {
	StoreName() string
	// Spec is the store without its types. It is for weir's own rooms.
	Spec(seal.Token) *rows.Spec
}

// Binder is a processor's context: it finds the task's stores. What it cannot find fails the processor's Init, by name.
type Binder interface{ BindStore(Descriptor) any }

// Viewer is an App: it finds stores to read.
type Viewer interface{ ViewStore(Descriptor) (any, error) }

// Readable is a descriptor whose store is read through an R.
type Readable[R any] interface {
	Descriptor
	View(Viewer) (R, error)
}

// declared is what every descriptor is: a spec, shared by its copies.
type declared struct{ spec *rows.Spec }

// StoreName is the name that was given.
func (d declared) StoreName() string {
	if d.spec == nil {
		return ""
	}
	return d.spec.Name
}

// Spec is the store without its types. It is for weir's own rooms. Of a zero descriptor it is one with a fault.
func (d declared) Spec(seal.Token) *rows.Spec {
	if d.spec == nil {
		return &rows.Spec{Fault: fault{texts: []string{"a store must be declared by one of the functions of package state"}}}
	}
	return d.spec
}

// KeyValueDesc describes a key-value store.
type KeyValueDesc[K, V any] struct{ declared }

// KeyValueStore declares a key-value store.
func KeyValueStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], opts ...Option) KeyValueDesc[K, V] {
	s := read(opts)
	s.noWindows(rows.KeyValueKind)
	return KeyValueDesc[K, V]{declared{s.apply(rows.NewKeyValue(name, k, v))}}
}

// KeyValueOf describes a key-value store by its Spec. It is for weir's own rooms.
func KeyValueOf[K, V any](_ seal.Token, s *rows.Spec) KeyValueDesc[K, V] {
	return KeyValueDesc[K, V]{declared{s}}
}

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d KeyValueDesc[K, V]) Bind(b Binder) KeyValue[K, V] { return bind[KeyValue[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d KeyValueDesc[K, V]) View(v Viewer) (ReadOnlyKeyValue[K, V], error) {
	return view[ReadOnlyKeyValue[K, V]](v, d)
}

// WindowDesc describes a window store.
type WindowDesc[K, V any] struct{ declared }

// WindowStore declares a window store for windows of a size.
func WindowStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size time.Duration, opts ...Option) WindowDesc[K, V] {
	s := read(opts)
	if size < 0 || size%time.Millisecond != 0 {
		s.fault("the window size %v is not a whole number of milliseconds", size)
	}
	w := rows.Windowing{Size: size.Milliseconds(), Retention: s.keep(size), Duplicates: s.duplicates}
	return WindowDesc[K, V]{declared{s.apply(rows.NewWindow(name, k, v, w))}}
}

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d WindowDesc[K, V]) Bind(b Binder) Window[K, V] { return bind[Window[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d WindowDesc[K, V]) View(v Viewer) (ReadOnlyWindow[K, V], error) {
	return view[ReadOnlyWindow[K, V]](v, d)
}

// SessionDesc describes a session store.
type SessionDesc[K, V any] struct{ declared }

// SessionStore declares a session store.
func SessionStore[K, V any](name string, k serde.Serde[K], v serde.Serde[V], opts ...Option) SessionDesc[K, V] {
	s := read(opts)
	s.noDuplicates(rows.SessionKind)
	return SessionDesc[K, V]{declared{s.apply(rows.NewSession(name, k, v, s.keep(0), false))}}
}

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d SessionDesc[K, V]) Bind(b Binder) Session[K, V] { return bind[Session[K, V]](b, d) }

// View finds a store to read; weir.ReadStore calls it.
func (d SessionDesc[K, V]) View(v Viewer) (ReadOnlySession[K, V], error) {
	return view[ReadOnlySession[K, V]](v, d)
}

// CustomDesc describes a store of the user's own, S.
type CustomDesc[S any] struct{ declared }

// CustomStore declares a store that open makes over the byte rows that weir keeps, logs and restores for it. open is called when the rows are there, for
// every life of a task, and by each task that reads a global store of the kind. An S that also has Close() error is closed with the task.
func CustomStore[S any](name string, open func(Rows) (S, error), opts ...Option) CustomDesc[S] {
	s := read(opts)
	s.noWindows(rows.CustomKind)
	if s.cached {
		s.fault("Cached does not fit a custom store")
	}
	return CustomDesc[S]{declared{s.apply(rows.NewCustom(name, func(r *rows.Bytes) (any, error) { return open(r) }))}}
}

// Bind is the task's store; call it in Init, which fails if the store is not connected.
func (d CustomDesc[S]) Bind(b Binder) S { return bind[S](b, d) }

// View finds the store's rows to read, which are bytes: only a task has an S. weir.ReadStore calls it.
func (d CustomDesc[S]) View(v Viewer) (ReadOnlyRows, error) { return view[ReadOnlyRows](v, d) }

// ReadOnlyRows are the committed byte rows of a custom store. Get appends to dst. The slices of a scan of lo <= key < hi, nil for no bound, are valid
// during its body.
type ReadOnlyRows interface {
	Get(dst, key []byte) (val []byte, ok bool, err error)
	Scan(lo, hi []byte) iter.Seq2[[]byte, []byte]
	Err() error // the first error of any scan
}

// Rows are the byte rows of a custom store; put with a nil value deletes.
type Rows interface {
	Get(dst, key []byte) (val []byte, ok bool, err error)
	Put(key, val []byte) error
	Scan(lo, hi []byte) iter.Seq2[[]byte, []byte]
}

// bind finds a store. One that is not what its descriptor says is told to a binder that fails for it.
func bind[S any](b Binder, d Descriptor) S {
	found := b.BindStore(d)
	s, ok := found.(S)
	if fails, told := b.(interface{ FailBind(error) }); !ok && found != nil && told {
		fails.FailBind(fmt.Errorf("store %q holds other types or is of another kind than its descriptor says: it is a %T", d.StoreName(), found))
	}
	return s
}

func view[R any](v Viewer, d Descriptor) (r R, err error) {
	if err := d.Spec(seal.Token{}).Fault; err != nil {
		return r, err
	}
	found, err := v.ViewStore(d)
	if err != nil {
		return r, err
	}
	r, ok := found.(R)
	if !ok {
		return r, fmt.Errorf("store %q cannot be read so: it holds other types or is of another kind than its descriptor says (it is read through %T)", d.StoreName(), found)
	}
	return r, nil
}
