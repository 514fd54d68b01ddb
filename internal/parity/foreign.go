package parity

import (
	"bytes"
	"slices"
	"strings"

	weir "github.com/weirstream/weir"
)

// foreignOf is what stands before the colon of v, and word what stands after it. The foreign key w is none.
func foreignOf(_, v text) (text, bool) {
	key, _, _ := strings.Cut(*v, ":")
	return &key, key != "w"
}

func word(v text) text { return cat((*v)[2:]) }

// foreignOfBoth is x for the left key a, else that of v.
func foreignOfBoth(k, v text) (text, bool) {
	if is(k, "a") {
		return cat("x"), true
	}
	return foreignOf(k, v)
}

// letters partitions by the first letter of a key.
func letters(key string, partitions int) int { return int(key[0]-'a') % partitions }

func foreignKey() map[string]Build {
	l := func(b *weir.Builder) table { return tableOf(b, "l", "lt") }
	r := func(b *weir.Builder) table { return tableOf(b, "r", "rt") }
	j := weir.Materialized("j")
	inner := func(on func(k, v text) (text, bool), opts ...weir.OpOption) Build {
		return func(b *weir.Builder) { updates(weir.JoinForeign(l(b), r(b), "fk", on, slash, opts...)) }
	}
	left := func(on func(k, v text) (text, bool), opts ...weir.OpOption) Build {
		return func(b *weir.Builder) { updates(weir.LeftJoinForeign(l(b), r(b), "fk", on, slashLeft, opts...)) }
	}
	return map[string]Build{
		"inner":               inner(foreignOf, j),
		"inner-cached":        inner(foreignOf, j),
		"inner-virtual":       inner(foreignOf),
		"inner-key-and-value": inner(foreignOfBoth, j),
		"left":                left(foreignOf, j),
		"left-cached":         left(foreignOf, j),
		"left-virtual":        left(foreignOf),
		"left-key-and-value":  left(foreignOfBoth, j),
		"inner-to-null": func(b *weir.Builder) {
			updates(weir.JoinForeign(l(b), r(b), "fk", foreignOf, func(_, x, y text) text { return ifLow(word(x), cat(x, "/", y)) }, j))
		},
		"inner-filtered": func(b *weir.Builder) {
			some := l(b).Filter(func(_, v text) bool { return low(word(v)) })
			updates(weir.JoinForeign(some, r(b).Filter(lowValue), "fk", foreignOf, slash, j))
		},
		"left-then-group": func(b *weir.Builder) {
			t := weir.LeftJoinForeign(l(b), r(b), "fk", foreignOf, slashLeft, j)
			noted(weir.GroupTableBy(t, func(_, v text) (text, text) { return cat((*v)[len(*v)-2 : len(*v)-1]), v }, weir.Named("g")))
		},
		"inner-self": func(b *weir.Builder) {
			t := l(b)
			updates(weir.JoinForeign(t, t, "fk", foreignOf, slash, j))
		},
		"partitioners": inner(foreignOf, j, weir.PartitionBy(func(fk, _ text, n int) int { return letters(*fk, n) })),
	}
}

// Kafka's test driver has one task, of partition 0, which reads all partitions of internal topics. Where those are partitioned, here the inputs are too.
// Then subscriptions name the left row's own partition and not 0, and what different tasks make of one input has no order.

// SpreadInputs are the cases whose inputs are partitioned by letters, into so many partitions.
var SpreadInputs = map[string]int{"foreign-key/partitioners": 3}

// inputPartitions is how many partitions the inputs have.
func (c *Case) inputPartitions() int { return max(1, SpreadInputs[c.Name]) }

// inputPartition is where an input is sent.
func (c *Case) inputPartition(key Bytes) int {
	if c.inputPartitions() == 1 || len(key) == 0 {
		return 0
	}
	return letters(string(key), c.inputPartitions())
}

// comparable makes what tasks have made of one input comparable, where the inputs are spread: the partition that ends a subscription becomes 0.
func (c *Case) comparable(r Run) Run {
	if c.inputPartitions() == 1 {
		return r
	}
	for _, s := range r.Steps {
		for i := range s.Out {
			if strings.Contains(s.Out[i].Topic, "-subscription-registration-") || strings.Contains(s.Out[i].Topic, "-subscription-store-") {
				s.Out[i].Value = inPartition0(s.Out[i].Value)
			}
		}
		slices.SortStableFunc(s.Out, func(a, b Record) int { return bytes.Compare(a.Key, b.Key) })
	}
	for _, row := range r.Stores["fk-subscription-store"].Rows {
		inPartition0(row.Value)
	}
	return r
}

// inPartition0 changes the partition at the end of a subscription.
func inPartition0(subscription Bytes) Bytes {
	if n := len(subscription); n >= 4 {
		clear(subscription[n-4:])
	}
	return subscription
}
