package weir_test

import (
	"context"
	"fmt"
	"regexp"
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

// optimized is built with rules.
func optimized(t testing.TB, declare func(b *weir.Builder), rules ...weir.Optimization) *weir.Topology {
	t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build(rules...)
	if err != nil {
		t.Fatal(err)
	}
	return topo
}

var (
	spoken  = weir.NewTopic("texts", serde.String(), serde.String())
	results = weir.NewTopic("results", serde.String(), serde.String())
	written = regexp.MustCompile(`Sink: \S+ \(topic: (\S+-repartition)\)`)
)

// throughs are the repartition topics of a topology, in the order of its description.
func throughs(topo *weir.Topology) (all []string) {
	for _, m := range written.FindAllStringSubmatch(topo.Describe(), -1) {
		all = append(all, strings.TrimSuffix(m[1], "-repartition"))
	}
	slices.Sort(all)
	return all
}

func TestMergeRepartitions(t *testing.T) {
	type stream = weir.Stream[string, string]
	grouped := func(s stream, name string, opts ...weir.OpOption) {
		weir.Count(s.GroupByKey(append(opts, weir.Named(name))...), "n-"+name)
	}
	some := func(_, v string) bool { return v < "m" }
	swap := func(_, v string) string { return v }
	other := weir.NewTopic("others", serde.String(), serde.String())
	for name, c := range map[string]struct {
		declare func(b *weir.Builder, s stream) // s has a new key
		want    string
	}{
		"two": {func(_ *weir.Builder, s stream) { grouped(s, "g1"); grouped(s, "g2") }, "g1"},
		"behind filters": {func(_ *weir.Builder, s stream) {
			grouped(s.Filter(some), "g1")
			grouped(s.Peek(func(_, _ string) {}), "g2")
		}, "g1"},
		"another value": {func(_ *weir.Builder, s stream) { grouped(weir.MapValues(s, strings.ToUpper), "g1"); grouped(s, "g2") }, "g1 g2"},
		"another key":   {func(_ *weir.Builder, s stream) { grouped(weir.KeyBy(s, swap), "g1"); grouped(s, "g2") }, "g1 g2"},
		"what else a filter feeds": {func(_ *weir.Builder, s stream) {
			f := s.Filter(some)
			f.To(results)
			grouped(f, "g1")
			grouped(s, "g2")
		}, "g1 g2"},
		"together behind a filter": {func(_ *weir.Builder, s stream) {
			f := s.Filter(some)
			f.To(results)
			grouped(f, "g1")
			grouped(f, "g2")
		}, "g1"},
		"a topic of other settings": {func(_ *weir.Builder, s stream) { grouped(s, "g1", weir.Partitions(2)); grouped(s, "g2") }, "g1 g2"},
		"asked for":                 {func(_ *weir.Builder, s stream) { s.Repartition("r").To(results); grouped(s, "g1") }, "g1 r"},
		"other serdes": {func(_ *weir.Builder, s stream) {
			grouped(s, "g1")
			grouped(s, "g2", weir.ValueSerde(serde.JSON[string]()))
		}, "g1 g2"},
		"branches": {func(_ *weir.Builder, s stream) {
			all := s.Split("by-", weir.When("some", some))
			grouped(all[0], "g1")
			grouped(all[1], "g2")
		}, "g1"},
		"merged streams": {func(b *weir.Builder, s stream) {
			m := s.Filter(some).Merge(weir.From(b, other))
			grouped(m, "g1")
			grouped(m.FilterNot(some), "g2")
		}, "g1"},
		"a merged stream and another": {func(b *weir.Builder, s stream) {
			grouped(s.Merge(weir.From(b, other)), "g1")
			grouped(s, "g2")
		}, "g1 g2"},
		"both sides of a join": {func(_ *weir.Builder, s stream) {
			weir.Join(s, s.Filter(some), "j", window.Within(time.Second), func(_, l, r string) string { return l + r }).To(results)
		}, "j-left"},
		"a table and a join": {func(b *weir.Builder, s stream) {
			t := s.ToTable("t", weir.Named("g1"))
			weir.JoinTable(s, t, func(_, l, r string) string { return l + r }, weir.Named("j")).To(results)
		}, "g1"},
	} {
		declare := func(b *weir.Builder) { c.declare(b, weir.KeyBy(weir.From(b, spoken), swap)) }
		if got := strings.Join(throughs(optimized(t, declare, weir.MergeRepartitions())), " "); got != c.want {
			t.Errorf("%s: topics %s, want %s", name, got, c.want)
		}
		if got := throughs(optimized(t, declare)); len(got) != 2 {
			t.Errorf("%s: without the rule the topics are %s", name, got)
		}
	}
}

// step is one record of a random test, or what befalls the tasks.
type step struct {
	Kind, Key, Value string
	At               int64
}

func steps(values []string, befall ...string) *rapid.Generator[[]step] {
	kinds := append([]string{"record", "record", "record", "record", "record", "other"}, befall...)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"), rapid.SampledFrom(values).Draw(t, "value"), rapid.Int64Range(0, 40_000).Draw(t, "at")}
	}), 1, 40)
}

