package parity

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

var gap = window.Session(sec(4)).Grace(sec(6))

// sessionsTo writes a table of sessions to out.
func sessionsTo[V any](t weir.Table[window.Key[text], V], value serde.Serde[V]) {
	t.ToStream().To(weir.NewTopic("out", window.SessionKeySerde(texts), value))
}

func sessionCounts(g windowed, opts ...weir.OpOption) {
	sessionsTo(weir.Count(g, "agg", opts...), serde.Int64())
}

func merging(a weir.Aggregator[text, text, text]) weir.Aggregator[text, text, text] {
	return a.MergeBy(func(_, x, y text) text { return cat(x, "|", y) })
}

func sessions() map[string]Build {
	closed := func(b *weir.Builder) { sessionCounts(by(b, gap), weir.EmitOnClose(), weir.Retention(day)) }
	return map[string]Build{
		"count":          func(b *weir.Builder) { sessionCounts(by(b, gap)) },
		"count-no-grace": func(b *weir.Builder) { sessionCounts(by(b, window.Session(sec(4)))) },
		"reduce":         func(b *weir.Builder) { sessionsTo(weir.Reduce(by(b, gap), "agg", joined), texts) },
		"aggregate":      func(b *weir.Builder) { sessionsTo(weir.Aggregate(by(b, gap), "agg", merging(adding(""))), texts) },
		"aggregate-to-null": func(b *weir.Builder) {
			sessionsTo(weir.Aggregate(by(b, gap), "agg", merging(addingLow())), texts)
		},
		"count-group-by":   func(b *weir.Builder) { sessionCounts(byLetter(in(b)).WindowedBy(gap)) },
		"count-partitions": func(b *weir.Builder) { sessionCounts(by(b, gap)) },
		"close":            closed,
		"close-aggregate": func(b *weir.Builder) {
			agg := weir.Aggregate(by(b, window.Session(sec(4))), "agg", merging(adding("")), weir.EmitOnClose(), weir.Retention(day))
			sessionsTo(agg, texts)
		},
		"close-default-retention": func(b *weir.Builder) { sessionCounts(by(b, gap), weir.EmitOnClose()) },
		"close-throttled":         closed,
		"cached":                  func(b *weir.Builder) { sessionCounts(by(b, gap)) },
		"retention": func(b *weir.Builder) {
			sessionsTo(weir.Aggregate(by(b, gap), "agg", merging(adding("")), weir.Retention(sec(600))), texts)
		},
		"in-memory": func(b *weir.Builder) { sessionCounts(by(b, gap), weir.InMemory()) },
	}
}
