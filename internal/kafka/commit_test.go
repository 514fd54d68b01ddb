package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func fakePlace(t testing.TB) place {
	t.Helper()
	at, _ := fakePlaceAnd(t)
	return at
}

func fakePlaceAnd(t testing.TB) (place, *kfake.Cluster) {
	t.Helper()
	c := fakeCluster(t, kfake.SeedTopics(2, "in"), kfake.SeedTopics(1, "out"))
	return place{brokers: c.ListenAddrs(), app: "app", in: "in", out: "out", session: 2 * time.Second}, c
}

func pass(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func caught(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("the saboteur was not caught")
	} else {
		t.Log("caught:", err)
	}
}

func guarantees(t *testing.T, run func(t *testing.T, eos bool)) {
	for _, eos := range []bool{false, true} {
		t.Run(fmt.Sprintf("eos %v", eos), func(t *testing.T) {
			t.Parallel()
			run(t, eos)
		})
	}
}

func TestZombie(t *testing.T) {
	t.Parallel()
	guarantees(t, func(t *testing.T, eos bool) { pass(t, zombieScenario(t, fakePlace(t), eos, false)) })
}

func TestZombieSaboteur(t *testing.T) {
	t.Parallel()
	guarantees(t, func(t *testing.T, eos bool) { caught(t, zombieScenario(t, fakePlace(t), eos, true)) })
}

func TestNothingAcknowledged(t *testing.T) {
	t.Parallel()
	pass(t, emptyScenario(t, fakePlace(t), false))
}

func TestNothingAcknowledgedSaboteur(t *testing.T) {
	t.Parallel()
	caught(t, emptyScenario(t, fakePlace(t), true))
}

func TestRefusedByTheBroker(t *testing.T)   { pass(t, refusedTopicScenario(t, fakePlace(t))) }
func TestRestoreReachesTheEnd(t *testing.T) { pass(t, restoreScenario(t, fakePlace(t), false)) }
func TestRestoreSaboteur(t *testing.T) {
	t.Parallel()
	caught(t, restoreScenario(t, fakePlace(t), true))
}

func TestRevokedInATransaction(t *testing.T) { pass(t, revokeScenario(t, fakePlace(t))) }
func TestDeadTransaction(t *testing.T) {
	t.Parallel()
	pass(t, deadScenario(t, fakePlace(t)))
}

func TestGate(t *testing.T)         { pass(t, gateScenario(t, fakePlace(t), false, 400)) }
func TestGateSaboteur(t *testing.T) { caught(t, gateScenario(t, fakePlace(t), true, 2000)) }

func TestCommitsUnderChurn(t *testing.T) {
	t.Parallel()
	guarantees(t, func(t *testing.T, eos bool) { pass(t, churnScenario(t, fakePlace(t), eos, 60)) })
}

func TestStuckWorkerIsRemoved(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) { pass(t, stuckScenario(t, fakePlace(t), eos)) })
}

func TestCrashAtEveryStep(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		for _, name := range FailpointNames(eos) {
			if strings.HasSuffix(name, stepAdd) {
				continue // not sent to a broker of transaction.version 2, which kfake is; see the tests with real brokers
			}
			t.Run(name, func(t *testing.T) { pass(t, crashScenario(t, fakePlace(t), eos, name, false)) })
		}
	})
}

func TestCrashSaboteur(t *testing.T) {
	caught(t, crashScenario(t, fakePlace(t), true, "before "+stepEnd, true))
}

// The order of steps is what a crash finds; it is the table of the architecture.
func TestStepsInOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		eos  bool
		send bool
		want []string
	}{
		{"at least once", false, true, []string{"flush", "apply", "offsets"}},
		{"exactly once", true, true, []string{"flush", "txn-offsets", "end", "apply"}},
		{"exactly once, no output", true, false, []string{"flush", "abort", "offsets", "apply"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := fakePlace(t)
			set := at.settings(c.eos)
			var steps []string
			set.Failpoint = func(name string) { steps = append(steps, name) }
			w := newTester(t, set, 0, at.in).withProducer(0)
			w.untilStarted(2)
			if c.send {
				mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
			}
			if _, err := w.commit(1); err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, s := range c.want {
				want = append(want, "before "+s, "after "+s)
			}
			if !slices.Equal(steps, want) {
				t.Errorf("steps %v", steps)
			}
			for _, s := range steps {
				if !slices.Contains(FailpointNames(c.eos), s) {
					t.Errorf("%q is not a failpoint", s)
				}
			}
		})
	}
}

