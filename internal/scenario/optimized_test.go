package scenario_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/window"
)

// rewritten is a topology on which each of the rules of Build has work, and what it must say, by the definition.
type rewritten struct {
	topo  *weir.Topology
	table weir.Table[string, string]
}

func (s *scenario) rewritten(out string, rules ...weir.Optimization) (r rewritten) {
	s.t.Helper()
	b := weir.NewBuilder()
	sink := s.text(out)

	r.table = weir.TableFrom(b, s.text("rows"), "rows", weir.NoCache())
	weir.MapRecords(weir.Changes(r.table), func(r weir.Record[string, weir.Change[string]]) weir.Record[string, string] {
		return processor.WithValue(r, change(r.Value.Old, r.Value.New))
	}).To(sink)

	words := weir.KeyBy(weir.From(b, s.text("words")), func(_, word string) string { return word })
	count := func(s weir.Stream[string, string], name string) {
		counts := weir.Count(s.GroupByKey(weir.Named(name+"-words")), name, weir.NoCache())
		weir.MapValues(counts.ToStream(), func(n int64) string { return fmt.Sprint(name, " ", n) }).To(sink)
	}
	count(words, "all")
	count(words.Filter(func(word, _ string) bool { return len(word) > 3 }), "long")

	homes := weir.From(b, s.text("homes"))
	weir.Join(homes, homes, "neighbours", window.Within(5*time.Second), func(_, l, r string) string { return "pair " + l + " " + r }).To(sink)

	topo, err := b.Build(rules...)
	if err != nil {
		s.t.Fatal(err)
	}
	r.topo = topo
	return r
}

// change names the two values of a row; none is nothing.
func change(before, after string) string { return fmt.Sprintf("row %q to %q", before, after) }

// byKind is a record's line, of its key and kind; there is no order between pairs.
func byKind(r *kgo.Record) (key, what string) {
	kind, what, _ := strings.Cut(string(r.Value), " ")
	if kind == "pair" {
		return fmt.Sprintf("%s %s", r.Key, r.Value), what
	}
	return fmt.Sprintf("%s %s", r.Key, kind), what
}

// definition is what such a topology must say, and which rows it must have.
type definition struct {
	base   time.Time
	rows   map[string]string
	counts map[string]int
	homes  map[string][]*kgo.Record
	said   lines
	n      int
}

func newDefinition() *definition {
	return &definition{base: time.Now().Truncate(time.Hour).Add(-time.Hour), rows: map[string]string{}, counts: map[string]int{}, homes: map[string][]*kgo.Record{}, said: lines{}}
}

func (d *definition) say(key, value string) {
	d.said.say(byKind(&kgo.Record{Key: []byte(key), Value: []byte(value)}))
}

// rowRecords are n records of the table's topic; every seventh deletes, if it may. Who counts them has them taken.
func (d *definition) rowRecords(n int, counted bool) (recs []*kgo.Record) {
	for range n {
		d.n++
		key := fmt.Sprint("k", d.n%20)
		r := &kgo.Record{Topic: "rows", Key: []byte(key), Value: fmt.Append(nil, "v", d.n)}
		if _, ok := d.rows[key]; ok && counted && d.n%7 == 0 {
			r.Value = nil
		}
		recs = append(recs, r)
		if counted {
			d.put(key, r.Value)
		}
	}
	return recs
}

func (d *definition) put(key string, value []byte) {
	d.say(key, change(d.rows[key], string(value)))
	if d.rows[key] = string(value); value == nil {
		delete(d.rows, key)
	}
}

func (d *definition) words(n int) (recs []*kgo.Record) {
	for range n {
		d.n++
		word := fmt.Sprint("w", d.n%5)
		if d.n%2 == 0 {
			word = fmt.Sprint("word", d.n%6)
		}
		recs = append(recs, &kgo.Record{Topic: "words", Key: fmt.Append(nil, d.n), Value: []byte(word)})
		d.counts[word]++
		d.say(word, fmt.Sprint("all ", d.counts[word]))
		if len(word) > 3 {
			d.say(word, fmt.Sprint("long ", d.counts[word]))
		}
	}
	return recs
}

