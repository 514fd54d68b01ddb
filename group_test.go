package weir_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// The topics of these tests. Keys of windows are written as text, so that any kind of window can be read.
var (
	clicks = weir.NewTopic("clicks", serde.String(), serde.Int64())
	notes  = weir.NewTopic("notes", serde.String(), serde.Nullable(serde.String()))
	totals = weir.NewTopic("totals", serde.String(), serde.Int64())
	texts  = weir.NewTopic("texts", serde.String(), serde.String())
)

// built builds a topology.
func built(t testing.TB, declare func(b *weir.Builder)) *weir.Topology {
	t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

// at is a time in ms.
func at(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// shown is what an output says: key=value@time, null for tombstones, headers behind.
func shown[V any](o *weirtest.Output[string, V]) string {
	var all []string
	for _, r := range o.All() {
		value := "null"
		if !r.IsNull() {
			value = fmt.Sprint(r.Value)
		}
		text := fmt.Sprintf("%s=%s@%d", r.Key, value, r.Time.UnixMilli())
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %s:%s", h.Key, h.Value)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func expect[V any](t *testing.T, o *weirtest.Output[string, V], want string) {
	t.Helper()
	if got := shown(o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// flat is a windowed stream with its keys as text: key[start,end].
func flat[V any](s weir.Stream[window.Key[string], V]) weir.Stream[string, V] {
	return weir.KeyBy(s, func(k window.Key[string], _ V) string {
		return fmt.Sprintf("%s[%d,%d]", k.Key, k.StartMs(), k.EndMs())
	})
}

// dropped is the driver's drops of a reason, over all nodes.
func dropped(d *weirtest.Driver, reason string) (n int64) {
	for _, node := range d.Dropped() {
		n += node[reason]
	}
	return n
}

func TestCount(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		weir.Count(weir.From(b, clicks).GroupByKey(), "counts").ToStream().To(totals)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	in, out := weirtest.In(d, clicks), weirtest.Out(d, totals)
	in.SendAt("a", 1, at(5))
	in.SendAt("b", 1, at(9))
	in.SendAt("a", 1, at(3)) // out of order: the time stays
	in.SendRecord(weir.Tombstone[int64]("a", at(20)))
	d.SendRaw("clicks", 0, nil, []byte{0, 0, 0, 0, 0, 0, 0, 1}, at(30))
	d.Commit()
	expect(t, out, "b=1@9, a=2@5")
	if n, k := dropped(d, "null value"), dropped(d, "null key"); n != 1 || k != 1 {
		t.Errorf("%d null values and %d null keys were dropped", n, k)
	}
	in.SendRecord(processor.NewRecord("a", int64(1), at(7)).WithHeaders(processor.Headers{{Key: "h", Value: []byte("x")}}))
	d.Restart()
	in.SendAt("a", 1, at(8))
	d.Commit()
	expect(t, out, "a=3@7 h:x, a=4@8")
	d.Rebuild()
	in.SendAt("a", 1, at(2))
	d.Commit()
	expect(t, out, "a=5@8")
}

func TestCountWithoutCache(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		weir.Count(weir.GroupBy(weir.From(b, clicks), func(k string, _ int64) string { return k[:1] }), "counts", weir.NoCache()).ToStream().To(totals)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0), weirtest.Partitions("clicks", 3))
	in, out := weirtest.In(d, clicks), weirtest.Out(d, totals)
	for i := range int64(3) {
		in.SendAt(fmt.Sprint("a", i), 1, at(i))
	}
	d.Commit()
	expect(t, out, "a=1@0, a=2@1, a=3@2")
	if got, want := strings.Join(d.Topics(), " "), "clicks test-counts-changelog test-counts-repartition totals"; got != want {
		t.Errorf("topics %q, want %q", got, want)
	}
}

// piece keeps the nodes of one test: clicks in, totals out.
func piece(t *testing.T, declare func(s weir.Stream[string, int64]) weir.Stream[string, int64], opts ...weirtest.Option) (*weirtest.Driver, *weirtest.Input[string, int64], *weirtest.Output[string, int64]) {
	t.Helper()
	d := weirtest.New(t, built(t, func(b *weir.Builder) { declare(weir.From(b, clicks)).To(totals) }), opts...)
	return d, weirtest.In(d, clicks), weirtest.Out(d, totals)
}

func TestReduceBeginsWithTheFirst(t *testing.T) {
	_, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		return weir.Reduce(s.GroupByKey(), "products", func(sum, v int64) int64 { return sum * v }).ToStream()
	})
	in.SendAt("a", 3, at(1))
	in.SendAt("a", 5, at(2))
	expect(t, out, "a=3@1, a=15@2")
}

// Where a value can be nil, windows count null values, as Kafka does, and groups without windows do not.
func TestNullValuesAreCountedInWindows(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		g := weir.From(b, notes).GroupByKey()
		weir.Count(g, "plain").ToStream().To(totals)
		flat(weir.Count(g.WindowedBy(window.Tumbling(10*time.Millisecond)), "windows").ToStream()).To(totals)
		flat(weir.Count(g.WindowedBy(window.Session(10*time.Millisecond)), "sessions").ToStream()).To(totals)
		flat(weir.Count(g.WindowedBy(window.Unlimited(at(3))), "unlimited").ToStream()).To(totals)
	})
	d := weirtest.New(t, topo)
	in := weirtest.In(d, notes)
	in.SendAt("a", nil, at(5))
	in.SendAt("a", nil, at(2))
	expect(t, weirtest.Out(d, totals), "a[0,10]=1@5, a[5,5]=1@5, a[3,9223372036854775807]=1@5, a[0,10]=2@5, a[5,5]=null@5, a[2,5]=2@5")
	if n, s := dropped(d, "null value"), dropped(d, "before start"); n != 2 || s != 1 {
		t.Errorf("%d null values, %d before the start", n, s)
	}
}

