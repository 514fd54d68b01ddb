package task_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
	"pgregory.net/rapid"
)

// byHand are calls that end when a test says so.
type byHand struct {
	running []flow.Call
	ended   []flow.Call
	most    int
}

func (c *byHand) Start(ctx context.Context, call flow.Call, _ time.Duration) {
	c.running = append(c.running, call)
	c.most = max(c.most, len(c.running))
}

func (c *byHand) Ended() (flow.Call, bool) {
	if len(c.ended) == 0 {
		return nil, false
	}
	call := c.ended[0]
	c.ended = c.ended[1:]
	return call, true
}

// end lets one call end.
func (c *byHand) end(i int) {
	call := c.running[i]
	c.running = slices.Delete(c.running, i, i+1)
	call.Run(context.Background())
	c.ended = append(c.ended, call)
}

// asking is a task with one node, an asynchronous one unless a test says otherwise, and all that is around it: the topics "in" and "out", the changelog, the disk. Values are numbers, in the order of
// the input; keys are the numbers' last digits in base keys.
type asking struct {
	atomic  bool
	how     flow.Asking[string, string]
	start   func(next int64) int64 // what the task is told of where reading begins
	claims  bool                   // the task is told that commits are atomic
	keys    int
	spec    *rows.Spec
	more    []*rows.Spec // without changelogs
	disk    *mem.Disk
	set     *store.Set
	task    *task.Task
	calls   *byHand
	now     int64
	fed     int
	pushed  int64
	next    int64 // committed
	out     []result
	log     []store.LogRecord
	durable struct{ out, log int }
	life    int
	quick   bool // no call fails
	stats   *flow.Stats
	failed  map[string]int
	faults  []error

	node  func(n *flow.Node, own any, next words) (words, error)
	keyAt func(n int64) (key int, at int64) // of a record
	judge func() error
	last  func() error // before the end
}

type result struct{ life, key, value int }

var asked = flow.TopicPartition{Topic: "in"}

func newAsking(atomic bool) *asking {
	a := &asking{atomic: atomic, claims: atomic, keys: 3, disk: &mem.Disk{}, failed: map[string]int{}, start: func(next int64) int64 { return next }}
	a.how = flow.Asking[string, string]{Key: serde.String(), Value: serde.String(), AtOnce: 3, Tries: 3, First: time.Second}
	a.spec = rows.NewOpen("open", "string", "string")
	a.node, a.judge = a.ask, a.judged
	a.keyAt = func(n int64) (int, int64) { return int(n) % a.keys, n }
	a.last = func() error { return nil }
	return a
}

func (a *asking) faultf(format string, args ...any) {
	a.faults = append(a.faults, fmt.Errorf(format, args...))
}

// call is the user's: of three values in a row the first fails twice.
func (a *asking) call(_ context.Context, r processor.Record[string, string]) (string, error) {
	n, err := strconv.Atoi(r.Value)
	if err == nil && n%3 == 0 && !a.quick && a.failed[r.Value] < 2 {
		a.failed[r.Value]++
		err = errors.New("not yet")
	}
	return r.Value, err
}

type words = flow.Receiver[string, string]

func (a *asking) ask(n *flow.Node, own any, next words) (words, error) {
	return flow.Ask(n, own.(*rows.Open), a.how, a.call, func(r processor.Record[string, string], v string) error {
		return next(processor.WithValue(r, v))
	})
}

func (a *asking) specs() []*rows.Spec { return append([]*rows.Spec{a.spec}, a.more...) }

// graph is a source, the node with its store, and a sink.
func (a *asking) graph() (*topology.Sub, error) {
	g := topology.NewGraph()
	var stores []string
	for _, s := range a.specs() {
		g.AddStore(&topology.Store{Spec: s})
		stores = append(stores, s.Name)
	}
	receiver := reflect.TypeFor[words]()
	outs := map[string]reflect.Type{"": receiver}
	in := &topology.Node{Name: "in", Kind: topology.Source, Topics: []topology.Topic{{Name: "in"}}, Outs: outs, Make: func(env *flow.Env, links []flow.Link) (any, error) {
		to, err := flow.Children[string, string](links)
		return flow.NewSource(flow.NewNode(env, "in", nil, nil), flow.Decoder[string, string]{Key: serde.String(), Value: serde.String()}, to), err
	}}
	node := &topology.Node{Name: "node", Kind: topology.Processor, In: receiver, Outs: outs, Stores: stores, Parents: []topology.Parent{{Node: in}}, Make: func(env *flow.Env, links []flow.Link) (any, error) {
		next, err := flow.Children[string, string](links)
		if err != nil {
			return nil, err
		}
		own, _ := env.Stores.Store(a.spec.Name)
		return a.node(flow.NewNode(env, "node", nil, nil), own, next)
	}}
	sink := &topology.Node{Name: "out", Kind: topology.Sink, Topics: []topology.Topic{{Name: "out"}}, In: receiver, Parents: []topology.Parent{{Node: node}}, Make: func(env *flow.Env, _ []flow.Link) (any, error) {
		return flow.Sink(flow.NewNode(env, "out", nil, nil), "out", flow.Encoding[string, string]{Key: serde.String(), Value: serde.String()}), nil
	}}
	g.Add(in)
	g.Add(node)
	g.Add(sink)
	t, err := g.Build()
	if err != nil {
		return nil, err
	}
	return t.Subs()[0], nil
}

