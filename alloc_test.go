//go:build !race

package weir_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Keys and values of these topics cost nothing to decode.
var (
	allocIn  = weir.NewTopic("in", serde.Int64(), serde.Int64())
	allocOut = weir.NewTopic("out", serde.Int64(), serde.Int64())
)

// void takes what is sent.
type void struct{ sent int }

func (*void) Partitions(string) (int32, error) { return 4, nil }

func (v *void) Send(*flow.Dest, int32, []byte, []byte, processor.Headers, int64) error {
	v.sent++
	return nil
}

// allocations are those of one record in a task of what declare declares: pushed, decoded, run. Sent says how many records leave for each.
func allocations(t *testing.T, declare func(s weir.Stream[int64, int64])) (perRecord, sent float64) {
	t.Helper()
	topo := built(t, func(b *weir.Builder) { declare(weir.From(b, allocIn)) })
	sub := topo.Graph(seal.Token{}).Subs()[0]
	var specs []*rows.Spec
	for _, s := range sub.Stores {
		specs = append(specs, s.Spec)
	}
	stores, err := store.Open(mem.New(), mem.New(), specs)
	if err != nil {
		t.Fatal(err)
	}
	in, out := flow.TopicPartition{Topic: "in"}, &void{}
	made, err := task.New(task.Config{App: "app", Name: "0_0", Sub: sub, Stores: stores, Out: out, Stats: &flow.Stats{}, MaxIdle: -1, Inputs: []task.Input{{TopicPartition: in}}, CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	rec := []flow.Raw{{Key: binary.BigEndian.AppendUint64(nil, 1), Value: binary.BigEndian.AppendUint64(nil, 2), Time: 3_600_000}}
	n := 0
	perRecord = testing.AllocsPerRun(500, func() {
		n++
		rec[0].Offset++
		if _, err := made.Push(in, rec); err != nil {
			t.Fatal(err)
		}
		if took, err := made.Step(1, 10); took != 1 || err != nil {
			t.Fatal(took, err)
		}
	})
	return perRecord, float64(out.sent) / float64(n)
}

// relay forwards what it is given.
type relay struct {
	out processor.Forward[int64, int64]
}

func (r *relay) Init(_ processor.Context, out processor.Forward[int64, int64]) error {
	r.out = out
	return nil
}

func (r *relay) Process(rec weir.Record[int64, int64]) error { return r.out(rec) }

// TestOperatorsDoNotAllocate has every stateless operator between a source and an end.
func TestOperatorsDoNotAllocate(t *testing.T) {
	type stream = weir.Stream[int64, int64]
	type record = weir.Record[int64, int64]
	two := []int64{1, 2}
	for name, op := range map[string]func(s stream) stream{
		"nothing":   func(s stream) stream { return s },
		"Filter":    func(s stream) stream { return s.Filter(func(_, v int64) bool { return v > 0 }) },
		"FilterNot": func(s stream) stream { return s.FilterNot(func(_, v int64) bool { return v < 0 }) },
		"TryFilter": func(s stream) stream {
			return s.TryFilter(func(context.Context, record) (bool, error) { return true, nil })
		},
		"Peek":    func(s stream) stream { return s.Peek(func(_, _ int64) {}) },
		"TryPeek": func(s stream) stream { return s.TryPeek(func(context.Context, record) error { return nil }) },
		"Merge":   func(s stream) stream { return s.Filter(func(_, v int64) bool { return v > 0 }).Merge(s) },
		"Split": func(s stream) stream {
			return s.Split("by", weir.When("all", func(_, v int64) bool { return v > 0 }))[0]
		},
		"Map":                  func(s stream) stream { return weir.Map(s, func(k, v int64) (int64, int64) { return v, k }) },
		"MapValues":            func(s stream) stream { return weir.MapValues(s, func(v int64) int64 { return v + 1 }) },
		"MapValuesWithKey":     func(s stream) stream { return weir.MapValuesWithKey(s, func(k, v int64) int64 { return k + v }) },
		"MapRecords":           func(s stream) stream { return weir.MapRecords(s, func(r record) record { return r }) },
		"KeyBy":                func(s stream) stream { return weir.KeyBy(s, func(_, v int64) int64 { return v }) },
		"FlatMapValues":        func(s stream) stream { return weir.FlatMapValues(s, func(int64) []int64 { return two }) },
		"FlatMapValuesWithKey": func(s stream) stream { return weir.FlatMapValuesWithKey(s, func(_, _ int64) []int64 { return two }) },
		"FlatMap": func(s stream) stream {
			return weir.FlatMap(s, func(k, v int64, emit func(int64, int64)) { emit(k, v); emit(v, k) })
		},
		"TryMap": func(s stream) stream {
			return weir.TryMap(s, func(_ context.Context, r record) (int64, int64, error) { return r.Key, r.Value, nil })
		},
		"TryMapValues": func(s stream) stream {
			return weir.TryMapValues(s, func(_ context.Context, r record) (int64, error) { return r.Value, nil })
		},
		"TryMapRecords": func(s stream) stream {
			return weir.TryMapRecords(s, func(_ context.Context, r record) (record, error) { return r, nil })
		},
		"TryFlatMapValues": func(s stream) stream {
			return weir.TryFlatMapValues(s, func(context.Context, record) ([]int64, error) { return two, nil })
		},
		"TryFlatMap": func(s stream) stream {
			return weir.TryFlatMap(s, func(_ context.Context, r record, emit func(int64, int64)) error { emit(r.Key, r.Value); return nil })
		},
		"Process": func(s stream) stream { return weir.Process(s, func() *relay { return new(relay) }) },
		"ten of them": func(s stream) stream {
			for range 10 {
				s = weir.MapValues(s, func(v int64) int64 { return v + 1 })
			}
			return s
		},
	} {
		ends := 0
		n, _ := allocations(t, func(s stream) { op(s).ForEach(func(int64, int64) { ends++ }) })
		if n != 0 || ends < 500 {
			t.Errorf("%s: %v allocations a record; %d came through", name, n, ends)
		}
	}
}

// TestHitsDoNotAllocate has rows that are in the cache.
func TestHitsDoNotAllocate(t *testing.T) {
	add := func(a, b int64) int64 { return a + b }
	sum := weir.NewAggregator(nil, func(_, v, sum int64) int64 { return sum + v }).MergeBy(func(_, a, b int64) int64 { return a + b })
	for name, op := range map[string]func(s weir.Stream[int64, int64]){
		"Count":     func(s weir.Stream[int64, int64]) { weir.Count(s.GroupByKey(), "s") },
		"Reduce":    func(s weir.Stream[int64, int64]) { weir.Reduce(s.GroupByKey(), "s", add) },
		"Aggregate": func(s weir.Stream[int64, int64]) { weir.Aggregate(s.GroupByKey(), "s", sum) },
		"tumbling": func(s weir.Stream[int64, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Tumbling(time.Minute)), "s")
		},
		"hopping": func(s weir.Stream[int64, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Hopping(time.Minute, time.Second)), "s")
		},
		"emitted closed": func(s weir.Stream[int64, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Tumbling(time.Minute)), "s", weir.EmitOnClose())
		},
		"unlimited": func(s weir.Stream[int64, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Unlimited(time.UnixMilli(0))), "s")
		},
		"ToTable": func(s weir.Stream[int64, int64]) { s.ToTable("s") },
		"JoinTable": func(s weir.Stream[int64, int64]) {
			weir.JoinTable(s, s.ToTable("s"), func(_, v, row int64) int64 { return v + row })
		},
		"counts, forward": func(s weir.Stream[int64, int64]) {
			weir.Count(s.GroupByKey(), "s").ToStream().ForEach(func(int64, int64) {})
		},
	} {
		if n, _ := allocations(t, op); n != 0 {
			t.Errorf("%s: %v allocations a record", name, n)
		}
	}
}

