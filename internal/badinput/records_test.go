package badinput

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/serde"
)

// growing makes two megabytes of the value "big".
func growing(v string) string {
	if v == "big" {
		return strings.Repeat("x", 2<<20)
	}
	return v
}

// passing writes what growing makes to topic out.
func passing(opts ...weir.OpOption) func(*weir.Builder) {
	return func(b *weir.Builder) {
		weir.MapValues(weir.From(b, in), growing).To(out, append(opts, weir.Named("sink"))...)
	}
}

// TestTooLargeForASink has two megabytes refused. What fails is done again when the decision has changed.
func TestTooLargeForASink(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		tooLargeForASink(newWorld(t, devbroker.Topics(1, "in", "out", "dead")), opts...)
	})
}

func tooLargeForASink(w *world, opts ...weir.AppOption) {
	t := w.t
	w.send("in", "a=1", "k=big", "b=2")
	w.start(passing(), opts...).fails(`node "sink"`, `topic "in"`, "partition 0", "offset 1", `topic "out"`, "MESSAGE_TOO_LARGE", "2097153 bytes", "max.message.bytes")

	var told []weir.Dropped
	note := weir.OnDropped(func(_ context.Context, d weir.Dropped) { told = append(told, d) })
	a := w.start(passing(decide(weir.Skip())), append(opts, note)...)
	w.until("the drop", func() bool { return a.Stats().Dropped["sink"]["unwritable"] == 1 })
	w.until("a commit", func() bool { return w.committed(t) == 3 })
	a.ends()
	w.sees("out", "a=1", "b=2")
	if len(opts) > 0 {
		w.wants("out", "a=1", "b=2")
	}
	if len(told) != 1 || told[0].Node != "sink" || told[0].Source.Topic != "in" || told[0].Source.Offset != 1 {
		t.Errorf("told of %+v", told)
	}
}

// TestTooLargeBecomesADeadLetter finds the source's record in the dead letter.
func TestTooLargeBecomesADeadLetter(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in", "out", "dead"))
		at := time.UnixMilli(1234)
		w.sendRecord(&kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("big"), Timestamp: at, Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}})
		w.send("in", "b=2")
		a := w.start(passing(decide(weir.DeadLetter("dead"))), opts...)
		w.wants("out", "b=2")
		dead := w.read("dead", 1)[0]
		a.ends()
		if string(dead.Key) != "k" || string(dead.Value) != "big" || !dead.Timestamp.Equal(at) {
			t.Errorf("the dead letter is %s=%s at %s", dead.Key, dead.Value, dead.Timestamp)
		}
		h := headers(dead)
		for name, want := range map[string]string{"h": "x", "__streams.errors.topic": "in", "__streams.errors.partition": "0", "__streams.errors.offset": "0"} {
			if h[name] != want {
				t.Errorf("header %s is %q, want %q", name, h[name], want)
			}
		}
		if !strings.Contains(h["__streams.errors.message"], "MESSAGE_TOO_LARGE") {
			t.Errorf("the message is %q", h["__streams.errors.message"])
		}
		if n := a.Stats().Dropped["sink"]["dead letter"]; n != 1 {
			t.Errorf("dropped %v", a.Stats().Dropped)
		}
	})
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

// TestADeadLetterThatIsRefused is fatal: it is not decided about again.
func TestADeadLetterThatIsRefused(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "k=big")
	asked := 0
	handler := weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { asked++; return weir.DeadLetter("nowhere") })
	w.start(passing(handler)).fails(`dead-letter topic "nowhere"`, "UNKNOWN_TOPIC_OR_PARTITION", "create", `topic "in"`, "offset 0")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestATopicsOwnLimit has topics whose batches may be smaller, and larger, than by default: no record is refused for the company it is in, and
// none that the topic would take.
func TestATopicsOwnLimit(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		topicsOwnLimit(newWorld(t, devbroker.Topics(1, "in"), devbroker.Topic("out", 1, small), devbroker.Topic("large", 1, large)), opts...)
	})
}

