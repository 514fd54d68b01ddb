package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
)

// desk is a service that answers as many calls as it was told to, each after a while, and lets the others wait.
type desk struct {
	mu      sync.Mutex
	left    int
	inside  int           // calls that are being answered
	refuses error         // what calls end with instead
	news    chan struct{} // closed when a call that waits should look again
}

func newDesk() *desk { return &desk{news: make(chan struct{})} }

func (d *desk) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.news)
	d.news = make(chan struct{})
}

// serve lets the desk answer n calls more.
func (d *desk) serve(n int) { d.change(func() { d.left += n }) }

// idle says that the desk has answered all that it may.
func (d *desk) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left == 0 && d.inside == 0
}

// enter takes a call's turn, or says for what to wait.
func (d *desk) enter() (wait <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.refuses != nil:
		return nil, d.refuses
	case d.left == 0:
		return d.news, nil
	}
	d.left--
	d.inside++
	return nil, nil
}

func (d *desk) ask(ctx context.Context, r weir.Record[string, string]) (string, error) {
	for {
		wait, err := d.enter()
		if err != nil {
			return "", err
		}
		if wait == nil {
			return d.answer(ctx, r)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (d *desk) answer(ctx context.Context, r weir.Record[string, string]) (string, error) {
	select {
	case <-time.After(rand.N(3 * time.Millisecond)):
		d.change(func() { d.inside-- })
		return r.Value + "!", nil
	case <-ctx.Done():
		d.change(func() { d.inside--; d.left++ })
		return "", ctx.Err()
	}
}

// text is a topic of the scenario's.
func (s *scenario) text(topic string) weir.Topic[string, string] {
	return weir.NewTopic(s.prefix+topic, serde.String(), serde.String())
}

// number writes records to in whose values are numbers, and notes what should come of them.
func (s *scenario) number(n int, want lines) {
	s.t.Helper()
	var recs []*kgo.Record
	from := 0
	for _, all := range want {
		from += len(all)
	}
	for i := from; i < from+n; i++ {
		key := fmt.Sprint("k", i%20)
		recs = append(recs, &kgo.Record{Topic: "in", Key: []byte(key), Value: fmt.Append(nil, i)})
		want.say(key, fmt.Sprint(i, "!"))
	}
	s.put(recs...)
}

func keyAndValue(r *kgo.Record) (key, what string) { return string(r.Key), string(r.Value) }

// Records whose calls are under way go through a stop, a restart, a second process that comes, the first that goes, and a failure: all are answered, in the
// order of their keys.
func TestCallsMove(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		t.Parallel()
		callsMove(newScenario(t, eos, "in"))
	})
}

func callsMove(s *scenario) {
	d := newDesk()
	topo := built(s.t, func(b *weir.Builder) {
		weir.AsyncMapValues(weir.From(b, s.text("in")), d.ask, weir.Named("desk"), weir.Concurrency(4)).To(s.text("out"))
	})
	want := lines{}
	s.number(1200, want)
	dir := weir.StateDir(s.t.TempDir())

	one := s.start("calls", topo, dir)
	d.serve(200)
	s.until("the desk is idle", d.idle)
	s.end(one)

	one = s.start("calls", topo, dir)
	d.serve(200)
	s.until("the desk is idle", d.idle)
	two := s.start("calls", topo)
	d.serve(100) // while tasks move
	s.until("both work", func() bool { return s.reads(one, "in") && s.reads(two, "in") })
	s.until("the desk is idle", d.idle)
	s.number(200, want)
	s.end(one)
	d.serve(200)
	s.until("the desk is idle", d.idle)

	d.change(func() { d.refuses = errors.New("closed for lunch") })
	contains(s.t, s.fails(two), `node "desk"`, "closed for lunch")
	d.change(func() { d.refuses = nil; d.left = 1 << 30 })
	three := s.start("calls", topo)
	s.comes("out", want, keyAndValue)
	s.end(three)
	s.agrees("out", want, keyAndValue)
}
