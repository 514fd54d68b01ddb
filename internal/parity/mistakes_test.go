package parity_test

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

// mistake is what somebody who writes Kafka Streams anew may get wrong. change makes a recorded step into what would come of it, and reports whether the
// step shows it; describe does so with the description.
type mistake struct {
	name     string
	seenIn   string
	change   func(s *parity.Step) bool
	describe func(text string) string
}

// out is the first record of a step, in a topic whose name ends so, for which f holds; nil without one.
func outOf(s *parity.Step, suffix string, f func(r parity.Record) bool) *parity.Record {
	i := slices.IndexFunc(s.Out, func(r parity.Record) bool { return strings.HasSuffix(r.Topic, suffix) && f(r) })
	if i < 0 {
		return nil
	}
	return &s.Out[i]
}

func anyRecord(parity.Record) bool      { return true }
func isTombstone(r parity.Record) bool  { return r.Value == nil }
func hasValue(r parity.Record) bool     { return r.Value != nil }
func nullValue(s *parity.Step) bool     { return s.In != nil && s.In.Value == nil }
func nullKey(s *parity.Step) bool       { return s.In != nil && s.In.Key == nil }
func nothing(s *parity.Step, drops int) { s.Out, s.Dropped = nil, s.Dropped+int64(drops) }

// edited changes the record that is found.
func edited(suffix string, is func(parity.Record) bool, f func(r *parity.Record)) func(*parity.Step) bool {
	return func(s *parity.Step) bool {
		r := outOf(s, suffix, is)
		if r != nil {
			f(r)
		}
		return r != nil
	}
}

// lost takes away the record that is found.
func lost(suffix string, is func(parity.Record) bool) func(*parity.Step) bool {
	return func(s *parity.Step) bool {
		n := len(s.Out)
		s.Out = slices.DeleteFunc(s.Out, func(r parity.Record) bool { return strings.HasSuffix(r.Topic, suffix) && is(r) })
		return len(s.Out) < n
	}
}

// doubled sends the record that is found twice.
func doubled(suffix string) func(*parity.Step) bool {
	return func(s *parity.Step) bool {
		r := outOf(s, suffix, anyRecord)
		if r != nil {
			s.Out = append(s.Out, *r)
		}
		return r != nil
	}
}

// swapped turns round two records of a topic that have an order, and different values.
func swapped(suffix string) func(*parity.Step) bool {
	return func(s *parity.Step) bool {
		for i, a := range s.Out {
			for j, b := range s.Out[:i] {
				ordered := a.Topic == b.Topic && (bytes.Equal(a.Key, b.Key) || !parity.IsChangelog(a.Topic))
				if ordered && strings.HasSuffix(a.Topic, suffix) && !bytes.Equal(a.Value, b.Value) {
					s.Out[i], s.Out[j] = b, a
					return true
				}
			}
		}
		return false
	}
}

// update is a pattern of values.
type update struct{ *regexp.Regexp }

func (u update) match(r parity.Record) bool { return u.Match(r.Value) }

// replaced is what an aggregate of strings shows of an update: the old value, subtracted, and the new one.
var replaced = update{regexp.MustCompile(`(-[a-z0-9]+)(\+[a-z0-9]+)$`)}

var mistakes = []mistake{
	{"the time stands before values in the changelog", "aggregates/count", edited("-changelog", hasValue, func(r *parity.Record) {
		r.Value = append(binary.BigEndian.AppendUint64(nil, uint64(r.Time)), r.Value...)
	}), nil},
	{"a changelog is named by a counter", "aggregates/count", edited("-changelog", anyRecord, func(r *parity.Record) {
		r.Topic = "app-KSTREAM-AGGREGATE-STATE-STORE-0000000001-changelog"
	}), nil},
	{"a windowed count leaves out null values", "windows/tumbling-count", func(s *parity.Step) bool {
		counted := nullValue(s) && len(s.Out) > 0
		if counted {
			nothing(s, 1)
		}
		return counted
	}, nil},
	{"the end of a window belongs to it", "windows/tumbling-count", func(s *parity.Step) bool {
		r := outOf(s, "out", anyRecord)
		if r == nil {
			return false
		}
		before := *r
		before.Key = slices.Clone(r.Key)
		before.Key[len(before.Key)-1]--
		s.Out = append([]parity.Record{before}, s.Out...)
		return true
	}, nil},
	{"a record is late by the time of the task, not of its aggregation", "windows/tumbling-count-no-grace", func(s *parity.Step) bool {
		taken := len(s.Out) > 0
		if taken {
			nothing(s, 1)
		}
		return taken
	}, nil},
	{"a record meets itself", "stream-stream/self", doubled("out"), nil},
	{"a joined record has the time of the one in process", "stream-stream/inner", edited("out", anyRecord, func(r *parity.Record) { r.Time-- }), nil},
	{"a filter of a table keeps tombstones to itself", "tables/filter", lost("out", isTombstone), nil},
	{"a table's aggregate adds before it subtracts", "tables/group-same-key", edited("out", replaced.match, func(r *parity.Record) {
		r.Value = replaced.ReplaceAll(r.Value, []byte("$2$1"))
	}), nil},
	{"new goes out before old in a repartition topic", "tables/group-aggregate", swapped("-repartition"), nil},
	{"a flush forwards with the context of the last record", "aggregates/count-cached", func(s *parity.Step) bool {
		r := outOf(s, "out", func(r parity.Record) bool { return s.In != nil && r.Time != s.In.Time })
		if r != nil {
			r.Time = s.In.Time
		}
		return r != nil
	}, nil},
	{"a process after a change of key repartitions", "processors/process-after-rekey", nil, func(text string) string {
		return strings.Replace(text, "--> ", "--> again-repartition-sink, ", 1)
	}},
	{"a record in a session sends no tombstone first", "sessions/count", lost("out", isTombstone), nil},
	{"a session's result has the time of the record, not of its end", "sessions/count", edited("out", hasValue, func(r *parity.Record) { r.Time-- }), nil},
	{"an old answer of a foreign key is taken", "foreign-key/inner", doubled("out"), nil},
	{"windowed keys are partitioned with their window", "windows/tumbling-partitions", edited("out", anyRecord, func(r *parity.Record) {
		other := (*r.Partition + 1) % 2
		r.Partition = &other
	}), nil},
	{"a left join drops null keys", "stream-table/left-null-keys", func(s *parity.Step) bool {
		joined := nullKey(s) && len(s.Out) > 0
		if joined {
			nothing(s, 1)
		}
		return joined
	}, nil},
}

// TestMistakesAreNoticed makes the mistakes that cost the most, and wants each to be seen. Those about commits, which no topology shows, are made by the
// saboteurs of internal/chaos.
func TestMistakesAreNoticed(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			c := read(t, m.seenIn)
			if m.describe != nil {
				if changed := m.describe(c.Describe); changed == c.Describe || parity.DiffDescribe(c.Describe, changed) == nil {
					t.Error("it goes unnoticed")
				}
				return
			}
			for _, run := range c.Runs {
				wrong := copied(run)
				for i := range wrong.Steps {
					if !m.change(&wrong.Steps[i]) {
						continue
					}
					if len(parity.Diff(run, wrong)) == 0 {
						t.Error("it goes unnoticed")
					}
					return
				}
			}
			t.Errorf("no run of %s shows it", m.seenIn)
		})
	}
}
