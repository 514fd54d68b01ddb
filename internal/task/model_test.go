package task_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/offsetmeta"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
	"pgregory.net/rapid"
)

// The order of ties is that of this list: source by source.
var modelInputs = []flow.TopicPartition{{Topic: "b", Partition: 0}, {Topic: "b", Partition: 1}, {Topic: "a", Partition: 0}}

// modelOp is one step of the random test.
type modelOp struct {
	Kind  string // push, control, skip, end, step, advance, commit, restart
	Input int
	Time  int64
	N     int64
}

func modelOps(atLeast int) *rapid.Generator[[]modelOp] {
	kinds := []string{"push", "push", "push", "push", "control", "skip", "end", "end", "step", "step", "step", "advance", "commit", "restart"}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) modelOp {
		return modelOp{
			Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Input: rapid.IntRange(0, len(modelInputs)-1).Draw(t, "input"),
			Time: rapid.Int64Range(0, 20).Draw(t, "time"), N: rapid.Int64Range(0, 4).Draw(t, "n"),
		}
	}), atLeast, 150)
}

// runner is what the check drives: a task, or a broken one.
type runner interface {
	Push(flow.TopicPartition, []flow.Raw) (bool, error)
	SetEnd(flow.TopicPartition, int64)
	Step(now int64, max int) (int, error)
	PrepareCommit() (map[flow.TopicPartition]task.Offset, error)
	Committed(map[string]int64) error
	Abandon() error
}

// seen is one record as it ran, with the stream time that its node saw.
type seen struct {
	p          flow.TopicPartition
	offset, at int64
	streamTime int64
}

// modelPartition is the dumb model of one input: every record ever pushed, where it stands, what was committed.
type modelPartition struct {
	log                  []flow.Raw // by offset; gaps have Offset −1
	start, next, end     int64
	until                int64
	time                 int64
	committed, timeAtCmt int64
	cameFrom             int64 // the first offset that was pushed in this life, −1 for none
}

// settled is the position: past control records and gaps.
func (p *modelPartition) head() (flow.Raw, bool) {
	for ; p.next < int64(len(p.log)); p.next++ {
		if r := p.log[p.next]; r.Offset >= 0 && !r.Control {
			return r, true
		}
	}
	return flow.Raw{}, false
}

type model struct {
	parts   []*modelPartition
	now     int64
	maxIdle int64
	stream  int64
}

// next is the input whose record runs, −1 when the task waits: written down as the rule is spoken.
func (m *model) next() int {
	best, waits := -1, false
	for i, p := range m.parts {
		if r, ok := p.head(); ok {
			p.until = -1
			if h, _ := m.headOf(best); best < 0 || r.Time < h.Time {
				best = i
			}
			continue
		}
		if m.maxIdle < 0 {
			continue
		}
		if p.end < 0 || p.end > int64(len(p.log)) {
			p.until, waits = -1, true
			continue
		}
		if p.until < 0 {
			p.until = m.now + m.maxIdle
		}
		waits = waits || m.now < p.until
	}
	if waits {
		return -1
	}
	return best
}

func (m *model) headOf(i int) (flow.Raw, bool) {
	if i < 0 {
		return flow.Raw{}, false
	}
	return m.parts[i].head()
}

func (m *model) run(max int64) (all []seen) {
	for range max {
		i := m.next()
		if i < 0 {
			break
		}
		p := m.parts[i]
		r, _ := p.head()
		m.stream, p.time = maxOf(m.stream, r.Time), maxOf(p.time, r.Time)
		all = append(all, seen{modelInputs[i], r.Offset, r.Time, m.stream})
		p.next++
	}
	return all
}

