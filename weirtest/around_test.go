package weirtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// around runs one record through two nodes inside f, and returns the failure.
func around(t *testing.T, f func(ctx processor.Context, next func() error) error, fail bool) error {
	t.Helper()
	in, out := weir.NewTopic("in", serde.String(), serde.Int64()), weir.NewTopic("out", serde.String(), serde.Int64())
	b := weir.NewBuilder()
	weir.MapValues(weir.From(b, in, weir.Named("source")), func(v int64) int64 {
		if fail {
			panic("the mapper")
		}
		return v + 1
	}, weir.Named("map")).To(out, weir.Named("sink"))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo, weirtest.With(weir.Around(f)))
	if err := weirtest.In(d, in).TrySend("k", 1); err != nil {
		return err
	}
	if all := weirtest.Out(d, out).All(); len(all) != 1 || all[0].Value != 2 {
		t.Errorf("came out: %v", all)
	}
	return nil
}

func TestAroundIsAroundEveryNode(t *testing.T) {
	var told []string
	err := around(t, func(ctx processor.Context, next func() error) error {
		source, _ := ctx.Source()
		told = append(told, fmt.Sprintf("%s %s-%d@%d", ctx.Node(), source.Topic, source.Partition, source.Offset))
		defer func() { told = append(told, "/"+ctx.Node()) }()
		return next()
	}, false)
	if want := []string{"source in-0@0", "map in-0@0", "sink in-0@0", "/sink", "/map", "/source"}; err != nil || !slices.Equal(told, want) {
		t.Errorf("told %v, %v, want %v", told, err, want)
	}
}

func TestAroundMustKeepItsContract(t *testing.T) {
	at := func(node string, f func(next func() error) error) func(ctx processor.Context, next func() error) error {
		return func(ctx processor.Context, next func() error) error {
			if ctx.Node() == node {
				return f(next)
			}
			return next()
		}
	}
	for want, c := range map[string]struct {
		f    func(next func() error) error
		fail bool
	}{
		"did not call next":                   {f: func(func() error) error { return nil }},
		"did not call next, and returned: no": {f: func(func() error) error { return errors.New("no") }},
		"called next more than once":          {f: func(next func() error) error { return errors.Join(next(), next()) }},
		"did not return the error of next":    {f: func(next func() error) error { _ = next(); return nil }, fail: true},
		"returned an error, but next did not": {f: func(next func() error) error { return errors.Join(next(), errors.New("no")) }},
		"panic: the wrapper":                  {f: func(func() error) error { panic("the wrapper") }},
		"the mapper":                          {f: func(next func() error) error { return fmt.Errorf("wrapped: %w", next()) }, fail: true},
	} {
		err := around(t, at("map", c.f), c.fail)
		if e := (*processor.RecordError)(nil); err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &e) || e.Node != "map" {
			t.Errorf("%v, want an error of the node map that says %q", err, want)
		}
	}
}

// surrounded notes around which nodes' work a function was called, and whether a record was in process.
type surrounded struct {
	within []string        // at this moment
	nodes  map[string]bool // and whether there ever was a record
	faults []string
}

func (s *surrounded) around(ctx processor.Context, next func() error) error {
	if slices.Contains(s.within, ctx.Node()) {
		s.faults = append(s.faults, fmt.Sprintf("%s within itself: %v", ctx.Node(), s.within))
	}
	_, of := ctx.Source()
	s.nodes[ctx.Node()] = s.nodes[ctx.Node()] || of
	s.within = append(s.within, ctx.Node())
	defer func() { s.within = s.within[:len(s.within)-1] }()
	return next()
}

