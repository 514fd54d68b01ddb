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
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	limits    = weir.NewTopic("limits", serde.String(), serde.Int64())
	outLimits = weir.NewTopic("out-limits", limits.KeySerde(), limits.ValueSerde())
)

func TestTableFrom(t *testing.T) {
	var table weir.Table[string, int64]
	topo := built(t, func(b *weir.Builder) {
		table = weir.TableFrom(b, limits, "limits")
		table.ToStream().To(outLimits)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
	in.SendAt("a", 1, at(5))
	in.SendAt("a", 2, at(3)) // older, and taken all the same: a table is what came last
	in.SendAt("b", 1, at(6))
	in.SendRecord(weir.Tombstone[int64]("b", at(7))) // it never was: said by nobody
	d.SendRaw("limits", 0, nil, []byte("12345678"), at(9))
	d.Commit()
	expect(t, out, "a=2@3")
	if n := dropped(d, "null key"); n != 1 {
		t.Errorf("%d null keys", n)
	}
	in.SendRecord(weir.Tombstone[int64]("a", at(9)))
	in.SendAt("c", 3, at(9))
	d.Commit()
	expect(t, out, "a=null@9, c=3@9")
	view := weirtest.Store(d, table.Store())
	if v, ok, err := view.Get("c"); v != 3 || !ok || err != nil {
		t.Error(v, ok, err)
	}
	if _, ok, _ := view.Get("a"); ok {
		t.Error("a deleted row is there")
	}
	var log []string
	for _, r := range d.Changelog("limits") {
		log = append(log, fmt.Sprintf("%s %d@%d", r.Key, len(r.Value), r.Time.UnixMilli()))
	}
	if got := strings.Join(log, ", "); got != "a 8@3, a 0@9, c 8@9" {
		t.Errorf("changelog %s", got)
	}
}

// Without a cache a table says every update, tombstones of what never was too.
func TestTableWithoutCache(t *testing.T) {
	topo := built(t, func(b *weir.Builder) { weir.TableFrom(b, limits, "limits", weir.NoCache()).ToStream().To(outLimits) })
	d := weirtest.New(t, topo)
	in := weirtest.In(d, limits)
	in.SendAt("a", 1, at(5))
	in.SendAt("a", 2, at(3))
	in.SendRecord(weir.Tombstone[int64]("b", at(7)))
	expect(t, weirtest.Out(d, outLimits), "a=1@5, a=2@3, b=null@7")
}

// A rekeyed stream becomes a table through a repartition topic, which the store names.
func TestToTable(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		s := weir.KeyBy(weir.From(b, clicks), func(k string, _ int64) string { return k[:1] })
		s.ToTable("letters").ToStream().To(totals)
	})
	d := weirtest.New(t, topo, weirtest.Partitions("clicks", 4))
	in := weirtest.In(d, clicks)
	in.SendAt("ann", 1, at(1))
	in.SendAt("abe", 2, at(2))
	in.SendRecord(weir.Tombstone[int64]("amy", at(3)))
	expect(t, weirtest.Out(d, totals), "a=1@1, a=2@2, a=null@3")
	if got := strings.Join(d.Topics(), " "); got != "clicks test-letters-changelog test-letters-repartition totals" {
		t.Error(got)
	}
}

// Where old values are known, a filter is silent about rows that had never passed it; without them such a row is a tombstone each time.
func TestTableFilter(t *testing.T) {
	send := func(d *weirtest.Driver) {
		in := weirtest.In(d, limits)
		in.SendAt("a", 1, at(1))
		in.SendAt("a", 10, at(2))
		in.SendAt("a", 11, at(3))
		in.SendAt("a", 2, at(4))
		in.SendAt("a", 3, at(5))
		in.SendRecord(weir.Tombstone[int64]("a", at(6)))
	}
	big := func(_ string, v int64) bool { return v >= 10 }
	for _, c := range []struct{ opts, kept []weir.OpOption }{{}, {nil, []weir.OpOption{weir.Materialized("big")}}, {[]weir.OpOption{weir.IfNeeded()}, nil}} {
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			table := weir.TableFrom(b, limits, "limits", c.opts...)
			table.Filter(big, c.kept...).ToStream().To(outLimits)
			table.FilterNot(big).ToStream().To(totals)
		}))
		send(d)
		if c.opts == nil {
			expect(t, weirtest.Out(d, outLimits), "a=10@2, a=11@3, a=null@4")
			expect(t, weirtest.Out(d, totals), "a=1@1, a=null@2, a=2@4, a=3@5, a=null@6")
			continue
		}
		expect(t, weirtest.Out(d, outLimits), "a=null@1, a=10@2, a=11@3, a=null@4, a=null@5, a=null@6")
		expect(t, weirtest.Out(d, totals), "a=1@1, a=null@2, a=null@3, a=2@4, a=3@5, a=null@6")
	}

	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		table := weir.TableFrom(b, limits, "limits", weir.IfNeeded()).Filter(big)
		table.ToStream().To(outLimits)
		told(weir.Changes(table)).To(outTexts)
	}))
	send(d)
	expect(t, weirtest.Out(d, outLimits), "a=10@2, a=11@3, a=null@4")
	expect(t, weirtest.Out(d, outTexts), "a=none>10@2, a=10>11@3, a=11>none@4")
}

