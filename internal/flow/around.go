package flow

import (
	"errors"
	"fmt"

	"github.com/weirstream/weir/processor"
)

// Wrapper runs around a node's work for a record: it calls next once and returns its error.
type Wrapper func(ctx processor.Context, next func() error) error

var (
	errNotCalled = errors.New("the function given to Around did not call next")
	errCalledTwo = errors.New("the function given to Around called next more than once")
	errSwallowed = errors.New("the function given to Around did not return the error of next")
	errInvented  = errors.New("the function given to Around returned an error, but next did not")
)

// Around has the task's Wrapper run around a node's work. Without one it is the work itself. A wrapper that does not keep to its contract ends the task's
// work: nobody can say what became of the record.
func Around[K, V any](n *Node, work Receiver[K, V]) Receiver[K, V] {
	f := n.Env.Around
	if f == nil {
		return work
	}
	ctx := NewContext(n, nil, nil)
	return func(r processor.Record[K, V]) error {
		calls, result := 0, error(nil)
		err := wrapped(f, ctx, func() error {
			if calls++; calls > 1 {
				return errCalledTwo
			}
			result = work(r)
			return result
		})
		if wrong := contract(calls, result, err); wrong != nil {
			return &Fatal{n.failure(processor.Processing, wrong)}
		}
		return result
	}
}

func wrapped(f Wrapper, ctx processor.Context, next func() error) (err error) {
	defer Catch(&err)
	return f(ctx, next)
}

// contract is what a wrapper did wrong: it returned err, after next was called so often and its first call returned result.
func contract(calls int, result, err error) error {
	switch {
	case calls > 1:
		return errors.Join(errCalledTwo, result)
	case calls == 0 && err != nil:
		return fmt.Errorf("%w, and returned: %w", errNotCalled, err)
	case calls == 0:
		return errNotCalled
	case result != nil && !errors.Is(err, result):
		return errors.Join(errSwallowed, result)
	case result == nil && err != nil:
		return fmt.Errorf("%w: %w", errInvented, err)
	}
	return nil
}