// Partitions and Send are the way out.
func (a *asking) Partitions(string) (int32, error) { return 1, nil }

func (a *asking) Send(d *flow.Dest, _ int32, key, value []byte, _ processor.Headers, at int64) error {
	if d.Changelog {
		a.log = append(a.log, store.LogRecord{Key: slices.Clone(key), Value: slices.Clone(value), Time: at})
		return nil
	}
	k, _ := strconv.Atoi(string(key))
	v, err := strconv.Atoi(string(value))
	a.out = append(a.out, result{a.life, k, v})
	return err
}

// begin makes the task from what is left.
func (a *asking) begin() error {
	e, err := a.disk.Open("0_0", "0_0")
	if err != nil {
		return err
	}
	if a.set, err = store.Open(e, nil, a.specs()); err != nil {
		return err
	}
	if at, _ := a.set.Position(a.spec.Name); at < int64(len(a.log)) {
		if err := a.set.Replay(a.spec.Name, a.log[at:], int64(len(a.log))); err != nil {
			return err
		}
	}
	a.life++
	a.durable.out, a.durable.log = len(a.out), len(a.log) // what is left is there
	a.calls, a.pushed = &byHand{}, a.next
	a.stats = &flow.Stats{}
	c := task.Config{App: "app", Name: "0_0", Stats: a.stats, Stores: a.set, Out: a, Calls: a.calls, Atomic: a.claims, Now: a.now}
	c.Inputs = []task.Input{{TopicPartition: asked, Start: a.start(a.next)}}
	if c.Sub, err = a.graph(); err != nil {
		return err
	}
	a.task, err = task.New(c)
	return err
}

func (a *asking) push(n int) error {
	a.fed += n
	return nil
}

// step pushes what was fed and takes some of it.
func (a *asking) step(n int) error {
	for ; a.pushed < int64(a.fed); a.pushed++ {
		key, at := a.keyAt(a.pushed)
		raw := flow.Raw{Key: fmt.Append(nil, key), Value: fmt.Append(nil, a.pushed), Time: at, Offset: a.pushed}
		if _, err := a.task.Push(asked, []flow.Raw{raw}); err != nil {
			return err
		}
	}
	a.task.SetEnd(asked, int64(a.fed))
	_, err := a.task.Step(a.now, n)
	return a.checked(err)
}

// checked looks at the calls that run.
func (a *asking) checked(err error) error {
	if n := len(a.calls.running); n > a.how.AtOnce {
		a.faultf("%d calls run at once", n)
	}
	return err
}

func (a *asking) finish() error {
	_, err := a.task.Finish(a.now)
	return a.checked(err)
}

func (a *asking) advance(by int64) error {
	a.now += by
	return a.checked(a.task.Punctuate(a.now))
}

// commit commits up to a point: nothing is durable, all but the offsets are, all but the engine is, all is; or, without transactions, all but the offsets.
func (a *asking) commit(upTo int) error {
	if !a.task.CommitNeeded() {
		return nil
	}
	offsets, err := a.task.PrepareCommit()
	if err != nil || upTo == 0 {
		return err
	}
	if !a.atomic || upTo > 1 {
		a.durable.out, a.durable.log = len(a.out), len(a.log)
	}
	if upTo == 1 {
		return nil
	}
	if o, ok := offsets[asked]; ok && (a.atomic || upTo != applied) {
		a.next = o.Next
	}
	if upTo == 2 || a.atomic && upTo == applied {
		return nil
	}
	return a.task.Committed(map[string]int64{a.spec.Name: int64(len(a.log))})
}

// applied is how far a commit may come without transactions: the offsets are its last step.
const applied = 4

// crash loses what is not durable: all of it, or, without transactions, what keepOut and keepLog do not keep. Without disk the rows are gone.
func (a *asking) crash(keepOut, keepLog int, disk bool) error {
	if a.atomic {
		keepOut, keepLog = 0, 0
	}
	a.out = a.out[:min(len(a.out), a.durable.out+keepOut)]
	a.log = a.log[:min(len(a.log), a.durable.log+keepLog)]
	return a.again(disk)
}

