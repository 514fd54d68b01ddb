package runtime

import (
	"fmt"
	"testing"
)

func TestSettingsThatDoNotFit(t *testing.T) {
	const compact, both, deletes = "compact", "compact,delete", "delete"
	set := func(policy, retention, lag string) map[string]string {
		m := map[string]string{}
		for k, v := range map[string]string{"cleanup.policy": policy, "retention.ms": retention, "min.compaction.lag.ms": lag} {
			if v != "" {
				m[k] = v
			}
		}
		return m
	}
	for name, c := range map[string]struct {
		needs, has map[string]string
		want       string
	}{
		"as made":                     {set(both, "100", ""), set(both, "100", "0"), "[]"},
		"in another order":            {set(both, "100", ""), set("delete, compact", "100", "0"), "[]"},
		"kept for longer":             {set(both, "100", ""), set(both, "200", "0"), "[]"},
		"kept for ever":               {set(both, "100", ""), set(both, "-1", "0"), "[]"},
		"windows forgotten sooner":    {set(both, "100", ""), set(both, "99", "0"), "[{retention.ms 99 100}]"},
		"not for ever":                {set(deletes, "-1", ""), set(deletes, "99", "0"), "[{retention.ms 99 -1}]"},
		"rows deleted":                {set(compact, "", ""), set(deletes, "99", "0"), "[{cleanup.policy delete compact}]"},
		"rows deleted too":            {set(compact, "", ""), set(both, "99", "0"), "[{cleanup.policy compact,delete compact}]"},
		"retention that does nothing": {set(compact, "", ""), set(compact, "99", "0"), "[]"},
		"duplicates compacted":        {set(deletes, "100", ""), set(both, "100", "0"), "[{cleanup.policy compact,delete delete}]"},
		"never deleted":               {set(both, "100", ""), set(compact, "1", "0"), "[{cleanup.policy compact compact,delete}]"},
		"versions compacted":          {set(compact, "", "100"), set(compact, "", "0"), "[{min.compaction.lag.ms 0 100}]"},
		"not told":                    {set(both, "100", "100"), nil, "[]"},
		"not a number":                {set(both, "100", ""), set(both, "soon", ""), "[]"},
	} {
		if got := fmt.Sprint(unfit(c.needs, c.has)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
