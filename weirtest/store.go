package weirtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/state"
)

// Store reads a store as of the last commit, all its partitions together: weirtest.Store(d, totals.Store()). What is committed later is not seen. A store
// that the topology does not have, or of other types, fails the test. Windows are as old as the partition that is furthest in time sees them;
// StoreIn has each partition's own time.
func Store[R any](d *Driver, s state.Readable[R]) R {
	d.t.Helper()
	r, err := s.View(d)
	d.must(d.named(err))
	return r
}

// StoreIn is Store for one partition.
func StoreIn[R any](d *Driver, partition int, s state.Readable[R]) R {
	d.t.Helper()
	r, err := s.View(onePartition{d, int32(partition)})
	d.must(d.named(err))
	return r
}

// ViewStore makes a Driver a state.Viewer; use Store.
func (d *Driver) ViewStore(s state.Descriptor) (any, error) { return d.view(s.StoreName(), -1) }

type onePartition struct {
	d         *Driver
	partition int32
}

func (o onePartition) ViewStore(s state.Descriptor) (any, error) {
	return o.d.view(s.StoreName(), o.partition)
}

// view copies the committed rows of a store's tasks; a negative partition means all.
func (d *Driver) view(name string, partition int32) (any, error) {
	s, sub, ok := d.graph.Store(name)
	if !ok {
		return nil, fmt.Errorf("there is no store %q; there are %s", name, d.stores())
	}
	all, observed, found := copied{}, int64(-1), false
	for _, r := range d.tasks {
		if r.spec.Sub != sub.ID || partition >= 0 && r.spec.Partition != partition {
			continue
		}
		found = true
		at, err := all.take(r.task.Stores(), name)
		if err != nil {
			return nil, fmt.Errorf("task %s: store %q: %w", r.spec, name, err)
		}
		observed = max(observed, at)
	}
	for _, f := range d.globals {
		if f.sub != sub || partition > 0 {
			continue
		}
		found = true
		at, err := all.take(f.g.Stores(), name)
		if err != nil {
			return nil, fmt.Errorf("global store %q: %w", name, err)
		}
		observed = max(observed, at)
	}
	if !found {
		return nil, fmt.Errorf("store %q: no task of partition %d runs", name, partition)
	}
	if s.View == nil {
		return nil, fmt.Errorf("store %q: a %s store of this kind has no view", name, s.Kind)
	}
	slices.SortStableFunc(all, func(a, b row) int { return bytes.Compare(a.key, b.key) })
	return s.View(all, observed)
}

// copied are the rows of a store, sorted: a rows.Reader.
type copied []row

type row struct{ key, val []byte }

// take adds the rows of one task, and returns the store's time there.
func (c *copied) take(stores *store.Set, name string) (observed int64, err error) {
	from, observed, release, err := stores.Snapshot(name)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, release()) }()
	it, err := from.Iter(nil, nil, false)
	if err != nil {
		return 0, err
	}
	for it.Next() {
		*c = append(*c, row{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
	}
	return observed, errors.Join(it.Err(), it.Close())
}

// at is the place of the first row that is not before key.
func (c copied) at(key []byte) int {
	return sort.Search(len(c), func(i int) bool { return bytes.Compare(c[i].key, key) >= 0 })
}

func (c copied) Get(dst, key []byte) ([]byte, bool, error) {
	i := c.at(key)
	if i == len(c) || !bytes.Equal(c[i].key, key) {
		return dst, false, nil
	}
	return append(dst, c[i].val...), true, nil
}

func (c copied) Iter(lo, hi []byte, reverse bool) (rows.Iterator, error) {
	to := len(c)
	if hi != nil {
		to = c.at(hi)
	}
	some := slices.Clone(c[min(c.at(lo), to):to])
	if reverse {
		slices.Reverse(some)
	}
	return &walk{rest: some}, nil
}

// walk is a rows.Iterator.
type walk struct {
	rest []row
	row
}

func (w *walk) Next() bool {
	if len(w.rest) == 0 {
		return false
	}
	w.row, w.rest = w.rest[0], w.rest[1:]
	return true
}

func (w *walk) Key() []byte   { return w.key }
func (w *walk) Value() []byte { return w.val }
func (w *walk) Err() error    { return nil }
func (w *walk) Close() error  { return nil }
