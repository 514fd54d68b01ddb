package flow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
)

// Node is one node of one task at run time: its name, its counters, what the user decided about its errors.
type Node struct {
	Name      string
	Env       *Env
	onError   Handler
	onDropped DropHandler
	drops     *[reasons]atomic.Int64
}

// NewNode makes a node. onError and onDropped are the operator's own, nil for the app's.
func NewNode(env *Env, name string, onError Handler, onDropped DropHandler) *Node {
	if onError == nil {
		onError = env.OnError
	}
	n := &Node{Name: name, Env: env, onError: onError, onDropped: onDropped, drops: env.Stats.Node(name)}
	if onDropped == nil {
		n.onDropped = env.OnDropped
	} else {
		env.telling(n)
	}
	return n
}

// Fatal is an error on which a decision was made: it ends the task's work. Everyone hands it up untouched.
type Fatal struct{ *processor.RecordError }

// Unwrap gives the record's error.
func (f *Fatal) Unwrap() error { return f.RecordError }

// ErrInterrupted is the cause of a Fatal whose retry was cut short: nothing is wrong with the record.
var ErrInterrupted = errors.New("retry interrupted")

// Decide says what becomes of the record in process after err at this node: again, or skipped (false, nil), or fatal. It waits for a retry.
func (n *Node) Decide(phase processor.Phase, err error) (again bool, fatal error) {
	e, decided := n.undecided(phase, err)
	if decided != nil {
		return false, decided
	}
	return n.apply(e, n.ask(e))
}

// undecided is an error about which to ask, unless it was decided on: by a child, also where user code has hidden it in an error of its own.
func (n *Node) undecided(phase processor.Phase, err error) (e *processor.RecordError, fatal error) {
	var decided *Fatal
	if errors.As(err, &decided) || errors.As(n.Env.stuck, &decided) {
		return nil, decided
	}
	return n.failure(phase, err), nil
}

// DecideLater is Decide that does not wait for a retry, but says how long to wait.
func (n *Node) DecideLater(phase processor.Phase, err error) (again bool, after time.Duration, fatal error) {
	e, decided := n.undecided(phase, err)
	if decided != nil {
		return false, 0, decided
	}
	d := n.ask(e)
	if verdict, after, _ := d.Open(seal.Token{}); verdict == processor.RetryIt {
		return true, after, nil
	}
	again, fatal = n.apply(e, d)
	return again, 0, fatal
}

// Refused says what becomes of a record that the broker, or the way to it, refused after it was sent. from is the record that was in process
// then, key and value what could not be written, which stand in where nothing is known of from's bytes.
func (n *Node) Refused(d *Dest, from Origin, key, value []byte, err error) error {
	saved := n.Env.Origin
	defer func() { n.Env.Origin = saved }()
	if from.Key == nil && from.Value == nil {
		from.Key, from.Value = key, value
	}
	n.Env.Origin = from
	e := n.failure(processor.Producing, d.refusal(len(key)+len(value), err))
	if d.Dead || d.Changelog {
		return &Fatal{e} // nobody is asked: the record would be lost, or state and changelog would part
	}
	decision := n.ask(e)
	if v, _, _ := decision.Open(seal.Token{}); v == processor.RetryIt {
		return &Fatal{e} // the client has retried what can be
	}
	if _, fatal := n.apply(e, decision); fatal != nil {
		return fatal
	}
	return n.Env.Unstick()
}

// Drop counts a record that is dropped without an error. Where the user's handler panics, that sticks to the task, about which nobody is asked.
func (n *Node) Drop(r Reason) {
	n.drops[r].Add(1)
	if n.onDropped != nil {
		n.told(r)
	}
}

func (n *Node) told(r Reason) {
	defer func() {
		if x := recover(); x != nil {
			n.Env.Stick(&Fatal{n.failure(processor.Processing, fmt.Errorf("the OnDropped handler, told of %q: %w", r, Panicked(x)))})
		}
	}()
	o := &n.Env.Origin
	n.onDropped(n.Env.Context, r, n.Name, time.UnixMilli(o.Time).UTC(), o.Source())
}

func (n *Node) failure(phase processor.Phase, err error) *processor.RecordError {
	o := &n.Env.Origin
	return &processor.RecordError{Phase: phase, Node: n.Name, Source: o.Source(), Key: o.Key, Value: o.Value, Time: time.UnixMilli(o.Time).UTC(), Err: err}
}

// ask calls the user's handler; one that panics decides to fail.
func (n *Node) ask(e *processor.RecordError) (d processor.Decision) {
	if n.onError == nil {
		return processor.Fail()
	}
	defer func() {
		if x := recover(); x != nil {
			e.Err = errors.Join(e.Err, fmt.Errorf("the error handler itself: %w", Panicked(x)))
			d = processor.Fail()
		}
	}()
	return n.onError(n.Env.Context, e)
}

