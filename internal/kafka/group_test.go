package kafka

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/weirstream/weir/internal/assign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func seeded(t testing.TB, partitions int32, topics ...string) *kfake.Cluster {
	t.Helper()
	return fakeCluster(t, kfake.SeedTopics(partitions, topics...))
}

func TestOneMemberGetsAllAndReads(t *testing.T) {
	c := seeded(t, 3, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in", 1, "a", "b")
	w := newTester(t, set, 0, "in")
	w.until("two records", func() bool { return len(w.records) == 2 })
	want := []TP{{Topic: "in", Partition: 0}, {Topic: "in", Partition: 1}, {Topic: "in", Partition: 2}}
	if diff := cmp.Diff(want, w.has()); diff != "" {
		t.Errorf("owned:\n%s", diff)
	}
	if diff := cmp.Diff(want, w.g.Owned()); diff != "" {
		t.Errorf("owned, says the group:\n%s", diff)
	}
	if id, _ := w.g.cl.GroupMetadata(); w.plan.Member != id || w.g.Member() != id || w.plan.Generation <= 0 {
		t.Errorf("plan of %q generation %d, client is %q", w.plan.Member, w.plan.Generation, id)
	}
	if len(w.plan.Active) != 3 {
		t.Errorf("active tasks in the plan: %v", w.plan.Active)
	}
	if s := w.started[want[1]]; s.Offset != 0 || s.End != 2 || !s.Reset || s.Committed.Offset != -1 {
		t.Errorf("started: %+v", s)
	}
	if w.ends[want[1]] != 2 {
		t.Errorf("end after reading: %d", w.ends[want[1]])
	}
}

func TestResetPolicies(t *testing.T) {
	tp := TP{Topic: "in"}
	for _, c := range []struct {
		name   string
		policy ResetPolicy
		want   int64
	}{
		{"earliest", ResetEarliest(), 0},
		{"latest", ResetLatest(), 3},
		{"back, all of it", ResetBack(time.Hour), 0},
		{"back, nothing of it", ResetBack(-time.Hour), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := seeded(t, 1, "in")
			set := settingsFor("app", false, cl.ListenAddrs()...)
			produce(t, set, "in", 0, "a", "b", "c")
			w := newTester(t, set, 0, "in", func(w *tester, _ *GroupConfig) { w.reset = c.policy })
			w.untilStarted(1)
			if s := w.started[tp]; s.Offset != c.want || !s.Reset {
				t.Errorf("started: %+v, want offset %d", s, c.want)
			}
			produce(t, set, "in", 0, "d")
			w.until("the new record", func() bool { return len(w.records) == int(4-c.want) })
			if first := w.records[0].Offset; first != c.want {
				t.Errorf("first record at %d, want %d", first, c.want)
			}
		})
	}
}

func TestResetNoneFails(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in", func(w *tester, _ *GroupConfig) { w.reset = ResetNone() })
	var err error
	for err == nil && len(w.started) == 0 {
		err = w.poll()
	}
	if err == nil || !strings.Contains(err.Error(), "in-0") || !strings.Contains(err.Error(), "reset policy is none") {
		t.Errorf("got %v", err)
	}
}

func TestCommittedOffsetBelowTheLogIsReset(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in", 0, "a", "b", "c")
	w := newTester(t, set, 0, "in").withProducer(0)
	w.untilStarted(1)
	if _, err := w.commit(1); err != nil {
		t.Fatal(err)
	}
	w.g.Close()
	if err := dial(t, set).DeleteRecords(testContext(t), map[TP]int64{{Topic: "in"}: 2}); err != nil {
		t.Fatal(err)
	}
	w = newTester(t, set, 0, "in")
	w.untilStarted(1)
	if s := w.started[TP{Topic: "in"}]; s.Offset != 2 || !s.Reset || s.Committed.Offset != 1 {
		t.Errorf("started: %+v", s)
	}
}

