package kafka

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOwnedOptionsAreRefusedByName(t *testing.T) {
	callback := func(context.Context, *kgo.Client, map[string][]int32) {}
	for name, opt := range map[string]kgo.Opt{
		"ConsumerGroup":        kgo.ConsumerGroup("g"),
		"ShareGroup":           kgo.ShareGroup("g"),
		"InstanceID":           kgo.InstanceID("i"),
		"GroupProtocol":        kgo.GroupProtocol("p"),
		"Balancers":            kgo.Balancers(kgo.RangeBalancer()),
		"ServerSideBalancer":   kgo.ServerSideBalancer(),
		"BlockRebalanceOnPoll": kgo.BlockRebalanceOnPoll(),
		"AdjustFetchOffsetsFn": kgo.AdjustFetchOffsetsFn(func(context.Context, map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return nil, nil
		}),
		"OnOffsetsFetched":            kgo.OnOffsetsFetched(func(context.Context, *kgo.Client, *kmsg.OffsetFetchResponse) error { return nil }),
		"OnPartitionsCallbackBlocked": kgo.OnPartitionsCallbackBlocked(func(context.Context, *kgo.Client) {}),
		"OnPartitionsAssigned":        kgo.OnPartitionsAssigned(callback),
		"OnPartitionsRevoked":         kgo.OnPartitionsRevoked(callback),
		"OnPartitionsLost":            kgo.OnPartitionsLost(callback),
		"AutoCommitCallback":          kgo.AutoCommitCallback(func(*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {}),
		"DisableAutoCommit":           kgo.DisableAutoCommit(),
		"GreedyAutoCommit":            kgo.GreedyAutoCommit(),
		"AutoCommitInterval":          kgo.AutoCommitInterval(time.Second),
		"AutoCommitMarks":             kgo.AutoCommitMarks(),
		"ConsumeTopics":               kgo.ConsumeTopics("t"),
		"ConsumePartitions":           kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}}),
		"ConsumeRegex":                kgo.ConsumeRegex(),
		"ConsumeStartOffset":          kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()),
		"ConsumeResetOffset":          kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		"FetchIsolationLevel":         kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		"KeepControlRecords":          kgo.KeepControlRecords(),
		"KeepRetryableFetchErrors":    kgo.KeepRetryableFetchErrors(),
		"TransactionalID":             kgo.TransactionalID("x"),
		"TransactionTimeout":          kgo.TransactionTimeout(time.Second),
		"RequiredAcks":                kgo.RequiredAcks(kgo.LeaderAck()),
		"DisableIdempotentWrite":      kgo.DisableIdempotentWrite(),
		"RecordPartitioner":           kgo.RecordPartitioner(kgo.ManualPartitioner()),
		"WithContext":                 kgo.WithContext(context.Background()),
		"ManualFlushing":              kgo.ManualFlushing(),
	} {
		opts := []kgo.Opt{kgo.SeedBrokers("localhost:1"), opt}
		if name == "RequiredAcks" { // the client itself wants these two together
			opts = append(opts, kgo.DisableIdempotentWrite())
		}
		err := (&Settings{App: "app", Options: opts}).Validate()
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "cannot be given") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllOwnedOptionsAreNamedTogether(t *testing.T) {
	s := &Settings{App: "app", Options: []kgo.Opt{kgo.ConsumerGroup("g"), kgo.DisableAutoCommit(), kgo.TransactionalID("x")}}
	err := s.Validate()
	for _, name := range []string{"ConsumerGroup", "DisableAutoCommit", "TransactionalID"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
}

func TestOtherOptionsPass(t *testing.T) {
	s := &Settings{App: "app", ProcessID: "p", ExactlyOnce: true, Options: []kgo.Opt{
		kgo.SeedBrokers("localhost:1"), kgo.ClientID("me"), kgo.SessionTimeout(time.Minute), kgo.HeartbeatInterval(time.Second),
		kgo.RebalanceTimeout(time.Minute), kgo.Rack("r"), kgo.FetchMaxBytes(1 << 20), kgo.FetchMaxPartitionBytes(1 << 19),
		kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.MaxBufferedRecords(10),
		kgo.RecordDeliveryTimeout(time.Minute), kgo.DialTimeout(time.Second),
	}}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSettingsFaults(t *testing.T) {
	err := (&Settings{ExactlyOnce: true, CommitTimeout: -1}).Validate()
	for _, want := range []string{"no id", "process id", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
	if err := (&Settings{App: "app", Options: []kgo.Opt{kgo.SeedBrokers()}}).Validate(); err == nil {
		t.Error("no brokers, and no error")
	}
}

// The user's choice wins where nothing is owned, and our defaults stand where there is none.
func TestDefaultsAndUsersOptions(t *testing.T) {
	set := &Settings{App: "app", Options: []kgo.Opt{kgo.FetchMaxBytes(3 << 20), kgo.TransactionTimeout(time.Hour)}}
	cl, err := set.client(kgo.TransactionalID("x"), kgo.TransactionTimeout(set.transactionTimeout()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, c := range []struct {
		opt  any
		want any
	}{
		{kgo.FetchMaxBytes, int32(3 << 20)},
		{kgo.FetchMaxWait, 250 * time.Millisecond},
		{kgo.ProducerLinger, time.Duration(0)},
		{kgo.TransactionTimeout, 10 * time.Second},
	} {
		if got := cl.OptValue(c.opt); got != c.want {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}
