package scenario_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lines are what is said of each key, in order. Nothing is said twice of one key.
type lines map[string][]string

func (l lines) say(key, what string) { l[key] = append(l[key], what) }

// keys are those of either.
func (l lines) keys(other lines) []string {
	all := map[string]bool{}
	for k := range l {
		all[k] = true
	}
	for k := range other {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// agree says what is wrong with what was got. Exactly once it is what is wanted, in the same order; at least once something may come again, but the first
// times are in order, and the last word is the same.
func agree(got, want lines, eos bool) error {
	var wrong []error
	for _, k := range got.keys(want) {
		g, w := got[k], want[k]
		said := g
		if !eos {
			said = firsts(g)
		}
		if !slices.Equal(said, w) || last(g) != last(w) {
			wrong = append(wrong, fmt.Errorf("%s: got %q, want %q", k, g, w))
		}
	}
	return errors.Join(wrong...)
}

func firsts(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func last(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// covers says whether all that is wanted has come, whatever else has.
func covers(got, want lines) bool {
	for k, all := range want {
		for _, w := range all {
			if !slices.Contains(got[k], w) {
				return false
			}
		}
	}
	return true
}

// hold says what is wrong with the rows of a store.
func hold(got, want map[string]string) error {
	var wrong []error
	for k, v := range got {
		if w, ok := want[k]; !ok || v != w {
			wrong = append(wrong, fmt.Errorf("the row of %s is %q, want %q", k, v, w))
		}
	}
	for k, w := range want {
		if _, ok := got[k]; !ok {
			wrong = append(wrong, fmt.Errorf("%s has no row, want %q", k, w))
		}
	}
	return errors.Join(wrong...)
}

// exist says which topics are missing, and which should not be there.
func exist(has func(topic string) bool, want, without []string) error {
	var wrong []error
	for _, topic := range want {
		if !has(topic) {
			wrong = append(wrong, fmt.Errorf("there is no topic %s", topic))
		}
	}
	for _, topic := range without {
		if has(topic) {
			wrong = append(wrong, fmt.Errorf("there is a topic %s", topic))
		}
	}
	return errors.Join(wrong...)
}

func TestJudgesNoticeSaboteurs(t *testing.T) {
	want := lines{"a": {"1", "2", "3"}, "b": {"1"}}
	for name, c := range map[string]struct {
		got            lines
		once, at, full bool // whether exactly once, at least once and covers are content
	}{
		"as wanted":          {lines{"a": {"1", "2", "3"}, "b": {"1"}}, true, true, true},
		"again":              {lines{"a": {"1", "2", "2", "3"}, "b": {"1"}}, false, true, true},
		"a life again":       {lines{"a": {"1", "2", "3", "2", "3"}, "b": {"1"}}, false, true, true},
		"an older last word": {lines{"a": {"1", "2", "3", "2"}, "b": {"1"}}, false, false, true},
		"out of order":       {lines{"a": {"2", "1", "3"}, "b": {"1"}}, false, false, true},
		"lost":               {lines{"a": {"1", "3"}, "b": {"1"}}, false, false, false},
		"lost at the end":    {lines{"a": {"1", "2"}, "b": {"1"}}, false, false, false},
		"a key lost":         {lines{"a": {"1", "2", "3"}}, false, false, false},
		"invented":           {lines{"a": {"1", "2", "4", "3"}, "b": {"1"}}, false, false, true},
		"a key invented":     {lines{"a": {"1", "2", "3"}, "b": {"1"}, "c": {"1"}}, false, false, true},
	} {
		if err := agree(c.got, want, true); (err == nil) != c.once {
			t.Errorf("%s, exactly once: %v", name, err)
		}
		if err := agree(c.got, want, false); (err == nil) != c.at {
			t.Errorf("%s, at least once: %v", name, err)
		}
		if covers(c.got, want) != c.full {
			t.Errorf("%s: covers says %v", name, !c.full)
		}
	}
}

func TestJudgesOfRowsAndTopicsNoticeSaboteurs(t *testing.T) {
	rows := map[string]string{"a": "1", "b": "2"}
	for name, got := range map[string]map[string]string{
		"":               {"a": "1", "b": "2"},
		"expired":        {"a": "1", "b": "2", "c": "3"},
		"lost":           {"a": "1"},
		"an older value": {"a": "1", "b": "1"},
	} {
		if err := hold(got, rows); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, topics := range map[string][]string{
		"":         {"one", "two"},
		"missing":  {"one"},
		"too many": {"one", "two", "three"},
	} {
		err := exist(func(topic string) bool { return slices.Contains(topics, topic) }, []string{"one", "two"}, []string{"three"})
		if (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// agrees fails the test if what a topic holds, as a whole, is not what is wanted.
func (s *scenario) agrees(topic string, want lines, line func(r *kgo.Record) (key, what string)) {
	s.t.Helper()
	if err := agree(s.told(s.whole(topic), topic, line), want, s.eos); err != nil {
		s.t.Errorf("topic %s: %v", topic, err)
	}
}

// told are the lines of a topic's records.
func (s *scenario) told(all []*kgo.Record, topic string, line func(r *kgo.Record) (key, what string)) lines {
	got := lines{}
	for _, r := range all {
		if r.Topic == s.prefix+topic {
			got.say(line(r))
		}
	}
	return got
}

// comes waits until a topic has all that is wanted; the scenario's client reads it.
func (s *scenario) comes(topic string, want lines, line func(r *kgo.Record) (key, what string)) {
	s.t.Helper()
	defer func() {
		if s.ctx.Err() != nil {
			s.t.Log(agree(s.told(s.seen, topic, line), want, s.eos))
		}
	}()
	s.read(topic, func() bool { return covers(s.told(s.seen, topic, line), want) })
}

// whole is what a topic holds, as far as transactions have ended, in the order of each partition.
func (s *scenario) whole(topic string) (all []*kgo.Record) {
	s.t.Helper()
	name := s.prefix + topic
	ends, err := s.admin.ListCommittedOffsets(s.ctx, name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for p, end := range ends[name] {
		if end.Offset > 0 {
			from[p], left[p] = kgo.NewOffset().AtStart(), end.Offset
		}
	}
	cl, err := kgo.NewClient(append(quick(), kgo.SeedBrokers(s.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	for len(left) > 0 && s.ctx.Err() == nil {
		cl.PollFetches(s.ctx).EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	if len(left) > 0 {
		s.t.Fatalf("topic %s was not read to its end: %v are missing", topic, left)
	}
	return all
}

// put writes records; their topics get the scenario's prefix.
func (s *scenario) put(recs ...*kgo.Record) {
	s.t.Helper()
	for _, r := range recs {
		r.Topic = s.prefix + r.Topic
	}
	if err := s.client.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// feeder writes in transactions of another's.
func (s *scenario) feeder() *kgo.Client {
	s.t.Helper()
	cl, err := kgo.NewClient(append(quick(), kgo.SeedBrokers(s.addrs...), kgo.TransactionalID(s.prefix+"feeder"))...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cl.Close)
	return cl
}

// begin writes records in a transaction that stays open.
func (s *scenario) begin(cl *kgo.Client, recs ...*kgo.Record) {
	s.t.Helper()
	for _, r := range recs {
		r.Topic = s.prefix + r.Topic
	}
	if err := cl.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	if err := cl.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scenario) finish(cl *kgo.Client, how kgo.TransactionEndTry) {
	s.t.Helper()
	if err := cl.EndTransaction(s.ctx, how); err != nil {
		s.t.Fatal(err)
	}
}
