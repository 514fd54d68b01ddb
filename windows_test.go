package weir_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// happening is one step of a random test: a record, or what may befall a task.
type happening struct {
	Kind  string // record, null key, null value, commit, tick, restart, rebuild, crash
	Key   string
	Value string
	At    int64
}

func happenings(unit int64, befall ...string) *rapid.Generator[[]happening] {
	kinds := append([]string{"record", "record", "record", "record", "record", "record", "null key", "null value"}, befall...)
	one := rapid.Custom(func(t *rapid.T) happening {
		return happening{
			Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			Key:   rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "key"),
			Value: rapid.StringMatching(`[x-z]`).Draw(t, "value"),
			At:    unit * rapid.OneOf(rapid.Int64Range(-30, 20), rapid.Int64Range(-120, 60)).Draw(t, "after the time so far"),
		}
	})
	return rapid.Map(rapid.SliceOfN(one, 1, 40), func(all []happening) []happening {
		now := int64(0)
		for i := range all {
			h := &all[i]
			h.At = max(0, now+h.At)
			if h.Kind == "record" {
				now = max(now, h.At)
			}
		}
		return all
	})
}

// live runs what happens.
func live(d *weirtest.Driver, all []happening) {
	for _, h := range all {
		happen(d, h)
	}
	d.Commit()
}

func happen(d *weirtest.Driver, h happening) {
	switch h.Kind {
	case "record":
		weirtest.In(d, texts).SendAt(h.Key, h.Value, at(h.At))
	case "null key":
		d.SendRaw("texts", 0, nil, []byte("x"), at(1<<40))
	case "null value": // of a type that cannot be nil
		before := dropped(d, "null value")
		if d.SendRaw("texts", 0, []byte(h.Key), nil, at(1<<40)); dropped(d, "null value") == before {
			panic("a null value was not dropped")
		}
	default:
		befall(d, h.Kind)
	}
}

// befall does to the tasks what a kind of happening says. A crash follows a commit: what is uncommitted would be done again.
func befall(d *weirtest.Driver, kind string) {
	switch kind {
	case "commit":
		d.Commit()
	case "tick":
		d.AdvanceWallClock(600 * time.Millisecond)
	case "quiet":
		d.AdvanceWallClock(time.Minute)
	case "restart":
		d.Restart()
	case "rebuild":
		d.Commit()
		d.Rebuild()
	case "crash":
		d.Commit()
		d.Crash()
	}
}

// joined aggregates values to the text of all of them, in the order in which they came.
func joined() weir.Aggregator[string, string, string] {
	return weir.NewAggregator(nil, func(_ string, v, sum string) string { return sum + v }).
		MergeBy(func(_ string, a, b string) string { return a + b })
}

// box is a window of a model.
type box struct {
	key        string
	start, end int64
	sum        string
	at         int64
	emitted    bool
}

func (b box) String() string {
	return fmt.Sprintf("%s[%d,%d]=%s@%d", b.key, b.start, b.end, b.sum, b.at)
}

// looking is when closed windows are looked for: at each record, or at most once a second, from the start of each life of a task. What a record
// that came too soon would have found is found when the second is over.
type looking struct {
	throttled, waits bool
	now, due, mark   int64
}

// at says whether windows are looked for at what happens; closed is how far they are closed then.
func (l *looking) at(h happening, closed int64) bool {
	switch h.Kind {
	case "tick":
		l.now += 600
		return l.waits && l.now >= l.due && l.look(closed)
	case "restart", "rebuild", "crash":
		l.due, l.waits = 0, false
	case "record":
		if !l.throttled || l.now >= l.due {
			return l.look(closed)
		}
		l.waits = l.waits || closed > l.mark
	}
	return false
}

func (l *looking) look(closed int64) bool {
	l.due, l.waits, l.mark = l.now+1000, false, max(l.mark, closed)
	return true
}

// said is what a model of an aggregation says: updates as they come, what is emitted on close, what is late.
type said struct {
	updates, closed []string
	table           map[string]string
	late            int64
}

// model is an aggregation computed from the definition of its windows.
type model struct {
	said
	boxes []*box
	now   int64
}

// ordered puts windows in the order in which they close.
func (m *model) ordered() {
	slices.SortFunc(m.boxes, func(a, b *box) int {
		return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start), cmp.Compare(a.key, b.key))
	})
}

// run adds records, and emits windows that are done when they are looked for. closed is how far windows are closed.
func (m *model) run(all []happening, l looking, closed func() int64, add func(happening), done func(*box) bool) said {
	m.now, l.mark = -1, -1
	for _, h := range all {
		if h.Kind == "record" {
			m.now = max(m.now, h.At)
			add(h)
		}
		if !l.at(h, closed()) {
			continue
		}
		m.ordered()
		for _, b := range m.boxes {
			if !b.emitted && done(b) {
				b.emitted = true
				m.closed = append(m.closed, b.String())
			}
		}
	}
	m.table = map[string]string{}
	for _, b := range m.boxes {
		m.table[fmt.Sprintf("%s[%d,%d]", b.key, b.start, b.end)] = b.sum
	}
	return m.said
}

