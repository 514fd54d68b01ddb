package rows

import (
	"fmt"
	"unsafe"

	"github.com/tidwall/btree"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
)

// Table is a store's rows, typed, with or without a write-back cache. It is owned by the task's goroutine.
//
// A local row is time(8) ‖ value; the changelog has the value, at that time.
type Table[KK, V any] struct {
	name      string
	host      Host
	keys      Keys[KK]
	timed     Timed   // nil where rows have no time
	indexed   Indexed // nil without index rows
	value     serde.Serde[V]
	retention int64
	stamp     int  // bytes before the value of a row
	ttl       *ttl // nil where rows live for ever, or by their keys' times
	cached    bool
	emits     bool // rows wait to be emitted, and are restored longer than they are kept
	sameLog   bool // the changelog key is the local key
	nilable   bool // a V can be nil, which deletes
	shares    bool // copies of a V share memory
	pointers  bool // a V points to memory beside it

	onUpdate func(Update[KK, V]) error
	wantOld  bool
	keep     bool
	inPlace  bool // cached values may be changed in place
	headers  bool

	rows  slab[V]
	dirty dirtyList
	order *btree.BTreeG[uint32] // dirty rows that were not spilled, by key; nil in stores that are not scanned
	probe []byte                // the key that order compares row 0 with
	olds  map[uint32][]byte     // bytes of before the first change, where they were spilled over
	mean  float64               // size of encoded values

	one  Row[V] // the row in hand where there is no cache
	key  []byte // its key, or the key looked for
	raw  []byte // its bytes when it was read
	had  bool   // it was there when it was read
	enc  []byte
	side []byte // changelog and index keys
}

// Update is a change of a row, for who watches a table.
type Update[KK, V any] struct {
	Key            KK
	Old, New       V
	HasOld, HasNew bool  // HasOld and Old only where they were asked for
	At             int64 // ms: of the new value, or of the deletion
}

// NewTable makes the table of a store. It attaches a cache where the Spec says so and the task has caches.
func NewTable[KK, V any](s *Spec, h Host, keys Keys[KK], value serde.Serde[V]) *Table[KK, V] {
	t := &Table[KK, V]{name: s.Name, host: h, keys: keys, value: value, retention: s.Retention, stamp: s.stamp(), emits: s.Emits}
	t.cached = s.Cached && h.Attach(t)
	t.indexed, _ = keys.(Indexed)
	if timed, ok := keys.(Timed); ok && s.Retention > 0 {
		t.timed = timed
	}
	_, t.sameLog = keys.(logIsLocal)
	t.nilable, t.shares = null.Nilable[V](), null.Shares[V]()
	t.inPlace = t.cached && t.shares
	t.pointers = t.shares || unsafe.Sizeof(*new(V)) > 0 && !flat[V]()
	if t.cached && s.Scans {
		t.order = btree.NewBTreeGOptions(t.less, btree.Options{NoLocks: true})
	}
	return t
}

// OnUpdate has f called for every change: at once without a cache; with one at the flush, once per key, while Host.Context is the entry's.
// With old, updates carry what was there before, decoded anew: it never shares memory with New. Call it before the first record.
func (t *Table[KK, V]) OnUpdate(f func(Update[KK, V]) error, old bool) {
	t.onUpdate, t.wantOld = f, old
}

// Recover prepares for Undo where values share memory: what a row was before a record stays known as bytes, at the price of encoding
// cached rows before they are handed out again.
func (t *Table[KK, V]) Recover() { t.keep = t.shares }

// Freeze promises that nobody changes values in place: then Get and updates hand out the cached values themselves. Without it, where values
// share memory and are cached, they hand out copies, decoded anew, because an aggregator may change the cached value later.
func (t *Table[KK, V]) Freeze() { t.inPlace = false }

// LogHeaders has changelog records carry the headers of the record in process.
func (t *Table[KK, V]) LogHeaders() { t.headers = true }

// Cached reports whether the table writes back: updates come at flushes.
func (t *Table[KK, V]) Cached() bool { return t.cached }

// Host is the store's side of the task.
func (t *Table[KK, V]) Host() Host { return t.host }

// Ref is the row of a key, to be read and then put, dropped, undone or left alone. A row that has expired is as if it were not there.
func (t *Table[KK, V]) Ref(k KK) (*Row[V], error) {
	if err := t.seek(k); err != nil {
		return nil, err
	}
	if t.ttl != nil {
		return t.fresh()
	}
	return t.ref()
}

// Get is the value of a key and its time in ms.
func (t *Table[KK, V]) Get(k KK) (v V, at int64, ok bool, err error) {
	if err := t.seek(k); err != nil {
		return v, 0, false, err
	}
	r, err := t.peek()
	if err != nil || !r.Has {
		return v, 0, false, err
	}
	return r.Value, r.At, true, nil
}

