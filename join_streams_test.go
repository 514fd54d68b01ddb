package weir_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var (
	leftTexts  = weir.NewTopic("left", serde.String(), serde.String())
	rightTexts = weir.NewTopic("right", serde.String(), serde.String())
)

// arrival is one step of a random test of joins: a record of a side, or what may befall a task.
type arrival struct {
	Kind       string // record, tick, or what befalls
	Right      bool
	Key, Value string // "" is null
	At         int64
}

func arrivals(unit int64, befall ...string) *rapid.Generator[[]arrival] {
	kinds := append([]string{"record", "record", "record", "record", "record", "record"}, befall...)
	one := rapid.Custom(func(t *rapid.T) arrival {
		return arrival{
			Kind:  rapid.SampledFrom(kinds).Draw(t, "kind"),
			Right: rapid.Bool().Draw(t, "right"),
			Key:   rapid.SampledFrom([]string{"a", "a", "b", "ab", ""}).Draw(t, "key"),
			Value: rapid.SampledFrom([]string{"x", "y", "z", "w", ""}).Draw(t, "value"),
			At:    unit * rapid.OneOf(rapid.Int64Range(-8, 8), rapid.Int64Range(-60, 30)).Draw(t, "after the time so far"),
		}
	})
	return rapid.Map(rapid.SliceOfN(one, 1, 50), func(all []arrival) []arrival {
		now := int64(0)
		for i := range all {
			a := &all[i]
			if a.At = max(0, now+a.At); a.Kind == "record" {
				now = max(now, a.At)
			}
		}
		return all
	})
}

func bytesOf(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

// pairs is a join: its windows in ms, and which sides' records may stay alone.
type pairs struct {
	before, after, grace int64
	outer                [2]bool // left, right
	retention            int64
	every                int64
	idles                bool // silence closes what waits, and what came so far meets nothing any more
}

// paired is a join computed from the definition.
type paired struct {
	pairs
	out      []string
	dropped  map[string]int64
	kept     [2][]arrival // by side, as they came
	observed [2]int64
	waiting  []arrival
	time     int64
	wall     int64
	due      int64
	idle     int64
}

func sideOf(right bool) int {
	if right {
		return 1
	}
	return 0
}

func (p *paired) run(all []arrival) {
	p.dropped, p.time, p.idle, p.observed = map[string]int64{}, -1, -1, [2]int64{-1, -1}
	for _, a := range all {
		switch a.Kind {
		case "record":
			p.take(a)
		case "tick":
			p.wall += 600
		case "quiet":
			if p.wall += 60_000; p.idles && p.outer[0] {
				p.idle = p.time
				p.closeAll(func(arrival) bool { return true })
			}
		case "restart", "rebuild", "crash":
			p.due = 0 // another life
		}
	}
}

// reach is how much earlier and later the other side's records may be.
func (p *paired) reach(right bool) (before, after int64) {
	if right {
		return p.after, p.before
	}
	return p.before, p.after
}

func (p *paired) take(a arrival) {
	me, other := sideOf(a.Right), sideOf(!a.Right)
	if p.time = max(p.time, a.At); p.outer[0] {
		p.close()
	}
	switch {
	case a.Key == "" && !p.outer[me]:
		p.dropped["null key"]++
		return
	case a.Value == "":
		p.dropped["null value"]++
		return
	case a.Key == "":
		p.alone(a)
		return
	}
	before, after := p.reach(a.Right)
	from, to := max(0, a.At-before), max(0, a.At+after)
	met := slices.DeleteFunc(slices.Clone(p.kept[other]), func(o arrival) bool {
		return o.Key != a.Key || o.At < from || o.At > to || o.At <= p.observed[other]-p.retention || o.At <= p.idle
	})
	slices.SortStableFunc(met, func(x, y arrival) int { return cmp.Compare(x.At, y.At) })
	for _, o := range met {
		p.waiting = slices.DeleteFunc(p.waiting, func(w arrival) bool { return w.Right == o.Right && w.Key == o.Key && w.At == o.At })
		l, r := a, o
		if a.Right {
			l, r = o, a
		}
		p.out = append(p.out, fmt.Sprintf("%s=%s%s@%d", a.Key, l.Value, r.Value, max(a.At, o.At)))
	}
	switch {
	case len(met) > 0 || !p.outer[me]:
	case to < p.time, a.At <= p.idle:
		p.alone(a)
	default:
		p.waiting = append(p.waiting, a)
	}
	p.keep(me, a)
}

// keep keeps a record, unless its segment has expired.
func (p *paired) keep(me int, a arrival) {
	const segment = 60_000
	p.observed[me] = max(p.observed[me], a.At)
	if floor := p.observed[me] - p.retention; floor >= 0 && a.At/max(segment, p.retention/2) < floor/max(segment, p.retention/2) {
		p.dropped["expired"]++
		return
	}
	p.kept[me] = append(p.kept[me], a)
}

func (p *paired) alone(a arrival) {
	text := a.Value + "-"
	if a.Right {
		text = "-" + a.Value
	}
	p.out = append(p.out, fmt.Sprintf("%s=%s@%d", a.Key, text, a.At))
}

// close joins with nothing what has waited long enough.
func (p *paired) close() {
	if p.wall < p.due {
		return
	}
	p.closeAll(func(w arrival) bool {
		_, after := p.reach(w.Right)
		if w.At+after+p.grace >= p.time {
			return false
		}
		p.due = p.wall + p.every
		return true
	})
}

// closeAll joins what has waited with nothing, where closes says so.
func (p *paired) closeAll(closes func(arrival) bool) {
	slices.SortStableFunc(p.waiting, func(x, y arrival) int {
		return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(sideOf(y.Right), sideOf(x.Right)), cmp.Compare(x.Key, y.Key))
	})
	p.waiting = slices.DeleteFunc(p.waiting, func(w arrival) bool {
		if !closes(w) {
			return false
		}
		p.alone(w)
		return true
	})
}

