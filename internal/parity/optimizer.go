package parity

import (
	"strings"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// rules are the rules of topology.optimization, by Kafka's names.
var rules = map[string]weir.Optimization{
	"reuse.ktable.source.topics": weir.ReuseSourceTopics(),
	"merge.repartition.topics":   weir.MergeRepartitions(),
	"single.store.self.join":     weir.SingleStoreSelfJoin(),
}

// rules are those that the case was recorded with.
func (c *Case) rules() (all []weir.Optimization) {
	setting := c.Config["topology.optimization"]
	for name, rule := range rules {
		if setting == "all" || strings.Contains(setting, name) {
			all = append(all, rule)
		}
	}
	return all
}

// Topology builds a case's topology, with the rules that it was recorded with.
func (c *Case) Topology(build Build) (*weir.Topology, error) {
	b := weir.NewBuilder()
	build(b)
	return b.Build(c.rules()...)
}

// optimizer are pairs of cases, with and without rules, which the case itself says.
func optimizer() map[string]Build {
	pairs := map[string]Build{
		"repartitions":           repartitions,
		"repartitions-later":     repartitionsLater,
		"repartitions-join":      repartitionsJoin,
		"repartitions-null-keys": repartitionsNullKeys,
		"self-join-edge": func(b *weir.Builder) {
			s := in(b)
			innerJoin(s, s, window.Within(2*time.Millisecond).Grace(time.Millisecond))
		},
		"repartitions-unnamed": repartitionsUnnamed,
		"self-join-left":       func(b *weir.Builder) { s := in(b); leftJoin(s, s, within) },
		"self-join-outer":      func(b *weir.Builder) { s := in(b); outerJoin(s, s, within) },
		"all":                  everyRule,
		"source-table":         func(b *weir.Builder) { updates(tableOf(b, "in", "t")) },
		"source-tables": func(b *weir.Builder) {
			l := tableOf(b, "in", "t")
			updates(weir.LeftJoinTables(l, tableOf(b, "r", "rt"), overLeft, weir.Materialized("j")))
		},
		"self-join": func(b *weir.Builder) { s := in(b); innerJoin(s, s, within) },
	}
	all := map[string]Build{}
	for name, build := range pairs {
		all[name], all[name+"-not"] = build, build
	}
	return all
}

func countsTo(t weir.Table[text, int64], topic string) {
	t.ToStream().To(weir.NewTopic(topic, texts, serde.Int64()))
}

func repartitions(b *weir.Builder) {
	s := weir.KeyBy(in(b), value)
	counts(weir.Count(s.GroupByKey(weir.Named("g1")), "agg1"))
	weir.Reduce(s.GroupByKey(weir.Named("g2"), weir.KeySerde(texts), weir.ValueSerde(texts)), "agg2", joined).ToStream().To(topicOf("out-2"))
}

func repartitionsLater(b *weir.Builder) {
	s := weir.KeyBy(in(b), value)
	marked := weir.MapValues(s, func(v text) text { return cat(v, "!") })
	counts(weir.Count(marked.GroupByKey(weir.Named("g1")), "agg1"))
	countsTo(weir.Count(lowValues(s).GroupByKey(weir.Named("g2")), "agg2"), "out-2")
}

func repartitionsNullKeys(b *weir.Builder) {
	s := weir.KeyBy(in(b), value)
	counts(weir.Count(s.GroupByKey(weir.Named("g1")), "agg1"))
	some := s.Filter(func(k, _ text) bool { return k == nil || low(k) })
	some.To(topicOf("out-3"))
	countsTo(weir.Count(some.GroupByKey(weir.Named("g2")), "agg2"), "out-2")
}

func repartitionsUnnamed(b *weir.Builder) {
	g := weir.GroupBy(in(b), value)
	counts(weir.Count(g, "agg"))
	weir.Reduce(g, "agg2", joined).ToStream().To(topicOf("out-2"))
}

func repartitionsJoin(b *weir.Builder) {
	s := byFirst(in(b))
	out(weir.JoinTable(s, tableOf(b, "r", "t"), over, weir.Named("j")))
	countsTo(weir.Count(s.GroupByKey(weir.Named("g")), "agg"), "out-2")
}

func everyRule(b *weir.Builder) {
	s := byFirst(in(b))
	out(weir.JoinTable(s, tableOf(b, "r", "t"), over, weir.Named("j")))
	weir.Reduce(s.GroupByKey(weir.Named("g")), "agg", joined).ToStream().To(topicOf("out-2"))
}