// apart plays steps with and without rules, and wants the same records in results.
func apart(t *testing.T, declare func(b *weir.Builder), gen *rapid.Generator[[]step], play func(d *weirtest.Driver, s step), rules ...weir.Optimization) {
	t.Helper()
	with, without := optimized(t, declare, rules...), optimized(t, declare)
	rapid.Check(t, func(t *rapid.T) {
		all := gen.Draw(t, "steps")
		out := func(topo *weir.Topology) (seen []string) {
			d := weirtest.New(theTest{}, topo)
			for _, s := range all {
				if befall(d, s.Kind); s.Kind == "record" || s.Kind == "other" {
					play(d, s)
				}
			}
			for _, r := range d.Records("results") {
				seen = append(seen, fmt.Sprintf("%q %q %d", r.Key, r.Value, r.Time.UnixMilli()))
			}
			return seen
		}
		if got, want := out(with), out(without); !slices.Equal(got, want) {
			t.Fatalf("with rules %q, without %q", got, want)
		}
	})
}

// Merged topics change no result: null keys, too, go where they went.
func TestMergedRepartitionsGiveTheSame(t *testing.T) {
	nullable := serde.Nullable(serde.String())
	in, table, out := weir.NewTopic("texts", nullable, nullable), weir.NewTopic("rows", nullable, nullable), weir.NewTopic("results", nullable, nullable)
	declare := func(b *weir.Builder) {
		s := weir.KeyBy(weir.From(b, in), func(_, v *string) *string { return v })
		some := s.Filter(func(_, v *string) bool { return weir.OrZero(v) < "y" })
		rows := weir.TableFrom(b, table, "rows")
		weir.Reduce(some.GroupByKey(weir.Named("g")), "all", func(x, y *string) *string { both := *x + *y; return &both }).ToStream().To(out)
		weir.LeftJoinTable(s, rows, func(_, v *string, row **string) *string {
			text := weir.OrZero(v) + "/" + weir.OrZero(weir.OrZero(row))
			return &text
		}, weir.Named("j")).To(out)
	}
	play := func(d *weirtest.Driver, s step) {
		topic := map[string]string{"record": "texts", "other": "rows"}[s.Kind]
		d.SendRaw(topic, 0, bytesOf(s.Key), bytesOf(s.Value), at(s.At))
	}
	apart(t, declare, steps([]string{"a", "b", "z", ""}, "restart", "rebuild"), play, weir.MergeRepartitions(), weir.ReuseSourceTopics())
}

// One store gives what two give, at the edge of the retention, too.
func TestSelfJoinInOneStoreGivesTheSame(t *testing.T) {
	for name, w := range map[string]window.JoinWindows{
		"symmetric": window.Within(5 * time.Second).Grace(3 * time.Second),
		"before":    window.Within(0).Before(9 * time.Second).After(-2 * time.Second),
		"zero":      window.Within(0).Grace(time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			declare := func(b *weir.Builder) {
				s := weir.From(b, spoken)
				weir.Join(s, s, "j", w, func(_, l, r string) string { return l + r }).To(results)
			}
			if text := optimized(t, declare, weir.SingleStoreSelfJoin()).Describe(); strings.Contains(text, "other") {
				t.Errorf("the other side is there still:\n%s", text)
			}
			play := func(d *weirtest.Driver, s step) {
				d.SendRaw("texts", 0, bytesOf(s.Key), bytesOf(s.Value), at(s.At/1000*1000))
			}
			apart(t, declare, steps([]string{"x", "y", "z", ""}, "restart", "rebuild", "crash"), play, weir.SingleStoreSelfJoin())
		})
	}
}

var numbers = weir.NewTopic("numbers", serde.String(), serde.Int64(), weir.EventTime(at))

// skipUnreadable leaves out what cannot be decoded.
func skipUnreadable(_ context.Context, e *weir.RecordError) weir.Decision {
	if e.Phase == processor.Decoding {
		return weir.Skip()
	}
	return weir.Fail()
}

