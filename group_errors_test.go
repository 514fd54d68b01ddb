package weir_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// tally is an aggregate that user code changes in place.
type tally map[string]int

func (c tally) String() string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		all = append(all, fmt.Sprint(k, c[k]))
	}
	return strings.Join(all, "+")
}

var (
	tallyOut  = weir.NewTopic("tallyOut", serde.String(), serde.JSON[tally]())
	outClicks = weir.NewTopic("out-clicks", clicks.KeySerde(), clicks.ValueSerde())
	errOdd    = errors.New("odd")
)

// tallying changes the aggregate in place, and then fails at the value "bad", by an error or a panic.
func tallying(panics bool) weir.Aggregator[string, string, tally] {
	return weir.Aggregator[string, string, tally]{
		Init: func() tally { return tally{} },
		TryAdd: func(_ context.Context, r weir.Record[string, string], c tally) (tally, error) {
			c[r.Value]++
			if r.Value == "bad" && panics {
				panic(errOdd)
			} else if r.Value == "bad" {
				return c, errOdd
			}
			return c, nil
		},
		Merge: func(_ string, a, b tally) tally {
			for k, n := range a {
				b[k] += n
			}
			return b // which may be the cached one
		},
	}
}

// An aggregator that changes the cached object in place and then fails leaves the state as it was, in windows of every kind.
func TestFailedAggregatorChangesNothing(t *testing.T) {
	for _, opts := range [][]weir.OpOption{nil, {weir.NoCache()}} {
		for _, panics := range []bool{false, true} {
			for _, w := range []window.Spec{nil, window.Tumbling(time.Second), window.Sliding(time.Second), window.Session(time.Second), window.Unlimited(at(0))} {
				failAndSkip(t, w, panics, opts)
			}
		}
	}
}

func failAndSkip(t *testing.T, w window.Spec, panics bool, opts []weir.OpOption) {
	decided := weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
		if !errors.Is(e, errOdd) || e.Node != "sum" || e.Source.Topic != "texts" || e.Phase != processor.Processing {
			t.Errorf("error %v", e)
		}
		return weir.Skip()
	})
	opts = append([]weir.OpOption{weir.ValueSerde(serde.JSON[tally]()), weir.Named("sum"), decided}, opts...)
	topo := built(t, func(b *weir.Builder) {
		g := weir.From(b, texts).GroupByKey()
		if w == nil {
			weir.Aggregate(g, "sums", tallying(panics), opts...).ToStream().To(tallyOut)
			return
		}
		weir.Unwindow(weir.Aggregate(g.WindowedBy(w), "sums", tallying(panics), opts...).ToStream()).To(tallyOut)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	in := weirtest.In(d, texts)
	for _, v := range []string{"x", "bad", "x", "bad", "y"} { // before anything is committed, and after
		in.SendAt("a", v, at(5))
	}
	in.SendAt("b", "bad", at(5))
	d.Commit()
	in.SendAt("a", "bad", at(5))
	in.SendAt("a", "x", at(5))
	d.Commit()
	if got := fmt.Sprint(weirtest.Table(weirtest.Out(d, tallyOut))); got != "map[a:x3+y1]" {
		t.Errorf("windows %v, panics %v: %s", w, panics, got)
	}
	if n := dropped(d, "failed"); n != 4 {
		t.Errorf("windows %v, panics %v: %d failed", w, panics, n)
	}
}

// A retry runs the node again with the same input: each window takes the record once.
func TestRetriedWindowsAddOnce(t *testing.T) {
	calls := 0
	again := weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Retry(time.Millisecond) })
	topo := built(t, func(b *weir.Builder) {
		agg := tallying(false)
		add := agg.TryAdd
		agg.TryAdd = func(ctx context.Context, r weir.Record[string, string], c tally) (tally, error) {
			if calls++; calls%2 == 0 {
				c["spoilt"] = 1
				return c, errOdd
			}
			return add(ctx, r, c)
		}
		w := window.Hopping(20*time.Millisecond, 10*time.Millisecond)
		flat(weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(w), "sums", agg, again, weir.ValueSerde(serde.JSON[tally]())).ToStream()).To(tallyOut)
	})
	d := weirtest.New(t, topo)
	weirtest.In(d, texts).SendAt("a", "x", at(15))
	weirtest.In(d, texts).SendAt("a", "x", at(16))
	if got := fmt.Sprint(weirtest.Table(weirtest.Out(d, tallyOut))); got != "map[a[0,20]:x2 a[10,30]:x2]" {
		t.Error(got)
	}
}

// What fails below a cache fails at a flush, with the coordinates of the record that wrote the row last; its siblings go on.
func TestErrorBelowACache(t *testing.T) {
	var saw []string
	topo := built(t, func(b *weir.Builder) {
		sums := weir.Reduce(weir.From(b, clicks).GroupByKey(), "sums", func(a, b int64) int64 { return a + b }).ToStream()
		weir.MapValues(sums, func(v int64) int64 { return 10 / (v - 3) }, weir.Named("divide"), weir.OnError(func(_ context.Context, e *weir.RecordError) weir.Decision {
			saw = append(saw, fmt.Sprint(e.Node, " ", e.Source.Topic, " ", e.Source.Offset, " ", e.Time.UnixMilli()))
			return weir.Skip()
		})).To(totals)
		sums.To(outClicks)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	in := weirtest.In(d, clicks)
	in.SendAt("a", 1, at(1))
	in.SendAt("b", 4, at(2))
	in.SendAt("a", 2, at(3))
	in.SendAt("c", 5, at(4))
	d.Commit()
	expect(t, weirtest.Out(d, totals), "b=10@2, c=5@4")
	expect(t, weirtest.Out(d, outClicks), "b=4@2, a=3@3, c=5@4")
	if fmt.Sprint(saw) != "[divide clicks 2 3]" {
		t.Error(saw)
	}
}
