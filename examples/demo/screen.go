package demo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir"
)

// show draws the moment: a table at a terminal, else a line.
func (d *demo) show(began time.Time, last bool) {
	took := time.Since(began)
	pay, fraud := d.payments.Stats(), d.fraud.Stats()
	rate := float64(pay.Records+fraud.Records) / took.Seconds()
	lag := behindBy(pay) + behindBy(fraud)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.o.Terminal {
		fmt.Fprintf(d.out, "%4.0fs  %-11s %7.0f records/s  %5d totals  %5d late  %4d alerts  lag %d\n", took.Seconds(), d.payments.State(), rate, len(d.closed), len(d.late), d.alerts, lag)
		return
	}
	var s strings.Builder
	if !last {
		s.WriteString("\x1b[H\x1b[2J")
	}
	fmt.Fprintf(&s, "weir demo   %3.0f s   payments %s, fraud %s   %.0f records/s   lag %d\n\n", took.Seconds(), d.payments.State(), d.fraud.State(), rate, lag)
	fmt.Fprintf(&s, "%-16s %12s %10s\n", "merchant", "total", "payments")
	for _, m := range d.top(10) {
		fmt.Fprintf(&s, "%-16s %12s %10d\n", m, cents(d.emitted[m].Sum), d.emitted[m].N)
	}
	fmt.Fprintf(&s, "\n%d windows closed, %d payments came too late, %d alerts", len(d.closed), len(d.late), d.alerts)
	if d.alerts > 0 {
		fmt.Fprintf(&s, ", the last for card %s of %s: %d uses in a minute", d.latest.Card, d.latest.Holder, d.latest.N)
	}
	s.WriteString("\n")
	fmt.Fprint(d.out, s.String())
}

// top are the merchants with the greatest totals.
func (d *demo) top(n int) []string {
	all := slices.SortedFunc(maps.Keys(d.emitted), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.emitted[b].Sum, d.emitted[a].Sum), strings.Compare(a, b))
	})
	return all[:min(n, len(all))]
}

func behindBy(s weir.Stats) (n int64) {
	for _, l := range s.Lag {
		n += l.Records
	}
	return n
}
