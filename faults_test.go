package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

// Every mistake in a group, a table or a join is an error of Build that names the operator or its store.
func TestFaultsOfGroupsAndTables(t *testing.T) {
	sum := func(a, b int64) int64 { return a + b }
	add := func(_ string, v, a int64) int64 { return a + v }
	zero := func() int64 { return 0 }
	session, tumbling := window.Session(time.Second), window.Tumbling(time.Second)
	for _, c := range []struct {
		name    string
		declare func(b *weir.Builder, s weir.Stream[string, int64])
		wants   []string
	}{
		{"no Merge", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Aggregate(s.GroupByKey().WindowedBy(session), "sums", weir.NewAggregator(nil, add))
		}, []string{"Aggregate", `store "sums"`, "Merge"}},
		{"no Add", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Aggregate(s.GroupByKey(), "sums", weir.Aggregator[string, int64, int64]{})
		}, []string{"Aggregate", `store "sums"`, "Add or TryAdd"}},
		{"no function", func(_ *weir.Builder, s weir.Stream[string, int64]) { weir.Reduce(s.GroupByKey(), "sums", nil) }, []string{"Reduce", `store "sums"`, "nil"}},
		{"short retention of sliding windows", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Reduce(s.GroupByKey().WindowedBy(window.Sliding(time.Second).Grace(time.Second)), "sums", sum, weir.EmitOnClose(), weir.Retention(2*time.Second))
		}, []string{"Reduce", `store "sums"`, "Retention(2s)", "at least 3s"}},
		{"bad sliding windows", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Sliding(-time.Second)), "n")
		}, []string{"WindowedBy", "sliding windows", "negative"}},
		{"unlimited from before 1970", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Unlimited(at(-1))), "n")
		}, []string{"WindowedBy", "unlimited windows", "before 1970"}},
		{"cogroup without init", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.AggregateCogroup(weir.Cogroup(nil, weir.Adding(s.GroupByKey(), add)), "sums")
		}, []string{"AggregateCogroup", `store "sums"`, "init is nil"}},
		{"cogrouped sessions without MergeBy", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.AggregateCogroup(weir.Cogroup(zero, weir.Adding(s.GroupByKey(), add)).WindowedBy(session), "sums")
		}, []string{"AggregateCogroup", `store "sums"`, "MergeBy"}},
		{"cogroup without add", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			var none func(string, int64, int64) int64
			weir.AggregateCogroup(weir.Cogroup(zero, weir.Adding(s.GroupByKey(), none)), "sums")
		}, []string{"Adding", "function is nil"}},
		{"cogroup on close", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.AggregateCogroup(weir.Cogroup(zero, weir.Adding(s.GroupByKey(), add)).WindowedBy(tumbling), "sums", weir.EmitOnClose())
		}, []string{"AggregateCogroup", "EmitOnClose does not fit"}},
		{"cogrouped bad windows, once", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			in := weir.Adding(s.GroupByKey(), add)
			weir.AggregateCogroup(weir.Cogroup(zero, in).And(in).WindowedBy(tumbling), "sums", weir.Retention(time.Millisecond))
		}, []string{"AggregateCogroup", `store "sums"`, "Retention(1ms)"}},
		{"cogroup of two builders", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			other := weir.From(weir.NewBuilder(), clicks)
			weir.AggregateCogroup(weir.Cogroup(zero, weir.Adding(s.GroupByKey(), add), weir.Adding(other.GroupByKey(), add)), "sums")
		}, []string{"AggregateCogroup", `store "sums"`, "another Builder"}},
		{"two repartitions of one name", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			by := func(k string, _ int64) string { return k }
			weir.AggregateCogroup(weir.Cogroup(zero, weir.Adding(weir.GroupBy(s, by), add), weir.Adding(weir.GroupBy(s, by), add)), "sums")
		}, []string{"sums-repartition"}},
		{"no windows", func(_ *weir.Builder, s weir.Stream[string, int64]) { weir.Count(s.GroupByKey().WindowedBy(nil), "n") }, []string{"WindowedBy", "no windows"}},
		{"bad windows", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Hopping(time.Second, time.Minute)), "n")
		}, []string{"WindowedBy", "advance"}},
		{"unlimited on close", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Unlimited(at(0))), "n", weir.EmitOnClose())
		}, []string{"Count", `store "n"`, "EmitOnClose", "never close"}},
		{"unlimited retention", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(window.Unlimited(at(0))), "n", weir.Retention(time.Hour))
		}, []string{"Count", `store "n"`, "Retention"}},
		{"short retention", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(tumbling.Grace(time.Second)), "n", weir.Retention(time.Second))
		}, []string{"Count", `store "n"`, "Retention(1s)", "at least 2s"}},
		{"EmitEvery alone", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(tumbling), "n", weir.EmitEvery(time.Second))
		}, []string{"Count", "EmitEvery needs EmitOnClose"}},
		{"negative EmitEvery", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey().WindowedBy(tumbling), "n", weir.EmitOnClose(), weir.EmitEvery(-1))
		}, []string{"Count", "EmitEvery(-1ns)", "negative"}},
		{"windows' options without windows", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey(), "n", weir.EmitOnClose())
		}, []string{"Count", "EmitOnClose does not fit"}},
		{"no store name", func(_ *weir.Builder, s weir.Stream[string, int64]) { weir.Count(s.GroupByKey(), "") }, []string{"Count", "needs a name"}},
		{"bad store name", func(_ *weir.Builder, s weir.Stream[string, int64]) { s.ToTable("a b") }, []string{`"a b"`}},
		{"one store twice", func(b *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey(), "n")
			weir.TableFrom(b, limits, "n")
		}, []string{"TableFrom", `store "n" exists already`}},
		{"one group, two names", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			g := weir.GroupBy(s, func(k string, _ int64) string { return k }, weir.Named("x"))
			weir.Count(g, "n", weir.Named("x"))
		}, []string{`"x"`}},
		{"join without a name", func(b *weir.Builder, s weir.Stream[string, int64]) {
			weir.JoinTable(weir.KeyBy(s, func(k string, _ int64) string { return k }), weir.TableFrom(b, limits, "limits"), func(string, int64, int64) int64 { return 0 })
		}, []string{"JoinTable", "weir.Named"}},
		{"a table of another builder", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.JoinTable(s, weir.TableFrom(weir.NewBuilder(), limits, "limits"), func(string, int64, int64) int64 { return 0 })
		}, []string{"JoinTable", "another Builder"}},
		{"no serde", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Aggregate(s.GroupByKey(), "sums", weir.NewAggregator(nil, func(_ string, v int64, a struct{ N int64 }) struct{ N int64 } { return a }))
		}, []string{"Aggregate", `the value of store "sums"`, "weir.ValueSerde"}},
		{"another serde", func(_ *weir.Builder, s weir.Stream[string, int64]) {
			weir.Count(s.GroupByKey(), "n", weir.ValueSerde(serde.String()))
		}, []string{"Count", "option ValueSerde", "int64"}},
		{"a store that is not there", func(b *weir.Builder, s weir.Stream[string, int64]) {
			process(b, s, weir.TableFrom(b, limits, "limits").Filter(func(string, int64) bool { return true }).Store())
		}, []string{"Filter", "no store of its own", `"limits"`}},
		{"a store of another kind", func(b *weir.Builder, s weir.Stream[string, int64]) {
			process(b, s, weir.Count(s.GroupByKey().WindowedBy(session), "n").Store())
		}, []string{`store "n"`, "session store", "key-value"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := weir.NewBuilder()
			c.declare(b, weir.From(b, clicks))
			_, err := b.Build()
			if err == nil {
				t.Fatal("it was built")
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

// process connects a store with a processor.
func process(b *weir.Builder, s weir.Stream[string, int64], store state.Descriptor) {
	weir.Process(s, func() *holder { return new(holder) }, weir.Stores(store))
}

// holder is a processor that only holds stores.
type holder struct{}

func (*holder) Init(processor.Context, processor.Forward[string, int64]) error { return nil }
func (*holder) Process(weir.Record[string, int64]) error                       { return nil }

// What is right is built: the same mistakes set right.
func TestFaultlessGroupsAndTables(t *testing.T) {
	built(t, func(b *weir.Builder) {
		s := weir.From(b, clicks)
		table := weir.TableFrom(b, limits, "limits", weir.StartAt(weir.Latest()), weir.InMemory(), weir.NoChangelog())
		weir.JoinTable(weir.KeyBy(s, func(k string, _ int64) string { return k }), table, func(string, int64, int64) int64 { return 0 }, weir.Named("join"))
		weir.Count(s.GroupByKey().WindowedBy(window.Tumbling(time.Second)), "n", weir.EmitOnClose(), weir.EmitEvery(0), weir.Retention(time.Hour), weir.TopicConfig(map[string]string{"a": "b"}))
		process(b, s, table.Store())
	})
}
