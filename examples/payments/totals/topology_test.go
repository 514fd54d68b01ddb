package totals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/examples/internal/traffic"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const repartition = "payments-by-merchant-repartition"

// world is a run of the topology, with what must come of it.
type world struct {
	d       *weirtest.Driver
	in      *weirtest.Input[string, Payment]
	out     *weirtest.Output[window.Key[string], Total]
	totals  weir.Table[window.Key[string], Total]
	settled map[string]Total            // by merchant, as sent
	late    map[processor.Source]string // what was reported, by where it stood: work that is done again reports again
}

func newWorld(t testing.TB, opts ...weirtest.Option) *world {
	t.Helper()
	topo, totals, err := Topology()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{totals: totals, settled: map[string]Total{}, late: map[processor.Source]string{}}
	opts = append(opts, weirtest.AppName("payments"), weirtest.Partitions("payments", 4), weirtest.Partitions("merchant-totals", 2),
		weirtest.With(weir.ExactlyOnce(), weir.OnDropped(func(_ context.Context, x weir.Dropped) { w.late[x.Source] = x.Reason })))
	w.d = weirtest.New(t, topo, opts...)
	w.in, w.out = weirtest.In(w.d, Payments), weirtest.Out(w.d, Totals)
	return w
}

// play sends the first n payments of a seed; between is called before each.
func (w *world) play(seed uint64, n int, between func(i int)) {
	i := 0
	for s := range traffic.Payments(traffic.Config{Seed: seed, Start: start, Gap: 300 * time.Millisecond, Kinds: 30}) {
		if i == n {
			break
		}
		between(i)
		i++
		p := Payment(s.Value)
		if p.Status == "settled" {
			w.settled[p.Merchant] = w.settled[p.Merchant].Plus(p)
		}
		w.in.SendAt(s.Key, p, s.Arrive)
	}
	w.d.Commit()
}

// outcome is what became of each merchant's payments.
type outcome struct {
	emitted map[window.Key[string]]Total
	open    map[window.Key[string]]Total
	late    map[string]Total
}

func (w *world) outcome() (o outcome, err error) {
	o = outcome{map[window.Key[string]]Total{}, map[window.Key[string]]Total{}, map[string]Total{}}
	for _, r := range w.out.All() {
		if _, twice := o.emitted[r.Key]; twice {
			return o, fmt.Errorf("%v was emitted twice", r.Key)
		}
		o.emitted[r.Key] = r.Value
	}
	for p := range 4 {
		for k, t := range weirtest.StoreIn(w.d, p, weir.WindowStoreOf(w.totals)).All() {
			switch had, done := o.emitted[k]; {
			case !done:
				o.open[k] = t
			case had != t:
				return o, fmt.Errorf("%v was emitted as %v and is kept as %v", k, had, t)
			}
		}
	}
	o.late, err = w.lateOnes()
	return o, err
}

// lateOnes are the late payments by merchant: a report says where the payment stands in the repartition topic.
func (w *world) lateOnes() (map[string]Total, error) {
	all := map[string]Total{}
	for _, r := range w.d.Records(repartition) {
		src := processor.Source{Topic: r.Topic, Partition: int32(r.Partition), Offset: r.Offset}
		reason, ok := w.late[src]
		if !ok {
			continue
		}
		if reason != "late" {
			return nil, fmt.Errorf("%v was dropped: %s", r, reason)
		}
		var p Payment
		if err := json.Unmarshal(r.Value, &p); err != nil {
			return nil, err
		}
		all[p.Merchant] = all[p.Merchant].Plus(p)
	}
	return all, nil
}

// conserved checks that what was settled is emitted, late or still open, for each merchant, to the cent.
func (w *world) conserved(o outcome) error {
	sum := maps.Clone(o.late)
	for _, part := range []map[window.Key[string]]Total{o.emitted, o.open} {
		for k, t := range part {
			sum[k.Key] = Total{sum[k.Key].N + t.N, sum[k.Key].Sum + t.Sum}
		}
	}
	if !maps.Equal(sum, w.settled) {
		return fmt.Errorf("accounted for are %v, settled were %v", sum, w.settled)
	}
	return nil
}

