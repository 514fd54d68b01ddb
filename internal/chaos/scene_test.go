package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// scene is what an app does, what is fed to it, and what must come of it.
type scene struct {
	name  string
	build func(*world) (*weir.Topology, error)
	// round makes the records of a round; the last is one behind the plan's rounds, and may be used to close windows.
	round func(w *world, n int) []*kgo.Record
	// check compares what was written with what was fed.
	check func(w *world, fed, out []*kgo.Record) error
}

// epoch is where event time begins.
var epoch = time.UnixMilli(1_700_000_040_000) // on a whole minute

// counting counts records by key and writes every count.
func counting() *scene {
	in, out := weir.NewTopic("in", serde.String(), serde.String()), weir.NewTopic("out", serde.String(), serde.Int64())
	return &scene{
		name: "count",
		build: func(w *world) (*weir.Topology, error) {
			b := weir.NewBuilder()
			s := weir.MapValues(weir.From(b, in), func(v string) string { w.work(); return v })
			weir.Count(s.GroupByKey(), "counts", weir.NoCache()).ToStream().To(out)
			return b.Build()
		},
		round: func(w *world, n int) (all []*kgo.Record) {
			for i := range 200 {
				key := w.below(30)
				all = append(all, &kgo.Record{Topic: "in", Partition: int32(key % partitions), Key: fmt.Appendf(nil, "k%d", key), Value: fmt.Append(nil, n, i), Timestamp: epoch})
			}
			return all
		},
		check: checkCounts,
	}
}

func checkCounts(w *world, fed, out []*kgo.Record) error {
	want, got := map[string]int64{}, map[string][]int64{}
	for _, r := range fed {
		want[string(r.Key)]++
	}
	for _, r := range out {
		got[string(r.Key)] = append(got[string(r.Key)], int64(binary.BigEndian.Uint64(r.Value)))
	}
	var errs []error
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if err := checkSequence(w.plan.exactlyOnce, got[k], want[k]); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", k, err))
		}
		delete(got, k)
	}
	for k := range got {
		errs = append(errs, fmt.Errorf("key %s was never fed", k))
	}
	return errors.Join(errs...)
}

// checkSequence: exactly once the counts of a key are 1, 2, 3, …; at least once none is missing in the end.
func checkSequence(exactly bool, got []int64, want int64) error {
	if !exactly {
		if len(got) == 0 || slices.Max(got) < want {
			return fmt.Errorf("%d records were fed, the counts are %v", want, got)
		}
		return nil
	}
	for i, n := range got {
		if n != int64(i+1) {
			return fmt.Errorf("count %d comes as number %d: %v", n, i+1, got)
		}
	}
	if int64(len(got)) != want {
		return fmt.Errorf("%d counts for %d records", len(got), want)
	}
	return nil
}

// feed writes a round's records, over some seconds, beside the nemesis. Exactly once, aborted transactions come in between.
func (w *world) feed(round int) (done chan struct{}) {
	done = make(chan struct{})
	all := w.scene.round(w, round)
	w.fed = append(w.fed, all...)
	go func() {
		defer close(done)
		for part := range slices.Chunk(all, 20) {
			w.write(part)
			time.Sleep(w.upTo(600 * time.Millisecond))
		}
	}()
	return done
}

func (w *world) write(all []*kgo.Record) {
	ctx, cancel := w.ctx()
	defer cancel()
	for _, r := range all {
		c := *r
		if err := w.client.ProduceSync(ctx, &c).FirstErr(); err != nil {
			panic(fmt.Sprintf("the feeder cannot write: %v", err))
		}
	}
}

var _ = context.Background
