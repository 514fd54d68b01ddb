package parity

import (
	"io"

	weir "github.com/weirstream/weir"
)

func stateless() map[string]Build {
	return map[string]Build{
		"copy":       func(b *weir.Builder) { out(in(b)) },
		"filter":     func(b *weir.Builder) { out(in(b).Filter(func(_, v text) bool { return low(v) })) },
		"filter-not": func(b *weir.Builder) { out(in(b).FilterNot(func(_, v text) bool { return low(v) })) },
		"filter-key": func(b *weir.Builder) { out(in(b).Filter(func(k, _ text) bool { return k == nil || *k == "a" })) },
		"map": func(b *weir.Builder) {
			out(weir.Map(in(b), func(k, v text) (text, text) { return cat(k, "!"), cat(v, "-", k) }))
		},
		"map-to-null": func(b *weir.Builder) {
			out(weir.Map(in(b), func(k, v text) (text, text) { return lowOrNil(v), k }))
		},
		"map-values": func(b *weir.Builder) { out(weir.MapValues(in(b), func(v text) text { return cat(v, "?") })) },
		"map-values-key": func(b *weir.Builder) {
			out(weir.MapValuesWithKey(in(b), func(k, v text) text { return cat(v, "-", k) }))
		},
		"map-values-to-null": func(b *weir.Builder) { out(weir.MapValues(in(b), lowOrNil)) },
		"flat-map":           func(b *weir.Builder) { out(weir.FlatMap(in(b), swapped)) },
		"flat-map-values":    func(b *weir.Builder) { out(weir.FlatMapValues(in(b), characters)) },
		"flat-map-values-key": func(b *weir.Builder) {
			out(weir.FlatMapValuesWithKey(in(b), func(k, v text) []text {
				if !low(v) {
					return nil
				}
				return []text{v, k, v}
			}))
		},
		"key-by": func(b *weir.Builder) { out(weir.KeyBy(in(b), value)) },
		"peek": func(b *weir.Builder) {
			seen := in(b).Peek(func(_, _ text) {})
			out(seen)
			seen.ForEach(func(_, _ text) {})
		},
		"print":           func(b *weir.Builder) { s := in(b); s.Print(io.Discard); out(s) },
		"chain":           chain,
		"two-sinks":       twoSinks,
		"same-sink-twice": sameSinkTwice,

		"split":            split,
		"split-no-default": splitNoDefault,
		"split-merge":      splitMerge,
		"merge":            func(b *weir.Builder) { out(in(b).Merge(from(b, "in2"))) },
		"merge-three": func(b *weir.Builder) {
			out(in(b).Merge(suffixed(from(b, "in2"), "2")).Merge(from(b, "in3")))
		},
		"merge-with-part-of-itself": func(b *weir.Builder) {
			s := in(b)
			out(s.Merge(s.Filter(func(_, v text) bool { return low(v) })))
		},

		"several-topics": func(b *weir.Builder) { out(weir.From(b, weir.Topics(topicOf("in"), topicOf("in2")))) },
		"pattern":        func(b *weir.Builder) { out(weir.From(b, weir.TopicsMatching("in-[0-9]", texts, texts))) },
		"through-a-topic": func(b *weir.Builder) {
			suffixed(in(b), "1").To(topicOf("middle"))
			out(suffixed(from(b, "middle"), "2"))
		},

		"repartition":              func(b *weir.Builder) { out(in(b).Repartition("r")) },
		"repartition-after-key-by": func(b *weir.Builder) { out(weir.KeyBy(in(b), value).Repartition("r")) },
		"repartition-twice": func(b *weir.Builder) {
			out(weir.Map(in(b).Repartition("r"), func(k, v text) (text, text) { return v, k }).Repartition("q"))
		},
		"repartition-partitions": func(b *weir.Builder) {
			out(weir.KeyBy(in(b), value).Repartition("r", weir.Partitions(3)))
		},
		"repartition-partitioner": func(b *weir.Builder) {
			out(in(b).Repartition("r", weir.Partitions(3), weir.PartitionBy(func(_, v text, n int) int {
				return len(weir.OrZero(v)) % n
			})))
		},
	}
}

func lowOrNil(v text) text {
	if low(v) {
		return v
	}
	return nil
}

func value(_, v text) text { return v }

func suffixed(s stream, suffix string) stream {
	return weir.MapValues(s, func(v text) text { return cat(v, suffix) })
}

func swapped(k, v text, emit func(k, v text)) {
	if v != nil {
		emit(k, v)
		emit(v, k)
	}
}

func characters(v text) (all []text) {
	if v == nil {
		return nil
	}
	for _, c := range *v {
		all = append(all, cat(string(c)))
	}
	return all
}

func chain(b *weir.Builder) {
	some := in(b).Filter(func(_, v text) bool { return v != nil })
	turned := suffixed(weir.Map(some, func(k, v text) (text, text) { return v, k }), "1")
	doubled := weir.FlatMapValues(turned, func(v text) []text { return []text{v, cat(v, "2")} })
	out(doubled.FilterNot(func(k, _ text) bool { return low(k) }))
}

func twoSinks(b *weir.Builder) {
	s := in(b)
	s.To(topicOf("out-1"))
	suffixed(s, "2").To(topicOf("out-2"))
}

func sameSinkTwice(b *weir.Builder) {
	s := in(b)
	out(s)
	out(suffixed(s, "2"))
}

func split(b *weir.Builder) {
	for i, branch := range in(b).Split("s", weir.When("null", func(_, v text) bool { return v == nil }), whenLow) {
		branch.To(topicOf([]string{"out-null", "out-low", "out-rest"}[i]))
	}
}

var whenLow = weir.When("low", func(_, v text) bool { return low(v) })

func splitNoDefault(b *weir.Builder) {
	branches := in(b).Split("s", whenLow, weir.When("a", func(k, _ text) bool { return is(k, "a") }))
	branches[0].To(topicOf("out-low"))
	branches[1].To(topicOf("out-a"))
}

func splitMerge(b *weir.Builder) {
	branches := in(b).Split("s", whenLow)
	out(suffixed(branches[0], "L").Merge(suffixed(branches[1], "D")))
}