// Where a value cannot be nil, nobody counts null.
func TestNullValuesAreDropped(t *testing.T) {
	d, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		return flat(weir.Count(s.GroupByKey().WindowedBy(window.Tumbling(10*time.Millisecond)), "windows").ToStream())
	})
	in.SendRecord(weir.Tombstone[int64]("a", at(50)))
	in.SendAt("a", 1, at(5)) // not late: what was dropped does not move the time
	expect(t, out, "a[0,10]=1@5")
	if n, late := dropped(d, "null value"), dropped(d, "late"); n != 1 || late != 0 {
		t.Errorf("%d null values, %d late", n, late)
	}
}

// even keeps the sum of values as a pointer, nil where it is odd.
func even(_ string, v int64, sum *int64) *int64 {
	if sum != nil {
		v += *sum
	}
	if v%2 != 0 {
		return nil
	}
	return &v
}

func TestNilAggregateDeletes(t *testing.T) {
	declare := func(opts ...weir.OpOption) func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		opts = append(opts, weir.ValueSerde(serde.Nullable(serde.Int64())))
		return func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
			sums := weir.Aggregate(s.GroupByKey(), "evens", weir.NewAggregator(nil, even), opts...)
			return weir.MapRecords(sums.ToStream(), func(r weir.Record[string, *int64]) weir.Record[string, int64] {
				out := processor.WithValue(r, weir.OrZero(r.Value))
				if r.IsNull() {
					return out.AsTombstone()
				}
				return out
			})
		}
	}
	for name, want := range map[string]string{
		"cached":   "a=4@3, a=null@5, a=2@6",
		"uncached": "a=null@1, a=4@3, a=null@5, a=2@6",
	} {
		var opts []weir.OpOption
		if name == "uncached" {
			opts = append(opts, weir.NoCache())
		}
		d, in, out := piece(t, declare(opts...))
		in.SendAt("a", 1, at(1)) // nothing became nothing: only without a cache is it said
		in.SendAt("a", 4, at(3))
		in.SendAt("a", 1, at(5)) // deleted: the next begins anew
		in.SendAt("a", 2, at(6))
		expect(t, out, want)
		d.Rebuild()
		in.SendAt("a", 2, at(7))
		expect(t, out, "a=4@7")
	}
}

func TestDropDeletes(t *testing.T) {
	_, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		return weir.Aggregate(s.GroupByKey(), "sums", weir.NewAggregator(func() int64 { return 100 }, func(_ string, v, sum int64) int64 { return sum + v }).
			DropIf(func(sum int64) bool { return sum <= 0 })).ToStream()
	})
	in.SendAt("a", 1, at(1))
	in.SendAt("a", -101, at(2))
	in.SendAt("a", 1, at(3))
	expect(t, out, "a=101@1, a=null@2, a=101@3")
}

// Of a session that is merged away, and of one that is put again, a tombstone is left; results carry headers only where the cache or the close
// holds them back, as Kafka's do.
func TestSessionsMerge(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []weir.OpOption
		want string
	}{
		{"uncached", []weir.OpOption{weir.NoCache()}, "a[5,5]=1@5, a[15,15]=1@15, a[5,5]=null@5, a[15,15]=null@15, a[5,15]=3@15, a[5,15]=null@15, a[5,15]=4@15, b[99,99]=1@99"},
		{"cached", nil, "a[5,5]=1@5 n:1, a[15,15]=1@15 n:2, a[5,5]=null@5 n:3, a[15,15]=null@15 n:3, a[5,15]=3@15 n:3, a[5,15]=4@15 n:4, b[99,99]=1@99 n:5"},
		{"on close", []weir.OpOption{weir.EmitOnClose()}, "a[5,15]=4@15 n:5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
				return flat(weir.Count(s.GroupByKey().WindowedBy(window.Session(9*time.Millisecond).Grace(10*time.Millisecond)), "sessions", c.opts...).ToStream())
			})
			send := func(n, key string, ms int64) {
				in.SendRecord(processor.NewRecord(key, int64(1), at(ms)).WithHeaders(processor.Headers{{Key: "n", Value: []byte(n)}}))
			}
			send("1", "a", 5)
			send("2", "a", 15)
			send("3", "a", 10)
			send("4", "a", 12)
			send("5", "b", 99)
			expect(t, out, c.want)
		})
	}
}

