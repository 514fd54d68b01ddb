package weir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	lateTexts    = weir.NewTopic("late", serde.String(), serde.JSON[weir.Late[string]]())
	lateTextsToo = weir.NewTopic("late-too", serde.String(), serde.JSON[weir.Late[string]]())
	lateCounts   = weir.NewTopic("late-counts", serde.String(), serde.Int64())
)

// shownLate are the late records of a topic.
func shownLate(d *weirtest.Driver, t weir.Topic[string, weir.Late[string]]) (all []string) {
	for _, r := range weirtest.Out(d, t).All() {
		l := r.Value
		all = append(all, missed(r.Key, l.Value, r.Time.UnixMilli(), l.Start.UnixMilli(), l.End.UnixMilli(), l.By.Milliseconds()))
	}
	return all
}

func missed(key, value string, at, start, end, by int64) string {
	return fmt.Sprintf("%s=%s@%d missed [%d,%d] by %d", key, value, at, start, end, by)
}

// lateForBoxes computes what hopping windows refuse, from their definition.
func lateForBoxes(all []happening, size, advance, grace int64) (late []string) {
	now := int64(-1)
	for _, h := range all {
		if h.Kind != "record" {
			continue
		}
		now = max(now, h.At)
		for start := int64(0); start <= h.At; start += advance {
			if end := start + size; end > h.At && end <= now-grace {
				late = append(late, missed(h.Key, h.Value, h.At, start, end, now-grace-end))
			}
		}
	}
	return late
}

// aggregatedLate is a topology of some windows with two aggregations, whose late records go to two topics: those of the first, and those of all.
// LateOf stands before the aggregations, between them or after them.
func aggregatedLate(t testing.TB, w window.Spec, place int, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		g := weir.From(b, texts).GroupByKey().WindowedBy(w)
		ofAll := func(at int) {
			if at == place {
				weir.LateOf(g).Filter(func(string, weir.Late[string]) bool { return true }).To(lateTextsToo)
			}
		}
		ofAll(0)
		weir.Aggregate(g, "sums", joined(), append(opts, weir.LateTo(lateTexts), weir.Named("one"))...)
		ofAll(1)
		weir.Count(g, "counts", weir.Named("two"))
		ofAll(2)
	})
}

func TestLateWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Int64Range(1, 40).Draw(r, "size")
		advance := rapid.Int64Range(max(1, size/5), size).Draw(r, "advance")
		grace := rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(1, "commit", "restart", "rebuild", "crash").Draw(r, "all")
		opts := []weir.OpOption{weir.NoCache()}
		if rapid.Bool().Draw(r, "on close") {
			opts = []weir.OpOption{weir.EmitOnClose()}
		}
		d := weirtest.New(t, aggregatedLate(t, window.Hopping(ms(size), ms(advance)).Grace(ms(grace)), rapid.IntRange(0, 2).Draw(r, "place"), opts...),
			weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every")))
		live(d, all)
		want := lateForBoxes(all, size, advance, grace)
		same(r, "of the first", shownLate(d, lateTexts), want)
		same(r, "of all", shownLate(d, lateTextsToo), want)
		for _, node := range []string{"one", "two"} {
			if got := d.Dropped()[node]["late"]; got != int64(len(want)) {
				r.Fatalf("%s counts %d, want %d", node, got, len(want))
			}
		}
	})
}

