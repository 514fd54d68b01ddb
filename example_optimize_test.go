package weir_test

import (
	"fmt"
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// describe prints the description of a topology built with rules.
func describe(b *weir.Builder, rules ...weir.Optimization) *weir.Topology {
	topo, err := b.Build(rules...)
	if err != nil {
		fmt.Println(err)
	}
	return topo
}

// Two aggregations of one key share a repartition topic, named for the first.
func ExampleMergeRepartitions() {
	words := weir.NewTopic("words", serde.String(), serde.String())
	b := weir.NewBuilder()
	byWord := weir.KeyBy(weir.From(b, words), func(_, word string) string { return word })
	weir.Count(byWord.GroupByKey(weir.Named("words")), "counts")
	weir.Count(byWord.Filter(func(w, _ string) bool { return len(w) > 3 }).GroupByKey(weir.Named("long-words")), "long-counts")

	topo := describe(b, weir.MergeRepartitions())
	for line := range strings.Lines(topo.Describe()) {
		if strings.Contains(line, "Sink:") || strings.Contains(line, "stores: [c") || strings.Contains(line, "stores: [l") {
			fmt.Print(line)
		}
	}
	// Output:
	//     Sink: words-repartition-sink (topic: words-repartition)
	//     Processor: count-1 (stores: [counts])
	//     Processor: count-2 (stores: [long-counts])
}

// A table needs no changelog where its topic holds all that is in it.
func ExampleReuseSourceTopics() {
	b := weir.NewBuilder()
	weir.TableFrom(b, homes, "homes")
	d := weirtest.New(theTest{}, describe(b, weir.ReuseSourceTopics()))
	weirtest.In(d, homes).Send("ann", "Oslo")
	d.Rebuild() // on a new machine
	fmt.Println(d.Topics())
	// Output:
	// [homes]
}

// A stream that meets itself is kept once.
func ExampleSingleStoreSelfJoin() {
	b := weir.NewBuilder()
	s := weir.From(b, homes)
	weir.Join(s, s, "neighbours", window.Within(5*time.Second), func(_, l, r string) string { return l + " " + r }).ForEach(func(_, _ string) {})
	topo := describe(b, weir.SingleStoreSelfJoin())
	fmt.Println(strings.Contains(topo.Describe(), "neighbours-this-join-store"), strings.Contains(topo.Describe(), "neighbours-other-join-store"))
	// Output:
	// true false
}
