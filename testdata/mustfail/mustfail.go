// Package mustfail holds what must not compile: TestMustFail finds an error in every line marked so, and in no other.
package mustfail

import (
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

type card struct{}

func _(b *weir.Builder, s weir.Stream[string, int64], t weir.Table[string, int64], topo *weir.Topology) {
	g := s.GroupByKey()
	weir.Count(g, "c")
	weir.Count(g, "c", weir.Workers(4))                                                                            // error: an AppOption for an operator
	weir.New("a", topo, weir.NoCache())                                                                            // error: an OpOption for an app
	weir.New("a", topo, weir.EmitEvery(time.Second))                                                               // it is an option of both
	weir.Count(g, "c", weir.EmitEvery(time.Second))                                                                // it is an option of both
	weir.Count(g, "c", state.InMemory())                                                                           // error: a store declaration's option for an operator
	weir.NewTopic("t", serde.String(), serde.Int64(), weir.EventTime(func(card) time.Time { return time.Time{} })) // error: an extractor of another value
	weir.NewTopic("t", serde.String(), serde.Int64(), weir.Named("x"))                                             // error: an OpOption for a topic
	weir.Count(s, "c")                                                                                             // error: not grouped
	weir.Count(g)                                                                                                  // error: no store name
	weir.Count(t, "c")                                                                                             // error: a table is not grouped
	weir.Reduce(g, "r", func(a int64, b string) int64 { return a })                                                // error: another value
	weir.JoinTable(s, t, func(_ string, l, r int64) int64 { return l })
	weir.LeftJoinTable(s, t, func(_ string, l, r int64) int64 { return l })                                                        // error: the side that may be missing is a pointer
	weir.JoinTable(weir.KeyBy(s, func(_ string, v int64) int64 { return v }), t, func(_ int64, l, r int64) int64 { return l })     // error: keys differ
	weir.JoinTable(s, weir.Count(g.WindowedBy(window.Tumbling(1)), "w"), func(_ string, l, r int64) int64 { return l })            // error: keys differ
	weir.JoinTable(weir.Count(g.WindowedBy(window.Tumbling(1)), "w").ToStream(), t, func(_ string, l, r int64) int64 { return l }) // error: keys differ
	weir.JoinTable(weir.Unwindow(weir.Count(g.WindowedBy(window.Tumbling(1)), "w").ToStream()), t, func(_ string, l, r int64) int64 { return l })
	s.To(weir.NewTopic("t", serde.String(), serde.Int64()))
	s.To(weir.NewTopic("t", serde.String(), serde.String())) // error: another value
	weir.WindowStoreOf(t)                                    // error: not windowed
	weir.SessionStoreOf(t)                                   // error: not windowed
	g.WindowedBy(window.Within(1))                           // error: windows of a join
	g.WindowedBy(window.Tumbling(1)).WindowedBy(nil)         // error: windowed already
	weir.Merge(s)                                            // error: it is a method
}
