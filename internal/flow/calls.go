package flow

import (
	"context"
	"time"
)

// Call is work of the user's that takes long: it is done beside the task.
type Call interface {
	// Run does the work, on any goroutine but the task's. It does not panic, but may end its goroutine.
	Run(ctx context.Context)
	// Done applies what came of it, on the task's goroutine. Any error is fatal.
	Done() error
	// Node is the name of the node that asked.
	Node() string
}

// Calls runs the calls of one task, on goroutines and by a clock that only the shell has. The task's goroutine uses it.
type Calls interface {
	// Start begins to run a call. ctx is the task's: what runs when it ends is not waited for. With a limit above 0 the call's own context ends after that.
	Start(ctx context.Context, c Call, limit time.Duration)
	// Ended returns a call that has ended, each once; false when there is none at the moment.
	Ended() (Call, bool)
}

// asking is a node whose records wait for calls.
type asking interface {
	full() bool  // it should get no more records
	waits() bool // it holds records open
}

// Asks reports whether any node of the task asks: in the others no call can have ended.
func (e *Env) Asks() bool { return len(e.asking) > 0 }

// Full says that a node of the task holds as many records open as it may: the task takes no more until a call has ended.
func (e *Env) Full() bool {
	for _, a := range e.asking {
		if a.full() {
			return true
		}
	}
	return false
}

// Waits says that records of the task wait for calls.
func (e *Env) Waits() bool {
	for _, a := range e.asking {
		if a.waits() {
			return true
		}
	}
	return false
}
