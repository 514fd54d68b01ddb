package pebble

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/enginetest"
)

// TestMain is also the main of the processes that tests start, which find their part in the environment.
func TestMain(m *testing.M) {
	if part := os.Getenv(childPart); part != "" {
		children[part](os.Getenv(childDir))
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	childPart = "WEIR_PEBBLE_TEST_PART"
	childDir  = "WEIR_PEBBLE_TEST_DIR"
)

var children = map[string]func(dir string){"hold": hold, "apply": applyForEver, "apply into Pebble's buffer": applyIntoBuffer}

// child starts this binary in a part. It is killed, if it still runs, when the test ends.
func child(t *testing.T, part, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPart+"="+part, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	fatal(t, err)
	out, err := cmd.StdoutPipe()
	fatal(t, err)
	fatal(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, p *Provider, dir string) state.Engine {
	t.Helper()
	e, err := p.Open(dir, "0_0")
	fatal(t, err)
	return e
}

func set(t *testing.T, e state.Engine, key, value string) {
	t.Helper()
	var b state.Batch
	b.Set([]byte(key), []byte(value))
	fatal(t, e.Apply(&b))
}

func get(t *testing.T, r state.Reader, key string) string {
	t.Helper()
	v, ok, err := r.Get(nil, []byte(key))
	fatal(t, err)
	if !ok {
		return "none"
	}
	return string(v)
}

func TestEngineOnDisk(t *testing.T) {
	p := New()
	enginetest.RunDurable(t, func(t *testing.T, dir string) state.Engine { return open(t, p, dir) })
	if p.open != 0 || p.cache != nil || p.files != nil {
		t.Errorf("%d engines are counted after all were closed; cache %v, files %v", p.open, p.cache, p.files)
	}
}

// TestEngineWithTinyMemory makes files of nearly everything.
func TestEngineWithTinyMemory(t *testing.T) {
	p := New(FS(vfs.NewMem()), Memory(0), MemTable(0), OpenFiles(0))
	enginetest.RunDurable(t, func(t *testing.T, dir string) state.Engine { return open(t, p, dir) })
}

// TestInBubble opens and closes twice, and in a second bubble again: nothing that a database shares with others may belong to a bubble
// that has ended.
func TestInBubble(t *testing.T) {
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			p := New(FS(vfs.NewMem()), MemTable(0))
			for round := range 2 {
				e := open(t, p, "dir")
				if want := []string{"none", "0"}[round]; get(t, e, "a") != want {
					t.Errorf("round %d: a is %q, want %q", round, get(t, e, "a"), want)
				}
				set(t, e, "a", fmt.Sprint(round))
				set(t, e, "big", strings.Repeat("v", 1<<20)) // becomes a table file at once
				fatal(t, e.Flush())
				fatal(t, e.Close())
			}
		})
	}
}

func TestEnginesShare(t *testing.T) {
	p := New(FS(vfs.NewMem()))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			e, err := p.Open(fmt.Sprint("dir", i), fmt.Sprint("0_", i))
			if err != nil {
				t.Error(err)
				return
			}
			var b state.Batch
			b.Set([]byte("k"), fmt.Append(nil, i))
			if err := errors.Join(e.Apply(&b), e.Flush(), e.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 8 {
		e := open(t, p, fmt.Sprint("dir", i))
		if got := get(t, e, "k"); got != fmt.Sprint(i) {
			t.Errorf("engine %d holds %q", i, got)
		}
		fatal(t, e.Close())
	}
	if p.cache != nil {
		t.Error("the block cache outlived the last engine")
	}
}

func TestMemTableBudget(t *testing.T) {
	for _, w := range []struct {
		opts    []Option
		n, want int
	}{
		{nil, 1, 16 << 20}, {nil, 4, 4 << 20}, {nil, 1000, 1 << 20},
		{[]Option{Memory(32 << 20)}, 1, 4 << 20}, {[]Option{MemTable(3 << 20)}, 7, 3 << 20}, {[]Option{MemTable(1)}, 1, minMemTable},
	} {
		o := newOptions(w.opts)
		if got := o.memTableFor(w.n); got != w.want {
			t.Errorf("engine %d gets a memory table of %d bytes, want %d", w.n, got, w.want)
		}
	}
}

func wantError(t *testing.T, err error, is error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v: is not %q", err, is)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v: does not name %q", err, w)
		}
	}
}

func TestLockedByThisProcess(t *testing.T) {
	for name, p := range map[string]*Provider{"disk": New(), "memory": New(FS(vfs.NewMem()))} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := open(t, p, dir)
			_, err := p.Open(dir, "0_3")
			wantError(t, err, ErrLocked, dir, "0_3")
			fatal(t, e.Close())
			fatal(t, open(t, p, dir).Close())
		})
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, "hold", dir)
	if !out.Scan() || out.Text() != "open" {
		t.Fatalf("the other process said %q", out.Text())
	}
	_, err := New().Open(dir, "0_3")
	wantError(t, err, ErrLocked, dir, "0_3")
	fatal(t, cmd.Process.Kill())
	cmd.Wait()
	fatal(t, open(t, New(), dir).Close())
}

func hold(dir string) {
	if _, err := New().Open(dir, "0_0"); err != nil {
		panic(err)
	}
	fmt.Println("open")
	io.Copy(io.Discard, os.Stdin)
}

