package parity

import (
	"strconv"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

func aggregates() map[string]Build {
	return map[string]Build{
		"count":                  func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg")) },
		"count-cached":           func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg")) },
		"count-caching-disabled": func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg", weir.NoCache())) },
		"count-in-memory":        func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg", weir.InMemory())) },
		"count-no-changelog":     func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg", weir.NoChangelog())) },
		"count-changelog-config": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg", weir.TopicConfig(map[string]string{"min.insync.replicas": "2"})))
		},
		"count-lru":      func(b *weir.Builder) { counts(weir.Count(in(b).GroupByKey(), "agg", weir.LRU(2))) },
		"aggregate-lru":  func(b *weir.Builder) { updates(weir.Aggregate(in(b).GroupByKey(), "agg", adding(""), weir.LRU(2))) },
		"reduce-lru":     func(b *weir.Builder) { updates(weir.Reduce(in(b).GroupByKey(), "agg", joined, weir.LRU(3))) },
		"count-group-by": func(b *weir.Builder) { counts(weir.Count(byValue(in(b)), "agg")) },
		"count-after-map": func(b *weir.Builder) {
			turned := weir.Map(in(b), func(k, v text) (text, text) { return v, k })
			counts(weir.Count(turned.GroupByKey(weir.Named("g")), "agg"))
		},
		"count-after-repartition": func(b *weir.Builder) {
			counts(weir.Count(weir.KeyBy(in(b), value).Repartition("r").GroupByKey(), "agg"))
		},
		"count-filtered": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Filter(func(_ text, n int64) bool { return n%2 == 0 }))
		},
		"count-merged": func(b *weir.Builder) {
			counts(weir.Count(in(b).Merge(from(b, "in2")).GroupByKey(weir.Named("g")), "agg"))
		},
		"count-of-counts":  countOfCounts,
		"two-of-one-group": twoOfOneGroup,

		"reduce":      func(b *weir.Builder) { updates(weir.Reduce(in(b).GroupByKey(), "agg", joined)) },
		"reduce-last": func(b *weir.Builder) { updates(weir.Reduce(in(b).GroupByKey(), "agg", value)) },
		"reduce-to-null": func(b *weir.Builder) {
			updates(weir.Reduce(in(b).GroupByKey(), "agg", func(x, y text) text { return ifLow(y, cat(x, y)) }))
		},
		"reduce-group-by": func(b *weir.Builder) { updates(weir.Reduce(byLetter(in(b)), "agg", joined)) },
		"reduce-longs":    reduceLongs,

		"aggregate": func(b *weir.Builder) { updates(weir.Aggregate(in(b).GroupByKey(), "agg", adding(""))) },
		"aggregate-key": func(b *weir.Builder) {
			updates(weir.Aggregate(in(b).GroupByKey(), "agg", weir.NewAggregator(constant("0"), func(k, v, a text) text { return cat(a, k, v) })))
		},
		"aggregate-null-init": func(b *weir.Builder) {
			updates(weir.Aggregate(in(b).GroupByKey(), "agg", weir.NewAggregator(func() text { return nil }, func(_, v, a text) text {
				if a == nil {
					return v
				}
				return cat(a, v)
			})))
		},
		"aggregate-to-null":        func(b *weir.Builder) { updates(weir.Aggregate(in(b).GroupByKey(), "agg", addingLow())) },
		"aggregate-to-null-cached": func(b *weir.Builder) { updates(weir.Aggregate(in(b).GroupByKey(), "agg", addingLow())) },
		"aggregate-group-by":       func(b *weir.Builder) { updates(weir.Aggregate(byValue(in(b)), "agg", adding(""))) },
	}
}

func counts(t weir.Table[text, int64]) {
	t.ToStream().To(weir.NewTopic("out", texts, serde.Int64()))
}

func updates(t weir.Table[text, text]) { out(t.ToStream()) }

func byValue(s stream) weir.Grouped[text, text] { return weir.GroupBy(s, value, weir.Named("g")) }

// byLetter groups by a value's first letter.
func byLetter(s stream) weir.Grouped[text, text] {
	return weir.GroupBy(s, func(_, v text) text {
		if v == nil {
			return nil
		}
		return cat((*v)[:1])
	}, weir.Named("g"))
}

func joined(x, y text) text { return cat(x, y) }

func ifLow(v, then text) text {
	if low(v) {
		return then
	}
	return nil
}

func constant(s string) func() text { return func() text { return &s } }

// adding is agg + v.
func adding(init string) weir.Aggregator[text, text, text] {
	return weir.NewAggregator(constant(init), func(_, v, a text) text { return cat(a, v) })
}

// addingLow is low(v) ? agg + v : null.
func addingLow() weir.Aggregator[text, text, text] {
	return weir.NewAggregator(constant(""), func(_, v, a text) text { return ifLow(v, cat(a, v)) })
}

func countOfCounts(b *weir.Builder) {
	first := weir.Count(in(b).GroupByKey(), "agg").ToStream()
	decimal := weir.Map(first, func(k text, n int64) (text, text) { return k, cat(strconv.FormatInt(n, 10)) })
	counts(weir.Count(byValue(decimal), "agg2"))
}

func twoOfOneGroup(b *weir.Builder) {
	g := byValue(in(b))
	counts(weir.Count(g, "agg"))
	weir.Reduce(g, "agg2", joined).ToStream().To(topicOf("out-2"))
}

func reduceLongs(b *weir.Builder) {
	numbers := serde.Nullable(serde.Int64())
	s := weir.From(b, weir.NewTopic("in", texts, numbers))
	sums := weir.Reduce(s.GroupByKey(), "agg", func(x, y *int64) *int64 {
		sum := *x + *y
		return &sum
	})
	sums.ToStream().To(weir.NewTopic("out", texts, numbers))
}
