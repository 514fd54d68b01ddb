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

// Buffer holds updates back, the last of each key, in the order of the times by which they wait, then of their keys' bytes. What it holds is on the
// disk, as any store's rows; of the memory it needs a little for each key that was changed since the last commit.
type Buffer struct {
	name   string
	host   Host
	head   []byte // the index row of the first; empty: nothing waits
	counts bool
	n      int64
	size   int64
	topic  string         // of the last update that was taken out; most are of one
	dirty  map[string]int // places in order
	order  []changedKey   // since the last commit, in the order of their first changes
	owed

	local, row, enc []byte
	asked, answer   []byte // Prior's own: it may be asked for during an eviction
}

func newBuffer(s *Spec, h Host) (*Buffer, error) {
	b := &Buffer{name: s.Name, host: h, dirty: map[string]int{}, owed: owed{host: h, tag: owedTag, logged: s.Logged}}
	if err := b.learn(b.get); err != nil {
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
	if len(b.head) == 0 {
		return 0, false
	}
	return timeAt(b.head[1:]), true
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
	if b.logged {
		b.touch(key, had).put = true
	}
	if err := b.host.Set(b.local, b.enc); err != nil || had {
		return err
	}
	b.local = orderKey(b.local[:0], at, key)
	if len(b.head) == 0 || compare(b.local, b.head) < 0 {
		b.head = append(b.head[:0], b.local...)
	}
	return b.host.Set(b.local, nil)
}

// changedKey is a key that has changed since the last commit.
type changedKey struct {
	key  string
	had  bool // it waited at that commit: the changelog holds an update
	put  bool // an update came since
	owed bool // it had, and was taken out
}

// touch notes that a key changes; had is whether it waits.
func (b *Buffer) touch(key []byte, had bool) *changedKey {
	i, ok := b.dirty[string(key)]
	if !ok {
		i = len(b.order)
		b.order = append(b.order, changedKey{key: string(key), had: had})
		b.dirty[b.order[i].key] = i
	}
	return &b.order[i]
}

// get reads a key's row into b.row. b.local is its local key.
func (b *Buffer) get(key []byte) (ok bool, err error) {
	b.local = heldKey(b.local[:0], key)
	b.row, ok, err = b.host.Get(b.row[:0], b.local)
	return ok, err
}

// Prior is the value of a key before the first update that is held back, nil for none; ok is false where none is held back.
func (b *Buffer) Prior(key []byte) (prior []byte, ok bool, err error) {
	b.asked = heldKey(b.asked[:0], key)
	if b.answer, ok, err = b.host.Get(b.answer[:0], b.asked); !ok || err != nil {
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
	if len(b.head) == 0 || !more() {
		return nil
	}
	first := true
	return b.walk(b.head, func() (bool, error) {
		if !first && !more() {
			return false, nil
		}
		first = false
		return true, b.evict(take)
	})
}

// evict takes out the first, whose row is loaded.
func (b *Buffer) evict(take func(key []byte, h Held) error) error {
	h, err := cutHeld(b.row)
	if err != nil {
		return b.wrap("read", err)
	}
	key := b.head[orderHead:]
	if b.topic != string(h.topic) {
		b.topic = string(h.topic)
	}
	if err := take(key, h.out(b.topic)); err != nil {
		return err
	}
	b.account(-1, &h, len(key))
	if err := b.taken(key); err != nil {
		return err
	}
	b.local = heldKey(b.local[:0], key)
	if err := b.host.Delete(b.local); err != nil {
		return err
	}
	return b.host.Delete(b.head)
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
func (b *Buffer) taken(key []byte) error {
	if !b.logged {
		return nil
	}
	c := b.touch(key, true)
	if !b.late || !c.had {
		return nil
	}
	c.owed = true
	if c.put {
		return b.mark(key, b.row)
	}
	return b.mark(key, nil)
}

// Log writes what has changed since the last Log to the changelog, each key once, at a time in ms: a tombstone for what does not wait any more, or, if that
// comes with the next commit, the update that was taken out. Updates carry the headers of the context. It is called in a commit.
func (b *Buffer) Log(at int64) error {
	for i := range b.order {
		if err := b.log(&b.order[i], at); err != nil {
			return err
		}
	}
	err := b.settle(func(key []byte) error {
		if _, known := b.dirty[string(key)]; known {
			return nil
		}
		return b.host.Log(key, nil, at, false)
	})
	if err != nil {
		return err
	}
	b.forget()
	return nil
}

func (b *Buffer) log(c *changedKey, at int64) error {
	key := []byte(c.key)
	ok, err := b.get(key)
	switch {
	case err != nil:
		return err
	case !ok && c.owed:
		return b.postpone(key, at)
	case !ok:
		return b.host.Log(key, nil, at, false)
	case c.owed: // it waits again
		if err := b.forgive(key); err != nil {
			return err
		}
	}
	return b.host.Log(key, b.row, at, true)
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

// forget forgets what was dirty, and the memory for it where that was much.
func (b *Buffer) forget() {
	const keep = 1 << 12
	if len(b.order) > keep {
		b.dirty, b.order = map[string]int{}, nil
		return
	}
	clear(b.dirty)
	clear(b.order)
	b.order = b.order[:0]
}

func (b *Buffer) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", b.name, doing, err)
}