// Told is Get as those who watch the table know it: of a row whose update waits for a flush, what was there before.
func (t *Table[KK, V]) Told(k KK) (v V, at int64, ok bool, err error) {
	if err := t.seek(k); err != nil {
		return v, 0, false, err
	}
	if !t.cached {
		return t.Get(k)
	}
	r := t.rows.find(t.key)
	if r == nil || r.mark == 0 {
		return t.Get(k)
	}
	raw, ok := t.olds[r.idx]
	if r.flags&hasOld == 0 {
		t.raw, ok, err = t.host.Get(t.raw[:0], t.key)
		raw = t.raw
	}
	if err != nil || !ok {
		return v, 0, false, err
	}
	v, at, err = t.decode(raw)
	return v, at, err == nil, err
}

// peek is the row of t.key to look at: a copy of the cached one where that may be changed in place.
func (t *Table[KK, V]) peek() (*Row[V], error) {
	r, err := t.ref()
	if err != nil {
		return nil, err
	}
	r = t.alive(r)
	if !t.inPlace || r.idx == 0 || !r.Has {
		return r, nil
	}
	t.one = Row[V]{At: r.At, Has: true}
	t.one.Value, err = t.Own(r)
	return &t.one, err
}

// Put gives the row a value and a time in ms; nil of a nilable kind drops it. A value older than the store keeps is counted and not kept; the
// changelog and who watches are told of it all the same.
func (t *Table[KK, V]) Put(r *Row[V], v V, at int64) error {
	if t.nilable && null.Is(v) {
		return t.Drop(r, at)
	}
	dead, err := t.late(r)
	switch {
	case err != nil:
		return err
	case dead:
		return t.pass(r, Row[V]{Value: v, Has: true, At: at}, at)
	}
	if t.ttl != nil {
		if lives, err := t.born(r, at); !lives || err != nil {
			return err
		}
	}
	r.Value, r.Has, r.At = v, true, at
	return t.changed(r, at)
}

// Drop deletes the row; the tombstone, at a time in ms, goes to the changelog although there may be none.
func (t *Table[KK, V]) Drop(r *Row[V], at int64) error { return t.DropAggregate(r, at, at) }

// DropAggregate is Drop of a row whose watchers are told another time than the changelog: that of the aggregate which is gone. With a cache they
// are told the changelog's, as in Kafka.
func (t *Table[KK, V]) DropAggregate(r *Row[V], at, told int64) error {
	dead, err := t.late(r)
	switch {
	case err != nil:
		return err
	case dead:
		return t.pass(r, Row[V]{At: at}, told)
	}
	if t.ttl != nil {
		if err := t.died(r, at); err != nil {
			return err
		}
	}
	var zero V
	r.Value, r.Has, r.At = zero, false, at
	return t.changed(r, told)
}

// Set is Put for a key. It reads nothing where nobody watches.
func (t *Table[KK, V]) Set(k KK, v V, at int64) error {
	r, err := t.blind(k)
	if err != nil {
		return err
	}
	return t.Put(r, v, at)
}

// Delete is Drop for a key.
func (t *Table[KK, V]) Delete(k KK, at int64) error {
	r, err := t.blind(k)
	if err != nil {
		return err
	}
	return t.Drop(r, at)
}

// Undo throws away what user code, which then failed, may have made of the row's value, and decodes it from the bytes of before. The table
// must have been told to Recover.
func (t *Table[KK, V]) Undo(r *Row[V]) error {
	if !t.shares || r.idx == 0 {
		return nil // user code had a copy, or an object of its own
	}
	if r.mark != 0 && r.flags&spilled == 0 {
		return fmt.Errorf("store %q: the row's bytes of before were not kept", t.name)
	}
	return t.load(r, t.rows.keyOf(r))
}

// blind is the row of a key, not read where that is not needed.
func (t *Table[KK, V]) blind(k KK) (*Row[V], error) {
	if err := t.seek(k); err != nil {
		return nil, err
	}
	return t.blindLocal()
}

func (t *Table[KK, V]) blindLocal() (*Row[V], error) {
	switch {
	case t.ttl != nil:
		return t.fresh()
	case t.cached:
		r := t.rows.find(t.key)
		if r == nil {
			r = t.rows.add(t.key)
		}
		return r, nil
	case t.onUpdate == nil:
		return &t.one, nil
	}
	return t.ref()
}

