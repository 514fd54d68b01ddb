package rows

import (
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/serde"
)

// NewVersioned is the Spec of a versioned store with a history in ms. Open makes a *Versions, View a *VersionsView. What a changelog record does depends on
// the rows before it: they are restored by Spec.Replay.
func NewVersioned[K, V any](name string, k serde.Serde[K], v serde.Serde[V], history int64) *Spec {
	s := &Spec{
		Name: name, Kind: VersionedKind, Format: fmt.Sprintf("versioned/1 interval=%d", versionInterval(history)),
		KeyType: k.Name(), ValueType: v.Name(), Logged: true, History: history,
	}
	s.Open = func(h Host) (any, error) {
		rows := &versions{host: h, history: history, interval: versionInterval(history), sweeping: true}
		view := VersionsView[K, V]{name: s.Name, keys: k, values: v, history: history, src: inTask{h}}
		return &Versions[K, V]{VersionsView: view, rows: rows, nilable: null.Nilable[V]()}, nil
	}
	s.View = func(r Reader, observed int64) (any, error) {
		return &VersionsView[K, V]{name: s.Name, keys: k, values: v, history: history, src: &committed[V]{Reader: r, name: s.Name, time: observed}}, nil
	}
	s.Replay = func(h Host, key, val []byte, at int64) error {
		rows := versions{host: h, history: history, interval: versionInterval(history)}
		if _, _, err := rows.put(key, val, at); err != nil {
			return err
		}
		for rows.sweeping {
			if err := rows.sweep(1 << 10); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

// Version is a value with the time from which it held, and that until which it did, −1 for the current one; in ms.
type Version[V any] struct {
	Value    V
	From, To int64
}

// versionSource is where versions are read: a task's rows, or committed ones.
type versionSource interface {
	Reader
	observed() int64
	fail(error)
	firstErr() error
}

// inTask is a task's rows as a source. Their first error is the task's affair.
type inTask struct{ Host }

func (t inTask) observed() int64 { return t.Observed() }
func (t inTask) fail(err error)  { t.Stick(err) }
func (t inTask) firstErr() error { return nil }

// VersionsView reads a versioned store. Of times older than the history only the current version is known.
type VersionsView[K, V any] struct {
	name    string
	keys    serde.Serde[K]
	values  serde.Serde[V]
	history int64
	src     versionSource
}

// Err is the first error of any scan. In a task it is nil: there the error fails the record.
func (v *VersionsView[K, V]) Err() error { return v.src.firstErr() }

func (v *VersionsView[K, V]) wrap(doing string, err error) error {
	return fmt.Errorf("store %q: %s: %w", v.name, doing, err)
}

// base is the local key of a key's current version, with which those of its earlier ones begin.
func (v *VersionsView[K, V]) base(k K) ([]byte, error) {
	key, err := encodeKey(v.keys, nil, k)
	if err != nil {
		return nil, v.wrap("encode key", err)
	}
	return appendVersions(make([]byte, 0, len(key)+3), key), nil
}

// Latest is the current version of a key.
func (v *VersionsView[K, V]) Latest(k K) (ver Version[V], ok bool, err error) {
	base, err := v.base(k)
	if err != nil {
		return ver, false, err
	}
	i, err := currentOf(v.src, base)
	if err != nil || !i.has {
		return ver, false, v.failed(err)
	}
	return v.decode(i)
}

func (v *VersionsView[K, V]) failed(err error) error {
	if err == nil {
		return nil
	}
	return v.wrap("get", err)
}

// AsOf is the version of a key at a time.
func (v *VersionsView[K, V]) AsOf(k K, at int64) (ver Version[V], ok bool, err error) {
	base, err := v.base(k)
	if err != nil {
		return ver, false, err
	}
	i, err := currentOf(v.src, base)
	if err != nil {
		return ver, false, v.failed(err)
	}
	if i.has && i.from <= at {
		return v.decode(i)
	}
	if at < v.src.observed()-v.history {
		return ver, false, nil
	}
	i, found, err := versionAt(v.src, base, at)
	if err != nil || !found || !i.has || at >= i.to {
		return ver, false, v.failed(err)
	}
	return v.decode(i)
}

func (v *VersionsView[K, V]) decode(i interval) (ver Version[V], ok bool, err error) {
	if ver.Value, err = v.values.Decode(i.val); err != nil {
		return ver, false, v.wrap("decode value", err)
	}
	ver.From, ver.To = i.from, i.to
	return ver, true, nil
}

// Between walks the versions of a key that held at any moment from a time to another, both in it; the newest first. It sees one moment.
func (v *VersionsView[K, V]) Between(k K, from, to int64) iter.Seq[Version[V]] {
	return func(yield func(Version[V]) bool) {
		if err := v.between(k, from, to, yield); err != nil {
			v.src.fail(err)
		}
	}
}

func (v *VersionsView[K, V]) between(k K, from, to int64, yield func(Version[V]) bool) (err error) {
	base, err := v.base(k)
	if err != nil {
		return err
	}
	it, err := v.src.Iter(base, afterEscaped(append([]byte(nil), base...)), false)
	if err != nil {
		return v.wrap("scan", err)
	}
	defer func() {
		if closed := it.Close(); err == nil && closed != nil {
			err = v.wrap("close scan", closed)
		}
	}()
	from = max(from, v.src.observed()-v.history)
	for it.Next() {
		i, err := asVersion(it, len(base))
		if err != nil {
			return v.wrap("scan", err)
		}
		if i.to != current && i.to <= from {
			return nil
		}
		if !i.has || i.from > to || i.from == i.to || i.to != current && from > to {
			continue
		}
		ver, _, err := v.decode(i)
		if err != nil {
			return err
		}
		if !yield(ver) {
			return nil
		}
	}
	if err := it.Err(); err != nil {
		return v.wrap("scan", err)
	}
	return nil
}

// asVersion is the version at which an iterator stands; current ones have a key of a known length.
func asVersion(it Iterator, base int) (interval, error) {
	if len(it.Key()) == base {
		return asCurrent(it.Value())
	}
	return asEarlier(it.Key(), it.Value())
}

// Versions is a task's versioned store.
type Versions[K, V any] struct {
	VersionsView[K, V]
	rows     *versions
	nilable  bool
	key, enc []byte
}

// sweptKeys is of how many keys a put deletes what has expired.
const sweptKeys = 32

// Put sets what a key holds from a time on, in ms, until its next version; nil of a nilable kind deletes. until is the next version's time, −1 without one.
// A put older than the history is counted and not kept; the changelog has it all the same, as in Kafka.
func (s *Versions[K, V]) Put(k K, v V, at int64) (until int64, kept bool, err error) {
	if s.nilable && null.Is(v) {
		return s.Drop(k, at)
	}
	if s.enc == nil {
		s.enc = make([]byte, 0, 64) // an empty value is one; nil would be none
	}
	if s.enc, err = s.values.Append(s.enc[:0], v); err != nil {
		return 0, false, s.wrap("encode value", err)
	}
	return s.put(k, s.enc, at)
}

// Drop is Put of nothing.
func (s *Versions[K, V]) Drop(k K, at int64) (until int64, kept bool, err error) {
	return s.put(k, nil, at)
}

// Delete is Drop with what the key held at the time; of a time older than the history nothing is told.
func (s *Versions[K, V]) Delete(k K, at int64) (old Version[V], had bool, err error) {
	if at >= s.src.observed()-s.history {
		if old, had, err = s.AsOf(k, at); err != nil {
			return old, false, err
		}
	}
	_, _, err = s.Drop(k, at)
	return old, had && err == nil, err
}

func (s *Versions[K, V]) put(k K, val []byte, at int64) (until int64, kept bool, err error) {
	if s.key == nil {
		s.key = make([]byte, 0, 64) // as with values
	}
	if s.key, err = encodeKey(s.keys, s.key[:0], k); err != nil {
		return 0, false, s.wrap("encode key", err)
	}
	if at < 0 {
		return 0, false, s.wrap("put", fmt.Errorf("a version's time, %d ms, is before 1970", at))
	}
	if until, kept, err = s.rows.put(s.key, val, at); err != nil {
		return 0, false, s.wrap("put", err)
	}
	if !kept {
		s.rows.host.Expired()
	}
	if err := s.rows.host.Log(s.key, val, at, false); err != nil {
		return 0, false, err
	}
	return until, kept, s.tidy()
}

// tidy deletes a little of what has expired.
func (s *Versions[K, V]) tidy() error {
	if !s.rows.sweeping {
		return nil
	}
	if err := s.rows.sweep(sweptKeys); err != nil {
		return s.wrap("delete expired versions", err)
	}
	return nil
}
