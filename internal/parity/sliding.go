package parity

import (
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

var slidingWithin = window.Sliding(sec(5)).Grace(sec(10))

func slidingCounts(g windowed, opts ...weir.OpOption) {
	windows(weir.Count(g, "agg", opts...), sec(5), serde.Int64())
}

func slidingTexts(t weir.Table[window.Key[text], text]) { windows(t, sec(5), texts) }

func sliding() map[string]Build {
	closing := func(extra ...weir.OpOption) Build {
		return func(b *weir.Builder) { slidingCounts(by(b, slidingWithin), append(extra, weir.EmitOnClose())...) }
	}
	return map[string]Build{
		"count":             func(b *weir.Builder) { slidingCounts(by(b, slidingWithin)) },
		"count-no-grace":    func(b *weir.Builder) { slidingCounts(by(b, window.Sliding(sec(5)))) },
		"reduce":            func(b *weir.Builder) { slidingTexts(weir.Reduce(by(b, slidingWithin), "agg", joined)) },
		"aggregate":         func(b *weir.Builder) { slidingTexts(weir.Aggregate(by(b, slidingWithin), "agg", adding(""))) },
		"aggregate-to-null": func(b *weir.Builder) { slidingTexts(weir.Aggregate(by(b, slidingWithin), "agg", addingLow())) },
		"early": func(b *weir.Builder) {
			w := window.Sliding(20 * time.Second).Grace(sec(10))
			windows(weir.Aggregate(by(b, w), "agg", adding("")), sec(20), texts)
		},
		"group-by": func(b *weir.Builder) {
			slidingTexts(weir.Reduce(byLetter(in(b)).WindowedBy(slidingWithin), "agg", joined))
		},
		"cached": func(b *weir.Builder) { slidingTexts(weir.Aggregate(by(b, slidingWithin), "agg", adding(""))) },

		"in-memory": func(b *weir.Builder) {
			slidingTexts(weir.Aggregate(by(b, slidingWithin), "agg", adding(""), weir.InMemory()))
		},

		"close": closing(weir.Retention(day)),
		"close-aggregate": func(b *weir.Builder) {
			slidingTexts(weir.Aggregate(by(b, window.Sliding(sec(5))), "agg", adding(""), weir.EmitOnClose(), weir.Retention(day)))
		},
		"close-default-retention": closing(),
		"close-throttled":         closing(weir.Retention(day)),
	}
}
