//go:build kafka

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/kafkatest"
)

const paymentPartitions = 4

// TestPayments sums an hour of payments by merchant and minute, in windows that emit when they close, on two processes:
// one is killed and one is stopped, both are started again, while payments go on coming.
func TestPayments(t *testing.T) {
	for name, exactly := range map[string]bool{"exactly once": true, "at least once": false} {
		t.Run(name, func(t *testing.T) { testPayments(t, exactly) })
	}
}

func testPayments(t *testing.T, exactly bool) {
	b := dial(t, kafkatest.Broker(t))
	in, out := kafkatest.Topic(t, "payments", paymentPartitions, nil), kafkatest.Topic(t, "totals", paymentPartitions, nil)
	app := kafkatest.Name("payments")
	b.internal(app)
	run := launch{Program: "payments", App: app, Kafka: b.addr, ExactlyOnce: exactly, Topics: []string{in, out}}
	first, second := run, run
	first.State, second.State = t.TempDir(), t.TempDir()
	p, q := start(t, first), start(t, second)

	f := newPayments(b, in, setting(t, "WEIR_SOAK_PAYMENTS", 200_000))
	p.running()
	q.running()
	f.send(f.total * 8 / 10)
	changelog := app + "-" + paymentStore + "-changelog"
	waitFor(t, "half as many changelog records as payments", 2*time.Minute, func() bool {
		p.mustLive()
		q.mustLive()
		return b.size(changelog) >= int64(f.total/2)
	})
	trickling := f.trickle(f.total * 9 / 10)
	if exactly && !b.killInTransaction(p) {
		t.Error("the kill found no transaction open")
	} else if !exactly {
		p.kill()
	}
	before := b.ends(changelog)
	p = p.again()
	p.running()
	q.running()

	inChangelogs, replayed := int64(0), int64(0)
	for task, n := range p.restored() {
		t.Logf("task %s read %d changelog records again", task, n)
		replayed += n
	}
	for i := range int32(paymentPartitions) {
		if end, ok := before.Lookup(changelog, i); ok && p.tasks()[fmt.Sprintf("1_%d", i)] {
			inChangelogs += end.Offset
		}
	}
	t.Logf("the killed process came back to %d changelog records of %d, and read %d again", inChangelogs, b.size(changelog), replayed)
	if inChangelogs < int64(f.total/8) {
		t.Errorf("the process that was killed got only %d changelog records back: its state is elsewhere", inChangelogs)
	}
	if err := judgeReplay(inChangelogs, replayed); err != nil {
		t.Error(err)
	}

	q.stop()
	q = q.again()
	q.running()
	p.running()
	<-trickling
	f.send(f.total)
	slack := int64(0)
	if exactly {
		slack = 1 // the marker at each end
	}
	idle := func() bool {
		p.mustLive()
		q.mustLive()
		return b.behind(app, 0, in) == 0 && b.behind(app, slack, app+"-by-merchant-repartition") == 0
	}
	waitFor(t, "all payments are processed", time.Minute, idle)
	f.close()
	waitFor(t, "what closes the windows is processed", time.Minute, idle)
	got := sums{}
	waitFor(t, "the last window is out", time.Minute, func() bool {
		got = readTotals(b, out)
		return len(got) >= len(f.model)
	})
	p.stop()
	q.stop()

	got = readTotals(b, out)
	judge := judgeAtLeast
	if exactly {
		judge = judgeExactly
	}
	if err := judge(f.model, got); err != nil {
		t.Error(err)
	}
	t.Logf("%d payments, %d sums of %d merchants and minutes", f.total, written(got), len(f.model))
}

func written(got sums) (n int) {
	for _, all := range got {
		n += len(all)
	}
	return n
}

func readTotals(b *broker, topic string) sums {
	b.t.Helper()
	of, got := totalTopic(topic), sums{}
	b.read(topic, func(r *kgo.Record) {
		key, err := of.KeySerde().Decode(r.Key)
		if err != nil {
			b.t.Fatal(err)
		}
		sum, err := of.ValueSerde().Decode(r.Value)
		if err != nil {
			b.t.Fatal(err)
		}
		at := slot{key.Key, key.StartMs()}
		got[at] = append(got[at], sum)
	})
	return got
}

// payments makes the input, an hour of event time that ended three hours ago, and the model of what must come out.
// A fifth goes to ten merchants, who so have many in each minute; the rest to so many that most minutes of theirs have one.
type payments struct {
	b     *broker
	topic string
	total int
	made  int
	base  time.Time
	rand  *rand.Rand
	model map[slot]int64
	fail  func(*kgo.Record, error)
}

func newPayments(b *broker, topic string, total int) *payments {
	// Brokers refuse times more than an hour ahead: what closes the windows is of now.
	base := time.Now().Add(-4 * time.Hour).Truncate(minute)
	return &payments{b: b, topic: topic, total: total, base: base, rand: rand.New(rand.NewPCG(1, 2)), model: map[slot]int64{}, fail: func(_ *kgo.Record, err error) {
		if err != nil {
			b.t.Errorf("produce a payment: %v", err)
		}
	}}
}

// send writes payments until there are n.
func (f *payments) send(n int) {
	f.b.t.Helper()
	for f.made < n {
		f.b.client.Produce(f.b.t.Context(), f.next(), f.fail)
	}
	f.flush()
}

func (f *payments) flush() {
	if err := f.b.client.Flush(f.b.t.Context()); err != nil {
		f.b.t.Errorf("produce payments: %v", err)
	}
}

// trickle writes payments on the side until there are n, a thousand a second; the result is closed when it has.
func (f *payments) trickle(n int) chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for f.made < n && f.b.t.Context().Err() == nil {
			for range 50 {
				f.b.client.Produce(f.b.t.Context(), f.next(), f.fail)
			}
			<-tick.C
		}
		f.flush()
	}()
	return done
}

func (f *payments) next() *kgo.Record {
	at := f.base.Add(time.Duration(f.made) * time.Hour / time.Duration(f.total))
	merchant := fmt.Sprintf("shop-%d", f.rand.IntN(20_000))
	if f.rand.IntN(5) == 0 {
		merchant = fmt.Sprintf("mall-%d", f.rand.IntN(10))
	}
	p := payment{Merchant: merchant, Amount: 1 + f.rand.Int64N(1000), At: at.UnixMilli()}
	f.model[slot{merchant, at.Truncate(minute).UnixMilli()}] += p.Amount
	f.made++
	return f.record(p)
}

func (f *payments) record(p payment) *kgo.Record {
	value, err := json.Marshal(p)
	if err != nil {
		f.b.t.Error(err)
	}
	return &kgo.Record{Topic: f.topic, Key: fmt.Appendf(nil, "%d", f.made), Value: value, Timestamp: time.UnixMilli(p.At)}
}

// close writes a payment of now for enough merchants that every partition behind the grouping has one. It closes all windows before.
func (f *payments) close() {
	f.b.t.Helper()
	for i := range 16 * paymentPartitions {
		f.b.client.Produce(context.Background(), f.record(payment{Merchant: fmt.Sprintf("last-%d", i), Amount: 1, At: time.Now().UnixMilli()}), f.fail)
	}
	f.flush()
}
