package parity

import (
	"bytes"
	"fmt"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Suppression, named s: its store is s-store.

func counted(b *weir.Builder, w window.Spec) weir.Table[window.Key[text], int64] {
	return weir.Count(by(b, w), "agg")
}

// limit holds the updates of a table read from in back for some seconds.
func limit(b *weir.Builder, seconds int) table {
	return tableOf(b, "in", "t").Suppress("s", weir.UntilTimeLimit(sec(seconds)))
}

// bounded is limit in a room, not for longer than that allows.
func bounded(s weir.Suppression) Build {
	return func(b *weir.Builder) { out(tableOf(b, "in", "t").Suppress("s", s).ToStream()) }
}

func suppressions() map[string]Build {
	closes := weir.UntilWindowCloses()
	closedCounts := func(s weir.Suppression, opts ...weir.OpOption) Build {
		return func(b *weir.Builder) { windows(counted(b, tumbling).Suppress("s", s, opts...), sec(10), serde.Int64()) }
	}
	return map[string]Build{
		"tumbling": closedCounts(closes),
		"tumbling-no-grace": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, window.Tumbling(sec(10))), "agg", adding("")).Suppress("s", closes))
		},
		"tumbling-to-null": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, tumbling), "agg", addingLow()).Suppress("s", closes))
		},
		"hopping": func(b *weir.Builder) { windowTexts(weir.Reduce(by(b, hopping), "agg", joined).Suppress("s", closes)) },
		"sessions": func(b *weir.Builder) {
			sessionsTo(counted(b, gap).Suppress("s", closes), serde.Int64())
		},
		"filtered": func(b *weir.Builder) {
			several := counted(b, tumbling).Filter(func(_ window.Key[text], n int64) bool { return n > 1 })
			windows(several.Suppress("s", closes), sec(10), serde.Int64())
		},
		"no-changelog": closedCounts(closes, weir.NoChangelog()),
		"cached":       closedCounts(closes),
		"partitions":   closedCounts(closes),

		"records-shut-down": closedCounts(closes.MaxRecords(6).StopWhenFull()),
		"bytes-shut-down":   closedCounts(closes.MaxBytes(450).StopWhenFull()),

		"limit-table":  func(b *weir.Builder) { out(limit(b, 5).ToStream()) },
		"limit-cached": func(b *weir.Builder) { out(limit(b, 5).ToStream()) },
		"limit-count": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(sec(5))))
		},
		"limit-zero": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(0)))
		},
		"limit-windows": func(b *weir.Builder) {
			windows(counted(b, tumbling).Suppress("s", weir.UntilTimeLimit(sec(8))), sec(10), serde.Int64())
		},
		"limit-virtual": func(b *weir.Builder) {
			out(tableOf(b, "in", "in-STATE-STORE-0000000000").Suppress("s", weir.UntilTimeLimit(sec(5))).ToStream())
		},

		"limit-records-early":     bounded(weir.UntilTimeLimit(sec(60)).MaxRecords(2).EmitEarlyWhenFull()),
		"limit-bytes-early":       bounded(weir.UntilTimeLimit(sec(60)).MaxBytes(200).EmitEarlyWhenFull()),
		"limit-records-shut-down": bounded(weir.UntilTimeLimit(sec(2)).MaxRecords(3).StopWhenFull()),
	}
}

// heldFromNothing takes initial values out of what is held back. They need room in the buffer, too: where they fill it, it is not known what would have
// come of the record.
func heldFromNothing(r, _ Run) Run {
	if last := len(r.Steps) - 1; r.Steps[last].Error != "" {
		r.Steps = r.Steps[:last]
	}
	for _, s := range r.Steps {
		for i, rec := range s.Out {
			if rec.Topic == "app-s-store-changelog" && rec.Value != nil {
				s.Out[i].Value = fromNothing(rec.Value)
			}
		}
	}
	return r
}

func fromNothing(value []byte) []byte {
	h, err := rows.DecodeHeld(value)
	if err != nil {
		panic(fmt.Sprintf("a recorded update: %v", err))
	}
	for _, old := range []*[]byte{&h.Prior, &h.Old} {
		if initial(*old) {
			*old = nil
		}
	}
	return h.Append(nil)
}

// initial is true for the initial values of counts and of texts.
func initial(v []byte) bool {
	return v != nil && (len(v) == 0 || bytes.Equal(v, make([]byte, 8)))
}
