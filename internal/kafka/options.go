package kafka

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Settings are what all clients of an app share. Zero durations and sizes mean the defaults named beside them.
type Settings struct {
	App       string    // the group's id, and the first part of transactional ids
	ProcessID string    // kept in the state directory, so that a restart aborts its own open transaction at once
	Options   []kgo.Opt // the user's, passed to every client

	ExactlyOnce bool
	Instance    string // static membership: worker n is <Instance>-<n>; empty is dynamic membership

	SessionTimeout     time.Duration // the client's own, 45 s, if 0; how long a silent member keeps its partitions
	TransactionTimeout time.Duration // 10 s; it bounds how long others wait for what a dead worker left open
	// BatchBytes is the most bytes that a batch to a topic may have; nil is the client's default, or what Options say.
	BatchBytes func(topic string) int32

	CommitTimeout  time.Duration // 30 s; how long Commit repeats requests that are answered "not now"
	RequestTimeout time.Duration // 30 s; how long Cluster repeats them, unless the context ends earlier

	// Failpoint, for crash tests, is called before and after each step of Commit with one of FailpointNames.
	Failpoint func(name string)
}

const (
	defaultTransactionTimeout = 10 * time.Second
	defaultCommitTimeout      = 30 * time.Second
	defaultRequestTimeout     = 30 * time.Second

	fetchMaxWait   = 250 * time.Millisecond // a resumed or added partition waits behind a fetch in flight
	fetchMaxBytes  = 2 << 20                // per broker and client
	fetchPartBytes = 1 << 20
	metadataMinAge = 250 * time.Millisecond // a partition that is added waits for it
	maxBuffered    = 20_000                 // records; beyond it Send blocks
)

func (s *Settings) transactionTimeout() time.Duration {
	return orDefault(s.TransactionTimeout, defaultTransactionTimeout)
}
func (s *Settings) commitTimeout() time.Duration {
	return orDefault(s.CommitTimeout, defaultCommitTimeout)
}
func (s *Settings) requestTimeout() time.Duration {
	return orDefault(s.RequestTimeout, defaultRequestTimeout)
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func (s *Settings) failpoint(name string) {
	if s.Failpoint != nil {
		s.Failpoint(name)
	}
}

// Validate returns everything that is wrong with the settings, joined. It makes a client of the user's options to look
// at them, without any connection; hooks among them see one client more.
func (s *Settings) Validate() error {
	var errs []error
	if s.App == "" {
		errs = append(errs, errors.New("the application has no id"))
	}
	if s.ExactlyOnce && s.ProcessID == "" {
		errs = append(errs, errors.New("exactly once needs a process id"))
	}
	for _, d := range []time.Duration{s.SessionTimeout, s.TransactionTimeout, s.CommitTimeout, s.RequestTimeout} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("negative duration %v", d))
		}
	}
	return errors.Join(append(errs, checkOptions(s.Options))...)
}

// client makes a client: our defaults, over them the user's options, over them what this room owns.
func (s *Settings) client(own ...kgo.Opt) (*kgo.Client, error) {
	defaults := []kgo.Opt{
		kgo.FetchMaxWait(fetchMaxWait),
		kgo.FetchMaxBytes(fetchMaxBytes),
		kgo.FetchMaxPartitionBytes(fetchPartBytes),
		kgo.MetadataMinAge(metadataMinAge),
		kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(maxBuffered),
	}
	if s.BatchBytes != nil {
		own = append(own, kgo.ProducerBatchMaxBytesFn(s.BatchBytes))
	}
	return kgo.NewClient(slices.Concat(defaults, s.Options, own)...)
}

// isolation is what the app reads: under exactly once only what was committed; else, as Kafka Streams, all.
func (s *Settings) isolation() kgo.IsolationLevel {
	if s.ExactlyOnce {
		return kgo.ReadCommitted()
	}
	return kgo.ReadUncommitted()
}

// owned is an option that only this room sets, and how a user's setting of it shows.
type owned struct {
	name    string
	why     string
	changed func(cl, plain *kgo.Client) bool
}

// differs is for options whose values can be compared.
func differs(name, why string, opt any) owned {
	return owned{name, why, func(cl, plain *kgo.Client) bool {
		return !reflect.DeepEqual(cl.OptValues(opt), plain.OptValues(opt))
	}}
}

// present is for options whose value is nil until it is set, such as functions.
func present(name, why string, opt any) owned {
	return owned{name, why, func(cl, _ *kgo.Client) bool {
		v := reflect.ValueOf(cl.OptValue(opt))
		return v.IsValid() && !v.IsZero()
	}}
}

const (
	whyGroup   = "the application's id is the group"
	whyAssign  = "weir assigns tasks, not partitions"
	whyCommit  = "weir commits offsets together with state"
	whyTopics  = "the topology says what is read"
	whySafe    = "weir's guarantees rest on it"
	whyParts   = "weir chooses partitions; a topic's partitioner is an option of the topic"
	whyControl = "weir ends every wait by flushing"
)

