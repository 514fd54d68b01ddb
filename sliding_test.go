package weir_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// punctual moves records that are neither on time nor late for every window to the last moment at which they are on time: what the definition of
// sliding windows says of a record that misses some of its windows depends on which others were there.
func punctual(all []happening, diff, grace int64) (on []happening, late int64) {
	now := int64(-1)
	for _, h := range all {
		if h.Kind == "record" && h.At < now-grace && h.At >= now-grace-diff {
			h.At = now - grace
		}
		if h.Kind == "record" {
			now = max(now, h.At)
		}
		on = append(on, h)
		if h.Kind == "record" && h.At+diff < now-grace {
			late++
		}
	}
	return on, late
}

// slidingOf computes sliding windows from all records that were not late: of each there is a window that ends at it, or [0, diff], and one that begins
// after it, if that holds a record.
func slidingOf(all []happening, diff, grace int64, l looking) said {
	m := &model{}
	closed := func() int64 { return m.now - grace }
	taken := map[string][]happening{}
	now := int64(-1)
	all = slices.DeleteFunc(slices.Clone(all), func(h happening) bool {
		if h.Kind == "record" {
			now = max(now, h.At)
		}
		return h.Kind == "record" && h.At+diff < now-grace // late: not even a look
	})
	return m.run(all, l, closed, func(h happening) {
		taken[h.Key] = append(taken[h.Key], h)
		for _, r := range taken[h.Key] {
			m.slide(taken[h.Key], h.Key, max(0, r.At-diff), diff)
			m.slide(taken[h.Key], h.Key, r.At+1, diff)
		}
	}, func(b *box) bool { return b.end < closed() })
}

// slide sets the window of a start to what it holds; one that holds nothing is none.
func (m *model) slide(taken []happening, key string, start, diff int64) {
	sum, at := "", int64(0)
	for _, r := range taken {
		if r.At >= start && r.At <= start+diff {
			sum, at = sum+r.Value, max(at, r.At)
		}
	}
	if sum != "" {
		b := m.box(key, start, start+diff)
		b.sum, b.at = sum, at
	}
}

func TestSlidingWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{2, 100, 20_000}).Draw(r, "unit")
		diff := unit * rapid.Int64Range(0, 30).Draw(r, "difference")
		grace := unit * rapid.Int64Range(0, 60).Draw(r, "grace")
		// One more than the default: with that, as in Kafka, the store hides the first window of a record that comes at the last moment.
		keep, _ := retaining(r, unit, 2*diff+grace+1)
		w := window.Sliding(ms(diff)).Grace(ms(grace))
		all, lateness := punctual(happenings(unit, "commit", "restart", "rebuild", "crash").Draw(r, "all"), diff, grace)
		want := slidingOf(all, diff, grace, looking{})
		_, table, late := lived(t, windowedText(t, w, keep, weir.NoCache()), all)
		sameTable(r, "without a cache", table, want.table)
		sameLate(r, late, lateness)

		every := weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every"))
		_, table, late = lived(t, windowedText(t, w, keep), all, every)
		sameTable(r, "with a cache", table, want.table)
		sameLate(r, late, lateness)

		out, _, late := lived(t, windowedText(t, w, keep, weir.EmitOnClose()), all, every)
		same(r, "closed", out, want.closed)
		sameLate(r, late, lateness)

		all, lateness = punctual(happenings(unit, "commit", "tick", "tick", "restart", "crash").Draw(r, "all, throttled"), diff, grace)
		want = slidingOf(all, diff, grace, looking{throttled: true})
		out, _, late = lived(t, windowedText(t, w, keep, weir.EmitOnClose(), weir.EmitEvery(time.Second)), all, every)
		same(r, "closed, looked for once a second", out, want.closed)
		sameLate(r, late, lateness)
	})
}