func TestMetadataComesBackWithTheOffset(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in").withProducer(0)
	w.untilStarted(2)
	if out, err := w.commit(0); err != nil || out != OffsetsCommitted {
		t.Fatal(out, err)
	}
	w.g.Close()
	w = newTester(t, set, 0, "in")
	w.untilStarted(2)
	for tp, s := range w.started {
		if s.Committed.Offset != 0 || s.Committed.Metadata != "m0" || s.Reset {
			t.Errorf("%s: %+v", tp, s)
		}
	}
}

// The client joins as soon as it is made; the handler still hears nothing before the worker polls.
func TestNothingIsCalledBeforeTheFirstPoll(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in")
	for id := ""; id == ""; id, _ = w.g.cl.GroupMetadata() {
		time.Sleep(time.Millisecond)
	}
	if n := w.callbacks.Load(); n > 0 || len(w.has()) > 0 {
		t.Errorf("%d callbacks", n)
	}
	w.untilStarted(1)
	never := newTester(t, set, 1, "in")
	never.g.Close() // ends also a client that waits for the first poll
}

func TestTwoMembersShare(t *testing.T) {
	c := seeded(t, 4, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	a := newTester(t, set, 0, "in")
	a.untilStarted(4)
	b := newTester(t, set, 1, "in")
	stop := b.background()
	a.untilStarted(2)
	a.until("b has two", func() bool { return len(b.has()) == 2 })
	stop()
	b.g.Close()
	if len(a.lost)+len(b.lost) > 0 {
		t.Errorf("lost: %v %v", a.lost, b.lost)
	}
	a.untilStarted(4)
}

func TestLeaveHandsOverAtOnce(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	a := newTester(t, set, 0, "in")
	a.untilStarted(2)
	b := newTester(t, set, 1, "in")
	stop := a.background()
	b.untilStarted(1)
	stop()
	calls := a.callbacks.Load()
	if err := a.g.Leave(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if got := a.callbacks.Load(); got != calls {
		t.Errorf("%d callbacks from Leave", got-calls)
	}
	b.untilStarted(2)
}

func TestPauseDoesNotOutliveTheAssignment(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	a := newTester(t, set, 0, "in")
	a.untilStarted(2)
	a.g.Pause(a.has()...)
	produce(t, set, "in", 0, "a")
	produce(t, set, "in", 1, "b")
	for range 10 {
		if err := a.poll(); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.records) > 0 {
		t.Fatal("records of paused partitions")
	}
	b := newTester(t, set, 1, "in")
	stop := b.background()
	a.untilStarted(1)
	stop()
	b.g.Close()
	a.untilStarted(2) // one comes back, not paused
	a.until("a record", func() bool { return len(a.records) == 1 })
	a.g.Resume(a.has()...)
	a.until("the other", func() bool { return len(a.records) == 2 })
}

func TestRewindReadsAgainFromTheCommittedOffset(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in", 0, "a", "b", "c")
	produce(t, set, "in", 1, "x")
	w := newTester(t, set, 0, "in").withProducer(0)
	w.until("all", func() bool { return len(w.records) == 4 })
	if _, err := w.commit(1); err != nil {
		t.Fatal(err)
	}
	w.records, w.starts = nil, 0
	w.g.Rewind(TP{Topic: "in"})
	w.until("b and c", func() bool { return len(w.records) == 2 })
	if s := w.started[TP{Topic: "in"}]; w.starts != 1 || s.Offset != 1 || s.Committed.Metadata != "m1" {
		t.Errorf("%d starts, %+v", w.starts, s)
	}
	w.g.Rewind()
	w.until("again", func() bool { return len(w.records) == 4 })
	if w.starts != 3 {
		t.Errorf("%d starts", w.starts)
	}
}

func TestPatternSubscribesToNewTopics(t *testing.T) {
	c := seeded(t, 1, "in-a", "other", "xin-b")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in-a", func(_ *tester, cfg *GroupConfig) {
		cfg.Topics, cfg.Pattern = []string{"other"}, regexp.MustCompile("in-.*")
		cfg.Planner = func(j Joined) (Work, error) {
			var work Work
			for topic := range j.Partitions {
				id := assign.TaskID{Sub: int32(len(topic)*1000) + int32(topic[len(topic)-1])}
				work.Tasks = append(work.Tasks, assign.Task{ID: id, Sources: []TP{{Topic: topic}}})
			}
			return work, nil
		}
	})
	w.untilStarted(2)
	if err := dial(t, set).CreateTopics(testContext(t), NewTopic{Name: "in-c", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	w.g.cl.ForceMetadataRefresh()
	w.untilStarted(3)
	if got := topicsOf(w.has()); !slices.Equal(got, []string{"in-a", "in-c", "other"}) {
		t.Errorf("topics %v", got)
	}
}

func TestPlanErrorReachesTheWorker(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in", func(_ *tester, cfg *GroupConfig) {
		cfg.Planner = func(Joined) (Work, error) { return Work{}, fmt.Errorf("the moon is missing") }
	})
	var err error
	for end := time.Now().Add(deadline); err == nil && time.Now().Before(end); {
		err = w.poll()
	}
	if err == nil || !strings.Contains(err.Error(), "the moon is missing") || !strings.Contains(err.Error(), "group app") {
		t.Errorf("got %v", err)
	}
}

