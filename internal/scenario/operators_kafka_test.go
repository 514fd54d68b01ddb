//go:build kafka

package scenario_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstream/weir"
)

// TestOperatorsOnKafka has what the embedded broker's tests have of calls that move, rows that expire, silence and rules.
func TestOperatorsOnKafka(t *testing.T) {
	byKey := weir.Stream[string, string].GroupByKey
	byOther := func(s weir.Stream[string, string], opts ...weir.OpOption) weir.Grouped[string, string] {
		return weir.GroupBy(s, func(k, _ string) string { return "other " + k }, opts...)
	}
	for name, run := range map[string]struct {
		do     func(*scenario)
		topics []string
	}{
		"calls move":             {callsMove, []string{"in"}},
		"rows expire":            {rowsExpire, []string{"in"}},
		"silence closes":         {func(s *scenario) { idleCloses(s, 200*time.Millisecond, byKey) }, []string{"in"}},
		"silence closes further": {func(s *scenario) { idleCloses(s, time.Second, byOther) }, []string{"in"}},
		"rules keep results":     {rulesKeepResults, []string{"plain", "rows", "words", "homes"}},
	} {
		for _, eos := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, eos), func(t *testing.T) {
				t.Parallel()
				run.do(onKafka(t, eos, run.topics...))
			})
		}
	}
	t.Run("silence waits for transactions", func(t *testing.T) {
		t.Parallel()
		idleWaits(onKafka(t, true, "in"))
	})
}
