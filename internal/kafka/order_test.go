package kafka

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/internal/assign"
)

// listener checks what a handler is promised, whatever the client does.
type listener struct {
	owned  map[TP]string // and under which member id
	member func() string
	faults []string
}

func (l *listener) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
}

func (l *listener) Assigned(_ context.Context, plan Plan, added []TP) {
	for _, tp := range added {
		if _, mine := l.owned[tp]; mine {
			l.fault("%s assigned twice", tp)
		}
		l.owned[tp] = plan.Member
	}
	for tp, id := range l.owned {
		if id != plan.Member {
			l.fault("%s is still there from member %s, and the member is %s", tp, id, plan.Member)
		}
	}
}

func (l *listener) Revoked(_ context.Context, gone []TP) {
	if len(gone) == 0 {
		l.fault("an empty revocation")
	}
	for _, tp := range gone {
		if id := l.owned[tp]; id != l.member() {
			l.fault("%s of member %q revoked, where a commit would go out as %q", tp, id, l.member())
		}
		delete(l.owned, tp)
	}
}

func (l *listener) Lost(_ context.Context, gone []TP) {
	if len(gone) == 0 {
		l.fault("an empty loss")
	}
	for _, tp := range gone {
		if _, mine := l.owned[tp]; !mine {
			l.fault("%s lost, and not owned", tp)
		}
		delete(l.owned, tp)
	}
}

// fakeClient calls a group's callbacks in the orders in which the client may: empty revocations before each join, joins
// under a new id without a loss, losses after revocations, partitions that come anew while they are there.
type fakeClient struct {
	g        *Group
	l        *listener
	id       int
	gen      int32
	assigned []TP // what the client believes to have
}

func newFakeClient(fenced bool) *fakeClient {
	c := &fakeClient{id: 1}
	c.l = &listener{owned: map[TP]string{}, member: func() string { return fmt.Sprint("m", c.id) }}
	c.g = &Group{
		set:    &Settings{App: "app"},
		cfg:    GroupConfig{Handler: c.l},
		bal:    &balancer{},
		opened: make(chan struct{}),
		life:   context.Background(),
		parts:  map[TP]*part{},
		ids:    map[string][16]byte{},
	}
	close(c.g.opened)
	c.g.client = func() (string, int32) { return c.l.member(), c.gen }
	if !fenced { // a group that trusts the client
		c.g.client = func() (string, int32) { return "m", c.gen }
	}
	return c
}

func (c *fakeClient) rebalance(want []TP) {
	c.g.onRevoked(context.Background(), nil, nil) // the end of the session before
	c.gen++
	c.g.bal.keep(synced{owned: want, data: assign.AssignmentData{}})
	var lost, added []TP
	for _, tp := range c.assigned {
		if !slices.Contains(want, tp) {
			lost = append(lost, tp)
		}
	}
	for _, tp := range want {
		if !slices.Contains(c.assigned, tp) {
			added = append(added, tp)
		}
	}
	if len(lost) > 0 {
		c.g.onRevoked(context.Background(), nil, byTopic(lost))
	}
	c.assigned = want
	c.g.onAssigned(context.Background(), nil, byTopic(added))
}

func (c *fakeClient) lose() {
	c.g.onLost(context.Background(), nil, byTopic(c.assigned))
	c.assigned = nil
}

func drawOrder(t *rapid.T, fenced bool) []string {
	c := newFakeClient(fenced)
	all := flatten(map[string][]int32{"a": {0, 1}, "b": {0, 1}})
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		switch rapid.IntRange(0, 6).Draw(t, "step") {
		case 0, 1, 2:
			c.rebalance(rapid.SliceOfDistinct(rapid.SampledFrom(all), func(tp TP) TP { return tp }).Draw(t, "assigned"))
		case 3:
			c.id++ // a silent join; the callbacks of its rebalance follow, or the worker looks first
		case 4:
			c.lose()
			c.id++
		case 5:
			c.g.fence()
		case 6: // a topic was deleted and made again
			if len(c.assigned) > 0 {
				c.g.onAssigned(context.Background(), nil, byTopic(c.assigned[:1]))
			}
		}
		if !slices.Equal(c.g.Owned(), ownedBy(c.l)) {
			c.l.fault("the group has %v, the handler %v", c.g.Owned(), ownedBy(c.l))
		}
	}
	return c.l.faults
}

func ownedBy(l *listener) []TP {
	var tps []TP
	for tp := range l.owned {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, TP.Compare)
	return tps
}

func TestHandlerHearsWhatItIsPromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if faults := drawOrder(t, true); len(faults) > 0 {
			t.Fatal(faults)
		}
	})
}

// A group that does not compare ids lets a revocation through after a silent join.
func TestHandlerSaboteur(t *testing.T) {
	c := newFakeClient(false)
	c.rebalance(flatten(map[string][]int32{"a": {0, 1}}))
	c.id++
	c.rebalance(flatten(map[string][]int32{"a": {0}}))
	if len(c.l.faults) == 0 {
		t.Error("the saboteur was not caught")
	}
}

// leaver asks at each revocation what a commit would hold.
type leaver struct {
	*listener
	g    *Group
	left [][]Offset
}

func (l *leaver) Revoked(ctx context.Context, gone []TP) {
	l.listener.Revoked(ctx, gone)
	l.left = append(l.left, l.g.lasting([]Offset{{TP: TP{Topic: "a"}, Offset: 7}, {TP: TP{Topic: "b"}, Offset: 9}}))
}

// A topic that was made again is revoked, not lost: what was read of others can be committed, and no position of the old one.
func TestRemadeTopicIsRevoked(t *testing.T) {
	c := newFakeClient(true)
	l := &leaver{listener: c.l, g: c.g}
	c.g.cfg.Handler = l
	both := []TP{{Topic: "a"}, {Topic: "b"}}
	c.rebalance(both)
	c.g.onAssigned(context.Background(), nil, byTopic(both[1:]))
	if want := [][]Offset{{{TP: both[0], Offset: 7}}}; !reflect.DeepEqual(l.left, want) {
		t.Errorf("commits hold %v, want %v", l.left, want)
	}
	if after := c.g.lasting([]Offset{{TP: both[1], Offset: 1}}); len(after) != 1 {
		t.Error("a position in the new topic cannot be committed")
	}
	if len(c.l.faults) > 0 || !slices.Equal(c.g.Owned(), both) {
		t.Errorf("owned %v, faults %v", c.g.Owned(), c.l.faults)
	}
}
