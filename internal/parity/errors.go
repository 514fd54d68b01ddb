package parity

import (
	"context"
	"errors"
	"strings"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// deciding is the same decision about every error.
func deciding(d weir.Decision) weir.OpOption {
	return weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return d })
}

var errH = errors.New("h")

// failing fails for values that begin with h.
func failing(s stream, opts ...weir.OpOption) stream {
	return weir.TryMapValues(s, func(_ context.Context, r rec) (text, error) { return r.Value, fails(r.Value) }, opts...)
}

func fails(v text) error {
	if v != nil && strings.HasPrefix(*v, "h") {
		return errH
	}
	return nil
}

// decoding copies longs.
func decoding(opts ...weir.OpOption) Build {
	longs := serde.Nullable(serde.Int64())
	return func(b *weir.Builder) {
		weir.From(b, weir.NewTopic("in", texts, longs), opts...).To(weir.NewTopic("out", texts, longs))
	}
}

func failures() map[string]Build {
	skip, bury := deciding(weir.Skip()), deciding(weir.DeadLetter("dead"))
	return map[string]Build{
		"decode-fail":        decoding(),
		"decode-skip":        decoding(skip),
		"decode-dead-letter": decoding(bury),
		"process-fail":       func(b *weir.Builder) { out(failing(in(b), deciding(weir.Fail()))) },
		"process-skip":       func(b *weir.Builder) { out(failing(in(b), skip)) },
		"process-skip-sibling": func(b *weir.Builder) {
			s := in(b)
			out(failing(s, skip))
			suffixed(s, "2").To(topicOf("out-2"))
		},
		"aggregate-skip": func(b *weir.Builder) {
			updates(weir.Aggregate(in(b).GroupByKey(), "agg", weir.Aggregator[text, text, text]{
				Init:   constant(""),
				TryAdd: func(_ context.Context, r rec, sum text) (text, error) { return cat(sum, r.Value), fails(r.Value) },
			}, skip))
		},
		"process-dead-letter": func(b *weir.Builder) { out(failing(in(b), bury)) },
		"process-dead-letter-after-sink": func(b *weir.Builder) {
			s := in(b)
			s.To(topicOf("out-2"))
			out(failing(s, bury))
		},
	}
}
