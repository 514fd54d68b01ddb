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

// outputs is what weir's own contexts know of outputs: one that is bound otherwise than it must be fails the processor's Init.
type outputs interface {
	Binds(t seal.Token, output string, fixed bool)
}

// Bind is the way to the child; call it in Init. Where nobody takes the output, forwarding does nothing.
func (o Output[K, V]) Bind(c Context) Forward[K, V] {
	if of, ok := c.(outputs); ok {
		of.Binds(seal.Token{}, o.name, false)
	}
	f, ok := c.BindOutput(o.name).(Forward[K, V])
	if !ok {
		return func(Record[K, V]) error { return nil }
	}
	return f
}

// BindFixed is Bind for a processor that keeps the key (Kafka's FixedKeyProcessorContext.forward to a child by name).
func (o Output[K, V]) BindFixed(c Context) ForwardFixed[K, V] {
	if of, ok := c.(outputs); ok {
		of.Binds(seal.Token{}, o.name, true)
	}
	f, ok := c.BindOutput(o.name).(ForwardFixed[K, V])
	if !ok {
		return func(FixedKeyRecord[K, V]) error { return nil }
	}
	return f
}
