package chaos

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
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
	for _, s := range []func() *scene{everyCount, cachedCount, paying} {
		for _, p := range []plan{
			{processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 3, deeds: 6},
			{exactlyOnce: true, processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 3, deeds: 6},
			{exactlyOnce: true, old: true, processes: 2, workers: 2, commit: 100 * time.Millisecond, rounds: 3, deeds: 6},
		} {
			t.Run(fmt.Sprintf("%s, %s", s().name, p), func(t *testing.T) { chaos(t, s, p) })
		}
	}
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
