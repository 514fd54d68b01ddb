package kafka

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// throwOut has another client tell the coordinator that a member is gone.
func throwOut(t *testing.T, w *tester) {
	t.Helper()
	cl, err := kgo.NewClient(w.set.Options...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = w.set.App
	m := kmsg.NewLeaveGroupRequestMember()
	m.MemberID = w.g.Member()
	req.Members = append(req.Members, m)
	if _, err := req.RequestWith(testContext(t), cl); err != nil {
		t.Fatal(err)
	}
}

// A member that was thrown out while the worker was busy hears of it by asking, before it sends anything.
func TestCheckFindsOutThatTheMemberWasThrownOut(t *testing.T) {
	c := seeded(t, 1, "in")
	w := newTester(t, settingsFor("app", false, c.ListenAddrs()...), 0, "in")
	w.untilStarted(1)
	if err := w.g.Check(testContext(t)); err != nil {
		t.Errorf("a member: %v", err)
	}
	throwOut(t, w)
	until(t, "suspicion", w.g.Suspect)
	if err := w.g.Check(testContext(t)); !errors.Is(err, ErrFenced) {
		t.Errorf("got %v", err)
	}
}

// While a rebalance waits for a worker that is still a member, it may go on.
func TestCheckLetsAMemberGoOn(t *testing.T) {
	c := seeded(t, 2, "in")
	set := settingsFor("app", false, c.ListenAddrs()...)
	w := newTester(t, set, 0, "in")
	w.untilStarted(2)
	other := newTester(t, set, 1, "in")
	stop := other.background()
	defer stop()
	until(t, "a rebalance", w.g.Suspect)
	if err := w.g.Check(testContext(t)); err != nil {
		t.Errorf("got %v", err)
	}
}

// Without an answered heartbeat the lease ends after the session's time, here while the worker is busy, and nothing is sent until the coordinator
// has answered: that it does not know the member any more.
func TestLeaseEndsWithoutHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(false)
		var ended, silent atomic.Bool
		at.cluster.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
			at.cluster.KeepControl()
			if silent.Load() {
				return nil, errors.New("the connection breaks"), true
			}
			return nil, nil, false
		})
		w := newTester(t, set, 0, at.in, func(_ *tester, cfg *GroupConfig) { cfg.Expired = func() { ended.Store(true) } })
		w.untilStarted(2)
		time.Sleep(time.Minute)
		if ended.Load() {
			t.Error("ended with heartbeats answered")
		}
		silent.Store(true)
		time.Sleep(2 * at.session)
		if !ended.Load() {
			t.Error("did not end")
		}
		if err := w.g.Check(t.Context()); !errors.Is(err, ErrProducerDead) {
			t.Errorf("without an answer: %v", err)
		}
		silent.Store(false)
		if err := w.g.Check(t.Context()); !errors.Is(err, ErrFenced) {
			t.Errorf("answered: %v", err)
		}
	})
}

func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A client joins its group by itself, as soon as it is there: an answer that comes at once must not end the lease, for want of a session's time.
func TestLeaseKnowsTheSessionFromTheStart(t *testing.T) {
	l := &lease{expired: func() { t.Error("it has expired") }}
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"), kgo.ConsumerGroup("app"), kgo.SessionTimeout(time.Hour), kgo.WithHooks(l))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	if l.session != time.Hour {
		t.Errorf("the session's time is %v, want an hour", l.session)
	}
}