func either(l, r *string) string {
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	return text(l) + text(r)
}

// topology is the join, with the public API.
func (p pairs) topology(t testing.TB, opts ...weir.OpOption) *weir.Topology {
	w := window.Within(0).Before(ms(p.before)).After(ms(p.after)).Grace(ms(p.grace))
	opts = append(opts, weir.Retention(ms(p.retention)))
	return built(t, func(b *weir.Builder) {
		l, r := weir.From(b, leftTexts), weir.From(b, rightTexts)
		var s weir.Stream[string, string]
		switch {
		case p.outer[1]:
			s = weir.OuterJoin(l, r, "j", w, func(_ string, l, r *string) string { return either(l, r) }, opts...)
		case p.outer[0]:
			s = weir.LeftJoin(l, r, "j", w, func(_, l string, r *string) string { return either(&l, r) }, opts...)
		default:
			s = weir.Join(l, r, "j", w, func(_, l, r string) string { return l + r }, opts...)
		}
		s.To(outTexts)
	})
}

// came is what a topology makes of what arrives.
func came(t testing.TB, topo *weir.Topology, all []arrival, opts ...weirtest.Option) (out []string, dropped map[string]int64) {
	d := weirtest.New(t, topo, opts...)
	for _, a := range all {
		switch a.Kind {
		case "record":
			topic := "left"
			if a.Right {
				topic = "right"
			}
			d.SendRaw(topic, 0, bytesOf(a.Key), bytesOf(a.Value), at(a.At))
		default:
			befall(d, a.Kind)
		}
	}
	d.Commit()
	for _, r := range d.Records("out") {
		out = append(out, fmt.Sprintf("%s=%s@%d", r.Key, r.Value, r.Time.UnixMilli()))
	}
	dropped = map[string]int64{}
	for _, reasons := range d.Dropped() {
		for reason, n := range reasons {
			dropped[reason] += n
		}
	}
	return out, dropped
}

