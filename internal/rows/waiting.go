package rows

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstream/weir/serde"
)

// NewWaiting is the Spec of a buffer of records in the order of their times, which wait for a grace in ms. Open makes a *Waiting; there is no View. Its
// changelog is that of Kafka's RocksDBTimeOrderedKeyValueBuffer.
func NewWaiting[K any](name string, k serde.Serde[K], grace int64) *Spec {
	s := &Spec{Name: name, Kind: BufferKind, Format: "waiting/1", KeyType: k.Name(), ValueType: "bytes", Scans: true, Logged: true, History: grace}
	s.Open = func(h Host) (any, error) {
		w := &Waiting[K]{name: s.Name, host: h, keys: k, grace: grace, owed: owed{host: h, tag: waitingOwed, logged: s.Logged}}
		h.AtCommit(w.commit)
		return w, w.load()
	}
	s.Row = func(to Restorer, key, val []byte, _ int64) error {
		local, err := waitingLocal(key)
		if err != nil {
			return err
		}
		to.Observe(timeAt(local))
		if val == nil {
			to.Delete(local)
		} else {
			to.Set(local, val)
		}
		return nil
	}
	return s
}

// waitingTag begins changelog keys: Kafka's time-first window keys. waitingOwed is the tag of owed tombstones; no time begins so.
const (
	waitingTag  = 0
	waitingOwed = 0x80
)

func waitingLocal(log []byte) ([]byte, error) {
	if len(log) < 1+stampLen+seqLen || log[0] != waitingTag {
		return nil, fmt.Errorf("a waiting record's key: %x", log)
	}
	return log[1:], nil
}

// Waiting is a task's buffer of records. A local row is time ‖ key ‖ seq(4), and what was put. What it has observed is the greatest time that was put.
type Waiting[K any] struct {
	name  string
	host  Host
	keys  serde.Serde[K]
	grace int64
	least int64 // no record is earlier
	seq   uint32
	log   []byte // changelog key: 00 ‖ the local one
	raw   []byte
	owed
}

// load learns the greatest number of an earlier life, and what that owes.
func (w *Waiting[K]) load() error {
	if err := w.learnLater(); err != nil {
		return w.wrap("scan", err)
	}
	it, err := w.host.Iter(nil, nil, false)
	if err != nil {
		return w.wrap("scan", err)
	}
	for it.Next() {
		if key := it.Key(); len(key) >= stampLen+seqLen {
			w.seq = max(w.seq, binary.BigEndian.Uint32(key[len(key)-seqLen:]))
		}
	}
	if err := closed(it); err != nil {
		return w.wrap("scan", err)
	}
	return nil
}

// Takes says whether a record of a time, in ms, still has to wait.
func (w *Waiting[K]) Takes(at int64) bool { return at >= w.host.Observed()-w.grace }

// Put has a record wait. Records of one key and time are told apart by numbers, which go on after those of an earlier life, so that such records keep their order
// over a restart, and begin at 1 again after the greatest.
func (w *Waiting[K]) Put(k K, at int64, val []byte) error {
	key, err := encodeKey(w.keys, appendTime(append(w.log[:0], waitingTag), at), k)
	if err != nil {
		return w.wrap("encode key", err)
	}
	for taken := true; taken; {
		w.seq = (w.seq + 1) & math.MaxInt32
		w.log = append(key, byte(w.seq>>24), byte(w.seq>>16), byte(w.seq>>8), byte(w.seq))
		if w.raw, taken, err = w.host.Get(w.raw[:0], w.log[1:]); err != nil {
			return err
		}
	}
	w.host.Observe(at)
	w.least = min(w.least, at)
	if err := w.host.Set(w.log[1:], val); err != nil {
		return err
	}
	return w.host.Log(w.log, val, at, false)
}

// Release hands out what has waited for the grace, in the order of time, key and number, and forgets it. at is the time of the tombstones in the changelog. The
// bytes are valid during the call. An error of f ends it; the record stays.
func (w *Waiting[K]) Release(at int64, f func(k K, val []byte) error) (err error) {
	due := w.host.Observed() - w.grace
	if w.least > due {
		return nil
	}
	it, err := w.host.Iter(nil, appendAfter(nil, due), false)
	if err != nil {
		return err
	}
	defer func() {
		if closed := it.Close(); err == nil {
			err = closed
		}
	}()
	for it.Next() {
		if err := w.release(it, at, f); err != nil {
			return err
		}
	}
	w.least = due + 1
	return it.Err()
}

func (w *Waiting[K]) release(it Iterator, at int64, f func(k K, val []byte) error) error {
	local := it.Key()
	if len(local) < stampLen+seqLen {
		return w.wrap("read", tooShort("waiting record's key", local, stampLen+seqLen))
	}
	k, err := w.keys.Decode(local[stampLen : len(local)-seqLen])
	if err != nil {
		return w.wrap("decode key", err)
	}
	if err := f(k, it.Value()); err != nil {
		return err
	}
	w.log = append(append(w.log[:0], waitingTag), it.Key()...)
	if err := w.host.Delete(w.log[1:]); err != nil {
		return err
	}
	if w.late {
		return w.later(w.log[1:], at)
	}
	return w.host.Log(w.log, nil, at, false)
}

// commit writes the tombstones that are due.
func (w *Waiting[K]) commit() error {
	return w.settleLater(func(local []byte, at int64) error {
		w.log = append(append(w.log[:0], waitingTag), local...)
		return w.host.Log(w.log, nil, at, false)
	})
}

func (w *Waiting[K]) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", w.name, doing, err)
}
