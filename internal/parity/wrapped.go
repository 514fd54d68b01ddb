package parity

import (
	"strings"
	"sync/atomic"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
)

// nested is, by case, how many nodes are at work within each other. The case's wrapper raises it, and its processor reads it: a case is played by one
// goroutine at a time.
var nested = map[string]*atomic.Int64{"processors/wrapped": {}, "processors/wrapped-tables": {}}

// wrapper is what the case was recorded with. Kafka Streams does not wrap sources and sinks.
func (c *Case) wrapper() []weir.AppOption {
	if c.Config["processor.wrapper.class"] == "" {
		return nil
	}
	depth := nested[c.Name]
	return []weir.AppOption{weir.Around(func(ctx processor.Context, next func() error) error {
		if strings.HasSuffix(ctx.Node(), "source") || strings.HasPrefix(ctx.Node(), "sink") {
			return next()
		}
		depth.Add(1)
		defer depth.Add(-1)
		return next()
	})}
}

// tell forwards v + " " + the number of a case.
func tell(name string) func(_ processor.Context, r rec, out ahead) error {
	depth := nested[name]
	return func(_ processor.Context, r rec, out ahead) error {
		return out(with(r, cat(r.Value, " ", decimal(depth.Load()))))
	}
}

func wrapped(b *weir.Builder) {
	s, tell := weir.From(b, topicOf("in"), weir.Named("source")), tell("processors/wrapped")
	process(weir.MapValues(lowValues(s), func(v text) text { return cat(v, "!") }), tell, weir.Named("p")).To(topicOf("out"), weir.Named("sink"))
	process(countingValues(s), tell, weir.Named("q")).To(topicOf("out-2"), weir.Named("sink-2"))
}

func wrappedTables(b *weir.Builder) {
	reduced := weir.Reduce(weir.From(b, topicOf("in"), weir.Named("source")).GroupByKey(), "agg", joined).Filter(isLow)
	rows := weir.LeftJoinTables(reduced, tableOf(b, "in2", "r", weir.Named("r")), overLeft)
	process(rows.ToStream(), tell("processors/wrapped-tables"), weir.Named("p")).To(topicOf("out"), weir.Named("sink"))
}
