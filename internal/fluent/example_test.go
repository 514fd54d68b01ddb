package main

import (
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// With functions: what changes a type reads from the inside to the outside. example_go127_test.go is the same program with methods.
func Example_functions() {
	posts := weir.NewTopic("posts", serde.String(), serde.String())
	limits := weir.NewTopic("limits", serde.String(), serde.Int64())
	verdicts := weir.NewTopic("verdicts", serde.String(), serde.String())

	b := weir.NewBuilder()
	words := weir.FlatMapValues(weir.From(b, posts), strings.Fields)
	byWord := weir.GroupBy(words, func(_, word string) string { return word }, weir.Named("by-word"))
	counts := weir.Count(byWord, "words")
	judged := weir.JoinTables(counts, weir.TableFrom(b, limits, "limits"),
		func(_ string, n, limit int64) string { return verdict(n, limit) })
	judged.ToStream().To(verdicts)

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

func verdict(n, limit int64) string {
	if n > limit {
		return fmt.Sprintf("%d of %d: too many", n, limit)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

func print(out *weirtest.Output[string, string]) {
	for _, r := range out.All() {
		fmt.Println(r.Key, r.Value)
	}
}

// driven is a driver without a test: examples have none.
func driven(b *weir.Builder) *weirtest.Driver {
	topo, err := b.Build()
	if err != nil {
		log.Fatal(err)
	}
	return weirtest.New(theTest{}, topo)
}

type theTest struct{ testing.TB }

func (theTest) Helper()                   {}
func (theTest) Cleanup(func())            {}
func (theTest) Fatal(a ...any)            { log.Fatal(a...) }
func (theTest) Errorf(f string, a ...any) { log.Printf(f, a...) }
