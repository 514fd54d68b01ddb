package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

const crashKeys = 20

// crashSpecs are stores of each kind of uncommitted writes, and one that nothing could bring back.
func crashSpecs() []*rows.Spec {
	unlogged := kvSpec("unlogged")
	unlogged.Logged = false
	windows := rows.NewWindow("windows", serde.String(), serde.Int64(), rows.Windowing{Size: 1000, Retention: retention})
	return []*rows.Spec{kvSpec("kv"), unlogged, windows}
}

// crashRun commits and crashes at random, with more or less of what was not synced on the disk, and says whether rows, positions, marks and
// times are ever of different commits.
func crashRun(seed uint64, wrap func(state.Engine) state.Engine) error {
	r := rand.New(rand.NewPCG(seed, 4))
	fs := vfs.NewCrashableMem()
	last, err := crashLife(fs, wrap, 1, 5+r.Int64N(10))
	for range 3 {
		if err != nil {
			return err
		}
		fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})
		var found int64
		if found, err = crashFound(fs); err != nil {
			return err
		}
		if found > last {
			return fmt.Errorf("commit %d was found, %d was the last", found, last)
		}
		last, err = crashLife(fs, wrap, found+1, 5+r.Int64N(10))
	}
	return err
}

// crashLife commits n times. In commit i every row says i.
func crashLife(fs vfs.FS, wrap func(state.Engine) state.Engine, from, n int64) (last int64, err error) {
	e, err := pebble.New(pebble.FS(fs), pebble.MemTable(0)).Open("dir", "0_0")
	if err != nil {
		return 0, err
	}
	set, err := store.Open(wrap(e), nil, crashSpecs())
	if err != nil {
		return 0, err
	}
	log := func(string, []byte, []byte, int64, bool) error { return nil }
	if err := set.Start(log, &rows.Context{}, func(error) {}, nil); err != nil {
		return 0, err
	}
	for i := from; i < from+n; i++ {
		if err := crashWrite(set, i); err != nil {
			return 0, err
		}
		set.SetMark("mark", i)
		if err := set.Commit(map[string]int64{"kv": i, "windows": i}); err != nil {
			return 0, err
		}
	}
	return from + n - 1, nil
}

func crashWrite(set *store.Set, i int64) (err error) {
	for k := range crashKeys {
		for _, name := range []string{"kv", "unlogged"} {
			kv, _ := set.Store(name)
			err = errors.Join(err, kv.(state.KeyValue[string, int64]).Put(fmt.Sprint(k), i))
		}
	}
	w, _ := set.Store("windows")
	return errors.Join(err, w.(*rows.Windows[string, int64]).PutAt("k", 1000*i, i, 0))
}

// crashFound opens what a crash left and returns the commit that everything in it is of.
func crashFound(fs vfs.FS) (int64, error) {
	e, err := pebble.New(pebble.FS(fs), pebble.MemTable(0)).Open("dir", "0_0")
	if err != nil {
		return 0, err
	}
	set, err := store.Open(e, nil, crashSpecs())
	if err != nil {
		return 0, err
	}
	if err := set.Start(nil, &rows.Context{}, func(error) {}, nil); err != nil {
		return 0, err
	}
	i, _ := set.Position("kv")
	w, _ := set.Position("windows")
	if mark := max(set.Mark("mark"), 0); mark != i || w != i {
		return 0, fmt.Errorf("position %d, that of windows %d, mark %d", i, w, mark)
	}
	return i, errors.Join(crashRows(set, i), set.Close())
}

func crashRows(set *store.Set, i int64) error {
	for _, name := range []string{"kv", "unlogged"} {
		kv, _ := set.Store(name)
		n := 0
		for k, v := range kv.(state.KeyValue[string, int64]).All() {
			if n++; v != i {
				return fmt.Errorf("at position %d store %q holds %d for key %s", i, name, v, k)
			}
		}
		if i > 0 && n != crashKeys {
			return fmt.Errorf("at position %d store %q holds %d rows", i, name, n)
		}
	}
	w, _ := set.Store("windows")
	newest := int64(0)
	for _, v := range w.(state.Window[string, int64]).All() {
		newest = v
	}
	if newest != i {
		return fmt.Errorf("at position %d the newest window is %d", i, newest)
	}
	return nil
}

func TestCrashLeavesOneCommit(t *testing.T) {
	for seed := range uint64(10) {
		if err := crashRun(seed, func(e state.Engine) state.Engine { return e }); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// TestCrashSaboteur applies batches in two halves.
func TestCrashSaboteur(t *testing.T) {
	for seed := range uint64(100) {
		if crashRun(seed, func(e state.Engine) state.Engine { return halves{e} }) != nil {
			return
		}
	}
	t.Error("100 crashes found nothing wrong with batches in two halves")
}

type halves struct{ state.Engine }

func (h halves) Apply(b *state.Batch) error {
	var parts [2]state.Batch
	for i, op := range b.Ops() {
		to := &parts[min(1, 2*i/b.Len())]
		switch op.Kind {
		case state.OpSet:
			to.Set(op.Key, op.Value)
		case state.OpDelete:
			to.Delete(op.Key)
		case state.OpDeleteRange:
			to.DeleteRange(op.Key, op.Value)
		}
	}
	return errors.Join(h.Engine.Apply(&parts[0]), h.Engine.Apply(&parts[1]))
}
