package processor

import (
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
)

// Output is a further typed child of a processor: declare it once, Bind it in Init, take its stream with weir.OutputOf.
type Output[K, V any] struct {
	name  string
	key   serde.Serde[K]
	value serde.Serde[V]
}

// NewOutput declares an output with the serdes of its stream.
func NewOutput[K, V any](name string, k serde.Serde[K], v serde.Serde[V]) Output[K, V] {
	return Output[K, V]{name, k, v}
}

// Name is the name that was given.
func (o Output[K, V]) Name() string { return o.name }

// Serdes are the serdes that were given. It is for weir's own rooms.
func (o Output[K, V]) Serdes(seal.Token) (serde.Serde[K], serde.Serde[V]) { return o.key, o.value }

// Bind is the way to the child; call it in Init. Where nobody takes the output, forwarding does nothing.
func (o Output[K, V]) Bind(c Context) Forward[K, V] {
	f, ok := c.BindOutput(o.name).(Forward[K, V])
	if !ok {
		return func(Record[K, V]) error { return nil }
	}
	return f
}
