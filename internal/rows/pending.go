package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirstream/weir/serde"
)

// The sides of a join of streams, as its store of pending records writes them.
const (
	RightSide = 0
	LeftSide  = 1
)

// pendingOwed is the tag of owed tombstones, where rows have their side.
const pendingOwed = 2

// NewPending is the Spec of the store in which a left or outer join of streams keeps the records that have no match yet. Open makes a *Pending.
func NewPending[K any](name string, k serde.Serde[K], valueTypes string) *Spec {
	keys := pendingKeys[K]{k}
	spec := newSpec(name, KeyValueKind, keys, k.Name(), valueTypes)
	spec.Scans = true
	spec.Open = func(h Host) (any, error) {
		p := &Pending[K]{name: name, host: h, keys: keys, owed: owed{host: h, tag: pendingOwed, logged: spec.Logged}}
		h.AtCommit(p.commit)
		return p, p.load()
	}
	spec.View = func(Reader, int64) (any, error) {
		return nil, fmt.Errorf("store %q: pending records have no view", name)
	}
	return spec
}

// Pending is the records of a left or outer join of streams that have no match yet, by side and time. Those of one side, time and key are one row,
// whose value is Kafka's list of LeftOrRightValue. It is owned by the task's goroutine.
type Pending[K any] struct {
	name string
	host Host
	keys pendingKeys[K]
	// No record of a side is before first, or after last: what they rule out is not looked for.
	first, last [2]int64

	local, log, row []byte
	owed
}

// load learns the bounds of what an earlier life left, and what that owes.
func (p *Pending[K]) load() error {
	if err := p.learnLater(); err != nil {
		return fmt.Errorf("store %q: scan: %w", p.name, err)
	}
	for side := range p.first {
		lo, hi := []byte{byte(side)}, []byte{byte(side) + 1}
		var err error
		if p.first[side], err = p.end(lo, hi, false, math.MaxInt64); err != nil {
			return err
		}
		if p.last[side], err = p.end(lo, hi, true, -1); err != nil {
			return err
		}
	}
	return nil
}

// end is the time of the first row of a range, or none.
func (p *Pending[K]) end(lo, hi []byte, reverse bool, none int64) (int64, error) {
	it, err := p.host.Iter(lo, hi, reverse)
	if err != nil {
		return none, err
	}
	if it.Next() {
		none = pendingTime(it.Key())
	}
	return none, closed(it)
}

// Put adds a record of a side and key, at a time in ms; value is as its serde writes it.
func (p *Pending[K]) Put(side int, k K, at int64, value []byte) (err error) {
	if err := p.seek(side, k, at); err != nil {
		return err
	}
	had := false
	p.row = appendTime(p.row[:0], at)
	if at <= p.last[side] {
		if p.row, had, err = p.host.Get(p.row[:0], p.local); err != nil {
			return err
		}
	}
	if !had {
		p.row = append(appendTime(p.row[:0], at), listOfVariable, 0, 0, 0, 0)
	}
	p.add(side, value)
	p.first[side], p.last[side] = min(p.first[side], at), max(p.last[side], at)
	if err := p.host.Set(p.local, p.row); err != nil {
		return err
	}
	return p.host.Log(p.log, p.row[stampLen:], at, false)
}

// A list is written as Kafka's ListSerializer does it: a strategy (1), the number of entries (4), then each with its length (4) before it. An entry is
// the side (1) and the value.
const (
	listOfVariable = 1
	listHead       = 1 + 4
	entryHead      = 4 + 1
)

// add adds an entry to the list in p.row.
func (p *Pending[K]) add(side int, value []byte) {
	count := p.row[stampLen+1:]
	binary.BigEndian.PutUint32(count, binary.BigEndian.Uint32(count)+1)
	p.row = binary.BigEndian.AppendUint32(p.row, uint32(len(value)+1))
	p.row = append(append(p.row, byte(side)), value...)
}

// Delete deletes the records of a side, key and time, if there are any; now is the time of the record that has found them.
func (p *Pending[K]) Delete(side int, k K, at, now int64) (err error) {
	if at < p.first[side] || at > p.last[side] {
		return nil
	}
	if err := p.seek(side, k, at); err != nil {
		return err
	}
	var had bool
	if p.row, had, err = p.host.Get(p.row[:0], p.local); err != nil || !had {
		return err
	}
	return p.remove(now)
}

// remove deletes the row of p.local.
func (p *Pending[K]) remove(now int64) error {
	if err := p.host.Delete(p.local); err != nil {
		return err
	}
	return p.host.Log(p.log, nil, now, false)
}

// seek makes local key and changelog key.
func (p *Pending[K]) seek(side int, k K, at int64) (err error) {
	if p.log, err = p.keys.of.Append(append(appendTime(p.log[:0], at), byte(side)), k); err != nil {
		return fmt.Errorf("store %q: encode key: %w", p.name, err)
	}
	p.local, err = p.keys.AppendLocal(p.local[:0], p.log)
	return err
}

// Any reports whether there may be records of a side up to its time.
func (p *Pending[K]) Any(upto [2]int64) bool {
	return p.first[RightSide] <= upto[RightSide] || p.first[LeftSide] <= upto[LeftSide]
}

// Lone is a record that has found no match.
type Lone[K any] struct {
	Side  int
	At    int64 // ms
	Key   K
	Value []byte // as its serde wrote it; valid during the call
}

