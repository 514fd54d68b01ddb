package task_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
	"pgregory.net/rapid"
)

// What holds records back and deletes them as it hands them out is played as asynchronous nodes are: see asking. Records wait for holds ms, and come one a ms.
const holds = 5

// holders are the nodes of that kind, each with its store.
var holders = map[string]func(*asking){
	"suppress": func(a *asking) {
		a.spec, a.node = rows.NewBuffer("held", "string", "string"), suppressing
	},
	"join with grace": func(a *asking) {
		a.spec, a.node = rows.NewWaiting("held", serde.String(), holds), joiningLater
	},
	"left join": func(a *asking) {
		a.spec, a.node = rows.NewPending("held", serde.String(), "string"), joiningNothing
		for _, side := range []string{"left", "right"} {
			spec := rows.NewSide(side, serde.String(), serde.String(), 2*holds, 2*holds)
			spec.Logged = false
			a.more = append(a.more, spec)
		}
	},
}

func suppressing(n *flow.Node, held any, next words) (words, error) {
	how := flow.Suppressing[string, string]{Key: serde.String(), Value: serde.String(), Wait: holds, MaxRecords: 1 << 40, MaxBytes: 1 << 40}
	take, err := flow.Suppress(n, "held", held.(*rows.Buffer), how, func(r processor.Record[string, flow.Change[string]]) error {
		return next(processor.WithValue(r, r.Value.New))
	})
	return func(r processor.Record[string, string]) error {
		return take(processor.WithValue(r, flow.Change[string]{New: r.Value, HasNew: true}))
	}, err
}

func joiningLater(n *flow.Node, held any, next words) (words, error) {
	look := func(string, time.Time) (string, bool, error) { return "", true, nil }
	join := func(r processor.Record[string, string], _ string, _ bool) (string, error) { return r.Value, nil }
	return flow.JoinTableLater(n, false, held.(*rows.Waiting[string]), serde.String(), look, join, next), nil
}

// joiningNothing is the left side of a join whose right one gets nothing.
func joiningNothing(n *flow.Node, held any, next words) (words, error) {
	w := window.Within(holds * time.Millisecond)
	side := func(name string) *rows.Side[string, string] {
		s, _ := n.Env.Stores.Store(name)
		return s.(*rows.Side[string, string])
	}
	j := flow.StreamJoin[string, string, string, string]{Window: w, Own: side("left"), Others: side("right"), Side: rows.LeftSide, Value: serde.String()}
	j.Alone = func(_, v string) (string, error) { return v, nil }
	j.Lone = flow.NewLonely(n.Env, "held", held.(*rows.Pending[string]), w, 0, [2]func(string, []byte) (string, error){
		rows.LeftSide: func(_ string, raw []byte) (string, error) { return string(raw), nil },
	})
	return flow.JoinStreams(n, j, next), nil
}

func newHolding(kind string, atomic bool, keys int) *asking {
	a := newAsking(atomic)
	a.keys = keys
	holders[kind](a)
	fed := int64(-1)
	a.keyAt = func(n int64) (int, int64) {
		if n == fed {
			return keys, n + 1000
		}
		return int(n) % keys, n
	}
	a.last = func() error {
		fed = int64(a.fed)
		return a.push(1)
	}
	a.judge = func() error { return a.judgeHeld(kind == "suppress") }
	return a
}

// judgeHeld says what is wrong with the results. The last record goes on waiting. With the last of each key alone, earlier ones may be missing.
func (a *asking) judgeHeld(latest bool) error {
	seen, last := map[int]int{}, map[int]int{}
	for i, r := range a.out {
		if seen[r.value]++; seen[r.value] > 1 && a.atomic {
			a.faultf("result %d: %d comes again", i, r.value)
		}
		last[r.key] = r.value
	}
	end := a.fed - 1
	for v := range end {
		switch newer := v + a.keys; {
		case !latest && seen[v] == 0:
			a.faultf("%d has no result", v)
		case latest && newer >= end && last[v%a.keys] != v:
			a.faultf("%d is the last of its key, its last result is %d", v, last[v%a.keys])
		}
	}
	if n := a.left(); n != 1 {
		a.faultf("%d rows are left, not the last alone", n)
	}
	return errors.Join(a.faults...)
}

// What a node holds back is handed out, whatever crashes where; with transactions once.
func TestHoldingAgainstModel(t *testing.T) {
	for kind := range holders {
		for _, atomic := range []bool{false, true} {
			t.Run(kind+map[bool]string{false: ", at least once", true: ", exactly once"}[atomic], func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					a := newHolding(kind, atomic, rapid.SampledFrom([]int{3, 10, 1000}).Draw(t, "keys"))
					if err := a.run(askingOps(rapid.SampledFrom([]int{0, 80}).Draw(t, "length")).Draw(t, "ops")); err != nil {
						t.Fatal(err)
					}
				})
			})
		}
	}
}

// The model sees what is wrong.
func TestHoldingModelComplains(t *testing.T) {
	for name, c := range map[string]struct {
		atomic bool
		broken func(*asking)
	}{
		"deletes rows before results are durable": {false, func(a *asking) { a.claims = true }},
		"deletes rows a commit late":              {true, func(a *asking) { a.claims = false }},
		"has no changelog":                        {true, func(a *asking) { a.spec.Logged = false }},
	} {
		for kind := range holders {
			caught := false
			for seed := 0; seed < 300 && !caught; seed++ {
				a := newHolding(kind, c.atomic, 1000)
				c.broken(a)
				caught = a.run(askingOps(80).Example(seed)) != nil
			}
			if !caught {
				t.Errorf("%s: nobody saw that the task %s", kind, name)
			}
		}
	}
}
