package weir_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	words  = weir.NewTopic("words", serde.String(), serde.String())
	others = weir.NewTopic("others", serde.String(), serde.String())
	// The same topics with types that can be nil: what Java does, byte for byte.
	wordsN  = weir.NewTopic("words", serde.Nullable(serde.String()), serde.Nullable(serde.String()))
	othersN = weir.NewTopic("others", serde.Nullable(serde.String()), serde.Nullable(serde.String()))
)

type (
	stream  = weir.Stream[string, string]
	streamN = weir.Stream[*string, *string]
	record  = weir.Record[string, string]
)

// line writes a record as key=value@seconds; null is ∅.
func line[K, V any](r weir.Record[K, V]) string {
	show := func(v any, null bool) string {
		if null {
			return "∅"
		}
		if p, ok := v.(*string); ok {
			return *p
		}
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%s=%s@%d", show(r.Key, r.KeyIsNull()), show(r.Value, r.IsNull()), r.Time.Unix())
}

// sentThrough sends the same four records through an operator, the last two with a null value and a null key, and returns what comes out
// and what was dropped.
func sentThrough(t *testing.T, op func(stream) stream) (got []string, dropped string) {
	t.Helper()
	b := weir.NewBuilder()
	op(weir.From(b, words)).To(others)
	return played(t, b, others)
}

func sentThroughN(t *testing.T, op func(streamN) streamN) (got []string, dropped string) {
	t.Helper()
	b := weir.NewBuilder()
	op(weir.From(b, wordsN)).To(othersN)
	return played(t, b, othersN)
}

func played[K, V any](t *testing.T, b *weir.Builder, to weir.Topic[K, V]) (got []string, dropped string) {
	t.Helper()
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	d := weirtest.New(t, topo)
	at := time.Unix(100, 0)
	d.SendRaw("words", 0, []byte("a"), []byte("one"), at)
	d.SendRaw("words", 0, []byte("b"), []byte("two"), at.Add(time.Second))
	d.SendRaw("words", 0, []byte("c"), nil, at.Add(2*time.Second))
	d.SendRaw("words", 0, nil, []byte("four"), at.Add(3*time.Second))
	for _, r := range weirtest.Out(d, to).All() {
		got = append(got, line(r))
	}
	var all []string
	for node, reasons := range d.Dropped() {
		for reason, n := range reasons {
			all = append(all, fmt.Sprintf("%s: %s %d", strings.TrimRight(node, "-0123456789"), reason, n))
		}
	}
	return got, strings.Join(all, ", ")
}

func upper(s string) string { return strings.ToUpper(s) }

func ptr(s string) *string { return &s }

func TestStatelessOperators(t *testing.T) {
	fails := func(string, string) bool { return false }
	cases := map[string]struct {
		op      func(stream) stream
		want    string
		dropped string
	}{
		"Filter":    {func(s stream) stream { return s.Filter(func(k, v string) bool { return v != "two" }) }, "a=one@100 c=∅@102 ∅=four@103", ""},
		"FilterNot": {func(s stream) stream { return s.FilterNot(func(k, v string) bool { return v == "" }) }, "a=one@100 b=two@101 ∅=four@103", ""},
		"TryFilter": {func(s stream) stream {
			return s.TryFilter(func(_ context.Context, r record) (bool, error) { return r.IsNull() || r.KeyIsNull(), nil })
		}, "c=∅@102 ∅=four@103", ""},
		"MapValues":        {func(s stream) stream { return weir.MapValues(s, upper) }, "a=ONE@100 b=TWO@101 c=∅@102 ∅=FOUR@103", ""},
		"MapValuesWithKey": {func(s stream) stream { return weir.MapValuesWithKey(s, func(k, v string) string { return k + v }) }, "a=aone@100 b=btwo@101 c=∅@102 ∅=four@103", ""},
		"TryMapValues": {func(s stream) stream {
			return weir.TryMapValues(s, func(_ context.Context, r record) (string, error) { return fmt.Sprint(r.IsNull()), nil })
		}, "a=false@100 b=false@101 c=true@102 ∅=false@103", ""},
		"Map":   {func(s stream) stream { return weir.Map(s, func(k, v string) (string, string) { return v, k }) }, "one=a@100 two=b@101", "map: null value 1, map: null key 1"},
		"KeyBy": {func(s stream) stream { return weir.KeyBy(s, func(k, v string) string { return v + "!" }) }, "one!=one@100 two!=two@101 !=∅@102 four!=four@103", ""},
		"MapRecords": {func(s stream) stream {
			return weir.MapRecords(s, func(r record) record { return r.WithTime(r.Time.Add(time.Minute)) })
		}, "a=one@160 b=two@161 c=∅@162 ∅=four@163", ""},
		"FlatMap": {func(s stream) stream {
			return weir.FlatMap(s, func(k, v string, emit func(string, string)) { emit(k, v); emit(v, k) })
		}, "a=one@100 one=a@100 b=two@101 two=b@101", "flat-map: null value 1, flat-map: null key 1"},
		"FlatMapValues": {func(s stream) stream {
			return weir.FlatMapValues(s, func(v string) []string { return strings.Split(v, "o") })
		}, "a=@100 a=ne@100 b=tw@101 b=@101 c=∅@102 ∅=f@103 ∅=ur@103", ""},
		"Merge":          {func(s stream) stream { return s.Filter(fails).Merge(s) }, "a=one@100 b=two@101 c=∅@102 ∅=four@103", ""},
		"Split, first":   {func(s stream) stream { return s.Split("by-", weir.When("long", longer))[0] }, "∅=four@103", ""},
		"Split, rest":    {func(s stream) stream { return s.Split("by-", weir.When("long", longer))[1] }, "a=one@100 b=two@101 c=∅@102", ""},
		"Repartition":    {func(s stream) stream { return s.Repartition("again") }, "a=one@100 b=two@101 c=∅@102", "again-repartition-filter: null key 1"},
		"Peek":           {func(s stream) stream { return s.Peek(func(string, string) {}) }, "a=one@100 b=two@101 c=∅@102 ∅=four@103", ""},
		"Tombstone made": {func(s stream) stream { return weir.MapRecords(s, record.AsTombstone) }, "a=∅@100 b=∅@101 c=∅@102 ∅=∅@103", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, dropped := sentThrough(t, c.op)
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("came out %s\n    want %s", s, c.want)
			}
			for _, part := range strings.Split(c.dropped, ", ") {
				if !strings.Contains(dropped, part) || c.dropped == "" && dropped != "" {
					t.Errorf("dropped %q, want %q", dropped, c.dropped)
				}
			}
		})
	}
}

