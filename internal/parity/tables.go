package parity

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

func isLow(_, v text) bool { return low(v) }

func marked(_, v text) text { return cat(v, "!") }

// tableIn is the table of in with the store t; virtual is that without a store, where nothing needs one.
func tableIn(b *weir.Builder) table { return tableOf(b, "in", "t") }
func virtual(b *weir.Builder) table { return tableOf(b, "in", "t", weir.IfNeeded()) }

func tables() map[string]Build {
	return merged(tableSources(), tableFilters(), tableValues(), tableTransforms(), tableGroups())
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
		"table-lru": func(b *weir.Builder) {
			updates(tableOf(b, "in", "t", weir.LRU(2)).Filter(isLow, weir.Materialized("f")))
		},
		"to-table-lru":  func(b *weir.Builder) { updates(in(b).ToTable("t", weir.LRU(2)).Filter(isLow, weir.Materialized("f"))) },
		"to-stream-key": func(b *weir.Builder) { out(weir.KeyBy(tableIn(b).ToStream(), value)) },
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
		"filter-lru":                 func(b *weir.Builder) { updates(tableIn(b).Filter(isLow, f, weir.LRU(2))) },
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

// rowNumbers numbers the updates of each key.
type rowNumbers struct {
	desc state.KeyValueDesc[text, int64]
	seen state.KeyValue[text, int64]
}

func (n *rowNumbers) Init(ctx processor.Context) error {
	n.seen = n.desc.Bind(ctx)
	return nil
}

func (n *rowNumbers) Transform(r weir.Record[text, text]) (text, bool, error) {
	seen, _, err := n.seen.Get(r.Key)
	if err != nil {
		return nil, false, err
	}
	return cat(r.Value, "#", decimal(seen)), true, n.seen.Put(r.Key, seen+1)
}

// lowering keeps what is low.
type lowering struct{}

func (lowering) Init(processor.Context) error { return nil }

func (lowering) Transform(r weir.Record[text, text]) (text, bool, error) {
	return r.Value, low(r.Value), nil
}

// inContext adds the record's time and headers; where there is no record Kafka's time is -1.
type inContext struct{}

func (inContext) Init(processor.Context) error { return nil }

func (inContext) Transform(r weir.Record[text, text]) (text, bool, error) {
	at, headers := int64(-1), ""
	if !r.Time.IsZero() {
		at = r.Time.UnixMilli()
	}
	for _, h := range r.Headers {
		headers += string(h.Value)
	}
	return cat(r.Value, "@", decimal(at), "[", headers, "]"), true, nil
}

func transformedInContext(b *weir.Builder) table {
	return weir.TransformTable(tableIn(b), func() inContext { return inContext{} })
}

func tableTransforms() map[string]Build {
	numbered := func(b *weir.Builder, opts ...weir.OpOption) {
		seen := state.KeyValueStore("seen", texts, serde.Int64())
		updates(weir.TransformTable(tableIn(b), func() *rowNumbers { return &rowNumbers{desc: seen} }, append(opts, weir.Stores(seen))...))
	}
	return map[string]Build{
		"transform-values":              func(b *weir.Builder) { numbered(b) },
		"transform-values-materialized": func(b *weir.Builder) { numbered(b, weir.Materialized("m")) },
		"transform-context": func(b *weir.Builder) {
			l := transformedInContext(b)
			updates(weir.LeftJoinTables(l, tableOf(b, "in2", "r"), overLeft, weir.Materialized("j")))
		},
		"transform-context-group": func(b *weir.Builder) {
			g := weir.GroupTableBy(transformedInContext(b), func(_, v text) (text, text) { return letter(nil, v), v }, weir.Named("g"))
			updates(weir.Aggregate(g, "agg", signed(false)))
		},
		"transform-values-to-null": func(b *weir.Builder) {
			updates(weir.TransformTable(tableIn(b), func() lowering { return lowering{} }, weir.Materialized("m")))
		},
	}
}

// lettered groups a table by its values' first letters.
func lettered(t table) weir.GroupedTable[text, text] {
	return weir.GroupTableBy(t, func(_, v text) (text, text) { return letter(nil, v), v }, weir.Named("g"))
}

// signed writes down what was added and what was taken out.
func signed(key bool) weir.Aggregator[text, text, text] {
	note := func(sign string) func(k, v, a text) text {
		return func(k, v, a text) text {
			if !key {
				return cat(a, sign, v)
			}
			return cat(a, sign, k, v)
		}
	}
	return weir.NewAggregator(constant(""), note("+")).SubBy(note("-"))
}

func plus(x, y text) text  { return cat(x, "+", y) }
func minus(x, y text) text { return cat(x, "-", y) }

func tableGroups() map[string]Build {
	reduced := func(g weir.GroupedTable[text, text]) { updates(weir.ReduceTable(g, "agg", joined, minus)) }
	noted := func(b *weir.Builder) { updates(weir.Aggregate(lettered(tableIn(b)), "agg", signed(true))) }
	return map[string]Build{
		"group-count":           func(b *weir.Builder) { counts(weir.Count(lettered(tableIn(b)), "agg")) },
		"group-count-if-needed": groupCountIfNeeded,
		"group-count-lru":       func(b *weir.Builder) { counts(weir.Count(lettered(tableIn(b)), "agg", weir.LRU(2))) },
		"group-reduce": func(b *weir.Builder) {
			updates(weir.ReduceTable(lettered(tableIn(b)), "agg", plus, minus))
		},
		"group-aggregate":        noted,
		"group-aggregate-cached": noted,
		"group-aggregate-to-null": func(b *weir.Builder) {
			updates(weir.Aggregate(lettered(tableIn(b)), "agg", adding("").SubBy(func(_, _, _ text) text { return nil })))
		},
		"group-null-init": func(b *weir.Builder) {
			more := func(_, v, a text) text {
				if a == nil {
					return v
				}
				return cat(a, v)
			}
			updates(weir.Aggregate(lettered(tableIn(b)), "agg", weir.NewAggregator(func() text { return nil }, more).SubBy(more)))
		},
		"group-same-key": func(b *weir.Builder) {
			g := weir.GroupTableBy(tableIn(b), func(k, v text) (text, text) { return k, v }, weir.Named("g"))
			updates(weir.Aggregate(g, "agg", signed(false)))
		},
		"group-null-key": func(b *weir.Builder) {
			reduced(weir.GroupTableBy(tableIn(b), func(_, v text) (text, text) { return ifLow(v, letter(nil, v)), v }, weir.Named("g")))
		},
		"group-null-value": func(b *weir.Builder) {
			reduced(weir.GroupTableBy(tableIn(b), func(_, v text) (text, text) { return cat((*v)[1:]), ifLow(v, v) }, weir.Named("g")))
		},
		"group-of-filter":   func(b *weir.Builder) { reduced(lettered(tableIn(b).Filter(isLow))) },
		"group-of-map":      func(b *weir.Builder) { reduced(lettered(weir.MapTable(tableIn(b), marked, weir.Materialized("m")))) },
		"group-of-count":    groupOfCount,
		"group-of-reduce":   groupOfReduce,
		"group-of-group":    groupOfGroup,
		"group-then-filter": groupThenFilter,
		"two-of-one-group":  twoOfOneTableGroup,
	}
}

// groupCountIfNeeded gives the store Kafka's name.
func groupCountIfNeeded(b *weir.Builder) {
	counts(weir.Count(lettered(tableOf(b, "in", "in-STATE-STORE-0000000000", weir.IfNeeded())), "agg"))
}

func byCount(t weir.Table[text, int64], name string) weir.GroupedTable[text, text] {
	return weir.GroupTableBy(t, func(k text, n int64) (text, text) { return decimal(n), k }, weir.Named(name))
}

func groupOfCount(b *weir.Builder) {
	updates(weir.Aggregate(byCount(weir.Count(in(b).GroupByKey(), "c"), "g"), "agg", signed(false)))
}

func groupOfReduce(b *weir.Builder) {
	t := weir.Reduce(in(b).GroupByKey(), "r", joined)
	g := weir.GroupTableBy(t, func(k, v text) (text, text) { return decimal(int64(len(*v))), k }, weir.Named("g"))
	updates(weir.Aggregate(g, "agg", signed(false)))
}

func groupOfGroup(b *weir.Builder) {
	counts(weir.Count(byCount(weir.Count(lettered(tableIn(b)), "agg"), "g2"), "agg2"))
}

func groupThenFilter(b *weir.Builder) {
	more := func(_ text, n int64) bool { return n > 1 }
	counts(weir.Count(lettered(tableIn(b)), "agg").Filter(more, weir.Materialized("f")))
}

func twoOfOneTableGroup(b *weir.Builder) {
	g := lettered(tableIn(b))
	counts(weir.Count(g, "agg"))
	weir.ReduceTable(g, "agg2", joined, minus).ToStream().To(topicOf("out-2"))
}
