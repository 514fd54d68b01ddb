package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

func weirPass(ctx context.Context, j job) error {
	b := weir.NewBuilder()
	in := weir.NewTopic(j.in, serde.Bytes(), serde.Bytes())
	out := weir.NewTopic(j.out, serde.Bytes(), serde.Bytes())
	weir.From(b, in).To(out)
	return runApp(ctx, j, b)
}

func weirCount(ctx context.Context, j job) error {
	b := weir.NewBuilder()
	in := weir.NewTopic(j.in, serde.String(), serde.Bytes())
	out := weir.NewTopic(j.out, serde.String(), serde.Int64())
	var opts []weir.OpOption
	if !j.cached {
		opts = append(opts, weir.NoCache())
	}
	weir.Count(weir.From(b, in).GroupByKey(), "counts", opts...).ToStream().To(out)
	return runApp(ctx, j, b)
}

// runApp runs until all records are committed; what is behind zero lag and was committed is all.
func runApp(ctx context.Context, j job, b *weir.Builder) error {
	topo, err := b.Build()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-weir")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	opts := []weir.AppOption{
		weir.WithKafka(kgo.SeedBrokers(j.broker), kgo.ProducerBatchMaxBytes(1<<20)),
		weir.StateDir(dir), weir.Workers(1), weir.CommitInterval(j.commit), weir.CacheBytes(256 << 20), weir.ReplicationFactor(1),
	}
	if j.txn {
		opts = append(opts, weir.ExactlyOnce())
	}
	if j.follow {
		opts = append(opts, weir.StartAt(weir.Latest()))
	}
	app, err := weir.New(j.app, topo, opts...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !j.follow {
		go func() {
			for app.Stats().Records < j.n && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			cancel() // Run commits what is open
		}()
	}
	if err := app.Run(ctx); err != nil {
		return err
	}
	if got := app.Stats().Records; got != j.n && !j.follow {
		return fmt.Errorf("%d records, want %d", got, j.n)
	}
	return nil
}