// told is changes as text.
func told[V any](s weir.Stream[string, weir.Change[V]]) weir.Stream[string, string] {
	return weir.MapValues(s, func(c weir.Change[V]) string {
		side := func(has bool, v V) string {
			if !has {
				return "none"
			}
			return fmt.Sprint(v)
		}
		return side(c.HasOld, c.Old) + ">" + side(c.HasNew, c.New)
	})
}

// The first update has no old value: not the initializer's, which Kafka gives.
func TestChangesOfAnAggregate(t *testing.T) {
	for _, opts := range [][]weir.OpOption{nil, {weir.NoCache()}} {
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			told(weir.Changes(weir.Aggregate(weir.From(b, clicks).GroupByKey(), "sums",
				weir.NewAggregator(func() int64 { return 100 }, func(_ string, v, sum int64) int64 { return sum + v }).DropIf(func(v int64) bool { return v == 0 }), opts...))).To(outTexts)
		}))
		in := weirtest.In(d, clicks)
		in.SendAt("a", 1, at(1))
		in.SendAt("a", 2, at(2))
		d.Restart()
		in.SendAt("a", -103, at(3))
		in.SendAt("a", 5, at(4))
		expect(t, weirtest.Out(d, outTexts), "a=none>101@1, a=101>103@2, a=103>none@3, a=none>105@4")
	}
}

func TestMapTable(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		halves := weir.MapTable(weir.TableFrom(b, limits, "limits"), func(_ string, v int64) *int64 {
			if v%2 != 0 {
				return nil
			}
			v /= 2
			return &v
		})
		weir.MapRecords(halves.ToStream(), func(r weir.Record[string, *int64]) weir.Record[string, int64] {
			if r.IsNull() {
				return weir.Tombstone[int64](r.Key, r.Time)
			}
			return processor.WithValue(r, *r.Value)
		}).To(totals)
	}))
	in := weirtest.In(d, limits)
	in.SendAt("a", 4, at(1))
	in.SendAt("a", 3, at(2))
	in.SendRecord(weir.Tombstone[int64]("a", at(3)))
	expect(t, weirtest.Out(d, totals), "a=2@1, a=null@2, a=null@3")
}

func TestJoinTable(t *testing.T) {
	for _, derived := range []bool{false, true} {
		topo := built(t, func(b *weir.Builder) {
			table := weir.TableFrom(b, limits, "limits")
			if derived { // looked up through the store of the table above
				table = weir.MapTable(table.Filter(func(_ string, v int64) bool { return v < 100 }), func(_ string, v int64) int64 { return v })
			}
			s := weir.From(b, clicks)
			weir.JoinTable(s, table, func(k string, v, limit int64) string { return fmt.Sprint(k, v, "/", limit) }).To(outTexts)
			weir.LeftJoinTable(s, table, func(k string, v int64, limit *int64) int64 { return v + weir.OrZero(limit) }).To(totals)
		})
		d := weirtest.New(t, topo, weirtest.CommitEvery(0))
		s, table := weirtest.In(d, clicks), weirtest.In(d, limits)
		s.SendRecord(processor.NewRecord("a", int64(1), at(5)).WithHeaders(processor.Headers{{Key: "h", Value: []byte("x")}}))
		table.SendAt("a", 10, at(9)) // in the cache: the row of this moment
		s.SendRecord(processor.NewRecord("a", int64(2), at(7)).WithHeaders(processor.Headers{{Key: "h", Value: []byte("y")}}))
		s.SendRecord(weir.Tombstone[int64]("a", at(8)))
		d.SendRaw("clicks", 0, nil, []byte{0, 0, 0, 0, 0, 0, 0, 5}, at(8))
		table.SendAt("a", 20, at(6))
		s.SendAt("a", 3, at(9))
		table.SendRecord(weir.Tombstone[int64]("a", at(10)))
		s.SendAt("a", 4, at(11))
		d.Commit()
		expect(t, weirtest.Out(d, outTexts), "a=a2/10@7 h:y, a=a3/20@9")
		expect(t, weirtest.Out(d, totals), "a=1@5 h:x, a=12@7 h:y, =5@8, a=23@9, a=4@11")
		if nulls, keys := dropped(d, "null value"), dropped(d, "null key"); nulls != 2 || keys != 1 {
			t.Errorf("%d null values, %d null keys", nulls, keys)
		}
	}
}

