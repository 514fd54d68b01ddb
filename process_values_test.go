package weir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
)

var visits = state.KeyValueStore("visits", serde.String(), serde.Int64())

// visitor numbers the visits of each key.
type visitor struct {
	visits state.KeyValue[string, int64]
	out    processor.ForwardFixed[string, string]
}

func (v *visitor) Stores() []state.Descriptor { return []state.Descriptor{visits} }

func (v *visitor) Init(ctx processor.Context, out processor.ForwardFixed[string, string]) error {
	v.visits, v.out = visits.Bind(ctx), out
	return nil
}

func (v *visitor) Process(r processor.FixedKeyRecord[string, int64]) error {
	n, _, err := v.visits.Get(r.Key())
	if err != nil {
		return err
	}
	if err := v.visits.Put(r.Key(), n+1); err != nil {
		return err
	}
	return v.out(processor.WithFixedValue(r, fmt.Sprintf("visit %d", n+1)))
}

// TestProcessValues keeps the key, so that nothing below is repartitioned, and its store over a restart.
func TestProcessValues(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		numbered := weir.ProcessValues(weir.From(b, limits), func() *visitor { return &visitor{} })
		numbered.To(outTexts)
		weir.Count(numbered.GroupByKey(), "counts")
	}))
	in := weirtest.In(d, limits)
	in.SendAt("a", 7, at(1))
	d.Restart()
	in.SendAt("a", 7, at(2))
	in.SendAt("b", 7, at(3))
	expect(t, weirtest.Out(d, outTexts), "a=visit 1@1, a=visit 2@2, b=visit 1@3")
	for _, topic := range d.Topics() {
		if topic == "test-counts-repartition" {
			t.Error("a fixed key was repartitioned")
		}
	}
}

var (
	rejects   = processor.NewOutput("rejects", serde.String(), serde.String())
	rejected  = weir.NewTopic("rejected", serde.String(), serde.String())
	byNumbers = processor.NewOutput("by-numbers", serde.Int64(), serde.String())
)

// signSorter sends values under 0 to another output. A fixed one binds it as it must; a free one does not.
type signSorter struct {
	free     bool
	out, bad processor.ForwardFixed[string, string]
}

func (s *signSorter) Init(ctx processor.Context, out processor.ForwardFixed[string, string]) error {
	s.out = out
	if s.free {
		rejects.Bind(ctx)
		return nil
	}
	s.bad = rejects.BindFixed(ctx)
	return nil
}

func (s *signSorter) Process(r processor.FixedKeyRecord[string, int64]) error {
	if r.Value < 0 {
		return s.bad(processor.WithFixedValue(r, fmt.Sprint("no ", r.Value)))
	}
	return s.out(processor.WithFixedValue(r, fmt.Sprint(r.Value)))
}

// TestOutputOfProcessValues has a further output that keeps the key too: nothing below it is repartitioned.
func TestOutputOfProcessValues(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		sorted := weir.ProcessValues(weir.From(b, limits), func() *signSorter { return &signSorter{} })
		sorted.To(outTexts)
		bad := weir.OutputOf(sorted, rejects)
		bad.To(rejected)
		weir.Count(bad.GroupByKey(), "bad")
	}))
	in := weirtest.In(d, limits)
	in.SendAt("a", 1, at(1))
	in.SendAt("a", -2, at(2))
	in.SendAt("b", -3, at(3))
	expect(t, weirtest.Out(d, outTexts), "a=1@1")
	expect(t, weirtest.Out(d, rejected), "a=no -2@2, b=no -3@3")
	if slices.Contains(d.Topics(), "test-bad-repartition") {
		t.Error("a fixed key was repartitioned")
	}
}

// TestOutputsThatNobodyTakes go nowhere, as those of Process.
func TestOutputsThatNobodyTakes(t *testing.T) {
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		weir.ProcessValues(weir.From(b, limits), func() *signSorter { return &signSorter{} }).To(outTexts)
	}))
	weirtest.In(d, limits).SendAt("a", -1, at(1))
	weirtest.In(d, limits).SendAt("a", 1, at(2))
	expect(t, weirtest.Out(d, outTexts), "a=1@2")
}

// fixing is a Process that binds an output as only ProcessValues may.
type fixing struct{}

func (fixing) Init(ctx processor.Context, _ processor.Forward[string, string]) error {
	rejects.BindFixed(ctx)
	return nil
}
func (fixing) Process(weir.Record[string, int64]) error { return nil }

// TestOutputsBoundOtherwise fail the processor's Init, whether somebody takes them or not; those of other keys fail Build.
func TestOutputsBoundOtherwise(t *testing.T) {
	for want, declare := range map[string]func(b *weir.Builder) weir.Stream[string, string]{
		`node "free": output "rejects" is bound with BindFixed`: func(b *weir.Builder) weir.Stream[string, string] {
			return weir.ProcessValues(weir.From(b, limits), func() *signSorter { return &signSorter{free: true} }, weir.Named("free"))
		},
		`node "fixing": output "rejects" is bound with Bind here`: func(b *weir.Builder) weir.Stream[string, string] {
			return weir.Process(weir.From(b, limits), func() fixing { return fixing{} }, weir.Named("fixing"))
		},
	} {
		for _, taken := range []bool{true, false} {
			topo := built(t, func(b *weir.Builder) {
				if s := declare(b); taken {
					weir.OutputOf(s, rejects).To(rejected)
				}
			})
			if _, err := weirtest.TryNew(t, topo); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("taken %v: %v does not say %q", taken, err, want)
			}
		}
	}
	b := weir.NewBuilder()
	weir.OutputOf(weir.ProcessValues(weir.From(b, limits), func() *signSorter { return &signSorter{} }, weir.Named("sorter")), byNumbers)
	if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), `"by-numbers"`) || !strings.Contains(err.Error(), "keeps the key, a string") {
		t.Errorf("an output of other keys: %v", err)
	}
}
