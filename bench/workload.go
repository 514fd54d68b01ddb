package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// workload is a topology that weir and Kafka Streams both run; streams/Rival.java has the other half.
type workload struct {
	name   string
	inputs []input
	build  func(b *weir.Builder, prefix, out string)
	// final says that the last value of each key is compared: how many updates lead to it depends on when caches are flushed.
	final bool
	// untimed says that times are not compared: that of a foreign-key result is the right row's where that came last, else the later of both, and which
	// came last depends on how far the topic between them lags behind.
	untimed bool
}

// input is a topic of a workload: record i of n.
type input struct {
	topic string
	n     int64
	make  func(r *rand.Rand, i int64) (key string, first int64, size int, at time.Time)
}

// uniform are records over some keys, step apart, one in a hundred up to a minute late; the first eight bytes of a value are a number below limit.
func uniform(letter string, keys uint64, limit int64, size int, step time.Duration) func(r *rand.Rand, i int64) (string, int64, int, time.Time) {
	return uniformUpTo(time.Minute, letter, keys, limit, size, step)
}

func uniformUpTo(late time.Duration, letter string, keys uint64, limit int64, size int, step time.Duration) func(r *rand.Rand, i int64) (string, int64, int, time.Time) {
	return func(r *rand.Rand, i int64) (string, int64, int, time.Time) {
		at := base.Add(time.Duration(i) * step)
		if r.Uint64N(100) == 0 && i > 0 {
			at = at.Add(-min(time.Duration(r.Int64N(late.Milliseconds()))*time.Millisecond, time.Duration(i)*step))
		}
		return fmt.Sprint(letter, r.Uint64N(keys)), r.Int64N(limit), size, at
	}
}

// each are the records of a table that was filled before the stream began: one a key.
func each(letter string, limit int64, size int) func(r *rand.Rand, i int64) (string, int64, int, time.Time) {
	return func(r *rand.Rand, i int64) (string, int64, int, time.Time) {
		return fmt.Sprint(letter, i), r.Int64N(limit), size, base.Add(-time.Hour)
	}
}

var workloads = []workload{
	{"tumbling-sum", []input{{"in", 2_000_000, uniform("k", 10_000, 1000, 100, time.Millisecond)}}, func(b *weir.Builder, prefix, out string) {
		sums(b, prefix).ToStream().To(sumsTopic(out))
	}, true, false},
	// Behind a cache Kafka Streams' stores learn of time at flushes only. Until then they show sessions that have expired, which a record that is later
	// than retention − gap would still join, or not, as the flushes come.
	{"session-count", []input{{"in", 1_000_000, uniformUpTo(20*time.Second, "k", 10_000, 1000, 100, time.Millisecond)}}, func(b *weir.Builder, prefix, out string) {
		sessions := binaries(b, prefix+"in").GroupByKey().WindowedBy(window.Session(30 * time.Second).Grace(30 * time.Second))
		weir.Count(sessions, "sessions").ToStream().To(weir.NewTopic(out, window.SessionKeySerde(serde.String()), serde.Int64()))
	}, true, false},
	{"stream-stream", []input{
		{"left", 500_000, uniform("k", 10_000, 1<<40, 100, 2*time.Millisecond)},
		{"right", 500_000, uniform("k", 10_000, 1<<40, 100, 2*time.Millisecond)},
	}, func(b *weir.Builder, prefix, out string) {
		within := window.Within(5 * time.Second).Grace(5 * time.Second)
		weir.Join(binaries(b, prefix+"left"), binaries(b, prefix+"right"), "joined", within, joined).To(binary16(out))
	}, false, false},
	{"stream-table", []input{
		{"table", 100_000, each("k", 1<<40, 200)},
		{"in", 2_000_000, uniform("k", 100_000, 1<<40, 100, time.Millisecond)},
	}, func(b *weir.Builder, prefix, out string) {
		weir.JoinTable(binaries(b, prefix+"in"), rowsOf(b, prefix, "table"), joined).To(binary16(out))
	}, false, false},
	{"suppress", []input{{"in", 2_000_000, uniform("k", 10_000, 1000, 100, time.Millisecond)}}, func(b *weir.Builder, prefix, out string) {
		sums(b, prefix).Suppress("closed", weir.UntilWindowCloses()).ToStream().To(sumsTopic(out))
	}, false, false},
	{"foreign-key", []input{
		{"right", 60_000, uniform("r", 10_000, 1<<40, 100, time.Millisecond)},
		{"left", 400_000, uniform("l", 100_000, 10_000, 100, time.Millisecond)},
	}, func(b *weir.Builder, prefix, out string) {
		on := func(_ string, left []byte) (string, bool) { return fmt.Sprint("r", number(left)), true }
		t := weir.JoinForeign(rowsOf(b, prefix, "left"), rowsOf(b, prefix, "right"), "fk", on, joined, weir.Materialized("joined"))
		t.ToStream().To(binary16(out))
	}, true, true},
}

func binaries(b *weir.Builder, topic string) weir.Stream[string, []byte] {
	return weir.From(b, weir.NewTopic(topic, serde.String(), serde.Bytes()))
}

func rowsOf(b *weir.Builder, prefix, topic string) weir.Table[string, []byte] {
	return weir.TableFrom(b, weir.NewTopic(prefix+topic, serde.String(), serde.Bytes()), topic+"-store")
}

func binary16(out string) weir.Topic[string, []byte] {
	return weir.NewTopic(out, serde.String(), serde.Bytes())
}

func sumsTopic(out string) weir.Topic[window.Key[string], int64] {
	return weir.NewTopic(out, window.KeySerde(serde.String(), time.Minute), serde.Int64())
}

// sums are the first eight bytes of the values, summed by minute.
func sums(b *weir.Builder, prefix string) weir.Table[window.Key[string], int64] {
	byMinute := binaries(b, prefix+"in").GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(10 * time.Second))
	return weir.Aggregate(byMinute, "sums", weir.NewAggregator(nil, func(_ string, v []byte, sum int64) int64 { return sum + number(v) }))
}

func number(v []byte) int64 { return int64(binary.BigEndian.Uint64(v)) }

func joined(_ string, left, right []byte) []byte {
	return append(append(make([]byte, 0, 16), left[:8]...), right[:8]...)
}

// weirWorkload runs one of them until it is interrupted.
func weirWorkload(ctx context.Context, j job) error {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == j.workload })
	if i < 0 {
		return fmt.Errorf("no workload %q", j.workload)
	}
	b := weir.NewBuilder()
	workloads[i].build(b, j.in, j.out)
	topo, err := b.Build()
	if err != nil {
		return err
	}
	app, err := weir.New(j.app, topo,
		weir.WithKafka(kgo.SeedBrokers(j.broker), kgo.ProducerBatchMaxBytes(1<<20)), weir.StateDir(j.dir), weir.Workers(1),
		weir.CommitInterval(j.commit), weir.CacheBytes(streamsCache), weir.ReplicationFactor(1))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return app.Run(ctx)
}
