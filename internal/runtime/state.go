package runtime

import (
	"fmt"
	"sync"
	"time"
)

// State is where an app is in its life.
//
//	created ──> rebalancing <──> restoring <──> running
//	               │   └────────────┬────────────┘
//	               └────────────────┴──> stopping ──> stopped | failed
type State uint8

// The states.
const (
	Created State = iota
	Rebalancing
	Restoring
	Running
	Stopping
	Stopped
	Failed
)

// String is the state's name.
func (s State) String() string {
	return [...]string{"created", "rebalancing", "restoring", "running", "stopping", "stopped", "failed"}[s]
}

// lifecycle is the app's state, made of its workers'. Any goroutine may use it.
type lifecycle struct {
	mu      sync.Mutex
	state   State
	since   time.Time // when it became the state
	workers []State
	tell    func(from, to State)
	queue   [][2]State
	telling bool
}

func newLifecycle(workers int, tell func(from, to State)) *lifecycle {
	return &lifecycle{workers: make([]State, workers), tell: tell}
}

func (l *lifecycle) get() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// runningSince is when the app became running; false when it does not run.
func (l *lifecycle) runningSince() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since, l.state == Running
}

// worker notes the state of a worker. The app is in the least advanced state of its workers: running when all are.
func (l *lifecycle) worker(i int, s State) {
	l.mu.Lock()
	l.workers[i] = s
	least := Running
	for _, w := range l.workers {
		least = min(least, max(w, Rebalancing))
	}
	if l.state < Stopping {
		l.become(least)
	}
	l.flush()
}

func (l *lifecycle) becomeRebalancing() { l.move(Rebalancing) }
func (l *lifecycle) becomeStopping()    { l.move(Stopping) }
func (l *lifecycle) becomeStopped()     { l.move(Stopped) }
func (l *lifecycle) becomeFailed()      { l.move(Failed) }

func (l *lifecycle) move(to State) {
	l.mu.Lock()
	l.become(to)
	l.flush()
}

// become changes the state; the lock is held. A way that the diagram does not have is a mistake of ours.
func (l *lifecycle) become(to State) {
	from := l.state
	if from == to {
		return
	}
	if !legal(from, to) {
		panic(fmt.Sprintf("runtime: app %s cannot become %s", from, to))
	}
	l.state, l.since = to, time.Now()
	l.queue = append(l.queue, [2]State{from, to})
}

func legal(from, to State) bool {
	switch to {
	case Rebalancing:
		return from <= Running
	case Restoring, Running:
		return from >= Rebalancing && from <= Running
	case Stopping:
		return from <= Running
	case Stopped, Failed:
		return from == Stopping
	}
	return false
}

// flush tells the listener of changes, in order, by one goroutine at a time, without the lock; it gives the lock back.
func (l *lifecycle) flush() {
	if l.tell == nil || l.telling {
		if l.tell == nil {
			l.queue = nil
		}
		l.mu.Unlock()
		return
	}
	l.telling = true
	for len(l.queue) > 0 {
		c := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		l.tell(c[0], c[1])
		l.mu.Lock()
	}
	l.telling = false
	l.mu.Unlock()
}
