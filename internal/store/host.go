package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state"
)

// prefixLen is the length of a store's number before each of its rows.
const prefixLen = 2

// host is one store of a set: rows.Host. Times are ms.
type host struct {
	set      *Set
	spec     *rows.Spec
	number   uint16
	engine   state.Engine
	over     overlay
	facade   any
	reread   rows.Reread
	position int64 // next changelog offset, −1 unknown; as in the engine
	observed int64
	kept     int64  // observed, as in the engine
	keep     int64  // rows from here on are needed
	swept    []byte // the greatest key below which rows were deleted as expired
	buf, end []byte
	watcher  atomic.Pointer[Watcher] // of the committed rows
	seen     atomic.Int64            // kept, for borrowers
}

func newHost(s *Set, spec *rows.Spec) *host {
	h := &host{set: s, spec: spec, engine: s.durable, position: -1, observed: -1, kept: -1}
	if spec.InMemory || s.durable == nil {
		h.engine = s.mem
	}
	h.over.scans = spec.Scans
	h.seen.Store(-1)
	h.unkeep()
	return h
}

// unkeep forgets what Keep said.
func (h *host) unkeep() {
	h.keep = math.MaxInt64
	if h.spec.Emits {
		h.keep = 0
	}
}

// at is the engine's key of a local key, valid until the next call.
func (h *host) at(key []byte) []byte {
	h.buf = append(binary.BigEndian.AppendUint16(h.buf[:0], h.number), key...)
	return h.buf
}

func (h *host) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", h.spec.Name, doing, err)
}

func (h *host) Get(dst, key []byte) (val []byte, ok bool, err error) {
	k := h.at(key)
	if val, del, known := h.over.get(k); known {
		if del {
			return dst, false, nil
		}
		return append(dst, val...), true, nil
	}
	if val, ok, err = h.engine.Get(dst, k); err != nil {
		return dst, false, h.wrap("get", err)
	}
	return val, ok, nil
}

func (h *host) Set(key, val []byte) error {
	h.over.write(h.at(key), val, false)
	return nil
}

func (h *host) Delete(key []byte) error {
	h.over.write(h.at(key), nil, true)
	return nil
}

// bounds are the engine's bounds of local ones, valid until the next call.
func (h *host) bounds(lo, hi []byte) (from, to []byte) {
	from = h.at(lo)
	if hi == nil {
		h.end = binary.BigEndian.AppendUint16(h.end[:0], h.number+1)
		if h.number == math.MaxUint16 {
			return from, nil
		}
		return from, h.end
	}
	h.end = append(binary.BigEndian.AppendUint16(h.end[:0], h.number), hi...)
	return from, h.end
}

func (h *host) Iter(lo, hi []byte, reverse bool) (rows.Iterator, error) {
	from, to := h.bounds(lo, hi)
	under, err := h.engine.Iter(from, to, reverse)
	if err != nil {
		return nil, h.wrap("scan", err)
	}
	over := h.over.iter(from, to, reverse)
	if over == nil {
		return cutIter{under}, nil
	}
	m := &mergeIter{over: over, under: under, dir: 1}
	if reverse {
		m.dir = -1
	}
	return m, nil
}

func (h *host) Log(key, val []byte, at int64, headers bool) error {
	if !h.spec.Logged || h.set.log == nil {
		return nil
	}
	return h.set.log(h.spec.Name, key, val, at, headers)
}

func (h *host) Observed() int64        { return h.observed }
func (h *host) Observe(at int64)       { h.observed = max(h.observed, at) }
func (h *host) Keep(from int64)        { h.keep = from }
func (h *host) Context() *rows.Context { return h.set.ctx }

func (h *host) Attach(c rows.Cache) bool {
	if h.set.uncached {
		return false
	}
	h.set.caches = append(h.set.caches, c)
	return true
}

func (h *host) Wall() int64 { return h.set.wall }

func (h *host) Expires(e rows.Expirer) {
	h.set.expirers = append(h.set.expirers, expirer{e, h.spec.Name})
}

func (h *host) AtCommit(f func() error) { h.set.atCommit = append(h.set.atCommit, f) }
func (h *host) Pends(f func() int64)    { h.set.pends = append(h.set.pends, f) }

func (h *host) Expired() {
	if h.set.expired != nil {
		h.set.expired(h.spec.Name)
	}
}

func (h *host) Stick(err error) {
	if h.set.stick != nil {
		h.set.stick(err)
	}
}

// sweep adds the deletion of the rows older than floor to a batch, once per range.
func (h *host) sweep(b *state.Batch, floor int64) {
	if h.spec.Expire == nil || floor <= 0 {
		return
	}
	spans := h.spec.Expire(floor)
	if len(spans) == 0 || bytes.Equal(spans[0].Hi, h.swept) {
		return
	}
	h.swept = bytes.Clone(spans[0].Hi)
	for _, s := range spans {
		lo, hi := h.bounds(s.Lo, s.Hi)
		b.DeleteRange(lo, hi)
	}
}

// restorer adds the rows of changelog records to a batch.
type restorer struct {
	*host
	batch *state.Batch
}

func (r restorer) Set(key, val []byte) { r.batch.Set(r.at(key), val) }
func (r restorer) Delete(key []byte)   { r.batch.Delete(r.at(key)) }

// replay adds what a changelog record does to a batch, or, where that depends on other rows, to the uncommitted writes.
func (h *host) replay(b *state.Batch, r LogRecord) error {
	if h.spec.Replay != nil {
		return h.spec.Replay(h, r.Key, r.Value, r.Time)
	}
	return h.spec.Row(restorer{h, b}, r.Key, r.Value, r.Time)
}
