package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"pgregory.net/rapid"
)

// queueEnv is a task's surroundings for a source alone: what it sent, dropped and waited for is noted.
type queueEnv struct {
	*flow.Env
	node   *flow.Node
	notes  []string
	decide flow.Handler
}

func newQueueEnv(decisions ...processor.Decision) *queueEnv {
	e := &queueEnv{}
	e.decide = func(_ context.Context, err *processor.RecordError) processor.Decision {
		e.note("decide: %v (key %q, value %q, %d ms)", err, err.Key, err.Value, err.Time.UnixMilli())
		d := decisions[0]
		if len(decisions) > 1 {
			decisions = decisions[1:]
		}
		return d
	}
	e.Env = &flow.Env{
		Context: context.Background(), Stats: &flow.Stats{}, StreamTime: -1, WallTime: 777, Out: queueSink{e},
		Pause: func(d time.Duration) error { e.note("pause %v", d); return nil },
	}
	drops := func(_ context.Context, r flow.Reason, node string, _ time.Time, src processor.Source) {
		e.note("drop: %v at %s of %s-%d@%d", r, node, src.Topic, src.Partition, src.Offset)
	}
	var handler flow.Handler
	if len(decisions) > 0 {
		handler = e.decide
	}
	e.node = flow.NewNode(e.Env, "in", handler, drops)
	return e
}

func (e *queueEnv) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

type queueSink struct{ e *queueEnv }

func (queueSink) Partitions(string) (int32, error) { return 1, nil }
func (s queueSink) Send(d *flow.Dest, p int32, key, value []byte, _ processor.Headers, at int64) error {
	s.e.note("send %s %d %q %q %d ms", d.Topic, p, key, value, at)
	return nil
}

// sink notes each record as it arrives.
func queueSinkOf[K, V any](e *queueEnv) flow.Receiver[K, V] {
	return func(r processor.Record[K, V]) error {
		e.note("record %v=%v @%d null=%v/%v origin %s-%d@%d", r.Key, r.Value, r.Time.UnixMilli(), r.KeyIsNull(), r.IsNull(),
			e.Origin.Topic, e.Origin.Partition, e.Origin.Offset)
		return nil
	}
}

func queueOf[K, V any](e *queueEnv, d flow.Decoder[K, V]) flow.Queue {
	return flow.NewSource(e.node, d, queueSinkOf[K, V](e)).Queue("t", 2)
}

func texts() flow.Decoder[string, int64] {
	return flow.Decoder[string, int64]{Key: serde.String(), Value: serde.Int64()}
}

func int64s(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }

// drain runs all that waits.
func drain(q flow.Queue) error {
	for {
		if _, ok, err := q.Head(); !ok || err != nil {
			return err
		}
		if err := q.Run(); err != nil {
			return err
		}
	}
}

