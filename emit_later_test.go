package weir_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// TestLastWindowIsEmittedWithoutAnotherRecord: a window that the last record closed, too soon after a look, was never emitted.
func TestLastWindowIsEmittedWithoutAnotherRecord(t *testing.T) {
	in := weir.NewTopic("in", serde.String(), serde.Int64())
	out := weir.NewTopic("out", window.KeySerde(serde.String(), time.Minute), serde.Int64())
	b := weir.NewBuilder()
	weir.Count(weir.From(b, in).GroupByKey().WindowedBy(window.Tumbling(time.Minute)), "counts", weir.EmitOnClose()).ToStream().To(out)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo, weirtest.With(weir.EmitEvery(time.Second)))
	send, got := weirtest.In(d, in), weirtest.Out(d, out)
	at := time.Unix(0, 0)
	send.SendAt("a", 1, at)                     // looks
	send.SendAt("b", 1, at.Add(10*time.Minute)) // closes, but may not look yet
	if !got.Empty() {
		t.Fatalf("emitted before the throttle allows it: %v", got.All())
	}
	d.AdvanceWallClock(time.Second)
	all := got.All()
	if len(all) != 1 || all[0].Key.Key != "a" || all[0].Value != 1 {
		t.Errorf("emitted %v, want the window of a", all)
	}
	d.AdvanceWallClock(time.Minute)
	if !got.Empty() {
		t.Errorf("emitted again: %v", got.All())
	}
}
