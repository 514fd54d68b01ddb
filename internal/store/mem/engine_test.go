package mem_test

import (
	"errors"
	"testing"

	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/enginetest"
)

func TestEngine(t *testing.T) {
	enginetest.Run(t, func(t *testing.T) state.Engine { return mem.New() })
}

func TestDisk(t *testing.T) {
	var disk mem.Disk
	enginetest.RunDurable(t, func(t *testing.T, dir string) state.Engine { return open(t, &disk, dir) })
}

func open(t *testing.T, p state.Provider, dir string) state.Engine {
	t.Helper()
	e, err := p.Open(dir, "0_0")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func set(t *testing.T, e state.Engine, key, value string) {
	t.Helper()
	var b state.Batch
	b.Set([]byte(key), []byte(value))
	if err := e.Apply(&b); err != nil {
		t.Fatal(err)
	}
}

func TestDiskRefusesASecondEngine(t *testing.T) {
	var disk mem.Disk
	e := open(t, &disk, "d")
	if _, err := disk.Open("d", "0_0"); err == nil {
		t.Fatal("a directory was opened twice")
	}
	open(t, &disk, "other")
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, &disk, "d")
}

func TestDiskRemove(t *testing.T) {
	var disk mem.Disk
	e := open(t, &disk, "d")
	set(t, e, "a", "1")
	e.Close()
	disk.Remove("d")
	if _, ok, _ := open(t, &disk, "d").Get(nil, []byte("a")); ok {
		t.Fatal("a row survived Remove")
	}
}

func TestProviderForgets(t *testing.T) {
	e := open(t, mem.Provider{}, "d")
	set(t, e, "a", "1")
	e.Close()
	if _, ok, _ := open(t, mem.Provider{}, "d").Get(nil, []byte("a")); ok {
		t.Fatal("a row survived Close")
	}
}

func TestClosedAndUnsupported(t *testing.T) {
	e := mem.New()
	if err := e.Ingest([]string{"x.sst"}); err == nil {
		t.Error("a file was ingested")
	}
	if err := e.Ingest(nil); err != nil {
		t.Error(err)
	}
	e.Close()
	_, _, get := e.Get(nil, []byte("a"))
	_, iter := e.Iter(nil, nil, false)
	_, _, snap := e.Snapshot().Get(nil, []byte("a"))
	for what, err := range map[string]error{"get": get, "iter": iter, "snapshot": snap, "apply": e.Apply(&state.Batch{}), "flush": e.Flush(), "close": e.Close()} {
		if !errors.Is(err, mem.ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}