func (m *model) box(key string, start, end int64) *box {
	for _, b := range m.boxes {
		if b.key == key && b.start == start && b.end == end {
			return b
		}
	}
	b := &box{key: key, start: start, end: end}
	m.boxes = append(m.boxes, b)
	return b
}

// boxesOf computes tumbling and hopping windows: a window is closed when its end is not after the greatest time minus grace.
func boxesOf(all []happening, size, advance, grace int64, l looking) said {
	m := &model{}
	closed := func() int64 { return m.now - grace }
	done := func(b *box) bool { return b.end <= closed() }
	return m.run(all, l, closed, func(h happening) {
		for start := int64(0); start <= h.At; start += advance {
			if start+size <= h.At {
				continue
			}
			if start+size <= closed() {
				m.late++
				continue
			}
			b := m.box(h.Key, start, start+size)
			b.sum, b.at = b.sum+h.Value, max(b.at, h.At)
			m.updates = append(m.updates, b.String())
		}
	}, done)
}

// sessionsOf computes sessions: what the store shows ends after its own time, that of what was put, minus the retention.
func sessionsOf(all []happening, gap, grace, retention int64, onClose bool, l looking) said {
	m, stored := &model{}, int64(-1)
	closed := func() int64 { return m.now - grace - gap }
	done := func(b *box) bool { return b.end < closed() }
	return m.run(all, l, closed, func(h happening) {
		stored = max(stored, m.session(h, gap, func(b *box) bool { return b.end > stored-retention }, done))
	}, done)
}

// session merges a record with the sessions near it that are shown, and returns where that ends; −1 where it is late.
func (m *model) session(h happening, gap int64, shown, done func(*box) bool) int64 {
	m.ordered()
	sum := &box{key: h.Key, start: h.At, end: h.At}
	var met []*box
	for _, b := range m.boxes {
		if b.key == h.Key && b.end >= h.At-gap && b.start <= h.At+gap && shown(b) {
			met = append(met, b)
			sum.start, sum.end, sum.sum = min(sum.start, b.start), max(sum.end, b.end), sum.sum+b.sum
		}
	}
	if done(sum) {
		m.late++
		return -1
	}
	m.updates = append(m.updates, merge(&m.boxes, met, sum, h.Value)...)
	return sum.end
}

// merge replaces the sessions that were met by their sum, with one value more.
func merge(boxes *[]*box, met []*box, sum *box, value string) (updates []string) {
	sum.sum += value
	sum.at = sum.end
	if sum.start < sum.end {
		for _, b := range met {
			updates = append(updates, fmt.Sprintf("%s[%d,%d]=null@%d", b.key, b.start, b.end, b.end))
		}
	}
	*boxes = append(slices.DeleteFunc(*boxes, func(b *box) bool {
		return slices.Contains(met, b) || b.key == sum.key && b.start == sum.start && b.end == sum.end
	}), sum)
	return append(updates, sum.String())
}

// windowedText is the topology of these tests.
func windowedText(t testing.TB, w window.Spec, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		flat(weir.Aggregate(weir.From(b, texts).GroupByKey().WindowedBy(w), "sums", joined(), opts...).ToStream()).To(outTexts)
	})
}

var outTexts = weir.NewTopic("out", texts.KeySerde(), texts.ValueSerde())

// lived is what a topology says when all that happens has happened.
func lived(t testing.TB, topo *weir.Topology, all []happening, opts ...weirtest.Option) (out []string, table map[string]string, late int64) {
	d := weirtest.New(t, topo, opts...)
	live(d, all)
	o := weirtest.Out(d, outTexts)
	table = weirtest.Table(o)
	if text := shown(o); text != "" {
		out = strings.Split(text, ", ")
	}
	return out, table, dropped(d, "late")
}

// compare checks a topology against what its model says: every update without a cache, final tables with one, each closed window once.
func compare(t *rapid.T, tb testing.TB, unit int64, w window.Spec, keep weir.OpOption, model func(all []happening, onClose bool, l looking) said) {
	all := happenings(unit, "commit", "restart", "rebuild", "crash").Draw(t, "all")
	want := model(all, false, looking{})
	out, table, late := lived(tb, windowedText(tb, w, keep, weir.NoCache()), all)
	same(t, "updates", out, want.updates)
	sameTable(t, "without a cache", table, want.table)
	sameLate(t, late, want.late)

	every := weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(t, "commit every"))
	_, table, late = lived(tb, windowedText(tb, w, keep), all, every)
	sameTable(t, "with a cache", table, want.table)
	sameLate(t, late, want.late)

	want = model(all, true, looking{})
	out, _, late = lived(tb, windowedText(tb, w, keep, weir.EmitOnClose()), all, every)
	same(t, "closed", out, want.closed)
	sameLate(t, late, want.late)

	// What is known only of windows that were looked at is lost with the machine.
	all = happenings(unit, "commit", "tick", "tick", "restart", "crash").Draw(t, "all, throttled")
	want = model(all, true, looking{throttled: true})
	out, _, late = lived(tb, windowedText(tb, w, keep, weir.EmitOnClose(), weir.EmitEvery(time.Second)), all, every)
	same(t, "closed, looked for once a second", out, want.closed)
	sameLate(t, late, want.late)
}

