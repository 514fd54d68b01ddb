package weir_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// tens groups limits by their tens; a negative one has no group.
func tens(_ string, v int64) (*string, int64) {
	if v < 0 {
		return nil, v
	}
	name := fmt.Sprint(v / 10)
	return &name, v
}

var tensKey = weir.KeySerde(serde.Nullable(serde.String()))

// TestGroupedTable compares groups with what they are by definition: aggregates of the rows of the moment.
func TestGroupedTable(t *testing.T) {
	for name, opts := range map[string][]weirtest.Option{
		"cached": {weirtest.CommitEvery(7)}, "each": nil, "no caches": {weirtest.Cache(0)}, "partitions": {weirtest.Partitions("limits", 3)},
	} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s, %d", name, seed), func(t *testing.T) { checkGroups(t, rand.New(rand.NewPCG(seed, 1)), opts) })
		}
	}
}

func checkGroups(t *testing.T, r *rand.Rand, opts []weirtest.Option) {
	var n weir.Table[*string, int64]
	var sum, most weir.Table[*string, int64]
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		g := weir.GroupTableBy(weir.TableFrom(b, limits, "limits"), tens, tensKey, weir.Named("by-tens"))
		n = weir.Count(g, "count")
		sum = weir.ReduceTable(g, "sum", func(sum, v int64) int64 { return sum + v }, func(sum, v int64) int64 { return sum - v })
		most = weir.Aggregate(g, "sum-of-some", weir.NewAggregator(func() int64 { return 0 }, func(_ *string, v, sum int64) int64 { return sum + v }).
			SubBy(func(_ *string, v, sum int64) int64 { return sum - v }).DropIf(func(sum int64) bool { return sum == 0 }))
	}), opts...)
	in := weirtest.In(d, limits)
	table := map[string]int64{}
	groups := map[string]bool{}
	for i := range 120 {
		key, v := string(rune('a'+r.IntN(6))), int64(r.IntN(45)-5)
		switch {
		case r.IntN(4) == 0:
			delete(table, key)
			in.SendRecord(weir.Tombstone[int64](key, at(int64(i))))
		default:
			table[key] = v
			in.SendAt(key, v, at(int64(r.IntN(i+1))))
			if v >= 0 {
				groups[fmt.Sprint(v/10)] = true
			}
		}
		if i%40 == 20 {
			d.Restart()
		}
	}
	d.Commit()
	counts, sums := map[string]int64{}, map[string]int64{}
	for g := range groups { // a count and a sum stay, as 0
		counts[g], sums[g] = 0, 0
	}
	for _, v := range table {
		if v >= 0 {
			counts[fmt.Sprint(v/10)]++
			sums[fmt.Sprint(v/10)] += v
		}
	}
	sameRows(t, d, n, counts)
	sameRows(t, d, sum, sums)
	maps.DeleteFunc(sums, func(_ string, v int64) bool { return v == 0 })
	sameRows(t, d, most, sums)
}

// sameRows compares a table's rows with what they should be.
func sameRows(t *testing.T, d *weirtest.Driver, table weir.Table[*string, int64], want map[string]int64) {
	t.Helper()
	got := map[string]int64{}
	for k, v := range weirtest.Store(d, table.Store()).All() {
		got[*k] = v
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s has %v, want %v", table.Store().StoreName(), got, want)
	}
}

// The old value leaves its group before the new one comes, by one record where the group stays the same.
func TestGroupedTableRepartition(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		g := weir.GroupTableBy(weir.TableFrom(b, limits, "limits", weir.IfNeeded()), tens, tensKey)
		weir.Count(g, "count").ToStream().To(weir.NewTopic("out", serde.Nullable(serde.String()), serde.Int64()))
	}), weirtest.Cache(0))
	in := weirtest.In(d, limits)
	for i, v := range []int64{11, 12, 25, -1, 31} {
		in.SendAt("a", v, at(int64(i)))
	}
	in.SendRecord(weir.Tombstone[int64]("a", at(9)))
	var got []string
	for _, r := range d.Records("test-count-repartition") {
		got = append(got, fmt.Sprintf("%s=%d", r.Key, r.Value[len(r.Value)-1]))
	}
	if got := strings.Join(got, " "); got != "1=1 1=2 1=0 2=1 2=0 3=1 3=0" {
		t.Error(got)
	}
	got = nil
	for _, r := range d.Records("out") {
		got = append(got, fmt.Sprintf("%s=%d", r.Key, r.Value[7]))
	}
	if got := strings.Join(got, " "); got != "1=1 1=1 1=0 2=1 2=0 3=1 3=0" {
		t.Error(got)
	}
}

// What a subtraction that failed has made of an aggregate is thrown away, also where an addition fails after it.
func TestGroupedTableFailure(t *testing.T) {
	type sums map[string]int64
	failing := func(f func(v int64, s sums)) func(string, int64, sums) sums {
		return func(_ string, v int64, s sums) sums {
			f(v, s)
			if v == 13 {
				panic("thirteen")
			}
			return s
		}
	}
	out := weir.NewTopic("out", serde.String(), serde.JSON[sums]())
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		g := weir.GroupTableBy(weir.TableFrom(b, limits, "limits", weir.NoCache()), func(_ string, v int64) (string, int64) { return "all", v }, weir.Named("g"))
		weir.Aggregate(g, "sums", weir.NewAggregator(func() sums { return sums{} }, failing(func(v int64, s sums) { s["sum"] += v })).
			SubBy(failing(func(v int64, s sums) { s["sum"] -= v })), weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Skip() }), weir.ValueSerde(serde.JSON[sums]())).ToStream().To(out)
	}), weirtest.CommitEvery(0))
	in := weirtest.In(d, limits)
	for i, v := range []int64{1, 2, 13, 5} {
		in.SendAt("a", v, at(int64(i)))
	}
	in.SendAt("b", 7, at(9))
	d.Commit()
	got := weirtest.Out(d, out).All()
	if last := got[len(got)-1].Value["sum"]; last != 2+7 {
		t.Errorf("%d", last) // 2 stays: neither 2 → 13 nor 13 → 5 was done
	}
}

func TestGroupedTableFaults(t *testing.T) {
	b := weir.NewBuilder()
	g := weir.GroupTableBy(weir.TableFrom(b, limits, "limits"), tens)
	weir.Aggregate(g, "one", weir.NewAggregator(func() int64 { return 0 }, func(_ *string, v, sum int64) int64 { return sum + v }))
	weir.ReduceTable(g, "two", func(sum, _ int64) int64 { return sum }, nil)
	weir.Count(g, "three", weir.EmitOnClose())
	_, err := b.Build()
	for _, want := range []string{
		`store "one": a grouped table needs the Aggregator's Sub`, `store "two": a function is nil`, "option EmitOnClose does not fit",
		"the key of repartition topic one-repartition: no serde for the type *string",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if errors.Unwrap(err) == nil {
		t.Error(err)
	}
}
