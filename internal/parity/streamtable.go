package parity

import (
	"time"

	weir "github.com/weirstream/weir"
)

type table = weir.Table[text, text]

func tableOf(b *weir.Builder, topic, store string, opts ...weir.OpOption) table {
	return weir.TableFrom(b, topicOf(topic), store, opts...)
}

// over is v + "/" + row.
func over(_, v, row text) text { return cat(v, "/", row) }

// overLeft is over where the row may be missing.
func overLeft(_, v text, row *text) text { return cat(v, "/", weir.OrZero(row)) }

func letter(_, v text) text {
	if v == nil {
		return nil
	}
	return cat((*v)[:1])
}

func streamTable() map[string]Build {
	rows := func(b *weir.Builder) table { return tableOf(b, "r", "t") }
	past := func(b *weir.Builder) table { return tableOf(b, "r", "t", weir.Versioned(time.Minute)) }
	j := weir.Named("j")
	grace := func(seconds int) weir.OpOption { return weir.Grace(time.Duration(seconds) * time.Second) }
	left := func(b *weir.Builder) { out(weir.LeftJoinTable(in(b), rows(b), overLeft)) }
	return map[string]Build{
		"inner": func(b *weir.Builder) { out(weir.JoinTable(in(b), rows(b), over)) },
		"left":  left,
		"inner-key": func(b *weir.Builder) {
			out(weir.JoinTable(in(b), rows(b), func(k, v, row text) text { return cat(k, ":", v, "/", row) }))
		},
		"left-key": func(b *weir.Builder) {
			out(weir.LeftJoinTable(in(b), rows(b), func(k, v text, row *text) text { return cat(k, ":", v, "/", weir.OrZero(row)) }))
		},
		"inner-to-null": func(b *weir.Builder) {
			out(weir.JoinTable(in(b), rows(b), func(_, v, row text) text { return ifLow(v, cat(v, "/", row)) }))
		},
		"inner-rekeyed": func(b *weir.Builder) {
			out(weir.JoinTable(weir.KeyBy(in(b), letter), rows(b), over, weir.Named("j")))
		},
		"left-rekeyed": func(b *weir.Builder) {
			out(weir.LeftJoinTable(weir.KeyBy(in(b), letter), rows(b), overLeft, weir.Named("j")))
		},
		"left-null-keys": left,
		"twice": func(b *weir.Builder) {
			first := weir.JoinTable(in(b), rows(b), over)
			out(weir.LeftJoinTable(first, tableOf(b, "r2", "t2"), overLeft))
		},
		"then-count": func(b *weir.Builder) {
			result := weir.KeyBy(weir.JoinTable(in(b), rows(b), over), letter)
			counts(weir.Count(result.GroupByKey(weir.Named("g")), "agg"))
		},
		"cached":              left,
		"versioned-inner":     func(b *weir.Builder) { out(weir.JoinTable(in(b), past(b), over)) },
		"grace-inner":         func(b *weir.Builder) { out(weir.JoinTable(in(b), past(b), over, j, grace(5))) },
		"grace-zero":          func(b *weir.Builder) { out(weir.JoinTable(in(b), past(b), over, j, grace(0))) },
		"grace-left":          func(b *weir.Builder) { out(weir.LeftJoinTable(in(b), past(b), overLeft, j, grace(5))) },
		"grace-left-null-key": func(b *weir.Builder) { out(weir.LeftJoinTable(in(b), past(b), overLeft, j, grace(5))) },
		"grace-rekeyed": func(b *weir.Builder) {
			out(weir.JoinTable(weir.KeyBy(in(b), letter), past(b), over, j, grace(5)))
		},
		"versioned-left": func(b *weir.Builder) { out(weir.LeftJoinTable(in(b), past(b), overLeft)) },
		"virtual-filter": func(b *weir.Builder) {
			some := rows(b).Filter(func(_, v text) bool { return low(v) })
			out(weir.LeftJoinTable(in(b), some, overLeft))
		},
		"virtual-map": func(b *weir.Builder) {
			marked := weir.MapTable(rows(b), func(_, v text) text { return cat(v, "!") })
			out(weir.LeftJoinTable(in(b), marked, overLeft))
		},
		"aggregate": func(b *weir.Builder) {
			s := in(b)
			out(weir.JoinTable(s, weir.Reduce(from(b, "r").GroupByKey(), "agg", joined), over))
		},
		"own-count": func(b *weir.Builder) {
			s := in(b)
			out(weir.JoinTable(s, weir.Reduce(s.GroupByKey(), "agg", joined), over))
		},
		"in-memory": func(b *weir.Builder) {
			out(weir.LeftJoinTable(in(b), tableOf(b, "r", "t", weir.InMemory()), overLeft))
		},
	}
}