func sameLate(t *rapid.T, got, want int64) {
	t.Helper()
	if got != want {
		t.Fatalf("%d late drops, want %d", got, want)
	}
}

func same(t *rapid.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s\ngot  %q\nwant %q", what, got, want)
	}
}

func sameTable(t *rapid.T, what string, got, want map[string]string) {
	t.Helper()
	for k, v := range got {
		if v == "" {
			delete(got, k) // a tombstone
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("table %s\ngot  %v\nwant %v", what, got, want)
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// retaining is an option that keeps rows for longer than is needed, or as long, and the retention in ms.
func retaining(r *rapid.T, unit, need int64) (weir.OpOption, int64) {
	keep := need + unit*rapid.SampledFrom([]int64{0, 0, 10, 50}).Draw(r, "kept longer")
	return weir.Retention(ms(keep)), keep
}

func TestWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		size := unit * rapid.Int64Range(1, 40).Draw(r, "size")
		advance := rapid.Int64Range(max(1, size/5), size).Draw(r, "advance")
		grace := unit * rapid.Int64Range(0, 30).Draw(r, "grace")
		keep, _ := retaining(r, unit, size+grace)
		compare(r, t, unit, window.Hopping(ms(size), ms(advance)).Grace(ms(grace)), keep, func(all []happening, _ bool, l looking) said {
			return boxesOf(all, size, advance, grace, l)
		})
	})
}

func TestSessionsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		gap := unit * rapid.Int64Range(1, 20).Draw(r, "gap")
		grace := unit * rapid.Int64Range(0, 30).Draw(r, "grace")
		keep, retention := retaining(r, unit, gap+grace)
		compare(r, t, unit, window.Session(ms(gap)).Grace(ms(grace)), keep, func(all []happening, onClose bool, l looking) said {
			return sessionsOf(all, gap, grace, retention, onClose, l)
		})
	})
}

// A model that keeps no grace must be told from one that does: the test sees.
func TestModelsTellWindowsApart(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 5}, {Kind: "record", Key: "a", Value: "y", At: 25}, {Kind: "record", Key: "a", Value: "z", At: 6}}
	with, without := boxesOf(all, 10, 10, 20, looking{}), boxesOf(all, 10, 10, 0, looking{})
	if with.late != 0 || without.late != 1 || fmt.Sprint(with.table) == fmt.Sprint(without.table) || len(without.closed) != 1 {
		t.Errorf("with grace %v, without %v", with, without)
	}
	_, table, _ := lived(t, windowedText(t, window.Tumbling(10*time.Millisecond)), all)
	if fmt.Sprint(table) == fmt.Sprint(with.table) {
		t.Error("a topology without grace agrees with a model that has it")
	}
	if s, far := sessionsOf(all, 20, 0, 20, false, looking{}), sessionsOf(all, 1, 0, 1, false, looking{}); fmt.Sprint(s.table) == fmt.Sprint(far.table) {
		t.Error("sessions of different gaps agree")
	}
}

// A changelog that forgets what its store still has is refused at Build, whoever declares the store.
func TestChangelogsKeepWhatStoresKeep(t *testing.T) {
	set := func(ms string) map[string]string { return map[string]string{"retention.ms": ms} }
	for name, c := range map[string]struct {
		declare func(*weir.Builder)
		want    string
	}{
		"an aggregation": {func(b *weir.Builder) {
			weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(window.Tumbling(time.Hour)), "counts", weir.TopicConfig(set("60000")))
		}, `store "counts": its changelog would be kept for 1m0s (retention.ms=60000, cleanup.policy=compact,delete), but the store keeps its rows for 1h0m0s`},
		"just enough": {func(b *weir.Builder) {
			weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(window.Tumbling(time.Hour)), "counts", weir.TopicConfig(set("3600000")))
		}, ""},
		"nothing is written": {func(b *weir.Builder) {
			weir.Count(weir.From(b, clicks).GroupByKey().WindowedBy(window.Tumbling(time.Hour)), "counts", weir.TopicConfig(set("60000")), weir.NoChangelog())
		}, ""},
		"a store of a processor": {func(b *weir.Builder) {
			kept := state.WindowStore("kept", serde.String(), serde.Int64(), time.Second, state.Retention(time.Minute), state.TopicConfig(set("59999")))
			weir.Process(weir.From(b, clicks), func() idle { return idle{} }, weir.Stores(kept))
		}, `store "kept": its changelog would be kept for 59.999s`},
		"a table": {func(b *weir.Builder) {
			weir.Count(weir.From(b, clicks).GroupByKey(), "counts", weir.TopicConfig(set("60000")))
		}, ""},
	} {
		b := weir.NewBuilder()
		c.declare(b)
		_, err := b.Build()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
