package parity

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/state/pebble"
	"github.com/weirstream/weir/weirtest"
)

// Upset is what may change how many updates there are, but not what comes of them: caches that write back, many records in a commit, an engine on disk,
// and an end in the middle.
type Upset struct {
	Cache       int64 // bytes
	CommitEvery int   // records
	Least       bool  // at least once
	Pebble      bool
	After       int // the step after which the tasks end and start anew
	End         End
}

// End is how tasks end.
type End uint8

// The ends: after a commit, with the loss of the machine, and in the middle of a transaction.
const (
	Stopped End = iota
	Moved
	Crashed
)

func (e End) String() string { return [...]string{"stopped", "moved", "crashed"}[e] }

// Upsetting chooses one by chance for a run, with caches.
func Upsetting(r *rand.Rand, steps int, ends ...End) Upset {
	return Upset{Cache: []int64{1 << 10, 1 << 20}[r.IntN(2)], CommitEvery: 1 + r.IntN(20), After: r.IntN(steps), End: ends[r.IntN(len(ends))]}
}

// PlayUpset is Play with an Upset. Of what comes of it the stores at the end are told, and all records of the topics that the case writes for others, as
// those of one step.
func PlayUpset(t testing.TB, c *Case, build Build, inputs Run, u Upset) (Run, error) {
	t.Helper()
	app := []weir.AppOption{weir.EmitEvery(c.emitEvery())}
	if !u.Least {
		app = append(app, weir.ExactlyOnce())
	}
	opts := []weirtest.Option{weirtest.Cache(u.Cache), weirtest.CommitEvery(u.CommitEvery), weirtest.With(app...)}
	if u.Pebble {
		opts = append(opts, weirtest.Engine(pebble.New(pebble.FS(vfs.NewMem()), pebble.MemTable(0))))
	}
	p, err := start(t, c, build, inputs, true, opts...)
	if err != nil {
		return Run{}, err
	}
	for i, s := range inputs.Steps {
		if err := p.take(s); err != nil {
			return Run{}, err
		}
		if i == u.After {
			u.End.of(p.d)
		}
	}
	if err := p.d.TryCommit(); err != nil {
		return Run{}, err
	}
	got := Run{Seed: inputs.Seed, Steps: []Step{p.outcome(nil)}}
	got.Stores, err = p.stores.dump(p.d)
	return c.comparable(got), err
}

func (e End) of(d *weirtest.Driver) {
	switch e {
	case Stopped:
		d.Restart()
	case Crashed:
		d.Crash()
	case Moved:
		d.Rebuild()
	}
}

// Law is what of a case's results follows from its inputs alone, whatever caches, commits, engines and ends there are.
type Law struct {
	Rows bool             // those of stores in the end
	Logs bool             // the last record of each key in each changelog
	Last bool             // the last record of each key in each topic that it writes for others
	All  bool             // each record in those, whatever its place
	By   Depth            // how much of a record or a row follows
	Of   map[string]Depth // the same of the stores and topics that are named
}

// Depth is how much of a record or a row follows.
type Depth uint8

// The depths, each without what the one before is without: all of it; all but headers; all but times; what an aggregate that writes down what it adds and
// takes out holds of both, and nothing where that is nothing; the key; nothing. NoneMissing is Untimed where there may be more.
const (
	Whole Depth = iota
	Headless
	Untimed
	NoneMissing
	Net
	Keyed
	Nothing
)

func (l Law) of(name string) Depth {
	if d, ok := l.Of[strings.TrimSuffix(strings.TrimPrefix(name, "app-"), "-changelog")]; ok {
		return d
	}
	return l.By
}

// DiffEnds says what of a run's ends is not as wanted, where the law says that it is.
func (c *Case) DiffEnds(law Law, want, got Run) []string {
	d := differ{at: "stores"}
	if law.Rows {
		for name, s := range want.listed() {
			d.ends(name, law.of(name), s, got.Stores[name])
		}
	}
	d.at = "changelogs"
	if law.Logs {
		d.law(law, lasts(want.Of(IsChangelog)), lasts(got.Of(IsChangelog)))
	}
	d.at = "last records"
	if law.Last {
		d.law(law, lasts(want.Of(c.IsResult)), lasts(got.Of(c.IsResult)))
	}
	d.at = "all records"
	if law.All {
		d.law(law, want.Of(c.IsResult), got.Of(c.IsResult))
	}
	return d.found
}

// IsResult reports whether a topic that a case writes to is neither the app's own nor an input.
func (c *Case) IsResult(topic string) bool {
	return !strings.HasPrefix(topic, "app-") && !slices.Contains(c.Inputs, topic)
}

