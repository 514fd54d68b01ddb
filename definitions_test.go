package weir_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// These models are written from the definitions in docs/semantics.md, with lists and maps.

// unlimitedOf computes unlimited windows: a key's one begins at the start, and never closes.
func unlimitedOf(all []happening, start int64) (m said, before int64) {
	boxes := model{}
	for _, h := range all {
		switch {
		case h.Kind != "record":
		case h.At < start:
			before++
		default:
			b := boxes.box(h.Key, start, math.MaxInt64)
			b.sum, b.at = b.sum+h.Value, max(b.at, h.At)
			m.updates = append(m.updates, b.String())
		}
	}
	m.table = map[string]string{}
	for _, b := range boxes.boxes {
		m.table[fmt.Sprintf("%s[%d,%d]", b.key, b.start, b.end)] = b.sum
	}
	return m, before
}

func TestUnlimitedWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		start := rapid.Int64Range(0, 60).Draw(r, "start")
		all := happenings(1, "commit", "restart", "rebuild", "crash").Draw(r, "all")
		want, before := unlimitedOf(all, start)
		w := window.Unlimited(at(start))
		for _, opts := range [][]weir.OpOption{{weir.NoCache()}, nil} {
			d := weirtest.New(t, windowedText(t, w, opts...), weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every")))
			live(d, all)
			out := weirtest.Out(d, outTexts)
			sameTable(r, "of unlimited windows", weirtest.Table(out), want.table)
			if text := shown(out); opts != nil && text != strings.Join(want.updates, ", ") {
				r.Fatalf("updates\ngot  %s\nwant %q", text, want.updates)
			}
			if n := dropped(d, "before start"); n != before {
				r.Fatalf("%d records were before the start, want %d", n, before)
			}
		}
	})
}

func TestTheUnlimitedModelSeesTheStart(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 5}, {Kind: "record", Key: "a", Value: "y", At: 4}}
	m, before := unlimitedOf(all, 5)
	if got := fmt.Sprint(m.updates); got != "[a[5,9223372036854775807]=x@5]" || before != 1 {
		t.Errorf("the model says %s, %d before", got, before)
	}
	if out, _, _ := lived(t, windowedText(t, window.Unlimited(at(4)), weir.NoCache()), all); slices.Equal(out, m.updates) {
		t.Error("another start agrees with the model")
	}
}

// row is a row of a table from a time on; "" is none.
type row struct {
	at    int64
	value string
}

// remembered is a table that remembers: the rows of each key by time.
type remembered struct {
	keeps    int64 // ms
	observed int64
	rows     map[string][]row
}

// put says whether an update is not older than the history.
func (h *remembered) put(a arrival) bool {
	h.observed = max(h.observed, a.At)
	if a.At < h.observed-h.keeps {
		return false
	}
	rows := h.rows[a.Key]
	i, there := slices.BinarySearchFunc(rows, a.At, func(r row, at int64) int { return cmp.Compare(r.at, at) })
	switch last := len(rows) - 1; {
	case !there:
		rows = slices.Insert(rows, i, row{a.At, a.Value})
	case a.Value == "" && i == last && rows[i].value != "" && (i == 0 || rows[i-1].value == ""): // forgotten: no other row has ended there
		rows = slices.Delete(rows, i, i+1)
	default:
		rows[i].value = a.Value
	}
	h.rows[a.Key] = rows
	return true
}

// asOf is a key's row at a time; of a time that is older than the history only the current row is known.
func (h *remembered) asOf(key string, at int64) (value string) {
	for i, r := range h.rows[key] {
		if r.at <= at && (at >= h.observed-h.keeps || i == len(h.rows[key])-1) {
			value = r.value
		}
	}
	return value
}

// lookups is a join of a stream, the left side, with a table that has a history, the right one.
type lookups struct {
	left  bool
	keeps int64
	grace int64 // −1: nothing waits
}

// looked is such a join computed from the definition.
type looked struct {
	lookups
	table   remembered
	waiting []arrival
	time    int64 // of what waits
	out     []string
	dropped map[string]int64
}

func (l *looked) run(all []arrival) {
	l.table, l.time, l.dropped = remembered{keeps: l.keeps, observed: -1, rows: map[string][]row{}}, -1, map[string]int64{}
	for _, a := range all {
		switch {
		case a.Kind != "record":
		case a.Right:
			l.update(a)
		case a.Value == "" || a.Key == "" && !l.left:
			l.dropped["null"]++
		case a.Key == "" || l.grace < 0 || a.At < l.time-l.grace:
			l.join(a)
		default:
			l.wait(a)
		}
	}
}

