package kafka

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/assign"
)

// bubble runs a test in virtual time, on a virtual network.
func bubble(t *testing.T, run func(t *testing.T, at place)) {
	synctest.Test(t, func(t *testing.T) {
		network := new(kfake.VirtualNetwork)
		c := fakeCluster(t, kfake.ListenFn(network.Listen), kfake.SeedTopics(2, "in"), kfake.SeedTopics(1, "out"))
		at := place{cluster: c, brokers: c.ListenAddrs(), app: "app", in: "in", out: "out", session: 6 * time.Second}
		at.options = []kgo.Opt{kgo.Dialer(network.DialContext), kgo.RebalanceTimeout(20 * time.Second)}
		run(t, at)
	})
}

func balancerWith0() assign.MemberData { return assign.MemberData{} }

// Heartbeats go on while the handler commits in Revoked, for longer than a session.
func TestSlowRevocationKeepsTheMember(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(true)
		set.TransactionTimeout = time.Minute
		a := newTester(t, set, 0, at.in).withProducer(0)
		a.untilStarted(2)
		mustSend(t, a.p, NewDest(nil), Out{Topic: at.out, Value: []byte("slow")})
		var err error
		a.onRevoked = func([]TP) {
			time.Sleep(15 * time.Second)
			_, err = a.commit(5)
		}
		b := newTester(t, set, 1, at.in)
		stop := b.background()
		a.untilStarted(1)
		stop()
		if err != nil || len(a.lost) > 0 {
			t.Errorf("commit after 15 s in the callback: %v; lost %v", err, a.lost)
		}
		if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, []string{"slow"}) {
			t.Errorf("outputs %v", got)
		}
	})
}

// A worker that is silent for longer than its session is thrown out, hears of it, and begins anew.
func TestTwoMembersForMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(true)
		a, b := newTester(t, set, 0, at.in).withProducer(0), newTester(t, set, 1, at.in).withProducer(1)
		stop := b.background()
		a.untilStarted(1)
		stop()
		for minute := range int64(11) {
			for _, w := range []*tester{a, b} {
				mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte(fmt.Sprint(minute))})
				w.untilStarted(1)
				if out, err := w.commit(minute); err != nil || out != OffsetsCommitted {
					t.Fatal(minute, out, err)
				}
			}
			time.Sleep(time.Minute) // nobody polls, and nobody is lost: heartbeats are the client's
		}
		if got := readCommittedValues(t, set, at.out, 0); len(got) != 22 {
			t.Errorf("%d outputs", len(got))
		}
	})
}

// A rewind waits for the transaction that holds the committed offset: here the producer's own, until it is replaced.
func TestRewindWaitsForStableOffsets(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(true)
		set.TransactionTimeout = 10 * time.Minute
		w := newTester(t, set, 0, at.in).withProducer(0)
		w.untilStarted(2)
		mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
		mustFlush(t, w.p)
		c := &commit{ctx: context.Background(), set: set, g: w.g, life: w.p.life.Load(), in: CommitInput{
			Offsets: []Offset{{TP: TP{Topic: at.in}, Offset: 9, LeaderEpoch: -1}},
		}}
		if err := c.join(); err != nil {
			t.Fatal(err)
		}
		starts := w.starts
		w.g.Rewind()
		for range 50 {
			if err := w.poll(); err != nil {
				t.Fatal(err)
			}
		}
		if w.starts != starts {
			t.Fatal("started from an offset that a transaction holds")
		}
		if err := w.p.Replace(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.until("both started", func() bool { return w.starts == starts+2 })
		if s := w.started[TP{Topic: at.in}]; s.Offset != 0 || s.Committed.Offset != -1 {
			t.Errorf("started %v", s)
		}
	})
}

func TestWantedSaysThatARebalanceWaits(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(false)
		a := newTester(t, set, 0, at.in)
		a.untilStarted(2)
		if a.g.Wanted() {
			t.Error("wanted, and nobody is there")
		}
		b := newTester(t, set, 1, at.in)
		for !a.g.Wanted() { // a does not poll
			time.Sleep(time.Second)
		}
		stop := b.background()
		a.untilStarted(1)
		stop()
	})
}

// A static member that comes back within its session finds its partitions, and nobody rebalances.
func TestStaticMemberComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, at place) {
		set := at.settings(false)
		set.Instance = "host-1"
		a := newTester(t, set, 0, at.in).withProducer(0)
		a.untilStarted(2)
		if _, err := a.commit(0); err != nil {
			t.Fatal(err)
		}
		generation := a.plan.Generation
		if err := a.g.Leave(context.Background()); err != nil {
			t.Fatal(err)
		}
		a.g.Close()
		a = newTester(t, set, 0, at.in)
		a.untilStarted(2)
		if a.plan.Generation != generation {
			t.Errorf("generation %d became %d", generation, a.plan.Generation)
		}
	})
}

// Leaving in the middle of a join does not wait for the join.
func TestLeaveInAJoin(t *testing.T) {
	bubble(t, func(t *testing.T, at place) { pass(t, leaveScenario(t, at)) })
}
