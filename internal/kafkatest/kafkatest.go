package kafkatest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The variables that scripts/kafka.sh run sets.
const (
	envBroker    = "WEIR_KAFKA"
	envBrokerTV1 = "WEIR_KAFKA_TV1"
	envSASL      = "WEIR_KAFKA_SASL"
)

// adminTimeout bounds one request to the broker's controller.
const adminTimeout = 30 * time.Second

// Broker returns the address, host:port, of a broker whose finalized transaction.version is 2.
func Broker(t testing.TB) string {
	t.Helper()
	return address(t, envBroker)
}

// BrokerTV1 returns the address, host:port, of a broker whose finalized transaction.version is 1: there a
// client must add offsets to a transaction by a request of its own, and a commit keeps the producer's epoch.
func BrokerTV1(t testing.TB) string {
	t.Helper()
	return address(t, envBrokerTV1)
}

// User is the one user of Guarded, and its password.
const User = "weir"

// Guarded returns another address of Broker(t), where clients are User, by SASL/PLAIN, and may do what ACLs allow, at first nothing.
func Guarded(t testing.TB) string {
	t.Helper()
	return address(t, envSASL)
}

func address(t testing.TB, env string) string {
	t.Helper()
	addr := os.Getenv(env)
	if addr == "" {
		t.Fatalf("%s is not set: a test with the build tag kafka needs a real broker; run it by scripts/kafka.sh run -- go test -tags kafka …", env)
	}
	return addr
}

// Name returns prefix with a random suffix: a topic, group or transactional id that no other test of the run has.
func Name(prefix string) string {
	return prefix + "-" + strings.ToLower(rand.Text()[:10])
}

// Topic creates a topic on Broker(t), named prefix and a random suffix, with one replica, and deletes it when the
// test ends. configs are the topic's own, such as cleanup.policy; nil is none.
func Topic(t testing.TB, prefix string, partitions int32, configs map[string]string) string {
	t.Helper()
	return TopicAt(t, Broker(t), prefix, partitions, configs)
}

// TopicAt is Topic on the broker at addr.
func TopicAt(t testing.TB, addr, prefix string, partitions int32, configs map[string]string) string {
	t.Helper()
	// kadm answers from the client's cache of metadata: await must see what is, not what was 5 s ago.
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatalf("client of %s: %v", addr, err)
	}
	// Cleanups run last in, first out: the topic goes before the client that deletes it.
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	name := Name(prefix)
	create(t, admin, name, partitions, configs)
	t.Cleanup(func() { remove(t, admin, name) })
	return name
}

func create(t testing.TB, admin *kadm.Client, name string, partitions int32, configs map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	if _, err := admin.CreateTopic(ctx, partitions, 1, pointers(configs), name); err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
	await(ctx, t, admin, name, func(topic kadm.TopicDetail) bool { return led(topic) == int(partitions) })
}

func remove(t testing.TB, admin *kadm.Client, name string) {
	t.Helper()
	// t.Context is cancelled by now.
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	if _, err := admin.DeleteTopic(ctx, name); err != nil {
		t.Errorf("delete topic %s: %v", name, err)
		return
	}
	await(ctx, t, admin, name, func(topic kadm.TopicDetail) bool { return topic.Err != nil })
}

// await waits until the broker sees the topic as it should be: the controller answers before its brokers have applied what it decided.
func await(ctx context.Context, t testing.TB, admin *kadm.Client, name string, done func(kadm.TopicDetail) bool) {
	t.Helper()
	for {
		topics, err := admin.ListTopics(ctx, name)
		if err != nil {
			t.Errorf("wait for topic %s: %v", name, err)
			return
		}
		if done(topics[name]) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// led counts the partitions that have a leader.
func led(topic kadm.TopicDetail) int {
	n := 0
	for _, p := range topic.Partitions {
		if p.Err == nil && p.Leader >= 0 {
			n++
		}
	}
	return n
}

func pointers(configs map[string]string) map[string]*string {
	out := make(map[string]*string, len(configs))
	for key, value := range configs {
		out[key] = kadm.StringPtr(value)
	}
	return out
}