func (l *looked) update(a arrival) {
	switch {
	case a.Key == "":
		l.dropped["null"]++
	case !l.table.put(a):
		l.dropped["expired"]++
	}
}

// wait lets go what has waited long enough, in the order of times, then of keys.
func (l *looked) wait(a arrival) {
	l.time = max(l.time, a.At)
	l.waiting = append(l.waiting, a)
	slices.SortStableFunc(l.waiting, func(x, y arrival) int { return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.Key, y.Key)) })
	l.waiting = slices.DeleteFunc(l.waiting, func(w arrival) bool {
		if w.At > l.time-l.grace {
			return false
		}
		l.join(w)
		return true
	})
}

func (l *looked) join(a arrival) {
	found := ""
	if a.Key != "" {
		found = l.table.asOf(a.Key, a.At)
	}
	switch {
	case found != "":
		l.out = append(l.out, fmt.Sprintf("%s=%s%s@%d", a.Key, a.Value, found, a.At))
	case l.left:
		l.out = append(l.out, fmt.Sprintf("%s=%s-@%d", a.Key, a.Value, a.At))
	}
}

func (l lookups) topology(t testing.TB) *weir.Topology {
	opts := []weir.OpOption{weir.Named("j")}
	if l.grace >= 0 {
		opts = append(opts, weir.Grace(ms(l.grace)))
	}
	return built(t, func(b *weir.Builder) {
		s, rows := weir.From(b, leftTexts), weir.TableFrom(b, rightTexts, "rows", weir.Versioned(ms(l.keeps)))
		if l.left {
			weir.LeftJoinTable(s, rows, func(_, v string, r *string) string { return either(&v, r) }, opts...).To(outTexts)
			return
		}
		weir.JoinTable(s, rows, func(_, v, r string) string { return v + r }, opts...).To(outTexts)
	})
}

// nulls puts the drops of null keys and values together.
func nulls(dropped map[string]int64) map[string]int64 {
	all := map[string]int64{}
	for reason, n := range dropped {
		if strings.HasPrefix(reason, "null") {
			reason = "null"
		}
		all[reason] += n
	}
	return all
}

func TestJoinsWithTheRowOfTheTimeAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		l := looked{lookups: lookups{left: rapid.Bool().Draw(r, "left"), keeps: unit * rapid.Int64Range(0, 40).Draw(r, "history"), grace: -1}}
		if rapid.Bool().Draw(r, "waits") {
			l.grace = min(l.keeps, unit*rapid.Int64Range(0, 15).Draw(r, "grace"))
		}
		all := arrivals(unit, "commit", "restart", "rebuild", "crash").Draw(r, "all")
		l.run(all)
		out, dropped := came(t, l.topology(t), all, weirtest.CommitEvery(rapid.IntRange(0, 4).Draw(r, "commit every")))
		same(r, "results", out, l.out)
		if got := nulls(dropped); fmt.Sprint(got) != fmt.Sprint(l.dropped) {
			r.Fatalf("dropped %v, want %v", got, l.dropped)
		}
	})
}

func TestTheModelOfRowsOfATimeComplains(t *testing.T) {
	all := []arrival{
		{Kind: "record", Right: true, Key: "a", Value: "p", At: 10}, {Kind: "record", Right: true, Key: "a", Value: "q", At: 20},
		{Kind: "record", Key: "a", Value: "x", At: 15}, {Kind: "record", Key: "a", Value: "y", At: 25}, {Kind: "record", Key: "a", Value: "z", At: 5},
	}
	l := looked{lookups: lookups{left: true, keeps: 10, grace: 5}}
	l.run(all)
	if want := []string{"a=xp@15", "a=z-@5"}; !slices.Equal(l.out, want) {
		t.Errorf("the model says %q, want %q", l.out, want)
	}
	for _, other := range []lookups{{left: true, keeps: 10, grace: -1}, {left: true, keeps: 10, grace: 0}, {keeps: 10, grace: 5}, {left: true, keeps: 4, grace: 4}} {
		if out, _ := came(t, other.topology(t), all); slices.Equal(out, l.out) {
			t.Errorf("%+v agrees with the model of %+v", other, l.lookups)
		}
	}
	if out, _ := came(t, l.topology(t), all); !slices.Equal(out, l.out) {
		t.Errorf("the topology says %q", out)
	}
}