func (n *Node) apply(e *processor.RecordError, d processor.Decision) (again bool, fatal error) {
	verdict, after, topic := d.Open(seal.Token{})
	switch verdict {
	case processor.SkipIt:
		n.Drop(skipped(e.Phase))
		return false, nil
	case processor.RetryIt:
		if err := n.Env.Pause(after); err != nil {
			e.Err = errors.Join(ErrInterrupted, err, e.Err)
			return false, &Fatal{e}
		}
		return true, nil
	case processor.DeadLetterIt:
		if err := n.bury(e, topic); err != nil {
			e.Err = errors.Join(e.Err, fmt.Errorf("dead letter to topic %q: %w", topic, err))
			return false, &Fatal{e}
		}
		n.Drop(DeadLettered)
		return false, nil
	}
	return false, &Fatal{e}
}

func skipped(p processor.Phase) Reason {
	switch p {
	case processor.Decoding:
		return Undecodable
	case processor.Producing:
		return Unwritable
	}
	return Failed
}

// bury sends the source's raw record to a dead-letter topic, with the headers of KIP-1034 after its own.
func (n *Node) bury(e *processor.RecordError, topic string) error {
	h := n.Env.Origin.Headers
	for _, x := range [...][2]string{
		{"exception", fmt.Sprintf("%T", cause(e.Err))},
		{"message", message(e.Err)},
		{"stacktrace", e.Error()},
		{"topic", e.Source.Topic},
		{"partition", strconv.Itoa(int(e.Source.Partition))},
		{"offset", strconv.FormatInt(e.Source.Offset, 10)},
	} {
		h = h.With("__streams.errors."+x[0], []byte(x[1]))
	}
	return n.Env.Out.Send(n.Env.deadDest(topic, n), n.grave(topic, e.Key), e.Key, e.Value, h, n.Env.Origin.Written)
}

// grave is the partition of a dead letter: that of its key, so that the letters of a key keep their order. Where the topic's partitions are
// not to be had, the client finds out why.
func (n *Node) grave(topic string, key []byte) int32 {
	if key == nil {
		return -1
	}
	parts, err := n.Env.Out.Partitions(topic)
	if err != nil || parts <= 0 {
		return -1
	}
	return murmur2.Partition(key, parts)
}

// message is an error's text without the stack of a panic.
func message(err error) string {
	if p := (*PanicError)(nil); errors.As(err, &p) {
		return strings.TrimRight(strings.ReplaceAll(err.Error(), string(p.Stack), ""), "\n")
	}
	return err.Error()
}

func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// PanicError is a panic of user code, as an error.
type PanicError struct {
	Value any
	Stack []byte // from the panic up to what called the user's code: function, file and line
}

// Error is the panic's value and where it happened.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// Unwrap gives the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Panicked makes an error of what recover returned; a deferred function, or one that it calls, calls it.
func Panicked(x any) error { return &PanicError{Value: x, Stack: stack()} }

// own is where our functions' names begin: what called the user's code, and is of no interest to who wrote it.
const own = "github.com/weirstream/weir/internal/"

// stack is the frames above a panic: the user's, if user code panicked, else all.
func stack() []byte {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	var text []byte
	inside, users := false, false
	for {
		f, more := frames.Next()
		switch {
		case !inside:
			inside = f.Function == "runtime.gopanic"
		case users && strings.HasPrefix(f.Function, own):
			return text
		case len(text) == 0 && strings.HasPrefix(f.Function, "runtime."): // what a nil pointer ends in
		default:
			users = users || len(text) == 0 && !strings.HasPrefix(f.Function, own)
			text = fmt.Appendf(text, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		}
		if !more {
			return text
		}
	}
}

// Catch turns a panic of user code into *err. It is deferred around every call of user code:
//
//	defer flow.Catch(&err)
func Catch(err *error) {
	if x := recover(); x != nil {
		*err = Panicked(x)
	}
}

// Call1 calls user code of one argument, with its panic as an error.
func Call1[A, R any](f func(A) R, a A) (r R, err error) {
	defer Catch(&err)
	return f(a), nil
}

// Call2 calls user code of two arguments, with its panic as an error.
func Call2[A, B, R any](f func(A, B) R, a A, b B) (r R, err error) {
	defer Catch(&err)
	return f(a, b), nil
}

// Call3 calls user code of three arguments, with its panic as an error.
func Call3[A, B, C, R any](f func(A, B, C) R, a A, b B, c C) (r R, err error) {
	defer Catch(&err)
	return f(a, b, c), nil
}

// Try calls user code that takes the whole record and returns an error, with its panic as one too.
func Try[K, V, R any](ctx context.Context, f func(context.Context, processor.Record[K, V]) (R, error), rec processor.Record[K, V]) (r R, err error) {
	defer Catch(&err)
	return f(ctx, rec)
}