func maxOf(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

// commit is what must be committed: of each input that moved, the head's offset or what follows all that came.
func (m *model) commit() map[flow.TopicPartition]string {
	all := map[flow.TopicPartition]string{}
	for i, p := range m.parts {
		position := int64(len(p.log))
		if r, ok := p.head(); ok {
			position = r.Offset
		}
		if p.cameFrom < 0 || position == p.cameFrom || position == p.committed {
			continue
		}
		p.committed, p.timeAtCmt = position, p.time
		all[modelInputs[i]] = fmt.Sprintf("%d time %d", position, p.time)
	}
	return all
}

// restart goes back to what was committed.
func (m *model) restart() {
	m.stream = -1
	for _, p := range m.parts {
		p.log, p.start, p.end, p.until, p.cameFrom = p.log[:p.committed], p.committed, -1, -1, -1
		p.next, p.time = p.committed, p.timeAtCmt
		m.stream = maxOf(m.stream, p.time)
	}
}

// modelTask is a task that notes what runs.
func modelTask(maxIdle, now int64, ran *[]seen, committed map[flow.TopicPartition]task.Offset) (*task.Task, error) {
	receiver := reflect.TypeFor[flow.Receiver[[]byte, []byte]]()
	g := topology.NewGraph()
	outs := map[string]reflect.Type{"": receiver}
	sink := &topology.Node{Name: "see", Kind: topology.Processor, In: receiver, Make: func(env *flow.Env, _ []flow.Link) (any, error) {
		return flow.Receiver[[]byte, []byte](func(r processor.Record[[]byte, []byte]) error {
			p := flow.TopicPartition{Topic: env.Origin.Topic, Partition: env.Origin.Partition}
			*ran = append(*ran, seen{p, env.Origin.Offset, r.Time.UnixMilli(), env.StreamTime})
			return nil
		}), nil
	}}
	for _, name := range []string{"b", "a"} {
		n := &topology.Node{Name: name, Kind: topology.Source, Topics: []topology.Topic{{Name: name}}, Outs: outs}
		n.Make = func(env *flow.Env, links []flow.Link) (any, error) {
			to, err := flow.Children[[]byte, []byte](links)
			return flow.NewSource(flow.NewNode(env, name, nil, nil), flow.Decoder[[]byte, []byte]{Key: serde.Bytes(), Value: serde.Bytes()}, to), err
		}
		g.Add(n)
		sink.Parents = append(sink.Parents, topology.Parent{Node: n})
	}
	g.Add(sink)
	top, err := g.Build()
	if err != nil {
		return nil, err
	}
	c := task.Config{App: "app", Name: "0_0", Sub: top.Subs()[0], Stats: &flow.Stats{}, MaxIdle: maxIdle, Now: now}
	if c.Stores, err = emptySet(); err != nil {
		return nil, err
	}
	for i := len(modelInputs) - 1; i >= 0; i-- { // the order of inputs must not matter
		p := modelInputs[i]
		c.Inputs = append(c.Inputs, task.Input{TopicPartition: p, Start: committed[p].Next, Metadata: committed[p].Metadata})
	}
	return task.New(c)
}

// checkTask runs operations on a task and on the model, and returns the first difference. wrap may break the task.
func checkTask(maxIdle int64, ops []modelOp, wrap func(runner) runner) error {
	var ran []seen
	committed := map[flow.TopicPartition]task.Offset{}
	made, err := modelTask(maxIdle, 0, &ran, committed)
	if err != nil {
		return err
	}
	t := wrap(made)
	m := &model{maxIdle: maxIdle, stream: -1}
	for range modelInputs {
		m.parts = append(m.parts, &modelPartition{end: -1, until: -1, time: -1, timeAtCmt: -1, cameFrom: -1})
	}
	for i, op := range ops {
		p, id := m.parts[op.Input], modelInputs[op.Input]
		switch op.Kind {
		case "push", "control":
			r := flow.Raw{Offset: int64(len(p.log)), Time: op.Time, Control: op.Kind == "control"}
			if p.cameFrom < 0 {
				p.cameFrom = r.Offset
			}
			p.log = append(p.log, r)
			if _, err := t.Push(id, []flow.Raw{r}); err != nil {
				return err
			}
		case "skip": // compaction leaves gaps, which a later record shows
			p.log = append(p.log, flow.Raw{Offset: -1}, flow.Raw{Offset: int64(len(p.log)) + 1, Time: op.Time})
			if p.cameFrom < 0 {
				p.cameFrom = int64(len(p.log)) - 1
			}
			if _, err := t.Push(id, p.log[len(p.log)-1:]); err != nil {
				return err
			}
		case "end":
			p.end = maxOf(p.end, int64(len(p.log))+op.N/4)
			t.SetEnd(id, p.end)
		case "advance":
			m.now += op.N
		case "step":
			ran = nil
			if _, err := t.Step(m.now, int(op.N)); err != nil {
				return err
			}
			if want := m.run(op.N); !reflect.DeepEqual(ran, want) {
				return fmt.Errorf("op %d: step ran %v, want %v", i, ran, want)
			}
		case "commit", "restart":
			got, err := t.PrepareCommit()
			if err != nil {
				return err
			}
			if err := sameOffsets(got, m.commit()); err != nil {
				return fmt.Errorf("op %d: commit: %w", i, err)
			}
			for p, o := range got {
				committed[p] = o
			}
			if err := t.Committed(nil); err != nil {
				return err
			}
			if op.Kind == "commit" || op.N > 0 { // ends are unknown after a restart: not too often
				continue
			}
			if err := t.Abandon(); err != nil {
				return err
			}
			if made, err = modelTask(maxIdle, m.now, &ran, committed); err != nil {
				return err
			}
			m.restart()
			t = wrap(made)
		}
	}
	return nil
}

func sameOffsets(got map[flow.TopicPartition]task.Offset, want map[flow.TopicPartition]string) error {
	texts := map[flow.TopicPartition]string{}
	for p, o := range got {
		m, err := offsetmeta.Decode(o.Metadata)
		if err != nil {
			return err
		}
		texts[p] = fmt.Sprintf("%d time %d", o.Next, m.PartitionTime)
	}
	if !reflect.DeepEqual(texts, want) {
		return fmt.Errorf("%v, want %v", texts, want)
	}
	return nil
}

func emptySet() (*store.Set, error) { return newStores().open() }

func TestTaskAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxIdle := rapid.SampledFrom([]int64{-1, 0, 3}).Draw(t, "idle")
		if err := checkTask(maxIdle, modelOps(rapid.SampledFrom([]int{0, 60}).Draw(t, "length")).Draw(t, "ops"), func(r runner) runner { return r }); err != nil {
			t.Fatal(err)
		}
	})
}

