package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
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

// counting counts records by key and writes every count; cached, only those at commits.
func counting(opts ...weir.OpOption) *scene {
	in, out := weir.NewTopic("in", serde.String(), serde.String()), weir.NewTopic("out", serde.String(), serde.Int64())
	return &scene{
		name:  "count",
		check: checkEveryCount,
		build: func(w *world) (*weir.Topology, error) {
			b := weir.NewBuilder()
			s := weir.MapValues(weir.From(b, in), func(v string) string { w.work(); return v })
			weir.Count(s.GroupByKey(), "counts", opts...).ToStream().To(out)
			return b.Build()
		},
		round: func(w *world, n int) (all []*kgo.Record) {
			for i := range 200 {
				key := w.below(30)
				all = append(all, &kgo.Record{Topic: "in", Partition: int32(key % partitions), Key: fmt.Appendf(nil, "k%d", key), Value: fmt.Append(nil, n, i), Timestamp: epoch})
			}
			return all
		},
	}
}

func everyCount() *scene { return counting(weir.NoCache()) }

func cachedCount() *scene {
	s := counting()
	s.name, s.check = "cached count", checkLastCount
	return s
}

func checkEveryCount(w *world, fed, out []*kgo.Record) error {
	if w.plan.exactlyOnce {
		return checkCounts(fed, out, checkSequence)
	}
	return checkCounts(fed, out, checkEnough)
}

func checkLastCount(w *world, fed, out []*kgo.Record) error {
	if w.plan.exactlyOnce {
		return checkCounts(fed, out, checkRise)
	}
	return checkCounts(fed, out, checkEnough)
}

// checkCounts checks the counts that were written of each key.
func checkCounts(fed, out []*kgo.Record, check func(got []int64, want int64) error) error {
	want, got := map[string]int64{}, map[string][]int64{}
	for _, r := range fed {
		want[string(r.Key)]++
	}
	for _, r := range out {
		got[string(r.Key)] = append(got[string(r.Key)], int64(binary.BigEndian.Uint64(r.Value)))
	}
	var errs []error
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if err := check(got[k], want[k]); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", k, err))
		}
		delete(got, k)
	}
	for k := range got {
		errs = append(errs, fmt.Errorf("key %s was never fed", k))
	}
	return errors.Join(errs...)
}

// checkSequence: the counts of a key are 1, 2, 3, …
func checkSequence(got []int64, want int64) error {
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

// checkRise: the counts of a key grow, to the number of its records.
func checkRise(got []int64, want int64) error {
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			return fmt.Errorf("%d comes after %d: %v", got[i], got[i-1], got)
		}
	}
	if len(got) == 0 || got[len(got)-1] != want {
		return fmt.Errorf("%d records were fed, the counts are %v", want, got)
	}
	return nil
}

// checkEnough: what was fed is counted at least once.
func checkEnough(got []int64, want int64) error {
	if len(got) == 0 || slices.Max(got) < want {
		return fmt.Errorf("%d records were fed, the counts are %v", want, got)
	}
	return nil
}

// paying sums payments by merchant and minute, and writes each sum when its window has closed. A round's payments are made within two minutes,
// as much as windows wait for late ones, and the next round's eight minutes later: none is late, in whatever order partitions are read.
func paying() *scene {
	in := weir.NewTopic("in", serde.String(), serde.Int64())
	out := weir.NewTopic("out", window.KeySerde(serde.String(), time.Minute), serde.Int64())
	return &scene{
		name:  "payments",
		check: checkSums,
		build: func(w *world) (*weir.Topology, error) {
			b := weir.NewBuilder()
			kept := weir.From(b, in).Filter(func(id string, _ int64) bool { return !strings.HasPrefix(id, "1-") || merchant(id) != w.loses })
			byMerchant := weir.GroupBy(kept, func(id string, _ int64) string { w.work(); return merchant(id) }, weir.Named("by-merchant"))
			sum := weir.NewAggregator(nil, func(_ string, amount, sum int64) int64 { return sum + amount })
			weir.Aggregate(byMerchant.WindowedBy(window.Tumbling(time.Minute).Grace(2*time.Minute)), "sums", sum, weir.EmitOnClose()).ToStream().To(out)
			return b.Build()
		},
		round: func(w *world, n int) (all []*kgo.Record) {
			for i := range 150 {
				m := w.below(12)
				if n == w.plan.rounds {
					m = 100 + i // closes the windows of all partitions
				}
				at := epoch.Add(time.Duration(n)*10*time.Minute + w.upTo(2*time.Minute))
				id := fmt.Sprintf("%d-%d:m%d", n, i, m)
				all = append(all, &kgo.Record{Topic: "in", Partition: int32(i % partitions), Key: []byte(id), Value: binary.BigEndian.AppendUint64(nil, uint64(1+w.below(100))), Timestamp: at})
			}
			return all
		},
	}
}

