package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/null"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
)

// nodeContext is a node's view of its task: a processor.Context.
type nodeContext struct {
	context.Context
	n       *Node
	stores  []string
	outputs func(name string) any
	fixed   bool  // keys cannot change
	missing error // the first store that was asked for and is not connected, or output that was bound otherwise than it must be
}

// NewContext makes the context of a node with connected stores. outputs gives the Forward of a named output.
func NewContext(n *Node, stores []string, outputs func(name string) any) processor.Context {
	return &nodeContext{Context: n.Env.Context, n: n, stores: stores, outputs: outputs}
}

// NewFixedContext is NewContext for a node whose keys cannot change: outputs gives ForwardFixed.
func NewFixedContext(n *Node, stores []string, outputs func(name string) any) processor.Context {
	return &nodeContext{Context: n.Env.Context, n: n, stores: stores, outputs: outputs, fixed: true}
}

func (c *nodeContext) StreamTime() time.Time {
	if c.n.Env.StreamTime < 0 {
		return time.Time{}
	}
	return time.UnixMilli(c.n.Env.StreamTime).UTC()
}

func (c *nodeContext) WallTime() time.Time { return time.UnixMilli(c.n.Env.WallTime).UTC() }
func (c *nodeContext) Node() string        { return c.n.Name }
func (c *nodeContext) Task() string        { return c.n.Env.Task }
func (c *nodeContext) RequestCommit()      { c.n.Env.CommitWanted = true }

func (c *nodeContext) Source() (processor.Source, bool) {
	o := &c.n.Env.Origin
	return o.Source(), o.Topic != ""
}

func (c *nodeContext) Schedule(when processor.Schedule, f func(now time.Time) error) (cancel func()) {
	every, start, wall := when.Plan(seal.Token{})
	if every < 1 {
		c.miss(fmt.Errorf("node %q: a schedule needs an interval of at least 1 ms", c.n.Name))
		return func() {}
	}
	env := c.n.Env
	now := env.StreamTime
	if wall {
		now = env.WallTime
	}
	return env.Timers.Schedule(c.n, every, start, wall, now, func(at int64) (err error) {
		defer Catch(&err)
		return f(time.UnixMilli(at).UTC())
	})
}

func (c *nodeContext) BindStore(d state.Descriptor) any {
	name := d.StoreName()
	if !slices.Contains(c.stores, name) {
		c.miss(fmt.Errorf("node %q: store %q is not connected: name it in weir.Stores", c.n.Name, name))
		return nil
	}
	s, ok := c.n.Env.Stores.Store(name)
	if !ok {
		c.miss(fmt.Errorf("node %q: task %s has no store %q", c.n.Name, c.n.Env.Task, name))
	}
	return s
}

// FailBind has Init fail, with the node's name, as for a store that is not connected.
func (c *nodeContext) FailBind(err error) { c.miss(fmt.Errorf("node %q: %w", c.n.Name, err)) }

func (c *nodeContext) BindOutput(name string) any {
	if c.outputs == nil {
		return nil
	}
	return c.outputs(name)
}

// Binds is asked by a processor.Output whether it may be bound with a key that cannot change, or else with any.
func (c *nodeContext) Binds(_ seal.Token, output string, fixed bool) {
	switch {
	case c.fixed && !fixed:
		c.FailBind(fmt.Errorf("output %q is bound with BindFixed here: ProcessValues keeps the key", output))
	case fixed && !c.fixed:
		c.FailBind(fmt.Errorf("output %q is bound with Bind here: BindFixed is for ProcessValues, which keeps the key", output))
	}
}

func (c *nodeContext) miss(err error) {
	if c.missing == nil {
		c.missing = err
	}
}

// Make calls a user's constructor of processors, with its panic as an error.
func Make[P any](new func() P) (p P, err error) {
	if new == nil {
		return p, errors.New("the processor's constructor is nil")
	}
	defer Catch(&err)
	if p = new(); null.Is(p) {
		return p, errors.New("the processor's constructor returned nil")
	}
	return p, nil
}

// InitNode runs a processor's Init: its panic, and a store that it binds and does not have, are errors. A processor with Close is closed
// with its task.
func InitNode(ctx processor.Context, p any, init func() error) error {
	c := ctx.(*nodeContext)
	err := func() (err error) {
		defer Catch(&err)
		return init()
	}()
	if closer, ok := p.(interface{ Close() error }); ok {
		c.n.Env.OnClose(func() error {
			err := func() (err error) {
				defer Catch(&err)
				return closer.Close()
			}()
			if err != nil {
				return fmt.Errorf("node %q: close: %w", c.n.Name, err)
			}
			return nil
		})
	}
	if err = errors.Join(c.missing, err); err != nil {
		return fmt.Errorf("node %q: init: %w", c.n.Name, err)
	}
	return nil
}

// Process runs a user's processor. Its error is the node's, unless it is one that a child has decided on. What it puts into stores has the time
// of its record.
func Process[K, V, KO, VO any](n *Node, p processor.Processor[K, V, KO, VO]) Receiver[K, V] {
	return processing(n, p.Process)
}

// ProcessValues is Process with a key that cannot change.
func ProcessValues[K, V, VO any](n *Node, p processor.FixedKey[K, V, VO]) Receiver[K, V] {
	return processing(n, func(r processor.Record[K, V]) error { return p.Process(processor.FixKey(seal.Token{}, r)) })
}

func processing[K, V any](n *Node, process func(processor.Record[K, V]) error) Receiver[K, V] {
	ctx := &rows.Context{}
	if n.Env.Stores != nil {
		ctx = n.Env.Stores.Context()
	}
	call := func(r processor.Record[K, V]) (err error) {
		defer Catch(&err)
		return process(r)
	}
	decided := func(r processor.Record[K, V]) error {
		for {
			err := call(r)
			if err == nil {
				return nil
			}
			if again, fatal := n.Decide(processor.Processing, err); !again {
				return fatal
			}
		}
	}
	return func(r processor.Record[K, V]) error {
		before := ctx.Time
		ctx.Time = r.Time.UnixMilli()
		err := decided(r)
		ctx.Time = before
		return err
	}
}

// Forwarding is a node's way to its children as user code sees it. A fatal error also sticks to the task, so that user code cannot swallow
// it. What is forwarded must have a time that Kafka can store.
func Forwarding[K, V any](n *Node, next Receiver[K, V]) processor.Forward[K, V] {
	return func(r processor.Record[K, V]) error {
		if r.Time.UnixMilli() < 0 {
			return fmt.Errorf("node %q forwards a record whose time %s is before 1970", n.Name, r.Time)
		}
		err := next(r)
		if err != nil {
			n.Env.Stick(err)
		}
		return err
	}
}

// ForwardingFixed is Forwarding under the key with which a record came.
func ForwardingFixed[K, V any](n *Node, next Receiver[K, V]) processor.ForwardFixed[K, V] {
	out := Forwarding(n, next)
	return func(r processor.FixedKeyRecord[K, V]) error { return out(processor.FreeKey(seal.Token{}, r)) }
}
