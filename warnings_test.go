package weir_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// idle is a processor that does nothing.
type idle struct{}

func (idle) Init(processor.Context, processor.Forward[string, int64]) error { return nil }
func (idle) Process(weir.Record[string, int64]) error                       { return nil }

// idleValues is idle with a fixed key.
type idleValues struct{}

func (idleValues) Init(processor.Context, processor.ForwardFixed[string, int64]) error { return nil }
func (idleValues) Process(processor.FixedKeyRecord[string, int64]) error               { return nil }

func TestWarnings(t *testing.T) {
	a, c := weir.NewTopic("a", serde.String(), serde.Int64()), weir.NewTopic("c", serde.String(), serde.Int64())
	store := state.KeyValueStore("kept", serde.String(), serde.Int64())
	process := func(s weir.Stream[string, int64], opts ...weir.OpOption) {
		weir.Process(s, func() idle { return idle{} }, opts...)
	}
	processValues := func(s weir.Stream[string, int64], opts ...weir.OpOption) {
		weir.ProcessValues(s, func() idleValues { return idleValues{} }, opts...)
	}
	inJSON := func(name string) weir.Topic[string, int64] {
		return weir.NewTopic(name, serde.String(), serde.JSON[int64]())
	}
	inSeconds := weir.EventTime(func(v int64) time.Time { return time.Unix(v, 0) })
	rekeyed := func(b *weir.Builder) weir.Stream[string, int64] {
		return weir.KeyBy(weir.From(b, a), func(k string, _ int64) string { return k[1:] })
	}
	for name, w := range map[string]struct {
		declare func(b *weir.Builder)
		want    []string // of the one warning; none for none
	}{
		"nothing":         {func(b *weir.Builder) { weir.From(b, a).To(c) }, nil},
		"the same serdes": {func(b *weir.Builder) { weir.From(b, a).To(a) }, nil},
		"two serdes": {func(b *weir.Builder) {
			weir.MapValues(weir.From(b, a), func(int64) string { return "" }).To(weir.NewTopic("a", serde.String(), serde.String()))
		}, []string{`"a"`, "int64", "string", "elsewhere"}},
		"a key that was changed":              {func(b *weir.Builder) { process(rekeyed(b), weir.Stores(store), weir.Named("p")) }, []string{`Process "p"`, `"kept"`, "Repartition"}},
		"the key of the source":               {func(b *weir.Builder) { process(weir.From(b, a), weir.Stores(store)) }, nil},
		"repartitioned":                       {func(b *weir.Builder) { process(rekeyed(b).Repartition("r"), weir.Stores(store)) }, nil},
		"without a store":                     {func(b *weir.Builder) { process(rekeyed(b)) }, nil},
		"a global store":                      {func(b *weir.Builder) { process(rekeyed(b), weir.Stores(weir.GlobalFrom(b, c, "g").Store())) }, nil},
		"values below a key that was changed": {func(b *weir.Builder) { processValues(rekeyed(b), weir.Stores(store), weir.Named("p")) }, []string{`ProcessValues "p"`, `"kept"`, "Repartition"}},
		"values by the key of the source":     {func(b *weir.Builder) { processValues(weir.From(b, a), weir.Stores(store)) }, nil},
		"topics alike":                        {func(b *weir.Builder) { weir.From(b, weir.Topics(a, c)) }, nil},
		"topics of other serdes": {func(b *weir.Builder) { weir.From(b, weir.Topics(a, inJSON("c"))) },
			[]string{`From`, `"c"`, "int64", "json", `those of "a"`}},
		"topics of other event times": {func(b *weir.Builder) {
			weir.From(b, weir.Topics(a, weir.NewTopic("c", serde.String(), serde.Int64(), inSeconds)))
		}, []string{`"c"`, "event time", `"a"`}},
	} {
		got := built(t, w.declare).Warnings()
		if (len(got) == 0) != (w.want == nil) || len(got) > 1 {
			t.Errorf("%s: %q", name, got)
			continue
		}
		for _, want := range w.want {
			if !strings.Contains(got[0], want) {
				t.Errorf("%s: %q does not say %q", name, got[0], want)
			}
		}
	}
}
