package parity

import (
	"strings"
	"sync/atomic"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
)

// nested is how many nodes of a wrapped case are at work within each other. The wrapper raises it and a processor of the case reads it; the driver plays
// on one goroutine.
var nested atomic.Int64

// wrapper is what the case was recorded with. Kafka Streams does not wrap sources and sinks.
func (c *Case) wrapper() []weir.AppOption {
	if c.Config["processor.wrapper.class"] == "" {
		return nil
	}
	return []weir.AppOption{weir.Around(func(ctx processor.Context, next func() error) error {
		if strings.HasSuffix(ctx.Node(), "source") || strings.HasPrefix(ctx.Node(), "sink") {
			return next()
		}
		nested.Add(1)
		defer nested.Add(-1)
		return next()
	})}
}

// tell forwards v + " " + the number.
func tell(_ processor.Context, r rec, out ahead) error {
	return out(with(r, cat(r.Value, " ", decimal(nested.Load()))))
}

func wrapped(b *weir.Builder) {
	s := weir.From(b, topicOf("in"), weir.Named("source"))
	process(weir.MapValues(lowValues(s), func(v text) text { return cat(v, "!") }), tell, weir.Named("p")).To(topicOf("out"), weir.Named("sink"))
	process(countingValues(s), tell, weir.Named("q")).To(topicOf("out-2"), weir.Named("sink-2"))
}

func wrappedTables(b *weir.Builder) {
	reduced := weir.Reduce(weir.From(b, topicOf("in"), weir.Named("source")).GroupByKey(), "agg", joined).Filter(isLow)
	rows := weir.LeftJoinTables(reduced, tableOf(b, "in2", "r", weir.Named("r")), overLeft)
	process(rows.ToStream(), tell, weir.Named("p")).To(topicOf("out"), weir.Named("sink"))
}
