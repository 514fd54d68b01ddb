package weir_test

import (
	"cmp"
	"errors"
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

var tenMs = window.Tumbling(10 * time.Millisecond).Grace(5 * time.Millisecond)

// placed forwards each value with the place of the record in process.
type placed[K any] struct {
	ctx processor.Context
	out processor.Forward[K, string]
}

func (p *placed[K]) Init(ctx processor.Context, out processor.Forward[K, string]) error {
	p.ctx, p.out = ctx, out
	return nil
}

func (p *placed[K]) Process(r weir.Record[K, int64]) error {
	src, _ := p.ctx.Source()
	return p.out(processor.WithValue(r, fmt.Sprintf("%d from %s-%d@%d", r.Value, src.Topic, src.Partition, src.Offset)))
}

// suppressedCounts counts clicks in windows and lets the last count pass.
func suppressedCounts(until weir.Suppression, opts ...weir.OpOption) func(b *weir.Builder) {
	return func(b *weir.Builder) {
		t := weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(tenMs), "counts").Suppress("final", until, opts...)
		flat(weir.Process(t.ToStream(), func() *placed[window.Key[string]] { return &placed[window.Key[string]]{} })).To(texts)
	}
}

// One result per window, when it has closed, with time, headers and coordinates of its last record; also after restarts, and where only the changelog is left.
func TestSuppressUntilWindowCloses(t *testing.T) {
	for name, restart := range map[string]func(*weirtest.Driver){
		"never": func(*weirtest.Driver) {}, "restart": (*weirtest.Driver).Restart, "rebuild": (*weirtest.Driver).Rebuild, "crash": (*weirtest.Driver).Crash,
	} {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, built(t, suppressedCounts(weir.UntilWindowCloses())))
			in, out := weirtest.In(d, clicks), weirtest.Out(d, texts)
			in.SendAt("a", 1, at(1))
			restart(d)
			in.SendRecord(processor.NewRecord("a", int64(1), at(8)).WithHeaders(processor.Headers{{Key: "h", Value: []byte("1")}}))
			in.SendAt("b", 1, at(3))
			in.SendAt("b", 1, at(12))
			restart(d)
			in.SendAt("b", 1, at(14))
			expect(t, out, "") // 10 + grace has not been reached
			restart(d)
			in.SendAt("c", 1, at(15))
			expect(t, out, "a[0,10]=2 from clicks-0@1@8 h:1, b[0,10]=1 from clicks-0@2@3")
			in.SendAt("a", 1, at(4)) // late
			restart(d)
			in.SendAt("c", 1, at(40))
			expect(t, out, "b[10,20]=2 from clicks-0@4@14, c[10,20]=1 from clicks-0@5@15")
			if n := dropped(d, "late"); n != 1 {
				t.Errorf("%d late", n)
			}
		})
	}
}

// Time is the buffer's own, and survives: after a restart an older record lets nothing go, nor does it take time back.
func TestSuppressKeepsItsTime(t *testing.T) {
	for name, restart := range map[string]func(*weirtest.Driver){"restart": (*weirtest.Driver).Restart, "rebuild": (*weirtest.Driver).Rebuild} {
		t.Run(name, func(t *testing.T) {
			d := weirtest.New(t, built(t, func(b *weir.Builder) {
				weir.TableFrom(b, limits, "limits").Suppress("slow", weir.UntilTimeLimit(10*time.Millisecond)).ToStream().To(outLimits)
			}))
			in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
			in.SendAt("a", 1, at(100))
			restart(d)
			in.SendAt("b", 2, at(91)) // waits until 101
			expect(t, out, "")
			in.SendAt("c", 3, at(90)) // has waited long enough: the time is 100
			expect(t, out, "c=3@90")
			in.SendAt("d", 4, at(101))
			expect(t, out, "b=2@91")
		})
	}
}

