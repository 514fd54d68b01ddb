package flow

// Timers are the punctuations of one task, on both clocks. Times are ms. Missed calls are not made up for: the next one is the first of
// its grid after now. Those that are due are called in the order of their times, then of scheduling (Kafka's PunctuationQueue).
type Timers struct {
	all []*timer
	seq int
}

type timer struct {
	next, every int64
	seq         int
	wall        bool
	off         bool
	node        *Node
	f           func(now int64) error
}

// Schedule adds a punctuation. The first call on the wall clock is at now + every; on stream time it is due at the first record. start >= 0
// anchors the grid. cancel may be called at any time on the task's goroutine, also from the punctuation itself.
func (t *Timers) Schedule(n *Node, every, start int64, wall bool, now int64, f func(now int64) error) (cancel func()) {
	p := &timer{every: every, seq: t.seq, wall: wall, node: n, f: f}
	t.seq++
	switch {
	case start >= 0:
		p.next = start
		if now > start {
			p.next = start + ((now-start)/every+1)*every
		}
	case wall:
		p.next = now + every
	}
	t.all = append(t.all, p)
	return func() { p.off = true }
}

// Any reports whether anything is scheduled.
func (t *Timers) Any() bool { return len(t.all) > 0 }

// Next is the time of the next punctuation on the wall clock; false without one.
func (t *Timers) Next() (at int64, ok bool) {
	for _, p := range t.all {
		if p.wall && !p.off && (!ok || p.next < at) {
			at, ok = p.next, true
		}
	}
	return at, ok
}

// Fire calls what is due at now on one clock, and reports whether anything was. An error is the node's, undecided.
func (t *Timers) Fire(now int64, wall bool, run func(n *Node, f func(now int64) error) error) (any bool, err error) {
	for {
		p := t.due(now, wall)
		if p == nil {
			return any, nil
		}
		p.next += p.every * (1 + (now-p.next)/p.every)
		any = true
		if err := run(p.node, p.f); err != nil {
			return any, err
		}
	}
}

func (t *Timers) due(now int64, wall bool) (first *timer) {
	live := t.all[:0]
	for _, p := range t.all {
		if p.off {
			continue
		}
		live = append(live, p)
		if p.wall == wall && p.next <= now && (first == nil || p.next < first.next || p.next == first.next && p.seq < first.seq) {
			first = p
		}
	}
	clear(t.all[len(live):])
	t.all = live
	return first
}
