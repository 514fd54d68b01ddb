package scenario_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// countsInto is a topology that counts into a store of a name.
func countsInto(t *testing.T, store string) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		weir.Count(weir.From(b, weir.NewTopic("in", serde.String(), serde.String())).GroupByKey(), store).ToStream().To(totalsTo("out"))
	})
}

// turnedAway checks that an app ended because it does not fit to the rest of its group.
func (s *scenario) turnedAway(r *running) {
	s.t.Helper()
	err := s.fails(r)
	for _, want := range []string{`app "roll"`, `group "roll"`, "member ", "has topology", "stop all members", "another application id"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			s.t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if r.app.State() != weir.Failed {
		s.t.Errorf("the app that was turned away is %s", r.app.State())
	}
}

// A process with another topology ends and says why; the others lose nothing. When all are stopped it may have their place.
func TestNewcomerWithAnotherTopologyGoes(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		before, after := countsInto(t, "before"), countsInto(t, "after")
		one, two := s.start("roll", before), s.start("roll", before)
		s.feed("in", 400)
		s.counted()
		s.until("both work", func() bool { return s.reads(one, "in") && s.reads(two, "in") })
		for range 2 { // as often as somebody restarts it
			s.turnedAway(s.start("roll", after, weir.Workers(2)))
			s.feed("in", 100)
			s.counted()
		}
		if one.app.State() != weir.Running || two.app.State() != weir.Running || !s.reads(one, "in") || !s.reads(two, "in") {
			t.Errorf("the others are %s and %s", one.app.State(), two.app.State())
		}
		s.end(one, two)
		clear(s.fed)
		s.seen = nil
		next := s.start("roll", after)
		s.feed("in", 100)
		s.counted()
		s.end(next)
	})
}

// In a rolling restart the newcomer may lead the group: the member that stops was the leader, and the newcomer joins before anybody else. It
// does not know the others' tasks, and leaves them what they have.
func TestNewcomerThatLeadsGoes(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		before, after := countsInto(t, "before"), countsInto(t, "after")
		leads := s.start("roll", before)
		s.feed("in", 100)
		s.counted()
		for try, led := 1, false; !led; try++ {
			if try == 20 {
				t.Fatal("the newcomer never led")
			}
			leads, led = s.replaceLeader(leads, before, after)
		}
		s.feed("in", 100)
		s.counted()
		s.end(leads)
	})
}

// replaceLeader stops the leader of two processes just when one with another topology joins. It returns the process that is left, and whether
// the newcomer led: of the two, the broker chooses at random.
func (s *scenario) replaceLeader(leads *running, before, after *weir.Topology) (left *running, led bool) {
	s.t.Helper()
	left = s.start("roll", before)
	s.until("both work", func() bool { return s.reads(left, "in") && leads.app.State() == weir.Running && s.reads(leads, "in") })
	s.feed("in", 50)
	gone, leaving, leave := s.leaves()
	leads.stop()
	<-gone
	newcomer := s.start("roll", after)
	<-leaving
	led = s.broker.Cluster().GroupInfo("roll").NumAssigned() == 2 // of four: what the one that went had is not given away yet
	leave()
	s.turnedAway(newcomer)
	s.end(leads)
	s.feed("in", 50)
	s.counted()
	return left, led
}

// leaves tells when a member leaves its group, and when another is about to, which waits until leave is called.
func (s *scenario) leaves() (gone, leaving <-chan struct{}, leave func()) {
	c := s.broker.Cluster()
	first, second, third := make(chan struct{}), make(chan struct{}), make(chan struct{})
	n := 0
	c.ControlKey(int16(kmsg.LeaveGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
		if n++; n == 1 {
			close(first)
			return nil, nil, false
		}
		c.DropControl()
		close(second)
		c.SleepControl(func() { <-third })
		return nil, nil, false
	})
	return first, second, func() { close(third) }
}
