package rows

import (
	"container/heap"
	"unsafe"
)

// changedKey is a key of a Buffer that has changed since the last commit.
type changedKey struct {
	key   string
	row   []byte // what is held back
	held  bool   // it waits
	below bool   // a row of it is on the disk, with its index row
	had   bool   // it waited at that commit: the changelog holds an update
	put   bool   // an update came since
	owed  bool   // it had, and was taken out
}

// changes are a Buffer's since the last commit: what waits among them, in order, is in memory.
type changes struct {
	dirty map[string]int // places in order
	order []changedKey   // in the order of their first changes
	queue queue          // of those that wait and have no row on the disk
	bytes int64
}

// touch notes that a key changes; had is whether it waits.
func (s *changes) touch(key []byte, had bool) *changedKey {
	i, ok := s.dirty[string(key)]
	if !ok {
		i = len(s.order)
		s.order = append(s.order, changedKey{key: string(key), had: had, below: had})
		s.dirty[s.order[i].key] = i
		s.bytes += int64(unsafe.Sizeof(changedKey{})) + int64(2*len(key))
	}
	return &s.order[i]
}

// set is what a key holds back now; nil is nothing.
func (s *changes) set(c *changedKey, row []byte) {
	s.bytes += int64(len(row) - len(c.row))
	c.row, c.held = append(c.row[:0], row...), row != nil
}

// reset forgets all, and the memory for it where that was much.
func (s *changes) reset() {
	const keep = 1 << 12
	if len(s.order) > keep {
		s.dirty, s.order, s.queue.places = map[string]int{}, nil, nil
	}
	clear(s.dirty)
	clear(s.order)
	s.order, s.queue.places, s.bytes = s.order[:0], s.queue.places[:0], 0
}

// queue is a heap of keys by the times by which they wait, then by their bytes.
type queue struct {
	of     *[]changedKey
	places []waits
}

type waits struct {
	at int64
	i  int // in order
}

func (q *queue) at(i int) int64   { return q.places[i].at }
func (q *queue) key(i int) string { return (*q.of)[q.places[i].i].key }

func (q *queue) push(at int64, i int) {
	q.places = append(q.places, waits{at, i})
	heap.Fix(q, len(q.places)-1) // heap.Push would allocate
}

// pop takes the first away.
func (q *queue) pop() {
	n := len(q.places) - 1
	q.Swap(0, n)
	q.places = q.places[:n]
	if n > 0 {
		heap.Fix(q, 0)
	}
}

// Len, Less, Swap, Push and Pop are for the heap.
func (q *queue) Len() int { return len(q.places) }

func (q *queue) Less(i, j int) bool {
	if q.places[i].at != q.places[j].at {
		return q.places[i].at < q.places[j].at
	}
	return q.key(i) < q.key(j)
}

func (q *queue) Swap(i, j int) { q.places[i], q.places[j] = q.places[j], q.places[i] }
func (q *queue) Push(any)      {}
func (q *queue) Pop() any      { return nil }

// rowKeys are the keys of a Buffer that may have rows on the disk, as long as they are few: of others nothing needs to be read.
type rowKeys struct {
	all map[string]struct{} // nil: too many
}

const manyRowKeys = 1 << 16

// know reads the keys of the index rows.
func (k *rowKeys) know(h Host) error {
	k.none()
	it, err := h.Iter([]byte{orderTag}, []byte{orderEnd}, false)
	if err != nil {
		return err
	}
	for k.all != nil && it.Next() {
		if index := it.Key(); len(index) >= orderHead {
			k.learnRow(string(index[orderHead:]))
		}
	}
	return closed(it)
}

// none says that there are no rows.
func (k *rowKeys) none() { k.all = map[string]struct{}{} }

func (k *rowKeys) learnRow(key string) {
	switch {
	case k.all == nil:
	case len(k.all) >= manyRowKeys:
		k.all = nil
	default:
		k.all[key] = struct{}{}
	}
}

func (k *rowKeys) forgetRow(key []byte) { delete(k.all, string(key)) }

// lacks says that a key has surely no row.
func (k *rowKeys) lacks(key []byte) bool {
	if k.all == nil {
		return false
	}
	_, ok := k.all[string(key)]
	return !ok
}
