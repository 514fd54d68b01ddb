package weir_test

import (
	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// deletions is the second output of sorter.
var deletions = processor.NewOutput("deletions", serde.String(), serde.String())

// sorter forwards values, and tells its second output which keys had none.
type sorter struct {
	values, deletions processor.Forward[string, string]
}

func (s *sorter) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	s.values, s.deletions = out, deletions.Bind(ctx)
	return nil
}

func (s *sorter) Process(r weir.Record[string, string]) error {
	if r.IsNull() {
		return s.deletions(processor.WithValue(r, "is gone"))
	}
	return s.values(r)
}

// What a processor forwards to a further output, when it does, as it made it.
func ExampleOutputOf() {
	b := weir.NewBuilder()
	sorted := weir.Process(weir.From(b, pageViews), func() *sorter { return new(sorter) })
	sorted.To(output)
	weir.OutputOf(sorted, deletions).To(answers)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.SendRecord(weir.Tombstone[string]("bob", d.Now()))
	printAll(weirtest.Out(d, output))
	printAll(weirtest.Out(d, answers))
	// Output:
	// ann /tea
	// bob is gone
}

// What the processor forwards, when it does, under the key with which the record came: nothing below is repartitioned.
func ExampleProcessValues() {
	b := weir.NewBuilder()
	weir.ProcessValues(weir.From(b, orders), func() *visitor { return new(visitor) }).To(output)

	d := driven(b)
	in := weirtest.In(d, orders)
	in.Send("tea", 3)
	in.Send("tea", 2)
	printAll(weirtest.Out(d, output))
	// Output:
	// tea visit 1
	// tea visit 2
}
