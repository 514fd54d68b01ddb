package null

import (
	"reflect"
	"unsafe"
)

// Nilable reports whether values of T can be nil: pointers, slices, maps, interfaces, functions and channels.
func Nilable[T any]() bool {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan:
		return true
	}
	return false
}

// Is reports whether v is a nil of a nilable type. It does not allocate.
//
// The first word of every nilable kind is zero exactly when the value is nil: the pointer itself, a slice's data pointer (an empty
// slice that is not nil points at the runtime's zero base), an interface's type word.
func Is[T any](v T) bool {
	return Nilable[T]() && *(*unsafe.Pointer)(unsafe.Pointer(&v)) == nil
}

// Shares reports whether two copies of a T can share memory that one of them changes: whether T holds a pointer, slice, map,
// interface, function or channel anywhere. Strings are not counted: they cannot be changed.
func Shares[T any]() bool { return shares(reflect.TypeFor[T]()) }

func shares(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return true
	case reflect.Array:
		return t.Len() > 0 && shares(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if shares(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