// The model must tell differences and graces apart, or the test above sees nothing.
func TestTheSlidingModelTellsWindowsApart(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 50}, {Kind: "record", Key: "a", Value: "y", At: 70}, {Kind: "record", Key: "a", Value: "z", At: 40}}
	want := "map[a[20,40]:z a[30,50]:xz a[41,61]:x a[50,70]:xy a[51,71]:y]"
	if got := fmt.Sprint(slidingOf(all, 20, 30, looking{}).table); got != want {
		t.Errorf("the model says\n%s, want\n%s", got, want)
	}
	for _, w := range []window.Spec{window.Sliding(20 * time.Millisecond), window.Sliding(10 * time.Millisecond).Grace(30 * time.Millisecond)} {
		if _, table, _ := lived(t, windowedText(t, w), all); fmt.Sprint(table) == want {
			t.Errorf("%s agrees with the model of others", w)
		}
	}
	if _, table, _ := lived(t, windowedText(t, window.Sliding(20*time.Millisecond).Grace(30*time.Millisecond)), all); fmt.Sprint(table) != want {
		t.Errorf("the topology says %v", table)
	}
}

// An aggregate that user code changes in place is never that of two windows.
func TestSlidingWindowsShareNothing(t *testing.T) {
	for _, opts := range [][]weir.OpOption{nil, {weir.NoCache()}} {
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			w := window.Sliding(20 * time.Millisecond).Grace(time.Second)
			opts := append([]weir.OpOption{weir.ValueSerde(serde.JSON[tally]())}, opts...)
			flat(weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(w), "sums", tallying(false), opts...).ToStream()).To(tallyOut)
		}), weirtest.CommitEvery(0))
		in := weirtest.In(d, texts)
		for i, ms := range []int64{30, 35, 32, 5, 3, 8} { // two right windows are made of what others hold, one of [0, 20]
			in.SendAt("a", string(rune('p'+i)), at(ms))
		}
		d.Commit()
		got := fmt.Sprint(weirtest.Table(weirtest.Out(d, tallyOut)))
		want := "map[a[0,20]:s1+t1+u1 a[10,30]:p1 a[12,32]:p1+r1 a[15,35]:p1+q1+r1 a[31,51]:q1+r1 a[33,53]:q1 a[4,24]:s1+u1 a[6,26]:u1]"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// A retry gives each window the record once, also one that is made of what another holds.
func TestRetriedSlidingWindowsAddOnce(t *testing.T) {
	calls := 0
	again := weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Retry(time.Millisecond) })
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		agg := tallying(false)
		add := agg.TryAdd
		agg.TryAdd = func(ctx context.Context, r weir.Record[string, string], c tally) (tally, error) {
			if calls++; calls%2 == 0 {
				c["spoilt"] = 1
				return c, errOdd
			}
			return add(ctx, r, c)
		}
		w := window.Sliding(20 * time.Millisecond).Grace(time.Second)
		flat(weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(w), "sums", agg, again, weir.ValueSerde(serde.JSON[tally]())).ToStream()).To(tallyOut)
	}))
	for i, ms := range []int64{30, 45, 60, 42} {
		weirtest.In(d, texts).SendAt("a", string(rune('p'+i)), at(ms))
	}
	want := "map[a[10,30]:p1 a[22,42]:p1+s1 a[25,45]:p1+q1+s1 a[31,51]:q1+s1 a[40,60]:q1+r1+s1 a[43,63]:q1+r1 a[46,66]:r1]"
	if got := fmt.Sprint(weirtest.Table(weirtest.Out(d, tallyOut))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A record before the first difference after 1970 looks for closed windows like any other; Kafka Streams' never does.
func TestAnEarlyRecordLooksForClosedSlidingWindows(t *testing.T) {
	w := window.Sliding(20 * time.Millisecond).Grace(79 * time.Millisecond)
	d := weirtest.New(t, windowedText(t, w, weir.EmitOnClose(), weir.EmitEvery(time.Second)))
	in, out := weirtest.In(d, texts), weirtest.Out(d, outTexts)
	in.SendAt("a", "x", at(20))
	in.SendAt("a", "y", at(100)) // closes the first window, too soon after the first look
	d.Restart()
	expect(t, out, "")
	in.SendAt("b", "z", at(19))
	expect(t, out, "a[0,20]=x@20")
}
