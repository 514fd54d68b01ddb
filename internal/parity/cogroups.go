package parity

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/window"
)

type (
	cogroupText  = weir.Cogrouped[text, text]
	cogroupInput = weir.CogroupInput[text, text]
)

// cogroupOf cogroups streams, from "".
func cogroupOf(in ...cogroupInput) cogroupText { return weir.Cogroup(constant(""), in...) }

// cogroupAdding is agg + mark + v, for the values of a topic.
func cogroupAdding(b *weir.Builder, topic, mark string) cogroupInput {
	return weir.Adding(from(b, topic).GroupByKey(), func(_, v, a text) text { return cat(a, mark, v) })
}

func cogroupTwo(b *weir.Builder) cogroupText {
	return cogroupOf(cogroupAdding(b, "in", "1"), cogroupAdding(b, "in2", "2"))
}

func cogroups() map[string]Build {
	plain := func(b *weir.Builder) { updates(weir.AggregateCogroup(cogroupTwo(b), "agg")) }
	by := func(w window.Spec, size int) Build {
		return func(b *weir.Builder) {
			windows(weir.AggregateCogroup(cogroupTwo(b).WindowedBy(w), "agg"), sec(size), texts)
		}
	}
	return map[string]Build{
		"plain":  plain,
		"cached": plain,
		"lru":    func(b *weir.Builder) { updates(weir.AggregateCogroup(cogroupTwo(b), "agg", weir.LRU(2))) },
		"one":    func(b *weir.Builder) { updates(weir.AggregateCogroup(cogroupOf(cogroupAdding(b, "in", "1")), "agg")) },
		"three": func(b *weir.Builder) {
			updates(weir.AggregateCogroup(cogroupTwo(b).And(cogroupAdding(b, "in3", "3")), "agg"))
		},
		"to-null": func(b *weir.Builder) {
			first := cogroupAdding(b, "in", "1")
			low := weir.Adding(from(b, "in2").GroupByKey(), func(_, v, a text) text { return ifLow(v, cat(a, "2", v)) })
			updates(weir.AggregateCogroup(cogroupOf(first, low), "agg"))
		},
		"rekeyed": func(b *weir.Builder) {
			first := cogroupAdding(b, "in", "1")
			second := weir.Adding(byLetter(from(b, "in2")), func(_, v, a text) text { return cat(a, "2", v) })
			updates(weir.AggregateCogroup(cogroupOf(first, second), "agg"))
		},
		"tumbling": by(window.Tumbling(sec(10)).Grace(sec(5)), 10),
		"hopping":  by(window.Hopping(sec(10), sec(4)).Grace(sec(5)), 10),
		"sliding":  by(slidingWithin, 5),
		"sessions": func(b *weir.Builder) {
			merged := cogroupTwo(b).MergeBy(func(_, x, y text) text { return cat(x, "|", y) })
			sessionsTo(weir.AggregateCogroup(merged.WindowedBy(window.Session(sec(4)).Grace(sec(6))), "agg"), texts)
		},
	}
}