func (a *asking) again(disk bool) error {
	if err := a.task.Close(); err != nil {
		return err
	}
	if !disk {
		a.disk.Remove("0_0")
	}
	return a.begin()
}

// restart stops cleanly.
func (a *asking) restart(disk bool) error {
	for range 2 {
		if err := a.commit(3); err != nil {
			return err
		}
	}
	return a.again(disk)
}

// drain ends all calls, until none is left.
func (a *asking) drain() error {
	for idle := 0; idle < 3; idle++ {
		if err := errors.Join(a.step(math.MaxInt), a.advance(10_000), a.commit(3)); err != nil {
			return err
		}
		for len(a.calls.running) > 0 {
			idle = 0
			a.calls.end(len(a.calls.running) - 1)
			if err := a.finish(); err != nil {
				return err
			}
		}
	}
	return nil
}

// judged says what is wrong with the results.
func (a *asking) judged() error {
	type lane struct{ life, key int }
	seen, last, first := map[int]int{}, map[lane]int{}, map[int]int{}
	for i, r := range a.out {
		at := lane{r.life, r.key}
		if before, ok := last[at]; ok && before >= r.value {
			a.faultf("result %d: %d of key %d comes after %d in life %d", i, r.value, r.key, before, r.life)
		}
		last[at] = r.value
		if seen[r.value]++; seen[r.value] > 1 {
			if a.atomic {
				a.faultf("result %d: %d comes again", i, r.value)
			}
			continue
		}
		if before, ok := first[r.key]; ok && before > r.value {
			a.faultf("result %d: %d of key %d comes for the first time after %d", i, r.value, r.key, before)
		}
		first[r.key] = r.value
	}
	for v := range a.fed {
		if seen[v] == 0 {
			a.faultf("%d has no result", v)
		}
	}
	if n := a.left(); n > 0 {
		a.faultf("%d rows are left", n)
	}
	return errors.Join(a.faults...)
}

// left is how many rows a restore from the changelog would bring.
func (a *asking) left() int {
	left := map[string]bool{}
	for _, r := range a.log {
		if left[string(r.Key)] = true; r.Value == nil {
			delete(left, string(r.Key))
		}
	}
	return len(left)
}

// askingOp is one step of the random test.
type askingOp struct {
	Kind string
	N, M int
	Disk bool
}

func askingOps(atLeast int) *rapid.Generator[[]askingOp] {
	kinds := strings.Fields("push push step step step step end end end end end finish finish advance advance commit commit commit crash broken restart")
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) askingOp {
		return askingOp{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 9).Draw(t, "n"), rapid.IntRange(0, 9).Draw(t, "m"), rapid.Bool().Draw(t, "disk")}
	}), atLeast, 150)
}

func (a *asking) do(op askingOp) error {
	switch op.Kind {
	case "push":
		return a.push(op.N)
	case "step":
		return a.step(op.N)
	case "end":
		if len(a.calls.running) > 0 {
			a.calls.end(op.N % len(a.calls.running))
		}
		return nil
	case "finish":
		return a.finish()
	case "advance":
		return a.advance(int64(op.N) * 500)
	case "commit":
		return a.commit(3)
	case "broken":
		return errors.Join(a.commit([...]int{0, 1, 2, applied}[op.N%4]), a.crash(op.M, op.N, op.Disk))
	case "crash":
		return a.crash(op.N, op.M, op.Disk)
	}
	return a.restart(op.Disk)
}

// run does all of it, and says what is wrong.
func (a *asking) run(ops []askingOp) error {
	if err := a.begin(); err != nil {
		return err
	}
	for i, op := range ops {
		if err := a.do(op); err != nil {
			return fmt.Errorf("op %d, %+v: %w", i, op, err)
		}
	}
	if err := errors.Join(a.last(), a.drain()); err != nil {
		return err
	}
	return a.judge()
}

