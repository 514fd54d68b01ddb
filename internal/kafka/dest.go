package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Dest is where records of one sender go: a sink or a changelog of one task. It learns what became of each.
//
// Its counts are complete after Producer.Flush. Its methods may be called from any goroutine.
type Dest struct {
	// OnFail decides about a record that could not be written: nil skips it, an error fails the worker's commit. A nil
	// OnFail fails. It runs on a goroutine of the client and must not block or send; it may keep the record's Key and
	// Value, not the record, and asks From what was in process. It is not asked when the producer itself is dead. A
	// changelog's only hears of the error.
	OnFail func(r *kgo.Record, err error) error

	track bool

	mu      sync.Mutex
	acked   int64
	skipped int64
	logs    map[int32]*logEnd
}

// logEnd is what is known of a partition's end from our own acknowledged records.
type logEnd struct {
	last   int64 // offset of the last one, -1 before
	next   int64 // offset that the next should get, -1 if unknown
	gapped bool
}

// NewDest returns a destination that counts.
func NewDest(onFail func(r *kgo.Record, err error) error) *Dest {
	return &Dest{OnFail: onFail}
}

// NewChangelog returns a destination that also keeps, per partition, the offset of the last acknowledged record, and
// notices foreign writers. A record that cannot be written always fails.
func NewChangelog() *Dest {
	return &Dest{track: true, logs: map[int32]*logEnd{}}
}

// Expect says that the next record written to a partition should get an offset: the log's end after a restore.
func (d *Dest) Expect(partition int32, next int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logs[partition] = &logEnd{last: -1, next: next}
}

// Last returns the offset of the last acknowledged record of a partition, or false if there is none yet.
func (d *Dest) Last(partition int32) (offset int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logs[partition]
	if l == nil || l.last < 0 {
		return 0, false
	}
	return l.last, true
}

// Gap reports whether offsets between our own records were taken by somebody else. It has a meaning without
// transactions only: each end of a transaction takes an offset too.
func (d *Dest) Gap(partition int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logs[partition]
	return l != nil && l.gapped
}

// Acked returns how many records were written so far.
func (d *Dest) Acked() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.acked
}

// Skipped returns how many records were given up by OnFail's decision so far.
func (d *Dest) Skipped() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.skipped
}

func (d *Dest) written(partition int32, offset int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked++
	// The broker may not know the offset of a duplicate that it dropped (-1): the record is there, its place unknown.
	if !d.track || offset < 0 {
		return
	}
	l := d.logs[partition]
	if l == nil {
		l = &logEnd{next: -1}
		d.logs[partition] = l
	}
	l.gapped = l.gapped || l.next >= 0 && offset != l.next
	l.last, l.next = offset, offset+1
}

// failed decides about a record; nil is skipped.
func (d *Dest) failed(r *kgo.Record, err error) error {
	if d.OnFail == nil {
		return err
	}
	if err := d.OnFail(r, err); err != nil {
		return err
	}
	if d.track {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skipped++
	return nil
}