func TestStreamJoinsAgainstTheirDefinition(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 10_000}).Draw(r, "unit")
		p := pairs{
			before: unit * rapid.Int64Range(0, 12).Draw(r, "before"), after: unit * rapid.Int64Range(0, 12).Draw(r, "after"),
			grace: unit * rapid.SampledFrom([]int64{0, 0, 3, 10}).Draw(r, "grace"),
			outer: rapid.SampledFrom([][2]bool{{}, {true, false}, {true, true}}).Draw(r, "outer"),
		}
		switch rapid.IntRange(0, 5).Draw(r, "skewed") {
		case 0:
			p.after = -p.before / 2
		case 1:
			p.before = -p.after / 2
		}
		p.retention = max(1, p.before+p.after+p.grace+unit*rapid.SampledFrom([]int64{0, 0, 20}).Draw(r, "kept longer"))
		opts := []weirtest.Option{weirtest.CommitEvery(rapid.IntRange(0, 4).Draw(r, "commit every"))}
		if rapid.Bool().Draw(r, "scanned") {
			opts = append(opts, weirtest.Cache(0))
		}
		kinds := []string{"commit", "restart", "rebuild", "crash"}
		if rapid.Bool().Draw(r, "throttled") {
			p.every, kinds = 1000, []string{"tick", "tick", "commit", "restart"}
		}
		if p.idles = rapid.Bool().Draw(r, "idles"); p.idles {
			kinds = append(kinds, "quiet", "quiet")
		}
		all := arrivals(unit, kinds...).Draw(r, "all")
		m := paired{pairs: p}
		m.run(all)
		var own []weir.OpOption
		if p.outer[0] {
			own = append(own, weir.EmitEvery(ms(p.every)))
		}
		if p.idles && p.outer[0] {
			own = append(own, closesIdle)
		}
		out, dropped := came(t, p.topology(t, own...), all, opts...)
		same(r, "results", out, m.out)
		if !maps.Equal(dropped, m.dropped) {
			r.Fatalf("dropped %v, want %v", dropped, m.dropped)
		}
	})
}

// Records of one key and time meet the other side in the order in which they came, also when a crash lay between them.
func TestStreamJoinKeepsOrderOverACrash(t *testing.T) {
	record := func(right bool, key, value string) arrival {
		return arrival{Kind: "record", Right: right, Key: key, Value: value}
	}
	for _, kind := range []string{"restart", "rebuild", "crash"} {
		all := []arrival{record(false, "a", "p"), record(false, "b", "q"), {Kind: kind}, record(false, "b", "r"), record(true, "b", "s")}
		out, _ := came(t, pairs{retention: 1}.topology(t), all)
		if want := []string{"b=qs@0", "b=rs@0"}; !slices.Equal(out, want) {
			t.Errorf("%s: got %q, want %q", kind, out, want)
		}
	}
}

// A join of other windows does not agree with the model.
func TestTheJoinsModelComplains(t *testing.T) {
	all := []arrival{{Kind: "record", Key: "a", Value: "x", At: 10}, {Kind: "record", Right: true, Key: "a", Value: "y", At: 14}, {Kind: "record", Key: "b", Value: "z", At: 40}}
	m := paired{pairs: pairs{before: 3, after: 3, retention: 6, outer: [2]bool{true, true}}}
	m.run(all)
	if want := []string{"a=x-@10", "a=-y@14"}; !slices.Equal(m.out, want) {
		t.Errorf("the model says %q, want %q", m.out, want)
	}
	wider := pairs{before: 4, after: 4, retention: 8, outer: [2]bool{true, true}}
	if out, _ := came(t, wider.topology(t, weir.EmitEvery(0)), all); slices.Equal(out, m.out) {
		t.Error("windows of 4 ms agree with a model of 3 ms")
	}
}

// A joiner that fails for one match of three: those before it stay, and the record is kept.
func TestAJoinerThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		decide weir.Decision
		want   []string
		failed int64
	}{
		"skip":  {weir.Skip(), []string{"a=xp@1", "a=zq@9"}, 1},
		"retry": {weir.Retry(0), []string{"a=xp@1", "a=yp@2", "a=zp@3", "a=zq@9"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			failed := false
			topo := built(t, func(b *weir.Builder) {
				weir.Join(weir.From(b, leftTexts), weir.From(b, rightTexts), "j", window.Within(6*time.Millisecond), func(_, l, r string) string {
					if l == "y" && !failed {
						failed = true
						panic(errBad)
					}
					return l + r
				}).To(outTexts)
			})
			out, dropped := came(t, topo, []arrival{
				{Kind: "record", Key: "a", Value: "x", At: 1}, {Kind: "record", Key: "a", Value: "y", At: 2}, {Kind: "record", Key: "a", Value: "z", At: 3},
				{Kind: "record", Right: true, Key: "a", Value: "p", At: 0}, {Kind: "record", Right: true, Key: "a", Value: "q", At: 9},
			}, weirtest.With((&always{decision: c.decide}).option()))
			if !slices.Equal(out, c.want) || dropped["failed"] != c.failed {
				t.Errorf("%q, dropped %v; want %q", out, dropped, c.want)
			}
		})
	}
}