// No result is lost, none is out of order, and with transactions none comes twice, whatever ends when and crashes where.
func TestAskingAgainstModel(t *testing.T) {
	for _, atomic := range []bool{false, true} {
		t.Run(map[bool]string{false: "at least once", true: "exactly once"}[atomic], func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a := newAsking(atomic)
				a.keys = rapid.SampledFrom([]int{1, 3, 50}).Draw(t, "keys")
				if err := a.run(askingOps(rapid.SampledFrom([]int{0, 80}).Draw(t, "length")).Draw(t, "ops")); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// The model sees what is wrong.
func TestAskingModelComplains(t *testing.T) {
	for name, c := range map[string]struct {
		atomic bool
		broken func(*asking)
	}{
		"deletes rows before results are durable": {false, func(a *asking) { a.claims = true }},
		"deletes rows a commit late":              {true, func(a *asking) { a.claims = false }},
		"takes up what comes again":               {false, func(a *asking) { a.start = func(int64) int64 { return math.MaxInt64 } }},
		"forgets what has begun":                  {true, func(a *asking) { a.start = func(int64) int64 { return 0 } }},
		"keeps no order":                          {true, func(a *asking) { a.how.Unordered = true }},
		"has no changelog":                        {true, func(a *asking) { a.spec.Logged = false }},
	} {
		caught := false
		for seed := 0; seed < 300 && !caught; seed++ {
			a := newAsking(c.atomic)
			c.broken(a)
			caught = a.run(askingOps(80).Example(seed)) != nil
		}
		if !caught {
			t.Errorf("nobody saw that the task %s", name)
		}
	}
}

// A call that does not end holds up its key alone; commits go on, and offsets pass it. With as many records open as may be, no more are taken.
func TestASlowCallHoldsUpItsKeyAlone(t *testing.T) {
	a := newAsking(true)
	a.quick = true
	if err := a.begin(); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.push(1500))
	must(a.step(1500))
	slow := a.calls.running[0] // of key 0
	for range 5000 {
		if len(a.calls.running) > 1 {
			a.calls.end(1)
		}
		must(a.finish())
		must(a.step(1))
	}
	must(a.commit(3))
	counts := map[int]int{}
	for _, r := range a.out {
		counts[r.key]++
	}
	if len(a.calls.running) != 1 || a.calls.running[0] != slow || counts[0] != 0 || counts[1] != 500 || counts[2] != 500 || a.next != 1500 {
		t.Fatalf("%d calls run, results by key %v, %d are committed", len(a.calls.running), counts, a.next)
	}
	must(a.push(3000))
	for range 5000 {
		must(a.step(10))
		if len(a.calls.running) > 1 {
			a.calls.end(1)
		}
	}
	if open := a.stats.Open.Load(); open != 1024 || a.task.Status().Inputs[0].Records == 0 {
		t.Errorf("%d records are open, %d wait before the node", open, a.task.Status().Inputs[0].Records)
	}
	must(a.drain())
	if err := a.judge(); err != nil || a.stats.Open.Load() != 0 {
		t.Errorf("%d records are open; %v", a.stats.Open.Load(), err)
	}
}

// Records that are held open are bounded by their bytes too, where there is one for every call and another; what is beyond waits before the node, and
// comes when there is room.
func TestBytesThatAreHeldOpen(t *testing.T) {
	for name, c := range map[string]struct{ size, open int64 }{
		"small": {10, 100}, "large": {100 << 10, 41}, "larger": {900 << 10, 6},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsking(true)
			a.quick = true
			a.how.Unordered = true
			if err := a.begin(); err != nil {
				t.Fatal(err)
			}
			var recs []flow.Raw
			for i := range int64(100) {
				recs = append(recs, flow.Raw{Offset: i, Key: []byte("1"), Value: fmt.Appendf(nil, "%0*d", c.size, i)})
			}
			if _, err := a.task.Push(asked, recs); err != nil {
				t.Fatal(err)
			}
			a.task.SetEnd(asked, 100)
			step := func() (open, waiting int64) {
				for range 100 {
					if _, err := a.task.Step(0, 100); err != nil {
						t.Fatal(err)
					}
				}
				return a.stats.Open.Load(), int64(a.task.Status().Inputs[0].Records)
			}
			for left := int64(100); left > 0; left-- {
				if open, waiting := step(); open != min(c.open, left) || open+waiting != left {
					t.Fatalf("%d records are open, %d wait before the node, with %d left", open, waiting, left)
				}
				a.calls.end(0)
				if _, err := a.task.Finish(0); err != nil {
					t.Fatal(err)
				}
			}
			if open, waiting := step(); open+waiting != 0 {
				t.Errorf("%d records are open, %d wait at the end", open, waiting)
			}
		})
	}
}

// A record that is asked about costs nothing beyond its call.
func TestAskingAllocates(t *testing.T) {
	a := newAsking(true)
	a.quick = true
	if err := a.begin(); err != nil {
		t.Fatal(err)
	}
	ended := make([]flow.Call, 0, 1)
	a.calls.ended = ended
	raw := flow.Raw{Key: []byte("1"), Value: []byte("1")}
	one := func() {
		raw.Offset++
		if _, err := a.task.Push(asked, []flow.Raw{raw}); err != nil {
			t.Fatal(err)
		}
		a.task.SetEnd(asked, raw.Offset+1)
		if _, err := a.task.Step(0, 1); err != nil {
			t.Fatal(err)
		}
		a.calls.end(0)
		if _, err := a.task.Finish(0); err != nil {
			t.Fatal(err)
		}
		a.out, a.calls.ended = a.out[:0], ended
	}
	one()
	if n := testing.AllocsPerRun(1000, one); n > 2 { // key and value, decoded
		t.Errorf("%v allocations", n)
	}
}