func longer(_, v string) bool { return len(v) > 3 }

// TestNilableTypesSeeNull: where the types can be nil, user code is called with nil, and nil out is null.
func TestNilableTypesSeeNull(t *testing.T) {
	orDash := func(p *string) *string {
		if p == nil {
			return ptr("-")
		}
		if *p == "two" {
			return nil
		}
		return p
	}
	cases := map[string]struct {
		op   func(streamN) streamN
		want string
	}{
		"MapValues": {func(s streamN) streamN { return weir.MapValues(s, orDash) }, "a=one@100 b=∅@101 c=-@102 ∅=four@103"},
		"Map": {func(s streamN) streamN {
			return weir.Map(s, func(k, v *string) (*string, *string) { return orDash(k), orDash(v) })
		}, "a=one@100 b=∅@101 c=-@102 -=four@103"},
		"KeyBy":  {func(s streamN) streamN { return weir.KeyBy(s, func(_, v *string) *string { return orDash(v) }) }, "one=one@100 ∅=two@101 -=∅@102 four=four@103"},
		"Filter": {func(s streamN) streamN { return s.Filter(func(k, v *string) bool { return k == nil || v == nil }) }, "c=∅@102 ∅=four@103"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, dropped := sentThroughN(t, c.op)
			if s := strings.Join(got, " "); s != c.want || dropped != "" {
				t.Errorf("came out %s, dropped %q\n    want %s", s, dropped, c.want)
			}
		})
	}
}

