package runtime

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var states = []State{Created, Rebalancing, Restoring, Running, Stopping, Stopped, Failed}

// ways is the diagram of State once more, as a list.
var ways = map[State][]State{
	Created:     {Rebalancing, Stopping},
	Rebalancing: {Restoring, Running, Stopping},
	Restoring:   {Rebalancing, Running, Stopping},
	Running:     {Rebalancing, Restoring, Stopping},
	Stopping:    {Stopped, Failed},
}

func TestWaysOfAnApp(t *testing.T) {
	for _, from := range states {
		for _, to := range states {
			l := &lifecycle{state: from}
			err := guarded(func() error { l.move(to); return nil })
			switch want := from == to || slices.Contains(ways[from], to); {
			case want != (err == nil):
				t.Errorf("from %s to %s: %v", from, to, err)
			case want && l.get() != to:
				t.Errorf("from %s to %s: is %s", from, to, l.get())
			}
		}
	}
}

// The app is in the least advanced state of its workers, whatever order they come in, and nothing a worker says calls it back from its end.
func TestAppIsItsSlowestWorker(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "workers")
		l := newLifecycle(n, nil)
		l.becomeRebalancing()
		model := make([]State, n)
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			i, s := rapid.IntRange(0, n-1).Draw(t, "worker"), rapid.SampledFrom([]State{Rebalancing, Restoring, Running}).Draw(t, "state")
			l.worker(i, s)
			model[i] = s
			if want := max(slices.Min(model), Rebalancing); l.get() != want {
				t.Fatalf("workers %v: the app is %s", model, l.get())
			}
		}
		l.becomeStopping()
		l.worker(0, Rebalancing)
		if l.get() != Stopping {
			t.Fatalf("a worker made a stopping app %s", l.get())
		}
	})
}

// A listener hears of each change once, in order, and by one goroutine at a time; it may ask for the state.
func TestListenerHearsEachChange(t *testing.T) {
	var l *lifecycle
	var mu sync.Mutex
	var heard [][2]State
	inside := 0
	l = newLifecycle(4, func(from, to State) {
		mu.Lock()
		inside++
		if inside > 1 {
			t.Error("two changes are told at once")
		}
		heard = append(heard, [2]State{from, to})
		mu.Unlock()
		_ = l.get()
		time.Sleep(time.Microsecond)
		mu.Lock()
		inside--
		mu.Unlock()
	})
	l.becomeRebalancing()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for _, s := range []State{Restoring, Running, Rebalancing, Restoring, Running} {
				l.worker(i, s)
			}
		})
	}
	group.Wait()
	l.becomeStopping()
	l.becomeStopped()
	for i, c := range heard {
		if i > 0 && heard[i-1][1] != c[0] {
			t.Errorf("after %v comes %v", heard[i-1], c)
		}
		if !slices.Contains(ways[c[0]], c[1]) {
			t.Errorf("heard %v", c)
		}
	}
	if last := heard[len(heard)-1]; last != [2]State{Stopping, Stopped} {
		t.Errorf("the last is %v", last)
	}
}

func TestStatesHaveNames(t *testing.T) {
	if got := fmt.Sprint(states); got != "[created rebalancing restoring running stopping stopped failed]" {
		t.Error(got)
	}
}
