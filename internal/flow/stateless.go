package flow

import (
	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/processor"
)

// Nulls says what a stateless node does with a null key or value of a type that cannot be nil. Where the type is nilable, user code is always
// called, with nil.
type Nulls uint8

// The rules.
const (
	SeeNulls       Nulls = iota // user code is called with the zero value
	PassNullValues              // a null value passes uncalled
	DropNulls                   // a null key or value is dropped and counted
)

// Filter keeps the records for which keep is true.
func Filter[K, V any](n *Node, keep func(processor.Record[K, V]) (bool, error), next Receiver[K, V]) Receiver[K, V] {
	return func(r processor.Record[K, V]) error {
		for {
			ok, err := keep(r)
			if err == nil {
				if !ok {
					return nil
				}
				return next(r)
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}

// Peek calls see and passes the record on.
func Peek[K, V any](n *Node, see func(processor.Record[K, V]) error, next Receiver[K, V]) Receiver[K, V] {
	return func(r processor.Record[K, V]) error {
		for {
			err := see(r)
			if err == nil {
				return next(r)
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}

// Map makes one record of each.
func Map[K, V, K2, V2 any](n *Node, rule Nulls, f func(processor.Record[K, V]) (processor.Record[K2, V2], error), pass Receiver[K, V], next Receiver[K2, V2]) Receiver[K, V] {
	strictKey, strictValue := !null.Nilable[K](), !null.Nilable[V]()
	return func(r processor.Record[K, V]) error {
		if rule != SeeNulls {
			if done, err := ruled(n, rule, strictKey, strictValue, r, pass); done {
				return err
			}
		}
		for {
			made, err := f(r)
			if err == nil {
				return next(made)
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}

// FlatMap makes any number of records of each. What an input makes is forwarded when all of it is made, so that an error forwards nothing.
func FlatMap[K, V, K2, V2 any](n *Node, rule Nulls, f func(r processor.Record[K, V], emit func(processor.Record[K2, V2])) error, pass Receiver[K, V], next Receiver[K2, V2]) Receiver[K, V] {
	strictKey, strictValue := !null.Nilable[K](), !null.Nilable[V]()
	var made []processor.Record[K2, V2]
	emit := func(r processor.Record[K2, V2]) { made = append(made, r) }
	return func(r processor.Record[K, V]) error {
		if rule != SeeNulls {
			if done, err := ruled(n, rule, strictKey, strictValue, r, pass); done {
				return err
			}
		}
		for {
			clear(made)
			made = made[:0]
			err := f(r, emit)
			if err == nil {
				break
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
		for _, m := range made {
			if err := next(m); err != nil {
				return err
			}
		}
		return nil
	}
}

// ruled handles the nulls that user code does not see.
func ruled[K, V any](n *Node, rule Nulls, strictKey, strictValue bool, r processor.Record[K, V], pass Receiver[K, V]) (done bool, err error) {
	switch {
	case strictValue && r.IsNull() && rule == PassNullValues:
		return true, pass(r)
	case rule == PassNullValues:
		return false, nil
	case strictKey && r.KeyIsNull():
		n.Drop(NullKey)
		return true, nil
	case strictValue && r.IsNull():
		n.Drop(NullValue)
		return true, nil
	}
	return false, nil
}

// Split sends each record to the first case that is true, or to the last child.
func Split[K, V any](n *Node, cases []func(K, V) bool, next []Receiver[K, V]) Receiver[K, V] {
	choose := func(r processor.Record[K, V]) (int, error) {
		for i, when := range cases {
			if ok, err := Call2(when, r.Key, r.Value); ok || err != nil {
				return i, err
			}
		}
		return len(cases), nil
	}
	return func(r processor.Record[K, V]) error {
		for {
			i, err := choose(r)
			if err == nil {
				return next[i](r)
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
}

// KeyFilter drops null keys, as before a repartition topic.
func KeyFilter[K, V any](n *Node, next Receiver[K, V]) Receiver[K, V] {
	return func(r processor.Record[K, V]) error {
		if r.KeyIsNull() {
			n.Drop(NullKey)
			return nil
		}
		return next(r)
	}
}
