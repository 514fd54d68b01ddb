package scenario_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap/zaptest"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/serde"
)

func TestPassOnEmbeddedBroker(t *testing.T) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprint("exactly once ", eos), func(t *testing.T) {
			b, err := devbroker.Start(devbroker.Topic("in", 4, nil), devbroker.Topic("out", 4, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			in, out := weir.NewTopic("in", serde.String(), serde.String()), weir.NewTopic("out", serde.String(), serde.String())
			bl := weir.NewBuilder()
			weir.MapValues(weir.From(bl, in), func(v string) string { return v + "!" }).To(out)
			topo, err := bl.Build()
			if err != nil {
				t.Fatal(err)
			}
			opts := []weir.AppOption{weir.WithKafka(kgo.SeedBrokers(b.Addrs()...)), weir.StateDir(t.TempDir()), weir.Workers(2), weir.WithLogger(zaptest.NewLogger(t))}
			if eos {
				opts = append(opts, weir.ExactlyOnce())
			}
			app, err := weir.New("pass", topo, opts...)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...), kgo.ConsumeTopics("out"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			for i := range 1000 {
				cl.Produce(ctx, &kgo.Record{Topic: "in", Key: fmt.Appendf(nil, "k%d", i), Value: []byte("v")}, nil)
			}
			running, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- app.Run(running) }()
			got := 0
			for got < 1000 && ctx.Err() == nil {
				cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
					if string(r.Value) != "v!" {
						t.Errorf("value %q", r.Value)
					}
					got++
				})
			}
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got != 1000 {
				t.Fatalf("%d records", got)
			}
		})
	}
}
