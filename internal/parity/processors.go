package parity

import (
	"fmt"
	"strconv"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

type (
	rec   = weir.Record[text, text]
	ahead = processor.Forward[text, text]
)

// each is a processor that is one function of its context and the record.
type each struct {
	f   func(ctx processor.Context, r rec, out ahead) error
	ctx processor.Context
	out ahead
}

func (e *each) Init(ctx processor.Context, out ahead) error {
	e.ctx, e.out = ctx, out
	return nil
}

func (e *each) Process(r rec) error { return e.f(e.ctx, r, e.out) }

func process(s stream, f func(ctx processor.Context, r rec, out ahead) error, opts ...weir.OpOption) stream {
	return weir.Process(s, func() *each { return &each{f: f} }, opts...)
}

func with(r rec, value text) rec { return processor.WithValue(r, value) }

func turned(_ processor.Context, r rec, out ahead) error {
	return out(processor.WithValue(processor.WithKey(r, r.Value), r.Key))
}

// numbers counts keys.
func numbers(name string) state.KeyValueDesc[string, int64] {
	return state.KeyValueStore(name, serde.String(), serde.Int64())
}

func optional(name string) state.KeyValueDesc[string, text] {
	return state.KeyValueStore(name, serde.String(), texts)
}

// next is the number of a key so far; it is raised.
func next(s state.KeyValue[string, int64], key string) (int64, error) {
	n, _, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	return n, s.Put(key, n+1)
}

func processors() map[string]Build {
	return map[string]Build{
		"twice": func(b *weir.Builder) {
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				if err := out(r); err != nil {
					return err
				}
				return turned(ctx, r, out)
			}))
		},
		"rekey-count": func(b *weir.Builder) {
			counts(weir.Count(process(in(b), turned).GroupByKey(weir.Named("g")), "agg"))
		},
		"metadata": func(b *weir.Builder) {
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				src, _ := ctx.Source()
				return out(with(r, cat(r.Value, fmt.Sprintf(" %s-%d@%d", src.Topic, src.Partition, src.Offset))))
			}))
		},
		"times": func(b *weir.Builder) {
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				return out(with(r, cat(r.Value, fmt.Sprintf(" %d %d %d", r.Time.UnixMilli(), ctx.StreamTime().UnixMilli(), ctx.WallTime().UnixMilli()))))
			}))
		},
		"headers": func(b *weir.Builder) {
			out(process(in(b), func(_ processor.Context, r rec, out ahead) error {
				if !low(r.Value) {
					return out(r.WithHeaders(nil))
				}
				var key []byte
				if r.Key != nil {
					key = []byte(*r.Key)
				}
				return out(r.WithHeaders(r.Headers.With("p", key)))
			}))
		},
		"later": func(b *weir.Builder) {
			later := process(in(b), func(_ processor.Context, r rec, out ahead) error { return out(r.WithTime(r.Time.Add(sec(7)))) })
			windowCounts(later.GroupByKey(weir.Named("g")).WindowedBy(window.Tumbling(sec(10))))
		},
		"commit": func(b *weir.Builder) {
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				ctx.RequestCommit()
				return out(r)
			}))
		},
		"dedup": func(b *weir.Builder) {
			s := optional("s")
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				had, ok, err := rows.Get(*r.Key)
				if err == nil && (ok != (r.Value != nil) || ok && *had != *r.Value) {
					err = out(r)
				}
				if err != nil {
					return err
				}
				return put(rows, r)
			}), weir.Stores(s)))
		},
		"cached-store": func(b *weir.Builder) {
			s := state.KeyValueStore("s", serde.String(), texts, state.Cached())
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				had, _, err := rows.Get(*r.Key)
				if err == nil {
					err = out(with(r, had))
				}
				if err != nil {
					return err
				}
				return put(rows, r)
			}), weir.Stores(s)))
		},
		"put-if-absent": func(b *weir.Builder) {
			s := optional("s")
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				had, _, err := rows.Get(*r.Key)
				if err != nil {
					return err
				}
				if r.Value == nil {
					err = rows.Delete(*r.Key)
				} else {
					_, _, err = rows.PutIfAbsent(*r.Key, r.Value)
				}
				if err != nil {
					return err
				}
				return out(with(r, had))
			}), weir.Stores(s)))
		},
		"process-after-rekey": func(b *weir.Builder) {
			s := numbers("s")
			out(process(weir.KeyBy(in(b), value), withNumber(s), weir.Stores(s)))
		},
		"supplied-store": func(b *weir.Builder) {
			s := numbers("s")
			out(process(in(b), withNumber(s), weir.Stores(s)))
		},
		"stream-time": scheduled(func(c *counting) { c.every(processor.StreamTime(sec(10)), "s") }),
		"wall-clock":  scheduled(func(c *counting) { c.every(processor.WallTime(sec(3)), "w") }),
		"both-clocks": scheduled(func(c *counting) {
			c.every(processor.StreamTime(sec(15)), "s")
			c.every(processor.WallTime(sec(4)), "w")
		}),
		"two-schedules": scheduled(func(c *counting) {
			c.every(processor.StreamTime(sec(10)), "x")
			c.every(processor.StreamTime(sec(4)), "y")
		}),
	}
}

// stored gives a function a store, and no null keys.
func stored(s state.KeyValueDesc[string, text], f func(rows state.KeyValue[string, text], r rec, out ahead) error) func(processor.Context, rec, ahead) error {
	return func(ctx processor.Context, r rec, out ahead) error {
		if r.Key == nil {
			return nil
		}
		return f(s.Bind(ctx), r, out)
	}
}

func put(rows state.KeyValue[string, text], r rec) error {
	if r.Value == nil {
		return rows.Delete(*r.Key)
	}
	return rows.Put(*r.Key, r.Value)
}

// withNumber is v + "#" + the number of the key so far.
func withNumber(s state.KeyValueDesc[string, int64]) func(processor.Context, rec, ahead) error {
	return func(ctx processor.Context, r rec, out ahead) error {
		if r.Key == nil {
			return nil
		}
		n, err := next(s.Bind(ctx), *r.Key)
		if err != nil {
			return err
		}
		return out(with(r, cat(r.Value, "#", strconv.FormatInt(n, 10))))
	}
}

// counting counts keys, and forwards all counts when a schedule says so.
type counting struct {
	schedule func(*counting)
	ctx      processor.Context
	out      ahead
	rows     state.KeyValue[string, int64]
}

func scheduled(schedule func(*counting)) Build {
	return func(b *weir.Builder) {
		out(weir.Process(in(b), func() *counting { return &counting{schedule: schedule} }))
	}
}

func (c *counting) Stores() []state.Descriptor { return []state.Descriptor{numbers("s")} }

func (c *counting) Init(ctx processor.Context, out ahead) error {
	c.ctx, c.out, c.rows = ctx, out, numbers("s").Bind(ctx)
	c.schedule(c)
	return nil
}

func (c *counting) Process(r rec) error {
	if r.Key == nil {
		return nil
	}
	_, err := next(c.rows, *r.Key)
	return err
}

// every forwards all counts, marked, at the time of the call.
func (c *counting) every(when processor.Schedule, mark string) {
	c.ctx.Schedule(when, func(now time.Time) error {
		for k, n := range c.rows.All() {
			if err := c.out(processor.NewRecord(&k, cat(mark, strconv.FormatInt(n, 10)), now)); err != nil {
				return err
			}
		}
		return nil
	})
}