// The other side's headers are not those of a result, and what has waited has those of the record that closed its window.
func TestHeadersOfJoins(t *testing.T) {
	p := pairs{before: 5, after: 5, retention: 10, outer: [2]bool{true, true}}
	d := weirtest.New(t, p.topology(t, weir.EmitEvery(0)))
	send := func(topic, key string, when int64, h string) {
		d.SendRaw(topic, 0, []byte(key), []byte("v"), at(when), processor.Header{Key: "h", Value: []byte(h)})
	}
	send("left", "a", 1, "one")
	send("right", "a", 2, "two")
	send("left", "b", 3, "three")
	send("right", "c", 100, "four")
	var got []string
	for _, r := range d.Records("out") {
		got = append(got, fmt.Sprintf("%s=%s %s", r.Key, r.Value, r.Headers[0].Value))
	}
	if want := []string{"a=vv two", "b=v- four"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFaultsOfJoins(t *testing.T) {
	other := weir.NewBuilder()
	join := func(name string, w window.JoinWindows, opts ...weir.OpOption) func(b *weir.Builder) {
		return func(b *weir.Builder) {
			weir.Join(weir.From(b, leftTexts), weir.From(b, rightTexts), name, w, func(_, l, r string) string { return l + r }, opts...)
		}
	}
	within := window.Within(time.Second)
	for want, declare := range map[string]func(b *weir.Builder){
		"no two records would be joined": join("j", within.After(-2*time.Second)),
		"the join needs a name":          join("", within),
		"Retention(1s) must be":          join("j", within, weir.Retention(time.Second)),
		"option EmitEvery does not fit":  join("j", within, weir.EmitEvery(0)),
		"option NoCache does not fit":    join("j", within, weir.NoCache()),
		"option OtherSerde is":           join("j", within, weir.OtherSerde(serde.Int64())),
		"exists already": func(b *weir.Builder) {
			join("j", within)(b)
			weir.Count(weir.From(b, leftTexts).GroupByKey(), "j-this-join-store")
		},
		"another Builder": func(b *weir.Builder) {
			weir.Join(weir.From(b, leftTexts), weir.From(other, rightTexts), "j", within, func(_, l, r string) string { return l + r })
		},
	} {
		b := weir.NewBuilder()
		declare(b)
		if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A serde that refuses a value drops the record from the store, not its results.
func TestASideThatCannotBeWritten(t *testing.T) {
	refuses := serde.New("refuses", func(dst []byte, v string) ([]byte, error) {
		if v == "y" {
			return dst, errors.New("not y")
		}
		return append(dst, v...), nil
	}, func(b []byte) (string, error) { return string(b), nil })
	topo := built(t, func(b *weir.Builder) {
		l := weir.MapValues(weir.From(b, leftTexts), func(v string) string { return v }, weir.ValueSerde(refuses))
		weir.Join(l, weir.From(b, rightTexts), "j", window.Within(time.Second), func(_, l, r string) string { return l + r }).To(outTexts)
	})
	out, dropped := came(t, topo, []arrival{
		{Kind: "record", Right: true, Key: "a", Value: "p", At: 1}, {Kind: "record", Key: "a", Value: "y", At: 2},
		{Kind: "record", Right: true, Key: "a", Value: "q", At: 3},
	}, weirtest.With((&always{decision: weir.Skip()}).option()))
	if want := []string{"a=yp@2"}; !slices.Equal(out, want) || dropped["failed"] != 1 {
		t.Errorf("%q, dropped %v; want %q", out, dropped, want)
	}
}
