//go:build !race

package window_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

func TestAllocationBudget(t *testing.T) {
	k := window.NewKey(int64(7), 1000, 2000)
	scratch := make([]byte, 0, 64)
	for _, s := range []serde.Serde[window.Key[int64]]{
		window.KeySerde(serde.Int64(), time.Second), window.UnlimitedKeySerde(serde.Int64()), window.SessionKeySerde(serde.Int64()),
	} {
		encoded, _ := s.Append(nil, k)
		if n := testing.AllocsPerRun(100, func() { _, _ = s.Append(scratch, k); _, _ = s.Decode(encoded) }); n != 0 {
			t.Errorf("%s: %v allocations for a round trip, budget 0", s.Name(), n)
		}
	}
	w := window.Hopping(time.Minute, time.Second)
	if n := testing.AllocsPerRun(100, func() { _ = startsSum(w, 1e9) }); n != 0 {
		t.Errorf("%v allocations to walk the windows of a time, budget 0", n)
	}
}

func startsSum(w window.TimeWindows, ts int64) (sum int64) {
	for start := w.First(ts); start >= 0 && start <= ts; start += w.AdvanceMs() {
		sum += start
	}
	return sum
}
