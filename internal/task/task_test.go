package task_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/topology"
)

// bare is the configuration of a task whose one source hands raw records to a receiver that make builds.
func bare(t *testing.T, make func(env *flow.Env) flow.Receiver[[]byte, []byte]) task.Config {
	t.Helper()
	receiver := reflect.TypeFor[flow.Receiver[[]byte, []byte]]()
	in := &topology.Node{Name: "in", Kind: topology.Source, Topics: []topology.Topic{{Name: "t"}}, Outs: map[string]reflect.Type{"": receiver},
		Make: func(env *flow.Env, links []flow.Link) (any, error) {
			to, err := flow.Children[[]byte, []byte](links)
			return flow.NewSource(flow.NewNode(env, "in", nil, nil), flow.Decoder[[]byte, []byte]{Key: serde.Bytes(), Value: serde.Bytes()}, to), err
		}}
	end := &topology.Node{Name: "end", Kind: topology.Processor, In: receiver, Parents: []topology.Parent{{Node: in}},
		Make: func(env *flow.Env, _ []flow.Link) (any, error) { return make(env), nil }}
	s := newStores()
	s.kind = "plain"
	g := topology.NewGraph()
	for _, st := range s.declared() {
		g.AddStore(st)
		end.Stores = append(end.Stores, st.Name)
	}
	g.Add(in)
	g.Add(end)
	top, err := g.Build()
	if err != nil {
		t.Fatal(err)
	}
	set, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	return task.Config{App: "app", Name: "0_0", Sub: top.Subs()[0], Stores: set, Stats: &flow.Stats{}, Out: newWorld(), MaxIdle: -1,
		Inputs: []task.Input{{TopicPartition: flow.TopicPartition{Topic: "t"}}}}
}

func started(t *testing.T, c task.Config, recs ...flow.Raw) *task.Task {
	t.Helper()
	made, err := task.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) > 0 {
		if _, err := made.Push(c.Inputs[0].TopicPartition, recs); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// TestInnerPanicIsAnError has code below the nodes' boundaries panic: the task names the source and the record.
func TestInnerPanicIsAnError(t *testing.T) {
	c := bare(t, func(*flow.Env) flow.Receiver[[]byte, []byte] {
		return func(processor.Record[[]byte, []byte]) error { panic("an invariant is broken") }
	})
	_, err := started(t, c, flow.Raw{Offset: 5}).Step(0, 1)
	want := `task 0_0: processing: node "in": topic "t", partition 0, offset 5: panic: an invariant is broken`
	var p *flow.PanicError
	if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(err, &p) {
		t.Errorf("step: %v\nwant %s", err, want)
	}
}

func TestCloseCancelsAndCatches(t *testing.T) {
	var ctx context.Context
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		ctx = env.Context
		env.OnClose(func() error { panic("a closer breaks") })
		return func(processor.Record[[]byte, []byte]) error { return nil }
	})
	made := started(t, c)
	if ctx.Err() != nil {
		t.Error("the context is cancelled from the start")
	}
	if err := made.Close(); err == nil || !strings.HasPrefix(err.Error(), "task 0_0: panic: a closer breaks") {
		t.Errorf("close: %v", err)
	}
	if ctx.Err() == nil {
		t.Error("the context of a closed task is not cancelled")
	}
	if err := made.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestFailedStartCloses(t *testing.T) {
	closed := 0
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		env.OnClose(func() error { closed++; return errors.New("close fails") })
		return func(processor.Record[[]byte, []byte]) error { return nil }
	})
	c.Inputs = append(c.Inputs, task.Input{TopicPartition: flow.TopicPartition{Topic: "other"}})
	_, err := task.New(c)
	if err == nil || !strings.Contains(err.Error(), `task 0_0: no source reads topic "other"`) || !strings.Contains(err.Error(), "close fails") || closed != 1 {
		t.Errorf("start: %v, %d closed", err, closed)
	}
	c.Inputs[1] = c.Inputs[0]
	if _, err = task.New(c); err == nil || err.Error() != "task 0_0: input t-0 is given twice" {
		t.Errorf("start: %v", err)
	}
}

// TestForeignMetadata has offsets that someone else committed: nothing is known from them.
func TestForeignMetadata(t *testing.T) {
	c := bare(t, func(*flow.Env) flow.Receiver[[]byte, []byte] {
		return func(processor.Record[[]byte, []byte]) error { return nil }
	})
	c.Inputs[0].Metadata = "somebody's note"
	if s := started(t, c).Status(); s.StreamTime != -1 {
		t.Errorf("stream time %d, want none", s.StreamTime)
	}
}

func TestLargeWritesWantACommit(t *testing.T) {
	var counts *countStore
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		f, _ := env.Stores.Store("counts")
		counts = f.(*countStore)
		return func(r processor.Record[[]byte, []byte]) error {
			return counts.host.Set(r.Key, make([]byte, task.PendingLimit/2))
		}
	})
	made := started(t, c, flow.Raw{Key: []byte("a")}, flow.Raw{Key: []byte("b"), Offset: 1})
	for _, want := range []bool{false, true} {
		if _, err := made.Step(0, 1); err != nil {
			t.Fatal(err)
		}
		if made.CommitWanted() != want {
			t.Errorf("commit wanted: %v", !want)
		}
	}
}

// TestExpiredPutsAreCounted counts them at the node that uses the store.
func TestExpiredPutsAreCounted(t *testing.T) {
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		f, _ := env.Stores.Store("counts")
		return func(processor.Record[[]byte, []byte]) error { f.(*countStore).host.Expired(); return nil }
	})
	if _, err := started(t, c, flow.Raw{}).Step(0, 1); err != nil {
		t.Fatal(err)
	}
	if n := c.Stats.Dropped()["end"]["expired"]; n != 1 || c.Stats.Records.Load() != 1 {
		t.Errorf("%d expired of %d records", n, c.Stats.Records.Load())
	}
}

// TestSwallowedChangelogError has user code drop the error of a put.
func TestSwallowedChangelogError(t *testing.T) {
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		f, _ := env.Stores.Store("counts")
		return func(processor.Record[[]byte, []byte]) error { _ = f.(*countStore).add("k", 1); return nil }
	})
	c.OnError = func(context.Context, *processor.RecordError) processor.Decision { return processor.Skip() }
	c.Out.(*world).refuse = true
	_, err := started(t, c, flow.Raw{Offset: 3}).Step(0, 1)
	want := `task 0_0: producing: node "end": topic "t", partition 0, offset 3: changelog of store "counts": the way out is closed`
	if err == nil || err.Error() != want {
		t.Errorf("step: %v\nwant %s", err, want)
	}
}

func TestChangelogsOfATask(t *testing.T) {
	c := bare(t, func(*flow.Env) flow.Receiver[[]byte, []byte] {
		return func(processor.Record[[]byte, []byte]) error { return nil }
	})
	made := started(t, c)
	all := made.Changelogs()
	if len(all) != 1 || all[0].Topic != "app-counts-changelog" || all[0].Store != "counts" || !all[0].Changelog || made.Stores() != c.Stores {
		t.Fatalf("changelogs %+v", all)
	}
	if err := all[0].Node.Refused(all[0], flow.Origin{}, nil, nil, errors.New("too large")); err == nil {
		t.Error("what a changelog refuses is not fatal")
	}
}
