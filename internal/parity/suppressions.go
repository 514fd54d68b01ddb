package parity

import (
	"bytes"
	"encoding/binary"
	"fmt"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// Suppression, named s: its store is s-store.

func counted(b *weir.Builder, w window.Spec) weir.Table[window.Key[text], int64] {
	return weir.Count(by(b, w), "agg")
}

// limit holds the updates of a table read from in back for some seconds.
func limit(b *weir.Builder, seconds int) table {
	return tableOf(b, "in", "t").Suppress("s", weir.UntilTimeLimit(sec(seconds)))
}

// bounded is limit in a room, not for longer than that allows.
func bounded(s weir.Suppression) Build {
	return func(b *weir.Builder) { out(tableOf(b, "in", "t").Suppress("s", s).ToStream()) }
}

func suppressions() map[string]Build {
	closes := weir.UntilWindowCloses()
	closedCounts := func(s weir.Suppression, opts ...weir.OpOption) Build {
		return func(b *weir.Builder) { windows(counted(b, tumbling).Suppress("s", s, opts...), sec(10), serde.Int64()) }
	}
	return map[string]Build{
		"tumbling": closedCounts(closes),
		"tumbling-no-grace": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, window.Tumbling(sec(10))), "agg", adding("")).Suppress("s", closes))
		},
		"tumbling-to-null": func(b *weir.Builder) {
			windowTexts(weir.Aggregate(by(b, tumbling), "agg", addingLow()).Suppress("s", closes))
		},
		"hopping": func(b *weir.Builder) { windowTexts(weir.Reduce(by(b, hopping), "agg", joined).Suppress("s", closes)) },
		"sessions": func(b *weir.Builder) {
			sessionsTo(counted(b, gap).Suppress("s", closes), serde.Int64())
		},
		"filtered": func(b *weir.Builder) {
			several := counted(b, tumbling).Filter(func(_ window.Key[text], n int64) bool { return n > 1 })
			windows(several.Suppress("s", closes), sec(10), serde.Int64())
		},
		"sliding": func(b *weir.Builder) {
			windows(counted(b, slidingWithin).Suppress("s", closes), sec(5), serde.Int64())
		},
		"no-changelog": closedCounts(closes, weir.NoChangelog()),
		"cached":       closedCounts(closes),
		"partitions":   closedCounts(closes),

		"records-shut-down": closedCounts(closes.MaxRecords(6).StopWhenFull()),
		"bytes-shut-down":   closedCounts(closes.MaxBytes(450).StopWhenFull()),

		"limit-table":  func(b *weir.Builder) { out(limit(b, 5).ToStream()) },
		"limit-cached": func(b *weir.Builder) { out(limit(b, 5).ToStream()) },
		"then-group": func(b *weir.Builder) {
			inner := func(k window.Key[text], n int64) (text, text) { return k.Key, decimal(n) }
			g := weir.GroupTableBy(counted(b, tumbling).Suppress("s", closes), inner, weir.Named("g"))
			updates(weir.Aggregate(g, "agg2", signed(false)))
		},
		"limit-then-group": func(b *weir.Builder) {
			updates(weir.ReduceTable(lettered(limit(b, 5)), "agg", plus, minus))
		},
		"limit-then-filter": func(b *weir.Builder) {
			out(limit(b, 5).Filter(func(_, v text) bool { return low(v) }, weir.Materialized("f")).ToStream())
		},
		"limit-count": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(sec(5))))
		},
		"limit-zero": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(0)))
		},
		"limit-windows": func(b *weir.Builder) {
			windows(counted(b, tumbling).Suppress("s", weir.UntilTimeLimit(sec(8))), sec(10), serde.Int64())
		},
		"limit-virtual": func(b *weir.Builder) {
			out(tableOf(b, "in", "in-STATE-STORE-0000000000").Suppress("s", weir.UntilTimeLimit(sec(5))).ToStream())
		},

		"limit-records-early":     bounded(weir.UntilTimeLimit(sec(60)).MaxRecords(2).EmitEarlyWhenFull()),
		"limit-bytes-early":       bounded(weir.UntilTimeLimit(sec(60)).MaxBytes(200).EmitEarlyWhenFull()),
		"limit-records-shut-down": bounded(weir.UntilTimeLimit(sec(2)).MaxRecords(3).StopWhenFull()),
	}
}

// heldOlds is how what is held back differs where it is of an aggregate.
var heldOlds = Difference{
	Name: "The first result of an aggregate, held back",
	Why:  "Kafka Streams gives the initializer's value as the value before the first result, and nothing before one of a session of one moment",
	Cases: alike("suppress", "tumbling", "tumbling-no-grace", "tumbling-to-null", "partitions", "records-shut-down", "bytes-shut-down", "limit-count",
		"limit-windows", "sessions", "sliding", "then-group"),
	Of: func(c *Case, r Run) Run { return withOlds(r, c.maxBytes()) },
}

// maxBytes is how many bytes the suppression of a case may hold until it stops, 0 for any number.
func (c *Case) maxBytes() int64 {
	if c.Name == "suppress/bytes-shut-down" {
		return 450
	}
	return 0
}

