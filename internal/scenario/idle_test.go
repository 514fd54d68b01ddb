package scenario_test

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
)

// feedAt writes a record of each of twenty keys, at a time.
func (s *scenario) feedAt(at time.Time, value string) {
	s.t.Helper()
	var recs []*kgo.Record
	for i := range 20 {
		recs = append(recs, &kgo.Record{Topic: "in", Key: fmt.Append(nil, "k", i), Value: []byte(value), Timestamp: at})
	}
	if err := s.client.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// said are how often each value was seen for how many keys.
func (s *scenario) said(n int) map[string]int {
	s.t.Helper()
	s.read(fmt.Sprint(n, " records"), func() bool { return len(s.seen) >= n })
	got := map[string]int{}
	for _, r := range s.seen {
		got[string(r.Value)]++
	}
	return got
}

// Windows close when their inputs fall silent, once, whatever becomes of the app; what comes later is late.
func TestIdleWindowsClose(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "in")
		text := func(name string) weir.Topic[string, string] {
			return weir.NewTopic(name, serde.String(), serde.String())
		}
		topo := built(t, func(b *weir.Builder) {
			g := weir.From(b, text("in")).GroupByKey().WindowedBy(window.Tumbling(time.Minute).Grace(time.Minute))
			sums := weir.Reduce(g, "sums", func(sum, v string) string { return sum + v }, weir.EmitOnClose())
			weir.Unwindow(sums.ToStream()).To(text("out"))
			weir.MapValues(weir.LateOf(g), func(l weir.Late[string]) string { return "late " + l.Value }).To(text("out"))
		})
		idle := weir.CloseIdleAfter(100 * time.Millisecond)
		minute := time.Now().Truncate(time.Minute).Add(-5 * time.Minute)
		s.feedAt(minute, "a")
		s.feedAt(minute.Add(time.Second), "b")
		app := s.start("idle", topo, idle)
		want := map[string]int{"ab": 20}
		if got := s.said(20); !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for _, name := range []string{"c", "d"} {
			s.end(app)
			app = s.start("idle", topo, idle) // in another state directory
			s.feedAt(minute.Add(2*time.Second), name)
			want["late "+name] = 20
			if got := s.said(len(s.seen) + 20); !maps.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
		s.feedAt(minute.Add(90*time.Second), "e") // of the window after
		want["e"] = 20
		if got := s.said(len(s.seen) + 20); !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		s.end(app)
	})
}
