package alerts

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/examples/internal/traffic"
	"github.com/weirstream/weir/weirtest"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const (
	partitions = 3
	cards      = 60
)

// world is a run of the topology beside a model of it.
type world struct {
	d     *weirtest.Driver
	txs   *weirtest.Input[string, Tx]
	cards *weirtest.Input[string, Card]
	model map[int]*model // by partition
	want  []Alert
}

func newWorld(t testing.TB, opts ...weirtest.Option) *world {
	t.Helper()
	topo, err := Topology()
	if err != nil {
		t.Fatal(err)
	}
	opts = append(opts, weirtest.Partitions("txs", partitions), weirtest.Partitions("cards", partitions))
	d := weirtest.New(t, topo, opts...)
	w := &world{d: d, txs: weirtest.In(d, Txs), cards: weirtest.In(d, Cards), model: map[int]*model{}}
	for p := range partitions {
		w.model[p] = newModel()
	}
	return w
}

// partition is the model of the partition to which the last record was sent.
func partition[V any](w *world, sent *weirtest.Output[string, V]) *model {
	r, _ := sent.NextRaw()
	return w.model[r.Partition]
}

func (w *world) play(seed uint64, n int, between func(i int)) {
	c := traffic.Config{Seed: seed, Start: start, Gap: 1500 * time.Millisecond, Kinds: cards}
	holders, txs, i := weirtest.Out(w.d, Cards), weirtest.Out(w.d, Txs), 0
	for s := range traffic.Cards(c) {
		w.cards.SendAt(s.Key, Card(s.Value), s.Arrive)
		partition(w, holders).card(s.Key, s.Value.Holder, s.Arrive.UnixMilli())
	}
	for s := range traffic.Txs(c) {
		if i == n {
			break
		}
		between(i)
		i++
		w.txs.SendAt(s.Key, Tx(s.Value), s.Arrive)
		w.want = append(w.want, partition(w, txs).tx(s.Key, s.Value.At.UnixMilli())...)
	}
	w.d.Commit()
}

// model is what one task must do, by the definitions.
type model struct {
	stream  int64 // the task's time
	clock   int64 // of the transactions alone
	minute  int64 // of the last punctuation
	holders map[string]string
	counts  map[string]int64 // by card and start
	times   map[string]int64
	alerted map[string]int64
}

func newModel() *model {
	return &model{minute: -1, holders: map[string]string{}, counts: map[string]int64{}, times: map[string]int64{}, alerted: map[string]int64{}}
}

func (m *model) card(card, holder string, at int64) {
	m.holders[card] = holder
	m.punctuate(at)
}

func (m *model) punctuate(at int64) {
	m.stream = max(m.stream, at)
	minute := m.stream / 60_000
	if minute == m.minute {
		return
	}
	m.minute = minute
	maps.DeleteFunc(m.alerted, func(_ string, at int64) bool { return m.stream-at >= Quiet.Milliseconds() })
}

// tx counts in every open window that holds at, oldest first; the driver's commit hands the results on after the punctuations.
func (m *model) tx(card string, at int64) (alerts []Alert) {
	const size, hop, grace = 60_000, 10_000, 5_000
	m.clock = max(m.clock, at)
	m.punctuate(at)
	for from := (at - size + hop) / hop * hop; from <= at; from += hop {
		if from+size+grace <= m.clock {
			continue
		}
		k := fmt.Sprint(card, from)
		m.counts[k]++
		m.times[k] = max(m.times[k], at)
		if m.counts[k] <= Limit || m.holders[card] == "" {
			continue
		}
		if last, known := m.alerted[card]; known && m.times[k]-last < Quiet.Milliseconds() {
			continue
		}
		m.alerted[card] = m.times[k]
		alerts = append(alerts, Alert{card, m.holders[card], m.counts[k]})
	}
	return alerts
}

