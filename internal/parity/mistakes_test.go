package parity_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/parity"
)

// mistake is what somebody who writes Kafka Streams anew may get wrong: one of the fifteen that cost the most, which are numbered by their cost. change makes
// a recorded run, at its i-th step, into what would come of it, and reports whether the step shows it; describe does so with the description.
type mistake struct {
	number   int
	name     string
	seenIn   string
	change   func(r *parity.Run, i int) bool
	describe func(text string) string
}

// mistakeNumbers is how many there are.
const mistakeNumbers = 15

// at is a change that follows from the step alone.
func at(f func(s *parity.Step) bool) func(*parity.Run, int) bool {
	return func(r *parity.Run, i int) bool { return f(&r.Steps[i]) }
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
func edited(suffix string, is func(parity.Record) bool, f func(r *parity.Record)) func(*parity.Run, int) bool {
	return at(func(s *parity.Step) bool {
		r := outOf(s, suffix, is)
		if r != nil {
			f(r)
		}
		return r != nil
	})
}

// lost takes away the record that is found.
func lost(suffix string, is func(parity.Record) bool) func(*parity.Run, int) bool {
	return at(func(s *parity.Step) bool {
		n := len(s.Out)
		s.Out = slices.DeleteFunc(s.Out, func(r parity.Record) bool { return strings.HasSuffix(r.Topic, suffix) && is(r) })
		return len(s.Out) < n
	})
}

// doubled sends the record that is found twice.
func doubled(suffix string) func(*parity.Run, int) bool {
	return at(func(s *parity.Step) bool {
		r := outOf(s, suffix, anyRecord)
		if r != nil {
			s.Out = append(s.Out, *r)
		}
		return r != nil
	})
}

// swapped turns round two records of a topic that have an order, and different values.
func swapped(suffix string) func(*parity.Run, int) bool {
	return at(func(s *parity.Step) bool {
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
	})
}

// update is a pattern of values.
type update struct{ *regexp.Regexp }

func (u update) match(r parity.Record) bool { return u.Match(r.Value) }

// replaced is what an aggregate of strings shows of an update: the old value, subtracted, and the new one.
var replaced = update{regexp.MustCompile(`(-[a-z0-9]+)(\+[a-z0-9]+)$`)}

// moved takes the records that are found from the step, and puts them into the first later (by is +1) or earlier (−1) step to which they may go.
func moved(by int, is func(parity.Record) bool, to func(r *parity.Run, i, j int) bool) func(*parity.Run, int) bool {
	return func(r *parity.Run, i int) bool {
		s := &r.Steps[i]
		found := slices.DeleteFunc(slices.Clone(s.Out), func(rec parity.Record) bool { return !is(rec) })
		for j := i + by; len(found) > 0 && j >= 0 && j < len(r.Steps); j += by {
			if to(r, i, j) {
				s.Out = slices.DeleteFunc(s.Out, is)
				r.Steps[j].Out = append(r.Steps[j].Out, found...)
				return true
			}
		}
		return false
	}
}

func isRecord(r *parity.Run, _, j int) bool { return r.Steps[j].In != nil }
func isClock(r *parity.Run, _, j int) bool  { return r.Steps[j].In == nil }

// anotherInput is a record of another topic than the one that the step has.
func anotherInput(r *parity.Run, i, j int) bool {
	return isRecord(r, i, i) && isRecord(r, i, j) && r.Steps[i].In.Topic != r.Steps[j].In.Topic
}

// past is a record by which the stream time of all is beyond that of the record that was joined with nothing, by more than the window alone.
func past(r *parity.Run, i, j int) bool {
	alone := outOf(&r.Steps[i], "out", isAlone)
	return isRecord(r, i, j) && alone != nil && streamTime(r, j) > alone.Time+5000 && streamTime(r, j) <= alone.Time+5000+3000
}

// isAlone is true for a record that was joined with nothing.
func isAlone(r parity.Record) bool {
	return r.Topic == "out" && bytes.HasSuffix(r.Value, []byte("/null"))
}

// streamTime is the greatest time of the records up to a step.
func streamTime(r *parity.Run, i int) int64 {
	most := int64(-1)
	for _, s := range r.Steps[:i+1] {
		if s.In != nil && s.In.Key != nil {
			most = max(most, s.In.Time)
		}
	}
	return most
}

// taken has a record that was dropped have a result.
func taken(is func(r *parity.Run, i int) bool) func(*parity.Run, int) bool {
	return func(r *parity.Run, i int) bool {
		s := &r.Steps[i]
		if s.In == nil || s.Dropped == 0 || !is(r, i) {
			return false
		}
		s.Dropped--
		s.Out = append(s.Out, parity.Record{Topic: "out", Key: s.In.Key, Value: oneBytes, Time: s.In.Time, Headers: s.In.Headers})
		return true
	}
}

// oneBytes is a count of one.
var oneBytes = binary.BigEndian.AppendUint64(nil, 1)

func hasNullValue(r *parity.Run, i int) bool {
	return r.Steps[i].In.Key != nil && nullValue(&r.Steps[i])
}

// dropping has a record that had results be dropped.
func dropping(is func(s *parity.Step) bool) func(*parity.Run, int) bool {
	return at(func(s *parity.Step) bool {
		had := len(s.Out) > 0 && is(s)
		if had {
			nothing(s, 1)
		}
		return had
	})
}

func anyStep(*parity.Step) bool { return true }

// startOf is where the key of a window starts, and its first part.
func startOf(key parity.Bytes) int64 { return int64(binary.BigEndian.Uint64(key[len(key)-8:])) }

// endOf is where the key of a session ends.
func endOf(key parity.Bytes) int64 { return startOf(key[:len(key)-8]) }

// atTheEnd takes away the result of the sliding window that the record ends.
func atTheEnd(s *parity.Step) bool {
	n := len(s.Out)
	s.Out = slices.DeleteFunc(s.Out, func(r parity.Record) bool { return r.Topic == "out" && startOf(r.Key) == s.In.Time-5000 })
	return len(s.Out) < n
}

// aGapApart takes away the tombstone of a session that the record touches from exactly a gap away.
func aGapApart(s *parity.Step) bool {
	n := len(s.Out)
	s.Out = slices.DeleteFunc(s.Out, func(r parity.Record) bool {
		return r.Topic == "out" && r.Value == nil && (s.In.Time == endOf(r.Key)+4000 || s.In.Time == startOf(r.Key)-4000)
	})
	return len(s.Out) < n
}

// atTheEdge takes away a result of a join within five seconds whose sides are five seconds apart.
func atTheEdge(r *parity.Run, i int) bool {
	s := &r.Steps[i]
	j := slices.IndexFunc(s.Out, func(rec parity.Record) bool {
		return rec.Topic == "out" && slices.ContainsFunc(r.Steps[:i], func(before parity.Step) bool { return joins(before.In, s.In, rec.Value) })
	})
	if j >= 0 {
		s.Out = slices.Delete(s.Out, j, j+1)
	}
	return j >= 0
}

// joins says that two records five seconds apart make the value.
func joins(a, b *parity.Record, value parity.Bytes) bool {
	if a == nil || b == nil || a.Topic == b.Topic || !bytes.Equal(a.Key, b.Key) || a.Time-b.Time != 5000 && b.Time-a.Time != 5000 {
		return false
	}
	if a.Topic > b.Topic {
		a, b = b, a
	}
	return bytes.Equal(value, slices.Concat(a.Value, []byte("/"), b.Value))
}

// exactlyClosed says that the sliding window that ends latest has closed with the millisecond before.
func exactlyClosed(r *parity.Run, i int) bool { return streamTime(r, i) == r.Steps[i].In.Time+5001 }

// isLate says that the record is older than another.
func isLate(r *parity.Run, i int) bool {
	return r.Steps[i].In.Key != nil && r.Steps[i].In.Value != nil && r.Steps[i].In.Time < streamTime(r, i)
}

// oneOf leaves the first result of several to the step, and the others to the next.
func oneOf(r *parity.Run, i int) bool {
	s := &r.Steps[i]
	first := slices.IndexFunc(s.Out, func(r parity.Record) bool { return r.Topic == "out" })
	if first < 0 || i+1 == len(r.Steps) {
		return false
	}
	rest := func(rec parity.Record) bool { return rec.Topic == "out" && !bytes.Equal(rec.Key, s.Out[first].Key) }
	late := slices.DeleteFunc(slices.Clone(s.Out), func(rec parity.Record) bool { return !rest(rec) })
	kept := slices.DeleteFunc(slices.Clone(s.Out), rest)
	s.Out, r.Steps[i+1].Out = kept, append(late, r.Steps[i+1].Out...)
	return len(late) > 0
}

// cutShort takes from a store the rows that its changelog's last record wrote, as if what a restore reads ended before it.
func cutShort(r *parity.Run, i int) bool {
	rec := outOf(&r.Steps[i], "app-agg-changelog", hasValue)
	if rec == nil || slices.ContainsFunc(r.Steps[i+1:], func(s parity.Step) bool { return outOf(&s, "app-agg-changelog", anyRecord) != nil }) {
		return false
	}
	store := r.Stores["agg"]
	n := len(store.Rows)
	store.Rows = slices.DeleteFunc(store.Rows, func(row parity.Row) bool { return bytes.Equal(row.Key, rec.Key) })
	r.Stores["agg"] = store
	return len(store.Rows) < n
}

// again has the outputs of a step come once more with the next, as of an input whose offset was not in the transaction that had its results.
func again(r *parity.Run, i int) bool {
	if i+1 == len(r.Steps) || len(r.Steps[i].Out) == 0 {
		return false
	}
	next := &r.Steps[i+1]
	next.Out = append(slices.Clone(r.Steps[i].Out), next.Out...)
	return true
}

// unstable changes the last byte of a hash: version ‖ instruction ‖ hash(16) ‖ …
func unstable(r *parity.Record) {
	r.Value = slices.Clone(r.Value)
	r.Value[17]++
}

// repartitions adds a repartition before a node.
func repartitions(text string) string {
	return strings.Replace(text, "--> ", "--> again-repartition-sink, ", 1)
}

var mistakes = []mistake{
	{1, "the time stands before values in the changelog", "aggregates/count", edited("-changelog", hasValue, func(r *parity.Record) {
		r.Value = append(binary.BigEndian.AppendUint64(nil, uint64(r.Time)), r.Value...)
	}), nil},
	{1, "a changelog's record has the time of the write, not of the value", "windows/tumbling-count", edited("-changelog", hasValue, func(r *parity.Record) { r.Time++ }), nil},
	{2, "a changelog is named by a counter", "aggregates/count", edited("-changelog", anyRecord, func(r *parity.Record) {
		r.Topic = "app-KSTREAM-AGGREGATE-STATE-STORE-0000000001-changelog"
	}), nil},
	{3, "a windowed count leaves out null values", "windows/tumbling-count", dropping(nullValue), nil},
	{3, "a count counts null values", "aggregates/count", taken(hasNullValue), nil},
	{3, "sliding windows take null values", "sliding/count", taken(hasNullValue), nil},
	{4, "the end of a window belongs to it", "windows/tumbling-count", at(func(s *parity.Step) bool {
		r := outOf(s, "out", anyRecord)
		if r == nil {
			return false
		}
		before := *r
		before.Key = slices.Clone(r.Key)
		before.Key[len(before.Key)-1]--
		s.Out = append([]parity.Record{before}, s.Out...)
		return true
	}), nil},
	{4, "the end of a sliding window does not belong to it", "sliding/count", at(atTheEnd), nil},
	{4, "records a gap apart are of two sessions", "sessions/count", at(aGapApart), nil},
	{4, "records of two streams that are a window apart do not meet", "stream-stream/inner", atTheEdge, nil},
	{4, "a sliding window closes a millisecond late", "sliding/count-no-grace", taken(exactlyClosed), nil},
	{5, "a record is late by the time of the task, not of its aggregation", "windows/tumbling-count-no-grace", dropping(anyStep), nil},
	{5, "a timer waits for the time of its node, not of the task", "processors/stream-time", moved(+1, func(r parity.Record) bool { return r.Topic == "out" }, isRecord), nil},
	{5, "an outer join waits for the time of one side, not of both", "stream-stream/left", moved(+1, isAlone, anotherInput), nil},
	{6, "a record meets itself", "stream-stream/self", doubled("out"), nil},
	{6, "a joined record has the time of the one in process", "stream-stream/inner", edited("out", anyRecord, func(r *parity.Record) { r.Time-- }), nil},
	{6, "a record is joined with nothing before the grace is over", "stream-stream/left", moved(-1, isAlone, past), nil},
	{6, "records are joined with nothing without looking at the wall clock", "stream-stream/left-throttled", moved(-1, isAlone, isRecord), nil},
	{6, "a record is joined with nothing when no record comes", "stream-stream/left", moved(-1, isAlone, isClock), nil},
	{7, "a filter of a table keeps tombstones to itself", "tables/filter", lost("out", isTombstone), nil},
	{7, "a table's aggregate adds before it subtracts", "tables/group-same-key", edited("out", replaced.match, func(r *parity.Record) {
		r.Value = replaced.ReplaceAll(r.Value, []byte("$2$1"))
	}), nil},
	{7, "new goes out before old in a repartition topic", "tables/group-aggregate", swapped("-repartition"), nil},
	{8, "a flush forwards with the context of the last record", "aggregates/count-cached", at(func(s *parity.Step) bool {
		r := outOf(s, "out", func(r parity.Record) bool { return s.In != nil && r.Time != s.In.Time })
		if r != nil {
			r.Time = s.In.Time
		}
		return r != nil
	}), nil},
	{8, "a flush forwards one entry, not all", "windows/hopping-cached", oneOf, nil},
	{9, "the time of a partition is lost with a restart", "topics/partition-time", edited("out", func(r parity.Record) bool { return bytes.Contains(r.Value, []byte(":-")) },
		func(r *parity.Record) { r.Time = 0 }), nil},
	{9, "an aggregation's time is lost with a restart", "windows/tumbling-count-no-grace", taken(isLate), nil},
	{10, "a restore ends where readers of what is committed do", "aggregates/count", cutShort, nil},
	{10, "a commit is of one task, not of all that have written", "aggregates/count", again, nil},
	{11, "a process after a change of key repartitions", "processors/process-after-rekey", nil, repartitions},
	{11, "values that are processed are repartitioned", "processors/values-then-count", nil, repartitions},
	{12, "a record in a session sends no tombstone first", "sessions/count", lost("out", isTombstone), nil},
	{12, "a session's result has the time of the record, not of its end", "sessions/count", edited("out", hasValue, func(r *parity.Record) { r.Time-- }), nil},
	{13, "an old answer of a foreign key is taken", "foreign-key/inner", doubled("out"), nil},
	{13, "the hash is of bytes that are not the same each time", "foreign-key/inner", edited("-registration-topic", hasValue, unstable), nil},
	{13, "the latest answer is taken for an old one", "foreign-key/inner", func(r *parity.Run, i int) bool {
		had := lost("out", hasValue)(r, i)
		if had {
			r.Steps[i].Dropped++
		}
		return had
	}, nil},
	{14, "windowed keys are partitioned with their window", "windows/tumbling-partitions", edited("out", anyRecord, func(r *parity.Record) {
		other := (*r.Partition + 1) % 2
		r.Partition = &other
	}), nil},
	{15, "a left join drops null keys", "stream-table/left-null-keys", dropping(nullKey), nil},
	{15, "the filter before a left join's repartition drops null keys", "stream-table/left-rekeyed", lost("-repartition", func(r parity.Record) bool { return r.Key == nil }), nil},
	{15, "the filter before an outer join's repartition drops null keys", "stream-stream/outer-rekeyed", lost("-repartition", func(r parity.Record) bool { return r.Key == nil }), nil},
}

// elsewhere are tests that make mistakes which a driver of one task cannot: those of restarts, restores and commits.
var elsewhere = []struct {
	number int
	test   string // folder and name
}{
	{5, "weirtest.TestTimesSurviveARestart"},
	{8, "internal/store.TestCacheSaboteurs"},
	{8, "internal/store.TestContextIsRestored"},
	{9, "internal/offsetmeta.TestRoundTripCatchesLostWatermarks"},
	{9, "weirtest.TestTimesSurviveARestart"},
	{10, "internal/kafka.TestRestoreSaboteur"},
	{10, "internal/kafka.TestCrashSaboteur"},
	{10, "internal/changelog.TestRestoreWaitsForAnOpenTransaction"},
	{10, "internal/chaos.TestSaboteursAreCaught"},
}

// TestMistakesAreNoticed makes the mistakes that cost the most, and wants each to be seen.
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
			m.isNoticed(t, c)
		})
	}
}