// globally joins a stream with a map, by the values; y has no key, and a null key looks into the table too.
func globally(all []arrival, left bool) (out []string, nulls int64) {
	rows := map[string]string{}
	for _, a := range all {
		switch row, found := rows[a.Value], a.Value != "y"; {
		case a.Kind != "record":
		case a.Right && a.Key == "", !a.Right && a.Value == "":
			nulls++
		case a.Right:
			rows[a.Key] = a.Value
		case found && row != "":
			out = append(out, fmt.Sprintf("%s=%s%s@%d", a.Key, a.Value, row, a.At))
		case left:
			out = append(out, fmt.Sprintf("%s=%s-@%d", a.Key, a.Value, a.At))
		case !found:
			nulls++ // no key to look for
		}
	}
	return out, nulls
}

func globalText(t testing.TB, left bool) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		s, rows := weir.From(b, leftTexts), weir.GlobalFrom(b, rightTexts, "rows")
		on := func(_, v string) (string, bool) { return v, v != "y" }
		if left {
			weir.LeftJoinGlobal(s, rows, on, func(_, v string, r *string) string { return either(&v, r) }).To(outTexts)
			return
		}
		weir.JoinGlobal(s, rows, on, func(_, v, r string) string { return v + r }).To(outTexts)
	})
}

// toValues has the table's keys be what the stream's values may be.
func toValues(all []arrival) []arrival {
	for i := range all {
		if a := &all[i]; a.Right && a.Key != "" {
			a.Key = map[string]string{"a": "x", "b": "z", "ab": "y"}[a.Key]
		}
	}
	return all
}

func TestGlobalJoinsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		left := rapid.Bool().Draw(r, "left")
		all := toValues(arrivals(1, "commit", "restart", "rebuild", "crash").Draw(r, "all"))
		want, dropped := globally(all, left)
		out, drops := came(t, globalText(t, left), all)
		same(r, "results", out, want)
		got := nulls(drops)
		if anew := slices.ContainsFunc(all, func(a arrival) bool { return a.Kind == "rebuild" || a.Kind == "crash" }); anew && got["null"] > dropped {
			got["null"] = dropped // who reads the table's topic anew counts anew
		}
		if got["null"] != dropped || len(got) > 1 {
			r.Fatalf("dropped %v, want %d nulls", drops, dropped)
		}
	})
}

func TestTheModelOfGlobalJoinsComplains(t *testing.T) {
	all := []arrival{{Kind: "record", Right: true, Key: "x", Value: "p"}, {Kind: "record", Key: "a", Value: "x"}, {Kind: "record", Value: "z"}, {Kind: "record", Key: "a", Value: "y"}}
	inner, nulls := globally(all, false)
	if left, none := globally(all, true); fmt.Sprint(inner, nulls) != "[a=xp@0] 1" || fmt.Sprint(left, none) != "[a=xp@0 =z-@0 a=y-@0] 0" {
		t.Errorf("the model says %q, %q", inner, left)
	}
	if out, _ := came(t, globalText(t, true), all); slices.Equal(out, inner) {
		t.Error("a left join agrees with the model of an inner one")
	}
}

// cogroupedBy computes windows of two streams, each of which has its own time: boxes, sessions and sliding windows, as add says.
func cogroupedBy(all []happening, add func(m *model, h happening, now int64)) said {
	m, now := &model{}, map[bool]int64{true: -1, false: -1}
	for _, h := range all {
		if h.Kind != "record" {
			continue
		}
		more := ofMore(h)
		now[more] = max(now[more], h.At)
		if more {
			h.Value = "(" + h.Value + ")"
		}
		add(m, h, now[more])
	}
	m.table = map[string]string{}
	for _, b := range m.boxes {
		m.table[fmt.Sprintf("%s[%d,%d]", b.key, b.start, b.end)] = b.sum
	}
	return m.said
}

func cogroupedBoxes(all []happening, size, advance, grace int64) said {
	return cogroupedBy(all, func(m *model, h happening, now int64) {
		for start := int64(0); start <= h.At; start += advance {
			switch end := start + size; {
			case end <= h.At:
			case end <= now-grace:
				m.late++
			default:
				m.box(h.Key, start, end).sum += h.Value
			}
		}
	})
}

func cogroupedSessions(all []happening, gap, grace int64) said {
	return cogroupedBy(all, func(m *model, h happening, now int64) {
		m.session(h, gap, func(*box) bool { return true }, func(b *box) bool { return b.end < now-grace-gap })
	})
}

