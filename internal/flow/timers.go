package flow

// Timers are the punctuations of one task, on both clocks. Times are ms. Missed calls are not made up for: the next one is the first of
// its grid after now. Those that are due are called in the order of the times for which they were due; of equal ones, that which has waited longer
// mostly comes first: the order is that of Kafka's PunctuationQueue, a binary heap.
type Timers struct {
	stream, wall timerHeap
}

type timer struct {
	next, every int64
	off         bool
	node        *Node
	f           func(now int64) error
}

func (t *Timers) of(wall bool) *timerHeap {
	if wall {
		return &t.wall
	}
	return &t.stream
}

// Schedule adds a punctuation. The first call on the wall clock is at now + every; on stream time it is due at the first record. start >= 0
// anchors the grid. cancel may be called at any time on the task's goroutine, also from the punctuation itself.
func (t *Timers) Schedule(n *Node, every, start int64, wall bool, now int64, f func(now int64) error) (cancel func()) {
	p := &timer{every: every, node: n, f: f}
	switch {
	case start >= 0:
		p.next = start
		if now > start {
			p.next = start + ((now-start)/every+1)*every
		}
	case wall:
		p.next = now + every
	}
	t.of(wall).add(p)
	return func() { p.off = true }
}

// Any reports whether anything is scheduled.
func (t *Timers) Any() bool { return len(t.stream)+len(t.wall) > 0 }

// Next is the time of the next punctuation on the wall clock; false without one.
func (t *Timers) Next() (at int64, ok bool) {
	for _, p := range t.wall {
		if !p.off && (!ok || p.next < at) {
			at, ok = p.next, true
		}
	}
	return at, ok
}

// Fire calls what is due at now on one clock, and reports whether anything was. An error is the node's, undecided; its punctuation goes on.
func (t *Timers) Fire(now int64, wall bool, run func(n *Node, f func(now int64) error) error) (any bool, err error) {
	h := t.of(wall)
	for len(*h) > 0 && (*h)[0].next <= now && err == nil {
		p := h.take()
		if p.off {
			continue
		}
		any = true
		err = run(p.node, p.f)
		if !p.off {
			p.next += p.every * (1 + (now-p.next)/p.every)
			h.add(p)
		}
	}
	return any, err
}

// timerHeap is a binary heap by next, the least first. It moves one before another only where it is less: which of equal ones comes first is part
// of what runs are compared by.
type timerHeap []*timer

func (h *timerHeap) add(p *timer) {
	*h = append(*h, p)
	all := *h
	i := len(all) - 1
	for up := (i - 1) / 2; i > 0 && p.next < all[up].next; up = (i - 1) / 2 {
		all[i] = all[up]
		i = up
	}
	all[i] = p
}

// take removes the first one.
func (h *timerHeap) take() *timer {
	all := *h
	first, last := all[0], all[len(all)-1]
	all[len(all)-1] = nil
	all = all[:len(all)-1]
	if *h = all; len(all) > 0 {
		all.sink(last)
	}
	return first
}

// sink puts p in the place of the first one, and then below all that are less.
func (h timerHeap) sink(p *timer) {
	i := 0
	for {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].next < h[child].next {
			child++
		}
		if child >= len(h) || p.next <= h[child].next {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = p
}
