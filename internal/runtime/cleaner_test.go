package runtime

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state/pebble"
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// directories makes and frees directories of tasks, each with a file.
func directories(t *testing.T, d *stateDir, tasks ...string) {
	t.Helper()
	for _, task := range tasks {
		l := claimed(t, d, task)
		if err := os.WriteFile(filepath.Join(l.dir, "rows"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		l.at(7)
		l.free()
	}
}

// opened opens a store in memory whose closing is counted.
func opened(t *testing.T, disk *mem.Disk) *store.Set {
	t.Helper()
	e, err := disk.Open("dir", "0_0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(e, nil, []*rows.Spec{rows.NewKeyValue("sums", serde.String(), serde.Int64())})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func inDir(t *testing.T, run func(t *testing.T, d *stateDir)) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := openedDir(t, path)
		run(t, d)
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
}

const delay = 10 * time.Minute

func TestIdleDirectoriesAreDeletedAfterTheDelay(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		core, logs := observer.New(zap.InfoLevel)
		log := zap.New(core)
		running := time.Now()
		directories(t, d, "0_0", "0_1", "0_2", "0_3")
		busy, parked := claimed(t, d, "0_1"), claimed(t, d, "0_2")
		parked.park(opened(t, &mem.Disk{}))
		if err := os.Mkdir(filepath.Join(d.path, "no task"), 0o755); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay - time.Second)
		claimed(t, d, "0_3").free() // it was used in between
		d.deleteIdle(time.Now(), running, delay, log)
		if logs.Len() > 0 || !exists(filepath.Join(d.path, "0_0")) {
			t.Errorf("deleted too early: %v", logs.All())
		}
		time.Sleep(time.Second)
		d.deleteIdle(time.Now(), running.Add(time.Second), delay, log)
		if logs.Len() > 0 {
			t.Errorf("deleted before the app ran for the delay: %v", logs.All())
		}
		d.deleteIdle(time.Now(), running, delay, log)
		if got := d.tasks(); !slices.Equal(got, []string{"0_1", "0_2", "0_3"}) || exists(filepath.Join(d.path, "0_0")) || exists(filepath.Join(d.path, "0_0.deleted")) {
			t.Errorf("left are %v", got)
		}
		all := logs.FilterMessage("state directory deleted: its task is elsewhere").All()
		if len(all) != 1 || logs.Len() != 1 || all[0].ContextMap()["task"] != "0_0" {
			t.Errorf("log: %v", logs.All())
		}
		if _, known := d.positions()[assign.TaskID{}]; known {
			t.Error("the leader is told of state that is gone")
		}
		time.Sleep(2 * delay)
		d.deleteIdle(time.Now(), running, delay, log)
		if got := d.tasks(); !slices.Equal(got, []string{"0_1", "0_2"}) || !exists(filepath.Join(d.path, "no task")) {
			t.Errorf("left are %v", got)
		}
		busy.free()
	})
}

// While a group forms, or brokers are away, nobody knows which tasks stay: the delay begins when the app runs.
func TestNothingIsDeletedBeforeTheAppRuns(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		r := New(Config{Workers: 1, CleanupDelay: delay, Log: zap.NewNop()})
		r.dir = d
		directories(t, d, "0_0")
		ctx, stop := context.WithCancel(t.Context())
		var keeper sync.WaitGroup
		keeper.Go(func() { r.keeper(ctx) })
		r.life.becomeRebalancing()
		time.Sleep(10 * delay)
		r.life.worker(0, Running)
		time.Sleep(delay - 2*tidyEvery)
		if !exists(filepath.Join(d.path, "0_0")) {
			t.Error("deleted too early")
		}
		r.life.worker(0, Restoring) // it begins anew
		time.Sleep(delay)
		r.life.worker(0, Running)
		time.Sleep(delay - 2*tidyEvery)
		if !exists(filepath.Join(d.path, "0_0")) {
			t.Error("deleted too early after a restore")
		}
		time.Sleep(3 * tidyEvery)
		if exists(filepath.Join(d.path, "0_0")) {
			t.Error("not deleted")
		}
		stop()
		keeper.Wait()
	})
}