// withOlds gives updates that are held back the old values that they have. Without a cache Kafka Streams says that a new aggregate was the initial one
// before, or that of a neighbouring window; that needs room in the buffer, too: where Kafka's is full, ours may have room. Of a session of one moment it
// says that it was nothing before.
func withOlds(r Run, maxBytes int64) Run {
	known := map[string]*keyHeld{}
	if _, grouped := r.Stores["agg2"]; grouped {
		subtractNoZero(r)
	}
	for _, s := range r.Steps {
		for i, rec := range s.Out {
			if rec.Topic != "app-s-store-changelog" {
				continue
			}
			k := known[string(rec.Key)]
			if k == nil {
				k = &keyHeld{first: true}
				known[string(rec.Key)] = k
			}
			s.Out[i].Value = k.edited(rec.Key, rec.Value)
		}
	}
	if last := &r.Steps[len(r.Steps)-1]; last.Error != "" && maxBytes > 0 {
		hold(r.Steps, known, maxBytes)
	}
	return r
}

// hold has the last step, which has failed for want of room with the first count of a window of ten seconds, hold that back, as far as there is room
// without the old values.
func hold(steps []Step, known map[string]*keyHeld, maxBytes int64) {
	const window, sequence = 10_000, 4
	last := &steps[len(steps)-1]
	counted := last.Out[len(last.Out)-1]
	key := counted.Key[:len(counted.Key)-sequence]
	h := rows.Held{New: counted.Value, At: int64(binary.BigEndian.Uint64(key[len(key)-stamp:])) + window}
	h.Topic, h.Time, h.RawHeaders = last.In.Topic, last.In.Time, heldHeaders(last.In.Headers)
	size := heldSize(key, h)
	for _, k := range known {
		size += k.size
	}
	if size > maxBytes {
		return
	}
	for _, s := range steps[:len(steps)-1] {
		if s.In != nil {
			h.Offset++
		}
	}
	last.Error = ""
	last.Out = append(last.Out, Record{Topic: "app-s-store-changelog", Key: key, Value: h.Append(nil), Time: Unset, Headers: []Header{{"v", Bytes{3}}}})
}

// heldHeaders are headers as an update that is held back has them: count (4), then length (4) ‖ key ‖ length (4) ‖ value.
func heldHeaders(all []Header) (raw []byte) {
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(all)))
	for _, h := range all {
		raw = append(binary.BigEndian.AppendUint32(raw, uint32(len(h.Key))), h.Key...)
		raw = append(binary.BigEndian.AppendUint32(raw, uint32(len(h.Value))), h.Value...)
	}
	return raw
}

// heldSize is how many bytes Kafka Streams counts for an update: key, three times, partition, topic, headers without their lengths, and the values, of
// which one that is there twice counts once.
func heldSize(key Bytes, h rows.Held) int64 {
	n := len(key) + 3*stamp + 4 + len(h.Topic) + len(h.Prior) + len(h.New)
	if !same(h.Prior, h.Old) {
		n += len(h.Old)
	}
	err := rows.EachHeader(h.RawHeaders, func(k, v []byte) { n += len(k) + len(v) })
	if err != nil {
		panic(fmt.Sprintf("a recorded update's headers: %v", err))
	}
	return int64(n)
}

// subtractNoZero leaves out that a count of 0, which never was, is taken out of a group.
func subtractNoZero(r Run) {
	without := func(v Bytes) Bytes {
		if v == nil {
			return nil
		}
		return bytes.ReplaceAll(v, []byte("-0"), nil)
	}
	for _, s := range r.Steps {
		for i, rec := range s.Out {
			switch rec.Topic {
			case "app-g-repartition": // length of the new ‖ new ‖ old ‖ 2, or new ‖ 1
				if v, ok := bytes.CutSuffix(rec.Value, []byte("0\x02")); ok && len(v) == 1+int(v[0]/2) {
					s.Out[i].Value = append(clone(v[1:]), 1)
				}
			case "app-agg2-changelog", "out":
				s.Out[i].Value = without(rec.Value)
			}
		}
	}
	for i, row := range r.Stores["agg2"].Rows {
		r.Stores["agg2"].Rows[i].Value = without(row.Value)
	}
}

// keyHeld is what is known of a key's updates.
type keyHeld struct {
	first, held bool
	prior, new  []byte // while it is held back
	size        int64  // bytes
}

// edited edits one changelog record.
func (k *keyHeld) edited(key Bytes, value []byte) []byte {
	if value == nil {
		*k = keyHeld{}
		return nil
	}
	h, err := rows.DecodeHeld(value)
	if err != nil {
		panic(fmt.Sprintf("a recorded update: %v", err))
	}
	switch {
	case k.held:
		h.Prior = k.prior
		if k.new == nil { // deleted, so that the aggregate begins anew
			h.Old = nil
		}
		if moment(key) && h.Old == nil && h.New != nil {
			h.Old = k.new
		}
	case k.first:
		h.Prior, h.Old = nil, nil
	}
	*k = keyHeld{held: true, prior: h.Prior, new: h.New, size: heldSize(key, h)}
	return h.Append(nil)
}

// moment is true for the key of a session, one letter ‖ end ‖ start, that is of one moment.
func moment(key Bytes) bool {
	return len(key) == 1+2*stamp && bytes.Equal(key[1:1+stamp], key[1+stamp:])
}
