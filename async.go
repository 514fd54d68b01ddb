package weir

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

// Concurrency is the number of calls at once in one task; the default is 16.
func Concurrency(n int) OpOption {
	return opOption{"Concurrency", func(o *op) {
		if o.async.atOnce = n; n < 1 {
			o.fault = errors.Join(o.fault, fmt.Errorf("Concurrency(%d): at least one is needed", n))
		}
	}}
}

// Unordered forwards results as they come; without it order is kept per key.
func Unordered() OpOption {
	return opOption{"Unordered", func(o *op) { o.async.unordered = true }}
}

// Timeout cancels one call's context after d.
func Timeout(d time.Duration) OpOption {
	return opOption{"Timeout", func(o *op) {
		if o.async.limit = d; d <= 0 {
			o.fault = errors.Join(o.fault, fmt.Errorf("Timeout(%v) leaves no time", d))
		}
	}}
}

// Backoff repeats a failed call up to n times, after first, 2×first, 4×first, …; then OnError decides.
func Backoff(n int, first time.Duration) OpOption {
	return opOption{"Backoff", func(o *op) {
		if o.async.tries, o.async.first = n, first; n < 1 || first < 0 {
			o.fault = errors.Join(o.fault, fmt.Errorf("Backoff(%d, %v): at least one repetition is needed, and a wait that is not negative", n, first))
		}
	}}
}

// asyncSettings are the options of operators that call user code beside the task.
type asyncSettings struct {
	atOnce    int
	unordered bool
	limit     time.Duration
	tries     int
	first     time.Duration
}

var asyncOptions = []string{"Concurrency", "Unordered", "Timeout", "Backoff", "InMemory", "NoChangelog", "TopicConfig"}

const defaultConcurrency = 16

// async adds a node that calls user code beside the task. then makes what forwards a call's result.
func async[K, V, R, KO, VO any](s Stream[K, V], o *op, call func(context.Context, Record[K, V]) (R, error),
	then func(next flow.Receiver[KO, VO]) func(Record[K, V], R) error) *topology.Node {
	b := s.b
	if o.name == "" {
		b.faultf(o, "it keeps records whose calls have not ended in a store: name it with weir.Named")
	}
	if call == nil {
		b.faultf(o, "the function is nil")
	}
	name := b.nodeName(o)
	store := name + "-open"
	key := pick(b, o, nil, s.key, fmt.Sprintf("the key of store %q", store), "KeySerde to an operator above it")
	value := pick(b, o, nil, s.value, fmt.Sprintf("the value of store %q", store), "ValueSerde to an operator above it")
	addSpec(b, o, store, key, value, func() *rows.Spec { return rows.NewOpen(store, key.s.Name(), value.s.Name()) })
	n := addNode(b, o, name, s.parents(), func(n *flow.Node, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error) {
		open, err := facade[*rows.Open](n.Env, store)
		if err != nil {
			return nil, err
		}
		how := flow.Asking[K, V]{
			Key: key.s, Value: value.s, AtOnce: o.async.atOnce, Unordered: o.async.unordered, Limit: o.async.limit, Tries: o.async.tries, First: o.async.first,
		}
		if how.AtOnce == 0 {
			how.AtOnce = defaultConcurrency
		}
		return flow.Ask(n, open, how, call, then(next))
	})
	n.Stores = []string{store}
	return n
}

// AsyncFilter is TryFilter with I/O: many calls at once, in order per key.
//
// Calls run on goroutines of their own, beside the task, and get the task's context, which ends with the task; what they get must not be changed in place where
// other operators have it too. Of each key one call runs at a time. A record whose call has not ended when the task commits is kept in a store, <Named>-open,
// which is why the operator needs Named and serdes of its input; after a restart, or by another instance, the function is called for it again. So a call
// happens at least once under both guarantees, and with ExactlyOnce its result is forwarded once. Up to 1,024 records are open (twice Concurrency, if that is
// more, or if they are larger than 4 MiB together); then the task takes no more until a call has ended. Stopping cancels the context and waits for no call.
func (s Stream[K, V]) AsyncFilter(f func(context.Context, Record[K, V]) (bool, error), opts ...OpOption) Stream[K, V] {
	o := s.b.newOp("AsyncFilter", opts, asyncOptions)
	return s.with(async(s, o, f, func(next flow.Receiver[K, V]) func(Record[K, V], bool) error {
		return func(r Record[K, V], keep bool) error {
			if !keep {
				return nil
			}
			return next(r)
		}
	}))
}

// AsyncForEach is TryForEach with I/O; an offset is committed only when its call is complete, or its record is kept (see AsyncFilter).
func (s Stream[K, V]) AsyncForEach(f func(context.Context, Record[K, V]) error, opts ...OpOption) {
	o := s.b.newOp("AsyncForEach", opts, asyncOptions)
	var call func(context.Context, Record[K, V]) (struct{}, error)
	if f != nil {
		call = func(ctx context.Context, r Record[K, V]) (struct{}, error) { return struct{}{}, f(ctx, r) }
	}
	async(s, o, call, func(flow.Receiver[K, V]) func(Record[K, V], struct{}) error {
		return func(Record[K, V], struct{}) error { return nil }
	})
}

// pair is what AsyncMap's function returns.
type pair[K, V any] struct {
	key   K
	value V
}

// AsyncMap is TryMap with I/O: many calls at once, in order per key, that of the input. See AsyncFilter; a stateful operator below repartitions.
func AsyncMap[K, V, K2, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) (K2, V2, error), opts ...OpOption) Stream[K2, V2] {
	o := s.b.newOp("AsyncMap", opts, asyncOptions, serdeOptions)
	var call func(context.Context, Record[K, V]) (pair[K2, V2], error)
	if f != nil {
		call = func(ctx context.Context, r Record[K, V]) (out pair[K2, V2], err error) {
			out.key, out.value, err = f(ctx, r)
			return out, err
		}
	}
	n := async(s, o, call, func(next flow.Receiver[K2, V2]) func(Record[K, V], pair[K2, V2]) error {
		return func(r Record[K, V], out pair[K2, V2]) error {
			return next(processor.WithValue(processor.WithKey(r, out.key), out.value))
		}
	})
	return changed[K2, V2](s.b, o, n)
}

// AsyncMapValues is TryMapValues with I/O: many calls at once, in order per key. See AsyncFilter.
func AsyncMapValues[K, V, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) (V2, error), opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("AsyncMapValues", opts, asyncOptions, []string{"ValueSerde"})
	n := async(s, o, f, func(next flow.Receiver[K, V2]) func(Record[K, V], V2) error {
		return func(r Record[K, V], out V2) error { return next(processor.WithValue(r, out)) }
	})
	return revalued[K, V, V2](s, o, n)
}

// AsyncFlatMapValues is TryFlatMapValues with I/O: many calls at once, in order per key. See AsyncFilter.
func AsyncFlatMapValues[K, V, V2 any](s Stream[K, V], f func(context.Context, Record[K, V]) ([]V2, error), opts ...OpOption) Stream[K, V2] {
	o := s.b.newOp("AsyncFlatMapValues", opts, asyncOptions, []string{"ValueSerde"})
	n := async(s, o, f, func(next flow.Receiver[K, V2]) func(Record[K, V], []V2) error {
		return func(r Record[K, V], out []V2) error {
			for _, v := range out {
				if err := next(processor.WithValue(r, v)); err != nil {
					return err
				}
			}
			return nil
		}
	})
	return revalued[K, V, V2](s, o, n)
}
