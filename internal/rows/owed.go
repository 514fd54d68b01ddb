package rows

// owed are tombstones that a store's changelog gets a commit after the rows went, for rows that are handed out as they go. Where commits are not atomic, a crash could
// leave the tombstone of the same commit and not what was made of the row: a restore from the changelog would know of nothing that is still to be handed out. In the
// next commit that is known to be durable.
//
// The row itself goes at once, for all who look. What is owed is a row too, tag ‖ what the store makes of the key, so that whoever goes on with the store owes it. A
// restore from the changelog alone brings the row back, which is then handed out again.
type owed struct {
	host   Host
	tag    byte
	logged bool
	late   bool
	fresh  []string // what went since the last commit
	due    []string // what went before it
	key    []byte
	val    []byte
	debt   []byte
}

// Late has tombstones of what is handed out wait for the next commit: for where a commit is not atomic.
func (o *owed) Late() { o.late = o.logged }

// Owes says that tombstones wait for the next commit, whatever comes until then.
func (o *owed) Owes() bool { return len(o.fresh)+len(o.due) > 0 }

// learn finds what an earlier life owes. Of what is there again, by the changelog that was restored, nothing is owed.
func (o *owed) learn(there func(key []byte) (bool, error)) error {
	it, err := o.host.Iter([]byte{o.tag}, []byte{o.tag + 1}, false)
	if err != nil {
		return err
	}
	for it.Next() && err == nil {
		err = o.learned(clone(it.Key()[1:]), there)
	}
	if closing := closed(it); err == nil {
		err = closing
	}
	return err
}

func (o *owed) learned(key []byte, there func(key []byte) (bool, error)) error {
	again, err := there(key)
	if err != nil {
		return err
	}
	if again {
		return o.forgive(key)
	}
	o.due = append(o.due, string(key))
	return nil
}

// mark keeps that a tombstone is owed, with a value for the store's own use.
func (o *owed) mark(key, val []byte) error { return o.host.Set(o.at(key), val) }

// marked is the value that was kept; valid until the next call.
func (o *owed) marked(key []byte) (val []byte, err error) {
	o.val, _, err = o.host.Get(o.val[:0], o.at(key))
	return o.val, err
}

// forgive ends what is owed.
func (o *owed) forgive(key []byte) error { return o.host.Delete(o.at(key)) }

func (o *owed) at(key []byte) []byte {
	o.key = append(append(o.key[:0], o.tag), key...)
	return o.key
}

// owe has a tombstone that was marked written in the commit after the next settle.
func (o *owed) owe(key []byte) { o.fresh = append(o.fresh, string(key)) }

// settle is the store's part in a commit: write is given each key that is due.
func (o *owed) settle(write func(key []byte) error) error {
	for _, key := range o.due {
		k := []byte(key)
		if err := write(k); err != nil {
			return err
		}
		if err := o.forgive(k); err != nil {
			return err
		}
	}
	o.due, o.fresh = o.fresh, emptied(o.due)
	return nil
}

// emptied is a list's memory for another, but of a long one.
func emptied(list []string) []string {
	const keep = 1 << 12
	if len(list) > keep {
		return nil
	}
	clear(list)
	return list[:0]
}

// later owes the tombstone of a row whose local key says all, at a time in ms: what is owed is that time ‖ the local key.
func (o *owed) later(local []byte, at int64) error {
	o.debt = append(appendTime(o.debt[:0], at), local...)
	o.owe(o.debt)
	return o.mark(o.debt, nil)
}

// learnLater is learn for such tombstones.
func (o *owed) learnLater() error { return o.learn(o.again) }

// settleLater is settle for them. A row that is there again has its own record in the changelog.
func (o *owed) settleLater(write func(local []byte, at int64) error) error {
	return o.settle(func(debt []byte) error {
		if again, err := o.again(debt); again || err != nil {
			return err
		}
		return write(debt[stampLen:], timeAt(debt))
	})
}

func (o *owed) again(debt []byte) (ok bool, err error) {
	if len(debt) < stampLen {
		return false, tooShort("owed tombstone", debt, stampLen)
	}
	o.val, ok, err = o.host.Get(o.val[:0], debt[stampLen:])
	return ok, err
}