func TestNewerFormatIsRefused(t *testing.T) {
	known := filepath.Join(t.TempDir(), "known")
	db, err := pebble.Open(known, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: logger{&engine{provider: New()}}})
	fatal(t, err)
	fatal(t, db.Close())
	unknown := t.TempDir()
	fatal(t, os.WriteFile(filepath.Join(unknown, "marker.format-version.000001.999"), nil, 0o644))
	for dir, version := range map[string]string{known: fmt.Sprint(int(pebble.FormatNewest)), unknown: "999"} {
		_, err := New().Open(dir, "0_3")
		wantError(t, err, ErrNewer, dir, "0_3", version)
	}
}

func TestOpenNamesWhatFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	fatal(t, os.WriteFile(file, nil, 0o644))
	_, err := New().Open(file, "0_3")
	wantError(t, err, nil, file, "0_3")
	p := New(FS(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST") {
			return errorfs.ErrInjected
		}
		return nil
	}))))
	_, err = p.Open("dir", "0_3")
	wantError(t, err, nil, "injected", "dir", "0_3")
	if p.open != 0 {
		t.Errorf("an engine that could not be opened is counted")
	}
}

func TestClosed(t *testing.T) {
	e := open(t, New(FS(vfs.NewMem())), "dir")
	set(t, e, "a", "1")
	s := e.Snapshot()
	fatal(t, s.Close())
	fatal(t, e.Close())
	_, _, getErr := e.Get(nil, []byte("a"))
	_, iterErr := e.Iter(nil, nil, false)
	_, _, snapErr := e.Snapshot().Get(nil, []byte("a"))
	_, oldErr := s.Iter(nil, nil, false)
	for what, err := range map[string]error{
		"get": getErr, "iter": iterErr, "snapshot": snapErr, "closed snapshot": oldErr,
		"apply": e.Apply(&state.Batch{}), "ingest": e.Ingest(nil), "flush": e.Flush(), "close": e.Close(),
	} {
		t.Run(what, func(t *testing.T) { wantError(t, err, ErrClosed, "dir") })
	}
}

// TestReadersMeetClose reads while the engine is closed: each read answers, with the row or with ErrClosed.
func TestReadersMeetClose(t *testing.T) {
	e := open(t, New(FS(vfs.NewMem())), "dir")
	set(t, e, "a", "1")
	var wg, begun sync.WaitGroup
	for range 3 {
		begun.Add(1)
		wg.Go(func() {
			v, _, err := e.Get(nil, []byte("a"))
			for begun.Done(); err == nil; v, _, err = e.Get(v[:0], []byte("a")) {
				if string(v) != "1" {
					t.Errorf("a is %q", v)
				}
			}
			if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	begun.Wait()
	fatal(t, e.Close())
	wg.Wait()
}

// TestSyncs counts the syncs of the log: none for batches, one for a Flush, none for one that finds nothing new.
func TestSyncs(t *testing.T) {
	var syncs atomic.Int64
	e := open(t, New(FS(errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			syncs.Add(1)
		}
		return nil
	})))), "dir")
	for _, step := range []struct {
		what string
		do   func() error
		want int64
	}{
		{"flush of nothing", e.Flush, 0},
		{"apply", func() error { set(t, e, "a", "1"); return nil }, 0},
		{"flush", e.Flush, 1},
		{"second flush", e.Flush, 0},
		{"apply again", func() error { set(t, e, "a", "2"); return nil }, 0},
		{"close", e.Close, 1},
	} {
		before := syncs.Load()
		fatal(t, step.do())
		if n := syncs.Load() - before; n != step.want {
			t.Errorf("%s: %d syncs of the log, want %d", step.what, n, step.want)
		}
	}
}

// TestCloseWithOpenViews breaks the contract: that is an error, and no panic.
func TestCloseWithOpenViews(t *testing.T) {
	e := open(t, New(FS(vfs.NewMem())), "dir")
	set(t, e, "a", "1")
	s := e.Snapshot()
	wantError(t, e.Close(), nil, "dir", "snapshot")
	_, _, err := s.Get(nil, []byte("a"))
	wantError(t, err, ErrClosed)
	fatal(t, s.Close())
}

// TestFullDisk lets writes fail from some moment on: the engine answers with the error from then on, does not panic, and leaves a prefix.
func TestFullDisk(t *testing.T) {
	for _, path := range []string{".log", "MANIFEST", ".sst"} {
		t.Run(path, func(t *testing.T) {
			mem, full := vfs.NewMem(), newSwitch(path)
			var told faults
			e := open(t, New(FS(errorfs.Wrap(mem, full)), MemTable(0), OnError(told.add)), "dir")
			applied, err := applyUntilError(e, full, 3000)
			switch {
			case path == ".log":
				wantError(t, err, nil, "dir", "injected")
				_, _, err := e.Get(nil, []byte("offset"))
				wantError(t, err, nil, "dir", "injected")
				wantError(t, e.Flush(), nil, "dir", "injected")
				wantError(t, e.Close(), nil, "dir", "injected")
			default:
				e.Close()
			}
			if told.count() == 0 {
				t.Errorf("OnError was told nothing")
			}
			e = open(t, New(FS(mem)), "dir")
			defer e.Close()
			if n := recovered(t, e); n < applied || n > applied+1 {
				t.Errorf("%d batches were applied before the disk was full, %d are there", applied, n)
			}
		})
	}
}

// faults counts what OnError is told.
type faults struct {
	mu   sync.Mutex
	errs []error
}

func (f *faults) add(dir string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *faults) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.errs)
}
