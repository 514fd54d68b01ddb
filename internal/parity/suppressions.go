package parity

import (
	"bytes"
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
		"filtered": func(b *weir.Builder) {
			several := counted(b, tumbling).Filter(func(_ window.Key[text], n int64) bool { return n > 1 })
			windows(several.Suppress("s", closes), sec(10), serde.Int64())
		},
		"no-changelog": closedCounts(closes, weir.NoChangelog()),
		"cached":       closedCounts(closes),
		"partitions":   closedCounts(closes),

		"records-shut-down": closedCounts(closes.MaxRecords(6).StopWhenFull()),
		"bytes-shut-down":   closedCounts(closes.MaxBytes(450).StopWhenFull()),

		"limit-cached": func(b *weir.Builder) { out(limit(b, 5).ToStream()) },
		"limit-count": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(sec(5))))
		},
		"limit-zero": func(b *weir.Builder) {
			counts(weir.Count(in(b).GroupByKey(), "agg").Suppress("s", weir.UntilTimeLimit(0)))
		},
		"limit-windows": func(b *weir.Builder) {
			windows(counted(b, tumbling).Suppress("s", weir.UntilTimeLimit(sec(8))), sec(10), serde.Int64())
		},
	}
}

// withOlds gives updates that are held back the old values that they have. Without a cache Kafka Streams says that a new aggregate was the initial one
// before; that needs room in the buffer, too: where it is full, it is not known what would have come of the record. Of a session of one moment it says
// that it was nothing before.
func withOlds(r, _ Run) Run {
	if last := len(r.Steps) - 1; r.Steps[last].Error != "" {
		r.Steps = r.Steps[:last]
	}
	last := map[string][]byte{}
	for _, s := range r.Steps {
		for i, rec := range s.Out {
			if rec.Topic == "app-s-store-changelog" {
				s.Out[i].Value = withOld(last, string(rec.Key), rec.Value)
			}
		}
	}
	return r
}

// withOld edits one changelog record. last are the values that were held back.
func withOld(last map[string][]byte, key string, value []byte) []byte {
	if value == nil {
		delete(last, key)
		return nil
	}
	h, err := rows.DecodeHeld(value)
	if err != nil {
		panic(fmt.Sprintf("a recorded update: %v", err))
	}
	for _, old := range []*[]byte{&h.Prior, &h.Old} {
		if initial(*old) {
			*old = nil
		}
	}
	if h.Old == nil && h.New != nil && moment(key) {
		h.Old = last[key]
	}
	last[key] = h.New
	return h.Append(nil)
}

// initial is true for the initial values of counts and of texts.
func initial(v []byte) bool {
	return v != nil && (len(v) == 0 || bytes.Equal(v, make([]byte, 8)))
}

// moment is true for the key of a session, one letter ‖ end ‖ start, that is of one moment.
func moment(key string) bool { return len(key) == 1+2*stamp && key[1:1+stamp] == key[1+stamp:] }
