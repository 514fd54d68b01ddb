package parity

import (
	"errors"
	"fmt"
	"iter"
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
		"tombstones": func(b *weir.Builder) {
			out(process(in(b), func(_ processor.Context, r rec, out ahead) error {
				switch {
				case r.IsNull():
					return out(processor.Tombstone[text](r.Key, r.Time.Add(sec(1))))
				case low(r.Value):
					return out.Tombstone(r.Key, r.Time)
				}
				return out(r.AsTombstone())
			}))
		},
		"task": func(b *weir.Builder) {
			out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
				return out(with(r, cat(r.Value, " ", ctx.Task())))
			}))
		},
		"wrapped":        wrapped,
		"wrapped-tables": wrappedTables,
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
		"values": func(b *weir.Builder) { out(countingValues(in(b))) },
		"values-then-count": func(b *weir.Builder) {
			counts(weir.Count(countingValues(in(b)).GroupByKey(), "agg"))
		},
		"timestamped-store": func(b *weir.Builder) {
			s := optional("s")
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				had, at, ok, err := rows.GetWithTime(*r.Key)
				if err != nil {
					return err
				}
				var told text
				if ok {
					told = cat(had, "@", decimal(at.UnixMilli()))
				}
				if err := out(with(r, told)); err != nil {
					return err
				}
				return put(rows, r)
			}), weir.Stores(s)))
		},
		"ranges": func(b *weir.Builder) {
			s := optional("s")
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				if err := put(rows, r); err != nil {
					return err
				}
				return out(with(r, cat("all:", listed(rows.All()), " b-c:", listed(rows.Range("b", "c")), " back:", listed(rows.ReverseAll()))))
			}), weir.Stores(s)))
		},
		"window-store":  windowStore,
		"session-store": sessionStore,
		"in-memory-store": func(b *weir.Builder) {
			s := state.KeyValueStore("s", serde.String(), texts, state.InMemory(), state.NoChangelog())
			out(process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				if err := put(rows, r); err != nil {
					return err
				}
				n := int64(0)
				for range rows.All() {
					n++
				}
				return out(with(r, decimal(n)))
			}), weir.Stores(s)))
		},
		"shared-store": func(b *weir.Builder) {
			s := optional("s")
			process(in(b), stored(s, func(rows state.KeyValue[string, text], r rec, _ ahead) error { return put(rows, r) }), weir.Stores(s))
			out(process(from(b, "in2"), stored(s, func(rows state.KeyValue[string, text], r rec, out ahead) error {
				row, _, err := rows.Get(*r.Key)
				if err != nil {
					return err
				}
				return out(with(r, cat(r.Value, "/", row)))
			}), weir.Stores(s)))
		},
		"process-table-row": func(b *weir.Builder) {
			s := in(b)
			agg := weir.Reduce(s.GroupByKey(), "agg", joined).Store()
			out(process(s, func(ctx processor.Context, r rec, out ahead) error {
				if r.Key == nil {
					return nil
				}
				row, _, err := agg.Bind(ctx).Get(r.Key)
				if err != nil {
					return err
				}
				return out(with(r, cat(r.Value, "/", row)))
			}, weir.Stores(agg)))
		},
		"children":       children,
		"by-hand":        byHand,
		"fixed-children": fixedChildren,
		"from-a-time": scheduled(func(c *counting) {
			c.every(processor.StreamTime(sec(10)).From(time.UnixMilli(3000)), "s")
			c.every(processor.WallTime(sec(5)).From(time.UnixMilli(2000)), "w")
		}),
		"cancelled": scheduled(func(c *counting) {
			calls := 0
			var cancel func()
			cancel = c.ctx.Schedule(processor.WallTime(sec(3)), func(now time.Time) error {
				if err := c.all("w", now); err != nil {
					return err
				}
				if calls++; calls == 3 {
					cancel()
				}
				return nil
			})
		}),
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
		if r.KeyIsNull() {
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
	c.ctx.Schedule(when, func(now time.Time) error { return c.all(mark, now) })
}

func (c *counting) all(mark string, now time.Time) error {
	for k, n := range c.rows.All() {
		if err := c.out(processor.NewRecord(&k, cat(mark, decimal(n)), now)); err != nil {
			return err
		}
	}
	return nil
}

// numbering is v + "#" + the number of the key so far, or "#null".
type numbering struct {
	seen state.KeyValue[string, int64]
	out  processor.ForwardFixed[text, text]
}

func countingValues(s stream) stream {
	return weir.ProcessValues(s, func() *numbering { return &numbering{} }, weir.Stores(numbers("seen")))
}

func (p *numbering) Init(ctx processor.Context, out processor.ForwardFixed[text, text]) error {
	p.seen, p.out = numbers("seen").Bind(ctx), out
	return nil
}

func (p *numbering) Process(r processor.FixedKeyRecord[text, text]) error {
	if r.KeyIsNull() {
		return p.out(processor.WithFixedValue(r, cat(r.Value, "#null")))
	}
	n, err := next(p.seen, *r.Key())
	if err != nil {
		return err
	}
	if r.IsNull() {
		return p.out(processor.WithFixedValue(r, cat("null#", decimal(n))))
	}
	return p.out(processor.WithFixedValue(r, cat(r.Value, "#", decimal(n))))
}

