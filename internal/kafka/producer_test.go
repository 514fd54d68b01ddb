package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func newProducer(t testing.TB, set *Settings) *Producer {
	t.Helper()
	p, err := NewProducer(testContext(t), set, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func mustSend(t testing.TB, p *Producer, d *Dest, out Out) {
	t.Helper()
	if err := p.Send(d, out); err != nil {
		t.Fatal(err)
	}
}

func mustFlush(t testing.TB, p *Producer) {
	t.Helper()
	if err := p.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func TestSentRecordsArriveAsTheyWere(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 3, "out").ListenAddrs()...)
	p := newProducer(t, set)
	d := NewDest(nil)
	scratch := []byte("v1")
	mustSend(t, p, d, Out{Topic: "out", Partition: 2, Key: []byte("k"), Value: scratch, Timestamp: 1234, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}})
	copy(scratch, "xx") // the sender may use its buffer again
	mustSend(t, p, d, Out{Topic: "out", Partition: 2, Key: nil, Value: nil})
	mustSend(t, p, d, Out{Topic: "out", Partition: 2, Key: []byte{}, Value: []byte{}})
	big := bytes.Repeat([]byte("b"), slabSize)
	mustSend(t, p, d, Out{Topic: "out", Partition: 2, Key: []byte("k"), Value: big})
	mustFlush(t, p)
	if d.Acked() != 4 || p.Acked() != 4 || p.Buffered() != 0 {
		t.Errorf("acked %d, %d, buffered %d", d.Acked(), p.Acked(), p.Buffered())
	}
	got := readAll(t, set, TP{Topic: "out", Partition: 2}, 4)
	if r := got[0]; string(r.Key) != "k" || string(r.Value) != "v1" || r.Timestamp.UnixMilli() != 1234 || len(r.Headers) != 1 || r.Headers[0].Key != "h" {
		t.Errorf("first: %+v", r)
	}
	if r := got[1]; r.Key != nil || r.Value != nil {
		t.Errorf("nulls became %v %v", r.Key, r.Value)
	}
	if r := got[2]; r.Key == nil || r.Value == nil || len(r.Key)+len(r.Value) > 0 {
		t.Errorf("empties became %v %v", r.Key, r.Value)
	}
	if !bytes.Equal(got[3].Value, big) {
		t.Error("the big one came broken")
	}
}

func readAll(t testing.TB, set *Settings, tp TP, n int) (all []*kgo.Record) {
	t.Helper()
	r, err := NewReader(set, ReaderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Add(map[TP]int64{tp: 0})
	for len(all) < n {
		fetched, err := r.Poll(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetched {
			all = append(all, f.Records...)
		}
	}
	return all
}

func TestChangelogKnowsItsLastOffsetAndForeignWriters(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 2, "log").ListenAddrs()...)
	p := newProducer(t, set)
	d := NewChangelog()
	send := func(partition int32) {
		mustSend(t, p, d, Out{Topic: "log", Partition: partition, Value: []byte("v")})
		mustFlush(t, p)
	}
	if _, ok := d.Last(0); ok {
		t.Error("a last offset before the first record")
	}
	send(0)
	send(0)
	send(1)
	if last, ok := d.Last(0); last != 1 || !ok || d.Gap(0) {
		t.Errorf("last %d %v, gap %v", last, ok, d.Gap(0))
	}
	produce(t, set, "log", 0, "foreign")
	send(1)
	send(0)
	if !d.Gap(0) || d.Gap(1) {
		t.Errorf("gaps: %v %v", d.Gap(0), d.Gap(1))
	}
	d.Expect(1, 7) // the log was expected to be longer
	send(1)
	if !d.Gap(1) {
		t.Error("the first record's offset was not expected, and not noticed")
	}
}

