package badinput

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
)

// silent is a connection to a broker that never answers once it was asked something.
type silent struct {
	net.Conn
	key   kmsg.Key
	asked func()
	mute  *atomic.Bool
}

func (c *silent) Write(b []byte) (int, error) {
	if len(b) >= 6 && binary.BigEndian.Uint16(b[4:]) == uint16(c.key) {
		c.mute.Store(true)
		c.asked()
	}
	return c.Conn.Write(b)
}

func (c *silent) Read(b []byte) (n int, err error) {
	n, err = c.Conn.Read(b)
	for err == nil && c.mute.Load() {
		n, err = c.Conn.Read(b) // answers are lost
	}
	return n, err
}

// TestStoppedAtAnyRequestOfItsStart cancels the app while it waits for each answer that it needs to start, which never comes: that is no error.
// In virtual time, for what it gives up waits for a while.
func TestStoppedAtAnyRequestOfItsStart(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.ApiVersions, kmsg.Metadata, kmsg.CreateTopics, kmsg.InitProducerID, kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.OffsetFetch, kmsg.ListOffsets} {
		t.Run(key.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stoppedAt(t, key) })
		})
	}
}

func stoppedAt(t *testing.T, key kmsg.Key) {
	var network kfake.VirtualNetwork
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(network.Listen), kfake.Ports(9092), kfake.SeedTopics(1, "in", "out"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mute atomic.Bool
	dial := kgo.Dialer(func(ctx context.Context, net, addr string) (net.Conn, error) {
		time.Sleep(time.Millisecond) // who tries again at once would stop the clock
		c, err := network.DialContext(ctx, net, addr)
		return &silent{Conn: c, key: key, asked: cancel, mute: &mute}, err
	})
	b := weir.NewBuilder()
	reducing()(b)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	a, err := weir.New("app", topo, weir.WithKafka(kgo.SeedBrokers(cluster.ListenAddrs()...), dial), weir.StateDir(t.TempDir()), weir.Workers(2), weir.ExactlyOnce())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := a.Run(ctx); err != nil || !mute.Load() {
		t.Errorf("asked: %v; it ended with %v", mute.Load(), err)
	}
	t.Logf("it took %v", time.Since(begun))
	cluster.Close()
	time.Sleep(2 * time.Minute) // the bubble's clock stops with its test; clients end some things beside their Close
}

// late is a context whose deadline passes when the test says so.
type late struct {
	context.Context
	passed chan struct{}
}

func (l late) Done() <-chan struct{} { return l.passed }

func (l late) Err() error {
	select {
	case <-l.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestADeadlineEndsARun as a cancellation does: the app commits and leaves, and that is no error.
func TestADeadlineEndsARun(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		w.send("in", "a=1")
		a, err := weir.New("app", w.topology(reducing()), append([]weir.AppOption{weir.WithKafka(kgo.SeedBrokers(w.addrs()...)), weir.StateDir(w.dir)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, done := late{w.ctx, make(chan struct{})}, make(chan error)
		go func() { done <- a.Run(ctx) }()
		w.read("out", 1)
		close(ctx.passed)
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
		if at := w.committed(t); at != 1 {
			t.Errorf("%d is committed, want 1", at)
		}
	})
}