// ownedOptions are judged on a client that probe made.
func ownedOptions() []owned {
	return []owned{
		differs("ConsumerGroup", whyGroup, kgo.ConsumerGroup),
		present("ShareGroup", whyGroup, kgo.ShareGroup),
		differs("InstanceID", "static membership is a setting of the application", kgo.InstanceID),
		differs("GroupProtocol", whyAssign, kgo.GroupProtocol),
		{"Balancers", whyAssign, func(cl, _ *kgo.Client) bool { return !planted(cl.OptValue(kgo.Balancers)) }},
		differs("ServerSideBalancer", whyAssign, kgo.ServerSideBalancer),
		differs("BlockRebalanceOnPoll", whyAssign, kgo.BlockRebalanceOnPoll),
		present("AdjustFetchOffsetsFn", whyAssign, kgo.AdjustFetchOffsetsFn),
		present("OnOffsetsFetched", whyAssign, kgo.OnOffsetsFetched),
		present("OnPartitionsCallbackBlocked", whyAssign, kgo.OnPartitionsCallbackBlocked),
		differs("DisableAutoCommit", whyCommit, kgo.DisableAutoCommit),
		differs("GreedyAutoCommit", whyCommit, kgo.GreedyAutoCommit),
		differs("AutoCommitInterval", whyCommit, kgo.AutoCommitInterval),
		differs("AutoCommitMarks", whyCommit, kgo.AutoCommitMarks),
		present("ConsumeTopics", whyTopics, kgo.ConsumeTopics),
		present("ConsumePartitions", whyTopics, kgo.ConsumePartitions),
		differs("ConsumeRegex", whyTopics, kgo.ConsumeRegex),
		differs("ConsumeStartOffset", "where to start is an option of the topic", kgo.ConsumeStartOffset),
		differs("ConsumeResetOffset", "where to start is an option of the topic", kgo.ConsumeResetOffset),
		differs("FetchIsolationLevel", whySafe, kgo.FetchIsolationLevel),
		differs("KeepControlRecords", whySafe, kgo.KeepControlRecords),
		differs("KeepRetryableFetchErrors", whySafe, kgo.KeepRetryableFetchErrors),
		differs("TransactionalID", whySafe, kgo.TransactionalID),
		differs("TransactionTimeout", "it is a setting of the application", kgo.TransactionTimeout),
		differs("RequiredAcks", whySafe, kgo.RequiredAcks),
		differs("DisableIdempotentWrite", whySafe, kgo.DisableIdempotentWrite),
		differs("AllowIdempotentProduceCancellation", whySafe, kgo.AllowIdempotentProduceCancellation),
		{"RecordPartitioner", whyParts, func(cl, _ *kgo.Client) bool { return !planted(cl.OptValue(kgo.RecordPartitioner)) }},
		differs("DefaultProduceTopicAlways", whyTopics, kgo.DefaultProduceTopicAlways),
		differs("ManualFlushing", whyControl, kgo.ManualFlushing),
		{"WithContext", "weir ends its clients itself", func(cl, _ *kgo.Client) bool { return cl.OptValue(kgo.WithContext) != any(over) }},
	}
}

// plantedBalancer, and a partitioner of ours, are put before the user's options where a default cannot be told from a setting: what is still ours was not set.
var plantedBalancer = &balancer{}

func planted(v any) bool {
	if bs, ok := v.([]kgo.GroupBalancer); ok {
		return len(bs) == 1 && bs[0] == kgo.GroupBalancer(plantedBalancer)
	}
	_, ours := v.(partitioner)
	return ours
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// probe makes a client to look at: its context is over, so it never dials.
func probe(opts ...kgo.Opt) (*kgo.Client, error) {
	plants := []kgo.Opt{kgo.WithContext(over), kgo.RecordPartitioner(partitioner{}), kgo.Balancers(plantedBalancer)}
	return kgo.NewClient(slices.Concat(plants, opts)...)
}

func checkOptions(opts []kgo.Opt) error {
	found, err := ownedIn(opts)
	if err == nil {
		return refuse(found)
	}
	// Together they are no client: some belong to a group. Look at each alone, so that they are named and not only the
	// first clash of them.
	found = nil
	for _, opt := range opts {
		one, oneErr := ownedAlone(opt)
		if oneErr != nil {
			return fmt.Errorf("kafka options: %w", oneErr)
		}
		found = append(found, one...)
	}
	if len(found) == 0 {
		return fmt.Errorf("kafka options: %w", err)
	}
	return refuse(found)
}

func refuse(found []owned) error {
	var errs []error
	for _, o := range found {
		errs = append(errs, fmt.Errorf("kafka option %s cannot be given: %s", o.name, o.why))
	}
	return errors.Join(errs...)
}

// ownedIn returns the owned options among opts, which come after others that are not looked at.
func ownedIn(opts []kgo.Opt, before ...kgo.Opt) ([]owned, error) {
	cl, err := probe(slices.Concat(before, opts)...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	plain, err := probe(before...)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	var found []owned
	for _, o := range ownedOptions() {
		if o.changed(cl, plain) {
			found = append(found, o)
		}
	}
	return found, nil
}

// ownedAlone judges one option without and with a group about it. One that needs a group and changes nothing else that
// shows is a callback: a client with a group always has these.
func ownedAlone(opt kgo.Opt) ([]owned, error) {
	found, err := ownedIn([]kgo.Opt{opt})
	if err == nil {
		return found, nil
	}
	found, groupErr := ownedIn([]kgo.Opt{opt}, kgo.ConsumerGroup("probe"))
	if groupErr != nil {
		return nil, err
	}
	if len(found) == 0 {
		return []owned{{name: "OnPartitionsAssigned, OnPartitionsRevoked, OnPartitionsLost or AutoCommitCallback", why: whyAssign}}, nil
	}
	return found, nil
}
