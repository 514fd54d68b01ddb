package task_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/processor"
)

// idling is a task with operators that close after 10 and 20 ms, and what they closed at which step.
func idling(t *testing.T, did *bool, closed *[]string) *task.Task {
	c := bare(t, func(env *flow.Env) flow.Receiver[[]byte, []byte] {
		for _, op := range []struct {
			name  string
			after int64
		}{{"below", 10}, {"above", 20}} { // as nodes are made: children first
			n := flow.NewNode(env, op.name, nil, nil)
			env.OnIdle(n, op.after, func() (bool, error) {
				*closed = append(*closed, op.name)
				return *did, nil
			})
		}
		if env.OnIdle(flow.NewNode(env, "never", nil, nil), 0, nil) || env.OnIdle(flow.NewNode(env, "as the app", nil, nil), -1, nil) {
			t.Error("what never closes is taken")
		}
		return func(processor.Record[[]byte, []byte]) error { return nil }
	})
	made := started(t, c)
	t.Cleanup(func() { _ = made.Close() })
	return made
}

// TestSilenceIsConfirmed has a task close only what was silent for long enough when the ends were asked for, and where they are where it stands.
func TestSilenceIsConfirmed(t *testing.T) {
	did := true
	var closed []string
	made := idling(t, &did, &closed)
	in := flow.TopicPartition{Topic: "t"}
	at := func(now int64, wantsEnds bool, want ...string) {
		t.Helper()
		closed = nil
		if _, err := made.Step(now, 10); err != nil {
			t.Fatal(err)
		}
		any, err := made.CloseIdle(now)
		if err != nil || any != (len(want) > 0 && did) {
			t.Fatalf("at %d: closed %v, %v", now, any, err)
		}
		if !slices.Equal(closed, want) || made.WantsEnds(now) != wantsEnds {
			t.Fatalf("at %d: closed %q, want %q; asks for ends: %v", now, closed, want, made.WantsEnds(now))
		}
	}
	wake := func(want string) {
		t.Helper()
		if next, ok := made.Wake(); fmt.Sprint(next, ok) != want {
			t.Fatalf("wake %d %v, want %s", next, ok, want)
		}
	}
	at(0, false) // the end is not known
	made.SetEnd(in, 0)
	at(100, false)
	wake("110 true")
	at(109, false)
	at(110, true)
	made.Confirm(109, map[flow.TopicPartition]int64{in: 0}) // asked for too early
	at(111, true)
	made.Confirm(111, nil) // no answer about it
	at(112, true)
	wake("0 false") // it waits for an answer, not for a time
	made.Confirm(112, map[flow.TopicPartition]int64{in: 0})
	at(113, false, "below")
	wake("120 true")
	at(120, true)
	made.Confirm(120, map[flow.TopicPartition]int64{in: 0})
	at(121, false, "above", "below") // what is above has sent something to what is below
	at(500, false)
	if !made.CommitNeeded() {
		t.Error("what was closed needs no commit")
	}
	if _, err := made.Push(in, []flow.Raw{{Offset: 0, Key: []byte("k"), Value: []byte("v")}}); err != nil {
		t.Fatal(err)
	}
	at(600, false) // the silence is over, and the next has begun
	at(700, true)
	made.Confirm(700, map[flow.TopicPartition]int64{in: 2}) // something is there that was not fetched
	at(701, false)
	made.SetPosition(in, 2)
	at(800, false)
	did = false
	at(900, true)
	made.Confirm(900, map[flow.TopicPartition]int64{in: 2})
	at(900, false, "above", "below")
}
