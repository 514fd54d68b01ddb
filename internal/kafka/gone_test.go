package kafka

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/internal/assign"
)

// What was to be read since the beginning is read after a rewind too, though the policy would begin elsewhere by now.
func TestRewindBeginsWhereItBegan(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in", 0, "a", "b", "c")
	w := newTester(t, set, 0, "in", func(w *tester, _ *GroupConfig) { w.reset = ResetLatest() }).withProducer(0)
	tp := TP{Topic: "in"}
	w.untilStarted(1)
	produce(t, set, "in", 0, "d", "e")
	w.until("d and e", func() bool { return len(w.records) == 2 })
	w.g.Rewind(tp)
	w.until("d and e again", func() bool { return len(w.records) == 4 })
	if s := w.started[tp]; s.Offset != 3 || !s.Reset || s.End != 5 {
		t.Errorf("started %v", s)
	}
	if err := dial(t, set).DeleteRecords(testContext(t), map[TP]int64{tp: 4}); err != nil {
		t.Fatal(err)
	}
	w.g.Rewind(tp)
	w.until("the third start", func() bool { return w.starts == 3 })
	if s := w.started[tp]; s.Offset != 5 {
		t.Errorf("where it began is gone, and it started %v", s)
	}
}

// overPattern makes a tester read all topics in-.*, each a task.
func overPattern(_ *tester, cfg *GroupConfig) {
	cfg.Topics, cfg.Pattern = nil, regexp.MustCompile("in-.*")
	cfg.Planner = func(j Joined) (Work, error) {
		var work Work
		for topic, n := range j.Partitions {
			for p := range n {
				id := assign.TaskID{Sub: int32(topic[len(topic)-1]), Partition: p}
				work.Tasks = append(work.Tasks, assign.Task{ID: id, Sources: []TP{{Topic: topic, Partition: p}}})
			}
		}
		return work, nil
	}
}

func remake(t *testing.T, c *kfake.Cluster, topic string) {
	t.Helper()
	if err := c.DeleteTopic(topic); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateTopic(topic, 1, nil); err != nil {
		t.Fatal(err)
	}
}

// A topic that was deleted and made again is not read until the client is told to forget the old one.
func TestForgottenTopicIsReadAnew(t *testing.T) {
	c := seeded(t, 1, "in-a", "in-b")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in-b", 0, "old")
	w := newTester(t, set, 0, "in-a", overPattern)
	w.until("the old one", func() bool { return len(w.records) == 1 })
	remake(t, c, "in-b")
	produce(t, set, "in-b", 0, "new", "newer")
	w.until("that it is gone", func() bool {
		return slices.ContainsFunc(w.fetched, func(f Fetched) bool { return f.Gone() && f.TP == TP{Topic: "in-b"} })
	})
	if !w.g.Forget("in-b") || w.g.Forget("in-b") {
		t.Error("forgotten never, or twice")
	}
	w.until("the new ones", func() bool { return len(w.records) == 3 })
	if w.records[1].Offset != 0 || string(w.records[1].Value) != "new" {
		t.Errorf("went on with %v", w.records[1])
	}
	if w.g.Forget("other") {
		t.Error("forgot what it does not have")
	}
	if n := len(w.started); n != 2 {
		t.Errorf("%d partitions", n)
	}
}

// A commit leaves out a topic that is deleted, or another by now, and goes on with the rest.
func TestDeletedTopicIsLeftOut(t *testing.T) {
	for _, eos := range []bool{false, true} {
		for name, lose := range map[string]func(*testing.T, *kfake.Cluster){
			"deleted": func(t *testing.T, c *kfake.Cluster) {
				if err := c.DeleteTopic("in-b"); err != nil {
					t.Fatal(err)
				}
			},
			"made again": func(t *testing.T, c *kfake.Cluster) { remake(t, c, "in-b") },
		} {
			t.Run(fmt.Sprint(name, ", exactly once ", eos), func(t *testing.T) {
				t.Parallel()
				c := seeded(t, 1, "in-a", "in-b", "out")
				set := settingsFor("app", eos, c.ListenAddrs()...)
				w := newTester(t, set, 0, "in-a", overPattern).withProducer(0)
				w.untilStarted(2)
				mustSend(t, w.p, NewDest(nil), Out{Topic: "out", Value: []byte("x")})
				lose(t, c)
				if out, err := w.commit(7); out != OffsetsCommitted || err != nil {
					t.Errorf("%v, %v", out, err)
				}
				at, err := dial(t, set).CommittedOffsets(testContext(t), "app", TP{Topic: "in-a"})
				if err != nil || at[TP{Topic: "in-a"}].Offset != 7 {
					t.Errorf("committed %v, %v", at, err)
				}
				if got := readCommittedValues(t, set, "out", 0); !slices.Equal(got, []string{"x"}) {
					t.Errorf("out has %q", got)
				}
			})
		}
	}
}
