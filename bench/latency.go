package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// latencies measures the time from sending to reading at 1,000 records a second, through the limit and through weir, in turns.
func (b *bench) latencies(ctx context.Context, d time.Duration) error {
	var ratios []float64
	for range 3 {
		limit, err := b.latency(ctx, "limit-pass", d)
		if err != nil {
			return err
		}
		ours, err := b.latency(ctx, "weir-pass", d)
		if err != nil {
			return err
		}
		fmt.Printf("  latency ms, p50 p90 p99: limit %.1f %.1f %.1f, weir %.1f %.1f %.1f\n",
			at(limit, 50), at(limit, 90), at(limit, 99), at(ours, 50), at(ours, 90), at(ours, 99))
		ratios = append(ratios, at(ours, 50)/at(limit, 50))
	}
	slices.Sort(ratios)
	verdict := "ok"
	if median(ratios) > 1.3 {
		verdict = "ABOVE"
	}
	fmt.Printf("%-22s ratio %.2f (%.2f–%.2f) target 1.30 %s\n", "latency p50", median(ratios), ratios[0], ratios[len(ratios)-1], verdict)
	return nil
}

func at(sorted []float64, percent int) float64 { return sorted[len(sorted)*percent/100] }

// latency starts a program that follows a topic, sends to it at a fixed rate, and reads what comes out. The first part warms up.
func (b *bench) latency(ctx context.Context, program string, d time.Duration) ([]float64, error) {
	b.serial++
	app := fmt.Sprintf("bench-%s-lat-%d", b.id, b.serial)
	in, out := app+"-in", app+"-out"
	for _, t := range []string{in, out} {
		if err := b.topic(ctx, t); err != nil {
			return nil, err
		}
	}
	defer b.adm.DeleteTopics(ctx, in, out)
	cmd := exec.CommandContext(ctx, b.self, program, "-broker", b.broker, "-in", in, "-out", out, "-app", app, "-follow")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return b.probe(ctx, in, out, d)
}

func (b *bench) probe(ctx context.Context, in, out string, d time.Duration) ([]float64, error) {
	from := map[int32]kgo.Offset{}
	for p := range int32(parts) {
		from[p] = kgo.NewOffset().AtStart()
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{out: from}), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	writer, err := kgo.NewClient(kgo.SeedBrokers(b.broker), kgo.DefaultProduceTopic(in), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	sending, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	go send(sending, writer)
	var seen []float64
	warm := time.Now().Add(d / 3)
	for sending.Err() == nil {
		reader.PollFetches(sending).EachRecord(func(r *kgo.Record) {
			sent := time.Unix(0, int64(binary.BigEndian.Uint64(r.Value)))
			if sent.After(warm) {
				seen = append(seen, float64(time.Since(sent).Microseconds())/1e3)
			}
		})
	}
	if len(seen) < 1000 {
		return nil, fmt.Errorf("only %d records came through", len(seen))
	}
	slices.Sort(seen)
	return seen, nil
}

// send writes a record each ms, stamped with the time at which it should have been sent.
func send(ctx context.Context, cl *kgo.Client) {
	next := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		next = next.Add(time.Millisecond)
		time.Sleep(time.Until(next))
		value := make([]byte, 100)
		binary.BigEndian.PutUint64(value, uint64(next.UnixNano()))
		cl.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "key-%d", i%1000), Value: value}, nil)
	}
}
