package task

import "github.com/weirstream/weir/internal/flow"

// CloseIdle closes what operators hold open, where all inputs have been read to their ends and have been silent for as long as an operator wants. It is
// called after a Step that took less than it might, and says whether anything was done. now is in ms.
//
// What fetches have said of the ends of a partition from which nothing comes is old: it counts only once the caller has asked for them (WantsEnds,
// Confirm). So a broker that does not answer is not taken for silence.
func (t *Task) CloseIdle(now int64) (did bool, err error) {
	if !t.env.Idle.Any() {
		return false, nil
	}
	if err := t.begin(now); err != nil {
		return false, err
	}
	if !t.caughtUp() {
		t.quiet = -1
		return false, nil
	}
	if t.quiet < 0 {
		t.quiet = now
		t.env.Idle.Wake()
	}
	silence := min(now, t.confirmed) - t.quiet
	if after, ok := t.env.Idle.Next(); !ok || silence < after {
		return false, nil
	}
	defer t.boundary(&err)
	return t.close(silence)
}

// close closes what is due: the caches first, for what they hold belongs to what is closed.
func (t *Task) close(silence int64) (did bool, err error) {
	t.between()
	if err := t.written(); err != nil {
		return false, err
	}
	did, err = t.env.Idle.Close(silence, func(n *flow.Node) {
		t.node = n.Name
		t.between()
	}, t.written)
	t.worked = t.worked || did
	t.between()
	return did, t.settled(err)
}

// written flushes the caches.
func (t *Task) written() error {
	t.between()
	return t.settled(t.c.Stores.WriteBack())
}

// caughtUp says whether all inputs are known to have been read to their ends, and no record waits for a call.
func (t *Task) caughtUp() bool {
	if t.env.Waits() {
		return false
	}
	for _, in := range t.inputs {
		if in.queue.Len() > 0 || in.end < 0 || max(in.end, in.asked) > in.next {
			return false
		}
	}
	return true
}

// closes is when, in ms, the next operator is to be closed if the inputs stay silent; false for never.
func (t *Task) closes() (at int64, ok bool) {
	if t.quiet < 0 {
		return 0, false
	}
	after, ok := t.env.Idle.Next()
	return t.quiet + after, ok
}

// WantsEnds says that the task would close something if its inputs still ended where they are known to end: the caller is to ask the brokers, open
// transactions included, and to call Confirm.
func (t *Task) WantsEnds(now int64) bool {
	at, ok := t.closes()
	return ok && t.err == nil && !t.closed && at <= now && t.confirmed < at
}

// Confirm says where the inputs ended when that was asked for, at a time in ms before the answer: all of them, or nothing is confirmed. The choice of
// records does not go by it.
func (t *Task) Confirm(at int64, ends map[flow.TopicPartition]int64) {
	for _, in := range t.inputs {
		end, ok := ends[in.TopicPartition]
		if !ok {
			return
		}
		in.asked = max(in.asked, end)
	}
	t.confirmed = max(t.confirmed, at)
}
