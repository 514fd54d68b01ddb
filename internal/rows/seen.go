package rows

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Seen is decoded rows that many tasks read while one writer, elsewhere, changes the rows below: a read cache of a global table. A row that has
// not changed is decoded once for all. It never knows more than the rows: losing any of it costs a read.
//
// Rows are found in buckets by the hash of their local key. Each bucket has a version, which the writer raises after a row of the bucket has
// changed below. What a reader puts in carries the version from before it read below; it counts only while the bucket has that version. So
//
//	S1  after Changed has returned, no reader that then begins finds what was below before it
//
// for a value read before the change has an older version, and one with the version of now was read after the change.
//
// A reader takes no lock and writes no shared memory when it finds a row. Any goroutine may use a Seen.
type Seen[V any] struct {
	seed    maphash.Seed
	most    int64 // bytes
	now     atomic.Pointer[seenRows[V]]
	growing sync.Mutex
}

const (
	seenWays  = 4 // rows in a bucket
	seenFirst = 1 << 8
	seenCost  = 112 // bytes of a row beside its key and value
)

// seenRows is the buckets. It is replaced by an empty one twice as large: what was in it is read again.
type seenRows[V any] struct {
	buckets []seenBucket[V]
	n       atomic.Int64
	bytes   atomic.Int64
}

type seenBucket[V any] struct {
	version atomic.Uint64
	rows    [seenWays]atomic.Pointer[seenRow[V]]
}

// seenRow does not change. has is false for a row that is not there.
type seenRow[V any] struct {
	key     string
	version uint64
	cost    int64
	value   V
	at      int64
	has     bool
}

// NewSeen makes a cache of about this many bytes, of which the size of a value is an estimate.
func NewSeen[V any](most int64) *Seen[V] {
	s := &Seen[V]{seed: maphash.MakeSeed(), most: most}
	s.now.Store(&seenRows[V]{buckets: make([]seenBucket[V], seenFirst)})
	return s
}

// place is where a key's row is or would be.
type place[V any] struct {
	in      *seenRows[V]
	bucket  *seenBucket[V]
	version uint64
	hash    uint64
}

// find looks for a row. Without one, the place is where put takes what is read below from now on.
func (s *Seen[V]) find(key []byte) (*seenRow[V], place[V]) {
	p := place[V]{in: s.now.Load(), hash: maphash.Bytes(s.seed, key)}
	p.bucket = &p.in.buckets[p.hash&uint64(len(p.in.buckets)-1)]
	p.version = p.bucket.version.Load()
	for i := range p.bucket.rows {
		if r := p.bucket.rows[i].Load(); r != nil && r.version == p.version && r.key == string(key) {
			return r, p
		}
	}
	return nil, p
}

// put takes a row that was read below after find.
func (s *Seen[V]) put(p place[V], r *seenRow[V]) {
	r.version = p.version
	way := int(p.hash >> 62) // any, where none is free
	for i := range p.bucket.rows {
		if old := p.bucket.rows[i].Load(); old == nil || old.version != p.version {
			way = i
			break
		}
	}
	p.in.swap(&p.bucket.rows[way], r)
	if p.in.bytes.Load() > s.most {
		p.in.shrink(p.hash, s.most)
	} else if p.in.n.Load() > int64(len(p.in.buckets)*seenWays/2) {
		s.grow(p.in)
	}
}

// swap puts a row, or none, in the place of another.
func (in *seenRows[V]) swap(at *atomic.Pointer[seenRow[V]], r *seenRow[V]) {
	old := at.Swap(r)
	if r != nil {
		in.n.Add(1)
		in.bytes.Add(r.cost)
	}
	if old != nil {
		in.n.Add(-1)
		in.bytes.Add(-old.cost)
	}
}

// shrink drops rows of buckets that follow from a hash, which is as good as any, until there is room.
func (in *seenRows[V]) shrink(hash uint64, most int64) {
	for range len(in.buckets) {
		if in.bytes.Load() <= most {
			return
		}
		hash = hash*6364136223846793005 + 1442695040888963407
		b := &in.buckets[hash>>32&uint64(len(in.buckets)-1)]
		for i := range b.rows {
			if b.rows[i].Load() != nil {
				in.swap(&b.rows[i], nil)
			}
		}
	}
}

// grow begins anew with twice the buckets. What another reader is putting into the old ones is lost, and nothing else: a writer that finds the
// old ones has changed its row before any reader found the new ones, so that they read what it wrote.
func (s *Seen[V]) grow(from *seenRows[V]) {
	s.growing.Lock()
	defer s.growing.Unlock()
	if s.now.Load() == from {
		s.now.Store(&seenRows[V]{buckets: make([]seenBucket[V], 2*len(from.buckets))})
	}
}

// Changed says that a row may have changed below, after it has.
func (s *Seen[V]) Changed(key []byte) {
	in := s.now.Load()
	in.buckets[maphash.Bytes(s.seed, key)&uint64(len(in.buckets)-1)].version.Add(1)
}

// Reset says that any row may have changed below, after it has.
func (s *Seen[V]) Reset() {
	in := s.now.Load()
	for i := range in.buckets {
		in.buckets[i].version.Add(1)
	}
}

// Glance is Get by way of what was seen already. The value is everybody's: nobody may change it.
func (t *Table[KK, V]) Glance(k KK, seen *Seen[V]) (v V, at int64, ok bool, err error) {
	if err := t.seek(k); err != nil {
		return v, 0, false, err
	}
	r, p := seen.find(t.key)
	if r != nil {
		return r.value, r.at, r.has, nil
	}
	if err := t.loadOne(); err != nil {
		return v, 0, false, err
	}
	cost := int64(seenCost + len(t.key) + 2*len(t.raw))
	seen.put(p, &seenRow[V]{key: string(t.key), cost: cost, value: t.one.Value, at: t.one.At, has: t.one.Has})
	return t.one.Value, t.one.At, t.one.Has, nil
}