// Without grace, two records exactly a gap apart do not merge once another key has moved the store's time (seen in Kafka 4.3.1).
func TestSessionsSeenByTheStore(t *testing.T) {
	for _, disturbed := range []bool{false, true} {
		_, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
			return flat(weir.Count(s.GroupByKey().WindowedBy(window.Session(10*time.Millisecond)), "sessions").ToStream())
		})
		in.SendAt("a", 1, at(0))
		want := "a[0,0]=1@0, "
		if disturbed {
			in.SendAt("b", 1, at(10))
			want += "b[10,10]=1@10, a[10,10]=1@10"
		} else {
			want += "a[0,0]=null@0, a[0,10]=2@10"
		}
		in.SendAt("a", 1, at(10))
		expect(t, out, want)
	}
}

// One group that is repartitioned makes one topic, whatever is made of it; its name is the user's, or the first store's.
func TestOneRepartitionTopicPerGroup(t *testing.T) {
	for named, want := range map[string]string{"": "first", "by-letter": "by-letter"} {
		var opts []weir.OpOption
		if named != "" {
			opts = append(opts, weir.Named(named))
		}
		topo := built(t, func(b *weir.Builder) {
			g := weir.GroupBy(weir.From(b, clicks), func(k string, _ int64) string { return k[:1] }, opts...)
			weir.Count(g, "first").ToStream().To(totals)
			weir.Reduce(g.WindowedBy(window.Tumbling(time.Second)), "second", func(a, b int64) int64 { return a + b })
		})
		d := weirtest.New(t, topo)
		weirtest.In(d, clicks).SendAt("ann", 1, at(1))
		if got := strings.Join(d.Topics(), " "); !strings.Contains(got, "test-"+want+"-repartition") || strings.Count(got, "repartition") != 1 {
			t.Errorf("topics %s", got)
		}
		expect(t, weirtest.Out(d, totals), "a=1@1")
	}
}

// A null new key is dropped before the repartition topic.
func TestGroupByNullKey(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		g := weir.GroupBy(weir.From(b, clicks), func(k string, _ int64) *string { return nil }, weir.KeySerde(serde.Nullable(serde.String())))
		weir.Count(g, "counts")
	})
	d := weirtest.New(t, topo)
	weirtest.In(d, clicks).SendAt("a", 1, at(1))
	if n := dropped(d, "null key"); n != 1 || len(d.Records("test-counts-repartition")) != 0 {
		t.Errorf("%d null keys", n)
	}
}

// The changelog of a session store has the time of the record that wrote it, that of windows the greatest of their records'.
func TestChangelogTimes(t *testing.T) {
	d, in, _ := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		g := s.GroupByKey()
		weir.Count(g.WindowedBy(window.Session(10*time.Millisecond)), "sessions")
		return flat(weir.Count(g.WindowedBy(window.Tumbling(10*time.Millisecond)), "windows").ToStream())
	})
	in.SendAt("a", 1, at(5))
	in.SendAt("a", 1, at(2))
	var got []int64
	for _, store := range []string{"sessions", "windows"} {
		for _, r := range d.Changelog(store) {
			got = append(got, r.Time.UnixMilli())
		}
	}
	if fmt.Sprint(got) != "[5 2 2 5 5]" {
		t.Errorf("times %v", got)
	}
}

// meddler puts a session into the store of an aggregation.
type meddler struct {
	of       state.SessionDesc[string, int64]
	sessions state.Session[string, int64]
}

func (m *meddler) Init(ctx processor.Context, _ processor.Forward[string, int64]) error {
	m.sessions = m.of.Bind(ctx)
	return nil
}

func (m *meddler) Process(r weir.Record[string, int64]) error {
	if r.Value < 0 {
		return m.sessions.Put(window.NewKey(r.Key, r.Time.UnixMilli(), r.Time.UnixMilli()), -r.Value)
	}
	return nil
}

// An aggregation sees what others put into its store.
func TestSessionsOfOthers(t *testing.T) {
	_, in, out := piece(t, func(s weir.Stream[string, int64]) weir.Stream[string, int64] {
		sessions := weir.Count(s.Filter(func(_ string, v int64) bool { return v > 0 }).GroupByKey().WindowedBy(window.Session(10*time.Millisecond)), "sessions", weir.NoCache())
		weir.Process(s, func() *meddler { return &meddler{of: weir.SessionStoreOf(sessions)} }, weir.Stores(weir.SessionStoreOf(sessions)))
		return flat(sessions.ToStream())
	})
	in.SendAt("a", 1, at(100))
	in.SendAt("a", -50, at(115))
	in.SendAt("a", 1, at(120))
	expect(t, out, "a[100,100]=1@100, a[115,115]=50@115, a[115,115]=null@115, a[115,120]=51@120")
}
