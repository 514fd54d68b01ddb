package task_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// world is what stands around one task in a script: topics, a clock, the commit's other half, a way out. All that happens is noted in trace.
type world struct {
	trace     []string
	sources   []*sourceSpec
	config    task.Config
	decisions []processor.Decision
	task      *task.Task
	stores    *stores
	now       int64
	pushed    map[flow.TopicPartition]int64 // next offset
	committed map[flow.TopicPartition]task.Offset
	pending   map[flow.TopicPartition]task.Offset
	refuse    bool // the way out fails
}

type sourceSpec struct {
	name    string
	topics  []topology.Topic
	pattern string
	policy  flow.TimePolicy
}

func newWorld() *world {
	return &world{
		config:    task.Config{App: "app", Name: "0_0", Stats: &flow.Stats{}, MaxIdle: 0},
		pushed:    map[flow.TopicPartition]int64{},
		committed: map[flow.TopicPartition]task.Offset{},
		stores:    newStores(),
	}
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// ms prints a time as scripts write it.
func ms(at int64) string { return (time.Duration(at) * time.Millisecond).String() }

// brief is an error without the stack of its panic.
func brief(err error) string {
	text, _, stack := strings.Cut(err.Error(), "\ngithub.com/weirstream")
	if stack {
		text += " (and its stack)"
	}
	return strings.ReplaceAll(text, "\n", "; ")
}

// known is a time that may be unknown.
func known(at int64) string {
	if at < 0 {
		return "unknown"
	}
	return ms(at)
}

func where(s processor.Source) string {
	if s.Topic == "" {
		return "nowhere"
	}
	return fmt.Sprintf("%s-%d@%d", s.Topic, s.Partition, s.Offset)
}

// Partitions and Send are the way out.
func (w *world) Partitions(string) (int32, error) { return 1, nil }

func (w *world) Send(d *flow.Dest, partition int32, key, value []byte, h processor.Headers, at int64) error {
	if w.refuse {
		return errors.New("the way out is closed")
	}
	val := string(value)
	if value == nil {
		val = "null"
	}
	headers := ""
	for _, x := range h {
		if !strings.HasPrefix(x.Key, "__streams") {
			headers += " " + x.Key + "=" + string(x.Value)
		}
	}
	w.note("send %s-%d %s=%s @%s%s", d.Topic, partition, key, val, ms(at), headers)
	if d.Changelog {
		w.stores.log(d.Store, key, value, at)
	}
	return nil
}

func (w *world) decide(_ context.Context, e *processor.RecordError) processor.Decision {
	if len(w.decisions) == 0 {
		return processor.Fail()
	}
	w.note("asked about: %s", brief(e))
	d := w.decisions[0]
	if len(w.decisions) > 1 {
		w.decisions = w.decisions[1:]
	}
	return d
}

func (w *world) dropped(_ context.Context, r flow.Reason, node string, _ time.Time, s processor.Source) {
	w.note("drop %s at %s: %s", where(s), node, r)
}

// start makes the task from what was committed, on disk and elsewhere.
func (w *world) start() error {
	w.refuse = false
	set, err := w.stores.open()
	if err != nil {
		return err
	}
	return w.startOn(set)
}

func (w *world) startOn(set *store.Set) (err error) {
	c := w.config
	c.Stores = set
	c.Out, c.OnError, c.OnDropped, c.Now = w, w.decide, w.dropped, w.now
	c.Pause = func(d time.Duration) error { w.note("pause %v", d); return nil }
	c.Inputs = nil
	for p := range w.pushed {
		w.pushed[p] = w.committed[p].Next
		c.Inputs = append(c.Inputs, task.Input{TopicPartition: p, Start: w.committed[p].Next, Metadata: w.committed[p].Metadata})
	}
	if c.Sub, err = w.graph(); err != nil {
		return err
	}
	w.task, err = task.New(c)
	return err
}

// values are texts; one that begins with broken cannot be decoded.
var values = serde.New("test-values", func(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }, func(b []byte) (string, error) {
	switch {
	case strings.HasPrefix(string(b), "broken-serde"):
		panic("broken serde")
	case strings.HasPrefix(string(b), "broken"):
		return "", fmt.Errorf("undecodable %q", b)
	}
	return string(b), nil
})

var receiverType = reflect.TypeFor[flow.Receiver[string, string]]()

// graph is: every source → work, an interpreter → out, a sink.
func (w *world) graph() (*topology.Sub, error) {
	g := topology.NewGraph()
	outs := map[string]reflect.Type{"": receiverType}
	work := &topology.Node{Name: "work", Op: "Process", Kind: topology.Processor, In: receiverType, Outs: outs, Make: w.makeWork}
	for _, s := range w.sources {
		n := &topology.Node{Name: s.name, Op: "From", Kind: topology.Source, Topics: s.topics, Pattern: s.pattern, Outs: outs, Make: w.makeSource(s)}
		g.Add(n)
		work.Parents = append(work.Parents, topology.Parent{Node: n})
	}
	for _, s := range w.stores.declared() {
		g.AddStore(s)
		work.Stores = append(work.Stores, s.Name)
	}
	g.Add(work)
	g.Add(&topology.Node{Name: "out", Op: "To", Kind: topology.Sink, Topics: []topology.Topic{{Name: "out"}}, In: receiverType,
		Parents: []topology.Parent{{Node: work}}, Make: func(env *flow.Env, _ []flow.Link) (any, error) {
			return flow.Sink(flow.NewNode(env, "out", nil, nil), "out", flow.Encoding[string, string]{Key: serde.String(), Value: values}), nil
		}})
	t, err := g.Build()
	if err != nil {
		return nil, err
	}
	return t.Subs()[0], nil
}

func (w *world) makeSource(s *sourceSpec) func(*flow.Env, []flow.Link) (any, error) {
	return func(env *flow.Env, links []flow.Link) (any, error) {
		to, err := flow.Children[string, string](links)
		d := flow.Decoder[string, string]{Key: serde.String(), Value: values, TimePolicy: s.policy}
		return flow.NewSource(flow.NewNode(env, s.name, nil, nil), d, to), err
	}
}

func (w *world) makeWork(env *flow.Env, links []flow.Link) (any, error) {
	to, err := flow.Children[string, string](links)
	if err != nil {
		return nil, err
	}
	n := flow.NewNode(env, "work", nil, nil)
	p := &worker{w: w, env: env, cancels: map[string]func(){}}
	names := []string{}
	for _, s := range w.stores.declared() {
		names = append(names, s.Name)
	}
	ctx := flow.NewContext(n, names, nil)
	if err := flow.InitNode(ctx, p, func() error { return p.Init(ctx, flow.Forwarding(n, to)) }); err != nil {
		return nil, err
	}
	return flow.Process[string, string, string, string](n, p), nil
}

// worker does what a record's value says: words apart by +, so that a script reads as what happens.
//
//	fail, panic, flaky          an error, a panic, an error at the first try only
//	stick                       a scan that fails behind its back
//	swallow                     forwards to a way out that fails, and does not return the error
//	commit                      asks for a commit
//	stream:10s, wall:10s        a punctuation named after the key; :5s more anchors it
//	stream-fail:10s             one that fails
//	stream-panic:10s            one that panics
//	once:10s                    one on stream time that cancels itself
//	cancel                      cancels the punctuation named after the key
//	put:3                       adds to the key's count
//	mark:7s                     sets the store's watermark
//	refuse                      closes the way out
type worker struct {
	w       *world
	env     *flow.Env
	ctx     processor.Context
	out     processor.Forward[string, string]
	cancels map[string]func()
	tried   map[string]bool
	counts  *countStore
}

func (p *worker) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.ctx, p.out = ctx, out
	p.w.note("init at stream time %s, wall %s", streamTime(ctx), ms(ctx.WallTime().UnixMilli()))
	p.counts = p.w.stores.bind(p.env.Stores, func(key, value string, at int64) error {
		return out(processor.NewRecord(key, "sum "+value, time.UnixMilli(at)))
	})
	if p.w.stores.failInit {
		return errors.New("init fails")
	}
	return nil
}

