package parity

import "testing"

// TestCells breaks a step, and wants another cell.
func TestCells(t *testing.T) {
	in := func(at int64, out ...Record) Step {
		return Step{In: &Record{Topic: "in", Key: Bytes("k"), Value: Bytes("v"), Time: at}, Out: out}
	}
	null := func(topic string) Step { return Step{In: &Record{Topic: topic, Key: Bytes("k")}} }
	value, tombstone := Record{Topic: "out", Value: Bytes("v")}, Record{Topic: "out"}
	lost := in(4)
	lost.Dropped = 1
	keyless := in(90_000)
	keyless.In.Key = nil
	windows, table := matrixRow{closes: 10}, matrixRow{table: true}
	for name, c := range map[string]struct {
		row   matrixRow
		steps []Step
		at    situation
		want  string
	}{
		"forwarded":          {windows, []Step{in(5), in(4, value)}, outOfOrder, "value"},
		"deleted":            {windows, []Step{in(5), in(4, tombstone)}, outOfOrder, "tombstone"},
		"not forwarded":      {windows, []Step{in(5), in(4)}, outOfOrder, "nothing"},
		"internal":           {windows, []Step{in(5), in(4, Record{Topic: "app-t-changelog"})}, outOfOrder, "nothing"},
		"dropped":            {windows, []Step{in(5), lost}, late, "dropped"},
		"dropped, no window": {table, []Step{in(5), lost}, outOfOrder, "dropped"},
		"late, and taken":    {windows, []Step{in(10_005), in(4, value)}, late, "value"},
		"just in time":       {windows, []Step{in(10_004), in(4, value)}, late, "–"},
		"far behind":         {table, []Step{in(15_005), in(4, value)}, late, "value"},
		"not far behind":     {table, []Step{in(10_005), in(4, value)}, late, "–"},
		"by a null key":      {table, []Step{in(5), keyless, in(4, value)}, late, "–"},
		"both":               {windows, []Step{in(5), in(4, value, tombstone)}, outOfOrder, "value + tombstone"},
		"the more frequent":  {windows, []Step{in(5), in(4, value), in(4), in(3)}, outOfOrder, "nothing, value"},
		"at once":            {windows, []Step{in(5), in(5, value)}, equalTimes, "value"},
		"does not occur":     {windows, []Step{in(5), in(6, value)}, late, "–"},
		"null":               {windows, []Step{null("in")}, nullValues, "nothing"},
		"no tombstone":       {windows, []Step{null("in")}, tombstones, "–"},
		"a table's":          {table, []Step{null("in")}, tombstones, "nothing"},
		"no null value":      {table, []Step{null("in")}, nullValues, "–"},
		"of its own input":   {matrixRow{in: "in"}, []Step{null("in")}, nullValues, "nothing"},
		"of another input":   {matrixRow{in: "in"}, []Step{null("r")}, nullValues, "–"},
	} {
		if got := c.row.cells(&Case{Runs: []Run{{Steps: c.steps}}})[c.at]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
