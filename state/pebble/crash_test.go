package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/weirstream/weir/state"
)

// crashes is a test of what power failures leave. It applies random batches, the i-th of which says so in its row "offset", and has the
// file system cloned, as a crash would leave it, before a random operation on files. The clone must open, and hold exactly the first n
// batches, where n is the clone's offset and covers what was flushed. Then the clone goes on, to the next crash.
type crashes struct {
	r    *rand.Rand
	open func(vfs.FS) (state.Engine, error)
	ops  [][]state.Op // of batch i+1

	flushed atomic.Int64 // batches that Flush has promised

	fuse   atomic.Int64 // operations until the crash
	fs     *vfs.MemFS
	clone  *vfs.MemFS
	least  int64 // flushed when the crash came
	unsync int   // percent of unsynced blocks that survive
}

// crashRun is one run of several crashes; its error says what was wrong after one.
func crashRun(seed uint64, open func(vfs.FS) (state.Engine, error)) error {
	c := &crashes{r: rand.New(rand.NewPCG(seed, 0)), open: open, fs: vfs.NewCrashableMem()}
	for life := range 4 {
		if err := c.live(); err != nil {
			return fmt.Errorf("seed %d, life %d, %d batches, %d flushed: %w", seed, life, len(c.ops), c.least, err)
		}
	}
	return nil
}

// MaybeError is called before every operation on files; it makes a crash, and never an error.
func (c *crashes) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && c.fuse.Add(-1) == 0 {
		c.crash()
	}
	return nil
}

func (c *crashes) String() string { return "crashes" }

func (c *crashes) crash() {
	c.least = c.flushed.Load()
	c.clone = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.unsync, RNG: rand.New(rand.NewPCG(uint64(c.least), 1))})
}

// live opens what the last crash left, compares it, and applies batches until some more than the next crash needs.
func (c *crashes) live() error {
	c.unsync = []int{0, 30, 70, 100}[c.r.IntN(4)]
	c.fuse.Store(int64(20 + c.r.IntN(400)))
	e, err := c.open(errorfs.Wrap(c.fs, c))
	if err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	if err := c.compare(e); err != nil {
		return errors.Join(err, e.Close())
	}
	for range 100 + c.r.IntN(200) {
		if err := c.batch(e); err != nil {
			return errors.Join(err, e.Close())
		}
	}
	if c.fuse.Load() > 0 {
		c.fuse.Store(0)
		c.crash()
	}
	if err := e.Close(); err != nil {
		return err
	}
	c.fs = c.clone
	c.flushed.Store(c.least)
	return nil
}

func (c *crashes) batch(e state.Engine) error {
	var b state.Batch
	n := 1 + c.r.IntN(10)
	if c.r.IntN(50) == 0 {
		n = 1500 // beyond half a memory table, which Pebble treats apart
	}
	if c.r.IntN(8) == 0 {
		b.DeleteRange(c.key(), c.key())
	}
	for range n {
		b.Set(c.key(), fmt.Append(nil, strings.Repeat("v", c.r.IntN(200)), len(c.ops)))
	}
	b.Set([]byte("offset"), fmt.Append(nil, len(c.ops)+1))
	c.ops = append(c.ops, cloned(&b))
	if err := e.Apply(&b); err != nil {
		return err
	}
	if c.r.IntN(30) > 0 {
		return nil
	}
	if err := e.Flush(); err != nil {
		return err
	}
	c.flushed.Store(int64(len(c.ops)))
	return nil
}

func (c *crashes) key() []byte { return fmt.Appendf(nil, "k%04d", c.r.IntN(2000)) }

// cloned are the operations of a batch, which is not used again.
func cloned(b *state.Batch) []state.Op { return b.Ops() }

// compare checks e against the batches up to e's own offset, and forgets those that a crash has cost.
func (c *crashes) compare(e state.Engine) error {
	n, err := offset(e)
	if err != nil {
		return err
	}
	if n < int(c.least) || n > len(c.ops) {
		return fmt.Errorf("offset %d is there", n)
	}
	want := map[string]string{}
	for _, ops := range c.ops[:n] {
		replay(want, ops)
	}
	c.ops = c.ops[:n]
	return same(e, want)
}

func replay(m map[string]string, ops []state.Op) {
	for _, op := range ops {
		if op.Kind == state.OpSet {
			m[string(op.Key)] = string(op.Value)
			continue
		}
		for k := range m {
			if k >= string(op.Key) && k < string(op.Value) {
				delete(m, k)
			}
		}
	}
}

func same(e state.Engine, want map[string]string) error {
	it, err := e.Iter(nil, nil, false)
	if err != nil {
		return err
	}
	defer it.Close()
	n := 0
	for ; it.Next(); n++ {
		if v, ok := want[string(it.Key())]; !ok || v != string(it.Value()) {
			return fmt.Errorf("row %q is %q; the prefix has %q, %v", it.Key(), it.Value(), v, ok)
		}
	}
	if n != len(want) {
		return fmt.Errorf("%d rows, the prefix has %d", n, len(want))
	}
	return it.Err()
}

// offset is the number of batches that an engine holds, by its own word.
func offset(e state.Engine) (int, error) {
	v, ok, err := e.Get(nil, []byte("offset"))
	if err != nil || !ok {
		return 0, err
	}
	return strconv.Atoi(string(v))
}