// model is what must come of the payments in the repartition topic, by the definition: each partition has its own time, the greatest that it has seen;
// a window takes payments until Grace after its end.
func (w *world) model() (o outcome, err error) {
	o = outcome{map[window.Key[string]]Total{}, map[window.Key[string]]Total{}, map[string]Total{}}
	times := map[int]int64{}
	where := map[window.Key[string]]int{}
	for _, r := range w.d.Records(repartition) {
		var p Payment
		if err := json.Unmarshal(r.Value, &p); err != nil {
			return o, err
		}
		now := max(times[r.Partition], p.At.UnixMilli())
		times[r.Partition] = now
		from := p.At.Truncate(Size)
		k := window.Key[string]{Key: p.Merchant, Start: from.UTC(), End: from.Add(Size).UTC()}
		if k.End.Add(Grace).UnixMilli() <= now {
			o.late[p.Merchant] = o.late[p.Merchant].Plus(p)
			continue
		}
		o.open[k], where[k] = o.open[k].Plus(p), r.Partition
	}
	for k, t := range o.open {
		if k.End.Add(Grace).UnixMilli() <= times[where[k]] {
			o.emitted[k] = t
			delete(o.open, k)
		}
	}
	return o, nil
}

// check compares a run with the model and with itself.
func (w *world) check() error {
	got, err := w.outcome()
	if err != nil {
		return err
	}
	want, err := w.model()
	if err != nil {
		return err
	}
	if !maps.Equal(got.emitted, want.emitted) {
		err = errors.Join(err, fmt.Errorf("emitted %v, want %v", got.emitted, want.emitted))
	}
	if !maps.Equal(got.open, want.open) {
		err = errors.Join(err, fmt.Errorf("open %v, want %v", got.open, want.open))
	}
	if !maps.Equal(got.late, want.late) {
		err = errors.Join(err, fmt.Errorf("late %v, want %v", got.late, want.late))
	}
	return errors.Join(err, w.conserved(got))
}

func TestTotalsAgainstTheModel(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t)
		w.play(seed, 3000, func(int) {})
		if err := w.check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if o, _ := w.model(); len(o.emitted) < 100 || len(o.late) == 0 || len(o.open) == 0 {
			t.Fatalf("seed %d shows little: %d windows emitted, %d open, %d merchants with late payments", seed, len(o.emitted), len(o.open), len(o.late))
		}
	}
}

// TestTotalsSurviveStops stops the run in every way, with commits that take several records.
func TestTotalsSurviveStops(t *testing.T) {
	w := newWorld(t, weirtest.CommitEvery(7))
	stops := []func(){w.d.Crash, w.d.Restart, w.d.Rebuild}
	w.play(4, 2000, func(i int) {
		if i%97 == 96 {
			stops[i/97%len(stops)]()
		}
	})
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
}

// TestTheCheckComplains feeds the check runs that are wrong by one payment.
func TestTheCheckComplains(t *testing.T) {
	for name, spoil := range map[string]func(*world){
		"a payment that nobody sent": func(w *world) {
			w.in.SendAt("p", Payment{At: start, Status: "settled", Merchant: "acme", Amount: 1}, start)
		},
		"a payment that got lost":              func(w *world) { w.settled["acme"] = w.settled["acme"].Plus(Payment{Amount: 1}) },
		"late payments that were not reported": func(w *world) { clear(w.late) },
		"a total that was changed": func(w *world) {
			for p := range 4 {
				for k := range weirtest.StoreIn(w.d, p, weir.WindowStoreOf(w.totals)).All() {
					w.settled[k.Key] = Total{w.settled[k.Key].N, w.settled[k.Key].Sum + 1}
					return
				}
			}
		},
	} {
		w := newWorld(t)
		w.play(5, 1000, func(int) {})
		spoil(w)
		if w.check() == nil {
			t.Errorf("nobody saw %s", name)
		}
	}
}

func TestOneMinute(t *testing.T) {
	w := newWorld(t)
	pay := func(after time.Duration, status string, amount int64) {
		w.in.SendAt("p", Payment{At: start.Add(after), Status: status, Merchant: "acme", Amount: amount}, start)
	}
	pay(0, "settled", 100)
	pay(59*time.Second, "settled", 50)
	pay(30*time.Second, "declined", 7)
	pay(69*time.Second, "settled", 1) // within the grace
	if !w.out.Empty() {
		t.Error("a window was emitted before it had closed")
	}
	pay(5*time.Second, "settled", 25)
	pay(70*time.Second, "settled", 1)
	pay(6*time.Second, "settled", 1000) // too late
	r, ok := w.out.Next()
	if want := (Total{3, 175}); !ok || r.Value != want || r.Key.Key != "acme" || !r.Key.Start.Equal(start) || !w.out.Empty() {
		t.Errorf("emitted %v, want %v alone", r, want)
	}
	if n := w.d.Dropped()["totals"]["late"]; n != 1 {
		t.Errorf("dropped: %v", w.d.Dropped())
	}
}