var (
	small = map[string]string{"max.message.bytes": "10000"}
	large = map[string]string{"max.message.bytes": "5000000"}
)

func topicsOwnLimit(w *world, opts ...weir.AppOption) {
	const n = 500
	for i := range n {
		w.client.Produce(w.ctx, &kgo.Record{Topic: "in", Key: fmt.Append(nil, i), Value: make([]byte, 1000)}, nil)
	}
	w.send("in", "k=big")
	a := w.start(func(b *weir.Builder) {
		s := weir.MapValues(weir.From(b, in), growing)
		s.Filter(func(_, v string) bool { return len(v) <= 1000 }).To(out)
		s.Filter(func(_, v string) bool { return len(v) > 1000 }).To(weir.NewTopic("large", serde.String(), serde.String()))
	}, opts...)
	w.read("out", n)
	w.read("large", 1)
	a.ends()
}

// reducing keeps the last value of each key, which may be two megabytes.
func reducing(opts ...weir.OpOption) func(*weir.Builder) {
	return func(b *weir.Builder) {
		s := weir.MapValues(weir.From(b, in), growing)
		weir.Reduce(s.GroupByKey(), "last", func(_, v string) string { return v }, append(opts, weir.Named("reduce"))...).ToStream().
			Filter(func(_, v string) bool { return len(v) < 1000 }).To(out)
	}
}

// TestTooLargeForAChangelog is fatal whatever the handler would say, and goes on when the topic takes it.
func TestTooLargeForAChangelog(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		tooLargeForAChangelog(newWorld(t, devbroker.Topics(1, "in", "out")), nil, opts...)
		tooLargeForAChangelog(newWorld(t, devbroker.Topics(1, "in", "out")), []weir.OpOption{weir.NoCache()}, opts...)
	})
}

func tooLargeForAChangelog(w *world, op []weir.OpOption, opts ...weir.AppOption) {
	t, changelog := w.t, w.app+"-last-changelog"
	w.send("in", "a=1", "k=big", "b=2")
	asked := false
	opts = append(opts, weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { asked = true; return weir.Skip() }))
	w.start(reducing(op...), opts...).fails(`node "reduce"`, `topic "in"`, "offset 1", `store "last"`, fmt.Sprintf("changelog %q", changelog), "MESSAGE_TOO_LARGE", "max.message.bytes", "weir.TopicConfig")
	if asked {
		t.Error("the handler was asked about a changelog")
	}
	larger := "5000000"
	if _, err := w.admin.AlterTopicConfigs(w.ctx, []kadm.AlterConfig{{Name: "max.message.bytes", Value: &larger}}, changelog); err != nil {
		t.Fatal(err)
	}
	a := w.start(reducing(op...), opts...)
	w.sees("out", "a=1", "b=2")
	a.ends()
}

// TestAFailureLosesNothing fails at every third record, until a copy of the program comes that does not: all come out, under exactly once each
// one time.
func TestAFailureLosesNothing(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		var want []string
		for i := range 9 {
			want = append(want, fmt.Sprintf("k%d=%d", i, i))
		}
		w.send("in", want...)
		fatal := true
		declare := func(b *weir.Builder) {
			weir.From(b, in).TryPeek(func(_ context.Context, r weir.Record[string, string]) error {
				if fatal && (r.Value == "2" || r.Value == "5") {
					return errBad
				}
				return nil
			}, weir.Named("peek")).To(out)
		}
		w.start(declare, opts...).fails(`node "peek"`, "offset 2", errBad.Error())
		fatal = false
		a := w.start(declare, opts...)
		if len(opts) > 0 {
			w.wants("out", want...)
		} else {
			w.sees("out", want...)
		}
		a.ends()
	})
}