func TestRefusalReachesEveryMember(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in", func(_ *tester, cfg *GroupConfig) {
		cfg.Planner = func(Joined) (Work, error) { return Work{Refusal: "topic x is missing"}, nil }
	})
	w.until("the refusal", func() bool { return w.plan.Error == "topic x is missing" })
	if len(w.has()) > 0 {
		t.Errorf("owns %v", w.has())
	}
}

// rejoinSilently makes the coordinator forget the member at its next join, as after a stall: the client then joins again
// under a new id, and calls no OnPartitionsLost.
func rejoinSilently(c *kfake.Cluster, w *tester) {
	c.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		join := req.(*kmsg.JoinGroupRequest)
		if join.MemberID != w.g.Member() {
			c.KeepControl()
			return nil, nil, false
		}
		resp := join.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	w.g.ForceRebalance()
}

func TestSilentRejoinLosesEverything(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	set.Options = append(set.Options, kgo.SessionTimeout(time.Second)) // the former self must be thrown out first
	produce(t, set, "in", 0, "a", "b")
	w := newTester(t, set, 0, "in").withProducer(0)
	w.until("a and b", func() bool { return len(w.records) == 2 })
	before := w.g.Member()
	rejoinSilently(c, w)
	w.until("everything lost", func() bool { return len(w.lost) == 2 })
	w.untilStarted(2)
	if w.g.Member() == before || w.g.Member() == "" {
		t.Errorf("member %q was %q", w.g.Member(), before)
	}
	// The client went on from where it was; the tasks begin anew, from what is committed: nothing.
	w.until("a and b again", func() bool { return len(w.records) == 4 })
}

