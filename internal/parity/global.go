package parity

import (
	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
)

// own and initial are the keys that streams are joined with global tables by.
func own(k, _ text) (text, bool)     { return k, k != nil }
func initial(_, v text) (text, bool) { return letter(nil, v), true }

func lowInitial(_, v text) (text, bool) {
	if !low(v) {
		return nil, false
	}
	return initial(nil, v)
}

// marking puts each record into a store, with an exclamation mark.
type marking struct{ rows state.KeyValue[string, text] }

func (m *marking) Init(ctx processor.Context, _ processor.Forward[text, text]) error {
	m.rows = optional("gs").Bind(ctx)
	return nil
}

func (m *marking) Process(r rec) error {
	switch {
	case r.Key == nil:
		return nil
	case r.Value == nil:
		return m.rows.Delete(*r.Key)
	}
	return m.rows.Put(*r.Key, cat(r.Value, "!"))
}

// looking forwards each record with what a store has for its key.
func looking(b *weir.Builder, s state.KeyValueDesc[string, text]) stream {
	return process(in(b), func(ctx processor.Context, r rec, out ahead) error {
		var row text
		if r.Key != nil {
			var err error
			if row, _, err = s.Bind(ctx).Get(*r.Key); err != nil {
				return err
			}
		}
		return out(with(r, cat(r.Value, "/", row)))
	}, weir.Stores(s))
}

func global() map[string]Build {
	gt := func(b *weir.Builder) weir.GlobalTable[text, text] { return weir.GlobalFrom(b, topicOf("r"), "gt") }
	inner := func(on func(k, v text) (text, bool)) Build {
		return func(b *weir.Builder) {
			s := in(b)
			out(weir.JoinGlobal(s, gt(b), on, over))
		}
	}
	left := func(on func(k, v text) (text, bool)) Build {
		return func(b *weir.Builder) {
			s := in(b)
			out(weir.LeftJoinGlobal(s, gt(b), on, overLeft))
		}
	}
	return map[string]Build{
		"inner":           inner(own),
		"left":            left(own),
		"inner-other-key": inner(initial),
		"left-other-key":  left(initial),
		"inner-null-key":  inner(lowInitial),
		"left-null-key":   left(lowInitial),
		"inner-key": func(b *weir.Builder) {
			s := in(b)
			out(weir.JoinGlobal(s, gt(b), initial, func(k, v, row text) text { return cat(k, ":", v, "/", row) }))
		},
		"left-key": func(b *weir.Builder) {
			s := in(b)
			out(weir.LeftJoinGlobal(s, gt(b), initial, func(k, v text, row *text) text { return cat(k, ":", v, "/", weir.OrZero(row)) }))
		},
		"two": func(b *weir.Builder) {
			s := in(b)
			first := weir.JoinGlobal(s, gt(b), own, over)
			out(weir.LeftJoinGlobal(first, weir.GlobalFrom(b, topicOf("r2"), "gt2"), initial, overLeft))
		},
		"rekeyed": func(b *weir.Builder) {
			s := weir.KeyBy(in(b), value)
			out(weir.JoinGlobal(s, gt(b), func(k, _ text) (text, bool) { return initial(nil, k) }, over))
		},
		"store": func(b *weir.Builder) {
			weir.GlobalStore(b, topicOf("r"), optional("gs"), func() *marking { return new(marking) })
			out(looking(b, optional("gs")))
		},
		"read-only-store": func(b *weir.Builder) {
			s := state.KeyValueStore("ro", texts, texts)
			weir.ReadOnlyStore(b, topicOf("r"), s, weir.Named("fill"))
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				var row text
				if r.Key != nil {
					var err error
					if row, _, err = s.Bind(ctx).Get(r.Key); err != nil {
						return err
					}
				}
				return out(with(r, cat(r.Value, "/", row)))
			}, weir.Stores(s)))
		},
	}
}
