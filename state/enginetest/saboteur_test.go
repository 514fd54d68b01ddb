package enginetest

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/state"
)

// recorder is the T of a check whose complaints are wanted.
type recorder struct{ complaints []string }

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// complaints runs f to its end or to its first fatal complaint.
func complaints(f func(T)) []string {
	var r recorder
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(&r)
	}()
	<-done
	return r.complaints
}

// saboteurs are engines with one fault each, and checks that must notice.
var saboteurs = []struct {
	fault    string
	engine   func(state.Engine) state.Engine
	noticing []string
}{
	{"drops deletes", func(e state.Engine) state.Engine { return dropsDeletes{e} },
		[]string{"delete", "batch in order", "batch of every kind", "iterator and deletes", "random operations"}},
	{"ignores the order inside a batch", func(e state.Engine) state.Engine { return setsFirst{e} },
		[]string{"batch in order", "batch of every kind", "random operations"}},
	{"range delete includes its end", func(e state.Engine) state.Engine { return deletesEnd{e} },
		[]string{"delete range", "random operations"}},
	{"iterator includes hi", func(e state.Engine) state.Engine { return includesHi{e} },
		[]string{"iterator bounds", "random operations"}},
	{"iterator excludes lo", func(e state.Engine) state.Engine { return excludesLo{e} },
		[]string{"iterator bounds", "random operations"}},
	{"iterator is never reverse", func(e state.Engine) state.Engine { return neverReverse{e} },
		[]string{"iterator in order", "iterator bounds", "random operations"}},
	{"iterator sees later writes", func(e state.Engine) state.Engine { return seesLater{e} },
		[]string{"iterator is stable", "random operations"}},
	{"snapshot sees later writes", func(e state.Engine) state.Engine { return noSnapshot{e} },
		[]string{"snapshot is isolated", "snapshot iterator is isolated", "snapshots of several moments", "random operations"}},
	{"get writes over dst", func(e state.Engine) state.Engine { return overwritesDst{e} },
		[]string{"get appends to dst", "random operations"}},
	{"get ignores the room of dst", func(e state.Engine) state.Engine { return ignoresRoom{e} },
		[]string{"get appends to dst"}},
	{"get loses dst of a missing row", func(e state.Engine) state.Engine { return losesDst{e} },
		[]string{"get of a missing row", "random operations"}},
	{"empty value is no row", func(e state.Engine) state.Engine { return emptyIsMissing{e} },
		[]string{"empty values"}},
	{"keeps the batch", func(e state.Engine) state.Engine { return &keepsBatch{Engine: e} },
		[]string{"batch is not kept", "random operations"}},
	{"applies row by row", func(e state.Engine) state.Engine { return &rowByRow{Engine: e} },
		[]string{"readers see whole batches"}},
	{"flush forgets", func(e state.Engine) state.Engine { return flushForgets{e} },
		[]string{"flush keeps rows", "random operations"}},
}

func TestSaboteursAreNoticed(t *testing.T) {
	for _, s := range saboteurs {
		t.Run(s.fault, func(t *testing.T) {
			for _, name := range s.noticing {
				got := complaints(func(t T) { named(name).run(t, s.engine(mem.New())) })
				if len(got) == 0 {
					t.Errorf("%q has nothing to say of an engine that %s", name, s.fault)
				}
			}
		})
	}
}

func TestHonestEngineIsLeftInPeace(t *testing.T) {
	for _, c := range checks {
		if got := complaints(func(t T) { c.run(t, mem.New()) }); len(got) > 0 {
			t.Errorf("%q complains of a good engine: %v", c.name, got)
		}
	}
	for _, c := range durableChecks {
		var disk mem.Disk
		if got := complaints(func(t T) { c.run(t, opener(&disk)) }); len(got) > 0 {
			t.Errorf("%q complains of a good engine: %v", c.name, got)
		}
	}
}