// A directory whose database somebody has open stays.
func TestLockedDirectoriesAreKept(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		directories(t, d, "0_0")
		dir := filepath.Join(d.path, "0_0")
		e, err := pebble.New().Open(dir, "0_0")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		core, logs := observer.New(zap.InfoLevel)
		d.deleteIdle(time.Now(), time.Time{}, delay, zap.New(core))
		if !exists(dir) || logs.FilterLevelExact(zap.WarnLevel).Len() != 1 {
			t.Errorf("log: %v", logs.All())
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		d.deleteIdle(time.Now(), time.Time{}, delay, zap.NewNop())
		if !exists(dir) {
			t.Error("it is not tried again at once")
		}
		time.Sleep(delay)
		d.deleteIdle(time.Now(), time.Time{}, delay, zap.NewNop())
		if exists(dir) {
			t.Error("it was not tried again")
		}
	})
}

// A task that comes back just while its directory is deleted gets a new one at once, which the deletion leaves alone.
func TestATaskComesBackWhileItsDirectoryIsDeleted(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		directories(t, d, "0_0")
		time.Sleep(delay)
		slow := make(chan struct{})
		d.remove = func(dir string) error {
			if exists(dir) {
				<-slow
			}
			return os.RemoveAll(dir)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.deleteIdle(time.Now(), time.Time{}, delay, zap.NewNop())
		}()
		synctest.Wait()
		if !exists(filepath.Join(d.path, "0_0.deleted")) {
			t.Fatal("the deletion has not begun")
		}
		l := claimed(t, d, "0_0")
		if exists(filepath.Join(l.dir, "rows")) {
			t.Error("the task got what was deleted")
		}
		if err := os.WriteFile(filepath.Join(l.dir, "new"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		close(slow)
		<-done
		if !exists(filepath.Join(l.dir, "new")) || exists(filepath.Join(d.path, "0_0.deleted")) {
			t.Error("the deletion took the new directory, or left the old one")
		}
		l.free()
		if got := d.tasks(); !slices.Equal(got, []string{"0_0"}) {
			t.Errorf("tasks %v", got)
		}
	})
}

// Whoever has a directory has it alone, however often it is deleted between owners.
func TestOwnersAgainstTheCleaner(t *testing.T) {
	d := openedDir(t, t.TempDir())
	defer d.close()
	deleted := 0
	faults := d.contended(t, func() {
		for _, task := range d.idle(time.Now(), time.Time{}, 0) {
			if d.delete(task, zap.NewNop()) {
				deleted++
			}
		}
	})
	if faults > 0 || deleted == 0 {
		t.Errorf("%d directories were deleted, %d while they had an owner", deleted, faults)
	}
}

func TestACleanerThatDoesNotLookIsNoticed(t *testing.T) {
	d := openedDir(t, t.TempDir())
	defer d.close()
	if d.contended(t, func() { _ = os.RemoveAll(filepath.Join(d.path, "0_0")) }) == 0 {
		t.Error("directories were deleted while they had an owner, and nobody noticed")
	}
}

// contended lets owners take turns while something cleans, and counts what was taken from under them.
func (d *stateDir) contended(t *testing.T, clean func()) (faults int64) {
	stop := make(chan struct{})
	var cleaner, owners sync.WaitGroup
	cleaner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				clean()
			}
		}
	})
	var lost atomic.Int64
	for n := range 3 {
		owners.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			pause := func() { time.Sleep(time.Duration(r.IntN(100)) * time.Microsecond) } // any order of things may happen
			for range 100 {
				pause()
				l := claimed(t, d, []string{"0_0", "0_1"}[r.IntN(2)])
				file := filepath.Join(l.dir, "rows")
				err := os.WriteFile(file, nil, 0o644)
				pause()
				if err != nil || !exists(file) {
					lost.Add(1)
				}
				l.free()
			}
		})
	}
	owners.Wait()
	close(stop)
	cleaner.Wait()
	return lost.Load()
}

// What a process that died was deleting is deleted by the next.
func TestHalfDeletedDirectoriesAreDeleted(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		half := filepath.Join(d.path, "0_0.deleted")
		if err := os.MkdirAll(filepath.Join(half, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		again := d.remove
		d.remove = func(string) error { return errors.New("busy") }
		core, logs := observer.New(zap.WarnLevel)
		d.empty(zap.New(core))
		if logs.Len() != 1 || !exists(half) {
			t.Errorf("log %v", logs.All())
		}
		d.remove = again
		d.empty(zap.NewNop())
		if exists(half) || len(d.tasks()) > 0 {
			t.Error("it is still there")
		}
	})
}