// seek encodes a key into t.key.
func (t *Table[KK, V]) seek(k KK) (err error) {
	if t.key, err = t.keys.Append(t.key[:0], k); err != nil {
		return fmt.Errorf("store %q: encode key: %w", t.name, err)
	}
	if len(t.key) > maxKey {
		return fmt.Errorf("store %q: a key of %d bytes", t.name, len(t.key))
	}
	return nil
}

// ref is the row of t.key.
func (t *Table[KK, V]) ref() (*Row[V], error) {
	if !t.cached {
		return &t.one, t.loadOne()
	}
	r := t.rows.find(t.key)
	if r == nil {
		r = t.rows.add(t.key)
	} else {
		r.flags |= hit
	}
	if r.flags&loaded == 0 {
		if err := t.load(r, t.key); err != nil {
			return nil, err
		}
	}
	if t.keep && r.mark != 0 {
		if err := t.spill(r); err != nil {
			return nil, err
		}
	}
	return t.shown(r)
}

// shown hides a cached row that has expired since.
func (t *Table[KK, V]) shown(r *Row[V]) (*Row[V], error) {
	if t.timed == nil || !r.Has {
		return r, nil
	}
	ok, err := t.visible(t.key)
	if ok || err != nil {
		return r, err
	}
	t.one = Row[V]{}
	t.had = false
	return &t.one, nil
}

// load fills a cached row from the rows below.
func (t *Table[KK, V]) load(r *Row[V], key []byte) error {
	var ok bool
	var err error
	if t.raw, ok, err = t.host.Get(t.raw[:0], key); err != nil {
		return err
	}
	flags := r.flags&^absent | loaded
	var zero V
	r.Value, r.At, r.Has = zero, 0, ok
	if !ok {
		r.flags = flags
		if r.mark == 0 {
			r.flags |= absent
		}
		return nil
	}
	if r.Value, r.At, err = t.decode(t.raw); err != nil {
		r.flags &^= loaded
		return err
	}
	if t.ttl != nil {
		t.begin(r, sinceOf(t.raw, t.ttl.wall))
	}
	r.flags = flags
	t.learn(len(t.raw))
	return nil
}

// loadOne fills the row in hand of a table without cache.
func (t *Table[KK, V]) loadOne() (err error) {
	t.one, t.had = Row[V]{}, false
	if t.timed != nil {
		if ok, err := t.visible(t.key); !ok || err != nil {
			return err
		}
	}
	if t.raw, t.had, err = t.host.Get(t.raw[:0], t.key); err != nil || !t.had {
		return err
	}
	t.one.Value, t.one.At, err = t.decode(t.raw)
	if t.one.Has = err == nil; t.one.Has && t.ttl != nil {
		t.begin(&t.one, sinceOf(t.raw, t.ttl.wall))
	}
	return err
}

// visible says whether a row has not expired: its time > observed − retention.
func (t *Table[KK, V]) visible(local []byte) (bool, error) {
	at, err := t.timed.Time(local)
	if err != nil {
		return false, fmt.Errorf("store %q: %w", t.name, err)
	}
	return at > t.host.Observed()-t.retention, nil
}

// decode takes a row apart: time(8) ‖ value, or time(8) ‖ put(8) ‖ value.
func (t *Table[KK, V]) decode(raw []byte) (v V, at int64, err error) {
	if len(raw) < t.stamp {
		return v, 0, fmt.Errorf("store %q: %w", t.name, tooShort("row", raw, t.stamp))
	}
	if v, err = t.value.Decode(raw[t.stamp:]); err != nil {
		return v, 0, fmt.Errorf("store %q: decode value: %w", t.name, err)
	}
	return v, timeAt(raw), nil
}

// encode makes the bytes of a row in t.enc.
func (t *Table[KK, V]) encode(r *Row[V]) (err error) {
	t.enc = appendTime(t.enc[:0], r.At)
	if t.stamp > stampLen {
		t.enc = appendTime(t.enc, t.since(r))
	}
	if t.enc, err = t.value.Append(t.enc, r.Value); err != nil {
		return fmt.Errorf("store %q: encode value: %w", t.name, err)
	}
	t.learn(len(t.enc))
	return nil
}

// learn keeps a running mean of the sizes of values, for Bytes.
func (t *Table[KK, V]) learn(n int) {
	if t.pointers {
		t.mean += (float64(n) - t.mean) / 64
	}
}

// changed takes a row with a new value or none: into the cache, or straight down, and then watchers are told a time.
func (t *Table[KK, V]) changed(r *Row[V], told int64) error {
	switch {
	case !t.cached:
		return t.through(r, told)
	case r.idx == 0: // it was shown as expired
		hidden := *r
		r, _ = t.blindLocal()
		r.Value, r.Has, r.At = hidden.Value, hidden.Has, hidden.At
	}
	t.touch(r)
	return nil
}