func TestForgetfulEngineIsNoticed(t *testing.T) {
	for _, c := range durableChecks {
		got := complaints(func(t T) { c.run(t, opener(mem.Provider{})) })
		if len(got) == 0 && c.name != "reopen of an empty engine" {
			t.Errorf("%q has nothing to say of an engine that forgets", c.name)
		}
	}
}

// TestUnflushedCloseIsNoticed is about the engine whose Close loses what came after the last Flush.
func TestUnflushedCloseIsNoticed(t *testing.T) {
	for _, name := range []string{"reopen finds the rows", "reopen after flush", "random operations with reopening"} {
		i := slices.IndexFunc(durableChecks, func(c durableCheck) bool { return c.name == name })
		kept := model{}
		open := func() state.Engine {
			e := &losesTail{Engine: mem.New(), kept: kept}
			e.load()
			return e
		}
		if len(complaints(func(t T) { durableChecks[i].run(t, open) })) == 0 {
			t.Errorf("%q has nothing to say of an engine that closes without a flush", name)
		}
	}
}

func opener(p state.Provider) func() state.Engine {
	return func() state.Engine {
		e, err := p.Open("dir", "0_0")
		if err != nil {
			panic(err)
		}
		return e
	}
}

func named(name string) check {
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		panic("no check is named " + name)
	}
	return checks[i]
}

// rebuilt is a batch of the given operations.
func rebuilt(ops ...state.Op) *state.Batch {
	var b state.Batch
	for _, op := range ops {
		switch op.Kind {
		case state.OpSet:
			b.Set(op.Key, op.Value)
		case state.OpDelete:
			b.Delete(op.Key)
		case state.OpDeleteRange:
			b.DeleteRange(op.Key, op.Value)
		}
	}
	return &b
}

type dropsDeletes struct{ state.Engine }

func (e dropsDeletes) Apply(b *state.Batch) error {
	return e.Engine.Apply(rebuilt(slices.DeleteFunc(slices.Clone(b.Ops()), func(op state.Op) bool { return op.Kind == state.OpDelete })...))
}

type setsFirst struct{ state.Engine }

func (e setsFirst) Apply(b *state.Batch) error {
	ops := slices.Clone(b.Ops())
	slices.SortStableFunc(ops, func(a, b state.Op) int { return int(a.Kind) - int(b.Kind) })
	return e.Engine.Apply(rebuilt(ops...))
}

type deletesEnd struct{ state.Engine }

func (e deletesEnd) Apply(b *state.Batch) error {
	ops := slices.Clone(b.Ops())
	for i, op := range ops {
		if op.Kind == state.OpDeleteRange {
			ops[i].Value = next(op.Value)
		}
	}
	return e.Engine.Apply(rebuilt(ops...))
}

// next is the least key after key.
func next(key []byte) []byte { return append(bytes.Clone(key), 0) }

type includesHi struct{ state.Engine }

func (e includesHi) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	if hi != nil {
		hi = next(hi)
	}
	return e.Engine.Iter(lo, hi, reverse)
}

type excludesLo struct{ state.Engine }

func (e excludesLo) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	if lo != nil {
		lo = next(lo)
	}
	return e.Engine.Iter(lo, hi, reverse)
}

type neverReverse struct{ state.Engine }

func (e neverReverse) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	return e.Engine.Iter(lo, hi, false)
}

// seesLater looks the next row up anew at every step.
type seesLater struct{ state.Engine }

func (e seesLater) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	return &lookingIter{e: e.Engine, lo: bytes.Clone(lo), hi: bytes.Clone(hi), reverse: reverse}, nil
}

type lookingIter struct {
	e          state.Engine
	lo, hi     []byte
	reverse    bool
	key, value []byte
}

func (i *lookingIter) Next() bool {
	it, _ := i.e.Iter(i.lo, i.hi, i.reverse)
	defer it.Close()
	if !it.Next() {
		return false
	}
	i.key, i.value = bytes.Clone(it.Key()), bytes.Clone(it.Value())
	if i.reverse {
		i.hi = i.key
	} else {
		i.lo = next(i.key)
	}
	return true
}

