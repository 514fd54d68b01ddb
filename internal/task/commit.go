package task

import (
	"errors"
	"maps"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/offsetmeta"
)

// restoreMarks takes the watermarks of the committed metadata where the stores' rows know no later one: rows that were restored from a changelog
// alone know none.
func (t *Task) restoreMarks() {
	for name, at := range t.watermarks {
		if at > t.c.Stores.Mark(name) {
			t.c.Stores.SetMark(name, at)
		}
	}
	t.watermarks = t.marks()
}

// marks are the watermarks as they stand. They are named for their stores, as Kafka's are; what operators of ours keep beside, such as the times of a
// cogroup's streams, has names that go on from there.
func (t *Task) marks() map[string]int64 {
	all := map[string]int64{}
	for _, s := range t.c.Sub.Stores {
		maps.Insert(all, t.c.Stores.MarksOf(s.Name))
	}
	return all
}

// CommitNeeded reports whether anything happened since the last commit: a record, a punctuation, the end of a call, or a position that moved over what is
// not handed on; or whether the last commit has left something to the next.
func (t *Task) CommitNeeded() bool {
	if t.worked || t.env.Owes() {
		return true
	}
	for _, in := range t.inputs {
		if in.moved() {
			return true
		}
	}
	return false
}

// CommitWanted reports whether user code asked for a commit, or uncommitted writes are large.
func (t *Task) CommitWanted() bool {
	return t.env.CommitWanted || t.c.Stores.PendingBytes() >= PendingLimit
}

// moved reports whether the position has left what was committed, or where it began.
func (in *input) moved() bool {
	at, _, ok := in.queue.Position()
	return ok && at != in.mark
}

// PrepareCommit flushes the caches, which may forward and send, and returns the offsets to commit. No record may be taken until Committed.
// A second call returns the same.
func (t *Task) PrepareCommit() (offsets map[flow.TopicPartition]Offset, err error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if t.prepared != nil {
		return maps.Clone(t.prepared), nil
	}
	defer t.boundary(&err)
	t.between()
	t.worked = t.worked || t.env.Owes()
	if err := t.settled(t.blamed(t.c.Stores.FlushCaches())); err != nil {
		return nil, err
	}
	t.between()
	t.prepared = t.offsets()
	return maps.Clone(t.prepared), nil
}

func (t *Task) offsets() map[flow.TopicPartition]Offset {
	offsets := map[flow.TopicPartition]Offset{}
	marks := t.marks()
	all := !maps.Equal(marks, t.watermarks)
	t.watermarks = marks
	for _, in := range t.inputs {
		next, epoch, ok := in.queue.Position()
		if !ok || !all && !in.moved() {
			continue
		}
		offsets[in.TopicPartition] = in.offset(next, epoch, marks)
	}
	if len(offsets) == 0 && t.worked {
		t.standing(offsets, marks)
	}
	return offsets
}

// standing adds the positions of a task in which only timers worked: the offsets are what a member that was lost is refused by, so a commit
// of what timers sent needs some too.
func (t *Task) standing(offsets map[flow.TopicPartition]Offset, marks map[string]int64) {
	for _, in := range t.inputs {
		next, epoch, ok := in.queue.Position()
		if !ok {
			next, epoch = in.next, -1
		}
		offsets[in.TopicPartition] = in.offset(next, epoch, marks)
	}
}

func (in *input) offset(next int64, epoch int32, marks map[string]int64) Offset {
	meta := offsetmeta.Metadata{PartitionTime: in.queue.PartitionTime(), Watermarks: marks}
	return Offset{Next: next, Epoch: epoch, Metadata: offsetmeta.Encode(meta)}
}

var errUnprepared = errors.New("the second half of a commit is asked for without the first")

// Committed applies what was written since the last commit, with the acknowledged changelog positions by store: the offset after the last.
// Those of stores whose changelog is a source topic follow from the offsets.
func (t *Task) Committed(positions map[string]int64) (err error) {
	if err := t.usable(); err != nil {
		return err
	}
	if t.prepared == nil {
		return t.named(errUnprepared)
	}
	defer t.boundary(&err)
	if err := t.c.Stores.Commit(t.positions(positions)); err != nil {
		return err
	}
	for p, o := range t.prepared {
		t.byName[p].mark = o.Next
	}
	t.prepared, t.worked, t.env.CommitWanted = nil, false, false
	return nil
}

func (t *Task) positions(logged map[string]int64) map[string]int64 {
	all := maps.Clone(logged)
	for name, p := range t.mirrors {
		o, ok := t.prepared[p]
		if !ok {
			continue
		}
		if all == nil {
			all = map[string]int64{}
		}
		all[name] = o.Next
	}
	return all
}
