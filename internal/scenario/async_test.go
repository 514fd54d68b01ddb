package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// gate is a service that answers nobody who asks about a key until it is opened for it.
type gate struct {
	mu     sync.Mutex
	closed map[string]chan struct{}
	asked  map[string]int // in vain, or not yet answered
	gone   int            // calls that were cancelled
}

func newGate(keys ...string) *gate {
	g := &gate{closed: map[string]chan struct{}{}, asked: map[string]int{}}
	for _, k := range keys {
		g.closed[k] = make(chan struct{})
	}
	return g
}

func (g *gate) ask(ctx context.Context, r weir.Record[string, string]) (string, error) {
	g.mu.Lock()
	wait := g.closed[r.Key]
	if wait != nil {
		g.asked[r.Key]++
	}
	g.mu.Unlock()
	if wait == nil {
		return r.Value, nil
	}
	select {
	case <-wait:
		return r.Value, nil
	case <-ctx.Done():
		g.mu.Lock()
		g.gone++
		g.mu.Unlock()
		return "", ctx.Err()
	}
}

func (g *gate) open(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.closed[key])
	delete(g.closed, key)
}

// see reads what the gate has counted.
func (g *gate) see(f func(asked map[string]int, gone int) bool) func() bool {
	return func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return f(g.asked, g.gone)
	}
}

func (g *gate) topology(t *testing.T, opts ...weir.OpOption) *weir.Topology {
	text := func(name string) weir.Topic[string, string] {
		return weir.NewTopic(name, serde.String(), serde.String())
	}
	return built(t, func(b *weir.Builder) {
		weir.AsyncMapValues(weir.From(b, text("in")), g.ask, append(opts, weir.Named("gate"))...).To(text("out"))
	})
}

// A call that does not end stops neither other keys nor commits nor the end of the app. It is made again by who comes next, on another machine too, before those
// of later records of the key.
func TestCallThatDoesNotEnd(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		g := newGate("k7")
		topo := g.topology(t)
		one := s.start("gate", topo)
		s.feed("in", 400)
		fed := s.fed["k7"]
		delete(s.fed, "k7")
		s.passed()
		s.until("all is committed", func() bool { return one.app.Stats().Lag["in"].Records == 0 && one.app.Stats().Open == int64(fed) })
		s.end(one)
		s.until("the call is cancelled", g.see(func(_ map[string]int, gone int) bool { return gone == 1 }))
		if n := one.app.Stats().Open; n != 0 {
			t.Errorf("%d records are open in an app that has ended", n)
		}
		two := s.start("gate", topo) // without the state of one
		s.until("it is asked again", g.see(func(asked map[string]int, _ int) bool { return asked["k7"] == 2 }))
		s.feed("in", 200)
		g.open("k7")
		s.fed["k7"] += fed
		s.passed()
		s.ordered("in", 400, 200)
		s.end(two)
		three := s.start("gate", topo)
		s.feed("in", 20)
		s.passed() // nothing came twice
		s.end(three)
	})
}

// Tasks that move take their open records along.
func TestOpenRecordsMove(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		g := newGate("k1", "k2", "k3", "k4")
		topo := g.topology(t, weir.Unordered())
		one := s.start("gate", topo)
		s.feed("in", 100)
		s.until("it is asked", g.see(func(asked map[string]int, _ int) bool { return len(asked) == 4 }))
		two := s.start("gate", topo)
		s.until("both work", func() bool { return s.reads(one, "in") && s.reads(two, "in") })
		s.feed("in", 100)
		for _, k := range []string{"k1", "k2", "k3", "k4"} {
			g.open(k)
		}
		s.passed()
		s.end(one, two)
	})
}

// An error that nobody lets pass ends the app, and says where it happened.
func TestCallThatFails(t *testing.T) {
	s := newScenario(t, true, "in")
	text := weir.NewTopic("in", serde.String(), serde.String())
	topo := built(t, func(b *weir.Builder) {
		weir.From(b, text).AsyncForEach(func(_ context.Context, r weir.Record[string, string]) error {
			if r.Key == "k3" {
				panic(errors.New("no way"))
			}
			return nil
		}, weir.Named("fails"))
	})
	app := s.start("fails", topo)
	s.feed("in", 100)
	contains(t, s.fails(app), `node "fails"`, `topic "in"`, "no way")
}

// ordered says whether the records of each key came in the order in which they were fed, by feed's calls.
func (s *scenario) ordered(topic string, fed ...int) {
	s.t.Helper()
	want, got := map[string][]string{}, map[string][]string{}
	for _, n := range fed {
		for i := range n {
			key := fmt.Sprint("k", i%20)
			want[key] = append(want[key], fmt.Sprint(topic, " ", i))
		}
	}
	for _, r := range s.seen {
		got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
	}
	for key, values := range want {
		if !slices.Equal(got[key], values) {
			s.t.Errorf("key %s: got %q, want %q", key, got[key], values)
		}
	}
}
