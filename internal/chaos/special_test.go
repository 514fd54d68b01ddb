package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A worker that is stuck in user code is taken out of the group: another goes on with its tasks while it is stuck, and what it does when it
// wakes counts nowhere.
func TestWatchdog(t *testing.T) {
	for _, p := range plans {
		t.Run(p.String(), func(t *testing.T) {
			p.rounds = 1
			stuck := 10 * time.Minute
			p.sabotage = func(w *world) {
				time.AfterFunc(2*time.Second, func() {
					w.mu.Lock()
					w.dawdle = stuck
					w.mu.Unlock()
				})
			}
			if _, err := run(t, cachedCount(), p, 1); err != nil {
				t.Error(err)
			}
		})
	}
}

// At least once somebody else may write to a changelog: the task takes in what it finds there and goes on.
func TestForeignWriter(t *testing.T) {
	p := plans[0]
	p.rounds = 1
	p.sabotage = func(w *world) {
		time.AfterFunc(3*time.Second, func() {
			for i := range partitions {
				w.write([]*kgo.Record{{Topic: app + "-counts-changelog", Partition: int32(i), Key: []byte("foreign"), Value: make([]byte, 8), Timestamp: epoch}})
			}
			w.count("foreign records")
		})
	}
	counts, err := run(t, everyCount(), p, 1)
	if err != nil || counts["foreign records"] == 0 {
		t.Error(shown(counts), err)
	}
}

// The whole group is away from its broker for longer than any time-out; then it goes on.
func TestOutage(t *testing.T) {
	for _, p := range plans {
		for _, d := range []time.Duration{20 * time.Second, 70 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprint(p, ", ", d), func(t *testing.T) {
				p.rounds = 1
				p.sabotage = func(w *world) {
					w.busy.Go(func() { time.Sleep(3 * time.Second); w.away(d) })
				}
				counts, err := run(t, everyCount(), p, 1)
				if err != nil || counts["outages"] == 0 {
					t.Error(shown(counts), err)
				}
			})
		}
	}
}

// Leaders that move while their logs are empty, since what was consumed is purged: a broker that has no epoch to go by says that the log was
// cut off, which it was not.
func TestLeadersMove(t *testing.T) {
	for _, p := range plans {
		t.Run(p.String(), func(t *testing.T) {
			p.rounds = 2
			p.sabotage = func(w *world) {
				w.busy.Go(func() {
					for range 3 {
						time.Sleep(time.Minute) // what is consumed is purged
						w.moveCoordinators(nil)
						w.count("moves")
					}
				})
			}
			counts, err := run(t, paying(), p, 1)
			if err != nil || counts["moves"] == 0 {
				t.Error(shown(counts), err)
			}
		})
	}
}
