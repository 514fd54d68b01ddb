package weir_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// Every node's work for every record happens inside one function: here it draws the way of a record.
func ExampleAround() {
	in := weir.NewTopic("in", serde.String(), serde.String())
	out := weir.NewTopic("out", serde.String(), serde.String())

	b := weir.NewBuilder()
	loud := weir.MapValues(weir.From(b, in, weir.Named("in")), strings.ToUpper, weir.Named("shout"))
	loud.Filter(func(_, v string) bool { return v != "HUSH" }, weir.Named("polite")).To(out, weir.Named("out"))

	depth := 0
	driver := weirtest.New(theTest{}, mustBuild(b), weirtest.With(weir.Around(func(ctx processor.Context, next func() error) error {
		fmt.Printf("%s%s\n", strings.Repeat("  ", depth), ctx.Node())
		depth++
		defer func() { depth-- }()
		return next()
	})))
	weirtest.In(driver, in).SendAt("k", "hello", time.UnixMilli(0))
	weirtest.In(driver, in).SendAt("k", "hush", time.UnixMilli(1))
	// Output:
	// in
	//   shout
	//     polite
	//       out
	// in
	//   shout
	//     polite
}