// Until a time limit tombstones pass; until windows close what was deleted by then says nothing.
func TestSuppressTombstones(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.TableFrom(b, limits, "limits").Suppress("slow", weir.UntilTimeLimit(5*time.Millisecond)).ToStream().To(outLimits)
	}))
	in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
	in.SendAt("a", 1, at(1))
	in.SendRecord(weir.Tombstone[int64]("a", at(3)))
	in.SendAt("b", 2, at(6))
	expect(t, out, "a=null@3")

	d = weirtest.New(t, built(t, func(b *weir.Builder) {
		few := weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(tenMs), "counts").Filter(func(_ window.Key[string], n int64) bool { return n < 2 })
		flat(few.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(totals)
	}))
	send, sent := weirtest.In(d, clicks), weirtest.Out(d, totals)
	send.SendAt("a", 1, at(1))
	send.SendAt("a", 1, at(2))
	send.SendAt("b", 1, at(3))
	send.SendAt("b", 1, at(30))
	expect(t, sent, "b[0,10]=1@3")
}

// A full buffer ends the task, whatever the handler says, with an error that names what is full. What it held is there after the crash.
func TestSuppressStopsWhenFull(t *testing.T) {
	for name, x := range map[string]struct {
		until weir.Suppression
		bound string
	}{
		"records": {weir.UntilWindowCloses().MaxRecords(2), "3 records, at most 2 are allowed"},
		"bytes":   {weir.UntilWindowCloses().MaxBytes(200).StopWhenFull(), "bytes, at most 200 are allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			skip := &always{decision: weir.Skip()}
			d := weirtest.New(t, built(t, suppressedCounts(x.until)), weirtest.With(skip.option()))
			in := weirtest.In(d, clicks)
			var err error
			n := 0
			for ; err == nil && n < 9; n++ {
				err = in.TrySendRecord(processor.NewRecord(fmt.Sprint(n), int64(1), at(1)))
			}
			contains(t, err, "final", `store "final-store"`, x.bound, fmt.Sprintf("offset %d", n-1))
			if re := (*weir.RecordError)(nil); !errors.Is(err, weir.ErrSuppressFull) || !errors.As(err, &re) || re.Node != "final" {
				t.Errorf("not a RecordError with ErrSuppressFull: %v", err)
			}
			if len(skip.asked) > 0 {
				t.Errorf("the handler was asked: %v", skip.asked)
			}
			if log := d.Changelog("final-store"); len(log) != n-1 {
				t.Errorf("%d updates are in the changelog, want %d", len(log), n-1)
			}
		})
	}
}

// What is emitted early is the oldest.
func TestSuppressEmitsEarly(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.TableFrom(b, limits, "limits").Suppress("slow", weir.UntilTimeLimit(time.Hour).MaxRecords(2).EmitEarlyWhenFull()).ToStream().To(outLimits)
	}))
	in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
	in.SendAt("a", 1, at(5))
	in.SendAt("b", 2, at(3))
	d.Rebuild()
	in.SendAt("b", 4, at(6)) // keeps its place
	in.SendAt("c", 3, at(9))
	expect(t, out, "b=4@6")
	in.SendAt("d", 5, at(1)) // is the oldest itself
	expect(t, out, "d=5@1")
}

// Windows of joined tables close when those of both have.
func TestSuppressJoinedWindows(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		soon := window.Tumbling(10 * time.Millisecond)
		left := weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(soon.Grace(2*time.Millisecond)), "left")
		right := weir.Count(weir.From(b, limits).GroupByKey().WindowedBy(soon.Grace(5*time.Millisecond)), "right")
		both := weir.JoinTables(left, right, func(_ window.Key[string], l, r int64) int64 { return 10*l + r })
		flat(both.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(totals)
	}))
	l, r, out := weirtest.In(d, clicks), weirtest.In(d, limits), weirtest.Out(d, totals)
	l.SendAt("a", 1, at(1))
	r.SendAt("a", 1, at(2))
	l.SendAt("b", 1, at(13))
	r.SendAt("b", 1, at(13))
	r.SendAt("a", 1, at(4)) // late for the left, not for the right
	expect(t, out, "")
	l.SendAt("b", 1, at(15))
	expect(t, out, "a[0,10]=12@4")
}

