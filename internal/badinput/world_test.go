package badinput

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/serde"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience ends a test that hangs. Nothing asserts how long anything takes.
const patience = 60 * time.Second

var (
	in     = weir.NewTopic("in", serde.String(), serde.String())
	out    = weir.NewTopic("out", serde.String(), serde.String())
	errBad = errors.New("a bad record")
)

// world is a broker, a client beside the app, and a directory for its state.
type world struct {
	t      *testing.T
	ctx    context.Context
	broker *devbroker.Broker
	client *kgo.Client
	admin  *kadm.Client
	dir    string
	app    string // its name
}

func newWorld(t *testing.T, opts ...devbroker.Option) *world {
	t.Helper()
	b, err := devbroker.Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w := worldAt(t, "app", b.Addrs()...)
	w.broker = b
	return w
}

// worldAt is a world with a broker that runs already.
func worldAt(t *testing.T, app string, addrs ...string) *world {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ProducerBatchMaxBytes(8<<20), kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(100*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &world{t: t, ctx: ctx, client: cl, admin: kadm.NewClient(cl), dir: t.TempDir(), app: app}
}

func (w *world) addrs() []string { return w.client.OptValue(kgo.SeedBrokers).([]string) }

// send writes records to partition 0 of a topic: key=value, null without "=".
func (w *world) send(topic string, records ...string) {
	w.t.Helper()
	for _, text := range records {
		key, value, _ := strings.Cut(text, "=")
		w.sendRecord(&kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)})
	}
}

func (w *world) sendRecord(r *kgo.Record) {
	w.t.Helper()
	if err := w.client.ProduceSync(w.ctx, r).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// read waits for n committed records of a topic's partition 0.
func (w *world) read(topic string, n int) []*kgo.Record {
	w.t.Helper()
	return w.readUntil(topic, func(all []*kgo.Record) bool { return len(all) >= n })
}

// sees waits for these records, which may be there more than once.
func (w *world) sees(topic string, want ...string) {
	w.t.Helper()
	w.readUntil(topic, func(all []*kgo.Record) bool {
		seen := texts(all)
		return !slices.ContainsFunc(want, func(text string) bool { return !slices.Contains(seen, text) })
	})
}

// readUntil reads the committed records of a topic's partition 0 until they are enough.
func (w *world) readUntil(topic string, enough func(all []*kgo.Record) bool) (all []*kgo.Record) {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addrs()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(10*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	for !enough(all) {
		if w.ctx.Err() != nil {
			w.t.Fatalf("%d records of topic %s are not all: %v", len(all), topic, texts(all))
		}
		all = append(all, cl.PollFetches(w.ctx).Records()...)
	}
	return all
}

// texts are records as send takes them, long values cut.
func texts(all []*kgo.Record) (some []string) {
	for _, r := range all {
		v := string(r.Value)
		if len(v) > 20 {
			v = fmt.Sprintf("%d bytes", len(v))
		}
		some = append(some, string(r.Key)+"="+v)
	}
	return some
}

// wants checks the committed records of a topic's partition 0.
func (w *world) wants(topic string, want ...string) {
	w.t.Helper()
	if got := texts(w.read(topic, len(want))); !slices.Equal(got, want) {
		w.t.Errorf("topic %s holds %v, want %v", topic, got, want)
	}
}

// topology builds what declare declares.
func (w *world) topology(declare func(b *weir.Builder)) *weir.Topology {
	w.t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build()
	if err != nil {
		w.t.Fatal(err)
	}
	return topo
}

// app is an app that runs.
type app struct {
	*weir.App
	w    *world
	stop context.CancelFunc
	done chan error
}

// start starts the world's app with one worker, and commits often.
func (w *world) start(declare func(b *weir.Builder), opts ...weir.AppOption) *app {
	w.t.Helper()
	return w.startNamed(w.app, declare, opts...)
}

func (w *world) startNamed(name string, declare func(b *weir.Builder), opts ...weir.AppOption) *app {
	w.t.Helper()
	kafka := weir.WithKafka(kgo.SeedBrokers(w.addrs()...), kgo.MetadataMinAge(10*time.Millisecond), kgo.MetadataMaxAge(200*time.Millisecond))
	all := append([]weir.AppOption{kafka, weir.StateDir(w.dir), weir.Workers(1), weir.CommitInterval(50 * time.Millisecond)}, opts...)
	made, err := weir.New(name, w.topology(declare), all...)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	a := &app{App: made, w: w, stop: stop, done: make(chan error, 1)}
	go func() { a.done <- a.Run(ctx) }()
	w.t.Cleanup(stop)
	return a
}

// ends stops the app, which has nothing to complain about.
func (a *app) ends() {
	a.w.t.Helper()
	a.stop()
	if err := <-a.done; err != nil {
		a.w.t.Fatalf("the app ended with %v", err)
	}
}

// fails waits for the app to fail by itself, with an error that says these things.
func (a *app) fails(wants ...string) error {
	a.w.t.Helper()
	err := <-a.done
	if a.w.ctx.Err() != nil {
		a.w.t.Fatalf("the app did not fail by itself; %v", err)
	}
	says(a.w.t, err, wants...)
	if s := a.State(); s != weir.Failed {
		a.w.t.Errorf("the app is %s, want failed", s)
	}
	return err
}

// says checks that an error names all that a user needs.
func says(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	t.Logf("the error: %v", err)
}

// decide decides the same about every error.
func decide(d weir.Decision) weir.CommonOption {
	return weir.OnError(func(context.Context, *weir.RecordError) weir.Decision { return d })
}

// guarantees runs a test under both.
func guarantees(t *testing.T, test func(t *testing.T, opts ...weir.AppOption)) {
	t.Run("at least once", func(t *testing.T) { test(t) })
	t.Run("exactly once", func(t *testing.T) { test(t, weir.ExactlyOnce()) })
}

// until waits for something to become true.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for !ok() {
		select {
		case <-w.ctx.Done():
			w.t.Fatalf("%s: it never came", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// record is one for partition 0 of topic in.
func record(key []byte, value string) *kgo.Record {
	return &kgo.Record{Topic: "in", Key: key, Value: []byte(value)}
}
