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
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// happening is one step of a random test: a record, or what may befall a task.
type happening struct {
	Kind  string // record, null key, commit, restart, rebuild, crash
	Key   string
	Value string
	At    int64
}

func happenings(span int64) *rapid.Generator[[]happening] {
	one := rapid.Custom(func(t *rapid.T) happening {
		return happening{
			Kind:  rapid.SampledFrom([]string{"record", "record", "record", "record", "record", "record", "null key", "commit", "restart", "rebuild", "crash"}).Draw(t, "kind"),
			Key:   rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "key"),
			Value: rapid.StringMatching(`[x-z]`).Draw(t, "value"),
			At:    rapid.Int64Range(0, span).Draw(t, "at"),
		}
	})
	return rapid.SliceOfN(one, 1, 40)
}

// live runs what happens. A crash follows a commit: what is uncommitted would be done again.
func live(d *weirtest.Driver, all []happening) {
	in := weirtest.In(d, texts)
	for _, h := range all {
		switch h.Kind {
		case "record":
			in.SendAt(h.Key, h.Value, at(h.At))
		case "null key":
			d.SendRaw("texts", 0, nil, []byte("x"), at(1<<40))
		case "commit":
			d.Commit()
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
	d.Commit()
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

// said is what a model of an aggregation says: updates as they come, what is emitted on close, what is late.
type said struct {
	updates, closed []string
	table           map[string]string
	late            int64
}

// boxesOf computes tumbling and hopping windows from their definition: a window is closed when its end is not after the greatest time minus grace.
func boxesOf(all []happening, size, advance, grace int64) (s said) {
	var boxes []*box
	find := func(key string, start int64) *box {
		for _, b := range boxes {
			if b.key == key && b.start == start {
				return b
			}
		}
		b := &box{key: key, start: start, end: start + size}
		boxes = append(boxes, b)
		return b
	}
	now := int64(-1)
	for _, h := range all {
		if h.Kind != "record" {
			continue
		}
		now = max(now, h.At)
		for start := int64(0); start <= h.At; start += advance {
			if start+size <= h.At {
				continue
			}
			if start+size <= now-grace {
				s.late++
				continue
			}
			b := find(h.Key, start)
			b.sum, b.at = b.sum+h.Value, max(b.at, h.At)
			s.updates = append(s.updates, b.String())
		}
		slices.SortFunc(boxes, func(a, b *box) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.key, b.key)) })
		for _, b := range boxes {
			if !b.emitted && b.end <= now-grace {
				b.emitted = true
				s.closed = append(s.closed, b.String())
			}
		}
	}
	s.table = tableOf(boxes)
	return s
}

func tableOf(boxes []*box) map[string]string {
	table := map[string]string{}
	for _, b := range boxes {
		table[fmt.Sprintf("%s[%d,%d]", b.key, b.start, b.end)] = b.sum
	}
	return table
}

// sessionsOf computes sessions from their definition.
func sessionsOf(all []happening, gap, grace int64, onClose bool) (s said) {
	var boxes []*box
	now, stored := int64(-1), int64(-1)
	for _, h := range all {
		if h.Kind != "record" {
			continue
		}
		now = max(now, h.At)
		closed := now - grace - gap
		slices.SortFunc(boxes, func(a, b *box) int {
			return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start), cmp.Compare(a.key, b.key))
		})
		sum := &box{key: h.Key, start: h.At, end: h.At}
		var met []*box
		for _, b := range boxes {
			if b.key == h.Key && b.end >= h.At-gap && b.start <= h.At+gap && b.end > stored-gap-grace && (!onClose || b.end >= closed) {
				met = append(met, b)
				sum.start, sum.end, sum.sum = min(sum.start, b.start), max(sum.end, b.end), sum.sum+b.sum
			}
		}
		if sum.end < closed {
			s.late++
			continue
		}
		sum.sum += h.Value
		sum.at = sum.end
		if sum.start < sum.end {
			for _, b := range met {
				s.updates = append(s.updates, fmt.Sprintf("%s[%d,%d]=null@%d", b.key, b.start, b.end, b.end))
			}
		}
		boxes = slices.DeleteFunc(boxes, func(b *box) bool {
			return slices.Contains(met, b) || b.key == sum.key && b.start == sum.start && b.end == sum.end
		})
		boxes = append(boxes, sum)
		s.updates = append(s.updates, sum.String())
		stored = max(stored, sum.end)
		slices.SortFunc(boxes, func(a, b *box) int {
			return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start), cmp.Compare(a.key, b.key))
		})
		for _, b := range boxes {
			if !b.emitted && b.end < closed {
				b.emitted = true
				s.closed = append(s.closed, b.String())
			}
		}
	}
	s.table = tableOf(boxes)
	return s
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
func compare(t *rapid.T, tb testing.TB, w window.Spec, all []happening, update, closing said) {
	out, table, late := lived(tb, windowedText(tb, w, weir.NoCache()), all)
	same(t, "updates", out, update.updates)
	sameTable(t, "without a cache", table, update.table)
	if late != update.late {
		t.Fatalf("%d late drops, want %d", late, update.late)
	}
	every := rapid.IntRange(0, 5).Draw(t, "commit every")
	_, table, late = lived(tb, windowedText(tb, w), all, weirtest.CommitEvery(every))
	sameTable(t, "with a cache", table, update.table)
	if late != update.late {
		t.Fatalf("%d late drops with a cache, want %d", late, update.late)
	}
	out, _, late = lived(tb, windowedText(tb, w, weir.EmitOnClose()), all, weirtest.CommitEvery(every))
	same(t, "closed", out, closing.closed)
	if late != closing.late {
		t.Fatalf("%d late drops on close, want %d", late, closing.late)
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

func TestWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Int64Range(1, 40).Draw(r, "size")
		advance := rapid.Int64Range(max(1, size/5), size).Draw(r, "advance")
		grace := rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(120).Draw(r, "all")
		w := window.Hopping(time.Duration(size)*time.Millisecond, time.Duration(advance)*time.Millisecond).Grace(time.Duration(grace) * time.Millisecond)
		want := boxesOf(all, size, advance, grace)
		compare(r, t, w, all, want, want)
	})
}

func TestSessionsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		gap := rapid.Int64Range(1, 20).Draw(r, "gap")
		grace := rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(120).Draw(r, "all")
		w := window.Session(time.Duration(gap) * time.Millisecond).Grace(time.Duration(grace) * time.Millisecond)
		compare(r, t, w, all, sessionsOf(all, gap, grace, false), sessionsOf(all, gap, grace, true))
	})
}

// A model that keeps no grace must be told from one that does: the test sees.
func TestModelsTellWindowsApart(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 5}, {Kind: "record", Key: "a", Value: "y", At: 25}, {Kind: "record", Key: "a", Value: "z", At: 6}}
	with, without := boxesOf(all, 10, 10, 20), boxesOf(all, 10, 10, 0)
	if with.late != 0 || without.late != 1 || fmt.Sprint(with.table) == fmt.Sprint(without.table) || len(without.closed) != 1 {
		t.Errorf("with grace %v, without %v", with, without)
	}
	_, table, _ := lived(t, windowedText(t, window.Tumbling(10*time.Millisecond)), all)
	if fmt.Sprint(table) == fmt.Sprint(with.table) {
		t.Error("a topology without grace agrees with a model that has it")
	}
	if s, far := sessionsOf(all, 20, 0, false), sessionsOf(all, 1, 0, false); fmt.Sprint(s.table) == fmt.Sprint(far.table) {
		t.Error("sessions of different gaps agree")
	}
}
