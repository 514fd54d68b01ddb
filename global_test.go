package weir_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
)

// TestGlobalTableAgainstAMap joins random records with a table that is a map, over restarts, new machines and crashes.
func TestGlobalTableAgainstAMap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		in, out := weir.NewTopic("in", serde.String(), serde.Int64()), weir.NewTopic("out", serde.String(), serde.String())
		var table weir.GlobalTable[string, int64]
		topo := built(t, func(b *weir.Builder) {
			opts := []weir.OpOption{weir.InMemory(), weir.NoCache()}
			table = weir.GlobalFrom(b, weir.NewTopic("rows", serde.String(), serde.Int64()), "rows", opts[:rapid.IntRange(0, 2).Draw(r, "options")]...)
			s := weir.From(b, in)
			weir.LeftJoinGlobal(s, table, func(k string, _ int64) (string, bool) { return k, k != "e" }, func(_ string, v int64, row *int64) string {
				if row == nil {
					return fmt.Sprint(v, " none")
				}
				return fmt.Sprint(v, " ", *row)
			}).To(out)
		})
		d := weirtest.New(t, topo, weirtest.Partitions("rows", 3), weirtest.Partitions("in", 2))
		ins, rows, outs := weirtest.In(d, in), weirtest.In(d, weir.NewTopic("rows", serde.String(), serde.Int64())), weirtest.Out(d, out)
		model := map[string]int64{}
		for i := range rapid.IntRange(1, 60).Draw(r, "steps") {
			key, n := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "key"), int64(i)
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				d.Restart()
			case 1:
				d.Rebuild()
			case 2:
				d.Crash()
			case 3:
				rows.SendRecord(weir.Tombstone[int64](key, time.UnixMilli(n)))
				delete(model, key)
			case 4, 5, 6:
				rows.SendAt(key, n, time.UnixMilli(1000-n)) // the later wins, though it is older
				model[key] = n
			default:
				ins.SendAt(key, n, time.UnixMilli(n))
				want := fmt.Sprint(n, " none")
				if row, ok := model[key]; ok && key != "e" {
					want = fmt.Sprint(n, " ", row)
				}
				if got, ok := outs.Next(); !ok || got.Value != want {
					r.Fatalf("%s was joined to %q, want %q", key, got.Value, want)
				}
			}
			if got := maps.Collect(weirtest.Store(d, table.Store()).All()); !maps.Equal(got, model) {
				r.Fatalf("the table holds %v, want %v", got, model)
			}
		}
	})
}

// TestGlobalFaults are refused by Build, by name.
func TestGlobalFaults(t *testing.T) {
	a, other := weir.NewTopic("a", serde.String(), serde.Int64()), weir.NewTopic("b", serde.String(), serde.Int64())
	for name, c := range map[string]struct {
		declare func(b *weir.Builder)
		want    string
	}{
		"another builder's table": {func(b *weir.Builder) {
			t := weir.GlobalFrom(weir.NewBuilder(), other, "s")
			weir.JoinGlobal(weir.From(b, a), t, func(k string, _ int64) (string, bool) { return k, true }, func(string, int64, int64) int64 { return 0 })
		}, "another Builder"},
		"the topic is a stream's": {func(b *weir.Builder) {
			weir.GlobalFrom(b, a, "s")
			weir.From(b, a).To(other)
		}, `topic "a" is read by`},
		"a store twice": {func(b *weir.Builder) {
			weir.GlobalFrom(b, a, "s")
			weir.GlobalFrom(b, other, "s")
		}, `store "s" exists already`},
		"an option": {func(b *weir.Builder) { weir.GlobalFrom(b, a, "s", weir.NoChangelog()) }, "NoChangelog does not fit"},
		"declared after its readers": {func(b *weir.Builder) {
			weir.Process(weir.From(b, other), func() *checkLimit { return new(checkLimit) }, weir.Stores(limitOf))
			weir.GlobalStore(b, a, limitOf, func() *newLimit { return new(newLimit) })
		}, "declare it before"},
		"a nil store": {func(b *weir.Builder) { weir.GlobalStore(b, a, nil, func() *newLimit { return new(newLimit) }) }, "a nil store"},
		"other serdes": {func(b *weir.Builder) {
			weir.ReadOnlyStore(b, weir.NewTopic("a", serde.String(), serde.JSON[int64]()), state.KeyValueStore("s", serde.String(), serde.Int64()))
		}, "they must be the same"},
	} {
		b := weir.NewBuilder()
		c.declare(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGlobalUndecodable meets OnError like any record.
func TestGlobalUndecodable(t *testing.T) {
	topic := weir.NewTopic("a", serde.String(), serde.Int64())
	topo := built(t, func(b *weir.Builder) { weir.GlobalFrom(b, topic, "s", weir.Named("g")) })
	d := weirtest.New(t, topo)
	err := d.TrySendRaw("a", 0, []byte("k"), []byte("short"), at(1))
	contains(t, err, `global store "s"`, `topic "a", partition 0, offset 0`, "5 bytes")

	decision := weir.Skip()
	d = weirtest.New(t, topo, weirtest.With(weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return decision })))
	d.SendRaw("a", 0, []byte("k"), []byte("short"), at(1))
	drops(t, d, map[string]map[string]int64{"g-source": {"undecodable": 1}})
	decision = weir.DeadLetter("dead")
	contains(t, d.TrySendRaw("a", 0, []byte("k"), []byte("short"), at(1)), `topic "dead"`, "writes to no topic")
}