func TestCrashLeavesAPrefix(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		if err := crashRun(seed, func(fs vfs.FS) (state.Engine, error) { return New(FS(fs), MemTable(0)).Open("dir", "0_0") }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCrashNoticesSaboteurs breaks what the engine does for the promise, one thing at a time.
func TestCrashNoticesSaboteurs(t *testing.T) {
	if testing.Short() {
		t.Skip("it looks through many crashes for one that shows the fault")
	}
	for fault, open := range map[string]func(vfs.FS) (state.Engine, error){
		"a log format that notes syncs which did not happen": func(fs vfs.FS) (state.Engine, error) {
			return openTweaked(fs, func(o *pebble.Options) { o.FormatMajorVersion = pebble.FormatNewest })
		},
		"no log": func(fs vfs.FS) (state.Engine, error) {
			return openTweaked(fs, func(o *pebble.Options) { o.DisableWAL = true })
		},
		"flush does not wait": func(fs vfs.FS) (state.Engine, error) {
			e, err := New(FS(fs), MemTable(0)).Open("dir", "0_0")
			return neverFlushes{e}, err
		},
		"a log that is closed without a sync": func(fs vfs.FS) (state.Engine, error) {
			return New(FS(closesUnsynced{fs}), MemTable(0)).Open("dir", "0_0")
		},
		"batches in two halves": func(fs vfs.FS) (state.Engine, error) {
			e, err := New(FS(fs), MemTable(0)).Open("dir", "0_0")
			return halves{e}, err
		},
	} {
		t.Run(fault, func(t *testing.T) {
			for seed := range uint64(200) {
				if err := crashRun(seed, open); err != nil {
					t.Log(err)
					return
				}
			}
			t.Error("200 runs found nothing wrong")
		})
	}
}

// openTweaked opens as Provider.Open does, with other options of Pebble.
func openTweaked(fs vfs.FS, tweak func(*pebble.Options)) (state.Engine, error) {
	p := New(FS(fs), MemTable(0))
	if err := fs.MkdirAll("dir", 0o755); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory("dir", fs)
	if err != nil {
		return nil, err
	}
	e := &engine{dir: "dir", provider: p, lock: lock, files: newFiles(fs)}
	o := p.acquire()
	e.configure(o)
	tweak(o)
	if e.db, err = pebble.Open("dir", o); err != nil {
		p.release()
		return nil, errors.Join(err, lock.Close())
	}
	return e, nil
}

type neverFlushes struct{ state.Engine }

func (neverFlushes) Flush() error { return nil }

type halves struct{ state.Engine }

func (e halves) Apply(b *state.Batch) error {
	var first, second state.Batch
	for i, op := range b.Ops() {
		to := &first
		if i >= b.Len()/2 {
			to = &second
		}
		switch op.Kind {
		case state.OpSet:
			to.Set(op.Key, op.Value)
		case state.OpDeleteRange:
			to.DeleteRange(op.Key, op.Value)
		}
	}
	return errors.Join(e.Engine.Apply(&first), e.Engine.Apply(&second))
}

// closesUnsynced is a file system whose logs are never synced.
type closesUnsynced struct{ vfs.FS }

func (fs closesUnsynced) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err == nil && strings.HasSuffix(name, ".log") {
		f = unsynced{f}
	}
	return f, err
}

type unsynced struct{ vfs.File }

func (unsynced) SyncData() error { return nil }

// recovered is the number of batches of applyUntilError and of children that e holds, having checked that each is there whole.
func recovered(t *testing.T, e state.Engine) int {
	t.Helper()
	n, err := offset(e)
	fatal(t, err)
	it, err := e.Iter([]byte("row"), []byte("rox"), false)
	fatal(t, err)
	defer it.Close()
	rows := 0
	for ; it.Next(); rows++ {
		if want := row(rows + 1); string(it.Key()) != string(want) {
			t.Fatalf("row %d is %q, want %q", rows+1, it.Key(), want)
		}
	}
	fatal(t, it.Err())
	if rows != n {
		t.Fatalf("%d rows are there, and the offset is %d", rows, n)
	}
	return n
}

func row(i int) []byte { return binary.BigEndian.AppendUint64([]byte("row"), uint64(i)) }

// numbered makes b the i-th batch: row i, and the offset.
func numbered(b *state.Batch, i int) *state.Batch {
	b.Reset()
	b.Set(row(i), []byte("value"))
	b.Set([]byte("offset"), strconv.AppendInt(nil, int64(i), 10))
	return b
}

// onSwitch is an injector that fails all writes to some files once it is on.
type onSwitch struct {
	path string
	on   atomic.Bool
	hit  atomic.Bool
}

func newSwitch(path string) *onSwitch { return &onSwitch{path: path} }

func (s *onSwitch) String() string { return "switch" }

func (s *onSwitch) MaybeError(op errorfs.Op) error {
	if s.on.Load() && strings.Contains(op.Path, s.path) && op.Kind == errorfs.OpFileWrite {
		s.hit.Store(true)
		return errorfs.ErrInjected
	}
	return nil
}

// applyUntilError applies numbered batches, the second half of them to failing files, until one fails or all are applied.
func applyUntilError(e state.Engine, full *onSwitch, n int) (applied int, err error) {
	var b state.Batch
	for i := 1; i <= n; i++ {
		full.on.Store(i > n/2)
		if err := e.Apply(numbered(&b, i)); err != nil {
			return i - 1, err
		}
	}
	return n, nil
}
