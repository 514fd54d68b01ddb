package flow

// Idle is what the operators of a task do once its inputs have been read to their ends and silent for long enough: they close what is open, as if a
// record had come that is late enough to close it. What they have closed is in their marks, so that it stays closed after a restart.
type Idle struct {
	ops []*idleOp // children before their parents, as nodes are made
}

type idleOp struct {
	n     *Node
	after int64 // ms
	close func() (did bool, err error)
	done  bool // since the inputs fell silent
}

// OnIdle has an operator closed after so many ms of silence: negative as the app says, 0 never. close says whether there was anything to close; its
// error is final. idles reports whether it will ever be called.
func (e *Env) OnIdle(n *Node, after int64, close func() (did bool, err error)) (idles bool) {
	if after < 0 {
		after = e.CloseIdle
	}
	if after <= 0 {
		return false
	}
	e.Idle.ops = append(e.Idle.ops, &idleOp{n: n, after: after, close: close})
	return true
}

// Any reports whether any operator closes.
func (i *Idle) Any() bool { return len(i.ops) > 0 }

// Wake says that the silence is over.
func (i *Idle) Wake() {
	for _, op := range i.ops {
		op.done = false
	}
}

// Next is after how many ms of silence the next operator closes; false when all have.
func (i *Idle) Next() (after int64, ok bool) {
	for _, op := range i.ops {
		if !op.done && (!ok || op.after < after) {
			after, ok = op.after, true
		}
	}
	return after, ok
}

// Close closes what is due after so many ms of silence, parents first; between is called after each that did something, for what it sent to those below,
// which are closed again. at is told of each node before.
func (i *Idle) Close(silence int64, at func(*Node), between func() error) (any bool, err error) {
	for k := len(i.ops) - 1; k >= 0; k-- {
		op := i.ops[k]
		if op.after > silence || op.done && !any {
			continue
		}
		at(op.n)
		did, err := op.close()
		if err == nil && did {
			err = between()
		}
		if err != nil {
			return true, err
		}
		op.done = true
		any = any || did
	}
	return any, nil
}

// IdleMark is the mark in which an operator keeps, beside that of its store, what closing it when idle needs to know. It travels in the metadata of
// committed offsets too.
func IdleMark(store string) string { return store + "\x00idle" }