// What is told is what is counted, by every kind of windows. A closed sliding window that is a record's own, and also the one after the record before, is
// counted twice, as in Kafka, and told once.
func TestLateRecordsAreThoseCounted(t *testing.T) {
	kinds := map[string]window.Spec{
		"sliding": window.Sliding(ms(15)).Grace(ms(10)), "sessions": window.Session(ms(10)).Grace(ms(5)), "tumbling": window.Tumbling(ms(10)),
	}
	for name, w := range kinds {
		t.Run(name, func(t *testing.T) {
			some := false
			rapid.Check(t, func(r *rapid.T) {
				d := weirtest.New(t, aggregatedLate(t, w, 2), weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every")))
				live(d, happenings(1, "commit", "restart").Draw(r, "all"))
				own := shownLate(d, lateTexts)
				same(r, "of all", shownLate(d, lateTextsToo), own)
				got, told := d.Dropped()["one"]["late"], int64(len(own))
				if got < told || got > told && name != "sliding" || got > 2*told {
					r.Fatalf("%d are counted, %d told: %q", got, told, own)
				}
				some = some || len(own) > 0
			})
			if !some {
				t.Error("nothing was late")
			}
		})
	}
}

// feedLate sends values "key time" with times of their own.
func feedLate(d *weirtest.Driver, all ...happening) {
	for _, h := range all {
		happen(d, h)
	}
}

func text(key, value string, at int64) happening {
	return happening{Kind: "record", Key: key, Value: value, At: at}
}

func TestWhichWindowIsMissed(t *testing.T) {
	for name, c := range map[string]struct {
		w    window.Spec
		in   []happening
		want []string
	}{
		"a record too late for every sliding window misses the one that ends at it": {
			window.Sliding(ms(10)), []happening{text("a", "x", 100), text("a", "y", 50), text("a", "z", 3)},
			[]string{"a=y@50 missed [40,50] by 50", "a=z@3 missed [0,10] by 90"},
		},
		"a sliding window that is closed, of a record that is not too late": {
			window.Sliding(ms(10)), []happening{text("a", "x", 100), text("a", "y", 95)}, []string{"a=y@95 missed [85,95] by 5"},
		},
		"the session that would have been": {
			window.Session(ms(10)).Grace(ms(30)), []happening{text("a", "x", 100), text("b", "y", 165), text("a", "z", 108), text("c", "v", 120)},
			[]string{"a=z@108 missed [108,108] by 17", "c=v@120 missed [120,120] by 5"},
		},
		"at the end of grace": {window.Tumbling(ms(10)).Grace(ms(5)), []happening{text("a", "x", 25), text("a", "y", 19), text("a", "z", 20)},
			[]string{"a=y@19 missed [10,20] by 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, aggregatedLate(t, c.w, 2))
			feedLate(d, c.in...)
			if got := shownLate(d, lateTexts); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := shownLate(d, lateTextsToo); !slices.Equal(got, c.want) {
				t.Errorf("of all: got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLateRecordsKeepTheirHeaders(t *testing.T) {
	d := weirtest.New(t, aggregatedLate(t, window.Tumbling(ms(10)), 2))
	feedLate(d, text("a", "x", 100))
	weirtest.In(d, texts).SendRecord(processor.NewRecord("a", "y", at(7)).WithHeaders(processor.Headers{{Key: "h", Value: []byte("1")}}))
	for _, topic := range []weir.Topic[string, weir.Late[string]]{lateTexts, lateTextsToo} {
		r, ok := weirtest.Out(d, topic).Next()
		if v, has := r.Headers.Get("h"); !ok || !has || string(v) != "1" || !r.Time.Equal(at(7)) || r.Key != "a" {
			t.Errorf("topic %s: got %+v", topic.Name(), r)
		}
	}
}

// Only what all refuse is LateOf's. A session that one aggregation has deleted is none that a record could join.
func TestLateOfIsWhatAllRefuse(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		g := weir.From(b, texts).GroupByKey().WindowedBy(window.Session(ms(10)).Grace(ms(20)))
		forgets := joined().DropIf(func(sum string) bool { return strings.Contains(sum, "-") })
		weir.Aggregate(g, "forgets", forgets, weir.Named("one"), weir.NoCache())
		weir.Aggregate(g, "keeps", joined(), weir.Named("two"), weir.NoCache(), weir.LateTo(lateTexts))
		weir.LateOf(g).To(lateTextsToo)
	})
	d := weirtest.New(t, topo)
	feedLate(d, text("a", "x", 100), text("a", "-", 109), text("b", "y", 135), text("a", "z", 101), text("a", "v", 60))
	if got, want := shownLate(d, lateTextsToo), []string{"a=v@60 missed [60,60] by 45"}; !slices.Equal(got, want) {
		t.Errorf("of all: got %q, want %q", got, want)
	}
	if got := d.Dropped(); got["one"]["late"] != 2 || got["two"]["late"] != 1 {
		t.Errorf("dropped %v: the test shows nothing", got)
	}
}

// Each stream of a cogroup has its own late records, of its own type.
func TestLateOfACogroup(t *testing.T) {
	numbers := weir.NewTopic("numbers", serde.String(), serde.Int64())
	lateNumbers := weir.NewTopic("late-numbers", serde.String(), serde.JSON[weir.Late[int64]]())
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		c := weir.Cogroup(func() string { return "" },
			weir.Adding(weir.From(b, texts).GroupByKey(), func(_, v, sum string) string { return sum + v }, weir.LateTo(lateTexts)),
			weir.Adding(weir.From(b, numbers).GroupByKey(), func(_ string, v int64, sum string) string { return fmt.Sprint(sum, v) }, weir.LateTo(lateNumbers)))
		weir.AggregateCogroup(c.WindowedBy(window.Tumbling(ms(10))), "sums")
	}))
	in := weirtest.In(d, numbers)
	feedLate(d, text("a", "x", 100))
	in.SendAt("a", 1, at(50))
	in.SendAt("a", 2, at(30))
	feedLate(d, text("a", "y", 7))
	if got, want := shownLate(d, lateTexts), []string{"a=y@7 missed [0,10] by 90"}; !slices.Equal(got, want) {
		t.Errorf("texts: got %q, want %q", got, want)
	}
	if all := weirtest.Out(d, lateNumbers).All(); len(all) != 1 || all[0].Value.Value != 2 || all[0].Value.By != ms(10) {
		t.Errorf("numbers: got %v", all)
	}
}

func TestLateFaults(t *testing.T) {
	tumbling := func(b *weir.Builder) weir.Windowed[string, string] {
		return weir.From(b, texts).GroupByKey().WindowedBy(window.Tumbling(time.Second))
	}
	for name, c := range map[string]struct {
		declare func(*weir.Builder)
		want    string
	}{
		"another value": {func(b *weir.Builder) {
			weir.Count(tumbling(b), "s", weir.LateTo(weir.NewTopic("late", serde.String(), serde.JSON[weir.Late[int64]]())))
		}, "option LateTo is a weir.Topic[string,github.com/weirstream/weir.Late[int64]], but late records are string and weir.Late[string]"},
		"another key": {func(b *weir.Builder) {
			weir.Count(tumbling(b), "s", weir.LateTo(weir.NewTopic("late", serde.Int64(), serde.JSON[weir.Late[string]]())))
		}, "but late records are string and weir.Late[string]"},
		"no serde": {func(b *weir.Builder) {
			weir.Count(tumbling(b), "s", weir.LateTo(weir.NewTopic[string, weir.Late[string]]("late", serde.String(), nil)))
		}, `LateTo: topic "late": a nil serde`},
		"no windows": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey(), "s", weir.LateTo(lateTexts))
		}, "Count: option LateTo does not fit"},
		"a cogroup without windows": {func(b *weir.Builder) {
			add := weir.Adding(weir.From(b, texts).GroupByKey(), func(_, v, sum string) string { return sum + v }, weir.LateTo(lateTexts))
			weir.AggregateCogroup(weir.Cogroup(func() string { return "" }, add), "s")
		}, "Adding: option LateTo needs windows"},
		"unlimited windows": {func(b *weir.Builder) {
			weir.Count(weir.From(b, texts).GroupByKey().WindowedBy(window.Unlimited(at(0))), "s", weir.LateTo(lateTexts))
		}, "LateTo does not fit unlimited windows"},
		"late of unlimited windows": {func(b *weir.Builder) {
			g := weir.From(b, texts).GroupByKey().WindowedBy(window.Unlimited(at(0)))
			weir.Count(g, "s")
			weir.LateOf(g).To(lateTexts)
		}, "LateOf: unlimited windows never close"},
		"nothing aggregates": {func(b *weir.Builder) { weir.LateOf(tumbling(b)).To(lateTexts) }, "LateOf: nothing aggregates these windows"},
	} {
		t.Run(name, func(t *testing.T) {
			b := weir.NewBuilder()
			c.declare(b)
			if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "\n") != 1 {
				t.Errorf("got %v, want only %q", err, c.want)
			}
		})
	}
}

// A stream of late records is as any other: it can be keyed anew and counted, and taken twice.
func TestLateOfGoesOn(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		g := weir.GroupBy(weir.From(b, texts), func(k, _ string) string { return k + k }).WindowedBy(window.Tumbling(ms(10)))
		late := weir.LateOf(g)
		weir.Count(weir.GroupBy(late, func(_ string, l weir.Late[string]) string { return l.Value }, weir.ValueSerde(lateTexts.ValueSerde())), "late-by-value").ToStream().To(lateCounts)
		weir.LateOf(g).To(lateTexts)
		weir.Count(g, "counts")
	}))
	feedLate(d, text("a", "x", 100), text("a", "y", 9), text("b", "y", 8))
	if got := weirtest.Table(weirtest.Out(d, lateCounts)); len(got) != 1 || got["y"] != 2 {
		t.Errorf("counted %v", got)
	}
	if got, want := shownLate(d, lateTexts), []string{"aa=y@9 missed [0,10] by 90", "bb=y@8 missed [0,10] by 90"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