// check compares what came out, and what the processor remembers.
func (w *world) check() error {
	var got []Alert
	for _, r := range weirtest.Out(w.d, Alerts).All() {
		if r.Key != r.Value.Card {
			return fmt.Errorf("an alert of card %s has the key %s", r.Value.Card, r.Key)
		}
		got = append(got, r.Value)
	}
	if !slices.Equal(got, w.want) {
		return fmt.Errorf("alerts\n%v, want\n%v", got, w.want)
	}
	for p, m := range w.model {
		if known := maps.Collect(weirtest.StoreIn(w.d, p, alerted).All()); !maps.Equal(known, m.alerted) {
			return fmt.Errorf("partition %d remembers %v, want %v", p, known, m.alerted)
		}
	}
	return nil
}

func TestAlertsAgainstTheModel(t *testing.T) {
	for seed := range uint64(2) {
		w := newWorld(t)
		w.play(seed, 6000, func(int) {})
		if err := w.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		perCard, again := map[string]int{}, false
		for _, a := range w.want {
			perCard[a.Card]++
			again = again || perCard[a.Card] > 1
		}
		if len(w.want) < 15 || !again {
			t.Fatalf("seed %d shows little: %d alerts, a card twice: %v", seed, len(w.want), again)
		}
	}
}

// TestAlertsSurviveStops crashes and starts again. What is committed record by record is done once.
func TestAlertsSurviveStops(t *testing.T) {
	w := newWorld(t, weirtest.With(weir.ExactlyOnce()))
	stops := []func(){w.d.Crash, w.d.Restart, w.d.Rebuild}
	w.play(7, 2500, func(i int) {
		if i%101 == 100 {
			stops[i/101%len(stops)]()
		}
	})
	if len(w.want) < 5 {
		t.Fatalf("the run shows little: %d alerts", len(w.want))
	}
	got := weirtest.Out(w.d, Alerts).All()
	if len(got) != len(w.want) {
		t.Fatalf("%d alerts, want %d", len(got), len(w.want))
	}
	for i, r := range got {
		if r.Value != w.want[i] {
			t.Errorf("alert %d is %v, want %v", i, r.Value, w.want[i])
		}
	}
}

// TestTheCheckComplains feeds the check runs that are wrong by one record.
func TestTheCheckComplains(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"an alert too few":           func(w *world) { w.want = append(w.want, Alert{}) },
		"another count":              func(w *world) { w.want[0].N++ },
		"a row that was not deleted": func(w *world) { w.model[0].alerted["gone"] = 0 },
	} {
		w := newWorld(t)
		w.play(1, 1500, func(int) {})
		if err := w.check(); err != nil {
			t.Fatal(err)
		}
		spoil(w)
		if w.check() == nil {
			t.Errorf("nobody saw %s", name)
		}
	}
}

// TestQuiet uses one card fast, three times.
func TestQuiet(t *testing.T) {
	w := newWorld(t)
	w.cards.SendAt("c", Card{Holder: "Ada"}, start)
	burst := func(after time.Duration, n int) (alerts []Alert) {
		for i := range n {
			at := start.Add(after + time.Duration(i)*time.Second)
			w.txs.SendAt("c", Tx{At: at, Amount: 1}, at)
		}
		for _, r := range weirtest.Out(w.d, Alerts).All() {
			alerts = append(alerts, r.Value)
		}
		return alerts
	}
	if got := burst(0, 5); len(got) != 0 {
		t.Errorf("5 transactions are no reason to alert: %v", got)
	}
	if got := burst(5*time.Second, 3); !slices.Equal(got, []Alert{{"c", "Ada", 6}}) {
		t.Errorf("after 8 transactions: %v", got)
	}
	if got := burst(30*time.Minute, 9); len(got) != 1 {
		t.Errorf("half an hour later: %v", got)
	}
	if got := burst(2*time.Hour, 9); len(got) != 2 || got[1] != (Alert{"c", "Ada", 6}) {
		t.Errorf("two hours later: %v", got)
	}
	w.cards.SendRecord(weir.Tombstone[Card]("c", start.Add(4*time.Hour)))
	if got := burst(4*time.Hour, 9); len(got) != 2 {
		t.Errorf("a card without a holder: %v", got)
	}
}