// A join looks at what has been let go, not at what is held back.
func TestJoinSuppressedTable(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		slow := weir.TableFrom(b, limits, "limits").Suppress("slow", weir.UntilTimeLimit(10*time.Millisecond))
		weir.LeftJoinTable(weir.From(b, clicks), slow, func(_ string, v int64, limit *int64) int64 { return v + 100*weir.OrZero(limit) }).To(totals)
	}))
	in, click, out := weirtest.In(d, limits), weirtest.In(d, clicks), weirtest.Out(d, totals)
	in.SendAt("a", 1, at(1))
	click.SendAt("a", 7, at(2))
	in.SendAt("b", 1, at(11)) // lets a go
	click.SendAt("a", 8, at(12))
	in.SendAt("a", 2, at(13))
	in.SendAt("a", 3, at(14))
	d.Restart()
	click.SendAt("a", 9, at(15))
	in.SendAt("b", 1, at(23)) // lets a go again
	click.SendAt("a", 9, at(24))
	expect(t, out, "a=7@2, a=108@12, a=109@15, a=309@24")
}

func TestSuppressFaults(t *testing.T) {
	for want, declare := range map[string]func(b *weir.Builder){
		"needs a table of windows that close": func(b *weir.Builder) {
			weir.TableFrom(b, limits, "limits").Suppress("s", weir.UntilWindowCloses())
		},
		"not negative": func(b *weir.Builder) {
			weir.TableFrom(b, limits, "limits").Suppress("s", weir.UntilTimeLimit(-time.Second))
		},
		"a bound cannot be negative": func(b *weir.Builder) {
			weir.TableFrom(b, limits, "limits").Suppress("s", weir.UntilTimeLimit(time.Second).MaxRecords(-1))
		},
		"EmitEarlyWhenFull does not fit": suppressedCounts(weir.UntilWindowCloses().MaxRecords(1).EmitEarlyWhenFull()),
		"needs MaxRecords or MaxBytes": func(b *weir.Builder) {
			weir.TableFrom(b, limits, "limits").Suppress("s", weir.UntilTimeLimit(time.Second).EmitEarlyWhenFull())
		},
		"option EmitOnClose does not fit": suppressedCounts(weir.UntilWindowCloses(), weir.EmitOnClose()),
		`store "final-store" exists already`: func(b *weir.Builder) {
			suppressedCounts(weir.UntilWindowCloses())(b)
			weir.TableFrom(b, limits, "limits").Suppress("final", weir.UntilTimeLimit(time.Second))
		},
		`Suppress "forever": UntilWindowCloses needs a table of windows that close`: func(b *weir.Builder) {
			weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(window.Unlimited(at(0))), "all").Suppress("forever", weir.UntilWindowCloses())
		},
	} {
		b := weir.NewBuilder()
		declare(b)
		_, err := b.Build()
		contains(t, err, want)
	}
}

func TestSuppressNames(t *testing.T) {
	d := weirtest.New(t, built(t, suppressedCounts(weir.UntilWindowCloses())))
	if got := strings.Join(d.Topics(), " "); got != "clicks test-counts-changelog test-final-store-changelog" {
		t.Error(got)
	}
	d = weirtest.New(t, built(t, suppressedCounts(weir.UntilWindowCloses(), weir.NoChangelog())))
	if got := strings.Join(d.Topics(), " "); got != "clicks test-counts-changelog" {
		t.Error(got)
	}
}

// sent is a record of a random run.
type sent struct {
	key string
	at  int64
}

