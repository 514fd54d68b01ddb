package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

// tester is what testing.T, testing.B and rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is a task's stores with what stands around them: engines that survive a restart, and a changelog.
type world struct {
	t        tester
	provider state.Provider
	specs    []*rows.Spec
	set      *store.Set
	ctx      rows.Context
	log      map[string][]store.LogRecord // committed
	pending  map[string][]store.LogRecord
	stuck    error
	expired  int
}

var providers = map[string]func() state.Provider{
	"mem":    func() state.Provider { return &mem.Disk{} },
	"pebble": func() state.Provider { return pebble.New(pebble.FS(vfs.NewMem()), pebble.MemTable(0)) },
}

func spec(d state.Descriptor) *rows.Spec { return d.Spec(seal.Token{}) }

func newWorld(t tester, p state.Provider, specs ...*rows.Spec) *world {
	w := &world{t: t, provider: p, specs: specs, log: map[string][]store.LogRecord{}, pending: map[string][]store.LogRecord{}}
	w.ctx = rows.Context{Topic: "in", Time: 1}
	w.open()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

// open opens the stores, restores what they lack from the changelog, and starts them.
func (w *world) open() {
	w.t.Helper()
	durable, err := w.provider.Open("dir", "0_0")
	w.must(err)
	w.set, err = store.Open(durable, mem.New(), w.specs)
	w.must(err)
	for _, s := range w.specs {
		w.restore(s.Name)
	}
	w.must(w.set.Start(w.write, &w.ctx, w.stick, func(string) { w.expired++ }))
}

func (w *world) restore(name string) {
	w.t.Helper()
	from, _ := w.set.Position(name)
	all := w.log[name]
	for int(from) < len(all) {
		to := min(int(from)+3, len(all))
		w.must(w.set.Replay(name, all[from:to], int64(to)))
		from = int64(to)
	}
}

func (w *world) write(name string, key, value []byte, at int64, headers bool) error {
	r := store.LogRecord{Key: append([]byte{}, key...), Time: at}
	if value != nil {
		r.Value = append([]byte{}, value...)
	}
	w.pending[name] = append(w.pending[name], r)
	return nil
}

func (w *world) stick(err error) { w.stuck = errors.Join(w.stuck, err) }

func (w *world) commit() {
	w.t.Helper()
	w.must(w.set.FlushCaches())
	w.commitFlushed()
}

func (w *world) commitFlushed() {
	w.t.Helper()
	positions := map[string]int64{}
	for name, recs := range w.pending {
		w.log[name] = append(w.log[name], recs...)
		positions[name] = int64(len(w.log[name]))
	}
	clear(w.pending)
	w.must(w.set.Commit(positions))
}

func (w *world) discard() {
	w.t.Helper()
	clear(w.pending)
	w.must(w.set.Discard())
}

func (w *world) close() {
	w.t.Helper()
	clear(w.pending)
	w.must(w.set.Close())
}

func (w *world) reopen() {
	w.t.Helper()
	w.close()
	w.open()
}

// lost is a restart on another machine: all comes from the changelog.
func (w *world) lost(p state.Provider) {
	w.t.Helper()
	w.close()
	w.provider = p
	w.open()
}

func facade[F any](w *world, name string) F {
	w.t.Helper()
	got, ok := w.set.Store(name)
	if !ok {
		w.t.Fatalf("store %q is not there", name)
	}
	f, ok := got.(F)
	if !ok {
		w.t.Fatalf("store %q is a %T", name, got)
	}
	return f
}

// viewOf reads committed rows and hands them to f.
func viewOf[F any](w *world, name string, f func(F)) {
	w.t.Helper()
	got, release, err := w.set.View(name)
	w.must(err)
	v, ok := got.(F)
	if !ok {
		w.t.Fatalf("the view of store %q is a %T", name, got)
	}
	f(v)
	w.must(release())
	w.must(release())
}

// onEngines runs a test over every engine, durable and in memory only, with and without a cache.
func onEngines(t *testing.T, f func(t *testing.T, p func() state.Provider, opts []state.Option)) {
	for name, p := range providers {
		for _, cached := range []bool{false, true} {
			for _, inMemory := range []bool{false, true} {
				if inMemory && name != "mem" {
					continue
				}
				var opts []state.Option
				if cached {
					opts = append(opts, state.Cached())
				}
				if inMemory {
					opts = append(opts, state.InMemory())
				}
				t.Run(fmt.Sprintf("%s cached=%v inMemory=%v", name, cached, inMemory), func(t *testing.T) { f(t, p, opts) })
			}
		}
	}
}
