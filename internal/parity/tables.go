package parity

import (
	weir "github.com/weirstream/weir"
)

func tables() map[string]Build {
	t := func(b *weir.Builder) table { return tableOf(b, "in", "t") }
	isLow := func(_, v text) bool { return low(v) }
	marked := func(_, v text) text { return cat(v, "!") }
	return map[string]Build{
		"table":              func(b *weir.Builder) { updates(t(b)) },
		"table-cached":       func(b *weir.Builder) { updates(t(b)) },
		"table-in-memory":    func(b *weir.Builder) { updates(tableOf(b, "in", "t", weir.InMemory())) },
		"table-no-changelog": func(b *weir.Builder) { updates(tableOf(b, "in", "t", weir.NoChangelog())) },
		"to-stream-key":      func(b *weir.Builder) { out(weir.KeyBy(t(b).ToStream(), value)) },
		"to-stream-twice": func(b *weir.Builder) {
			rows := t(b)
			updates(rows)
			suffixed(rows.ToStream(), "2").To(topicOf("out-2"))
		},
		"to-table": func(b *weir.Builder) { updates(in(b).ToTable("t")) },
		"to-table-rekeyed": func(b *weir.Builder) {
			updates(weir.KeyBy(in(b), value).ToTable("t", weir.Named("r")))
		},
		"filter":     func(b *weir.Builder) { updates(t(b).Filter(isLow)) },
		"filter-not": func(b *weir.Builder) { updates(t(b).FilterNot(isLow)) },
		"filter-aggregate": func(b *weir.Builder) {
			updates(weir.Reduce(in(b).GroupByKey(), "agg", value).Filter(isLow))
		},
		"map-values": func(b *weir.Builder) { updates(weir.MapTable(t(b), marked)) },
	}
}
