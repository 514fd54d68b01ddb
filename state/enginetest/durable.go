package enginetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/weirstream/weir/state"
)

// durableCheck is one thing that an engine with a directory must do; open opens the same directory every time.
type durableCheck struct {
	name string
	run  func(t T, open func() state.Engine)
}

var durableChecks = []durableCheck{
	{"reopen finds the rows", reopenFinds},
	{"reopen after flush", reopenFlushed},
	{"reopen of an empty engine", reopenEmpty},
	{"random operations with reopening", reopenRandom},
}

func reopenFinds(t T, open func() state.Engine) {
	e := open()
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}))
	var b state.Batch
	b.Delete([]byte("b"))
	b.Set([]byte("d"), nil)
	apply(t, e, &b)
	closeEngine(t, e)
	e = open()
	wantRows(t, e, "", "", false, pair{"a", "1"}, pair{"c", "3"}, pair{"d", ""})
	wantGet(t, e, "b", nil)
	closeEngine(t, e)
}

func reopenFlushed(t T, open func() state.Engine) {
	e := open()
	apply(t, e, batch(pair{"a", "1"}))
	flush(t, e)
	apply(t, e, batch(pair{"a", "2"}, pair{"b", "2"}))
	closeEngine(t, e)
	e = open()
	wantRows(t, e, "", "", false, pair{"a", "2"}, pair{"b", "2"})
	closeEngine(t, e)
}

func reopenEmpty(t T, open func() state.Engine) {
	closeEngine(t, open())
	e := open()
	wantRows(t, e, "", "", false)
	closeEngine(t, e)
}

func reopenRandom(t T, open func() state.Engine) {
	const seed = 3
	w := &walker{t: t, r: rand.New(rand.NewPCG(seed, 0)), seed: seed, m: model{}}
	for round := range 6 {
		w.e = open()
		w.same(fmt.Sprintf("all rows at opening %d", round), walk(t, w.e, nil, nil, false), w.m.rows(nil, nil, false))
		for range 60 {
			w.step++
			w.act()
		}
		for len(w.open) > 0 {
			w.finish()
		}
		closeEngine(t, w.e)
	}
}