// isNoticed makes the mistake where it first can be made.
func (m mistake) isNoticed(t *testing.T, c *parity.Case) {
	t.Helper()
	for _, run := range c.Runs {
		wrong := copied(run)
		for i := range run.Steps {
			if !m.change(&wrong, i) {
				continue
			}
			if len(parity.Diff(run, wrong)) == 0 {
				t.Error("it goes unnoticed")
			}
			return
		}
	}
	t.Errorf("no run of %s shows it", m.seenIn)
}

// TestEveryMistakeIsMade wants each of the numbers among the mistakes that are made here.
func TestEveryMistakeIsMade(t *testing.T) {
	for n := 1; n <= mistakeNumbers; n++ {
		if !slices.ContainsFunc(mistakes, func(m mistake) bool { return m.number == n }) {
			t.Errorf("nobody makes mistake %d", n)
		}
	}
	for _, m := range mistakes {
		if m.number < 1 || m.number > mistakeNumbers {
			t.Errorf("%s has the number %d", m.name, m.number)
		}
	}
	for _, e := range elsewhere {
		if !declares(t, e.test) {
			t.Errorf("mistake %d: there is no test %s", e.number, e.test)
		}
	}
	if declares(t, "internal/kafka.TestRestore") {
		t.Error("a test that does not exist was found")
	}
}

// declares says whether a folder has a test.
func declares(t *testing.T, test string) bool {
	t.Helper()
	folder, name, _ := strings.Cut(test, ".")
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(text, []byte("\nfunc "+name+"(t *testing.T)"))
	})
}
