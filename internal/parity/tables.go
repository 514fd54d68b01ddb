package parity

import (
	weir "github.com/weirstream/weir"
)

func isLow(_, v text) bool { return low(v) }

func marked(_, v text) text { return cat(v, "!") }

// tableIn is the table of in with the store t; virtual is that without a store, where nothing needs one.
func tableIn(b *weir.Builder) table { return tableOf(b, "in", "t") }
func virtual(b *weir.Builder) table { return tableOf(b, "in", "t", weir.IfNeeded()) }

func tables() map[string]Build {
	return merged(tableSources(), tableFilters(), tableValues())
}

// merged are the builders of several parts of a family.
func merged(parts ...map[string]Build) map[string]Build {
	all := map[string]Build{}
	for _, p := range parts {
		for name, build := range p {
			all[name] = build
		}
	}
	return all
}

func tableSources() map[string]Build {
	return map[string]Build{
		"table":              func(b *weir.Builder) { updates(tableIn(b)) },
		"table-cached":       func(b *weir.Builder) { updates(tableIn(b)) },
		"table-if-needed":    func(b *weir.Builder) { updates(virtual(b)) },
		"table-in-memory":    func(b *weir.Builder) { updates(tableOf(b, "in", "t", weir.InMemory())) },
		"table-no-changelog": func(b *weir.Builder) { updates(tableOf(b, "in", "t", weir.NoChangelog())) },
		"to-stream-key":      func(b *weir.Builder) { out(weir.KeyBy(tableIn(b).ToStream(), value)) },
		"to-stream-twice": func(b *weir.Builder) {
			rows := tableIn(b)
			updates(rows)
			suffixed(rows.ToStream(), "2").To(topicOf("out-2"))
		},
		"to-table": func(b *weir.Builder) { updates(in(b).ToTable("t")) },
		"to-table-rekeyed": func(b *weir.Builder) {
			updates(weir.KeyBy(in(b), value).ToTable("t", weir.Named("r")))
		},
		"to-table-if-needed": func(b *weir.Builder) { updates(in(b).ToTable("t", weir.IfNeeded()).Filter(isLow)) },
	}
}

func tableFilters() map[string]Build {
	f := weir.Materialized("f")
	return map[string]Build{
		"filter":                     func(b *weir.Builder) { updates(tableIn(b).Filter(isLow)) },
		"filter-not":                 func(b *weir.Builder) { updates(tableIn(b).FilterNot(isLow)) },
		"filter-if-needed":           func(b *weir.Builder) { updates(virtual(b).Filter(isLow)) },
		"filter-materialized":        func(b *weir.Builder) { updates(virtual(b).Filter(isLow, f)) },
		"filter-materialized-source": func(b *weir.Builder) { updates(tableIn(b).Filter(isLow, f)) },
		"filter-materialized-cached": func(b *weir.Builder) { updates(tableIn(b).Filter(isLow, f)) },
		"filter-twice": func(b *weir.Builder) {
			updates(tableIn(b).Filter(isLow).FilterNot(func(k, _ text) bool { return is(k, "a") }, f))
		},
		"filter-aggregate": func(b *weir.Builder) {
			updates(weir.Reduce(in(b).GroupByKey(), "agg", value).Filter(isLow))
		},
	}
}

func tableValues() map[string]Build {
	m := weir.Materialized("m")
	return map[string]Build{
		"map-values": func(b *weir.Builder) { updates(weir.MapTable(tableIn(b), marked)) },
		"map-values-key": func(b *weir.Builder) {
			updates(weir.MapTable(virtual(b), func(k, v text) text { return cat(v, "-", k) }))
		},
		"map-values-materialized": func(b *weir.Builder) { updates(weir.MapTable(tableIn(b), marked, m)) },
		"map-values-to-null": func(b *weir.Builder) {
			updates(weir.MapTable(tableIn(b), func(_, v text) text { return ifLow(v, v) }, m))
		},
		"map-then-filter": func(b *weir.Builder) {
			first := weir.MapTable(tableIn(b), letter)
			updates(first.Filter(func(_, v text) bool { return *v < "d" }, weir.Materialized("f")))
		},
	}
}