// listed are values, each with a comma.
func listed(rows iter.Seq2[string, text]) text {
	all := cat()
	for _, v := range rows {
		all = cat(all, v, ",")
	}
	return all
}

func windowStore(b *weir.Builder) {
	s := state.WindowStore("s", serde.String(), texts, sec(10), state.Retention(sec(60)))
	out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
		if r.Key == nil {
			return nil
		}
		rows, start := s.Bind(ctx), r.Time.Truncate(sec(10))
		if err := rows.Put(*r.Key, start, r.Value); err != nil {
			return err
		}
		found := cat()
		for at, v := range rows.Fetch(*r.Key, earlier(start), start) {
			found = cat(found, decimal(at.UnixMilli()), "=", v, " ")
		}
		return out(with(r, found))
	}, weir.Stores(s)))
}

// earlier is 30 s before a time, or the epoch.
func earlier(t time.Time) time.Time { return time.UnixMilli(max(0, t.UnixMilli()-30_000)).UTC() }

func sessionStore(b *weir.Builder) {
	s := state.SessionStore("s", serde.String(), texts, state.Retention(sec(60)))
	out(process(in(b), func(ctx processor.Context, r rec, out ahead) error {
		if r.Key == nil {
			return nil
		}
		rows, at := s.Bind(ctx), r.Time.UnixMilli()
		if err := rows.Put(window.NewKey(*r.Key, at-at%10_000, at), r.Value); err != nil {
			return err
		}
		found := cat()
		for k, v := range rows.FindSessions(*r.Key, earlier(r.Time), r.Time) {
			found = cat(found, decimal(k.StartMs()), "-", decimal(k.EndMs()), "=", v, " ")
		}
		return out(with(r, found))
	}, weir.Stores(s)))
}

// outputs sends records to named outputs.
type outputs struct {
	names []string
	f     func(r rec, outs []ahead) error
	outs  []ahead
}

func output(name string) processor.Output[text, text] { return processor.NewOutput(name, texts, texts) }

func (p *outputs) Init(ctx processor.Context, _ ahead) error {
	for _, name := range p.names {
		p.outs = append(p.outs, output(name).Bind(ctx))
	}
	return nil
}

func (p *outputs) Process(r rec) error { return p.f(r, p.outs) }

// branching runs f on several outputs, and returns their streams.
func branching(s stream, f func(r rec, outs []ahead) error, names ...string) (all []stream) {
	p := weir.Process(s, func() *outputs { return &outputs{names: names, f: f} }, weir.Named("p"))
	for _, name := range names {
		all = append(all, weir.OutputOf(p, output(name)))
	}
	return all
}

func children(b *weir.Builder) {
	both := branching(in(b), func(r rec, outs []ahead) error {
		switch {
		case r.Value == nil:
			return errors.Join(outs[0](with(r, cat("null"))), outs[1](with(r, cat("null"))))
		case low(r.Value):
			return outs[0](r)
		}
		return outs[1](r)
	}, "low", "rest")
	suffixed(both[0], "L").To(topicOf("out-low"))
	suffixed(both[1], "R").To(topicOf("out-rest"))
}

// choosing sends values to outputs of its own, under their keys.
type choosing struct {
	low, rest processor.ForwardFixed[text, text]
}

func (p *choosing) Init(ctx processor.Context, _ processor.ForwardFixed[text, text]) error {
	p.low, p.rest = output("low").BindFixed(ctx), output("rest").BindFixed(ctx)
	return nil
}

func (p *choosing) Process(r processor.FixedKeyRecord[text, text]) error {
	switch {
	case r.IsNull():
		null := processor.WithFixedValue(r, cat("null"))
		return errors.Join(p.low(null), p.rest(null))
	case low(r.Value):
		return p.low(r)
	}
	return p.rest(r)
}

func fixedChildren(b *weir.Builder) {
	p := weir.ProcessValues(in(b), func() *choosing { return &choosing{} }, weir.Named("p"))
	suffixed(weir.OutputOf(p, output("low")), "L").To(topicOf("out-low"))
	suffixed(weir.OutputOf(p, output("rest")), "R").To(topicOf("out-rest"))
}

func byHand(b *weir.Builder) {
	p := branching(in(b), func(r rec, outs []ahead) error {
		if err := errors.Join(outs[0](with(r, cat(r.Value, "1"))), outs[1](with(r, cat(r.Value, "2")))); err != nil || !low(r.Value) {
			return err
		}
		return outs[2](r)
	}, "sink-1", "sink-2", "q")
	q := process(p[2], func(_ processor.Context, r rec, out ahead) error { return out(with(r, cat(r.Value, "q"))) })
	p[0].To(topicOf("out-1"))
	p[1].To(topicOf("out-2"))
	q.To(topicOf("out-2"))
}
