package parity

import "testing"

// TestCells breaks a step, and wants another cell.
func TestCells(t *testing.T) {
	in := func(at int64, out ...Record) Step {
		return Step{In: &Record{Topic: "in", Key: Bytes("k"), Value: Bytes("v"), Time: at}, Out: out}
	}
	value, tombstone := Record{Topic: "out", Value: Bytes("v")}, Record{Topic: "out"}
	lost := in(4)
	lost.Dropped = 1
	for name, c := range map[string]struct {
		steps []Step
		at    situation
		want  string
	}{
		"forwarded":         {[]Step{in(5), in(4, value)}, outOfOrder, "value"},
		"deleted":           {[]Step{in(5), in(4, tombstone)}, outOfOrder, "tombstone"},
		"not forwarded":     {[]Step{in(5), in(4)}, outOfOrder, "nothing"},
		"internal":          {[]Step{in(5), in(4, Record{Topic: "app-t-changelog"})}, outOfOrder, "nothing"},
		"dropped":           {[]Step{in(5), lost}, late, "dropped"},
		"both":              {[]Step{in(5), in(4, value, tombstone)}, outOfOrder, "value + tombstone"},
		"the more frequent": {[]Step{in(5), in(4, value), in(4), in(3)}, outOfOrder, "nothing, value"},
		"at once":           {[]Step{in(5), in(5, value)}, equalTimes, "value"},
		"does not occur":    {[]Step{in(5), in(6, value)}, late, "–"},
	} {
		recorded := Case{Runs: []Run{{Steps: c.steps}}}
		if got := recorded.cells()[c.at]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
