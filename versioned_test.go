package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
)

// History survives a restart, and the loss of the disk; what came out of order is not a change of the current row.
func TestVersionedTable(t *testing.T) {
	for _, opts := range [][]weir.OpOption{{}, {weir.InMemory()}, {weir.NoCache()}} {
		var table weir.Table[string, int64]
		b := weir.NewBuilder()
		table = weir.TableFrom(b, limits, "limits", append(opts, weir.Versioned(time.Second))...)
		table.ToStream().To(outLimits)
		weir.Changes(table).ForEach(func(_ string, c weir.Change[int64]) {
			if c.New == 20 {
				t.Error("an earlier version is a change of the row")
			}
		})
		some := table.Filter(func(_ string, v int64) bool { return v > 15 })
		weir.JoinTable(weir.From(b, badIn), some, func(_ string, v, row int64) int64 { return 1000*v + row }).To(badOut)
		topo, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		d := weirtest.New(t, topo)
		in, out := weirtest.In(d, limits), weirtest.Out(d, outLimits)
		stream, joined := weirtest.In(d, badIn), weirtest.Out(d, badOut)
		in.SendAt("a", 10, at(1000))
		in.SendAt("a", 30, at(3000))
		d.Restart()
		in.SendAt("a", 20, at(2000)) // out of order
		in.SendAt("a", 99, at(1999)) // too late
		in.SendRecord(weir.Tombstone[int64]("a", at(3500)))
		expect(t, out, "a=10@1000, a=30@3000, a=20@2000, a=null@3500")
		if d.Dropped()["table-from-1"]["expired"] != 1 || d.Dropped()["changes-1"]["out of order"] != 1 {
			t.Errorf("dropped %v", d.Dropped())
		}
		d.Restart()
		for _, ms := range []int64{2499, 2500, 3000, 3499, 3500} {
			stream.SendAt("a", 1, at(ms))
		}
		expect(t, joined, "a=1020@2500, a=1030@3000, a=1030@3499")
		view := weirtest.Store(d, table.VersionedStore())
		if v, ok, err := view.GetAsOf("a", at(2700)); !ok || err != nil || v.Value != 20 || !v.To.Equal(at(3000)) {
			t.Error(v, ok, err)
		}
		if _, ok, err := view.Get("a"); ok || err != nil {
			t.Error("the deleted row:", ok, err)
		}
	}
}

func TestVersionedFaults(t *testing.T) {
	for want, declare := range map[string]func(b *weir.Builder){
		"whole number of milliseconds": func(b *weir.Builder) { weir.TableFrom(b, limits, "s", weir.Versioned(time.Microsecond)) },
		"is negative":                  func(b *weir.Builder) { weir.TableFrom(b, limits, "s", weir.Versioned(-time.Second)) },
		"does not fit":                 func(b *weir.Builder) { weir.From(b, limits, weir.Versioned(time.Second)) },
	} {
		b := weir.NewBuilder()
		declare(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	b := weir.NewBuilder()
	plain, past := weir.TableFrom(b, limits, "s"), weir.TableFrom(b, outLimits, "v", weir.Versioned(time.Second))
	topo := mustBuild(b)
	d := weirtest.New(t, topo)
	if _, err := past.Store().View(d); err == nil || !strings.Contains(err.Error(), "versioned store, not a key-value store") {
		t.Error(err)
	}
	if _, err := plain.VersionedStore().View(d); err == nil || !strings.Contains(err.Error(), "key-value store, not a versioned store") {
		t.Error(err)
	}
}
