package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	keys  = 100_000
	valsz = 100
	seed  = 42
)

// base is the first record's time.
var base = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// load writes n records of 100 bytes over 100,000 keys, a ms apart, partitioned as Kafka does by default.
func load(ctx context.Context, j job) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(j.broker), kgo.DefaultProduceTopic(j.in), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(5*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	r := rand.New(rand.NewPCG(seed, seed))
	var failed error
	for i := range j.n {
		key := binary.BigEndian.AppendUint64([]byte("key-"), r.Uint64N(keys))
		value := make([]byte, valsz)
		binary.BigEndian.PutUint64(value, uint64(i))
		cl.Produce(ctx, &kgo.Record{Key: key, Value: value, Timestamp: base.Add(time.Duration(i) * time.Millisecond)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return failed
}
