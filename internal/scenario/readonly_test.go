package scenario_test

import (
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

var ownRates = state.KeyValueStore("own", serde.String(), serde.String())

// ratesReader forwards each record with its key's row.
type ratesReader struct {
	rows state.KeyValue[string, string]
	out  processor.Forward[string, string]
}

func (p *ratesReader) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.rows, p.out = ownRates.Bind(ctx), out
	return nil
}

func (p *ratesReader) Process(r weir.Record[string, string]) error {
	row, _, err := p.rows.Get(r.Key)
	if err != nil {
		return err
	}
	return p.out(processor.WithValue(r, r.Value+"/"+row))
}

// later waits until records get another time: equal ones are taken in the order in which the topics were declared.
func (s *scenario) later() {
	s.t.Helper()
	now := time.Now().UnixMilli()
	s.until("the next millisecond", func() bool { return time.Now().UnixMilli() > now })
}

// A read-only store that was lost is restored from its topic as far as the group had read that, and no further: what comes next is taken in the
// order of event times, beside the stream.
func TestReadOnlyStoreIsRestoredToTheCommit(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in", "rates")
		text := func(name string) weir.Topic[string, string] {
			return weir.NewTopic(name, serde.String(), serde.String())
		}
		topo := built(t, func(b *weir.Builder) {
			weir.ReadOnlyStore(b, text("rates"), ownRates)
			weir.Process(weir.From(b, text("in")), func() *ratesReader { return new(ratesReader) }, weir.Stores(ownRates)).To(text("out"))
		})
		s.rate("one", "rates")
		s.later()
		s.feed("in", 20)
		app := s.start("own", topo)
		if got := s.joined(20); got["one"] != 20 {
			t.Fatalf("%v", got)
		}
		s.end(app)
		s.feed("in", 20)
		s.later() // than what was fed
		s.rate("two", "rates")
		s.later()
		s.feed("in", 20)
		app = s.start("own", topo) // in another state directory
		if got := s.joined(60); got["one"] != 40 || got["two"] != 20 {
			t.Fatalf("%v", got)
		}
		s.end(app)
	})
}
