package weir_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var moreTexts = weir.NewTopic("more", serde.String(), serde.String())

// twoTexts adds values of texts as they are, and those of more in brackets.
func twoTexts(b *weir.Builder) weir.Cogrouped[string, string] {
	return weir.Cogroup(func() string { return "" },
		weir.Adding(weir.From(b, texts).GroupByKey(), func(_, v, sum string) string { return sum + v }),
		weir.Adding(weir.From(b, moreTexts).GroupByKey(), func(_, v, sum string) string { return sum + "(" + v + ")" }),
	).MergeBy(func(_ string, a, b string) string { return a + b })
}

// ofMore says which records of a random test go to more.
func ofMore(h happening) bool { return h.Value == "z" }

// cogroupedOf computes cogrouped tumbling windows: each stream has its own time, and a size of 0 is no windows.
func cogroupedOf(all []happening, size, grace int64) (table map[string]string, late int64) {
	table = map[string]string{}
	now := map[bool]int64{true: -1, false: -1}
	for _, h := range all {
		if h.Kind != "record" {
			continue
		}
		more, v, k := ofMore(h), h.Value, h.Key
		now[more] = max(now[more], h.At)
		if more {
			v = "(" + v + ")"
		}
		if size > 0 {
			start := h.At / size * size
			if start+size <= now[more]-grace {
				late++
				continue
			}
			k = fmt.Sprintf("%s[%d,%d]", k, start, start+size)
		}
		table[k] += v
	}
	return table, late
}

// livedByTwo is lived for a topology of both topics.
func livedByTwo(t testing.TB, topo *weir.Topology, all []happening, opts ...weirtest.Option) (table map[string]string, late int64) {
	d := weirtest.New(t, topo, opts...)
	for _, h := range all {
		if h.Kind == "record" && ofMore(h) {
			weirtest.In(d, moreTexts).SendAt(h.Key, h.Value, at(h.At))
			continue
		}
		happen(d, h)
	}
	d.Commit()
	return weirtest.Table(weirtest.Out(d, outTexts)), dropped(d, "late")
}

func TestCogroupsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		size := unit * rapid.Int64Range(1, 40).Draw(r, "size")
		grace := unit * rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(unit, "commit", "restart", "crash").Draw(r, "all")
		every := weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every"))
		for _, opts := range [][]weir.OpOption{nil, {weir.NoCache()}} {
			topo := built(t, func(b *weir.Builder) { weir.AggregateCogroup(twoTexts(b), "sums", opts...).ToStream().To(outTexts) })
			table, _ := livedByTwo(t, topo, all, every)
			want, _ := cogroupedOf(all, 0, 0)
			sameTable(r, "by key", table, want)

			topo = built(t, func(b *weir.Builder) {
				w := window.Tumbling(ms(size)).Grace(ms(grace))
				flat(weir.AggregateCogroup(twoTexts(b).WindowedBy(w), "sums", append(opts, weir.Retention(1000*time.Hour))...).ToStream()).To(outTexts)
			})
			table, late := livedByTwo(t, topo, all, every)
			want, wantLate := cogroupedOf(all, size, grace)
			sameTable(r, "by window", table, want)
			sameLate(r, late, wantLate)
		}
	})
}

// The model must see when both streams have one time.
func TestTheCogroupModelSeesWhoseTimeItIs(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 100}, {Kind: "record", Key: "a", Value: "z", At: 5}, {Kind: "record", Key: "a", Value: "y", At: 5}}
	table, late := cogroupedOf(all, 10, 0)
	if got := fmt.Sprint(table); got != "map[a[0,10]:(z) a[100,110]:x]" || late != 1 {
		t.Errorf("the model says %s, and %d late", got, late)
	}
}

// Sessions and sliding windows of two streams, and rows that are dropped.
func TestCogroupsOfOtherWindows(t *testing.T) {
	for want, w := range map[string]window.Spec{
		"map[a[5,20]:p(q)r]": window.Session(10 * time.Millisecond),
		"map[a[0,10]:p a[10,20]:(q)r a[13,23]:r a[2,12]:p(q) a[6,16]:(q)]": window.Sliding(10 * time.Millisecond),
		"map[a[0,9223372036854775807]:p(q)r]":                              window.Unlimited(at(0)),
		"map[a[0,10]:p a[10,20]:(q) a[20,30]:r]":                           window.Tumbling(10 * time.Millisecond),
		"map[a[0,10]:p a[10,20]:(q) a[15,25]:r a[20,30]:r a[5,15]:p(q)]":   window.Hopping(10*time.Millisecond, 5*time.Millisecond),
	} {
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			c := twoTexts(b).DropIf(func(sum string) bool { return len(sum) > 6 })
			flat(weir.AggregateCogroup(c.WindowedBy(w), "sums").ToStream()).To(outTexts)
		}))
		weirtest.In(d, texts).SendAt("a", "p", at(5))
		weirtest.In(d, moreTexts).SendAt("a", "q", at(12))
		weirtest.In(d, texts).SendAt("a", "r", at(20))
		sums := weirtest.Table(weirtest.Out(d, outTexts))
		if got := fmt.Sprint(sums); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", w, got, want)
		}
		weirtest.In(d, moreTexts).SendAt("a", "long!", at(20))
		dropped := false
		for _, r := range weirtest.Out(d, outTexts).All() {
			dropped = dropped || r.IsNull()
		}
		if !dropped {
			t.Errorf("%s: no row was dropped", w)
		}
	}
}

