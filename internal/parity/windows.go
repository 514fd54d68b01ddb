package parity

import (
	"strconv"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

const day = 24 * time.Hour

func sec(n int) time.Duration { return time.Duration(n) * time.Second }

var (
	tumbling = window.Tumbling(sec(10)).Grace(sec(5))
	hopping  = window.Hopping(sec(10), sec(3)).Grace(sec(5))
)

type windowed = weir.Windowed[text, text]

// by groups the stream of in by its keys and windows.
func by(b *weir.Builder, w window.Spec) windowed { return in(b).GroupByKey().WindowedBy(w) }

// windows writes a windowed table to out, with keys of windows of a size.
func windows[V any](t weir.Table[window.Key[text], V], size time.Duration, value serde.Serde[V]) {
	t.ToStream().To(weir.NewTopic("out", window.KeySerde(texts, size), value))
}

func windowCounts(g windowed, opts ...weir.OpOption) {
	windows(weir.Count(g, "agg", opts...), sec(10), serde.Int64())
}

func windowTexts(t weir.Table[window.Key[text], text]) { windows(t, sec(10), texts) }

// unwindowed writes a windowed table to out, with the inner key.
func unwindowed[V any](t weir.Table[window.Key[text], V], value serde.Serde[V]) {
	weir.Unwindow(t.ToStream()).To(weir.NewTopic("out", texts, value))
}

func timeWindowed() map[string]Build {
	return map[string]Build{
		"tumbling-count":          func(b *weir.Builder) { windowCounts(by(b, tumbling)) },
		"tumbling-count-no-grace": func(b *weir.Builder) { windowCounts(by(b, window.Tumbling(sec(10)))) },
		"tumbling-reduce":         func(b *weir.Builder) { windowTexts(weir.Reduce(by(b, tumbling), "agg", joined)) },
		"tumbling-aggregate":      func(b *weir.Builder) { windowTexts(weir.Aggregate(by(b, tumbling), "agg", adding(""))) },
		"tumbling-aggregate-to-null": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, tumbling), "agg", addingLow()))
		},
		"tumbling-group-by": func(b *weir.Builder) {
			windowTexts(weir.Reduce(byLetter(in(b)).WindowedBy(tumbling), "agg", joined))
		},
		"tumbling-unwindowed": func(b *weir.Builder) { unwindowed(weir.Count(by(b, tumbling), "agg"), serde.Int64()) },
		"tumbling-retention":  func(b *weir.Builder) { windowCounts(by(b, tumbling), weir.Retention(sec(600))) },
		"tumbling-large": func(b *weir.Builder) {
			windows(weir.Count(by(b, window.Tumbling(sec(100)).Grace(sec(1000))), "agg"), sec(100), serde.Int64())
		},
		"windowed-table-group-by": windowedTableGroupBy,
		"tumbling-partitions":     func(b *weir.Builder) { windowCounts(by(b, tumbling)) },

		"hopping-count":          func(b *weir.Builder) { windowCounts(by(b, hopping)) },
		"hopping-count-no-grace": func(b *weir.Builder) { windowCounts(by(b, window.Hopping(sec(10), sec(5)))) },
		"hopping-reduce":         func(b *weir.Builder) { windowTexts(weir.Reduce(by(b, hopping), "agg", joined)) },
		"hopping-aggregate":      func(b *weir.Builder) { windowTexts(weir.Aggregate(by(b, hopping), "agg", adding(""))) },

		"unlimited-count": func(b *weir.Builder) {
			unwindowed(weir.Count(by(b, window.Unlimited(time.UnixMilli(0))), "agg"), serde.Int64())
		},
		"unlimited-windowed": func(b *weir.Builder) {
			all := weir.Count(by(b, window.Unlimited(time.UnixMilli(0))), "agg")
			all.ToStream().To(weir.NewTopic("out", window.UnlimitedKeySerde(texts), serde.Int64()))
		},
		"unlimited-start-on": func(b *weir.Builder) {
			unwindowed(weir.Aggregate(by(b, window.Unlimited(time.UnixMilli(5000))), "agg", adding("")), texts)
		},

		"tumbling-close": closing(tumbling),
		"tumbling-close-no-grace": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, window.Tumbling(sec(10))), "agg", adding(""), weir.EmitOnClose(), weir.Retention(day)))
		},
		"tumbling-close-to-null": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, tumbling), "agg", addingLow(), weir.EmitOnClose(), weir.Retention(day)))
		},
		"hopping-close": func(b *weir.Builder) {
			windowTexts(weir.Reduce(by(b, hopping), "agg", joined, weir.EmitOnClose(), weir.Retention(day)))
		},
		"tumbling-close-default-retention": func(b *weir.Builder) { windowCounts(by(b, tumbling), weir.EmitOnClose()) },
		"tumbling-close-throttled":         closing(tumbling),
		"tumbling-close-cached":            closing(tumbling),
		"tumbling-close-group-by": func(b *weir.Builder) {
			windowCounts(byValue(in(b)).WindowedBy(tumbling), weir.EmitOnClose(), weir.Retention(day))
		},

		"tumbling-cached":            func(b *weir.Builder) { windowCounts(by(b, tumbling)) },
		"hopping-cached":             func(b *weir.Builder) { windowTexts(weir.Aggregate(by(b, hopping), "agg", adding(""))) },
		"tumbling-in-memory":         func(b *weir.Builder) { windowCounts(by(b, tumbling), weir.InMemory()) },
		"tumbling-then-group":        tumblingThenGroup,
		"windowed-key-through-topic": windowedKeyThroughTopic,
	}
}

// closing counts windows and emits them when they close.
func closing(w window.Spec) Build {
	return func(b *weir.Builder) { windowCounts(by(b, w), weir.EmitOnClose(), weir.Retention(day)) }
}

func decimal(n int64) text { return cat(strconv.FormatInt(n, 10)) }

func tumblingThenGroup(b *weir.Builder) {
	inner := weir.KeyBy(weir.Count(by(b, tumbling), "agg").ToStream(), func(k window.Key[text], _ int64) text { return k.Key })
	updates(weir.Reduce(weir.MapValues(inner, decimal).GroupByKey(weir.Named("g")), "agg2", joined))
}

func windowedKeyThroughTopic(b *weir.Builder) {
	numbers := serde.Nullable(serde.Int64())
	keys := window.KeySerde(texts, sec(10))
	weir.Count(by(b, tumbling), "agg").ToStream().To(weir.NewTopic("middle", keys, serde.Int64()))
	more := weir.MapValues(weir.From(b, weir.NewTopic("middle", keys, numbers)), func(n *int64) *int64 {
		if n == nil {
			return nil
		}
		sum := *n + 1
		return &sum
	})
	more.To(weir.NewTopic("out", keys, numbers))
}

func windowedTableGroupBy(b *weir.Builder) {
	g := weir.GroupTableBy(weir.Count(by(b, tumbling), "agg"), func(k window.Key[text], n int64) (text, text) { return k.Key, decimal(n) }, weir.Named("g"))
	updates(weir.Aggregate(g, "agg2", signed(false)))
}