func wantNotes(t *testing.T, e *queueEnv, want ...string) {
	t.Helper()
	if !slices.Equal(e.notes, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(e.notes, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func wantPosition(t *testing.T, q flow.Queue, offset int64, epoch int32) {
	t.Helper()
	if o, ep, ok := q.Position(); !ok || o != offset || ep != epoch {
		t.Errorf("position %d of epoch %d, %v; want %d of epoch %d", o, ep, ok, offset, epoch)
	}
}

func TestQueueNulls(t *testing.T) {
	e := newQueueEnv()
	plain := queueOf(e, texts())
	plain.Push(flow.Raw{Value: int64s(1), Offset: 0})
	plain.Push(flow.Raw{Key: []byte{}, Offset: 1})
	pointers := queueOf(e, flow.Decoder[*string, []byte]{Key: serde.Nullable(serde.String()), Value: serde.Bytes()})
	pointers.Push(flow.Raw{Offset: 0})
	for _, q := range []flow.Queue{plain, pointers} {
		if err := drain(q); err != nil {
			t.Fatal(err)
		}
	}
	wantNotes(t, e,
		"record =1 @0 null=true/false origin t-2@0",
		"record =0 @0 null=false/true origin t-2@1",
		"record <nil>=[] @0 null=true/true origin t-2@0")
}

// TestQueueNilableNeedsNoBit assigns to the field of a null record: where nil is null, the record is not null any more.
func TestQueueNilableNeedsNoBit(t *testing.T) {
	e := newQueueEnv()
	var got processor.Record[*int64, []byte]
	d := flow.Decoder[*int64, []byte]{Key: serde.Nullable(serde.Int64()), Value: serde.Bytes()}
	q := flow.NewSource(e.node, d, func(r processor.Record[*int64, []byte]) error { got = r; return nil }).Queue("t", 0)
	q.Push(flow.Raw{})
	if err := drain(q); err != nil {
		t.Fatal(err)
	}
	got.Key, got.Value = new(int64), []byte{}
	if got.KeyIsNull() || got.IsNull() {
		t.Error("a record whose fields were assigned is still null")
	}
}

func TestQueueDecodingDecisions(t *testing.T) {
	const decide = `decide: decoding: node "in": topic "t", partition 2, offset 5: value: int64: 1 byte, want 8 (key "k", value "x", 9 ms)`
	for _, c := range []struct {
		name      string
		decisions []processor.Decision
		want      []string
	}{
		{"skip", []processor.Decision{processor.Skip()}, []string{decide, "drop: undecodable at in of t-2@5"}},
		{"dead letter", []processor.Decision{processor.DeadLetter("dead")},
			[]string{decide, `send dead 0 "k" "x" 9 ms`, "drop: dead letter at in of t-2@5"}},
		{"retry then skip", []processor.Decision{processor.Retry(time.Second), processor.Skip()},
			[]string{decide, "pause 1s", decide, "drop: undecodable at in of t-2@5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newQueueEnv(c.decisions...)
			q := queueOf(e, texts())
			q.Push(flow.Raw{Key: []byte("k"), Value: []byte("x"), Offset: 5, Time: 9, LeaderEpoch: 3})
			q.Push(flow.Raw{Key: []byte("k"), Value: int64s(2), Offset: 6, Time: 9, LeaderEpoch: 3})
			if at, ok, err := q.Head(); at != 9 || !ok || err != nil {
				t.Fatalf("head %d, %v, %v; want the record after the broken one", at, ok, err)
			}
			wantNotes(t, e, c.want...)
			wantPosition(t, q, 6, 3)
		})
	}
}

func TestQueueFailsAtItsOffset(t *testing.T) {
	e := newQueueEnv()
	q := queueOf(e, texts())
	q.Push(flow.Raw{Key: []byte("k"), Value: []byte("x"), Offset: 5, LeaderEpoch: 3})
	for range 2 {
		_, ok, err := q.Head()
		var fatal *flow.Fatal
		if ok || !errors.As(err, &fatal) || fatal.Source != (processor.Source{Topic: "t", Partition: 2, Offset: 5}) {
			t.Fatalf("head %v, %v; want a fatal error at t-2@5", ok, err)
		}
		wantPosition(t, q, 5, 3)
	}
}

func TestQueueRetryDecodesAgain(t *testing.T) {
	e := newQueueEnv(processor.Retry(0))
	tries := 0
	d := texts()
	d.Value = serde.New("flaky", nil, func([]byte) (int64, error) {
		if tries++; tries < 3 {
			return 0, errors.New("not yet")
		}
		return 42, nil
	})
	q := queueOf(e, d)
	q.Push(flow.Raw{Key: []byte("k"), Value: []byte{}})
	if err := drain(q); err != nil || tries != 3 || e.notes[len(e.notes)-1] != "record k=42 @0 null=false/false origin t-2@0" {
		t.Errorf("%v after %d tries: %q", err, tries, e.notes)
	}
}

func TestQueueRetryCutShort(t *testing.T) {
	e := newQueueEnv(processor.Retry(time.Hour))
	e.Pause = func(time.Duration) error { return context.Canceled }
	q := queueOf(e, texts())
	q.Push(flow.Raw{Value: []byte("x")})
	if _, _, err := q.Head(); !errors.Is(err, flow.ErrInterrupted) || !errors.Is(err, context.Canceled) {
		t.Errorf("head: %v, want an interruption", err)
	}
	wantPosition(t, q, 0, 0)
}

// TestQueueUserPanics has a serde and an extractor panic.
func TestQueueUserPanics(t *testing.T) {
	broken := map[string]flow.Decoder[string, int64]{"serde": texts(), "extractor": texts()}
	d := broken["serde"]
	d.Key = serde.New("broken", nil, func([]byte) (string, error) { panic("boom") })
	broken["serde"] = d
	d = broken["extractor"]
	d.EventTime = func(processor.Record[string, int64], int64) (int64, error) { panic("boom") }
	broken["extractor"] = d
	for name, d := range broken {
		e := newQueueEnv()
		q := queueOf(e, d)
		q.Push(flow.Raw{Key: []byte("k"), Offset: 8})
		_, _, err := q.Head()
		var p *flow.PanicError
		if !errors.As(err, &p) || !strings.Contains(err.Error(), `decoding: node "in": topic "t", partition 2, offset 8: panic: boom`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQueueTimePolicies(t *testing.T) {
	extract := func(r processor.Record[string, int64], _ int64) (int64, error) {
		switch r.Value {
		case 9:
			return 0, errors.New("no clock inside")
		case 8:
			return -8, nil
		}
		return r.Value, nil
	}
	noTime := `decoding: node "in": topic "t", partition 2, offset 0: event time: -8 ms is before the epoch`
	for _, c := range []struct {
		name   string
		policy flow.TimePolicy
		values []byte
		want   string // an error, or the notes
	}{
		{"the value's", flow.FailInvalidTime, []byte{3}, "record k=3 @3 null=false/false origin t-2@0"},
		{"fail", flow.FailInvalidTime, []byte{8}, noTime + "; weir.SkipInvalidTime, UsePartitionTime or WallClockTime take such records"},
		{"skip", flow.SkipInvalidTime, []byte{8}, "drop: invalid time at in of t-2@0"},
		{"no partition time", flow.UsePartitionTime, []byte{8}, noTime + ", and the partition has no time yet that could stand for it"},
		{"partition time", flow.UsePartitionTime, []byte{5, 4, 8},
			"record k=5 @5 null=false/false origin t-2@0\nrecord k=4 @4 null=false/false origin t-2@1\nrecord k=8 @5 null=false/false origin t-2@2"},
		{"wall clock", flow.WallClockTime, []byte{3}, "record k=3 @777 null=false/false origin t-2@0"},
		{"error", flow.SkipInvalidTime, []byte{9}, `decoding: node "in": topic "t", partition 2, offset 0: event time: no clock inside`},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newQueueEnv()
			d := texts()
			d.EventTime, d.TimePolicy = extract, c.policy
			q := queueOf(e, d)
			for i, v := range c.values {
				q.Push(flow.Raw{Key: []byte("k"), Value: int64s(v), Offset: int64(i), Time: 1000})
			}
			got := ""
			if err := drain(q); err != nil {
				got = err.Error()
			} else {
				got = strings.Join(e.notes, "\n")
			}
			if got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestQueueBrokersTime has no extractor, and a broker that knows no time.
func TestQueueBrokersTime(t *testing.T) {
	e := newQueueEnv()
	q := queueOf(e, texts())
	q.Push(flow.Raw{Time: -1})
	if _, _, err := q.Head(); err == nil || !strings.Contains(err.Error(), "event time: -1 ms is before the epoch") {
		t.Errorf("head: %v", err)
	}
}

// TestQueueExtractorSees compares what an extractor is given: broker's time, headers, nulls, and the time of what was taken, not of what was seen.
func TestQueueExtractorSees(t *testing.T) {
	e := newQueueEnv()
	d := texts()
	d.EventTime = func(r processor.Record[string, int64], partitionTime int64) (int64, error) {
		h, _ := r.Headers.Get("h")
		e.note("extract @%d %q null=%v partition %d", r.Time.UnixMilli(), h, r.IsNull(), partitionTime)
		return r.Time.UnixMilli(), nil
	}
	q := queueOf(e, d)
	q.SetPartitionTime(4)
	q.Push(flow.Raw{Key: []byte("k"), Time: 7, Headers: processor.Headers{{Key: "h", Value: []byte("x")}}})
	q.Push(flow.Raw{Key: []byte("k"), Time: 3, Offset: 1})
	if err := drain(q); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, e, `extract @7 "x" null=true partition 4`, "record k=0 @7 null=false/true origin t-2@0",
		`extract @3 "" null=true partition 7`, "record k=0 @3 null=false/true origin t-2@1")
	if q.PartitionTime() != 7 {
		t.Errorf("partition time %d, want 7", q.PartitionTime())
	}
}

// TestQueuePushWhileRunning pushes so much from within a record that the ring's memory moves.
func TestQueuePushWhileRunning(t *testing.T) {
	e := newQueueEnv()
	var q flow.Queue
	var got []int64
	q = flow.NewSource(e.node, texts(), func(processor.Record[string, int64]) error {
		got = append(got, e.Origin.Offset)
		if len(got) == 1 {
			for i := range int64(1000) {
				q.Push(flow.Raw{Offset: 1 + i, Control: i%3 == 0})
			}
		}
		return nil
	}).Queue("t", 0)
	q.Push(flow.Raw{})
	if err := drain(q); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1+666 || !slices.IsSorted(got) || q.Len() != 0 || q.Bytes() != 0 {
		t.Errorf("%d records, %d wait", len(got), q.Len())
	}
	wantPosition(t, q, 1001, 0)
}

// queueOp is one step of the random test.
type queueOp struct {
	Kind string // data, broken, control, head, run, clear
	Gap  int64  // before the offset
	Fail bool   // of a run: the graph fails
}

func queueOps() *rapid.Generator[[]queueOp] {
	op := rapid.Custom(func(t *rapid.T) queueOp {
		kinds := []string{"data", "data", "data", "data", "broken", "control", "head", "run", "run", "run", "clear"}
		return queueOp{rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.Int64Range(0, 2).Draw(t, "gap"), rapid.IntRange(0, 9).Draw(t, "fail") == 0}
	})
	return rapid.SliceOfN(op, 0, 300)
}

// queueModel is a queue as a slice.
type queueModel struct {
	waits    []flow.Raw
	position int64
	known    bool
	skipped  int64
}

func (m *queueModel) settle() {
	for len(m.waits) > 0 && m.waits[0].Control {
		m.take()
	}
}

func (m *queueModel) take() {
	m.position, m.known, m.waits = m.waits[0].Offset+1, true, m.waits[1:]
}

// head passes by what cannot be decoded.
func (m *queueModel) head() bool {
	m.settle()
	for len(m.waits) > 0 && len(m.waits[0].Value) != 8 {
		m.skipped++
		m.take()
		m.settle()
	}
	return len(m.waits) > 0
}

func (m *queueModel) differs(q flow.Queue, skipped int64) error {
	m.settle()
	var size int64
	for _, r := range m.waits {
		size += r.Size()
	}
	if q.Len() != len(m.waits) || q.Bytes() != size {
		return fmt.Errorf("%d records of %d bytes wait, want %d of %d", q.Len(), q.Bytes(), len(m.waits), size)
	}
	want, known := m.position, m.known
	if len(m.waits) > 0 {
		want, known = m.waits[0].Offset, true
	}
	if at, _, ok := q.Position(); at != want || ok != known {
		return fmt.Errorf("position %d, %v, want %d, %v", at, ok, want, known)
	}
	if skipped != m.skipped {
		return fmt.Errorf("%d skipped, want %d", skipped, m.skipped)
	}
	return nil
}

var errQueueTest = errors.New("the graph fails")

// checkQueue runs operations on a queue and on the model, and returns the first difference. wrap may break the queue.
func checkQueue(ops []queueOp, wrap func(flow.Queue) flow.Queue) error {
	e := newQueueEnv(processor.Skip())
	var ran []int64
	fail := false
	q := wrap(flow.NewSource(e.node, texts(), func(processor.Record[string, int64]) error {
		if fail {
			return errQueueTest
		}
		ran = append(ran, e.Origin.Offset)
		return nil
	}).Queue("t", 0))
	m, offset := &queueModel{}, int64(0)
	for i, op := range ops {
		switch op.Kind {
		case "head":
			if _, ok, err := q.Head(); err != nil || ok != m.head() {
				return fmt.Errorf("op %d: head: %v, %v", i, ok, err)
			}
		case "run":
			_, ok, err := q.Head()
			if err != nil || ok != m.head() {
				return fmt.Errorf("op %d: head: %v, %v", i, ok, err)
			}
			if !ok {
				continue
			}
			want := m.waits[0].Offset
			if fail = op.Fail; fail {
				if err := q.Run(); err != errQueueTest {
					return fmt.Errorf("op %d: run: %v", i, err)
				}
				continue
			}
			if err := q.Run(); err != nil || len(ran) == 0 || ran[len(ran)-1] != want {
				return fmt.Errorf("op %d: ran %v, %v, want %d", i, ran, err, want)
			}
			m.take()
		case "clear":
			q.Clear()
			if len(m.waits) > 0 {
				m.position, m.known, m.waits = m.waits[0].Offset, true, nil
			}
		default:
			offset += op.Gap
			raw := flow.Raw{Value: int64s(1), Offset: offset, Control: op.Kind == "control"}
			if op.Kind == "broken" {
				raw.Value = raw.Value[:3]
			}
			offset++
			q.Push(raw)
			m.waits = append(m.waits, raw)
		}
		if err := m.differs(q, e.Stats.Dropped()["in"]["undecodable"]); err != nil {
			return fmt.Errorf("op %d, %s: %w", i, op.Kind, err)
		}
	}
	if !slices.IsSorted(ran) {
		return fmt.Errorf("out of order: %v", ran)
	}
	return nil
}

func TestQueueAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := checkQueue(queueOps().Draw(t, "ops"), func(q flow.Queue) flow.Queue { return q }); err != nil {
			t.Fatal(err)
		}
	})
}

type losesControls struct{ flow.Queue }

func (q losesControls) Push(r flow.Raw) {
	if !r.Control {
		q.Queue.Push(r)
	}
}

type swapsRecords struct {
	flow.Queue
	kept *[]flow.Raw
}

func (q swapsRecords) Push(r flow.Raw) {
	*q.kept = append(*q.kept, r)
	if len(*q.kept) == 2 {
		q.Queue.Push((*q.kept)[1])
		q.Queue.Push((*q.kept)[0])
		*q.kept = nil
	}
}

type forgetsPosition struct{ flow.Queue }

func (q forgetsPosition) Position() (int64, int32, bool) { return 0, 0, false }

type runsTwice struct{ flow.Queue }

func (q runsTwice) Run() error {
	if err := q.Queue.Run(); err != nil {
		return err
	}
	if _, ok, _ := q.Head(); ok {
		return q.Queue.Run()
	}
	return nil
}

// TestQueueModelComplains shows broken queues to the check.
func TestQueueModelComplains(t *testing.T) {
	for name, wrap := range map[string]func(flow.Queue) flow.Queue{
		"loses control records": func(q flow.Queue) flow.Queue { return losesControls{q} },
		"swaps records":         func(q flow.Queue) flow.Queue { return swapsRecords{q, new([]flow.Raw)} },
		"forgets its position":  func(q flow.Queue) flow.Queue { return forgetsPosition{q} },
		"runs two at once":      func(q flow.Queue) flow.Queue { return runsTwice{q} },
	} {
		caught := false
		for seed := range 20 {
			caught = caught || checkQueue(queueOps().Example(seed), wrap) != nil
		}
		if !caught {
			t.Errorf("nobody saw that the queue %s", name)
		}
	}
}
