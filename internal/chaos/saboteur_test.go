package chaos

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/state"
)

// TestSaboteursAreCaught breaks runs, one thing at a time, and wants each to be noticed within a few seeds.
func TestSaboteursAreCaught(t *testing.T) {
	exactly := plan{exactlyOnce: true, processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 2, deeds: 3}
	least := exactly
	least.exactlyOnce = false
	for _, c := range []struct {
		what     string
		scene    func() *scene
		plan     plan
		sabotage func(*world)
	}{
		{"a batch is applied though its transaction is aborted", everyCount, exactly, abortOne},
		{"an output is written twice", everyCount, exactly, doubleOne},
		{"an output is written twice", paying, exactly, doubleOne},
		{"a window is lost", paying, least, loseOne},
		{"a window is lost", paying, exactly, loseOne},
		{"an offset is committed too far", everyCount, exactly, commitTooFar},
		{"an offset is committed too far", everyCount, least, commitTooFar},
		{"offsets are committed whoever the member is", everyCount, exactly, unfence},
		{"what was aborted is read", paying, exactly, readAll},
		{"a store forgets a write", everyCount, exactly, forgetWrites},
		{"an output is written twice", asking, exactly, doubleOne},
		{"an offset is committed too far", asking, least, commitTooFar},
		{"a store forgets a write", asking, exactly, forgetWrites},
	} {
		t.Run(c.what+", "+c.scene().name+", "+c.plan.String(), func(t *testing.T) {
			c.plan.sabotage = c.sabotage
			for seed := range uint64(20) {
				if _, err := run(t, c.scene(), c.plan, seed); err != nil {
					t.Logf("seed %d: %.300v", seed, err)
					return
				}
			}
			t.Error("20 runs found nothing wrong")
		})
	}
}

// tamper changes requests of a kind on their way to the broker.
func (w *world) tamper(key kmsg.Key, change func(kmsg.Request)) {
	w.cluster.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		change(r)
		return nil, nil, false
	})
}

func abortOne(w *world) {
	n := 0
	w.tamper(kmsg.EndTxn, func(r kmsg.Request) {
		if n++; n == 8 {
			r.(*kmsg.EndTxnRequest).Commit = false
		}
	})
}

func doubleOne(w *world) {
	w.last = func() {
		out, err := w.readCommitted("out")
		w.ok(err)
		w.write([]*kgo.Record{{Topic: "out", Partition: out[0].Partition, Key: out[0].Key, Value: out[0].Value, Timestamp: out[0].Timestamp}})
	}
}

func loseOne(w *world) { w.loses = "m3" }

// commitTooFar has one commit skip a record, and all processes die of it.
func commitTooFar(w *world) {
	n := 0
	far := func(offset *int64) {
		if n++; n == 12 {
			*offset++
			time.AfterFunc(20*time.Millisecond, func() { // when it has been committed, and before the next commit makes it good
				for _, p := range w.processes {
					p.kill(100)
				}
			})
		}
	}
	w.tamper(kmsg.TxnOffsetCommit, func(r kmsg.Request) { far(&r.(*kmsg.TxnOffsetCommitRequest).Topics[0].Partitions[0].Offset) })
	w.tamper(kmsg.OffsetCommit, func(r kmsg.Request) { far(&r.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Offset) })
}

// unfence takes the fence away: a process that was frozen commits for partitions that others have by now.
func unfence(w *world) {
	freezeAtCommits(w)
	w.tamper(kmsg.TxnOffsetCommit, func(r kmsg.Request) {
		req := r.(*kmsg.TxnOffsetCommitRequest)
		req.MemberID, req.Generation = "", -1
	})
	w.tamper(kmsg.OffsetCommit, func(r kmsg.Request) {
		req := r.(*kmsg.OffsetCommitRequest)
		req.MemberID, req.Generation = "", -1
	})
}

// freezeAtCommits stops processes right before some commits, for longer than their session and less long than their transaction.
func freezeAtCommits(w *world) {
	w.onStart = func(l *life) {
		for n := range 10 {
			l.wire.arm(&trap{key: int16(kmsg.TxnOffsetCommit), n: 3 + 5*n, spring: func(*conn) {
				l.wire.freeze()
				w.count("freezes")
				time.AfterFunc(session+2*time.Second, l.wire.thaw)
			}})
		}
	}
}

// The run that the saboteur of fences breaks is whole without it.
func TestFence(t *testing.T) {
	for _, old := range []bool{false, true} {
		p := plan{exactlyOnce: true, old: old, processes: 2, workers: 1, commit: 100 * time.Millisecond, rounds: 2, sabotage: freezeAtCommits}
		for seed := range uint64(seeds()) {
			t.Run(fmt.Sprintf("%s, seed %d", p, seed), func(t *testing.T) {
				counts, err := run(t, everyCount(), p, seed)
				if err != nil || counts["freezes"] == 0 {
					t.Errorf("%s: %v", shown(counts), err)
				}
			})
		}
	}
}

func readAll(w *world) {
	w.tamper(kmsg.Fetch, func(r kmsg.Request) { r.(*kmsg.FetchRequest).IsolationLevel = 0 })
}

func forgetWrites(w *world) { w.forgetful = true }

// forgetful is an engine that drops a row now and then.
type forgetful struct {
	state.Engine
	n *atomic.Int64
}

func (f forgetful) Apply(b *state.Batch) error {
	if f.n.Add(1)%5 > 0 {
		return f.Engine.Apply(b)
	}
	var less state.Batch
	ops := slices.Clone(b.Ops())
	dropped := false
	for _, op := range ops {
		switch {
		case op.Kind == state.OpSet && !dropped && len(op.Key) > 2 && op.Key[1] != 0: // a row of a store
			dropped = true
		case op.Kind == state.OpSet:
			less.Set(op.Key, op.Value)
		case op.Kind == state.OpDelete:
			less.Delete(op.Key)
		default:
			less.DeleteRange(op.Key, op.Value)
		}
	}
	return f.Engine.Apply(&less)
}