// Of are all records of some topics, without their partitions.
func (r Run) Of(topic func(string) bool) (all []Record) {
	for _, s := range r.Steps {
		for _, rec := range s.Out {
			if topic(rec.Topic) {
				rec.Partition = nil
				all = append(all, rec)
			}
		}
	}
	return all
}

// lasts are the last records of the keys, without tombstones.
func lasts(all []Record) (last []Record) {
	seen := map[string]bool{}
	for _, r := range slices.Backward(all) {
		key := r.Topic + " " + r.Key.String()
		if !seen[key] && r.Value != nil {
			last = append(last, r)
		}
		seen[key] = true
	}
	return last
}

// law compares records whatever their order.
func (d *differ) law(l Law, want, got []Record) {
	counts, unset, free := map[string]int{}, unsetTimes(want), map[string]bool{}
	add := func(n int, all []Record) {
		for _, r := range all {
			if unset[r.Topic] {
				r.Time = 0
			}
			if by := l.of(r.Topic); by.record(&r) {
				counts[r.String()] += n
				free[r.String()] = by == NoneMissing
			}
		}
	}
	add(1, want)
	add(-1, got)
	maps.DeleteFunc(counts, func(r string, n int) bool { return n < 0 && free[r] })
	d.uneven("", "record", counts)
}

// unsetTimes are the topics with records that Kafka Streams sends without a time.
func unsetTimes(all []Record) map[string]bool {
	topics := map[string]bool{}
	for _, r := range all {
		topics[r.Topic] = topics[r.Topic] || r.Time == Unset
	}
	return topics
}

// record leaves of a record what follows, and reports whether anything does.
func (by Depth) record(r *Record) bool {
	if by >= Headless {
		r.Headers = nil
	}
	if by >= Untimed {
		r.Time = 0
	}
	return by.value(&r.Value)
}

func (by Depth) value(v *Bytes) bool {
	if by == Net {
		*v = net(*v)
		return *v != nil
	}
	if by == Keyed {
		*v = nil
	}
	return by != Nothing
}

// ends compares a store.
func (d *differ) ends(name string, by Depth, want, got Store) {
	if want.Kind == "buffer" && want.Rows != nil {
		want, got = want.news(), got.news()
	}
	want, got = by.store(want), by.store(got)
	if by == NoneMissing {
		got.Rows = slices.DeleteFunc(got.Rows, func(r Row) bool { return !slices.ContainsFunc(want.Rows, r.equal) })
	}
	if by < Nothing {
		d.stores(map[string]Store{name: want}, map[string]Store{name: got})
	}
}

// news is a suppression's buffer with the new values of its updates alone, for what was before follows from all updates; deletions are of what may never have
// been. Other buffers stay.
func (s Store) news() Store {
	var shown []Row
	for _, r := range s.Rows {
		h, err := rows.DecodeHeld(r.Value)
		if err != nil {
			return s
		}
		if h.New != nil {
			shown = append(shown, Row{Key: r.Key, Value: h.New, Start: h.At, End: -1, Time: h.Time})
		}
	}
	s.Rows, s.Count, s.From = shown, len(shown), 0
	return s
}

// equal is true for rows of which all is equal but the end of a window, which follows from its start.
func (r Row) equal(o Row) bool {
	return r.Start == o.Start && r.Time == o.Time && same(r.Key, o.Key) && same(r.Value, o.Value)
}

func (by Depth) store(s Store) Store {
	all := s.Rows
	s.Rows = nil
	for _, r := range all {
		if by >= Untimed {
			r.Time = -1
		}
		if by.value(&r.Value) {
			s.Rows = append(s.Rows, r)
		}
	}
	return s
}

// note is something that an aggregate has added, or taken out.
var note = regexp.MustCompile(`([-+]?)((?:[a-z]:)?[a-z]\d/(?:null|[a-z]\d)|[a-z]{1,2}\d!?|[a-z]|\d+)`)

// net is what remains of notes when those that take something out are set against those that add it, sorted; nil when nothing does. Of a count it is the
// count, nil for 0.
func net(value Bytes) Bytes {
	if len(value) == 8 && value[0] == 0 {
		if bytes.Equal(value, make([]byte, 8)) {
			return nil
		}
		return value
	}
	counts := map[string]int{}
	for _, m := range note.FindAllStringSubmatch(string(value), -1) {
		if m[1] == "-" {
			counts[m[2]]--
		} else {
			counts[m[2]]++
		}
	}
	var left Bytes
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[what]; n != 0 {
			left = fmt.Appendf(left, "%+d %s ", n, what)
		}
	}
	return left
}
