package main

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const parts = 4

// limit is what the hand-written programs share: a client with the settings of weir's, and commits of the offsets that were read.
type limit struct {
	job
	cl   *kgo.Client
	adm  *kadm.Client
	next [parts]int64
	got  int64
	err  error
	last time.Time
}

func newLimit(j job, opts ...kgo.Opt) (*limit, error) {
	at := kgo.NewOffset().AtStart()
	if j.follow {
		at = kgo.NewOffset().AtEnd()
	}
	from := map[int32]kgo.Offset{}
	for p := range int32(parts) {
		from[p] = at
	}
	opts = append(opts,
		kgo.SeedBrokers(j.broker), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{j.in: from}), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if j.txn {
		opts = append(opts, kgo.TransactionalID(j.app))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	l := &limit{job: j, cl: cl, adm: kadm.NewClient(cl), last: time.Now()}
	if j.txn {
		err = cl.BeginTransaction()
	}
	return l, err
}

// acked is every record's promise. As a method it would be an allocation for each.
func acked(_ *kgo.Record, err error) {
	if err != nil {
		panic(err)
	}
}

// run polls, hands records to each, and commits after before has written what is held back.
func (l *limit) run(ctx context.Context, each func(*kgo.Record), before func() error) error {
	defer l.cl.Close()
	for l.got < l.n || l.follow {
		fetches := l.cl.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			l.got++
			l.next[r.Partition] = r.Offset + 1
			each(r)
		})
		if time.Since(l.last) >= l.commit {
			if err := l.done(ctx, before, true); err != nil {
				return err
			}
		}
	}
	return l.done(ctx, before, false)
}

func (l *limit) done(ctx context.Context, before func() error, more bool) error {
	defer func() { l.last = time.Now() }()
	if err := before(); err != nil {
		return err
	}
	if err := l.cl.Flush(ctx); err != nil {
		return err
	}
	if l.txn {
		if err := l.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return err
		}
		if more {
			if err := l.cl.BeginTransaction(); err != nil {
				return err
			}
		}
	}
	offsets := kadm.Offsets{}
	for p, at := range l.next {
		offsets.AddOffset(l.in, int32(p), at, -1)
	}
	return l.adm.CommitAllOffsets(ctx, l.app, offsets)
}

func limitPass(ctx context.Context, j job) error {
	l, err := newLimit(j, kgo.DefaultProduceTopic(j.out))
	if err != nil {
		return err
	}
	each := func(r *kgo.Record) {
		l.cl.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}, acked)
	}
	return l.run(ctx, each, func() error { return nil })
}

// shard is the state of one partition: by key, time and count in 16 bytes.
type shard struct {
	id     int32
	db     *pebble.DB
	cached map[string]*[16]byte
	dirty  map[string]*[16]byte
}

func limitCount(ctx context.Context, j job) error {
	l, err := newLimit(j, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-limit")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	blocks := pebble.NewCache(256 << 20)
	defer blocks.Unref()
	var shards [parts]shard
	for i := range shards {
		db, err := pebble.Open(filepath.Join(dir, strconv.Itoa(i)), &pebble.Options{DisableWAL: true, MemTableSize: 16 << 20, Cache: blocks, Logger: silent{}})
		if err != nil {
			return err
		}
		defer db.Close()
		shards[i] = shard{int32(i), db, map[string]*[16]byte{}, map[string]*[16]byte{}}
	}
	c := counting{l: l, ctx: ctx}
	each := func(r *kgo.Record) { c.through(&shards[r.Partition], r) }
	flush := func() error { return nil }
	if j.cached {
		each = func(r *kgo.Record) { c.back(&shards[r.Partition], r) }
		flush = func() error {
			for i := range shards {
				c.flush(&shards[i])
			}
			return c.err
		}
	}
	return l.run(ctx, each, flush)
}

type counting struct {
	l   *limit
	ctx context.Context
	err error
}

func (c *counting) keep(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *counting) send(p int32, key, row []byte, at time.Time) {
	for _, topic := range [...]string{c.l.log, c.l.out} {
		c.l.cl.Produce(c.ctx, &kgo.Record{Topic: topic, Partition: p, Key: key, Value: row[8:], Timestamp: at}, acked)
	}
}

func bump(row []byte, at time.Time) {
	binary.BigEndian.PutUint64(row, max(binary.BigEndian.Uint64(row), uint64(at.UnixMilli())))
	binary.BigEndian.PutUint64(row[8:], binary.BigEndian.Uint64(row[8:])+1)
}

func (c *counting) load(s *shard, key, into []byte) {
	row, closer, err := s.db.Get(key)
	if err == pebble.ErrNotFound {
		return
	}
	if c.keep(err); err == nil {
		copy(into, row)
		c.keep(closer.Close())
	}
}

// through writes every update.
func (c *counting) through(s *shard, r *kgo.Record) {
	row := make([]byte, 16)
	c.load(s, r.Key, row)
	bump(row, r.Timestamp)
	c.keep(s.db.Set(r.Key, row, pebble.NoSync))
	c.send(s.id, r.Key, row, r.Timestamp)
}

// back keeps updates until flush.
func (c *counting) back(s *shard, r *kgo.Record) {
	row := s.cached[string(r.Key)]
	if row == nil {
		row = new([16]byte)
		c.load(s, r.Key, row[:])
		s.cached[string(r.Key)] = row
	}
	bump(row[:], r.Timestamp)
	s.dirty[string(r.Key)] = row
}

func (c *counting) flush(s *shard) {
	b := s.db.NewBatch()
	for key, row := range s.dirty {
		k, v := []byte(key), append([]byte(nil), row[:]...)
		c.keep(b.Set(k, v, nil))
		c.send(s.id, k, v, time.UnixMilli(int64(binary.BigEndian.Uint64(v))))
	}
	c.keep(b.Commit(pebble.NoSync))
	c.keep(b.Close())
	clear(s.dirty)
}

// silent keeps Pebble from logging.
type silent struct{}

func (silent) Infof(string, ...any)      {}
func (silent) Errorf(string, ...any)     {}
func (silent) Fatalf(f string, a ...any) { panic(f) }

func profiled(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
