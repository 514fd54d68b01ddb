package parity

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/weirtest"
)

// exposed has the stores of a topology show their bytes in place of typed views, to whoever views them by an opaque descriptor.
type exposed struct {
	stores []*topology.Store
	times  []int64 // of the inputs, sorted
}

// bare is what a store shows: its committed rows, and its time.
type bare struct {
	rows.Reader
	observed int64
}

// opaque is a descriptor of a store of which only the name is known.
type opaque string

func (o opaque) StoreName() string              { return string(o) }
func (o opaque) Spec(seal.Token) *rows.Spec     { return nil }
func show(r rows.Reader, at int64) (any, error) { return bare{r, at}, nil }

// expose changes the specs of the topology's stores; the topology serves for nothing else afterwards.
func expose(topo *weir.Topology) exposed {
	var e exposed
	for _, sub := range topo.Graph(seal.Token{}).Subs() {
		for _, s := range sub.Stores {
			s.View = show
			e.stores = append(e.stores, s)
		}
	}
	return e
}

// suppress says that updates are suppressed.
func (e exposed) suppress() bool {
	return slices.ContainsFunc(e.stores, func(s *topology.Store) bool { return s.Format == suppressed })
}

// suppressed is the format of a suppression's store.
const suppressed = "buffer/1"

// dump reads every store.
func (e exposed) dump(d *weirtest.Driver) (map[string]Store, error) {
	all := map[string]Store{}
	for _, s := range e.stores {
		v, err := d.ViewStore(opaque(s.Name))
		if err != nil {
			return nil, err
		}
		store, err := e.dumped(s, v.(bare))
		if err != nil {
			return nil, fmt.Errorf("store %q: %w", s.Name, err)
		}
		all[s.Name] = store
	}
	return all, nil
}

func (e exposed) dumped(s *topology.Store, b bare) (Store, error) {
	if s.Kind == rows.VersionedKind {
		return dumpVersions(s, b, e.times)
	}
	if s.Format == suppressed {
		return buffer(Store{Kind: s.Kind.String()}, b)
	}
	if s.Kind == rows.BufferKind {
		return dumpWaiting(s, b)
	}
	store := Store{Kind: s.Kind.String()}
	read := reading(s)
	it, err := b.Iter(nil, nil, false)
	if err != nil {
		return store, err
	}
	defer it.Close()
	for it.Next() {
		row, ok, err := read(it.Key(), it.Value())
		if err != nil {
			return store, err
		}
		if ok && visible(s, row, b.observed) {
			store.Rows = append(store.Rows, unlisted(s, row)...)
		}
	}
	return store, it.Err()
}

// buffer lists the updates that wait, and says the least time by which one does. An index row counts if the update that it leads to has its time.
func buffer(store Store, b bare) (Store, error) {
	const held, order = 0, 1 // what begins the rows of updates, and those of the index
	store.From = -1
	at := map[string]int64{}
	it, err := b.Iter(nil, nil, false)
	if err != nil {
		return store, err
	}
	defer it.Close()
	for it.Next() {
		switch tag, key := it.Key()[0], it.Key()[1:]; {
		case tag == held:
			h, err := rows.DecodeHeld(it.Value())
			if err != nil {
				return store, err
			}
			store.Count++
			store.Rows = append(store.Rows, Row{Key: clone(key), Value: clone(it.Value()), Start: -1, End: -1, Time: -1})
			at[string(key)] = h.At
		case tag == order && store.From < 0:
			if time := int64(binary.BigEndian.Uint64(key)); at[string(key[stamp:])] == time {
				store.From = time
			}
		}
	}
	return store, it.Err()
}

// visible is Kafka's rule for what has not expired.
func visible(s *topology.Store, r Row, observed int64) bool {
	at := r.Start
	if s.Kind == rows.SessionKind {
		at = r.End
	}
	return s.Retention == 0 || at < 0 || at > observed-s.Retention
}

// reading is how rows of a store's format are taken apart; false is a row that says nothing of its own.
func reading(s *topology.Store) func(key, value []byte) (Row, bool, error) {
	if s.Format == rows.SubscriberKeys(serde.Bytes()).Format() {
		return subscriptionRow
	}
	w := rows.Windowing{Retention: s.Retention, Indexed: strings.HasSuffix(s.Format, " indexed")}
	switch s.Kind {
	case rows.WindowKind:
		if strings.HasPrefix(s.Format, "window-aligned/") {
			return windowRow(rows.AlignedKeys(serde.Bytes(), w))
		}
		return windowRow(rows.SegmentedKeys(serde.Bytes(), w))
	case rows.SessionKind:
		return sessionRow(rows.SessionKeys(serde.Bytes(), s.Retention, w.Indexed))
	}
	if s.Kind == rows.CustomKind {
		return ownRow
	}
	if pending(s) {
		return pendingRow
	}
	return plainRow
}

const stamp = 8 // bytes of a time

func plainRow(key, value []byte) (Row, bool, error) {
	r := Row{Key: clone(key), Start: -1, End: -1}
	return r, true, r.stamped(value)
}

// ownRow is a row of a user's own store.
func ownRow(key, value []byte) (Row, bool, error) {
	return Row{Key: clone(key), Value: clone(value), Start: -1, End: -1, Time: -1}, true, nil
}

// stamped takes the time off the value.
func (r *Row) stamped(value []byte) error {
	if len(value) < stamp {
		return fmt.Errorf("a row of %d bytes", len(value))
	}
	r.Time, r.Value = int64(binary.BigEndian.Uint64(value)), clone(value[stamp:])
	return nil
}

// subscriptionRow reads rows by their changelog key. Kafka Streams lists them as it keeps them: after a byte that says that there are no headers.
func subscriptionRow(local, value []byte) (r Row, ok bool, err error) {
	key, err := rows.SubscriberKeys(serde.Bytes()).AppendLog(nil, local)
	return Row{Key: key, Value: append([]byte{0}, value...), Start: -1, End: -1, Time: -1}, true, err
}

// windowRow reads rows by their changelog key, key ‖ start ‖ seq(4).
func windowRow[K any](keys rows.Keys[K]) func(key, value []byte) (Row, bool, error) {
	return func(local, value []byte) (r Row, ok bool, err error) {
		if indexRow(local) {
			return r, false, nil
		}
		log, err := keys.AppendLog(nil, local)
		if err != nil {
			return r, false, err
		}
		at := len(log) - stamp - 4
		r = Row{Key: log[:at:at], Start: int64(binary.BigEndian.Uint64(log[at:])), End: -1}
		return r, true, r.stamped(value)
	}
}

// sessionRow reads rows by their changelog key, key ‖ end ‖ start.
func sessionRow[K any](keys rows.Keys[K]) func(key, value []byte) (Row, bool, error) {
	return func(local, value []byte) (r Row, ok bool, err error) {
		if indexRow(local) {
			return r, false, nil
		}
		log, err := keys.AppendLog(nil, local)
		if err != nil {
			return r, false, err
		}
		at := len(log) - 2*stamp
		r = Row{Key: log[:at:at], End: int64(binary.BigEndian.Uint64(log[at:])), Start: int64(binary.BigEndian.Uint64(log[at+stamp:]))}
		err = r.stamped(value)
		r.Time = -1 // Kafka keeps none
		return r, true, err
	}
}

// indexRow reports whether a row of windows or sessions is one of the index by time.
func indexRow(local []byte) bool { return len(local) > 0 && local[0] == 0xff }

// clone is never nil: a stored key or value is not null.
func clone(b []byte) []byte { return append([]byte{}, b...) }