// A left join lets null keys through its repartition topic; an inner one drops them before it.
func TestJoinTableRepartitions(t *testing.T) {
	for _, left := range []bool{false, true} {
		topo := built(t, func(b *weir.Builder) {
			s := weir.KeyBy(weir.From(b, clicks), func(k string, v int64) *string {
				if v == 0 {
					return nil
				}
				k = k[:1]
				return &k
			}, weir.KeySerde(serde.Nullable(serde.String())))
			table := weir.TableFrom(b, weir.NewTopic("letters", serde.Nullable(serde.String()), serde.String()), "letters")
			var out weir.Stream[*string, string]
			if left {
				out = weir.LeftJoinTable(s, table, func(_ *string, v int64, t *string) string { return fmt.Sprint(v, weir.OrZero(t)) }, weir.Named("by-letter"))
			} else {
				out = weir.JoinTable(s, table, func(_ *string, v int64, t string) string { return fmt.Sprint(v, t) }, weir.Named("by-letter"))
			}
			weir.KeyBy(out, func(k *string, _ string) string { return weir.OrZero(k) }).To(outTexts)
		})
		d := weirtest.New(t, topo, weirtest.Partitions("letters", 3), weirtest.Partitions("clicks", 2))
		d.SendRaw("letters", -1, []byte("a"), []byte("!"), at(1))
		in := weirtest.In(d, clicks)
		in.SendAt("ann", 1, at(2))
		in.SendAt("abe", 0, at(3))
		want, drops := "a=1!@2", int64(1)
		if left {
			want, drops = "a=1!@2, =0@3", 0
		}
		expect(t, weirtest.Out(d, outTexts), want)
		if n := dropped(d, "null key"); n != drops {
			t.Errorf("left %v: %d null keys", left, n)
		}
		if !slices.Contains(d.Topics(), "test-by-letter-repartition") {
			t.Error(d.Topics())
		}
	}
}

// What a table keeps can be read, by the kind of its store, also after a restart.
func TestStoresOfTables(t *testing.T) {
	var counts weir.Table[string, int64]
	var windows, sessions weir.Table[window.Key[string], int64]
	topo := built(t, func(b *weir.Builder) {
		g := weir.From(b, clicks).GroupByKey()
		counts = weir.Count(g, "counts")
		windows = weir.Count(g.WindowedBy(window.Tumbling(10*time.Millisecond)), "windows")
		sessions = weir.Count(g.WindowedBy(window.Session(10*time.Millisecond)), "sessions", weir.InMemory())
	})
	d := weirtest.New(t, topo)
	in := weirtest.In(d, clicks)
	in.SendAt("a", 1, at(5))
	in.SendAt("a", 1, at(7))
	for range 2 {
		if n, ok, err := weirtest.Store(d, counts.Store()).Get("a"); n != 2 || !ok || err != nil {
			t.Error(n, ok, err)
		}
		if n, ok, err := weirtest.Store(d, weir.WindowStoreOf(windows)).Get("a", at(0)); n != 2 || !ok || err != nil {
			t.Error(n, ok, err)
		}
		if n, ok, err := weirtest.Store(d, weir.SessionStoreOf(sessions)).Get(window.NewKey("a", 5, 7)); n != 2 || !ok || err != nil {
			t.Error(n, ok, err)
		}
		d.Restart()
	}
	for _, err := range []error{viewed(d, windows.Store()), viewed(d, weir.WindowStoreOf(sessions)), viewed(d, counts.Filter(func(string, int64) bool { return true }).Store())} {
		if err == nil || !strings.Contains(err.Error(), "store") {
			t.Errorf("error %v", err)
		}
	}
}