// missing lists the nodes of a topology around whose work nothing was called, after it was fed, and says what was wrong.
func (s *surrounded) missing(t *testing.T, declare func(b *weir.Builder), feed func(d *weirtest.Driver)) (missing []string) {
	t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	s.nodes = map[string]bool{}
	d := weirtest.New(t, topo, weirtest.With(weir.Around(s.around)))
	feed(d)
	d.Commit()
	known := map[string]bool{}
	for _, sub := range topo.Graph(seal.Token{}).Subs() {
		for _, n := range sub.Nodes {
			known[n.Name] = true
			if _, ok := s.nodes[n.Name]; !ok {
				missing = append(missing, n.Name)
			}
		}
	}
	for name := range s.nodes {
		if !known[name] {
			s.faults = append(s.faults, fmt.Sprintf("%s is no node", name))
		}
	}
	return missing
}

var (
	left, right = weir.NewTopic("left", serde.String(), serde.Int64()), weir.NewTopic("right", serde.String(), serde.Int64())
	numbersOut  = weir.NewTopic("numbers", serde.String(), serde.Int64())
	lateOut     = weir.NewTopic("late", serde.String(), serde.JSON[weir.Late[int64]]())
	lastRows    = state.KeyValueStore("last", serde.String(), serde.Int64())
)

// ticker forwards its last record again each second, by the clock.
type ticker struct{ last *weir.Record[string, int64] }

func (p *ticker) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	ctx.Schedule(processor.WallTime(time.Second), func(time.Time) error {
		if p.last == nil {
			return nil
		}
		return out(*p.last)
	})
	return nil
}

func (p *ticker) Process(r weir.Record[string, int64]) error {
	p.last = &r
	return nil
}

// lasting keeps what it sees in a store, and forwards it.
type lasting struct {
	rows state.KeyValue[string, int64]
	out  processor.Forward[string, int64]
}

func (p *lasting) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	p.rows, p.out = lastRows.Bind(ctx), out
	return nil
}

func (p *lasting) Process(r weir.Record[string, int64]) error {
	if err := p.rows.Put(r.Key, r.Value); err != nil {
		return err
	}
	return p.out(r)
}

func plus(_ string, v, w int64) int64 { return v + w }

