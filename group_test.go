package weir_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
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
	expect(t, out, "a=2@5, b=1@9")
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
