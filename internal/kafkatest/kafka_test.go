//go:build kafka

package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func connect(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestBrokersHaveTheirTransactionVersions(t *testing.T) {
	for want, addr := range map[int16]string{2: Broker(t), 1: BrokerTV1(t)} {
		if got := transactionVersion(t, addr); got != want {
			t.Errorf("%s: transaction.version %d, want %d", addr, got, want)
		}
	}
}

func transactionVersion(t *testing.T, addr string) int16 {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "kafkatest", "1"
	resp, err := req.RequestWith(t.Context(), connect(t, kgo.SeedBrokers(addr)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel
		}
	}
	return 0
}

func TestRecordMakesTheRound(t *testing.T) {
	for _, addr := range []string{Broker(t), BrokerTV1(t)} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		topic := TopicAt(t, addr, "kafkatest", 3, map[string]string{"cleanup.policy": "compact"})
		client := connect(t, kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic))
		sent := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: time.UnixMilli(1000)}
		if err := client.ProduceSync(ctx, sent).FirstErr(); err != nil {
			t.Fatal(err)
		}
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got := fetches.Records()
		if len(got) != 1 || string(got[0].Key) != "k" || string(got[0].Value) != "v" || !got[0].Timestamp.Equal(sent.Timestamp) {
			t.Errorf("read %v from %s, want the record that was written", got, topic)
		}
	}
}

func TestTopicsGoWithTheirTest(t *testing.T) {
	admin := kadm.NewClient(connect(t, kgo.SeedBrokers(Broker(t))))
	var name string
	t.Run("make", func(t *testing.T) {
		name = Topic(t, "kafkatest", 2, nil)
		topics, err := admin.ListTopics(t.Context(), name)
		if err != nil || len(topics[name].Partitions) != 2 {
			t.Fatalf("after Topic: %v, %v; want two partitions", topics[name], err)
		}
	})
	topics, err := admin.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if topics.Has(name) {
		t.Errorf("%s outlived its test", name)
	}
}