// TestToFuncChoosesTheTopic: a zero Topic drops the record.
func TestToFuncChoosesTheTopic(t *testing.T) {
	b := weir.NewBuilder()
	weir.From(b, words).ToFunc(func(r record) weir.Topic[string, string] {
		if r.Value == "one" {
			return others
		}
		return weir.Topic[string, string]{}
	}, weir.Named("choose"))
	got, dropped := played(t, b, others)
	if s := strings.Join(got, " "); s != "a=one@100" || dropped != "choose: no topic 3" {
		t.Errorf("came out %s, dropped %q", s, dropped)
	}
}

// side sends values to an output of its own, and keys on.
type side struct {
	keys, values processor.Forward[string, string]
}

var valuesOut = processor.NewOutput("values", serde.String(), serde.String())

func (p *side) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.keys, p.values = out, valuesOut.Bind(ctx)
	return nil
}

func (p *side) Process(r record) error {
	if r.Value == "two" {
		return errors.New("two is refused")
	}
	return errors.Join(p.values(r), p.keys(processor.WithValue(r, r.Key)))
}

// TestProcessorsHaveOutputsAndDecisions: an error of Process meets the node's decision, and what it forwards goes on.
func TestProcessorsHaveOutputsAndDecisions(t *testing.T) {
	b := weir.NewBuilder()
	s := weir.Process(weir.From(b, words), func() *side { return new(side) }, weir.Named("side"),
		weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return weir.Skip() }))
	weir.OutputOf(s, valuesOut).Merge(s).To(others)
	got, dropped := played(t, b, others)
	if s := strings.Join(got, " "); s != "a=one@100 a=a@100 c=∅@102 c=c@102 ∅=four@103 ∅=@103" || dropped != "side: failed 1" {
		t.Errorf("came out %s, dropped %q", s, dropped)
	}
}

// TestOptionsMustFit: Build names the operator and the option.
func TestOptionsMustFit(t *testing.T) {
	b := weir.NewBuilder()
	weir.From(b, words, weir.Partitions(3), weir.Named("in")).Filter(func(string, string) bool { return true }, weir.EmitOnClose()).
		Repartition("r", weir.ValueSerde(serde.Int64()), weir.Partitions(0)).To(others)
	_, err := b.Build()
	for _, want := range []string{`From "in": option Partitions does not fit`, "Filter: option EmitOnClose does not fit", "option ValueSerde", "Partitions(0)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v\n    does not say %s", err, want)
		}
	}
}

// TestSerdesAreFound: registered before declared before built in; what is missing or ambiguous names operator and type.
func TestSerdesAreFound(t *testing.T) {
	type order struct{ ID string }
	keyed := func(b *weir.Builder) weir.Stream[string, order] {
		return weir.MapValues(weir.From(b, words), func(string) order { return order{} })
	}
	for name, c := range map[string]struct {
		build func(b *weir.Builder)
		want  string
	}{
		"missing": {func(b *weir.Builder) { keyed(b).Repartition("orders").ForEach(func(string, order) {}) }, "no serde for the type weir_test.order"},
		"registered": {func(b *weir.Builder) {
			weir.RegisterSerde(b, serde.JSON[order]())
			keyed(b).Repartition("orders").ForEach(func(string, order) {})
		}, ""},
		"declared later": {func(b *weir.Builder) {
			keyed(b).Repartition("orders").To(weir.NewTopic("o", serde.String(), serde.JSON[order]()))
		}, ""},
		"ambiguous": {func(b *weir.Builder) {
			s := keyed(b).Repartition("orders")
			s.To(weir.NewTopic("o", serde.String(), serde.JSON[order]()))
			s.To(weir.NewTopic("p", serde.String(), serde.New("mine", func(b []byte, _ order) ([]byte, error) { return b, nil }, func([]byte) (order, error) { return order{}, nil })))
		}, "several serdes"},
	} {
		b := weir.NewBuilder()
		c.build(b)
		_, err := b.Build()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
