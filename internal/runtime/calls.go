package runtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/internal/flow"
)

// calls runs the calls of one task (flow.Calls), each on a goroutine of its own, which lives as long as the user's code takes: nobody waits for it when the task is
// gone, and what it brings then is dropped.
type calls struct {
	wake  func()       // the worker
	n     atomic.Int64 // of ended
	mu    sync.Mutex
	ended []flow.Call // guarded by mu
	taken []flow.Call // that were in ended; the task's goroutine hands them out, the first at next
	next  int
}

// Start is flow.Calls'.
func (c *calls) Start(ctx context.Context, call flow.Call, limit time.Duration) {
	go c.run(ctx, call, limit)
}

func (c *calls) run(ctx context.Context, call flow.Call, limit time.Duration) {
	defer c.end(ctx, call) // also where the call ends its goroutine
	if limit <= 0 {
		call.Run(ctx)
		return
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	call.Run(limited)
}

// end hands a call back. The worker need be woken only for the first: it takes all.
func (c *calls) end(ctx context.Context, call flow.Call) {
	if ctx.Err() != nil {
		return
	}
	if c.add(call) == 1 {
		c.wake()
	}
}

func (c *calls) add(call flow.Call) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = append(c.ended, call)
	c.n.Store(int64(len(c.ended)))
	return len(c.ended)
}

// Ended is flow.Calls'.
func (c *calls) Ended() (flow.Call, bool) {
	if c.next == len(c.taken) && !c.more() {
		return nil, false
	}
	call := c.taken[c.next]
	c.taken[c.next] = nil
	c.next++
	return call, true
}

// more takes over what has ended since.
func (c *calls) more() bool {
	if c.n.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken, c.ended = c.ended, c.taken[:0]
	c.n.Store(0)
	c.next = 0
	return true
}

// any says whether a call has ended and is not handed out.
func (c *calls) any() bool { return c.next < len(c.taken) || c.n.Load() > 0 }