type losesControls struct{ runner }

func (b losesControls) Push(p flow.TopicPartition, recs []flow.Raw) (bool, error) {
	if recs[0].Control {
		return false, nil
	}
	return b.runner.Push(p, recs)
}

type mixesTimes struct{ runner }

func (b mixesTimes) Push(p flow.TopicPartition, recs []flow.Raw) (bool, error) {
	recs = append([]flow.Raw(nil), recs...)
	recs[0].Time++
	return b.runner.Push(p, recs)
}

type neverWaits struct{ runner }

func (b neverWaits) Step(now int64, max int) (int, error) {
	for _, p := range modelInputs {
		b.SetEnd(p, 0)
	}
	return b.runner.Step(now, max)
}

type clockFast struct{ runner }

func (b clockFast) Step(now int64, max int) (int, error) { return b.runner.Step(10*now, max) }

type commitsLess struct{ runner }

func (b commitsLess) PrepareCommit() (map[flow.TopicPartition]task.Offset, error) {
	all, err := b.runner.PrepareCommit()
	for p, o := range all {
		o.Next--
		all[p] = o
	}
	return all, err
}

// TestTaskModelComplains shows broken tasks to the check.
func TestTaskModelComplains(t *testing.T) {
	for name, wrap := range map[string]func(runner) runner{
		"loses control records": func(r runner) runner { return losesControls{r} },
		"mixes times":           func(r runner) runner { return mixesTimes{r} },
		"never waits":           func(r runner) runner { return neverWaits{r} },
		"has a fast clock":      func(r runner) runner { return clockFast{r} },
		"commits too little":    func(r runner) runner { return commitsLess{r} },
	} {
		caught := false
		for seed := range 60 {
			caught = caught || checkTask(3, modelOps(100).Example(seed), wrap) != nil
		}
		if !caught {
			t.Errorf("nobody saw that the task %s", name)
		}
	}
}