func cogroupedSliding(all []happening, diff, grace int64) said {
	taken := map[string][]happening{}
	return cogroupedBy(all, func(m *model, h happening, now int64) {
		if h.At+diff < now-grace {
			m.late++
			return
		}
		taken[h.Key] = append(taken[h.Key], h)
		for _, r := range taken[h.Key] {
			m.slide(taken[h.Key], h.Key, max(0, r.At-diff), diff)
			m.slide(taken[h.Key], h.Key, r.At+1, diff)
		}
	})
}

// punctualByTwo is punctual, where each stream has its own time.
func punctualByTwo(all []happening, diff, grace int64) []happening {
	now := map[bool]int64{true: -1, false: -1}
	for i := range all {
		h := &all[i]
		if h.Kind != "record" {
			continue
		}
		if more := ofMore(*h); h.At < now[more]-grace && h.At >= now[more]-grace-diff {
			h.At = now[more] - grace
		}
		now[ofMore(*h)] = max(now[ofMore(*h)], h.At)
	}
	return all
}

func cogroupedText(t testing.TB, w window.Spec, opts ...weir.OpOption) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		flat(weir.AggregateCogroup(twoTexts(b).WindowedBy(w), "sums", append(opts, weir.Retention(1000*time.Hour))...).ToStream()).To(outTexts)
	})
}

func TestCogroupedWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		size := unit * rapid.Int64Range(1, 40).Draw(r, "size, gap or difference")
		grace := unit * rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(unit, "commit", "restart", "crash").Draw(r, "all")
		var w window.Spec
		var want said
		switch rapid.IntRange(0, 2).Draw(r, "windows") {
		case 0:
			advance := rapid.Int64Range(max(1, size/5), size).Draw(r, "advance")
			w, want = window.Hopping(ms(size), ms(advance)).Grace(ms(grace)), cogroupedBoxes(all, size, advance, grace)
		case 1:
			w, want = window.Session(ms(size)).Grace(ms(grace)), cogroupedSessions(all, size, grace)
		case 2:
			all = punctualByTwo(all, size, grace)
			w, want = window.Sliding(ms(size)).Grace(ms(grace)), cogroupedSliding(all, size, grace)
		}
		every := weirtest.CommitEvery(rapid.IntRange(0, 5).Draw(r, "commit every"))
		for _, opts := range [][]weir.OpOption{nil, {weir.NoCache()}} {
			table, late := livedByTwo(t, cogroupedText(t, w, opts...), all, every)
			sameTable(r, w.String(), table, want.table)
			sameLate(r, late, want.late)
		}
	})
}

// Models of one time for both streams, or of other windows, are told apart.
func TestModelsOfCogroupedWindowsComplain(t *testing.T) {
	all := []happening{{Kind: "record", Key: "a", Value: "x", At: 100}, {Kind: "record", Key: "a", Value: "z", At: 5}, {Kind: "record", Key: "a", Value: "y", At: 6}, {Kind: "record", Key: "a", Value: "z", At: 12}}
	for _, c := range []struct {
		m    said
		want string
		w    window.Spec
	}{
		{cogroupedBoxes(all, 10, 5, 0), "map[a[0,10]:(z) a[10,20]:(z) a[100,110]:x a[5,15]:(z)(z) a[95,105]:x] 2", window.Hopping(10*time.Millisecond, 5*time.Millisecond)},
		{cogroupedSessions(all, 10, 0), "map[a[100,100]:x a[5,12]:(z)(z)] 1", window.Session(10 * time.Millisecond)},
		{cogroupedSliding(all, 10, 0), "map[a[0,10]:(z) a[2,12]:(z)(z) a[6,16]:(z) a[90,100]:x] 1", window.Sliding(10 * time.Millisecond)},
	} {
		if got := fmt.Sprint(c.m.table, c.m.late); got != c.want {
			t.Errorf("the model of %s says\n%s, want\n%s", c.w, got, c.want)
		}
		if table, late := livedByTwo(t, cogroupedText(t, c.w), all); fmt.Sprint(table, late) != c.want {
			t.Errorf("%s: the topology says %v, %d late", c.w, table, late)
		}
	}
	if table, _ := livedByTwo(t, cogroupedText(t, window.Session(5*time.Millisecond)), all); fmt.Sprint(table) == fmt.Sprint(cogroupedSessions(all, 10, 0).table) {
		t.Error("another gap agrees with the model")
	}
}

// held is an update that is held back: it waits by the time of its key's first.
type held struct {
	key, value string
	first, at  int64
}