// history sends what becomes of a table's rows, with their times.
func history(b *weir.Builder, opts ...weir.OpOption) {
	t := weir.TableFrom(b, numbers, "numbers", append(opts, weir.SkipInvalidTime(), weir.OnError(skipUnreadable))...)
	said := weir.Changes(t)
	weir.MapRecords(said, func(r weir.Record[string, weir.Change[int64]]) weir.Record[string, string] {
		return processor.WithValue(r, fmt.Sprint(r.Value))
	}).To(results)
}

// numberOf is the value of a step: a number, which is its time too, nothing, or what is no number.
func numberOf(s step) []byte {
	switch s.Value {
	case "null":
		return nil
	case "no number":
		return []byte("???")
	case "before 1970":
		s.At = -s.At - 1
	}
	raw, _ := serde.Int64().Append(nil, s.At)
	return raw
}

// A table that is restored from its topic is what processing made of that: keys that are null, values that cannot be read and times before 1970 are left
// out, times are the values'.
func TestSourceTableIsRestoredAsItWasProcessed(t *testing.T) {
	play := func(d *weirtest.Driver, s step) {
		key := []byte(s.Key)
		if s.Kind == "other" {
			key = nil
		}
		d.SendRaw("numbers", 0, key, numberOf(s), at(7))
	}
	gen := steps([]string{"number", "number", "null", "no number", "before 1970"}, "restart", "rebuild", "crash")
	for name, opts := range map[string][]weir.OpOption{"plain": nil, "in memory": {weir.InMemory()}, "uncached": {weir.NoCache()}, "versioned": {weir.Versioned(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			apart(t, func(b *weir.Builder) { history(b, opts...) }, gen, play, weir.ReuseSourceTopics())
		})
	}
}

// What was not committed is not restored: it is read again, and finds the row of before.
func TestSourceTableIsRestoredToTheCommit(t *testing.T) {
	for _, guarantee := range [][]weir.AppOption{nil, {weir.ExactlyOnce()}} {
		topo := optimized(t, func(b *weir.Builder) { history(b, weir.InMemory(), weir.NoCache()) }, weir.ReuseSourceTopics())
		d := weirtest.New(t, topo, weirtest.CommitEvery(100), weirtest.With(guarantee...))
		in := weirtest.In(d, numbers)
		in.Send("a", 1)
		d.Commit()
		in.Send("a", 2)
		d.Crash()
		d.Commit()
		all := d.Records("results")
		if got, want := string(all[len(all)-1].Value), fmt.Sprint(weir.Change[int64]{Old: 1, New: 2, HasOld: true, HasNew: true}); got != want {
			t.Errorf("%d options: the record was taken as %s, want %s", len(guarantee), got, want)
		}
	}
}

// No topic is written beside the one that is read, and what cannot be read from it again keeps one.
func TestReuseSourceTopics(t *testing.T) {
	by := func(r weir.Record[string, int64], _ time.Time) time.Time { return r.Time }
	for name, c := range map[string]struct {
		topic weir.Topic[string, int64]
		opts  []weir.OpOption
		own   bool
		warns string
	}{
		"plain":          {topic: numbers},
		"no changelog":   {topic: numbers, opts: []weir.OpOption{weir.NoChangelog()}},
		"earliest":       {topic: numbers, opts: []weir.OpOption{weir.StartAt(weir.Earliest())}},
		"latest":         {topic: numbers, opts: []weir.OpOption{weir.StartAt(weir.Latest())}, own: true, warns: "StartAt"},
		"wall clock":     {topic: numbers, opts: []weir.OpOption{weir.WallClockTime()}, own: true, warns: "WallClockTime"},
		"partition time": {topic: numbers, opts: []weir.OpOption{weir.UsePartitionTime()}, own: true, warns: "UsePartitionTime"},
		"an extractor":   {topic: numbers.EventTimeBy(by), own: true, warns: "EventTimeBy"},
		"settings":       {topic: numbers, opts: []weir.OpOption{weir.TopicConfig(map[string]string{"a": "b"})}, warns: "no effect"},
	} {
		topo := optimized(t, func(b *weir.Builder) { weir.TableFrom(b, c.topic, "numbers", c.opts...) }, weir.ReuseSourceTopics())
		if got := strings.Join(topo.Warnings(), "\n"); (c.warns == "") != (got == "") || !strings.Contains(got, c.warns) {
			t.Errorf("%s: warnings %q", name, got)
		}
		d := weirtest.New(t, topo)
		weirtest.In(d, c.topic).Send("a", 1)
		d.Commit()
		if own := slices.Contains(d.Topics(), "test-numbers-changelog"); own != c.own {
			t.Errorf("%s: its own changelog: %v; topics %q", name, own, d.Topics())
		}
	}
}
