package pebble

import "github.com/cockroachdb/pebble/v2"

// iterator is a state.Iterator. Values are fetched by Next, where an error of reading them can still end the walk.
type iterator struct {
	e       *engine
	it      *pebble.Iterator
	value   []byte
	err     error
	reverse bool
	begun   bool
	done    bool
}

func (i *iterator) Next() bool {
	if i.done || !i.move() {
		i.done = true
		return false
	}
	i.value, i.err = i.it.ValueAndErr()
	i.done = i.err != nil
	return !i.done
}

func (i *iterator) move() bool {
	begun := i.begun
	i.begun = true
	switch {
	case begun && i.reverse:
		return i.it.Prev()
	case begun:
		return i.it.Next()
	case i.reverse:
		return i.it.Last()
	}
	return i.it.First()
}

func (i *iterator) Key() []byte   { return i.it.Key() }
func (i *iterator) Value() []byte { return i.value }

func (i *iterator) Err() error {
	err := i.err
	if err == nil && i.it != nil {
		err = i.it.Error()
	}
	if err != nil {
		return i.e.error("iter", err)
	}
	return nil
}

// Close may be called more than once. Pebble repeats an error of the walk here, which Err has told already.
func (i *iterator) Close() error {
	if i.it == nil {
		return nil
	}
	i.err = firstOf(i.err, i.it.Close())
	i.it, i.done = nil, true
	return i.Err()
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// nothing is the walk between bounds that hold nothing.
type nothing struct{}

func (nothing) Next() bool    { return false }
func (nothing) Key() []byte   { return nil }
func (nothing) Value() []byte { return nil }
func (nothing) Err() error    { return nil }
func (nothing) Close() error  { return nil }