func TestStickyPartition(t *testing.T) {
	s := partitioner{}.ForTopic("t").(*sticky)
	r := &kgo.Record{Partition: AnyPartition}
	first := s.Partition(r, 8)
	for range 100 {
		if got := s.Partition(r, 8); got != first {
			t.Fatalf("moved from %d to %d within a batch", first, got)
		}
	}
	seen := map[int]bool{}
	for range 200 {
		s.OnNewBatch()
		seen[s.Partition(r, 8)] = true
	}
	if len(seen) != 8 {
		t.Errorf("200 batches went to %v", seen)
	}
	if s.RequiresConsistency(r) {
		t.Error("a record for any partition waits for a leader")
	}
	named := &kgo.Record{Partition: 3}
	if s.Partition(named, 2) != 3 || !s.RequiresConsistency(named) {
		t.Error("a named partition was not taken as it is")
	}
	if got := s.Partition(r, 1); got != 0 {
		t.Errorf("%d of 1", got)
	}
}

func TestAnyPartitionSpreads(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 4, "out").ListenAddrs()...)
	p := newProducer(t, set)
	d := NewDest(nil)
	for range 64 {
		mustSend(t, p, d, Out{Topic: "out", Partition: AnyPartition, Value: []byte("v")})
		mustFlush(t, p)
	}
	ends, err := dial(t, set).EndOffsets(testContext(t), TP{Topic: "out"}, TP{Topic: "out", Partition: 1}, TP{Topic: "out", Partition: 2}, TP{Topic: "out", Partition: 3})
	if err != nil {
		t.Fatal(err)
	}
	used, total := 0, int64(0)
	for _, e := range ends {
		total += e
		if e > 0 {
			used++
		}
	}
	if total != 64 || used < 2 {
		t.Errorf("ends %v", ends)
	}
}

// A record is refused in four places: by the client before buffering and while batching, by the topic's absence, and
// by the broker. Each failure must be there when Flush returns.
func TestFailedRecordsMeetTheDecision(t *testing.T) {
	for _, c := range []struct {
		name string
		out  Out
		want error
	}{
		{"too large for the client", Out{Topic: "out", Value: make([]byte, 2<<20)}, kerr.MessageTooLarge},
		{"no such partition", Out{Topic: "out", Partition: 9, Value: []byte("v")}, nil},
		{"no topic", Out{Value: []byte("v")}, nil},
		{"unknown topic", Out{Topic: "nowhere", Value: []byte("v")}, kerr.UnknownTopicOrPartition},
	} {
		for _, eos := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, eos %v", c.name, eos), func(t *testing.T) {
				set := settingsFor("app", eos, seeded(t, 1, "out").ListenAddrs()...)
				set.Options = append(set.Options, kgo.UnknownTopicRetries(1))
				p := newProducer(t, set)
				var failed error
				skip := NewDest(func(r *kgo.Record, err error) error {
					if r.Topic != c.out.Topic || len(r.Value) != len(c.out.Value) {
						t.Errorf("asked about %v", r)
					}
					failed = err
					return nil
				})
				mustSend(t, p, skip, c.out)
				mustSend(t, p, skip, Out{Topic: "out", Value: []byte("good")})
				mustFlush(t, p)
				if failed == nil || c.want != nil && !errors.Is(failed, c.want) {
					t.Errorf("failed: %v", failed)
				}
				if skip.Skipped() != 1 || skip.Acked() != 1 || p.Acked() != 1 {
					t.Errorf("skipped %d, acked %d %d", skip.Skipped(), skip.Acked(), p.Acked())
				}
				mustSend(t, p, NewDest(nil), c.out)
				err := p.Flush(testContext(t))
				var send *SendError
				if !errors.As(err, &send) || send.Topic != c.out.Topic {
					t.Errorf("not skipped, and: %v", err)
				}
				if again := p.Send(skip, Out{Topic: "out"}); !errors.Is(again, error(send)) {
					t.Errorf("send after a failure: %v", again)
				}
				if err := p.Abort(testContext(t)); err != nil {
					t.Fatal(err)
				}
				mustSend(t, p, skip, Out{Topic: "out", Value: []byte("good")})
				mustFlush(t, p)
				if p.Acked() != 1 {
					t.Errorf("acked after an abort: %d", p.Acked())
				}
			})
		}
	}
}