// The last results of a cogroup's windows, as those of one stream: one for each window when it has closed by the suppression's time, which is the greatest of what
// either stream has updated. A stream that is behind is not late by that, and what it adds to a window that has closed so comes as a further result.
func TestSuppressCogroups(t *testing.T) {
	for name, restart := range map[string]func(*weirtest.Driver){
		"never": func(*weirtest.Driver) {}, "restart": (*weirtest.Driver).Restart, "rebuild": (*weirtest.Driver).Rebuild, "crash": (*weirtest.Driver).Crash,
	} {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, built(t, func(b *weir.Builder) {
				sums := weir.AggregateCogroup(twoTexts(b).WindowedBy(tenMs), "sums")
				flat(sums.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(outTexts)
			}))
			one, two, out := weirtest.In(d, texts), weirtest.In(d, moreTexts), weirtest.Out(d, outTexts)
			one.SendAt("a", "p", at(5))
			two.SendAt("a", "q", at(8))
			restart(d)
			one.SendAt("b", "r", at(14))
			expect(t, out, "") // 10 + grace has not been reached
			restart(d)
			two.SendAt("b", "s", at(15))
			expect(t, out, "a[0,10]=p(q)@8")
			restart(d)
			two.SendAt("a", "y", at(9)) // late: its own stream is at 15
			one.SendAt("a", "x", at(9)) // in time: its own stream is at 14
			expect(t, out, "a[0,10]=p(q)x@9")
			restart(d)
			one.SendAt("c", "t", at(25))
			expect(t, out, "b[10,20]=r(s)@15")
			if n := dropped(d, "late"); n != 1 {
				t.Errorf("%d late", n)
			}
		})
	}
}

// A suppression closes when idle if the cogroup above does, of sessions too; without windows that close it cannot wait for them.
func TestSuppressedCogroupsOfOtherWindows(t *testing.T) {
	for want, w := range map[string]window.Spec{
		"a[5,12]=p(q)@12": window.Session(10 * time.Millisecond),
		"a[0,10]=p@5, a[2,12]=p(q)@12, a[6,16]=(q)@12": window.Sliding(10 * time.Millisecond),
	} {
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			sums := weir.AggregateCogroup(twoTexts(b).WindowedBy(w), "sums", closesIdle)
			flat(sums.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(outTexts)
		}))
		out := weirtest.Out(d, outTexts)
		weirtest.In(d, texts).SendAt("a", "p", at(5))
		weirtest.In(d, moreTexts).SendAt("a", "q", at(12))
		d.AdvanceWallClock(time.Minute)
		expect(t, out, want)
	}
	for name, declare := range map[string]func(*weir.Builder){
		"by key": func(b *weir.Builder) {
			weir.AggregateCogroup(twoTexts(b), "sums").Suppress("final", weir.UntilWindowCloses())
		},
		"unlimited": func(b *weir.Builder) {
			weir.AggregateCogroup(twoTexts(b).WindowedBy(window.Unlimited(at(0))), "sums").Suppress("final", weir.UntilWindowCloses())
		},
	} {
		b := weir.NewBuilder()
		declare(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), "UntilWindowCloses needs a table of windows that close") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A cogroup's store may keep its last rows alone.
func TestCogroupLRU(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.AggregateCogroup(twoTexts(b), "sums", weir.LRU(1)).ToStream().To(outTexts)
	}))
	in, more := weirtest.In(d, texts), weirtest.In(d, moreTexts)
	in.SendAt("a", "x", at(1))
	more.SendAt("a", "y", at(2))
	d.Restart()
	in.SendAt("a", "z", at(3))
	more.SendAt("b", "u", at(4)) // a is forgotten
	in.SendAt("a", "v", at(5))
	expect(t, weirtest.Out(d, outTexts), "a=x@1, a=x(y)@2, a=x(y)z@3, b=(u)@4, a=v@5")
}

// A cogroup's store may keep what was: each input makes new versions of the one aggregate.
func TestCogroupVersioned(t *testing.T) {
	var sums weir.Table[string, string]
	topo := built(t, func(b *weir.Builder) {
		sums = weir.AggregateCogroup(twoTexts(b), "sums", weir.Versioned(time.Hour))
		sums.ToStream().To(outTexts)
		weir.JoinTable(weir.From(b, limits), sums, func(_ string, _ int64, sum string) string { return sum }).To(rejected)
	})
	d := weirtest.New(t, topo)
	in, more := weirtest.In(d, texts), weirtest.In(d, moreTexts)
	in.SendAt("a", "x", at(10))
	more.SendAt("a", "y", at(20))
	d.Restart()
	in.SendAt("a", "z", at(30))
	more.SendAt("a", "late", at(5)) // counts now, at the time of the newest
	weirtest.In(d, limits).SendAt("a", 0, at(25))
	weirtest.In(d, limits).SendAt("a", 0, at(15))
	expect(t, weirtest.Out(d, outTexts), "a=x@10, a=x(y)@20, a=x(y)z@30, a=x(y)z(late)@30")
	expect(t, weirtest.Out(d, rejected), "a=x(y)@25, a=x@15")
	v, ok, err := weirtest.Store(d, sums.VersionedStore()).GetAsOf("a", at(29))
	if v.Value != "x(y)" || !ok || err != nil {
		t.Errorf("%v, %v, %v", v, ok, err)
	}
}
