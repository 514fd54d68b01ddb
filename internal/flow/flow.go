package flow

import (
	"github.com/weirstream/weir/processor"
)

// Receiver is one node's way in: it takes a record and returns when all that follows from it has been done, depth first. A nil error
// means done, dropped or skipped; an error has been decided on and is fatal: callers hand it up untouched.
type Receiver[K, V any] func(processor.Record[K, V]) error

// Change is an update of a table's row: what it held and what it holds. Edges between tables carry Receiver[K, Change[V]].
// Old never shares memory with New that the user's code may change.
type Change[V any] struct {
	Old, New       V
	HasOld, HasNew bool
	Age            Age // of tables with a history
}

// Link is a typed child of a node under construction: To is a Receiver of the node's output type. Output is empty for the main output,
// else the name of a processor.Output.
type Link struct {
	Output string
	To     any
}

// Children are the receivers of a node's main output, joined into one. It fails when a child's type is not Receiver[K, V]: a graph that
// is wired wrongly.
func Children[K, V any](links []Link) (Receiver[K, V], error) { return Output[K, V](links, "") }

// Output is Children for a named output.
func Output[K, V any](links []Link, name string) (Receiver[K, V], error) {
	var to []Receiver[K, V]
	for _, l := range links {
		if l.Output != name {
			continue
		}
		r, ok := l.To.(Receiver[K, V])
		if !ok {
			return nil, wiringError{want: to, got: l.To}
		}
		to = append(to, r)
	}
	return Fan(to), nil
}

// Fan is a receiver that hands each record to all children in their order. With one child it is that child: a hop costs nothing.
func Fan[K, V any](to []Receiver[K, V]) Receiver[K, V] {
	switch len(to) {
	case 0:
		return func(processor.Record[K, V]) error { return nil }
	case 1:
		return to[0]
	}
	return func(r processor.Record[K, V]) error {
		for _, next := range to {
			if err := next(r); err != nil {
				return err
			}
		}
		return nil
	}
}
