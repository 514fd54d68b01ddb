package weir

import (
	"fmt"
	"reflect"

	"github.com/weirstream/weir/serde"
)

// serdeRef is a serde that is known now or at Build. Operators that keep the key or the value hand the same one on.
type serdeRef[T any] struct{ s serde.Serde[T] }

// known is a reference to a serde that the user gave.
func known[T any](s serde.Serde[T]) *serdeRef[T] { return &serdeRef[T]{s} }

// declare makes a topic's serde one that Build may find for its type.
func declare[T any](b *Builder, s serde.Serde[T]) {
	if s == nil {
		return
	}
	t := reflect.TypeFor[T]()
	for _, d := range b.declared[t] {
		if d.(serde.Serde[T]).Name() == s.Name() {
			return
		}
	}
	b.declared[t] = append(b.declared[t], s)
}

// option is the serde that an operator's option gives; nil without one, or with one of another type, which is a fault.
func option[T any](b *Builder, o *op, name string, given any) *serdeRef[T] {
	if given == nil {
		return nil
	}
	s, ok := given.(serde.Serde[T])
	if !ok {
		b.faultf(o, "option %s is a %T, but the type is %s", name, given, typeName[T]())
		return nil
	}
	return known(s)
}

// keyOf and valueOf are a serde by the rule of the package's comment: the operator's option, else the inherited one, else found at Build.
// what names its use in a fault. Only what is needed is asked for: a serde that nobody uses is never missed.
func keyOf[T any](b *Builder, o *op, inherited *serdeRef[T], what string) *serdeRef[T] {
	return pick(b, o, option[T](b, o, "KeySerde", o.key), inherited, what, "KeySerde")
}

func valueOf[T any](b *Builder, o *op, inherited *serdeRef[T], what string) *serdeRef[T] {
	return pick(b, o, option[T](b, o, "ValueSerde", o.value), inherited, what, "ValueSerde")
}

func pick[T any](b *Builder, o *op, own, inherited *serdeRef[T], what, opt string) *serdeRef[T] {
	if own != nil {
		return own
	}
	if inherited == nil {
		inherited = &serdeRef[T]{}
	}
	b.atBuild(func() {
		if inherited.s != nil {
			return
		}
		s, err := find[T](b)
		if err != nil {
			b.faultf(o, "%s: %w: give weir.%s, or weir.RegisterSerde for the type", what, err, opt)
			return
		}
		inherited.s = s
	})
	return inherited
}

// find is the serde of a Go type: registered, else a declared topic's, else built in.
func find[T any](b *Builder) (serde.Serde[T], error) {
	t := reflect.TypeFor[T]()
	if s, ok := b.serdes[t]; ok {
		return s.(serde.Serde[T]), nil
	}
	if all := b.declared[t]; len(all) == 1 {
		return all[0].(serde.Serde[T]), nil
	} else if len(all) > 1 {
		names := make([]string, len(all))
		for i, s := range all {
			names[i] = s.(serde.Serde[T]).Name()
		}
		return nil, fmt.Errorf("several serdes for the type %s are in use: %q", t, names)
	}
	if s, ok := builtin[T](); ok {
		return s, nil
	}
	return nil, fmt.Errorf("no serde for the type %s", t)
}

func builtin[T any]() (serde.Serde[T], bool) {
	for _, s := range []any{serde.String(), serde.Bytes(), serde.Bool(), serde.Int16(), serde.Int32(), serde.Int64(), serde.Float32(), serde.Float64(), serde.UUID()} {
		if typed, ok := s.(serde.Serde[T]); ok {
			return typed, true
		}
	}
	return nil, false
}