// viewed is the error of reading a store.
func viewed[R any](d *weirtest.Driver, s state.Readable[R]) error {
	_, err := s.View(d)
	return err
}

// A random table, with and without cache and restarts, is what a map says, and so are what was derived from it and joined with it.
func TestTablesAgainstAMap(t *testing.T) {
	topo := func(opts ...weir.OpOption) *weir.Topology {
		return built(t, func(b *weir.Builder) {
			table := weir.TableFrom(b, limits, "limits", opts...)
			table.ToStream().To(outLimits)
			told(weir.Changes(table.Filter(func(_ string, v int64) bool { return v%2 == 0 }))).To(outTexts)
			weir.JoinTable(weir.From(b, clicks), table, func(_ string, v, limit int64) int64 { return 100*v + limit }).To(totals)
		})
	}
	type step struct {
		Kind  string
		Key   string
		Value int64
	}
	steps := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) step {
		return step{rapid.SampledFrom([]string{"put", "put", "delete", "look", "look", "commit", "restart", "rebuild"}).Draw(r, "kind"),
			rapid.SampledFrom([]string{"a", "b", ""}).Draw(r, "key"), rapid.Int64Range(0, 9).Draw(r, "value")}
	}), 1, 30)
	rapid.Check(t, func(r *rapid.T) {
		all := steps.Draw(r, "steps")
		every := rapid.IntRange(0, 4).Draw(r, "commit every")
		var opts []weir.OpOption
		if rapid.Bool().Draw(r, "uncached") {
			opts = append(opts, weir.NoCache())
		}
		d := weirtest.New(t, topo(opts...), weirtest.CommitEvery(every))
		table, s := weirtest.In(d, limits), weirtest.In(d, clicks)
		want, joined := map[string]int64{}, []string{}
		for i, x := range all {
			switch x.Kind {
			case "put":
				table.SendAt(x.Key, x.Value, at(int64(i)))
				want[x.Key] = x.Value
			case "delete":
				table.SendRecord(weir.Tombstone[int64](x.Key, at(int64(i))))
				delete(want, x.Key)
			case "look":
				s.SendAt(x.Key, x.Value, at(int64(i)))
				if v, ok := want[x.Key]; ok {
					joined = append(joined, fmt.Sprintf("%s=%d@%d", x.Key, 100*x.Value+v, i))
				}
			default:
				befall(d, x.Kind)
			}
		}
		d.Commit()
		if got := shown(weirtest.Out(d, totals)); got != strings.Join(joined, ", ") {
			r.Fatalf("joined\ngot  %s\nwant %s", got, strings.Join(joined, ", "))
		}
		if got := rowsLeft(weirtest.Out(d, outLimits)); fmt.Sprint(got) != fmt.Sprint(want) {
			r.Fatalf("table\ngot  %v\nwant %v", got, want)
		}
		checkChain(r, weirtest.Out(d, outTexts).All(), want)
	})
}

// rowsLeft is what updates leave: rows without tombstones.
func rowsLeft(o *weirtest.Output[string, int64]) map[string]int64 {
	table := map[string]int64{}
	for _, r := range o.All() {
		if r.IsNull() {
			delete(table, r.Key)
		} else {
			table[r.Key] = r.Value
		}
	}
	return table
}

// checkChain checks that each change's old value is the new one of the change before, and that the last are the even rows.
func checkChain(r *rapid.T, changes []weir.Record[string, string], want map[string]int64) {
	last := map[string]string{}
	for _, c := range changes {
		old, now, _ := strings.Cut(c.Value, ">")
		if before := last[c.Key]; before != old && !(before == "" && old == "none") {
			r.Fatalf("change %s of %s follows %q", c.Value, c.Key, before)
		}
		last[c.Key] = now
	}
	for k, v := range want {
		if v%2 == 0 && last[k] != fmt.Sprint(v) {
			r.Fatalf("%s is %d, and its last change says %q", k, v, last[k])
		}
	}
	for k, v := range last {
		if now, ok := want[k]; v != "none" && (!ok || now%2 != 0) {
			r.Fatalf("%s is gone, and its last change says %q", k, v)
		}
	}
}