func TestOldStateIsDeletedAtTheStart(t *testing.T) {
	d := openedDir(t, t.TempDir())
	defer d.close()
	directories(t, d, "0_0", "0_1", "0_2")
	old := time.Now().Add(-25 * time.Hour)
	for _, name := range []string{"0_0", "0_0/rows", "0_1"} { // of 0_1 a file is younger
		if err := os.Chtimes(filepath.Join(d.path, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	core, logs := observer.New(zap.InfoLevel)
	d.deleteOlder(time.Now(), 24*time.Hour, zap.New(core))
	if got := d.tasks(); !slices.Equal(got, []string{"0_1", "0_2"}) || logs.Len() != 1 {
		t.Errorf("left are %v, log %v", got, logs.All())
	}
}

// Open stores pass to the next owner in the process, once; when none comes in time they are closed.
func TestParkedStoresAreHandedOver(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		disk := &mem.Disk{}
		l := claimed(t, d, "0_0")
		if l.held != nil {
			t.Error("a first owner got stores")
		}
		stores := opened(t, disk)
		got := make(chan *lease, 1)
		go func() { got <- claimed(t, d, "0_0") }() // it waits already
		synctest.Wait()
		l.park(stores)
		next := <-got
		if next.held != stores {
			t.Error("other stores")
		}
		if err := d.closeParked(time.Now()); err != nil {
			t.Error(err)
		}
		if _, ok := stores.Store("sums"); !ok {
			t.Error("no store")
		}
		next.park(stores)
		if n := d.quiet(time.Now()); n != handOver {
			t.Errorf("it is looked after %v", n)
		}
		time.Sleep(handOver - time.Second)
		if err := d.closeParked(time.Now().Add(-handOver)); err != nil || !isOpen(disk) {
			t.Errorf("closed too early, or %v", err)
		}
		time.Sleep(time.Second)
		if err := d.closeParked(time.Now().Add(-handOver)); err != nil || isOpen(disk) {
			t.Errorf("still open, or %v", err)
		}
		last := claimed(t, d, "0_0")
		if last.held != nil {
			t.Error("closed stores were handed over")
		}
		last.park(opened(t, disk))
		if err := d.closeParked(time.Now()); err != nil || isOpen(disk) {
			t.Errorf("the end leaves stores open, or %v", err)
		}
	})
}

func isOpen(disk *mem.Disk) bool {
	e, err := disk.Open("dir", "0_0")
	if err == nil {
		_ = e.Close()
	}
	return err != nil
}

// A directory is its former owner's as long as somebody looks into the stores there.
func TestViewsKeepADirectory(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		l := claimed(t, d, "0_0")
		stores := opened(t, &mem.Disk{})
		_, release, err := stores.View("sums")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.close(stores); err != nil {
			t.Fatal(err)
		}
		if other, _ := d.take("0_0"); other != nil {
			t.Error("a directory with open files was given away")
		}
		if err := release(); err != nil {
			t.Fatal(err)
		}
		claimed(t, d, "0_0").free()
	})
}

func TestPositions(t *testing.T) {
	inDir(t, func(t *testing.T, d *stateDir) {
		directories(t, d, "0_0", "0_1", "0_2")
		claimed(t, d, "0_1").run()
		claimed(t, d, "0_3") // new, and nobody knows yet
		back := claimed(t, d, "0_2")
		back.run()
		back.at(9)
		memory, err := d.borrow(t.Context(), "1_0")
		if err != nil {
			t.Fatal(err)
		}
		memory.at(5)
		if other, err := d.borrow(t.Context(), "1_0"); other != nil || err != nil {
			t.Errorf("two have what is in memory, or %v", err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := d.borrow(ended, "1_0"); !errors.Is(err, context.Canceled) {
			t.Errorf("who is called off is told %v", err)
		}
		want := map[assign.TaskID]int64{{}: 7, {Partition: 1}: assign.Latest, {Partition: 2}: 9, {Sub: 1}: 5}
		if got := d.positions(); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		memory.free()
		if exists(filepath.Join(d.path, "1_0")) {
			t.Error("stores in memory have a directory")
		}
		delete(want, assign.TaskID{Sub: 1})
		if got := d.positions(); !maps.Equal(got, want) {
			t.Errorf("what was in memory is gone: %v, want %v", got, want)
		}
	})
}