// TestSinksAllocateNothing of their own: what a record costs in the client is that room's budget.
func TestSinksAllocateNothing(t *testing.T) {
	for name, op := range map[string]func(s weir.Stream[int64, int64]){
		"To": func(s weir.Stream[int64, int64]) { s.To(allocOut) },
		"To, by value": func(s weir.Stream[int64, int64]) {
			s.To(allocOut.PartitionBy(func(_, v int64, n int) int { return int(v) % n }))
		},
		"ToFunc": func(s weir.Stream[int64, int64]) {
			s.ToFunc(func(weir.Record[int64, int64]) weir.Topic[int64, int64] { return allocOut })
		},
		"Repartition": func(s weir.Stream[int64, int64]) { s.Repartition("again") },
		"a changelog": func(s weir.Stream[int64, int64]) { weir.Count(s.GroupByKey(), "s", weir.NoCache()) },
	} {
		n, sent := allocations(t, op)
		if n != 0 || sent < 1 {
			t.Errorf("%s: %v allocations a record, %v sent", name, n, sent)
		}
	}
}

var kept *int64

// TestAllocationsAreSeen counts what a user's function allocates.
func TestAllocationsAreSeen(t *testing.T) {
	n, _ := allocations(t, func(s weir.Stream[int64, int64]) { s.ForEach(func(_, v int64) { kept = &v }) })
	if n != 1 {
		t.Errorf("%v allocations were counted, want 1", n)
	}
}
