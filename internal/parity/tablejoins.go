package parity

import (
	weir "github.com/weirstream/weir"
)

// slashLeft and slashOuter are slash where rows may be missing.
func slashLeft(_, l text, r *text) text { return cat(l, "/", weir.OrZero(r)) }

func slashOuter(_ text, l, r *text) text { return cat(weir.OrZero(l), "/", weir.OrZero(r)) }

func lowValue(_, v text) bool { return low(v) }

func tableTable() map[string]Build {
	l := func(b *weir.Builder, opts ...weir.OpOption) table { return tableOf(b, "l", "lt", opts...) }
	r := func(b *weir.Builder, opts ...weir.OpOption) table { return tableOf(b, "r", "rt", opts...) }
	j := weir.Materialized("j")
	keptInner := func(b *weir.Builder) { updates(weir.JoinTables(l(b), r(b), slash, j)) }
	keptOuter := func(b *weir.Builder) { updates(weir.OuterJoinTables(l(b), r(b), slashOuter, j)) }
	return map[string]Build{
		"inner":              func(b *weir.Builder) { updates(weir.JoinTables(l(b), r(b), slash)) },
		"left":               func(b *weir.Builder) { updates(weir.LeftJoinTables(l(b), r(b), slashLeft)) },
		"outer":              func(b *weir.Builder) { updates(weir.OuterJoinTables(l(b), r(b), slashOuter)) },
		"inner-materialized": keptInner,
		"inner-cached":       keptInner,
		"outer-materialized": keptOuter,
		"outer-cached":       keptOuter,
		"left-materialized":  func(b *weir.Builder) { updates(weir.LeftJoinTables(l(b), r(b), slashLeft, j)) },
		"outer-to-null": func(b *weir.Builder) {
			both := func(_ text, x, y *text) text {
				if x == nil || y == nil {
					return nil
				}
				return cat(*x, "/", *y)
			}
			updates(weir.OuterJoinTables(l(b), r(b), both, j))
		},
		"three": func(b *weir.Builder) {
			updates(weir.LeftJoinTables(weir.JoinTables(l(b), r(b), slash), tableOf(b, "q", "qt"), slashLeft, j))
		},
		"if-needed": func(b *weir.Builder) {
			left := tableOf(b, "l", "l-STATE-STORE-0000000000", weir.IfNeeded())
			updates(weir.LeftJoinTables(left, tableOf(b, "r", "r-STATE-STORE-0000000003", weir.IfNeeded()), slashLeft))
		},
		"then-group": func(b *weir.Builder) {
			noted(lettered(weir.LeftJoinTables(l(b), r(b), slashLeft)))
		},
		"then-filter": func(b *weir.Builder) {
			updates(weir.OuterJoinTables(l(b), r(b), slashOuter).Filter(lowValue, weir.Materialized("f")))
		},
		"inner-to-null": func(b *weir.Builder) {
			updates(weir.JoinTables(l(b), r(b), func(_, x, y text) text { return ifLow(x, cat(x, "/", y)) }))
		},
		"filtered": func(b *weir.Builder) {
			some := l(b).Filter(lowValue)
			updates(weir.JoinTables(some, weir.MapTable(r(b), func(_, v text) text { return cat(v, "!") }), slash))
		},
		"filtered-outer": func(b *weir.Builder) {
			some := l(b).Filter(lowValue)
			updates(weir.OuterJoinTables(some, r(b).Filter(lowValue), slashOuter))
		},
		"aggregates": func(b *weir.Builder) {
			left := weir.Reduce(from(b, "l").GroupByKey(), "lt", joined)
			updates(weir.OuterJoinTables(left, weir.Reduce(from(b, "r").GroupByKey(), "rt", joined), slashOuter))
		},
		"self": func(b *weir.Builder) {
			t := l(b)
			updates(weir.JoinTables(t, t, slash))
		},
		"self-filtered": func(b *weir.Builder) {
			t := l(b)
			updates(weir.OuterJoinTables(t, t.Filter(lowValue), slashOuter))
		},
		"then-count": func(b *weir.Builder) {
			counts(weir.Count(weir.JoinTables(l(b), r(b), slash).ToStream().GroupByKey(), "agg"))
		},
	}
}

// noted reduces groups to what was added and taken out.
func noted(g weir.GroupedTable[text, text]) { updates(weir.ReduceTable(g, "agg", plus, minus)) }
