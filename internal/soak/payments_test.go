//go:build kafka

package soak

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/internal/murmur2"
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
	r := newPaymentRun(t, exactly)
	f := newPayments(r.broker, r.Topics[0], setting(t, "WEIR_SOAK_PAYMENTS", 200_000))
	f.send(f.total * 8 / 10)
	waitFor(t, "half as many changelog records as payments", 2*time.Minute, func() bool { return r.size(r.changelog) >= int64(f.total/2) })
	if !exactly {
		// What is replayed is what was written since the last commit, a second ago: the burst must be over.
		waitFor(t, "the burst is processed", 2*time.Minute, func() bool { return r.behind() < int64(f.total/100) })
	}
	trickling := f.trickle(f.total * 9 / 10)
	waitFor(t, "payments trickle in", time.Minute, func() bool { return r.size(r.Topics[0]) >= int64(f.total)*81/100 })
	r.kill()
	r.stop()
	<-trickling
	f.send(f.total)
	waitFor(t, "all payments are processed", time.Minute, r.idle)
	f.closeAll(r.Topics[1])
	waitFor(t, "what closes the windows is processed", time.Minute, r.idle)
	r.p.stop()
	r.q.stop()
	got := readTotals(r.broker, r.Topics[1])
	judge := judgeAtLeast
	if exactly {
		judge = judgeExactly
	}
	if err := judge(f.model, got); err != nil {
		t.Error(err)
	}
	t.Logf("%d payments, %d sums of %d merchants and minutes", f.total, written(got), len(f.model))
}

// paymentRun is two processes of the payments app.
type paymentRun struct {
	*broker
	launch
	p, q      *process
	changelog string
	groups    string // the repartition topic
}

func newPaymentRun(t *testing.T, exactly bool) *paymentRun {
	t.Helper()
	b := dial(t, kafkatest.Broker(t))
	in, out := kafkatest.Topic(t, "payments", paymentPartitions, nil), kafkatest.Topic(t, "totals", paymentPartitions, nil)
	app := kafkatest.Name("payments")
	b.internal(app)
	r := &paymentRun{broker: b, changelog: app + "-" + paymentStore + "-changelog", groups: app + "-by-merchant-repartition"}
	r.launch = launch{Program: "payments", App: app, Kafka: b.addr, ExactlyOnce: exactly, Topics: []string{in, out}}
	// Without a cache the changelog runs ahead of what is on disk, and there is something to replay.
	r.NoCache = !exactly
	first, second := r.launch, r.launch
	first.State, second.State = t.TempDir(), t.TempDir()
	r.p, r.q = start(t, first), start(t, second)
	r.running()
	return r
}

func (r *paymentRun) running() {
	r.t.Helper()
	r.p.running()
	r.q.running()
}

// behind is how many records of either sub-topology are not committed.
func (r *paymentRun) behind() int64 {
	r.t.Helper()
	r.p.mustLive()
	r.q.mustLive()
	markers := int64(0)
	if r.ExactlyOnce {
		markers = 1
	}
	return r.broker.behind(r.App, 0, r.Topics[0]) + r.broker.behind(r.App, markers, r.groups)
}

func (r *paymentRun) idle() bool { return r.behind() == 0 }

// kill kills a process while it works, starts it again, and wants it to go on from what it has on disk.
func (r *paymentRun) kill() {
	r.t.Helper()
	if !r.ExactlyOnce {
		r.p.kill()
	} else if !r.killInTransaction(r.p) {
		r.t.Error("the kill found no transaction open")
	}
	ends := r.ends(r.changelog)
	r.p = r.p.again()
	r.running()

	written, replayed := int64(0), int64(0)
	for task, n := range r.p.restored() {
		r.t.Logf("task %s read %d changelog records again", task, n)
		replayed += n
	}
	ran := r.p.tasks()
	ends.Each(func(o kadm.ListedOffset) {
		if ran[fmt.Sprintf("1_%d", o.Partition)] {
			written += o.Offset
		}
	})
	r.t.Logf("of %d changelog records the killed process got %d back, and read %d again", r.size(r.changelog), written, replayed)
	if written < r.size(r.changelog)/4 {
		r.t.Errorf("the process that was killed got only %d changelog records back: its state is elsewhere", written)
	}
	if err := judgeReplay(written, replayed); err != nil {
		r.t.Error(err)
	}
}

// stop stops the other process in good order, and starts it again.
func (r *paymentRun) stop() {
	r.t.Helper()
	r.q.stop()
	r.q = r.q.again()
	r.running()
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

// closeAll closes all windows, by one payment far ahead for each partition behind the grouping, and waits until no more sums come. What they
// close too soon after a look is looked for a second later, without a further record.
func (f *payments) closeAll(totals string) {
	f.b.t.Helper()
	f.close()
	for n, quiet := int64(0), 0; quiet < 10; quiet++ {
		time.Sleep(time.Second)
		out := f.b.size(totals)
		if out > n {
			n, quiet = out, 0
		}
		if n >= int64(len(f.model)) && quiet > 2 {
			return
		}
	}
}

// close writes one payment of a year from now for each partition behind the grouping. The input holds it by the time at which it is written: brokers
// refuse others. What is behind the grouping has it by its own.
func (f *payments) close() {
	f.b.t.Helper()
	ahead := time.Now().AddDate(1, 0, 0)
	closed := map[int32]bool{}
	for i := 0; len(closed) < paymentPartitions; i++ {
		merchant := fmt.Sprintf("last-%d", i)
		if p := murmur2.Partition([]byte(merchant), paymentPartitions); !closed[p] {
			closed[p] = true
			r := f.record(payment{Merchant: merchant, Amount: 1, At: ahead.UnixMilli()})
			r.Timestamp = time.Now()
			f.b.client.Produce(f.b.t.Context(), r, f.fail)
		}
	}
	f.flush()
}