// Take hands out the records of each side up to its time, in the order of times, the right side's first, then of keys, and deletes those of a row when
// all were handed out. now is the time of the record in process. An error of yield ends it, and is returned.
func (p *Pending[K]) Take(upto [2]int64, now int64, yield func(Lone[K]) error) (err error) {
	var ways [2]pendingWalk
	defer func() {
		for i := range ways {
			err = errors.Join(err, ways[i].close())
		}
	}()
	for side := range ways {
		if err := p.begin(&ways[side], side, upto[side]); err != nil {
			return err
		}
	}
	for {
		side := RightSide
		if l := &ways[LeftSide]; l.ok && (!ways[RightSide].ok || l.at < ways[RightSide].at) {
			side = LeftSide
		}
		w := &ways[side]
		if !w.ok {
			break
		}
		if err := p.take(w, now, yield); err != nil {
			return err
		}
	}
	p.first[RightSide], p.first[LeftSide] = ways[RightSide].at, ways[LeftSide].at
	return nil
}

// pendingWalk is a walk over one side's rows, up to a time. At its end, at is the time of the row after it.
type pendingWalk struct {
	it   Iterator
	side int
	upto int64
	ok   bool
	at   int64
}

func (p *Pending[K]) begin(w *pendingWalk, side int, upto int64) (err error) {
	w.side, w.upto, w.at = side, upto, p.first[side]
	if w.at > upto {
		return nil
	}
	lo := appendTime([]byte{byte(side)}, w.at)
	if w.it, err = p.host.Iter(lo, []byte{byte(side) + 1}, false); err != nil {
		return err
	}
	return w.next()
}

func (w *pendingWalk) next() error {
	if !w.it.Next() {
		w.ok, w.at = false, math.MaxInt64
		return w.it.Err()
	}
	w.at = pendingTime(w.it.Key())
	w.ok = w.at <= w.upto
	return nil
}

func (w *pendingWalk) close() error {
	if w.it == nil {
		return nil
	}
	return w.it.Close()
}

// take hands out the records of a walk's row, and goes to the next one.
func (p *Pending[K]) take(w *pendingWalk, now int64, yield func(Lone[K]) error) (err error) {
	p.local = append(p.local[:0], w.it.Key()...)
	if p.log, err = p.keys.AppendLog(p.log[:0], p.local); err != nil {
		return fmt.Errorf("store %q: %w", p.name, err)
	}
	l := Lone[K]{Side: w.side, At: w.at}
	if l.Key, err = p.keys.of.Decode(p.log[pendingHead:]); err != nil {
		return fmt.Errorf("store %q: decode key: %w", p.name, err)
	}
	err = entries(w.it.Value(), func(value []byte) error {
		l.Value = value
		return yield(l)
	})
	if err != nil {
		return err
	}
	if err := p.handedOut(now); err != nil {
		return err
	}
	return w.next()
}

// handedOut deletes the row of p.local. What a match deletes needs no care: the record that has matched comes again, if the result does not become durable.
func (p *Pending[K]) handedOut(now int64) error {
	if !p.late {
		return p.remove(now)
	}
	if err := p.host.Delete(p.local); err != nil {
		return err
	}
	return p.later(p.local, now)
}

// commit writes the tombstones that are due.
func (p *Pending[K]) commit() error {
	return p.settleLater(func(local []byte, at int64) (err error) {
		if p.log, err = p.keys.AppendLog(p.log[:0], local); err != nil {
			return fmt.Errorf("store %q: %w", p.name, err)
		}
		return p.host.Log(p.log, nil, at, false)
	})
}

var errList = errors.New("pending records: the list is damaged")

// entries walks the values of a row.
func entries(row []byte, yield func(value []byte) error) error {
	if len(row) < stampLen+listHead || row[stampLen] != listOfVariable {
		return errList
	}
	n, rest := binary.BigEndian.Uint32(row[stampLen+1:]), row[stampLen+listHead:]
	for range n {
		if len(rest) < entryHead {
			return errList
		}
		size := int(binary.BigEndian.Uint32(rest))
		if size < 1 || len(rest)-4 < size {
			return errList
		}
		if err := yield(rest[entryHead : 4+size : 4+size]); err != nil {
			return err
		}
		rest = rest[4+size:]
	}
	return nil
}

// pendingKeys is the schema of pending records: side (1) ‖ time ‖ key, so that each side is in the order of time. The changelog key is Kafka's
// TimestampedKeyAndJoinSide, time ‖ side (1) ‖ key.
type pendingKeys[K any] struct{ of serde.Serde[K] }

const pendingHead = stampLen + 1

func (p pendingKeys[K]) Append(dst []byte, l Lone[K]) ([]byte, error) {
	return p.of.Append(appendTime(append(dst, byte(l.Side)), l.At), l.Key)
}

func (p pendingKeys[K]) Decode(local []byte) (l Lone[K], err error) {
	if len(local) < pendingHead {
		return l, tooShort("pending record", local, pendingHead)
	}
	l.Side, l.At = int(local[0]), pendingTime(local)
	l.Key, err = p.of.Decode(local[pendingHead:])
	return l, err
}

func (p pendingKeys[K]) AppendLog(dst, local []byte) ([]byte, error) {
	if len(local) < pendingHead {
		return dst, tooShort("pending record", local, pendingHead)
	}
	dst = append(append(dst, local[1:pendingHead]...), local[0])
	return append(dst, local[pendingHead:]...), nil
}

func (p pendingKeys[K]) AppendLocal(dst, log []byte) ([]byte, error) {
	if len(log) < pendingHead {
		return dst, tooShort("changelog key of a pending record", log, pendingHead)
	}
	if side := log[stampLen]; side > LeftSide {
		return dst, fmt.Errorf("changelog key of a pending record: side %d", side)
	}
	dst = append(append(dst, log[stampLen]), log[:stampLen]...)
	return append(dst, log[pendingHead:]...), nil
}

func (p pendingKeys[K]) Format() string { return "join-pending/1" }

func pendingTime(local []byte) int64 { return timeAt(local[1:]) }
