package serde

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
)

// JSON is encoding/json of a T. Methods of T and of *T that marshal are used, as in Unmarshal. Its name holds the type: "json:" and T as reflect prints it.
func JSON[T any]() Serde[T] { return jsonOf[T]{"json:" + reflect.TypeFor[T]().String()} }

type jsonOf[T any] struct{ name string }

func (j jsonOf[T]) Append(dst []byte, v T) ([]byte, error) {
	w := jsonWriters.Get().(*jsonWriter)
	defer w.release()
	w.dst = dst
	if err := w.enc.Encode(&v); err != nil {
		return dst, fmt.Errorf("%s: %w", j.name, err)
	}
	return w.dst[:len(w.dst)-1], nil // an Encoder closes with a newline
}

func (j jsonOf[T]) Decode(b []byte) (T, error) {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		var zero T
		return zero, fmt.Errorf("%s: %w", j.name, err)
	}
	return v, nil
}

func (j jsonOf[T]) Name() string { return j.name }

// jsonWriter lets an Encoder append to the caller's slice, which saves json.Marshal's copy. Write never fails: an Encoder that saw a writer fail
// could not be used again.
type jsonWriter struct {
	dst []byte
	enc *json.Encoder
}

var jsonWriters = sync.Pool{New: func() any {
	w := &jsonWriter{}
	w.enc = json.NewEncoder(w)
	return w
}}

func (w *jsonWriter) Write(p []byte) (int, error) {
	w.dst = append(w.dst, p...)
	return len(p), nil
}

func (w *jsonWriter) release() {
	w.dst = nil
	jsonWriters.Put(w)
}
