package chaos

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/kafka"
)

func TestCalm(t *testing.T) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", eos), func(t *testing.T) {
			counts, err := run(t, everyCount(), plan{exactlyOnce: eos, processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 1}, 1)
			if err != nil {
				t.Error(err)
			}
			t.Log(shown(counts))
		})
	}
}

// TestChaos runs every scene under both guarantees.
func TestChaos(t *testing.T) {
	for _, s := range []func() *scene{everyCount, cachedCount, paying, sieving, asking} {
		for _, p := range plans {
			p.rounds, p.deeds = 3, 6
			t.Run(fmt.Sprintf("%s, %s", s().name, p), func(t *testing.T) { chaos(t, s, p) })
		}
	}
}

var plans = []plan{
	{processes: 2, workers: 1, commit: 100 * time.Millisecond},
	{exactlyOnce: true, processes: 2, workers: 1, commit: 100 * time.Millisecond},
	{exactlyOnce: true, old: true, processes: 2, workers: 2, commit: 100 * time.Millisecond},
}

// TestKillAtEveryStep kills a process before and after each step of a commit, once, in a run that is calm but for that.
func TestKillAtEveryStep(t *testing.T) {
	for _, p := range plans {
		for i, name := range kafka.FailpointNames(p.exactlyOnce) {
			if !p.old && strings.HasSuffix(name, "add-offsets") {
				continue
			}
			s := everyCount
			if strings.HasSuffix(name, "abort") || strings.HasSuffix(name, " offsets") || i%2 == 0 {
				s = sieving
			}
			t.Run(p.String()+", "+name, func(t *testing.T) {
				if counts := killOnce(t, s(), p, func(l *life, kill func()) { l.fail.arm(name, kill) }); counts["kills"] == 0 {
					t.Error("no commit came to this step")
				}
			})
		}
	}
}

// TestKillAtEveryRequest does the same with the requests of the protocol.
func TestKillAtEveryRequest(t *testing.T) {
	if n, _ := strconv.Atoi(os.Getenv("WEIR_SEEDS")); n < 10 {
		t.Skip("there are a hundred: they are tried when WEIR_SEEDS is 10 or more")
	}
	for _, p := range plans {
		for _, key := range slices.Compact(slices.Clone(requests)) {
			for _, after := range []bool{false, true} {
				t.Run(p.String()+", "+(&trap{key: int16(key), n: 1, after: after}).String(), func(t *testing.T) {
					killOnce(t, everyCount(), p, func(l *life, kill func()) {
						l.wire.arm(&trap{key: int16(key), n: 2, after: after, spring: func(*conn) { kill() }})
					})
				})
			}
		}
	}
}

func killOnce(t *testing.T, s *scene, p plan, arm func(l *life, kill func())) map[string]int {
	p.rounds = 1
	p.sabotage = func(w *world) {
		armed := false
		w.onStart = func(l *life) {
			if armed {
				return
			}
			armed = true
			victim := w.processes[0]
			arm(l, func() {
				victim.kill(w.unsynced())
				time.AfterFunc(w.upTo(10*time.Second), victim.start)
			})
		}
	}
	counts, err := run(t, s, p, 1)
	if err != nil {
		t.Error(err)
	}
	t.Log(shown(counts))
	return counts
}

// chaos tries seeds until enough of them have seen a kill and a rebalance, and, exactly once, an aborted transaction.
func chaos(t *testing.T, s func() *scene, p plan) {
	first, _ := strconv.ParseUint(os.Getenv("WEIR_SEED"), 10, 64)
	counted := 0
	for seed := first; counted < seeds(); seed++ {
		if seed-first > uint64(3*seeds()) {
			t.Fatalf("%d of %d runs were eventful", counted, seed-first)
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			counts, err := run(t, s(), p, seed)
			if err != nil {
				t.Error(err)
			}
			t.Log(shown(counts))
			if eventful(p, counts) {
				counted++
			}
		})
	}
}

func eventful(p plan, counts map[string]int) bool {
	return counts["kills"] > 0 && counts["rebalances"] > 1 && (!p.exactlyOnce || counts["aborted"] > 0)
}

func seeds() int {
	if n, err := strconv.Atoi(os.Getenv("WEIR_SEEDS")); err == nil && n > 0 {
		return n
	}
	return 3
}
