package flow

import (
	"errors"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/processor"
)

// watch has a table's updates forwarded, with the values of before where old says so. Without a cache an update is forwarded while its record is
// in process; with one at a flush, and then Env.Origin is what the cached row knows of the record that wrote it last: its coordinates, not its
// bytes. timeOf is the time of an update, nil for the row's.
func watch[KK, V any](n *Node, t *rows.Table[KK, V], old bool, timeOf func(KK) int64, next Receiver[KK, Change[V]]) {
	env, ctx := n.Env, t.Host().Context()
	forward := func(u rows.Update[KK, V]) error {
		at := u.At
		if timeOf != nil {
			at = timeOf(u.Key)
		}
		h, _ := ctx.Headers.(processor.Headers)
		return next(processor.Record[KK, Change[V]]{
			Key: u.Key, Value: Change[V]{Old: u.Old, New: u.New, HasOld: u.HasOld, HasNew: u.HasNew}, Time: time.UnixMilli(at).UTC(), Headers: h,
		})
	}
	if !t.Cached() {
		t.OnUpdate(forward, old)
		return
	}
	t.OnUpdate(func(u rows.Update[KK, V]) error {
		saved := env.Origin
		env.Origin = Origin{Topic: ctx.Topic, Partition: ctx.Partition, Offset: ctx.Offset, Time: ctx.Time, Written: ctx.Time}
		err := forward(u)
		env.Origin = saved
		return err
	}, old)
}

// carry puts a record's headers into the context in which rows are written, and returns what was there, to be put back. Those that are there
// already cost nothing.
func carry(ctx *rows.Context, h processor.Headers) (before any) {
	before = ctx.Headers
	if len(h) == 0 {
		ctx.Headers = nil
		return before
	}
	if now, ok := before.(processor.Headers); !ok || len(now) != len(h) || &now[0] != &h[0] {
		ctx.Headers = h
	}
	return before
}

var errTime = errors.New("a record whose time is before 1970 cannot enter a store")

// millis is a record's time in ms; one before 1970 is an error of the record.
func millis[K, V any](r *processor.Record[K, V]) (int64, error) {
	at := r.Time.UnixMilli()
	if at < 0 {
		return at, errTime
	}
	return at, nil
}

// timeOf is a record's time in ms; one before 1970 meets the record's decision, after which there is nothing more to do.
func timeOf[K, V any](n *Node, r *processor.Record[K, V]) (at int64, ok bool, fatal error) {
	at, err := millis(r)
	if err == nil {
		return at, true, nil
	}
	_, fatal = n.deciding(func() error { return err })
	return at, false, fatal
}

// deciding runs f until it succeeds or a decision ends it. done is false when the record was skipped.
func (n *Node) deciding(f func() error) (done bool, fatal error) {
	for {
		err := f()
		if err == nil {
			return true, nil
		}
		if again, fatal := n.Decide(processor.Processing, err); !again {
			return false, fatal
		}
	}
}
