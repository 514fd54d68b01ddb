package rows

import (
	"fmt"
)

// NewBuffer is the Spec of a buffer of updates that are held back. Open makes a *Buffer; there is no View.
func NewBuffer(name, keyType, valueType string) *Spec {
	s := &Spec{Name: name, Kind: BufferKind, Format: "buffer/1", KeyType: keyType, ValueType: valueType, Logged: true, Scans: true}
	s.Open = func(h Host) (any, error) { return newBuffer(s, h) }
	s.Row = restoreHeld
	return s
}

// The rows of a buffer begin with a tag: the updates by key, and an index row each, empty, by the time by which it waits. A restore cannot delete the
// index row of what a tombstone deletes, for that does not say its time: an index row counts only if the update that it leads to has its time.
// Of keys whose tombstones are owed there is a row with what the changelog lacks of the update that was taken out, until the next commit.
const (
	heldTag  = 0
	orderTag = 1
	orderEnd = 2
	owedTag  = 2
)

func heldKey(dst, key []byte) []byte { return append(append(dst, heldTag), key...) }

func orderKey(dst []byte, at int64, key []byte) []byte {
	return append(appendTime(append(dst, orderTag), at), key...)
}

// orderHead is what stands before the key in an index row.
const orderHead = 1 + stampLen

func restoreHeld(to Restorer, key, val []byte, _ int64) error {
	if val == nil {
		to.Delete(heldKey(nil, key))
		return nil
	}
	h, err := cutHeld(val)
	if err != nil {
		return err
	}
	to.Observe(h.time)
	to.Set(heldKey(nil, key), val)
	to.Set(orderKey(nil, h.at, key), nil)
	return nil
}

// Buffer holds updates back, the last of each key, in the order of the times by which they wait, then of their keys' bytes. What was held back at the last
// commit is on the disk, as any store's rows; what came since is in memory, and becomes rows in the commit.
type Buffer struct {
	name   string
	host   Host
	head   []byte // the index row of the first that is on the disk; empty: none is
	counts bool
	n      int64
	size   int64
	topic  string // of the last update that was taken out; most are of one
	changes
	rowKeys
	owed

	local, row, enc []byte
	taking          []byte // the key that is taken out of memory
	asked, answer   []byte // Prior's own: it may be asked for during an eviction
}

func newBuffer(s *Spec, h Host) (*Buffer, error) {
	b := &Buffer{name: s.Name, host: h, changes: changes{dirty: map[string]int{}}, owed: owed{host: h, tag: owedTag, logged: s.Logged}}
	b.queue.of = &b.order
	h.Pends(func() int64 { return b.bytes })
	if err := b.learn(b.get); err != nil {
		return nil, b.wrap("scan", err)
	}
	if err := b.know(h); err != nil {
		return nil, b.wrap("scan", err)
	}
	return b, b.walk([]byte{orderTag}, func() (bool, error) { return false, nil })
}

// Host is the store's side of the task.
func (b *Buffer) Host() Host { return b.host }

// Count has Len and Size be known; it reads all that waits, once.
func (b *Buffer) Count() error {
	b.counts, b.n, b.size = true, 0, 0
	if len(b.head) == 0 {
		return nil
	}
	first := clone(b.head)
	err := b.walk(first, func() (bool, error) {
		h, err := cutHeld(b.row)
		if err != nil {
			return false, b.wrap("count", err)
		}
		b.account(1, &h, len(b.head)-orderHead)
		return true, nil
	})
	b.head = first
	return err
}

// Len is how many keys wait; only after Count.
func (b *Buffer) Len() int64 { return b.n }

// Size is how many bytes Kafka would take them to need; only after Count.
func (b *Buffer) Size() int64 { return b.size }

// First is the least time by which something waits, in ms; false when nothing does.
func (b *Buffer) First() (at int64, ok bool) {
	switch {
	case b.inMemory():
		return b.queue.at(0), true
	case len(b.head) > 0:
		return timeAt(b.head[1:]), true
	}
	return 0, false
}

// inMemory says that the first is in memory alone.
func (b *Buffer) inMemory() bool {
	if len(b.queue.places) == 0 {
		return false
	}
	if len(b.head) == 0 {
		return true
	}
	at, before := b.queue.at(0), timeAt(b.head[1:])
	return at < before || at == before && b.queue.key(0) < string(b.head[orderHead:])
}

