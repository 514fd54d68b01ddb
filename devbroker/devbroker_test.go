package devbroker

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, opts ...Option) *Broker {
	t.Helper()
	b, err := Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func connect(t *testing.T, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, client *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := client.ProduceSync(deadline(t), &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
}

// consume reads n records and returns their values.
func consume(t *testing.T, client *kgo.Client, n int) string {
	t.Helper()
	var got []string
	for ctx := deadline(t); len(got) < n; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return strings.Join(got, " ")
}

func TestProduceAndConsume(t *testing.T) {
	b := start(t, Topics(1, "in"))
	produce(t, connect(t, b), "in", "a", "b", "c")
	if got := consume(t, connect(t, b, kgo.ConsumeTopics("in")), 3); got != "a b c" {
		t.Errorf("read %q, want what was written in order", got)
	}
}

func TestGroupGoesOnWhereItLeft(t *testing.T) {
	b := start(t, Topics(1, "in"))
	group := []kgo.Opt{kgo.ConsumeTopics("in"), kgo.ConsumerGroup("g"), kgo.DisableAutoCommit()}
	producer := connect(t, b)
	produce(t, producer, "in", "a", "b")
	first := connect(t, b, group...)
	consume(t, first, 2)
	if err := first.CommitUncommittedOffsets(deadline(t)); err != nil {
		t.Fatal(err)
	}
	first.Close()
	produce(t, producer, "in", "c")
	if got := consume(t, connect(t, b, group...), 1); got != "c" {
		t.Errorf("the second member read %q, want what was not committed: c", got)
	}
}

func TestAbortedTransactionIsNotRead(t *testing.T) {
	b := start(t, Topics(1, "in"))
	client := connect(t, b, kgo.TransactionalID("tx"))
	for value, end := range map[string]kgo.TransactionEndTry{"kept": kgo.TryCommit, "gone": kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, client, "in", value)
		if err := client.EndTransaction(deadline(t), end); err != nil {
			t.Fatal(err)
		}
	}
	produce(t, connect(t, b), "in", "last")
	reader := connect(t, b, kgo.ConsumeTopics("in"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if got := consume(t, reader, 2); got != "kept last" {
		t.Errorf("read-committed %q, want %q", got, "kept last")
	}
}

func TestTopicsHavePartitionsAndConfigs(t *testing.T) {
	b := start(t, Topics(3, "in", "out"), Topic("table", 2, map[string]string{"cleanup.policy": "compact"}))
	admin := kadm.NewClient(connect(t, b))
	topics, err := admin.ListTopics(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"in": 3, "out": 3, "table": 2} {
		if got := len(topics[name].Partitions); got != want {
			t.Errorf("%s has %d partitions, want %d", name, got, want)
		}
	}
	configs, err := admin.DescribeTopicConfigs(deadline(t), "table")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
			t.Errorf("cleanup.policy is %s, want compact", c.MaybeValue())
		}
	}
}

func TestBrokersAndPorts(t *testing.T) {
	b := start(t, Brokers(3))
	if got := b.Addrs(); len(got) != 3 {
		t.Fatalf("addresses %v, want three", got)
	}
	if got := b.String(); got != strings.Join(b.Addrs(), ",") {
		t.Errorf("String is %q", got)
	}
	b.Addrs()[0] = "changed by the caller"
	if b.Addrs()[0] == "changed by the caller" {
		t.Error("Addrs hands out its own slice")
	}
}

func TestPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if b, err := Start(Port(port)); err == nil {
		b.Close()
		t.Error("started on a port that is taken")
	}
	ln.Close()
	b := start(t, Port(port))
	if got, want := b.String(), fmt.Sprintf("127.0.0.1:%d", port); got != want {
		t.Errorf("listens at %s, want %s", got, want)
	}
}

func TestDataDirOutlivesTheBroker(t *testing.T) {
	opts := []Option{DataDir(t.TempDir()), Topics(1, "in")}
	first := start(t, opts...)
	produce(t, connect(t, first), "in", "kept")
	first.Close()
	second := start(t, opts...)
	if got := consume(t, connect(t, second, kgo.ConsumeTopics("in")), 1); got != "kept" {
		t.Errorf("read %q after the restart, want %q", got, "kept")
	}
}

func TestFaultsAreNamedTogether(t *testing.T) {
	_, err := Start(Brokers(0), Port(-1), Topics(0, "in"), Topics(1, "in", "", "two words"))
	if err == nil {
		t.Fatal("started with wrong options")
	}
	for _, want := range []string{"0 brokers", "port -1", "topic in: 0 partitions", "topic in is given twice", `topic "":`, `topic "two words":`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestTopicThatCannotBeIsAnError(t *testing.T) {
	// The two would have the same name in Kafka's metrics, so brokers refuse the second.
	b, err := Start(Topics(1, "in.a", "in_a"))
	if err == nil {
		b.Close()
		t.Fatal("created two topics that Kafka takes for colliding")
	}
	if !strings.Contains(err.Error(), "create topic in_a") {
		t.Errorf("%q does not name the topic", err)
	}
}

func TestCloseByManyAtOnce(t *testing.T) {
	b, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(b.Close)
	}
	wg.Wait()
	b.Close()
	if conn, err := net.Dial("tcp", b.Addrs()[0]); err == nil {
		conn.Close()
		t.Error("somebody still listens after Close")
	}
}
