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
	"github.com/weirstream/weir/examples/fraud/alerts"
	"github.com/weirstream/weir/examples/internal/stage"
	"github.com/weirstream/weir/examples/internal/traffic"
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
	s, err := stage.Parse("fraud", args, out)
	if err != nil {
		return err
	}
	if err := s.Open(ctx, 4, alerts.Txs.Name(), alerts.Cards.Name(), alerts.Alerts.Name()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	topo, err := alerts.Topology()
	if err != nil {
		return err
	}
	onState, running := stage.Running()
	opts := []weir.AppOption{onState, weir.WithKafka(kgo.SeedBrokers(s.Brokers...)), weir.StateDir(s.State), weir.Workers(s.Workers)}
	if s.ExactlyOnce {
		opts = append(opts, weir.ExactlyOnce())
	}
	app, err := weir.New("fraud", topo, opts...)
	if err != nil {
		return err
	}
	return s.Run(ctx, app.Run,
		func(ctx context.Context) error { return send(ctx, s, running) },
		func(ctx context.Context) error { return show(ctx, s, out) })
}

// send sends all cards, then plays transactions, beginning half a day ago, as soon as the app runs.
func send(ctx context.Context, s *stage.Stage, running <-chan struct{}) error {
	c := traffic.Config{Seed: s.Seed, Start: time.Now().Add(-12 * time.Hour), Gap: 100 * time.Millisecond, Kinds: 2000}
	for card := range traffic.Cards(c) {
		if err := stage.Send(ctx, s, alerts.Cards, card.Key, alerts.Card(card.Value), card.Arrive); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-running:
	}
	return traffic.Play(ctx, traffic.Txs(c), s.Speed, func(tx traffic.Sent[traffic.Tx]) error {
		return stage.Send(ctx, s, alerts.Txs, tx.Key, alerts.Tx(tx.Value), tx.Arrive)
	})
}

// show prints alerts.
func show(ctx context.Context, s *stage.Stage, out io.Writer) error {
	return stage.Read(ctx, s, alerts.Alerts, func(r weir.Record[string, alerts.Alert]) error {
		fmt.Fprintf(out, "%s  card %s of %s was used %d times in a minute\n", r.Time.Format(time.TimeOnly), r.Value.Card, r.Value.Holder, r.Value.N)
		return nil
	})
}
