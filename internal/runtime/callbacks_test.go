package runtime_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/internal/runtime"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// disk counts the engines that are open.
type disk struct {
	mem.Disk
	open atomic.Int64
}

func (d *disk) Open(dir, task string) (state.Engine, error) {
	e, err := d.Disk.Open(dir, task)
	if err == nil {
		d.open.Add(1)
		e = closing{e, d}
	}
	return e, err
}

type closing struct {
	state.Engine
	d *disk
}

func (c closing) Close() error { c.d.open.Add(-1); return c.Engine.Close() }

const partitions = 5

// callbacks is a run of the worker against what a client may tell it, in random order.
type callbacks struct {
	b     *runtime.Bench
	r     *rand.Rand
	owned map[kafka.TP]bool
	next  map[kafka.TP]int64
}

func inputs(task int32) []kafka.TP {
	return []kafka.TP{{Topic: "a", Partition: task}, {Topic: "b", Partition: task}}
}

// some turns over whole tasks, or, as if a pattern's topics came and went, any partitions.
func (c *callbacks) some(owned bool) (tps []kafka.TP) {
	whole := c.r.IntN(3) > 0
	for t := range int32(partitions) {
		take := c.r.IntN(2) == 0
		for _, tp := range inputs(t) {
			if !whole {
				take = c.r.IntN(2) == 0
			}
			if c.owned[tp] == owned && take {
				tps = append(tps, tp)
				c.owned[tp] = !owned
			}
		}
	}
	c.r.Shuffle(len(tps), func(i, j int) { tps[i], tps[j] = tps[j], tps[i] })
	return tps
}

func (c *callbacks) having(owned bool) (tps []kafka.TP) {
	for t := range int32(partitions) {
		for _, tp := range inputs(t) {
			if c.owned[tp] == owned {
				tps = append(tps, tp)
			}
		}
	}
	return tps
}

func (c *callbacks) mine() []kafka.TP { return c.having(true) }

// step is one thing that may happen.
func (c *callbacks) step() string {
	switch n := c.r.IntN(20); {
	case n < 4:
		tps := c.some(false)
		c.b.Assign(tps...)
		return fmt.Sprint("assign ", tps)
	case n < 6:
		c.b.Assign() // a rebalance that brings nothing
		return "assign nothing"
	case n < 8:
		tps := c.some(true)
		if len(tps) > 0 {
			c.b.Revoke(tps...)
		}
		return fmt.Sprint("revoke ", tps)
	case n == 8 && c.r.IntN(2) == 0:
		tps := c.some(true) // their topics were made anew
		if len(tps) > 0 {
			c.b.Lose(tps...)
			c.b.Assign(tps...)
		}
		for _, tp := range tps {
			c.owned[tp] = true
		}
		return fmt.Sprint("lose and assign ", tps)
	case n == 8:
		tps := c.mine()
		clear(c.owned)
		if len(tps) > 0 {
			c.b.Lose(tps...)
		}
		return "lose all, by the client"
	case n == 9:
		tps := c.mine()
		c.b.LoseAll()
		clear(c.owned)
		if c.r.IntN(2) == 0 && len(tps) > 0 {
			c.b.Lose(tps...) // the client's word comes after our own
		}
		return "lose all, by a commit"
	case n == 10:
		c.b.Abandon()
		return "abandon"
	case n < 15:
		tps := slices.DeleteFunc(c.mine(), func(kafka.TP) bool { return c.r.IntN(3) == 0 })
		c.b.Start(tps...)
		return fmt.Sprint("start ", tps)
	case n < 17:
		running := c.b.Running()
		if len(running) == 0 {
			return "fetch nothing"
		}
		tp := running[c.r.IntN(len(running))]
		c.next[tp]++
		c.b.Fetch(tp, &kgo.Record{Topic: tp.Topic, Partition: tp.Partition, Offset: c.next[tp], Timestamp: time.UnixMilli(1), Key: []byte("k"), Value: []byte("v")})
		return fmt.Sprint("fetch of ", tp)
	}
	c.b.Rest()
	return "rest"
}

