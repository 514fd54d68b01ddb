package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lease is how long a member may take itself for one. Without transactions nothing keeps a member that was thrown out from writing to changelogs
// that others own by now, so it must notice by itself: when no heartbeat was answered for a session's time, which begins when one is sent and so
// ends before the coordinator's, and, by asking, when a rebalance has waited for it.
//
// It is a hook of the client.
type lease struct {
	session time.Duration // as the client says before it does anything
	expired func()        // called on a goroutine of its own
	suspect atomic.Bool

	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

var (
	_ kgo.HookNewClient   = (*lease)(nil)
	_ kgo.HookBrokerE2E   = (*lease)(nil)
	_ kgo.HookBrokerWrite = (*lease)(nil)
)

// OnNewClient learns the session's time, which an option of the user may have set. Later would be too late: the client joins by itself.
func (l *lease) OnNewClient(cl *kgo.Client) {
	l.session = cl.OptValue(kgo.SessionTimeout).(time.Duration)
}

// OnBrokerWrite stops the clock while the member waits in JoinGroup: the coordinator waits for others then.
func (l *lease) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == int16(kmsg.JoinGroup) && err == nil {
		l.set(0)
	}
}

// OnBrokerE2E begins a session's time anew.
func (l *lease) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	switch kmsg.Key(key) {
	case kmsg.Heartbeat, kmsg.SyncGroup:
		if e2e.Err() == nil {
			l.set(max(l.session-e2e.DurationE2E(), 1))
		}
	case kmsg.JoinGroup:
		l.set(l.session)
	}
}

// set lets the lease end after a time; 0 lets it last.
func (l *lease) set(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if d == 0 || l.over {
		return
	}
	l.timer = time.AfterFunc(d, l.expire)
}

func (l *lease) expire() {
	l.mu.Lock()
	over := l.over
	l.mu.Unlock()
	if over {
		return
	}
	l.suspect.Store(true)
	l.expired()
}

func (l *lease) end() {
	l.set(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// Suspect reports whether the member may have been thrown out of the group without the worker's knowledge: Check tells. Any goroutine may ask.
func (g *Group) Suspect() bool { return g.wanted.Load() || g.lease.suspect.Load() }

// checkEvery is how long an answer of Check is good for while a rebalance waits.
const checkEvery = 200 * time.Millisecond

// Check asks the coordinator, if there is reason to, whether it still knows the member. It returns ErrFenced if not, and ErrProducerDead if there
// is no answer: what was sent cannot be relied on then. The worker asks before it does what others would see.
func (g *Group) Check(ctx context.Context) error {
	if !g.Suspect() || !g.lease.suspect.Load() && time.Since(g.asked) < checkEvery {
		return nil
	}
	member, generation, err := g.identity()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = g.set.App, member, generation, g.instance()
	ctx, cancel := context.WithTimeout(ctx, g.set.requestTimeout())
	defer cancel()
	resp, err := req.RequestWith(ctx, g.cl)
	if err != nil {
		return fmt.Errorf("%w: group %s: is %s still a member: %w", ErrProducerDead, g.set.App, member, err)
	}
	switch err := kerr.ErrorForCode(resp.ErrorCode); err {
	case kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.IllegalGeneration:
		return fmt.Errorf("%w: group %s: %s: %w", ErrFenced, g.set.App, member, err)
	}
	g.lease.suspect.Store(false)
	g.asked = time.Now()
	return nil
}
