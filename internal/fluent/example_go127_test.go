//go:build go1.27

package main

import (
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// With methods, which Go 1.27 has: what changes a type reads from left to right.
func Example_methods() {
	posts := weir.NewTopic("posts", serde.String(), serde.String())
	limits := weir.NewTopic("limits", serde.String(), serde.Int64())
	verdicts := weir.NewTopic("verdicts", serde.String(), serde.String())

	b := weir.NewBuilder()
	b.From(posts).
		FlatMapValues(strings.Fields).
		GroupBy(func(_, word string) string { return word }, weir.Named("by-word")).
		Count("words").
		Join(b.TableFrom(limits, "limits"), func(_ string, n, limit int64) string { return verdict(n, limit) }).
		ToStream().
		To(verdicts)

	driver := driven(b)
	in := weirtest.In(driver, posts)
	weirtest.In(driver, limits).SendAt("weir", 1, time.UnixMilli(0))
	in.SendAt("ann", "a weir holds", time.UnixMilli(1))
	in.SendAt("bob", "the weir", time.UnixMilli(2))
	print(weirtest.Out(driver, verdicts))
	// Output:
	// weir 1 of 1
	// weir 2 of 1: too many
}
