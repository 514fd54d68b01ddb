package demo

import (
	"io"
	"strings"
	"testing"

	"github.com/weirstream/weir/examples/payments/totals"
	"github.com/weirstream/weir/window"
)

// TestBooksComplain feeds the check books that do not balance.
func TestBooksComplain(t *testing.T) {
	ten := totals.Total{N: 1, Sum: 10}
	books := func() *demo {
		d := &demo{out: io.Discard, tally: newTally()}
		d.settled["m"] = totals.Total{N: 3, Sum: 30}
		d.emitted["m"] = ten
		d.closed[window.NewKey("m", 0, 60_000)] = 1
		return d
	}
	one := map[string]totals.Total{"m": ten}
	if err := books().report(one, one); err != nil {
		t.Errorf("books that balance: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*demo)
		late   map[string]totals.Total
		want   string
	}{
		"a cent is missing":     {func(d *demo) { d.settled["m"] = totals.Total{N: 3, Sum: 31} }, one, "settled"},
		"a late one is missing": {func(*demo) {}, nil, "settled"},
		"a window came twice":   {func(d *demo) { d.closed[window.NewKey("m", 0, 60_000)] = 2 }, one, "2 times"},
		"nothing was emitted":   {func(d *demo) { clear(d.emitted); clear(d.closed); d.settled["m"] = totals.Total{N: 2, Sum: 20} }, one, "nothing was emitted"},
	} {
		d := books()
		c.change(d)
		if err := d.report(one, c.late); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.want)
		}
	}
}