// TestATimeBeforeTheEpochOnTheWire goes to a dead-letter topic with the time that it has.
func TestATimeBeforeTheEpochOnTheWire(t *testing.T) {
	timeBeforeTheEpoch(newWorld(t, devbroker.Topics(1, "in", "out", "dead")))
}

func timeBeforeTheEpoch(w *world) {
	t := w.t
	w.sendRecord(&kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("v"), Timestamp: time.UnixMilli(-5)})
	w.start(passing()).fails("offset 0", "-5 ms is before the epoch", "SkipInvalidTime")
	w.send("in", "a=1")
	a := w.start(passing(), decide(weir.DeadLetter("dead")))
	w.wants("out", "a=1")
	if dead := w.read("dead", 1)[0]; dead.Timestamp.UnixMilli() != -5 {
		t.Errorf("the dead letter's time is %s", dead.Timestamp)
	}
	a.ends()
}

// TestNullIsNotEmptyInADeadLetter compares what was read with what is sent, byte for byte.
func TestNullIsNotEmptyInADeadLetter(t *testing.T) {
	numbers := weir.NewTopic("in", serde.Int64(), serde.Int64())
	w := newWorld(t, devbroker.Topics(1, "in", "dead"))
	sent := []*kgo.Record{
		{Topic: "in", Key: []byte{}, Value: nil},
		{Topic: "in", Key: nil, Value: []byte{}},
		{Topic: "in", Key: []byte{1, 2}, Value: []byte{}},
	}
	for _, r := range sent {
		w.sendRecord(r)
	}
	a := w.start(func(b *weir.Builder) { weir.From(b, numbers).ForEach(func(int64, int64) {}) }, decide(weir.DeadLetter("dead")))
	for i, r := range w.read("dead", len(sent)) {
		if (r.Key == nil) != (sent[i].Key == nil) || (r.Value == nil) != (sent[i].Value == nil) || string(r.Key) != string(sent[i].Key) {
			t.Errorf("dead letter %d holds %v=%v, want %v=%v", i, r.Key, r.Value, sent[i].Key, sent[i].Value)
		}
	}
	a.ends()
}

// TestRetries has a service come back after a while: the record is tried again until then, and nothing is lost or done twice.
func TestRetries(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		w.send("in", "a=1", "b=2", "c=3")
		tries := 0
		a := w.start(func(b *weir.Builder) {
			weir.From(b, in).TryPeek(func(_ context.Context, r weir.Record[string, string]) error {
				if r.Value == "2" {
					if tries++; tries < 4 {
						return errBad
					}
				}
				return nil
			}).To(out)
		}, append(opts, decide(weir.Retry(time.Millisecond)))...)
		w.wants("out", "a=1", "b=2", "c=3")
		a.ends()
		if tries != 4 || len(a.Stats().Dropped) != 0 {
			t.Errorf("%d tries, dropped %v", tries, a.Stats().Dropped)
		}
	})
}

// TestARetryDoesNotHoldUpTheEnd stops an app that waits for an hour: the record stays for the next.
func TestARetryDoesNotHoldUpTheEnd(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in", "out"))
		w.send("in", "a=1", "b=2")
		asked := make(chan struct{}, 1)
		fails := func(fatal bool) func(*weir.Builder) {
			return func(b *weir.Builder) {
				weir.From(b, in).TryFilter(func(_ context.Context, r weir.Record[string, string]) (bool, error) {
					if fatal && r.Value == "2" {
						return false, errBad
					}
					return r.Value == "2", nil
				}, weir.Named("filter")).To(out)
			}
		}
		a := w.start(fails(true), append(opts, weir.OnError(func(context.Context, *weir.RecordError) weir.Decision {
			select {
			case asked <- struct{}{}:
			default:
			}
			return weir.Retry(time.Hour)
		}))...)
		<-asked
		a.ends()
		a = w.start(fails(false), opts...)
		w.wants("out", "b=2")
		a.ends()
	})
}