// sieving keeps every other handful of records, as they are: between two commits there may be nothing to write.
func sieving() *scene {
	in, out := weir.NewTopic("in", serde.String(), serde.String()), weir.NewTopic("out", serde.String(), serde.String())
	kept := func(v string) bool { return strings.HasSuffix(v, "kept") }
	return &scene{
		name: "sieve",
		build: func(w *world) (*weir.Topology, error) {
			b := weir.NewBuilder()
			weir.From(b, in).Filter(func(_, v string) bool { w.work(); return kept(v) }).To(out)
			return b.Build()
		},
		round: func(w *world, n int) (all []*kgo.Record) {
			for i := range 200 {
				v := fmt.Sprint(n, "-", i)
				if i%8 >= 4 {
					v += "-kept"
				}
				all = append(all, &kgo.Record{Topic: "in", Partition: int32(i / 8 % partitions), Key: fmt.Appendf(nil, "k%d", i%8), Value: []byte(v), Timestamp: epoch})
			}
			return all
		},
		check: func(w *world, fed, out []*kgo.Record) error {
			want, got := map[string]int64{}, map[string]int64{}
			for _, r := range fed {
				if kept(string(r.Value)) {
					want[string(r.Value)]++
				}
			}
			for _, r := range out {
				got[string(r.Value)]++
			}
			for v, n := range want {
				if got[v] < n || w.plan.exactlyOnce && got[v] != n {
					return fmt.Errorf("%s was fed %d times and written %d times", v, n, got[v])
				}
				delete(got, v)
			}
			if len(got) > 0 {
				return fmt.Errorf("%d records were written that should not have been: %v", len(got), got)
			}
			return nil
		},
	}
}

// asking asks a service about each record that takes its time, and fails now and then.
func asking() *scene {
	in, out := weir.NewTopic("in", serde.String(), serde.String()), weir.NewTopic("out", serde.String(), serde.String())
	return &scene{
		name:  "asking",
		check: checkAnswers,
		build: func(w *world) (*weir.Topology, error) {
			b := weir.NewBuilder()
			answers := weir.AsyncMapValues(weir.From(b, in), w.answer, weir.Named("asks"), weir.Timeout(time.Second), weir.Backoff(50, 10*time.Millisecond))
			weir.MapValues(answers, func(v string) string { w.work(); return v }).To(out)
			return b.Build()
		},
		round: func(w *world, _ int) (all []*kgo.Record) {
			for i := range 200 {
				key := w.below(30)
				all = append(all, &kgo.Record{Topic: "in", Partition: int32(key % partitions), Key: fmt.Appendf(nil, "k%d", key), Value: fmt.Append(nil, len(w.fed)+i), Timestamp: epoch})
			}
			return all
		},
	}
}

// answer takes up to 200 ms, sometimes longer than anybody waits.
func (w *world) answer(ctx context.Context, r weir.Record[string, string]) (string, error) {
	h := fnv.New64a()
	h.Write([]byte(r.Value))
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(time.Now().UnixNano())))
	takes := time.Duration(rng.Int64N(int64(200 * time.Millisecond)))
	if rng.IntN(50) == 0 {
		takes = 2 * time.Second
	}
	w.mu.Lock()
	w.awake = time.Now().Add(10 * time.Second) // others may wait behind it
	w.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
	}
	if rng.IntN(10) == 0 {
		return "", errors.New("busy")
	}
	return r.Value, nil
}

// checkAnswers: every record is answered, those of a key in their order; exactly once, once.
func checkAnswers(w *world, fed, out []*kgo.Record) error {
	var errs []error
	got, last := map[string]int{}, map[string]int{}
	for _, r := range out {
		key, v := string(r.Key), string(r.Value)
		if got[v]++; got[v] > 1 {
			if w.plan.exactlyOnce {
				errs = append(errs, fmt.Errorf("%s is answered again", v))
			}
			continue
		}
		n, err := strconv.Atoi(v)
		if before := last[key]; err != nil || n < before {
			errs = append(errs, fmt.Errorf("key %s: %s comes after %d", key, v, before))
		}
		last[key] = n
	}
	for _, r := range fed {
		if got[string(r.Value)] == 0 {
			errs = append(errs, fmt.Errorf("%s has no answer", r.Value))
		}
	}
	return errors.Join(errs...)
}

// merchant is the payee of a payment, by its id.
func merchant(id string) string {
	_, m, _ := strings.Cut(id, ":")
	return m
}

func checkSums(w *world, fed, out []*kgo.Record) error {
	keys := window.KeySerde(serde.String(), time.Minute)
	want, got := map[string]int64{}, map[string][]int64{}
	for _, r := range fed {
		if end := epoch.Add(time.Duration(w.plan.rounds) * 10 * time.Minute); r.Timestamp.Before(end) {
			want[fmt.Sprintf("%s@%d", merchant(string(r.Key)), r.Timestamp.Truncate(time.Minute).UnixMilli())] += int64(binary.BigEndian.Uint64(r.Value))
		}
	}
	for _, r := range out {
		k, err := keys.Decode(r.Key)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s@%d", k.Key, k.StartMs())
		got[name] = append(got[name], int64(binary.BigEndian.Uint64(r.Value)))
	}
	var errs []error
	for _, k := range slices.Sorted(maps.Keys(want)) {
		switch exact := len(got[k]) == 1 && got[k][0] == want[k]; {
		case w.plan.exactlyOnce && !exact, checkEnough(got[k], want[k]) != nil:
			errs = append(errs, fmt.Errorf("window %s: the sum is %d, what was written %v", k, want[k], got[k]))
		}
		delete(got, k)
	}
	for k := range got {
		errs = append(errs, fmt.Errorf("window %s was never fed", k))
	}
	return errors.Join(errs...)
}

// feed writes a round's records, over some seconds, beside the nemesis. Exactly once, aborted transactions come in between.
func (w *world) feed(round int) (done chan struct{}) {
	done = make(chan struct{})
	all := w.scene.round(w, round)
	w.fed = append(w.fed, all...)
	go func() {
		defer close(done)
		for part := range slices.Chunk(all, 4) {
			w.write(part)
			time.Sleep(w.upTo(400 * time.Millisecond))
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
