package scenario_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/query"
	"github.com/weirstream/weir/state"
)

// mortal is a table with a time to live, by the definition: what it holds, and what was said of its rows.
type mortal struct {
	life time.Duration
	now  map[int32]time.Time // by partition
	rows map[string]*kgo.Record
	said lines
}

func newMortal(life time.Duration) *mortal {
	return &mortal{life, map[int32]time.Time{}, map[string]*kgo.Record{}, lines{}}
}

func (m *mortal) over(at time.Time, p int32) bool { return !at.Add(m.life).After(m.now[p]) }

func (m *mortal) take(r *kgo.Record) {
	if r.Timestamp.After(m.now[r.Partition]) {
		m.now[r.Partition] = r.Timestamp
	}
	for k, row := range m.rows {
		if row.Partition == r.Partition && m.over(row.Timestamp, r.Partition) {
			m.drop(k, row.Timestamp.Add(m.life))
		}
	}
	key := string(r.Key)
	switch {
	case r.Value == nil:
		m.drop(key, r.Timestamp)
	case !m.over(r.Timestamp, r.Partition):
		m.rows[key] = r
		m.said.say(timed(r))
	}
}

func (m *mortal) drop(key string, at time.Time) {
	delete(m.rows, key)
	m.said.say(timed(&kgo.Record{Key: []byte(key), Timestamp: at}))
}

func (m *mortal) values() map[string]string {
	all := map[string]string{}
	for k, r := range m.rows {
		all[k] = string(r.Value)
	}
	return all
}

// timed is a record with its time; a null value is "gone".
func timed(r *kgo.Record) (key, what string) {
	value := string(r.Value)
	if r.Value == nil {
		value = "gone"
	}
	return string(r.Key), fmt.Sprint(r.Timestamp.UnixMilli(), " ", value)
}

// beat writes records of some keys, at a time, and tells the model of them.
func (s *scenario) beat(m *mortal, at time.Time, value string, keys ...string) {
	s.t.Helper()
	var recs []*kgo.Record
	for _, k := range keys {
		r := &kgo.Record{Topic: "in", Key: []byte(k), Value: []byte(value), Timestamp: at}
		if value == "" {
			r.Value = nil
		}
		recs = append(recs, r)
	}
	s.put(recs...)
	for _, r := range recs {
		m.take(r)
	}
}

func keys(name string, from, to, by int) (all []string) {
	for i := from; i < to; i += by {
		all = append(all, fmt.Sprint(name, i))
	}
	return all
}

// rowsOf are the rows of a store that an app has now; none while it has no partition.
func rowsOf(t *testing.T, app *running, store state.KeyValueDesc[string, string]) map[string]string {
	t.Helper()
	all := map[string]string{}
	view, err := weir.ReadStore(app.app, store)
	if errors.Is(err, query.ErrNotHere) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range view.All() {
		all[k] = v
	}
	if err := view.Err(); err != nil && !errors.Is(err, query.ErrNotHere) {
		t.Fatal(err)
	}
	return all
}

// Rows leave at their deadlines, as tombstones downstream and in the changelog; a store that is restored has none that has left, and the time by which the
// others leave.
func TestRowsExpireElsewhere(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		t.Parallel()
		rowsExpire(newScenario(t, eos, "in"))
	})
}

func rowsExpire(s *scenario) {
	b := weir.NewBuilder()
	in := weir.From(b, s.text("in"))
	alive := in.ToTable("alive", weir.TTL(time.Minute), weir.NoCache())
	alive.ToStream().To(s.text("out"))
	cached := in.ToTable("cached", weir.TTL(time.Minute))
	topo, err := b.Build()
	if err != nil {
		s.t.Fatal(err)
	}
	m := newMortal(time.Minute)
	base := time.Now().Truncate(time.Hour).Add(-time.Hour)
	second := func(n int) time.Time { return base.Add(time.Duration(n) * time.Second) }
	check := func() {
		s.t.Helper()
		s.agrees("out", m.said, timed)
		s.agrees("ttl-alive-changelog", m.said, timed)
		if err := hold(lastRows(s.whole("ttl-cached-changelog")), m.values()); err != nil {
			s.t.Errorf("the changelog of the cached table: %v", err)
		}
	}

	app := s.start("ttl", topo, weir.Workers(2))
	s.beat(m, second(0), "a", keys("k", 0, 40, 1)...)
	s.beat(m, second(30), "b", keys("k", 0, 40, 2)...)
	s.beat(m, second(40), "", keys("k", 0, 40, 10)...)
	s.comes("out", m.said, timed)
	s.beat(m, second(75), "c", keys("n", 0, 40, 1)...) // the odd ones' time is over
	s.beat(m, second(10), "late", keys("k", 1, 40, 4)...)
	s.comes("out", m.said, timed)
	s.end(app)
	check()

	for _, round := range []struct {
		value      string
		before, at int
	}{{"d", 75, 95}, {"e", 95, 160}} { // the even ones', that of those which came in disorder; and then all others'
		app = s.start("ttl", topo, weir.Workers(2)) // in another state directory
		for name, table := range map[string]weir.Table[string, string]{"alive": alive, "cached": cached} {
			var got map[string]string
			s.until("rows", func() bool {
				got = rowsOf(s.t, app, table.Store())
				return s.reads(app, "in") && app.app.State() == weir.Running && len(got) >= len(m.rows)
			})
			if err := hold(got, m.values()); err != nil {
				s.t.Errorf("store %s was restored with other rows: %v", name, err)
			}
		}
		s.beat(m, second(round.before-65), "late", keys("k", 1, 40, 4)...) // by the time of before
		s.beat(m, second(round.before-55), "early", keys("k", 3, 40, 4)...)
		s.beat(m, second(round.at), round.value, keys("n", 0, 40, 2)...)
		s.comes("out", m.said, timed)
		s.end(app)
		check()
	}
	if len(m.rows) != 20 {
		s.t.Errorf("the model ends with %d rows", len(m.rows))
	}
}

// lastRows are the rows that a changelog ends with.
func lastRows(all []*kgo.Record) map[string]string {
	rows := map[string]string{}
	for _, r := range all {
		if r.Value == nil {
			delete(rows, string(r.Key))
		} else {
			rows[string(r.Key)] = string(r.Value)
		}
	}
	return rows
}

// The model is told by hand what the definition says.
func TestMortalIsTheDefinition(t *testing.T) {
	m := newMortal(time.Minute)
	put := func(second int64, key, value string) {
		r := &kgo.Record{Key: []byte(key), Timestamp: time.Unix(second, 0)}
		if value != "" {
			r.Value = []byte(value)
		}
		m.take(r)
	}
	put(0, "ann", "up")
	put(30, "bob", "up")
	put(59, "eve", "up")
	put(60, "bob", "still up")
	put(0, "eve", "late")
	put(61, "eve", "")
	want := lines{"ann": {"0 up", "60000 gone"}, "bob": {"30000 up", "60000 still up"}, "eve": {"59000 up", "61000 gone"}}
	for k := range want {
		if !slices.Equal(m.said[k], want[k]) {
			t.Errorf("%s: %q, want %q", k, m.said[k], want[k])
		}
	}
	if err := hold(m.values(), map[string]string{"bob": "still up"}); err != nil {
		t.Error(err)
	}
}