func drawSent(r *rapid.T) (all []sent) {
	now := int64(20)
	for range rapid.IntRange(1, 60).Draw(r, "records") {
		now += int64(rapid.SampledFrom([]int{0, 0, 1, 2, 7, 40}).Draw(r, "pause"))
		all = append(all, sent{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "key"), now - int64(rapid.IntRange(0, 20).Draw(r, "age"))})
	}
	return all
}

// finals is the definition: each window's count of what was not late, once it has closed, by the window's end and its key.
func finals(all []sent) string {
	type result struct {
		key      string
		start, n int64
		last     int64
	}
	observed, out := int64(-1), []string(nil)
	open := map[string]*result{}
	for _, s := range all {
		observed = max(observed, s.at)
		start := s.at / 10 * 10
		if start+10+5 <= observed {
			continue
		}
		id := fmt.Sprint(s.key, start)
		if open[id] == nil {
			open[id] = &result{key: s.key, start: start}
		}
		open[id].n++
		open[id].last = max(open[id].last, s.at)
		var due []*result
		for id, w := range open {
			if w.start+10+5 <= observed {
				due = append(due, w)
				delete(open, id)
			}
		}
		slices.SortFunc(due, func(a, b *result) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.key, b.key)) })
		for _, w := range due {
			out = append(out, fmt.Sprintf("%s[%d,%d]=%d@%d", w.key, w.start, w.start+10, w.n, w.last))
		}
	}
	return strings.Join(out, ", ")
}

// Against the definition, with restarts at any time, with and without a cache.
func TestSuppressFinalsModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		all := drawSent(r)
		if got, want := playFinals(t, r, all), finals(all); got != want {
			r.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

// A model with another rule for what is late is told apart.
func TestSuppressFinalsModelSeesOneRecordMore(t *testing.T) {
	seen := false
	rapid.Check(t, func(r *rapid.T) {
		all := drawSent(r)
		seen = playFinals(t, r, all) != finals(all[:len(all)-1]) || seen
	})
	if !seen {
		t.Error("nothing was seen")
	}
}

func playFinals(t *testing.T, r *rapid.T, all []sent) string {
	var opts []weir.OpOption
	if rapid.Bool().Draw(r, "uncached") {
		opts = append(opts, weir.NoCache())
	}
	topo := built(t, func(b *weir.Builder) {
		counts := weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(tenMs), "counts", opts...)
		flat(counts.Suppress("final", weir.UntilWindowCloses()).ToStream()).To(totals)
	})
	d := weirtest.New(t, topo)
	in, out := weirtest.In(d, clicks), weirtest.Out(d, totals)
	for _, s := range all {
		in.SendAt(s.key, 1, at(s.at))
		switch rapid.IntRange(0, 20).Draw(r, "restart") {
		case 0:
			d.Restart()
		case 1:
			d.Rebuild()
		case 2:
			d.Crash()
		}
	}
	return shown(out)
}

// An update's encoding is an error of the record that brings it, about which the handler is asked.
func TestSuppressCannotEncode(t *testing.T) {
	encode := failsAtSecond()
	codec := serde.New("bad", func(dst []byte, v int64) ([]byte, error) { return serde.Int64().Append(dst, encode(v)) }, serde.Int64().Decode)
	skip := &always{decision: weir.Skip()}
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		t := weir.TableFrom(b, limits, "limits")
		weir.MapTable(t, func(_ string, v int64) int64 { return v }, weir.ValueSerde(codec)).Suppress("slow", weir.UntilTimeLimit(0)).ToStream().To(outLimits)
	}), weirtest.With(skip.option()))
	in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
	in.SendAt("a", 1, at(1))
	in.SendAt("b", 2, at(2))
	in.SendAt("c", 3, at(3))
	expect(t, out, "a=1@1, c=3@3")
	if len(skip.asked) != 1 || skip.asked[0].Node != "slow" {
		t.Errorf("asked %v", skip.asked)
	}
}