// neighbours are n records of each of eight keys, two seconds after each other.
func (d *definition) neighbours(n int) (recs []*kgo.Record) {
	for range n {
		for i := range 8 {
			d.n++
			key := fmt.Sprint("h", i)
			r := &kgo.Record{Topic: "homes", Key: []byte(key), Value: fmt.Append(nil, d.n), Timestamp: d.base.Add(time.Duration(2*len(d.homes[key])) * time.Second)}
			d.homes[key] = append(d.homes[key], r)
			recs = append(recs, r)
			for _, other := range d.homes[key] {
				if r.Timestamp.Sub(other.Timestamp) > 5*time.Second {
					continue
				}
				d.say(key, fmt.Sprintf("pair %s %s", r.Value, other.Value))
				if other != r {
					d.say(key, fmt.Sprintf("pair %s %s", other.Value, r.Value))
				}
			}
		}
	}
	return recs
}

// The rules change which topics there are, and no result; a table is restored from its source, as it was processed.
func TestRulesKeepResults(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		t.Parallel()
		rulesKeepResults(newScenario(t, eos, "plain", "rows", "words", "homes"))
	})
}

func rulesKeepResults(s *scenario) {
	plain := s.rewritten("plain")
	ruled := s.rewritten("out", weir.ReuseSourceTopics(), weir.MergeRepartitions(), weir.SingleStoreSelfJoin())
	s.client.AddConsumeTopics(s.prefix + "plain")
	d := newDefinition()
	feeder := s.feeder()
	// What an aborted transaction has written is there for who reads uncommitted, as apps do that process at least once.
	feed := func(n int) {
		s.begin(feeder, d.rowRecords(n, true)...)
		s.finish(feeder, kgo.TryCommit)
		s.begin(feeder, d.rowRecords(n/2, !s.eos)...)
		s.finish(feeder, kgo.TryAbort)
		s.put(d.rowRecords(n/3, true)...)
		s.begin(feeder, d.rowRecords(n/2, !s.eos)...)
		s.finish(feeder, kgo.TryAbort)
		s.put(d.words(2 * n)...)
		s.put(d.neighbours(n / 6)...)
	}
	feed(60)
	a, b := s.start("plain", plain.topo, weir.Workers(2)), s.start("ruled", ruled.topo, weir.Workers(2))
	s.comes("plain", d.said, byKind)
	s.comes("out", d.said, byKind)
	s.onlyTopicsOfRules()
	s.end(b)

	feed(6)                                           // not of all keys: the others' rows come from the restore alone
	b = s.start("ruled", ruled.topo, weir.Workers(2)) // in another state directory
	s.comes("plain", d.said, byKind)
	s.comes("out", d.said, byKind)
	for app, table := range map[*running]weir.Table[string, string]{a: plain.table, b: ruled.table} {
		var err error
		s.until("rows", func() bool { // queries see what is committed
			err = hold(rowsOf(s.t, app, table.Store()), d.rows)
			return err == nil
		})
	}
	s.end(a, b)
	s.agrees("plain", d.said, byKind)
	s.agrees("out", d.said, byKind)
}

// onlyTopicsOfRules checks which topics there are of an app by the rules and of one without.
func (s *scenario) onlyTopicsOfRules() {
	s.t.Helper()
	all, err := s.admin.ListTopics(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	want := []string{"ruled-all-words-repartition", "ruled-all-changelog", "ruled-long-changelog", "ruled-neighbours-this-join-store-changelog"}
	without := []string{"rows-changelog", "long-words-repartition", "neighbours-other-join-store-changelog"}
	for i, topic := range without {
		want = append(want, "plain-"+topic)
		without[i] = "ruled-" + topic
	}
	if err := exist(func(topic string) bool { return all.Has(s.prefix + topic) }, want, without); err != nil {
		s.t.Error(err)
	}
}
