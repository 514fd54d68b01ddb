package runtime

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/state/pebble"
)

// keeper closes stores for which no next owner came, and deletes the state of tasks that other processes have for long (Kafka's
// state.cleanup.delay.ms). It deletes only while the app runs: before, and during a rebalance, nobody knows which tasks stay.
func (r *Runtime) keeper(ctx context.Context) {
	for {
		now := time.Now()
		r.dir.empty(r.c.Log)
		if err := r.dir.closeParked(now.Add(-handOver)); err != nil {
			r.fault(err)
		}
		if since, ok := r.life.runningSince(); ok {
			r.dir.deleteIdle(now, since, r.c.CleanupDelay, r.c.Log)
		}
		timer := time.NewTimer(r.dir.quiet(now))
		select {
		case <-timer.C:
		case <-r.dir.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// quiet is how long there is surely nothing to close; what is to be deleted can wait for a while.
func (d *stateDir) quiet(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	most := tidyEvery
	for _, s := range d.slots {
		if s.parked != nil {
			most = min(most, s.since.Add(handOver).Sub(now))
		}
	}
	return max(most, time.Millisecond)
}

// deleteIdle deletes the directories that nobody has had for the delay, counted from a time on at the earliest.
func (d *stateDir) deleteIdle(now, from time.Time, delay time.Duration, log *zap.Logger) {
	for _, task := range d.idle(now, from, delay) {
		if d.delete(task, log) {
			log.Info("state directory deleted: its task is elsewhere", zap.String("task", task), zap.String("dir", filepath.Join(d.path, task)), zap.Duration("delay", delay))
		}
	}
}

// delete deletes a task's directory, unless somebody has come for it.
func (d *stateDir) delete(task string, log *zap.Logger) (gone bool) {
	dir := filepath.Join(d.path, task)
	err := d.remove(dir + trash)
	if err == nil {
		gone, err = d.discard(task)
	}
	if err == nil && gone {
		err = d.remove(dir + trash)
	}
	if err != nil {
		log.Warn("a state directory could not be deleted whole; it is tried again", zap.String("dir", dir), zap.Error(err))
	}
	return gone
}

func (d *stateDir) idle(now, from time.Time, delay time.Duration) (tasks []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for task, s := range d.slots {
		since := s.since
		if from.After(since) {
			since = from
		}
		if s.idle() && now.Sub(since) >= delay {
			tasks = append(tasks, task)
		}
	}
	slices.Sort(tasks)
	return tasks
}

// idle says that there is a directory that nobody has; mu is held.
func (s *slot) idle() bool { return s.exists && s.taken == nil && s.parked == nil }

// discard takes a directory's name away, at once and whole, unless somebody has come for it. What is deleted later, under another name, is no
// task's: one that comes back meanwhile makes a new directory, and restores all of it.
func (d *stateDir) discard(task string) (gone bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[task]
	if !s.idle() {
		return false, nil
	}
	s.since = time.Now() // of the next try
	dir := filepath.Join(d.path, task)
	if err := unlocked(dir); err != nil {
		return false, err
	}
	if err := os.Rename(dir, dir+trash); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	s.exists, s.at = false, -1
	return true, nil
}

// unlocked fails when somebody, such as a tool that looks into it, has a directory's database open.
func unlocked(dir string) error {
	file := filepath.Join(dir, "LOCK")
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	lock, err := pebble.Lock(file)
	if err != nil {
		return err
	}
	return lock.Close()
}

// empty deletes what is left of directories whose deletion failed, or was ended by the end of a process.
func (d *stateDir) empty(log *zap.Logger) {
	left, _ := filepath.Glob(filepath.Join(d.path, "*"+trash))
	for _, dir := range left {
		if err := d.remove(dir); err != nil {
			log.Warn("a state directory could not be deleted whole; it is tried again", zap.String("dir", dir), zap.Error(err))
		}
	}
}

// deleteOlder deletes at the start what was last written longer ago (Kafka's state.cleanup.dir.max.age.ms): after such a time a changelog may
// have forgotten deletions, which a restore of its tail would miss.
func (d *stateDir) deleteOlder(now time.Time, age time.Duration, log *zap.Logger) {
	for _, task := range d.tasks() {
		if written := lastWritten(filepath.Join(d.path, task)); now.Sub(written) > age {
			if d.delete(task, log) {
				log.Info("state directory deleted: it is too old", zap.String("task", task), zap.String("dir", filepath.Join(d.path, task)), zap.Time("written", written))
			}
		}
	}
}

// lastWritten is when a file in a directory was last written.
func lastWritten(dir string) (last time.Time) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return nil
	})
	return last
}
