package weir_test

import (
	"fmt"
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
