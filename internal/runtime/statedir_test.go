package runtime

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func openedDir(t *testing.T, path string) *stateDir {
	t.Helper()
	d, err := openStateDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func claimed(t *testing.T, d *stateDir, task string) *lease {
	t.Helper()
	l, err := d.claim(t.Context(), task)
	if err != nil {
		t.Error(err)
	}
	return l
}

// The process id outlives the process: transactional ids and assignments hang on it.
func TestProcessIDIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	d := openedDir(t, path)
	first := d.process
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	d = openedDir(t, path)
	defer d.close()
	if d.process != first || first == [16]byte{} {
		t.Errorf("%x became %x", first, d.process)
	}
	other := openedDir(t, t.TempDir())
	defer other.close()
	if other.process == first {
		t.Error("two directories have one id")
	}
}

// A process that died before its id was whole on disk left none that counts.
func TestHalfAnIdentityDoesNotCount(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "process-id.tmp"), []byte("0123"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := openedDir(t, path)
	defer d.close()
	if d.process == [16]byte{} {
		t.Error("there is no id")
	}
}

func TestTornProcessIDIsAnError(t *testing.T) {
	for _, text := range []string{"", "\n", "0123456789abcdef\n", "not a process id but long enough to be", strings.Repeat("0", 31) + "\n"} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "process-id"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := openStateDir(path)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(path, "process-id")) {
			t.Errorf("%q: %v", text, err)
		}
		if d != nil {
			t.Errorf("%q: opened", text)
		}
		if err := os.Remove(filepath.Join(path, "process-id")); err != nil {
			t.Fatal(err)
		}
		openedDir(t, path).close() // the lock was given back
	}
}

func TestSecondOwnerIsRefused(t *testing.T) {
	path := t.TempDir()
	d := openedDir(t, path)
	defer d.close()
	if _, err := openStateDir(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("%v", err)
	}
}

// The same with another process, which is this test again.
func TestSecondProcessIsRefused(t *testing.T) {
	if path := os.Getenv("WEIR_TEST_STATE_DIR"); path != "" {
		if _, err := openStateDir(path); err != nil {
			os.Stdout.WriteString("refused: " + err.Error())
		}
		return
	}
	path := t.TempDir()
	d := openedDir(t, path)
	out, err := openElsewhere(path)
	if err != nil || !bytes.Contains(out, []byte("refused: ")) || !bytes.Contains(out, []byte("another process uses it")) {
		t.Errorf("%v: %s", err, out)
	}
	d.close()
	if out, err = openElsewhere(path); err != nil || bytes.Contains(out, []byte("refused")) {
		t.Errorf("after the first has closed: %v: %s", err, out)
	}
}

func openElsewhere(path string) ([]byte, error) {
	child := exec.Command(os.Args[0], "-test.run=^TestSecondProcessIsRefused$")
	child.Env = append(os.Environ(), "WEIR_TEST_STATE_DIR="+path)
	return child.CombinedOutput()
}

func TestTasksAreTheDirectoriesOfTasks(t *testing.T) {
	d := openedDir(t, t.TempDir())
	for _, name := range []string{"0_0", "1_12", "nothing", "0_x"} {
		if err := os.Mkdir(filepath.Join(d.path, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.path, "2_2"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d.close()
	d = openedDir(t, d.path)
	defer d.close()
	if got := d.tasks(); !slices.Equal(got, []string{"0_0", "1_12"}) {
		t.Errorf("%v", got)
	}
}

// A task passes from worker to worker within a process: the next waits until the former has given its directory back.
func TestClaimWaitsForTheFormerOwner(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := openedDir(t, path)
		defer d.close()
		first := claimed(t, d, "0_0")
		if first.dir != filepath.Join(path, "0_0") {
			t.Fatal(first.dir)
		}
		got := make(chan *lease, 1)
		go func() { got <- claimed(t, d, "0_0") }()
		claimed(t, d, "0_1").free() // others need not wait
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("two owners")
		default:
		}
		first.free()
		next := <-got
		first.free() // again, and late: it is another's by now
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.claim(ctx, "0_0"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a lease that was given back twice gave a directory away: %v", err)
		}
		next.free()
	})
}

func TestOneOwnerAtATime(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := openedDir(t, path)
		defer d.close()
		var owners, most atomic.Int32
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				l := claimed(t, d, "0_0")
				most.Store(max(most.Load(), owners.Add(1)))
				time.Sleep(time.Second)
				owners.Add(-1)
				l.free()
			})
		}
		group.Wait()
		if most.Load() != 1 {
			t.Errorf("%d owners at once", most.Load())
		}
	})
}
