package weir_test

import (
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
)

func double(_ string, v int64) int64 { return 2 * v }

// A materialised result has its own store and changelog, knows what was there before after a restart, and can be read and joined.
func TestMaterialized(t *testing.T) {
	for name, opts := range map[string][]weir.OpOption{"cached": nil, "not cached": {weir.NoCache()}, "in memory": {weir.InMemory()}} {
		t.Run(name, func(t *testing.T) {
			var doubled weir.Table[string, int64]
			topo := built(t, func(b *weir.Builder) {
				table := weir.TableFrom(b, limits, "limits", weir.IfNeeded())
				doubled = weir.MapTable(table, double, append(opts, weir.Materialized("doubled"))...)
				told(weir.Changes(doubled)).To(outTexts)
				joined := weir.LeftJoinTable(weir.From(b, clicks), doubled, func(_ string, v int64, row *int64) int64 { return v + weir.OrZero(row) })
				joined.To(totals)
			})
			d := weirtest.New(t, topo)
			in := weirtest.In(d, limits)
			in.SendAt("a", 1, at(1))
			in.SendAt("b", 5, at(1))
			d.Restart()
			in.SendAt("a", 2, at(2))
			in.SendRecord(weir.Tombstone[int64]("a", at(3)))
			weirtest.In(d, clicks).SendAt("b", 100, at(4))
			expect(t, weirtest.Out(d, outTexts), "a=none>2@1, b=none>10@1, a=2>4@2, a=4>none@3")
			expect(t, weirtest.Out(d, totals), "b=110@4")
			if got := strings.Join(d.Topics(), " "); got != "clicks limits out test-doubled-changelog totals" {
				t.Error(got)
			}
			if v, ok, err := weirtest.Store(d, doubled.Store()).Get("b"); v != 10 || !ok || err != nil {
				t.Error(v, ok, err)
			}
		})
	}
}

// What fails a filter leaves its store too.
func TestMaterializedFilter(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.TableFrom(b, limits, "limits").Filter(func(_ string, v int64) bool { return v >= 10 }, weir.Materialized("big"), weir.NoCache()).ToStream().To(outLimits)
	}))
	in := weirtest.In(d, limits)
	for i, v := range []int64{1, 10, 2} {
		in.SendAt("a", v, at(int64(i)))
	}
	expect(t, weirtest.Out(d, outLimits), "a=10@1, a=null@2")
	if n := len(d.Records("test-big-changelog")); n != 2 {
		t.Errorf("%d changelog records", n)
	}
}

// Who names a store when the topology is built and runs asks for nothing more: tasks that are made later are as those before.
func TestStoreAfterBuildChangesNothing(t *testing.T) {
	b := weir.NewBuilder()
	table := weir.TableFrom(b, limits, "limits", weir.IfNeeded())
	table.ToStream().To(totals)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	table.Store()
	d := weirtest.New(t, topo)
	weirtest.In(d, limits).Send("ann", 3)
	if all := weirtest.Out(d, totals).All(); len(all) != 1 || all[0].Value != 3 {
		t.Errorf("%v", all)
	}
}

// Each of these needs the store of a table that is made IfNeeded; reading it is not enough to make one afterwards.
func TestIfNeeded(t *testing.T) {
	one := func(string, int64) bool { return true }
	join := func(_ string, v, row int64) int64 { return v + row }
	for name, c := range map[string]struct {
		use  func(*weir.Builder, weir.Table[string, int64])
		made bool
	}{
		"nothing":            {func(_ *weir.Builder, l weir.Table[string, int64]) { l.Filter(one).ToStream().To(outLimits) }, false},
		"materialised below": {func(_ *weir.Builder, l weir.Table[string, int64]) { l.Filter(one, weir.Materialized("f")) }, false},
		"old values":         {func(_ *weir.Builder, l weir.Table[string, int64]) { weir.Changes(l) }, true},
		"old values below":   {func(_ *weir.Builder, l weir.Table[string, int64]) { weir.Changes(weir.MapTable(l, double)) }, true},
		"old values of a copy": {func(_ *weir.Builder, l weir.Table[string, int64]) {
			weir.Changes(l.Filter(one, weir.Materialized("f")))
		}, false},
		"a join": {func(b *weir.Builder, l weir.Table[string, int64]) {
			weir.JoinTable(weir.From(b, clicks), l.Filter(one), join)
		}, true},
		"its store": {func(_ *weir.Builder, l weir.Table[string, int64]) { l.Store() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			var table weir.Table[string, int64]
			topo := built(t, func(b *weir.Builder) {
				table = weir.TableFrom(b, limits, "limits", weir.IfNeeded())
				c.use(b, table)
			})
			if got := strings.Contains(topo.Describe(), "stores: [limits]"); got != c.made {
				t.Errorf("it is %v that the store is there:\n%s", got, topo.Describe())
			}
			d := weirtest.New(t, topo)
			weirtest.In(d, limits).SendAt("a", 1, at(1))
			if _, err := d.ViewStore(table.Store()); (err == nil) != c.made {
				t.Error(err)
			}
		})
	}
}

func TestMaterializedFaults(t *testing.T) {
	b := weir.NewBuilder()
	table := weir.TableFrom(b, limits, "limits", weir.Materialized("more"))
	table.Filter(func(string, int64) bool { return true }, weir.NoCache())
	weir.MapTable(table, double, weir.Materialized("limits"))
	weir.Changes(table, weir.IfNeeded())
	_, err := b.Build()
	for _, want := range []string{
		"TableFrom: option Materialized does not fit", "Filter: option NoCache needs Materialized", `MapTable: store "limits" exists already`, "Changes: option IfNeeded does not fit",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// A result that keeps its last rows alone has no rows of before for what it has forgotten, and writes nothing of that to its changelog.
func TestMaterializedLRU(t *testing.T) {
	var doubled weir.Table[string, int64]
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		doubled = weir.MapTable(weir.TableFrom(b, limits, "limits", weir.IfNeeded()), double, weir.Materialized("doubled"), weir.LRU(2))
		told(weir.Changes(doubled)).To(outTexts)
	}))
	in := weirtest.In(d, limits)
	for i, k := range []string{"a", "b", "a", "c"} {
		in.SendAt(k, int64(i), at(int64(i)))
	}
	d.Restart()
	in.SendAt("a", 4, at(4))
	in.SendAt("b", 5, at(5))
	expect(t, weirtest.Out(d, outTexts), "a=none>0@0, b=none>2@1, a=0>4@2, c=none>6@3, a=4>8@4, b=none>10@5")
	rows := map[string]int64{}
	for k, v := range weirtest.Store(d, doubled.Store()).All() {
		rows[k] = v
	}
	if len(rows) != 2 || rows["a"] != 8 || rows["b"] != 10 {
		t.Errorf("%v", rows)
	}
	if n := len(d.Changelog("doubled")); n != 6 {
		t.Errorf("%d changelog records", n)
	}
}
