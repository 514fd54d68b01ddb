package weirtest

import (
	"context"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/flow"
)

// calls runs the calls of one task (flow.Calls). They run on goroutines, and count as ended in the order in which they began, when the driver says so.
type calls struct {
	running []begun
	ended   []flow.Call
	group   sync.WaitGroup
}

type begun struct {
	call flow.Call
	done chan struct{}
}

// Start is flow.Calls'.
func (c *calls) Start(ctx context.Context, call flow.Call, limit time.Duration) {
	b := begun{call, make(chan struct{})}
	c.running = append(c.running, b)
	c.group.Go(func() {
		defer close(b.done)
		if limit <= 0 {
			call.Run(ctx)
			return
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		call.Run(limited)
	})
}

// Ended is flow.Calls'.
func (c *calls) Ended() (flow.Call, bool) {
	if len(c.ended) == 0 {
		return nil, false
	}
	call := c.ended[0]
	c.ended = c.ended[1:]
	return call, true
}

// await waits for the call that began first; false where none runs.
func (c *calls) await() bool {
	if len(c.running) == 0 {
		return false
	}
	b := c.running[0]
	c.running = c.running[1:]
	<-b.done
	c.ended = append(c.ended, b.call)
	return true
}

// wait waits until none runs any more.
func (c *calls) wait() { c.group.Wait() }