func TestApplyFails(t *testing.T) {
	broken := errors.New("disk full")
	for _, eos := range []bool{false, true} {
		at := fakePlace(t)
		w := newTester(t, at.settings(eos), 0, at.in).withProducer(0)
		w.untilStarted(2)
		mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
		in := CommitInput{Offsets: []Offset{{TP: TP{Topic: at.in}, Offset: 1}}, Apply: func() error { return broken }}
		out, err := Commit(testContext(t), w.g, w.p, in)
		want, committed := NothingCommitted, int64(-1)
		if eos {
			want, committed = OffsetsCommitted, 1
		}
		if !errors.Is(err, broken) || out != want || at.committed(t, 0).Offset != committed {
			t.Errorf("eos %v: %v, %v, committed %d", eos, out, err, at.committed(t, 0).Offset)
		}
	}
}

func TestFailedRecordCommitsNothing(t *testing.T) {
	for _, eos := range []bool{false, true} {
		at := fakePlace(t)
		w := newTester(t, at.settings(eos), 0, at.in).withProducer(0)
		w.untilStarted(2)
		mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: make([]byte, 2<<20)})
		mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
		out, err := w.commit(1)
		var send *SendError
		if !errors.As(err, &send) || send.Topic != at.out || out != NothingCommitted || at.committed(t, 0).Offset != -1 {
			t.Errorf("eos %v: %v, %v", eos, out, err)
		}
	}
}

// breakAnswers breaks the connection at each request of a kind: nobody can know what became of it.
func breakAnswers(c *kfake.Cluster, key kmsg.Key) {
	c.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return nil, errors.New("the connection breaks"), true
	})
}

func TestLostAnswerOfTheEndIsAnUnknownOutcome(t *testing.T) {
	at, c := fakePlaceAnd(t)
	set := at.settings(true)
	set.CommitTimeout = 500 * time.Millisecond
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
	breakAnswers(c, kmsg.EndTxn)
	out, err := w.commit(1)
	if out != UnknownOutcome || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("%v, %v", out, err)
	}
}

func TestLostAnswersOfOffsets(t *testing.T) {
	at, c := fakePlaceAnd(t)
	set := at.settings(false)
	set.CommitTimeout = 500 * time.Millisecond
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	breakAnswers(c, kmsg.OffsetCommit)
	if out, err := w.commit(1); out != UnknownOutcome || !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("%v, %v", out, err)
	}
}

func TestAnotherProducerWithTheIDFences(t *testing.T) {
	at := fakePlace(t)
	set := at.settings(true)
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("first")})
	mustFlush(t, w.p)
	usurper := newProducer(t, set)
	out, err := w.commit(1)
	if out == OffsetsCommitted || !anyOf(err, ErrProducerDead, ErrUnknownOutcome) {
		t.Errorf("%v, %v", out, err)
	}
	mustSend(t, usurper, NewDest(nil), Out{Topic: at.out, Value: []byte("second")})
	mustFlush(t, usurper)
	if at.committed(t, 0).Offset != -1 {
		t.Error("the fenced producer committed")
	}
}

func TestDeletedTopicIsNamed(t *testing.T) {
	at := fakePlace(t)
	set := at.settings(false)
	set.CommitTimeout = time.Second
	w := newTester(t, set, 0, at.in).withProducer(0)
	w.untilStarted(2)
	if _, err := dial(t, set).adm.DeleteTopic(testContext(t), at.in); err != nil {
		t.Fatal(err)
	}
	out, err := w.commit(1)
	if err == nil || out == OffsetsCommitted || !strings.Contains(err.Error(), "in-0") {
		t.Errorf("%v, %v", out, err)
	}
}