// Put holds an update back. If the key waits already, it goes on waiting by the same time, and what it was before the first update stays known.
// All slices are copied.
func (b *Buffer) Put(key []byte, h Held) error {
	had, err := b.get(key)
	if err != nil {
		return err
	}
	if h.Prior = h.Old; had {
		before, err := cutHeld(b.row)
		if err != nil {
			return b.wrap("read", err)
		}
		h.Prior, h.At = before.prior, before.at
		b.account(-1, &before, len(key))
	}
	b.enc = h.Append(b.enc[:0])
	if b.counts {
		now, err := cutHeld(b.enc)
		if err != nil {
			return b.wrap("write", err)
		}
		b.account(1, &now, len(key))
	}
	return b.write(key, h.At, had)
}

func (b *Buffer) account(sign int64, h *held, key int) {
	if b.counts {
		b.n += sign
		b.size += sign * h.size(key)
	}
}

func (b *Buffer) write(key []byte, at int64, had bool) error {
	c := b.touch(key, had)
	c.put = true
	b.set(c, b.enc)
	if !had {
		b.queue.push(at, b.dirty[c.key])
	}
	return nil
}

// get reads a key's row into b.row.
func (b *Buffer) get(key []byte) (ok bool, err error) {
	b.row, b.local, ok, err = b.read(b.row, b.local, key)
	return ok, err
}

// read puts a key's row into the memory of row, with that of local for the key on the disk, and returns both.
func (b *Buffer) read(row, local, key []byte) (_, _ []byte, ok bool, err error) {
	row = row[:0]
	if i, changed := b.dirty[string(key)]; changed {
		c := &b.order[i]
		return append(row, c.row...), local, c.held, nil
	}
	if b.lacks(key) {
		return row, local, false, nil
	}
	local = heldKey(local[:0], key)
	row, ok, err = b.host.Get(row, local)
	return row, local, ok, err
}

// Prior is the value of a key before the first update that is held back, nil for none; ok is false where none is held back.
func (b *Buffer) Prior(key []byte) (prior []byte, ok bool, err error) {
	if b.answer, b.asked, ok, err = b.read(b.answer, b.asked, key); !ok || err != nil {
		return nil, false, err
	}
	h, err := cutHeld(b.answer)
	if err != nil {
		return nil, false, b.wrap("read", err)
	}
	return h.prior, true, nil
}

// Evict takes out what waits, the first first, as long as more says so, which is asked before each. What take is given is valid during its call,
// in which it may use the buffer for Prior only: the update still counts as held back.
func (b *Buffer) Evict(more func() bool, take func(key []byte, h Held) error) error {
	for {
		if _, ok := b.First(); !ok || !more() {
			return nil
		}
		var stop bool
		var err error
		if b.inMemory() {
			err = b.evictRecent(take)
		} else {
			stop, err = b.evictRows(more, take)
		}
		if stop || err != nil {
			return err
		}
	}
}

// evictRecent takes out the first, which is in memory.
func (b *Buffer) evictRecent(take func(key []byte, h Held) error) error {
	c := &b.order[b.queue.places[0].i]
	b.row, b.taking = append(b.row[:0], c.row...), append(b.taking[:0], c.key...)
	if err := b.handOut(b.taking, take); err != nil {
		return err
	}
	b.queue.pop()
	return nil
}

// evictRows takes out the first, which is on the disk, and those that follow it there before one in memory is the first. stop says that more wants no more.
func (b *Buffer) evictRows(more func() bool, take func(key []byte, h Held) error) (stop bool, err error) {
	first := true
	err = b.walk(b.head, func() (bool, error) {
		if !first {
			if b.inMemory() {
				return false, nil
			}
			if stop = !more(); stop {
				return false, nil
			}
		}
		first = false
		key := b.head[orderHead:]
		if err := b.handOut(key, take); err != nil {
			return false, err
		}
		b.forgetRow(key)
		b.local = heldKey(b.local[:0], key)
		if err := b.host.Delete(b.local); err != nil {
			return false, err
		}
		return true, b.host.Delete(b.head)
	})
	if err == nil && len(b.head) == 0 {
		b.none()
	}
	return stop, err
}

// handOut hands an update out whose row is loaded, and holds it no longer.
func (b *Buffer) handOut(key []byte, take func(key []byte, h Held) error) error {
	h, err := cutHeld(b.row)
	if err != nil {
		return b.wrap("read", err)
	}
	if b.topic != string(h.topic) {
		b.topic = string(h.topic)
	}
	if err := take(key, h.out(b.topic)); err != nil {
		return err
	}
	b.account(-1, &h, len(key))
	c := b.touch(key, true)
	b.set(c, nil)
	return b.taken(c, key)
}