func (p *worker) Close() error {
	p.w.note("closed")
	if p.w.stores.failClose {
		return errors.New("close fails")
	}
	return nil
}

func streamTime(ctx processor.Context) string {
	if ctx.StreamTime().IsZero() {
		return "unknown"
	}
	return ms(ctx.StreamTime().UnixMilli())
}

func (p *worker) Process(r processor.Record[string, string]) error {
	src, _ := p.ctx.Source()
	val := r.Value
	if r.IsNull() {
		val = "null"
	}
	p.w.note("work %s %s=%s @%s, stream time %s", where(src), r.Key, val, ms(r.Time.UnixMilli()), streamTime(p.ctx))
	for _, word := range strings.Split(r.Value, "+") {
		if err := p.do(word, r); err != nil {
			return err
		}
	}
	return p.out(r)
}

func (p *worker) do(word string, r processor.Record[string, string]) error {
	verb, arg, _ := strings.Cut(word, ":")
	switch verb {
	case "fail":
		return errors.New("it fails")
	case "panic":
		panic("it panics")
	case "flaky":
		if p.tried == nil {
			p.tried = map[string]bool{}
		}
		if !p.tried[r.Key] {
			p.tried[r.Key] = true
			return errors.New("not yet")
		}
	case "stick":
		p.env.Stick(errors.New("a scan failed"))
	case "swallow":
		p.w.refuse = true
		_ = p.out(r)
		p.w.refuse = false
	case "commit":
		p.ctx.RequestCommit()
	case "refuse":
		p.w.refuse = true
	case "cancel":
		p.cancels[r.Key]()
	case "put":
		return p.counts.add(r.Key, putNumber(arg))
	case "mark":
		p.env.Stores.SetMark("counts", parse(arg))
	default:
		p.schedule(verb, arg, r.Key)
	}
	return nil
}

func (p *worker) schedule(verb, arg, name string) {
	clock, how, _ := strings.Cut(verb, "-")
	if clock != "stream" && clock != "wall" && clock != "once" {
		return
	}
	every, from, anchored := strings.Cut(arg, ":")
	d := time.Duration(parse(every)) * time.Millisecond
	when := processor.StreamTime(d)
	if clock == "wall" {
		when = processor.WallTime(d)
	}
	if anchored {
		when = when.From(time.UnixMilli(parse(from)))
	}
	p.cancels[name] = p.ctx.Schedule(when, func(now time.Time) error { return p.punctuate(name, clock+how, now) })
}

func (p *worker) punctuate(name, how string, now time.Time) error {
	src, ok := p.ctx.Source()
	p.w.note("punctuate %s at %s, stream time %s, source %s %v", name, ms(now.UnixMilli()), streamTime(p.ctx), where(src), ok)
	switch {
	case how == "once":
		p.cancels[name]()
	case strings.HasSuffix(how, "fail"):
		return errors.New("it fails")
	case strings.HasSuffix(how, "panic"):
		panic("it panics")
	case strings.HasSuffix(how, "stick"):
		p.env.Stick(errors.New("a scan failed"))
	}
	return p.out(processor.NewRecord(name, "tick", now))
}

// parse reads a duration as ms.
func parse(text string) int64 {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d.Milliseconds()
}
