package runtime

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/flow"
)

// work is a call that does something.
type work func(ctx context.Context)

func (w work) Run(ctx context.Context) { w(ctx) }
func (work) Done() error               { return nil }
func (work) Node() string              { return "node" }

// cameBack counts the calls that can be had at the moment.
func cameBack(c *calls) (n int) {
	for _, ok := c.Ended(); ok; _, ok = c.Ended() {
		n++
	}
	return n
}

// Every call comes back once, and the worker is woken for it.
func TestCallsComeBack(t *testing.T) {
	const all = 2000
	wakes := make(chan struct{}, all)
	c := &calls{wake: func() { wakes <- struct{}{} }}
	for i := range all {
		c.Start(t.Context(), work(func(context.Context) {
			if i%10 == 0 {
				runtime.Goexit()
			}
		}), time.Duration(i%2)*time.Hour)
	}
	for n := 0; n < all; n += cameBack(c) {
		<-wakes
	}
	if c.any() {
		t.Error("there is more")
	}
}

// A call's context ends with its time-out, or the task's; what ends after the task is dropped.
func TestCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var woken, running atomic.Int64
		c := &calls{wake: func() { woken.Add(1) }}
		task, end := context.WithCancel(t.Context())
		var errs sync.Map
		wait := func(name string) flow.Call {
			running.Add(1)
			return work(func(ctx context.Context) {
				<-ctx.Done()
				errs.Store(name, ctx.Err())
				running.Add(-1)
			})
		}
		c.Start(task, wait("short"), time.Second)
		c.Start(task, wait("long"), 0)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err, _ := errs.Load("short"); err != context.DeadlineExceeded || running.Load() != 1 || woken.Load() != 1 || !c.any() || cameBack(c) != 1 {
			t.Errorf("after its time-out: %v, %d run, woken %d times", err, running.Load(), woken.Load())
		}
		end()
		synctest.Wait()
		if err, _ := errs.Load("long"); err != context.Canceled || running.Load() != 0 || woken.Load() != 1 || cameBack(c) != 0 {
			t.Errorf("after its task: %v, %d run, woken %d times", err, running.Load(), woken.Load())
		}
	})
}