func (i *lookingIter) Key() []byte   { return i.key }
func (i *lookingIter) Value() []byte { return i.value }
func (i *lookingIter) Err() error    { return nil }
func (i *lookingIter) Close() error  { return nil }

type noSnapshot struct{ state.Engine }

func (e noSnapshot) Snapshot() state.Snapshot { return live{e.Engine} }

type live struct{ state.Reader }

func (live) Close() error { return nil }

type overwritesDst struct{ state.Engine }

func (e overwritesDst) Get(dst, key []byte) ([]byte, bool, error) { return e.Engine.Get(dst[:0], key) }

type ignoresRoom struct{ state.Engine }

func (e ignoresRoom) Get(dst, key []byte) ([]byte, bool, error) {
	return e.Engine.Get(bytes.Clone(dst), key)
}

type losesDst struct{ state.Engine }

func (e losesDst) Get(dst, key []byte) ([]byte, bool, error) {
	if v, ok, err := e.Engine.Get(dst, key); ok || err != nil {
		return v, ok, err
	}
	return nil, false, nil
}

type emptyIsMissing struct{ state.Engine }

func (e emptyIsMissing) Get(dst, key []byte) ([]byte, bool, error) {
	v, ok, err := e.Engine.Get(dst, key)
	return v, ok && len(v) > len(dst), err
}

// keepsBatch applies a batch only when it is next asked for something.
type keepsBatch struct {
	state.Engine
	ops []state.Op
}

func (e *keepsBatch) settle() {
	ops := e.ops
	e.ops = nil
	e.Engine.Apply(rebuilt(ops...))
}

func (e *keepsBatch) Apply(b *state.Batch) error {
	e.settle()
	e.ops = b.Ops()
	return nil
}

func (e *keepsBatch) Get(dst, key []byte) ([]byte, bool, error) {
	e.settle()
	return e.Engine.Get(dst, key)
}

func (e *keepsBatch) Iter(lo, hi []byte, reverse bool) (state.Iterator, error) {
	e.settle()
	return e.Engine.Iter(lo, hi, reverse)
}

func (e *keepsBatch) Snapshot() state.Snapshot {
	e.settle()
	return e.Engine.Snapshot()
}

// rowByRow applies one row at a time, and lets readers look in the middle: it waits, not for ever, until four snapshots were made,
// which three readers cannot all have begun before.
type rowByRow struct {
	state.Engine
	snapshots atomic.Int64
}

func (e *rowByRow) Apply(b *state.Batch) error {
	for i, op := range b.Ops() {
		if err := e.Engine.Apply(rebuilt(op)); err != nil {
			return err
		}
		if i == 9 {
			e.await(e.snapshots.Load() + 4)
		}
	}
	return nil
}

func (e *rowByRow) await(n int64) {
	for i := 0; i < 10_000 && e.snapshots.Load() < n; i++ {
		runtime.Gosched()
	}
}

func (e *rowByRow) Snapshot() state.Snapshot {
	defer e.snapshots.Add(1)
	return e.Engine.Snapshot()
}

type flushForgets struct{ state.Engine }

func (e flushForgets) Flush() error {
	var b state.Batch
	b.DeleteRange(nil, []byte{0xff})
	return e.Engine.Apply(&b)
}

// losesTail keeps, beyond Close, what was there at the last Flush.
type losesTail struct {
	state.Engine
	kept model
}

func (e *losesTail) load() {
	var b state.Batch
	for k, v := range e.kept {
		b.Set([]byte(k), []byte(v))
	}
	e.Engine.Apply(&b)
}

func (e *losesTail) Flush() error {
	it, err := e.Engine.Iter(nil, nil, false)
	if err != nil {
		return err
	}
	defer it.Close()
	clear(e.kept)
	for it.Next() {
		e.kept[string(it.Key())] = string(it.Value())
	}
	return it.Err()
}
