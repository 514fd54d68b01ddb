package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/examples/fraud/alerts"
	"github.com/weirstream/weir/examples/payments/totals"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// tally is what an independent reader has seen in the topics.
type tally struct {
	seen    int64                   // records
	settled map[string]totals.Total // by merchant: what went in
	emitted map[string]totals.Total // by merchant: what came out
	closed  map[window.Key[string]]int
	passed  map[processor.Source]totals.Payment // by place in the repartition topic
	alerts  int64
	latest  alerts.Alert
}

func newTally() tally {
	return tally{
		settled: map[string]totals.Total{}, emitted: map[string]totals.Total{}, closed: map[window.Key[string]]int{}, passed: map[processor.Source]totals.Payment{},
	}
}

// counts copies the small numbers.
func (d *demo) counts() tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	return tally{seen: d.seen, alerts: d.alerts, latest: d.latest}
}

// read follows the topics, committed records only, until ctx ends.
func (d *demo) read(ctx context.Context) error {
	cl, err := kgo.NewClient(d.kafka, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+totals.Payments.Name()+"$", "^"+totals.Totals.Name()+"$", "^"+alerts.Alerts.Name()+"$", "^"+repartition+"$"), kgo.MetadataMinAge(time.Second), kgo.MetadataMaxAge(2*time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		var errs []error
		fetches.EachRecord(func(r *kgo.Record) { errs = append(errs, d.enter(r)) })
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
}

// enter notes a record.
func (d *demo) enter(r *kgo.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	switch r.Topic {
	case totals.Payments.Name():
		p, err := totals.Payments.ValueSerde().Decode(r.Value)
		if err == nil && p.Status == "settled" {
			d.settled[p.Merchant] = d.settled[p.Merchant].Plus(p)
		}
		return err
	case repartition:
		p, err := totals.Payments.ValueSerde().Decode(r.Value)
		d.passed[processor.Source{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}] = p
		return err
	case totals.Totals.Name():
		return d.enterTotal(r)
	}
	a, err := alerts.Alerts.ValueSerde().Decode(r.Value)
	d.alerts, d.latest = d.alerts+1, a
	return err
}

func (d *demo) enterTotal(r *kgo.Record) error {
	key, err := totals.Totals.KeySerde().Decode(r.Key)
	if err != nil {
		return err
	}
	t, err := totals.Totals.ValueSerde().Decode(r.Value)
	d.closed[key]++
	d.emitted[key.Key] = sum(d.emitted[key.Key], t)
	return err
}

func sum(a, b totals.Total) totals.Total { return totals.Total{N: a.N + b.N, Sum: a.Sum + b.Sum} }

// balance compares, per merchant: settled in = emitted + late + still open in the store.
func (d *demo) balance() error {
	view, err := weir.ReadStore(d.payments, weir.WindowStoreOf(d.table))
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	open, late := map[string]totals.Total{}, map[string]totals.Total{}
	for key, t := range view.All() {
		if d.closed[key] == 0 {
			open[key.Key] = sum(open[key.Key], t)
		}
	}
	if err := view.Err(); err != nil {
		return err
	}
	for src := range d.late {
		p, ok := d.passed[src]
		if !ok {
			return fmt.Errorf("a late payment was reported at %v, where there is none", src)
		}
		late[p.Merchant] = late[p.Merchant].Plus(p)
	}
	return d.report(open, late)
}

func (d *demo) report(open, late map[string]totals.Total) error {
	var in, out, missed, still totals.Total
	var errs []error
	for _, m := range slices.Sorted(maps.Keys(d.settled)) {
		got := sum(sum(d.emitted[m], late[m]), open[m])
		if got != d.settled[m] {
			errs = append(errs, fmt.Errorf("%s: settled %v, but emitted %v + late %v + open %v = %v", m, d.settled[m], d.emitted[m], late[m], open[m], got))
		}
		in, out, missed, still = sum(in, d.settled[m]), sum(out, d.emitted[m]), sum(missed, late[m]), sum(still, open[m])
	}
	for key, n := range d.closed {
		if n != 1 {
			errs = append(errs, fmt.Errorf("window %s was emitted %d times", key, n))
		}
	}
	if out.N == 0 {
		errs = append(errs, errors.New("nothing was emitted: run longer, or faster"))
	}
	fmt.Fprintf(d.out, "\n%d merchants: settled %s in %d payments = emitted %s + late %s + open %s\n", len(d.settled), cents(in.Sum), in.N, cents(out.Sum), cents(missed.Sum), cents(still.Sum))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("the books do not balance:\n%w", err)
	}
	fmt.Fprintln(d.out, "The books balance, per merchant, to the cent.")
	return nil
}

func cents(n int64) string { return fmt.Sprintf("%d.%02d", n/100, n%100) }