// heldBack computes what a suppression until a time limit lets go, of updates of the left side; most is how many it holds, 0 any number.
func heldBack(all []arrival, limit int64, most int) (out []string) {
	var waiting []held
	now := int64(-1)
	for _, a := range all {
		if a.Kind != "record" || a.Key == "" {
			continue
		}
		now = max(now, a.At)
		if i := slices.IndexFunc(waiting, func(h held) bool { return h.key == a.Key }); i >= 0 {
			waiting[i].value, waiting[i].at = a.Value, a.At
		} else {
			waiting = append(waiting, held{a.Key, a.Value, a.At, a.At})
		}
		slices.SortFunc(waiting, func(x, y held) int { return cmp.Or(cmp.Compare(x.first, y.first), cmp.Compare(x.key, y.key)) })
		for len(waiting) > 0 && (waiting[0].first <= now-limit || most > 0 && len(waiting) > most) {
			out = append(out, fmt.Sprintf("%s=%s@%d", waiting[0].key, waiting[0].value, waiting[0].at))
			waiting = waiting[1:]
		}
	}
	return out
}

func slowText(t testing.TB, limit int64, most int) *weir.Topology {
	until := weir.UntilTimeLimit(ms(limit))
	if most > 0 {
		until = until.MaxRecords(most).EmitEarlyWhenFull()
	}
	return built(t, func(b *weir.Builder) {
		weir.TableFrom(b, leftTexts, "rows", weir.NoCache()).Suppress("slow", until).ToStream().To(outTexts)
	})
}

func allLeft(all []arrival) []arrival {
	for i := range all {
		all[i].Right = false
	}
	return all
}

func TestTimeLimitsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 20_000}).Draw(r, "unit")
		limit, most := unit*rapid.Int64Range(0, 20).Draw(r, "limit"), rapid.IntRange(0, 2).Draw(r, "at most")
		all := allLeft(arrivals(unit, "commit", "restart", "rebuild", "crash").Draw(r, "all"))
		out, _ := came(t, slowText(t, limit, most), all, weirtest.CommitEvery(rapid.IntRange(0, 4).Draw(r, "commit every")))
		same(r, "let go", out, heldBack(all, limit, most))
	})
}

func TestTheModelOfTimeLimitsComplains(t *testing.T) {
	all := []arrival{{Kind: "record", Key: "a", Value: "x", At: 10}, {Kind: "record", Key: "b", Value: "y", At: 4}, {Kind: "record", Key: "a", At: 12}, {Kind: "record", Key: "c", Value: "z", At: 15}}
	if got := fmt.Sprint(heldBack(all, 5, 0), heldBack(all, 50, 1)); got != "[b=y@4 a=@12] [b=y@4 a=@12]" {
		t.Errorf("the model says %s", got)
	}
	for _, limit := range []int64{5, 6} {
		if out, _ := came(t, slowText(t, limit, 0), all); slices.Equal(out, heldBack(all, 5, 0)) != (limit == 5) {
			t.Errorf("a limit of %d ms lets go %q", limit, out)
		}
	}
}

// TestNullValuesInWindowsAgainstTheirDefinition counts values of a type that can be nil: those that are null count, and move the time, like any other.
func TestNullValuesInWindowsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		size, grace := rapid.Int64Range(1, 40).Draw(r, "size"), rapid.Int64Range(0, 30).Draw(r, "grace")
		all := happenings(1, "commit", "restart", "rebuild", "crash").Draw(r, "all")
		nulls := rapid.SliceOfN(rapid.Bool(), len(all), len(all)).Draw(r, "null")
		want := boxesOf(all, size, size, grace, looking{})
		counts := map[string]string{}
		for win, sum := range want.table {
			counts[win] = fmt.Sprint(len(sum))
		}
		d := weirtest.New(t, built(t, func(b *weir.Builder) {
			w := window.Tumbling(ms(size)).Grace(ms(grace))
			flat(weir.Count(weir.From(b, notes).GroupByKey().WindowedBy(w), "windows").ToStream()).To(totals)
		}))
		for i, h := range all {
			switch {
			case h.Kind == "record" && nulls[i]:
				d.SendRaw("notes", 0, []byte(h.Key), nil, at(h.At))
			case h.Kind == "record":
				d.SendRaw("notes", 0, []byte(h.Key), []byte(h.Value), at(h.At))
			default:
				befall(d, h.Kind)
			}
		}
		d.Commit()
		table := map[string]string{}
		for win, n := range weirtest.Table(weirtest.Out(d, totals)) {
			table[win] = fmt.Sprint(n)
		}
		sameTable(r, "with null values", table, counts)
		sameLate(r, dropped(d, "late"), want.late)
	})
}
