package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/weirstream/weir/state"
)

// formatVersion is the layout of an engine as a whole. Rows of a store have formats of their own, in the dictionary.
const formatVersion = 1

// The rows of store 0: a tag, then a name.
const (
	tagFormat   byte = iota // → version(8)
	tagStore                // name → number(2) ‖ format of its rows
	tagPosition             // name → next changelog offset(8)
	tagObserved             // name → time(8)
	tagMark                 // name → number(8)
)

func metaKey(tag byte, name string) []byte { return append([]byte{0, 0, tag}, name...) }

func be(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// dictionary is what an engine knows of its stores.
type dictionary struct {
	stores   map[string]entry
	position map[string]int64
	observed map[string]int64
	marks    map[string]int64
}

type entry struct {
	number uint16
	format string
}

// readDictionary checks the engine's format and reads store 0. A new engine gets its format with the first batch.
func readDictionary(e state.Engine, b *state.Batch) (*dictionary, error) {
	if err := checkFormat(e, b); err != nil {
		return nil, err
	}
	d := &dictionary{map[string]entry{}, map[string]int64{}, map[string]int64{}, map[string]int64{}}
	it, err := e.Iter([]byte{0, 0, tagStore}, []byte{0, 1}, false)
	if err != nil {
		return nil, fmt.Errorf("read the dictionary of stores: %w", err)
	}
	for it.Next() && err == nil {
		err = d.read(it.Key(), it.Value())
	}
	if err := errors.Join(err, it.Err(), it.Close()); err != nil {
		return nil, fmt.Errorf("read the dictionary of stores: %w", err)
	}
	return d, nil
}

func checkFormat(e state.Engine, b *state.Batch) error {
	raw, ok, err := e.Get(nil, metaKey(tagFormat, ""))
	switch {
	case err != nil:
		return fmt.Errorf("read the state's format: %w", err)
	case !ok:
		b.Set(metaKey(tagFormat, ""), be(formatVersion))
		return checkEmpty(e)
	case len(raw) != 8:
		return fmt.Errorf("the state's format is not readable: %x", raw)
	}
	if v := int64(binary.BigEndian.Uint64(raw)); v != formatVersion {
		return fmt.Errorf("the state has format %d, this version of weir reads and writes format %d: run the version that wrote it, or remove the task's directory to restore it from the changelogs", v, formatVersion)
	}
	return nil
}

// checkEmpty refuses an engine that someone else has filled.
func checkEmpty(e state.Engine) error {
	it, err := e.Iter(nil, nil, false)
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	any := it.Next()
	if err := errors.Join(it.Err(), it.Close()); err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if any {
		return errors.New("the engine holds rows, but no format: it is not a task's state")
	}
	return nil
}

func (d *dictionary) read(key, val []byte) error {
	tag, name := key[2], string(key[3:])
	if tag == tagStore {
		if len(val) < 2 {
			return fmt.Errorf("store %q: its entry is %d bytes", name, len(val))
		}
		d.stores[name] = entry{binary.BigEndian.Uint16(val), string(val[2:])}
		return nil
	}
	if len(val) != 8 {
		return fmt.Errorf("%q: its number is %d bytes, want 8", name, len(val))
	}
	n := int64(binary.BigEndian.Uint64(val))
	switch tag {
	case tagPosition:
		d.position[name] = n
	case tagObserved:
		d.observed[name] = n
	case tagMark:
		d.marks[name] = n
	}
	return nil
}

// next is the least number that was never given.
func (d *dictionary) next() (uint16, error) {
	top := uint16(0)
	for _, e := range d.stores {
		top = max(top, e.number)
	}
	if top == math.MaxUint16 {
		return 0, errors.New("the dictionary of stores is full")
	}
	return top + 1, nil
}

// enter gives a store its number, a new one if it has none, and what was kept of it.
func (d *dictionary) enter(h *host, b *state.Batch) error {
	name := h.spec.Name
	e, ok := d.stores[name]
	if !ok {
		n, err := d.next()
		if err != nil {
			return h.wrap("open", err)
		}
		e = entry{n, h.spec.Format}
		d.put(b, name, e)
	}
	h.number = e.number
	if e.format != h.spec.Format {
		if !h.spec.Logged && !h.spec.Sourced {
			return fmt.Errorf("store %q: its rows have format %q, the topology wants %q, and without a changelog they cannot be rebuilt: give the store another name, or remove the task's directory", name, e.format, h.spec.Format)
		}
		d.put(b, name, entry{e.number, h.spec.Format})
		h.forget(b)
		return nil
	}
	if at, ok := d.position[name]; ok {
		h.position = at
	}
	if at, ok := d.observed[name]; ok {
		h.observed, h.kept = at, at
		h.seen.Store(at)
	}
	return nil
}

func (d *dictionary) put(b *state.Batch, name string, e entry) {
	d.stores[name] = e
	b.Set(metaKey(tagStore, name), append(binary.BigEndian.AppendUint16(nil, e.number), e.format...))
}

// forget adds to a batch the deletion of all that the engine has of a store but its number.
func (h *host) forget(b *state.Batch) {
	lo, hi := h.bounds(nil, nil)
	b.DeleteRange(lo, hi)
	b.Delete(metaKey(tagPosition, h.spec.Name))
	b.Delete(metaKey(tagObserved, h.spec.Name))
	h.position, h.observed, h.kept, h.swept = -1, -1, -1, nil
}