func TestPositionThatLeftTheLogIsReportedAndRewound(t *testing.T) {
	c := seeded(t, 1, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	produce(t, set, "in", 0, "a", "b", "c")
	w := newTester(t, set, 0, "in")
	w.until("all", func() bool { return len(w.records) == 3 })
	w.g.Pause(TP{Topic: "in"})
	produce(t, set, "in", 0, "d", "e")
	if err := dial(t, set).DeleteRecords(testContext(t), map[TP]int64{{Topic: "in"}: 5}); err != nil {
		t.Fatal(err)
	}
	w.g.Resume(TP{Topic: "in"})
	produce(t, set, "in", 0, "f")
	w.until("an error", func() bool { return len(w.fetched) > 0 })
	if f := w.fetched[0]; !f.OutOfRange() || f.TP != (TP{Topic: "in"}) {
		t.Errorf("got %v: %v", f, f.Err)
	}
	w.g.Rewind(TP{Topic: "in"})
	w.until("f", func() bool { return len(w.records) == 4 })
	if r := w.records[3]; r.Offset != 5 {
		t.Errorf("went on at %d", r.Offset)
	}
}

// cutOff makes the broker say, at each question from now on, that the log of the first leader's time ends at an offset, and moves the leaders,
// at which clients ask.
func cutOff(c *kfake.Cluster, end int64) {
	c.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		ask := req.(*kmsg.OffsetForLeaderEpochRequest)
		resp := ask.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, t := range ask.Topics {
			rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				rp.Partition, rp.LeaderEpoch, rp.EndOffset = p.Partition, 0, end
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	c.ShufflePartitionLeaders()
}

// commitAll commits what was read, as of the leader's first epoch.
func (w *tester) commitAll(offset int64) {
	w.t.Helper()
	in := CommitInput{Offsets: []Offset{{TP: TP{Topic: "in"}, Offset: offset, LeaderEpoch: 0}}}
	if _, err := Commit(testContext(w.t), w.g, w.p, in); err != nil {
		w.t.Fatal(err)
	}
}

func TestLogThatWasCutOffIsReadFromThere(t *testing.T) {
	for _, c := range []struct{ deleted, cut, next int64 }{
		{0, 1, 1},
		{2, 2, 2},
		{3, 0, 3}, // the broker names an offset that is not there any more
	} {
		t.Run(fmt.Sprintf("begins at %d, cut at %d", c.deleted, c.cut), func(t *testing.T) {
			cluster := seeded(t, 1, "in")
			set := settingsFor("app", false, cluster.ListenAddrs()...)
			produce(t, set, "in", 0, "a", "b", "c")
			w := newTester(t, set, 0, "in").withProducer(0)
			w.until("all", func() bool { return len(w.records) == 3 })
			w.commitAll(3)
			if err := dial(t, set).DeleteRecords(testContext(t), map[TP]int64{{Topic: "in"}: c.deleted}); err != nil {
				t.Fatal(err)
			}
			cutOff(cluster, c.cut)
			w.until("an error", func() bool { return len(w.fetched) > 0 })
			if f := w.fetched[0]; !f.OutOfRange() {
				t.Fatalf("got %v", f)
			}
			w.g.Rewind(TP{Topic: "in"})
			produce(t, set, "in", 0, "d")
			found := 1
			w.until("a record", func() bool {
				if len(w.fetched) > found { // the client had found the same cut once more before it was rewound
					found = len(w.fetched)
					w.g.Rewind(TP{Topic: "in"})
				}
				return len(w.records) > 3
			})
			if at := w.records[3].Offset; at != c.next {
				t.Errorf("went on at %d, want %d", at, c.next)
			}
			if s := w.started[TP{Topic: "in"}]; !s.Reset || s.Offset != c.next || s.Committed.Offset != 3 {
				t.Errorf("started %v, reset %v", s, s.Reset)
			}
			if found > 2 {
				t.Errorf("again and again: %v", w.fetched[1:])
			}
		})
	}
}

func TestLogThatWasCutOffEndsResetNone(t *testing.T) {
	cluster := seeded(t, 1, "in")
	set := settingsFor("app", false, cluster.ListenAddrs()...)
	produce(t, set, "in", 0, "a", "b", "c")
	w := newTester(t, set, 0, "in").withProducer(0)
	w.until("all", func() bool { return len(w.records) == 3 })
	w.commitAll(3)
	w.reset = ResetNone()
	cutOff(cluster, 1)
	w.until("an error", func() bool { return len(w.fetched) > 0 })
	w.g.Rewind(TP{Topic: "in"})
	var err error
	for end := time.Now().Add(deadline); err == nil && time.Now().Before(end); {
		err = w.poll()
	}
	if err == nil || !strings.Contains(err.Error(), "in-0") || !strings.Contains(err.Error(), "cut off at 1") {
		t.Errorf("got %v", err)
	}
}