func TestChangelogRecordsAreNeverSkipped(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "log").ListenAddrs()...)
	p := newProducer(t, set)
	d := NewChangelog()
	d.OnFail = func(*kgo.Record, error) error { return nil }
	mustSend(t, p, d, Out{Topic: "log", Value: make([]byte, 2<<20)})
	if err := p.Flush(testContext(t)); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestClosedProducer(t *testing.T) {
	set := settingsFor("app", true, seeded(t, 1, "out").ListenAddrs()...)
	p := newProducer(t, set)
	p.Close()
	p.Close()
	if err := p.Send(NewDest(nil), Out{Topic: "out"}); !errors.Is(err, ErrProducerDead) {
		t.Errorf("send: %v", err)
	}
	if err := p.Flush(testContext(t)); !errors.Is(err, ErrProducerDead) {
		t.Errorf("flush: %v", err)
	}
	if err := p.Replace(testContext(t)); err != nil {
		t.Fatal(err)
	}
	mustSend(t, p, NewDest(nil), Out{Topic: "out"})
	mustFlush(t, p)
}

// Send blocks while the buffer is full, and Close ends the wait.
func TestCloseEndsAWaitForTheBuffer(t *testing.T) {
	c := seeded(t, 1, "out")
	set := settingsFor("app", false, c.ListenAddrs()...)
	set.Options = append(set.Options, kgo.MaxBufferedRecords(1), kgo.UnknownTopicRetries(-1))
	p := newProducer(t, set)
	d := NewDest(nil)
	mustSend(t, p, d, Out{Topic: "nowhere", Value: []byte("kept back for ever")})
	done := make(chan error)
	go func() {
		_ = p.Send(d, Out{Topic: "nowhere", Value: []byte("waits")})
		done <- p.Send(d, Out{Topic: "nowhere"})
	}()
	for p.Buffered() < 2 {
		time.Sleep(time.Millisecond)
	}
	p.Close()
	if err := <-done; !errors.Is(err, ErrProducerDead) {
		t.Errorf("got %v", err)
	}
}

// wrapping is a user's hook that puts the record's context into another, as tracing does.
type wrapping struct{}

type wrapKey struct{}

func (wrapping) OnProduceRecordBuffered(r *kgo.Record) {
	r.Context = context.WithValue(r.Context, wrapKey{}, "span")
}

func TestHooksMayWrapTheContext(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "out").ListenAddrs()...)
	set.Options = append(set.Options, kgo.WithHooks(wrapping{}))
	p := newProducer(t, set)
	d := NewDest(nil)
	mustSend(t, p, d, Out{Topic: "out", Value: []byte("v")})
	mustFlush(t, p)
	if d.Acked() != 1 {
		t.Errorf("acked %d", d.Acked())
	}
}

func TestReplaceAbortsWhatWasOpen(t *testing.T) {
	set := settingsFor("app", true, seeded(t, 1, "out").ListenAddrs()...)
	p := newProducer(t, set)
	d := NewDest(nil)
	mustSend(t, p, d, Out{Topic: "out", Value: []byte("open")})
	mustFlush(t, p)
	c, tp := dial(t, set), TP{Topic: "out"}
	open, err := c.StableOffsets(testContext(t), tp)
	if err != nil || open[tp] != 0 {
		t.Fatalf("stable end with an open transaction: %v, %v", open, err)
	}
	if err := p.Replace(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if p.Acked() != 0 {
		t.Errorf("acked in a new life: %d", p.Acked())
	}
	if got := readCommittedValues(t, set, "out", 0); len(got) > 0 {
		t.Errorf("committed: %v", got)
	}
	ends, err := c.StableOffsets(testContext(t), tp)
	if err != nil || ends[tp] != 2 { // the record and the abort's marker
		t.Errorf("stable end: %v, %v", ends, err)
	}
}

func TestTransactionalIDsOfWorkersDiffer(t *testing.T) {
	set := settingsFor("app", true, seeded(t, 1, "out").ListenAddrs()...)
	var ids []string
	for w := range 2 {
		p, err := NewProducer(testContext(t), set, w)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ids = append(ids, p.TransactionalID())
	}
	if !slices.Equal(ids, []string{"app-p-0", "app-p-1"}) {
		t.Errorf("ids %v", ids)
	}
	if strings.Contains(newProducer(t, settingsFor("app", false, seeded(t, 1, "x").ListenAddrs()...)).TransactionalID(), "app") {
		t.Error("at least once has a transactional id")
	}
}
