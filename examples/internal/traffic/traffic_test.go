package traffic_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/examples/internal/traffic"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func config(seed uint64) traffic.Config {
	return traffic.Config{Seed: seed, Start: start, Gap: 100 * time.Millisecond, Kinds: 100}
}

func take[V any](n int, all iter.Seq[traffic.Sent[V]]) (some []traffic.Sent[V]) {
	for s := range all {
		if len(some) == n {
			return some
		}
		some = append(some, s)
	}
	return some
}

func TestOneSeedOneSequence(t *testing.T) {
	a, b, c := take(1000, traffic.Payments(config(1))), take(1000, traffic.Payments(config(1))), take(1000, traffic.Payments(config(2)))
	if !slices.Equal(a, b) {
		t.Error("one seed gave two sequences")
	}
	if slices.Equal(a, c) {
		t.Error("two seeds gave one sequence")
	}
	if !slices.Equal(take(100, traffic.Txs(config(1))), take(100, traffic.Txs(config(1)))) {
		t.Error("one seed gave two sequences of transactions")
	}
}

// TestPaymentsArePlausible looks for what the examples rely on: a heavy tail, every status, disorder, and some that are late by more than a minute
// and the grace.
func TestPaymentsArePlausible(t *testing.T) {
	byMerchant, byStatus := map[string]int{}, map[string]int{}
	disorder, late, ids := 0, 0, map[string]bool{}
	var last, arrived, latest time.Time
	const n = 20_000
	for _, s := range take(n, traffic.Payments(config(7))) {
		p := s.Value
		byMerchant[p.Merchant]++
		byStatus[p.Status]++
		ids[s.Key] = true
		if s.Arrive.Before(arrived) || p.At.After(s.Arrive) || p.Amount <= 0 {
			t.Fatalf("impossible: %v after %v", s, arrived)
		}
		if p.At.Before(last) {
			disorder++
		}
		if p.At.Before(latest.Add(-70 * time.Second)) {
			late++
		}
		last, arrived = p.At, s.Arrive
		if p.At.After(latest) {
			latest = p.At
		}
	}
	counts := slices.Sorted(maps.Values(byMerchant))
	if top := counts[len(counts)-1]; top < n/10 || top > n/2 || len(counts) < 60 {
		t.Errorf("the first of %d merchants has %d of %d payments", len(counts), top, n)
	}
	if byStatus["settled"] < n*3/4 || len(byStatus) != 4 {
		t.Errorf("statuses: %v", byStatus)
	}
	if disorder < n/5 || late < n/1000 || late > n/20 || len(ids) != n {
		t.Errorf("%d out of order, %d late, %d ids", disorder, late, len(ids))
	}
	if took := arrived.Sub(start); took < n*90*time.Millisecond || took > n*110*time.Millisecond {
		t.Errorf("%d payments took %v", n, took)
	}
}

func TestCardsArePlausible(t *testing.T) {
	holders := map[string]traffic.Card{}
	for s := range traffic.Cards(config(7)) {
		holders[s.Key] = s.Value
		if s.Value.Holder == "" || s.Value.Limit <= 0 {
			t.Errorf("card %v", s)
		}
	}
	fast, unknown, run, last := 0, 0, 0, ""
	for _, s := range take(20_000, traffic.Txs(config(7))) {
		if run++; s.Key != last {
			run, last = 1, s.Key
		}
		if run == 6 {
			fast++
		}
		if holders[s.Key].Holder == "" {
			unknown++
		}
	}
	if len(holders) != 95 || fast < 20 || unknown == 0 {
		t.Errorf("%d holders, %d bursts, %d transactions of unknown cards", len(holders), fast, unknown)
	}
}

func TestPlayKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, n := time.Now(), 0
		some := slices.Values(take(500, traffic.Payments(config(3))))
		var end time.Duration
		err := traffic.Play(t.Context(), some, 10, func(s traffic.Sent[traffic.Payment]) error {
			n++
			end = s.Arrive.Sub(take(1, some)[0].Arrive)
			if late := time.Since(began) - end/10; late < -time.Microsecond || late > time.Microsecond {
				t.Errorf("record %d is late by %v", n, late)
			}
			return nil
		})
		if err != nil || n != 500 {
			t.Errorf("%d records, %v", n, err)
		}
	})
}

func TestPlayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := traffic.Payments(config(3))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := traffic.Play(ctx, all, 1, func(traffic.Sent[traffic.Payment]) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the end of its context: %v", err)
		}
		broken := errors.New("broken")
		if err := traffic.Play(t.Context(), all, 1, func(traffic.Sent[traffic.Payment]) error { return broken }); err != broken {
			t.Errorf("after a failure: %v", err)
		}
		if err := traffic.Play(t.Context(), all, 0, nil); err == nil {
			t.Error("a speed of 0 was taken")
		}
	})
}