// check compares the worker's books with what happened.
func (c *callbacks) check() error {
	if err := c.b.Check(); err != nil {
		return err
	}
	if got, want := c.b.Owned(), c.mine(); !slices.Equal(got, sorted(want)) {
		return fmt.Errorf("has %v, was given %v", got, want)
	}
	return nil
}

func sorted(tps []kafka.TP) []kafka.TP {
	slices.SortFunc(tps, kafka.TP.Compare)
	return tps
}

// converge gives the worker everything and all the time it needs: all must run.
func (c *callbacks) converge() error {
	missing := c.having(false)
	for _, tp := range missing {
		c.owned[tp] = true
	}
	c.b.Assign(missing...)
	for range 3 {
		c.b.Start(c.mine()...)
		time.Sleep(time.Second)
		c.b.Rest()
	}
	if running := c.b.Running(); len(running) != 2*partitions {
		return fmt.Errorf("in the end only %v run", running)
	}
	if c.b.State() != runtime.Running {
		return fmt.Errorf("in the end the app is %s", c.b.State())
	}
	return c.check()
}

func TestWorkerAgainstShuffledCallbacks(t *testing.T) {
	for _, eos := range []bool{false, true} {
		for seed := range uint64(15) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				if err := shuffled(t, dir, eos, seed); err != nil {
					t.Errorf("exactly once %v, seed %d: %v", eos, seed, err)
				}
			})
		}
	}
}

func shuffled(t *testing.T, dir string, eos bool, seed uint64, sabotage ...func(*callbacks)) (err error) {
	network := new(kfake.VirtualNetwork)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(network.Listen), kfake.SeedTopics(partitions, "a", "b", "out"))
	if err != nil {
		return err
	}
	d := &disk{}
	b, err := runtime.NewBench(t.Context(), runtime.Config{
		App: "app", Graph: graph(t), StateDir: dir, Provider: d, Workers: 1, CommitInterval: time.Hour, Replication: 1, Log: zap.NewNop(), CacheBytes: 1 << 20,
		Settings: kafka.Settings{App: "app", ExactlyOnce: eos, Options: []kgo.Opt{kgo.SeedBrokers(broker.ListenAddrs()...), kgo.Dialer(network.DialContext)}},
	})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, b.Close())
		broker.Close()
		time.Sleep(time.Minute) // the bubble must be empty
		if n := d.open.Load(); n != 0 {
			err = errors.Join(err, fmt.Errorf("%d engines are open in the end", n))
		}
	}()
	c := &callbacks{b: b, r: rand.New(rand.NewPCG(seed, 1)), owned: map[kafka.TP]bool{}, next: map[kafka.TP]int64{}}
	var story []string
	for range 60 {
		story = append(story, c.step())
		if err := c.check(); err != nil {
			return fmt.Errorf("%w\nafter %q", err, story)
		}
	}
	if err := c.converge(); err != nil {
		return fmt.Errorf("%w\nafter %q", err, story)
	}
	for _, f := range sabotage {
		f(c)
	}
	return c.check()
}

// graph counts the values of two topics that are read together.
func graph(t *testing.T) *topology.Topology {
	t.Helper()
	one, two := weir.NewTopic("a", serde.String(), serde.String()), weir.NewTopic("b", serde.String(), serde.String())
	b := weir.NewBuilder()
	weir.Count(weir.From(b, weir.Topics(one, two)).GroupByKey(), "counts", weir.NoCache()).ToStream().To(weir.NewTopic("out", serde.String(), serde.Int64()))
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo.Graph(seal.Token{})
}

// A worker that loses a task, or keeps one, without being told to is noticed.
func TestShuffledCallbacksNoticeSaboteurs(t *testing.T) {
	for what, sabotage := range map[string]func(*callbacks){
		"it keeps what it was to give up": func(c *callbacks) { clear(c.owned) },
		"it gives up what it was to keep": func(c *callbacks) { c.b.LoseAll() },
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			if err := shuffled(t, dir, false, 1, sabotage); err == nil {
				t.Errorf("%s, and nobody noticed", what)
			}
		})
	}
}