// walk makes what waits the head, one after the other, from a place on: first the one there. At each it calls on, and stops there when that is
// false; after the last nothing waits. Index rows that count no more are deleted.
func (b *Buffer) walk(from []byte, on func() (bool, error)) (err error) {
	it, err := b.host.Iter(from, []byte{orderEnd}, false)
	if err != nil {
		return b.wrap("scan", err)
	}
	defer func() {
		if e := it.Close(); e != nil && err == nil {
			err = b.wrap("close scan", e)
		}
	}()
	for it.Next() {
		counts, err := b.load(it.Key())
		if err != nil {
			return err
		}
		if !counts {
			continue
		}
		if again, err := on(); !again || err != nil {
			return err
		}
	}
	if err := it.Err(); err != nil {
		return b.wrap("scan", err)
	}
	b.head = b.head[:0]
	return nil
}

// load makes an index row the head, if it counts, and reads what it leads to.
func (b *Buffer) load(index []byte) (ok bool, err error) {
	if len(index) < orderHead {
		return false, b.wrap("scan", tooShort("index row", index, orderHead))
	}
	found, err := b.get(index[orderHead:])
	if err != nil {
		return false, err
	}
	if found {
		h, err := cutHeld(b.row)
		if err != nil {
			return false, b.wrap("read", err)
		}
		if h.at == timeAt(index[1:]) {
			b.head = append(b.head[:0], index...)
			return true, nil
		}
	}
	return false, b.host.Delete(index)
}

// taken notes that the first, whose row is loaded, is taken out. An update that came after the last commit needs no care: what brought it comes again, if what becomes
// of it does not become durable.
func (b *Buffer) taken(c *changedKey, key []byte) error {
	c.below = false
	if !b.late || !c.had {
		return nil
	}
	c.owed = true
	if c.put {
		return b.mark(key, b.row)
	}
	return b.mark(key, nil)
}

// Log makes rows of what has changed since the last Log, and writes it to the changelog, each key once, at a time in ms: a tombstone for what does not wait any more, or,
// if that comes with the next commit, the update that was taken out. Updates carry the headers of the context. It is called in a commit.
func (b *Buffer) Log(at int64) error {
	for i := range b.order {
		c := &b.order[i]
		if err := b.log(c, at); err != nil {
			return err
		}
		if err := b.store(c); err != nil {
			return err
		}
	}
	err := b.settle(func(key []byte) error {
		if _, changed := b.dirty[string(key)]; changed {
			return nil
		}
		return b.host.Log(key, nil, at, false)
	})
	if err != nil {
		return err
	}
	b.changes.reset()
	return nil
}

func (b *Buffer) log(c *changedKey, at int64) error {
	key := []byte(c.key)
	switch {
	case !c.held && c.owed:
		return b.postpone(key, at)
	case !c.held:
		return b.host.Log(key, nil, at, false)
	case c.owed: // it waits again
		if err := b.forgive(key); err != nil {
			return err
		}
	}
	return b.host.Log(key, c.row, at, true)
}

// store makes a row of what is held back.
func (b *Buffer) store(c *changedKey) error {
	if !c.held {
		return nil
	}
	key := []byte(c.key)
	b.local = heldKey(b.local[:0], key)
	if err := b.host.Set(b.local, c.row); err != nil || c.below {
		return err
	}
	h, err := cutHeld(c.row)
	if err != nil {
		return b.wrap("write", err)
	}
	b.local = orderKey(b.local[:0], h.at, key)
	if len(b.head) == 0 || compare(b.local, b.head) < 0 {
		b.head = append(b.head[:0], b.local...)
	}
	b.learnRow(c.key)
	return b.host.Set(b.local, nil)
}

// postpone leaves a tombstone to the next commit. Until then the changelog must hold what was taken out: an update before it would be handed out after it.
func (b *Buffer) postpone(key []byte, at int64) error {
	b.owe(key)
	row, err := b.marked(key)
	if err != nil || len(row) == 0 {
		return err
	}
	if err := b.host.Log(key, row, at, true); err != nil {
		return err
	}
	return b.mark(key, nil)
}

func (b *Buffer) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", b.name, doing, err)
}