// surroundedCases are topologies that are fed 1 and -1 on both topics at 0 s, 1 at 100 s, and 1 at 0 s again, which is late.
var surroundedCases = map[string]func(b *weir.Builder){
	"split": func(b *weir.Builder) {
		for _, s := range weir.From(b, left).Split("split", weir.When("-positive", func(_ string, v int64) bool { return v > 0 })) {
			s.To(numbersOut)
		}
	},
	"merge": func(b *weir.Builder) { weir.From(b, left).Merge(weir.From(b, right)).To(numbersOut) },
	"timers": func(b *weir.Builder) {
		weir.Process(weir.From(b, left), func() *ticker { return &ticker{} }).To(numbersOut)
	},
	"async": func(b *weir.Builder) {
		weir.AsyncMapValues(weir.From(b, left), func(_ context.Context, r weir.Record[string, int64]) (int64, error) { return r.Value, nil }, weir.Named("asks")).To(numbersOut)
	},
	"repartition": func(b *weir.Builder) {
		weir.Count(weir.GroupBy(weir.From(b, left), func(_ string, v int64) int64 { return v }), "n").ToStream().ForEach(func(int64, int64) {})
	},
	"windows, late": func(b *weir.Builder) {
		grouped := weir.From(b, left).GroupByKey().WindowedBy(window.Tumbling(time.Second))
		weir.Unwindow(weir.Count(grouped, "n", weir.LateTo(lateOut)).ToStream()).To(numbersOut)
		weir.LateOf(grouped).ForEach(func(string, weir.Late[int64]) {})
	},
	"windows, on close": func(b *weir.Builder) {
		grouped := weir.From(b, left).GroupByKey().WindowedBy(window.Tumbling(time.Second))
		weir.Unwindow(weir.Count(grouped, "n", weir.EmitOnClose()).ToStream()).To(numbersOut)
	},
	"suppress": func(b *weir.Builder) {
		grouped := weir.From(b, left).GroupByKey().WindowedBy(window.Tumbling(time.Second))
		weir.Unwindow(weir.Count(grouped, "n").Suppress("held", weir.UntilWindowCloses()).ToStream()).To(numbersOut)
	},
	"cogroup": func(b *weir.Builder) {
		weir.AggregateCogroup(weir.Cogroup(func() int64 { return 0 }, weir.Adding(weir.From(b, left).GroupByKey(), plus), weir.Adding(weir.From(b, right).GroupByKey(), plus)), "sums").ToStream().To(numbersOut)
	},
	"streams": func(b *weir.Builder) {
		weir.Join(weir.From(b, left), weir.From(b, right), "joined", window.Within(time.Second), plus).To(numbersOut)
	},
	"outer streams": func(b *weir.Builder) {
		weir.OuterJoin(weir.From(b, left), weir.From(b, right), "joined", window.Within(time.Second), func(_ string, v, w *int64) int64 { return weir.OrZero(v) + weir.OrZero(w) }).To(numbersOut)
	},
	"stream and table": func(b *weir.Builder) {
		weir.JoinTable(weir.From(b, left), weir.TableFrom(b, right, "rows"), plus).To(numbersOut)
	},
	"tables": func(b *weir.Builder) {
		weir.JoinTables(weir.TableFrom(b, left, "l"), weir.TableFrom(b, right, "r"), plus).ToStream().To(numbersOut)
	},
	"foreign": func(b *weir.Builder) {
		weir.JoinForeign(weir.TableFrom(b, left, "l"), weir.TableFrom(b, right, "r"), "joined", func(k string, _ int64) (string, bool) { return k, true }, plus).ToStream().To(numbersOut)
	},
	"grouped table": func(b *weir.Builder) {
		weir.Count(weir.GroupTableBy(weir.TableFrom(b, left, "l"), func(k string, v int64) (string, int64) { return k, v }), "n").ToStream().To(numbersOut)
	},
	"global table": func(b *weir.Builder) {
		weir.JoinGlobal(weir.From(b, left), weir.GlobalFrom(b, right, "rows"), func(k string, _ int64) (string, bool) { return k, true }, plus).To(numbersOut)
	},
	"global store": func(b *weir.Builder) {
		weir.GlobalStore(b, right, lastRows, func() *lasting { return &lasting{} })
		weir.From(b, left).To(numbersOut)
	},
	"read-only store": func(b *weir.Builder) {
		weir.ReadOnlyStore(b, right, lastRows)
		weir.From(b, left).To(numbersOut)
	},
}

// feedSides sends what surroundedCases say.
func feedSides(d *weirtest.Driver) {
	known := d.Topics()
	for _, in := range []weir.Topic[string, int64]{right, left} {
		if !slices.Contains(known, in.Name()) {
			continue
		}
		to := weirtest.In(d, in)
		to.SendAt("k", 1, at(0))
		to.SendAt("k", -1, at(0))
	}
	d.Commit()
	for _, ms := range []int64{100_000, 0} {
		weirtest.In(d, left).SendAt("k", 1, at(ms))
	}
	d.AdvanceWallClock(time.Minute)
}

// Around is around the work of every node of every operator, whatever sets it off: a record, a timer, a call that has ended, a cache that is flushed.
func TestAroundIsAroundEveryOperator(t *testing.T) {
	for name, declare := range surroundedCases {
		t.Run(name, func(t *testing.T) {
			var s surrounded
			if missing := s.missing(t, declare, feedSides); len(missing) > 0 || len(s.faults) > 0 {
				t.Errorf("nothing was around %q; %q", missing, s.faults)
			}
			if sink := "to-1"; name == "timers" && s.nodes[sink] {
				t.Errorf("%s had a record in process, in a timer", sink)
			}
		})
	}
}

// The check finds a node to which nothing comes.
func TestTheCheckOfAroundComplains(t *testing.T) {
	var s surrounded
	missing := s.missing(t, func(b *weir.Builder) {
		weir.From(b, left).Filter(func(string, int64) bool { return false }).To(numbersOut)
	}, feedSides)
	if !slices.Equal(missing, []string{"to-1"}) {
		t.Errorf("%q", missing)
	}
}
