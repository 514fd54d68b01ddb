package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/examples/internal/stage"
	"github.com/weirstream/weir/examples/internal/traffic"
	"github.com/weirstream/weir/examples/payments/totals"
	"github.com/weirstream/weir/window"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	s, err := stage.Parse("payments", args, out)
	if err != nil {
		return err
	}
	if err := s.Open(ctx, 4, totals.Payments.Name(), totals.Totals.Name(), "payments-dlq"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	topo, table, err := totals.Topology()
	if err != nil {
		return err
	}
	onState, running := stage.Running()
	opts := []weir.AppOption{
		onState, weir.WithKafka(kgo.SeedBrokers(s.Brokers...)), weir.StateDir(s.State), weir.Workers(s.Workers),
		weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.DeadLetter("payments-dlq") }),
	}
	if s.ExactlyOnce {
		opts = append(opts, weir.ExactlyOnce())
	}
	app, err := weir.New("payments", topo, opts...)
	if err != nil {
		return err
	}
	return s.Run(ctx, app.Run,
		func(ctx context.Context) error { return send(ctx, s, running) },
		func(ctx context.Context) error { return show(ctx, s, out) },
		func(ctx context.Context) error { return watch(ctx, app, table, out) })
}

// send plays payments, beginning half a day ago, as soon as the app runs.
func send(ctx context.Context, s *stage.Stage, running <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-running:
	}
	c := traffic.Config{Seed: s.Seed, Start: time.Now().Add(-12 * time.Hour), Gap: 100 * time.Millisecond, Kinds: 200}
	return traffic.Play(ctx, traffic.Payments(c), s.Speed, func(p traffic.Sent[traffic.Payment]) error {
		return stage.Send(ctx, s, totals.Payments, p.Key, totals.Payment(p.Value), p.Arrive)
	})
}

// show prints each total of the merchant with the most customers.
func show(ctx context.Context, s *stage.Stage, out io.Writer) error {
	return stage.Read(ctx, s, totals.Totals, func(r weir.Record[window.Key[string], totals.Total]) error {
		if r.Key.Key == "acme" {
			fmt.Fprintf(out, "%s  acme was paid %d.%02d in %d payments\n", r.Key.Start.Format(time.TimeOnly), r.Value.Sum/100, r.Value.Sum%100, r.Value.N)
		}
		return nil
	})
}

// watch reads the table of totals itself, and the app's numbers, now and then.
func watch(ctx context.Context, app *weir.App, table weir.Table[window.Key[string], totals.Total], out io.Writer) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if app.State() != weir.Running {
			continue
		}
		view, err := weir.ReadStore(app, weir.WindowStoreOf(table))
		if err != nil {
			return err
		}
		var hour totals.Total
		for _, t := range view.All() {
			hour = totals.Total{N: hour.N + t.N, Sum: hour.Sum + t.Sum}
		}
		now := app.Stats()
		fmt.Fprintf(out, "the last hour: %d payments, %d.%02d; too late were %d; %d records wait\n",
			hour.N, hour.Sum/100, hour.Sum%100, now.Dropped["totals"]["late"], now.Lag[totals.Payments.Name()].Records)
	}
}
