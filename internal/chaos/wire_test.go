package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What a peer's end looks like from here.
var (
	errReset   = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
)

// wire is the network of one life of a process. Every request takes a little time, so that there is a moment between any two of them.
type wire struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	pause func() time.Duration // before each request

	mu     sync.Mutex
	conns  map[*conn]bool
	dead   bool
	frozen chan struct{} // closed by thaw; nil while requests pass
	traps  []*trap
}

// trap waits for the n-th request of a kind, and springs before it is sent, or after it was, before its answer.
type trap struct {
	key    int16
	n      int
	after  bool
	spring func(*conn)
}

func (w *wire) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	time.Sleep(5 * time.Millisecond) // a client that tries again at once would stop the clock
	if err := w.passable(); err != nil {
		return nil, err
	}
	c, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return nil, errors.Join(errRefused, c.Close())
	}
	wired := &conn{Conn: c, w: w}
	w.conns[wired] = true
	return wired, nil
}

func (w *wire) passable() error {
	w.mu.Lock()
	dead, frozen := w.dead, w.frozen
	w.mu.Unlock()
	if frozen != nil && !dead {
		<-frozen
	}
	if dead {
		return errRefused
	}
	return nil
}

// kill cuts everything for good.
func (w *wire) kill() {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	w.thaw()
	w.flap()
}

// flap cuts what is connected now; it can connect again.
func (w *wire) flap() {
	w.mu.Lock()
	conns := w.conns
	w.conns = map[*conn]bool{}
	w.mu.Unlock()
	for c := range conns {
		c.cut()
	}
}

// freeze holds requests, as when the process is stopped.
func (w *wire) freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen == nil {
		w.frozen = make(chan struct{})
	}
}

func (w *wire) thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frozen != nil {
		close(w.frozen)
		w.frozen = nil
	}
}

func (w *wire) arm(t *trap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traps = append(w.traps, t)
}

// sprung takes a trap that is due.
func (w *wire) sprung(key int16, after bool) *trap {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, t := range w.traps {
		if t.key != key || t.after != after {
			continue
		}
		if t.n--; t.n <= 0 {
			w.traps = append(w.traps[:i:i], w.traps[i+1:]...)
			return t
		}
	}
	return nil
}

type conn struct {
	net.Conn
	w    *wire
	lost atomic.Bool
}

// cut ends the connection as if the peer had: what is lost is lost in both directions.
func (c *conn) cut() {
	c.lost.Store(true)
	c.Conn.Close()
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.lost.Load() {
		err = errReset
	}
	return n, err
}

// Write sees whole requests: length (4), key (2), version (2), …
func (c *conn) Write(b []byte) (int, error) {
	key := int16(-1)
	if len(b) >= 8 {
		key = int16(binary.BigEndian.Uint16(b[4:]))
	}
	time.Sleep(c.w.pause())
	if t := c.w.sprung(key, false); t != nil {
		t.spring(c)
	}
	if err := c.w.passable(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil && c.lost.Load() {
		err = errReset
	}
	if t := c.w.sprung(key, true); t != nil {
		t.spring(c)
	}
	return n, err
}

func (c *conn) Close() error {
	c.w.mu.Lock()
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	return c.Conn.Close()
}

func (w *wire) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traps = nil
}
