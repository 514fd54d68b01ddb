package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/examples/fraud/alerts"
	"github.com/weirstream/weir/examples/internal/traffic"
	"github.com/weirstream/weir/examples/payments/totals"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// Options say how long, how fast and how it looks.
type Options struct {
	For      time.Duration // of traffic
	Speed    float64       // seconds of event time in a second
	Seed     uint64
	Terminal bool // a table that is drawn again and again; else a line now and then
}

const (
	partitions  = 4
	repartition = "payments-by-merchant-repartition"
)

// demo is one run.
type demo struct {
	o        Options
	out      io.Writer
	kafka    kgo.Opt
	client   *kgo.Client
	payments *weir.App
	fraud    *weir.App
	table    weir.Table[window.Key[string], totals.Total]

	mu   sync.Mutex
	late map[processor.Source]bool // where what was refused as late stands in the repartition topic
	tally
}

// Run runs the demonstration; an error says that something failed, or that the books do not balance.
func Run(ctx context.Context, out io.Writer, o Options) (err error) {
	b, err := devbroker.Start(devbroker.Topics(partitions, totals.Payments.Name(), totals.Totals.Name(), alerts.Txs.Name(), alerts.Cards.Name(), alerts.Alerts.Name()))
	if err != nil {
		return err
	}
	defer b.Close()
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{o: o, out: out, kafka: kgo.SeedBrokers(b.Addrs()...), late: map[processor.Source]bool{}, tally: newTally()}
	if d.client, err = kgo.NewClient(d.kafka, kgo.ProducerLinger(5*time.Millisecond)); err != nil {
		return err
	}
	defer d.client.Close()
	if err := d.apps(dir); err != nil {
		return err
	}
	return d.run(ctx)
}

// apps makes both examples, exactly once: so the books must balance to the cent.
func (d *demo) apps(dir string) error {
	topo, table, err := totals.Topology()
	if err != nil {
		return err
	}
	d.table = table
	if d.payments, err = weir.New("payments", topo, weir.WithKafka(d.kafka), weir.StateDir(filepath.Join(dir, "a")), weir.Workers(1), weir.ExactlyOnce(), weir.OnDropped(d.dropped)); err != nil {
		return err
	}
	if topo, err = alerts.Topology(); err != nil {
		return err
	}
	d.fraud, err = weir.New("fraud", topo, weir.WithKafka(d.kafka), weir.StateDir(filepath.Join(dir, "b")), weir.Workers(1))
	return err
}

// dropped notes late payments. Work that is done again after a failure reports again, for the same place.
func (d *demo) dropped(_ context.Context, x weir.Dropped) {
	if x.Reason != "late" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.late[x.Source] = true
}

// run lets the apps work while traffic comes, until all of it is done, and then looks at the books.
func (d *demo) run(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	failed := make(chan error, 3)
	for name, app := range map[string]*weir.App{"payments": d.payments, "fraud": d.fraud} {
		group.Go(func() {
			if err := app.Run(running); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	group.Go(func() {
		if err := d.read(running); err != nil && running.Err() == nil {
			failed <- err
		}
	})
	began := time.Now()
	if err := d.play(running, began, failed); err != nil {
		return err
	}
	if err := d.settle(running, failed); err != nil {
		return err
	}
	d.show(began, true)
	return d.balance()
}

// play sends traffic for the time that was asked for, and shows what comes of it.
func (d *demo) play(ctx context.Context, began time.Time, failed <-chan error) error {
	traffic, stop := context.WithTimeout(ctx, d.o.For)
	defer stop()
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	sent := make(chan error, 2)
	group.Go(func() { sent <- d.sendPayments(traffic) })
	group.Go(func() { sent <- d.sendCards(traffic) })
	every := 2 * time.Second
	if d.o.Terminal {
		every = 250 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.show(began, false)
		case err := <-failed:
			return err
		case err := <-sent:
			if err != nil && traffic.Err() == nil {
				return err
			}
		case <-traffic.Done():
			return ctx.Err()
		}
	}
}

func (d *demo) config(gap time.Duration, kinds int) traffic.Config {
	return traffic.Config{Seed: d.o.Seed, Start: time.Now().Add(-time.Hour), Gap: gap, Kinds: kinds}
}

func (d *demo) sendPayments(ctx context.Context) error {
	all := traffic.Payments(d.config(15*time.Millisecond, 40))
	return traffic.Play(ctx, all, d.o.Speed, func(p traffic.Sent[traffic.Payment]) error {
		return send(ctx, d.client, totals.Payments, p.Key, totals.Payment(p.Value), p.Arrive)
	})
}

func (d *demo) sendCards(ctx context.Context) error {
	c := d.config(30*time.Millisecond, 2000)
	for card := range traffic.Cards(c) {
		if err := send(ctx, d.client, alerts.Cards, card.Key, alerts.Card(card.Value), card.Arrive); err != nil {
			return err
		}
	}
	return traffic.Play(ctx, traffic.Txs(c), d.o.Speed, func(tx traffic.Sent[traffic.Tx]) error {
		return send(ctx, d.client, alerts.Txs, tx.Key, alerts.Tx(tx.Value), tx.Arrive)
	})
}

// send hands a record to the client, which sends it soon.
func send[K, V any](ctx context.Context, cl *kgo.Client, to weir.Topic[K, V], key K, value V, at time.Time) error {
	k, err := to.KeySerde().Append(nil, key)
	if err != nil {
		return err
	}
	v, err := to.ValueSerde().Append(nil, value)
	if err != nil {
		return err
	}
	cl.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: to.Name(), Key: k, Value: v, Timestamp: at}, nil)
	return ctx.Err()
}

// settle waits until everything that was sent has been read to its end, by the apps and by the reader, twice in a row.
func (d *demo) settle(ctx context.Context, failed <-chan error) error {
	if err := d.client.Flush(ctx); err != nil {
		return err
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	var before tally
	for quiet := 0; quiet < 3; {
		select {
		case <-tick.C:
		case err := <-failed:
			return err
		case <-deadline:
			return errors.New("the apps did not get to the end of their input in time")
		case <-ctx.Done():
			return ctx.Err()
		}
		now := d.counts()
		quiet++
		if behind(d.payments) > 0 || behind(d.fraud) > 0 || now.seen != before.seen {
			quiet = 0
		}
		before = now
	}
	return nil
}

func behind(app *weir.App) (n int64) {
	if app.State() != weir.Running {
		return 1
	}
	for _, l := range app.Stats().Lag {
		n += l.Records
	}
	return n
}