// pass logs a change that the store does not keep, and tells of it, as Kafka's stores do. It does not where rows wait to be emitted: a restore,
// which keeps them longer, would bring it back.
func (t *Table[KK, V]) pass(r *Row[V], now Row[V], told int64) error {
	if t.emits {
		return nil
	}
	key := t.key
	if r.idx != 0 {
		key = t.rows.keyOf(r)
	}
	if now.Has {
		if err := t.encode(&now); err != nil {
			return err
		}
	}
	if err := t.log(key, &now); err != nil || t.onUpdate == nil {
		return err
	}
	now.At = told
	return t.forward(key, &now, nil, false)
}

// late observes the time of a row that is to be changed, and says whether the store keeps it no more.
func (t *Table[KK, V]) late(r *Row[V]) (bool, error) {
	if t.timed == nil {
		return false, nil
	}
	if r.idx != 0 {
		return t.observe(t.rows.keyOf(r))
	}
	return t.observe(t.key)
}

// segmentExpired says whether the whole segment of a time is before that of floor.
func segmentExpired(at, floor, interval int64) bool {
	return floor >= 0 && at/interval < floor/interval
}

// observe raises the store's time, and counts a row that is older than the store keeps. Whole segments expire, as in Kafka.
func (t *Table[KK, V]) observe(key []byte) (dead bool, err error) {
	at, err := t.timed.Time(key)
	if err != nil {
		return true, fmt.Errorf("store %q: %w", t.name, err)
	}
	t.host.Observe(at)
	if segmentExpired(at, t.host.Observed()-t.retention, t.timed.Interval()) {
		t.host.Expired()
		return true, nil
	}
	return false, nil
}

// touch makes a cached row dirty.
func (t *Table[KK, V]) touch(r *Row[V]) {
	fresh := r.mark == 0 || r.flags&spilled != 0
	r.mark = t.dirty.note(r.idx, r.mark, t.host.Context())
	if t.dirty.sparse() {
		t.dirty.compact(func(row, mark uint32) { t.rows.at(row).mark = mark })
	}
	r.flags = r.flags&^spilled | loaded
	if fresh && t.order != nil {
		t.order.Set(r.idx)
	}
}

// through writes a row of a table without cache.
func (t *Table[KK, V]) through(r *Row[V], told int64) error {
	if r.Has {
		if err := t.encode(r); err != nil {
			return err
		}
	}
	if err := t.write(t.key, r.Has); err != nil {
		return err
	}
	if err := t.log(t.key, r); err != nil {
		return err
	}
	if t.onUpdate == nil {
		return nil
	}
	r.At = told
	return t.forward(t.key, r, t.raw, t.had)
}

// write puts the row in t.enc below, or deletes it there, with its index row.
func (t *Table[KK, V]) write(key []byte, has bool) error {
	if t.indexed != nil {
		if err := t.writeIndex(key, has); err != nil {
			return err
		}
	}
	if !has {
		return t.host.Delete(key)
	}
	return t.host.Set(key, t.enc)
}

func (t *Table[KK, V]) writeIndex(key []byte, has bool) (err error) {
	if t.side, err = t.indexed.AppendIndex(t.side[:0], key); err != nil {
		return fmt.Errorf("store %q: %w", t.name, err)
	}
	if !has {
		return t.host.Delete(t.side)
	}
	return t.host.Set(t.side, nil)
}

// log writes the row, whose value is in t.enc, to the changelog.
func (t *Table[KK, V]) log(key []byte, r *Row[V]) (err error) {
	if !t.sameLog {
		if t.side, err = t.keys.AppendLog(t.side[:0], key); err != nil {
			return fmt.Errorf("store %q: %w", t.name, err)
		}
		key = t.side
	}
	if key == nil {
		key = []byte{} // an empty key is one; nil would be null
	}
	if !r.Has {
		return t.host.Log(key, nil, r.At, t.headers)
	}
	return t.host.Log(key, t.enc[t.stamp:], r.At, t.headers)
}

// forward tells of a change. raw is the row of before, if had.
func (t *Table[KK, V]) forward(key []byte, r *Row[V], raw []byte, had bool) (err error) {
	u := Update[KK, V]{New: r.Value, HasNew: r.Has, At: r.At}
	if r.Has && t.inPlace {
		if u.New, _, err = t.decode(t.enc); err != nil {
			return err
		}
	}
	if u.Key, err = t.keys.Decode(key); err != nil {
		return fmt.Errorf("store %q: decode key: %w", t.name, err)
	}
	if had && t.wantOld {
		if u.Old, _, err = t.decode(raw); err != nil {
			return err
		}
		u.HasOld = true
	}
	return t.onUpdate(u)
}
