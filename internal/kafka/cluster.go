package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/internal/assign"
)

// TP is a topic's partition.
type TP = assign.TopicPartition

// TopicInfo is what the cluster says of a topic.
type TopicInfo struct {
	Name       string
	ID         [16]byte
	Partitions int32
}

// NewTopic is a topic to create. Replication 0 is the broker's default.
type NewTopic struct {
	Name        string
	Partitions  int32
	Replication int16
	Configs     map[string]string
}

// Features are the finalized features of the cluster.
type Features struct {
	// TransactionVersion is 2 where offsets join a transaction without being announced and every end bumps the
	// producer's epoch (KIP-890).
	TransactionVersion int16
}

// Committed is what a group committed for a partition. Offset is -1 if nothing was.
type Committed struct {
	Offset      int64
	LeaderEpoch int32 // -1 if unknown
	Metadata    string
}

// Cluster answers questions about topics and offsets, and creates topics. One per app; any goroutine may use it.
//
// Every method repeats what the brokers answer with "not now" until the context, or Settings.RequestTimeout, ends.
type Cluster struct {
	set *Settings
	cl  *kgo.Client
	adm *kadm.Client
}

// Dial connects. It fails, naming the addresses, if no broker answers, and, naming what it lacks, if the brokers are
// older than Kafka 3.9.
func Dial(ctx context.Context, set *Settings) (*Cluster, error) {
	cl, err := set.client()
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	c := &Cluster{set: set, cl: cl, adm: kadm.NewClient(cl)}
	if err := c.check(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return c, nil
}

// Close ends what is under way. It may be called again.
func (c *Cluster) Close() { c.cl.Close() }

// Settings returns what the cluster was dialed with.
func (c *Cluster) Settings() *Settings { return c.set }

// BatchBytes is the most bytes that a batch to a topic may have by the user's options, and whether they say so.
func (c *Cluster) BatchBytes(topic string) (most int32, given bool) {
	f, ok := c.cl.OptValue(kgo.ProducerBatchMaxBytesFn).(func(string) int32)
	if !ok {
		return defaultBatchBytes, false
	}
	most = f(topic)
	return most, most != defaultBatchBytes
}

// MetadataAge is how old what clients know of topics may become, by the user's options.
func (c *Cluster) MetadataAge() time.Duration {
	age, _ := c.cl.OptValue(kgo.MetadataMaxAge).(time.Duration)
	return age
}

// defaultBatchBytes is the client's, which fits a broker's default of message.max.bytes.
const defaultBatchBytes = 1000012

func (c *Cluster) check(ctx context.Context) error {
	var resp *kmsg.ApiVersionsResponse
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		resp, err = apiVersions(ctx, c.cl)
		return err
	})
	if ke := (*kerr.Error)(nil); errors.As(err, &ke) {
		return fmt.Errorf("the Kafka broker at %s refuses: %w", c.seeds(), err)
	}
	if err != nil {
		return fmt.Errorf("no Kafka broker answers at %s within %v: %w", c.seeds(), c.set.requestTimeout(), err)
	}
	if lacks := lacking(resp); len(lacks) > 0 {
		return fmt.Errorf("the Kafka broker at %s is too old: 3.9 or newer is needed, and it has %s", c.seeds(), strings.Join(lacks, ", "))
	}
	return nil
}

func (c *Cluster) seeds() string {
	seeds, _ := c.cl.OptValue(kgo.SeedBrokers).([]string)
	return strings.Join(seeds, ", ")
}

// needed are the versions that a broker of Kafka 3.9 has, of the requests that this room makes.
var needed = []struct {
	key kmsg.Key
	max int16
}{
	{kmsg.Produce, 11}, {kmsg.Fetch, 17}, {kmsg.ListOffsets, 9}, {kmsg.Metadata, 12},
	{kmsg.OffsetCommit, 9}, {kmsg.OffsetFetch, 9}, {kmsg.FindCoordinator, 6},
	{kmsg.JoinGroup, 9}, {kmsg.SyncGroup, 5}, {kmsg.Heartbeat, 4}, {kmsg.LeaveGroup, 5},
	{kmsg.InitProducerID, 5}, {kmsg.AddPartitionsToTxn, 5}, {kmsg.AddOffsetsToTxn, 4}, {kmsg.EndTxn, 4}, {kmsg.TxnOffsetCommit, 4},
	{kmsg.CreateTopics, 7}, {kmsg.DeleteRecords, 2}, {kmsg.DescribeConfigs, 4},
}

func lacking(resp *kmsg.ApiVersionsResponse) []string {
	has := map[int16]int16{}
	for _, k := range resp.ApiKeys {
		has[k.ApiKey] = k.MaxVersion
	}
	var lacks []string
	for _, n := range needed {
		max, ok := has[n.key.Int16()]
		switch {
		case !ok:
			lacks = append(lacks, fmt.Sprintf("no %s (%d needed)", n.key.Name(), n.max))
		case max < n.max:
			lacks = append(lacks, fmt.Sprintf("%s only to version %d (%d needed)", n.key.Name(), max, n.max))
		}
	}
	return lacks
}

// Features asks for the cluster's finalized features.
func (c *Cluster) Features(ctx context.Context) (f Features, err error) {
	err = c.ask(ctx, func(ctx context.Context) error {
		resp, err := apiVersions(ctx, c.cl)
		if err != nil {
			return err
		}
		for _, x := range resp.FinalizedFeatures {
			if x.Name == "transaction.version" {
				f.TransactionVersion = x.MaxVersionLevel
			}
		}
		return nil
	})
	return f, wrap(err, "ask for the cluster's features")
}

// ask does something until it succeeds, fails for good, or time is up.
func (c *Cluster) ask(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.set.requestTimeout())
	defer cancel()
	return retry(ctx, do)
}

// retry repeats what failed in a way that passes. When time is up it returns the last such failure.
func retry(ctx context.Context, do func(context.Context) error) error {
	var last error
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := do(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return timeUp(ctx, cmp.Or(last, err))
		}
		if !passes(err) {
			return err
		}
		last = err
		if !pause(ctx, wait) {
			return timeUp(ctx, last)
		}
	}
}

// timeUp says what was answered last before a context ended.
func timeUp(ctx context.Context, last error) error {
	return fmt.Errorf("%w; the last answer: %w", ctx.Err(), last)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// passes reports an error that may not be there next time. Anything that is not an answer of a broker is one of the
// network, except a client that was closed.
func passes(err error) bool {
	if errors.Is(err, kgo.ErrClientClosed) {
		return false
	}
	if ke := (*kerr.Error)(nil); errors.As(err, &ke) {
		// The library takes CONCURRENT_TRANSACTIONS for final; it says that the former transaction's markers are still being written.
		return ke.Retriable || ke.Code == kerr.ConcurrentTransactions.Code
	}
	return !errors.Is(err, errGivenUp)
}

// errGivenUp marks errors of our own that no repetition mends.
var errGivenUp = errors.New("invalid")

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// Topics returns the named topics that exist.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]TopicInfo, error) {
	if len(names) == 0 {
		return map[string]TopicInfo{}, nil
	}
	var found map[string]TopicInfo
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = topics(ctx, c.adm, names...)
		return err
	})
	return found, wrap(err, "look up topics %s", strings.Join(names, ", "))
}

// TopicsMatching returns the topics whose whole name matches; Kafka's own, such as __consumer_offsets, never do.
func (c *Cluster) TopicsMatching(ctx context.Context, pattern *regexp.Regexp) (map[string]TopicInfo, error) {
	var found map[string]TopicInfo
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		found, err = topics(ctx, c.adm)
		return err
	})
	maps.DeleteFunc(found, func(name string, _ TopicInfo) bool { return !matchesWhole(pattern, name) })
	return found, wrap(err, "look up topics that match %s", pattern)
}

func matchesWhole(pattern *regexp.Regexp, name string) bool {
	loc := pattern.FindStringIndex(name)
	return loc != nil && loc[0] == 0 && loc[1] == len(name)
}

// topics asks for the named topics, or for all.
func topics(ctx context.Context, adm *kadm.Client, names ...string) (map[string]TopicInfo, error) {
	list, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, err
	}
	found := map[string]TopicInfo{}
	for _, t := range list {
		switch {
		case errors.Is(t.Err, kerr.UnknownTopicOrPartition):
		case t.Err != nil:
			return nil, fmt.Errorf("topic %s: %w", t.Topic, t.Err)
		case !t.IsInternal:
			found[t.Topic] = TopicInfo{Name: t.Topic, ID: t.ID, Partitions: int32(len(t.Partitions))}
		}
	}
	return found, nil
}

// CreateTopics creates topics; one that exists already is left as it is. It returns every failure, joined, each naming
// its topic. Topics are waited for: Topics finds them afterwards.
func (c *Cluster) CreateTopics(ctx context.Context, want ...NewTopic) error {
	if len(want) == 0 {
		return nil
	}
	var errs []error
	for _, t := range want {
		errs = append(errs, wrap(c.createTopic(ctx, t), "create topic %s", t.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.awaitTopics(ctx, want)
}

func (c *Cluster) createTopic(ctx context.Context, t NewTopic) error {
	replication := t.Replication
	if replication == 0 {
		replication = -1
	}
	configs := map[string]*string{}
	for k, v := range t.Configs {
		configs[k] = &v
	}
	return c.ask(ctx, func(ctx context.Context) error {
		resp, err := c.adm.CreateTopic(ctx, t.Partitions, replication, configs, t.Name)
		switch {
		case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
			return nil
		case resp.ErrMessage != "":
			return fmt.Errorf("%w (%s)", err, resp.ErrMessage)
		}
		return err
	})
}

func (c *Cluster) awaitTopics(ctx context.Context, want []NewTopic) error {
	names := make([]string, len(want))
	for i, t := range want {
		names[i] = t.Name
	}
	return wrap(c.ask(ctx, func(ctx context.Context) error {
		found, err := topics(ctx, c.adm, names...)
		if err != nil {
			return err
		}
		for _, name := range names {
			if found[name].Partitions == 0 {
				return fmt.Errorf("topic %s: %w", name, kerr.UnknownTopicOrPartition)
			}
		}
		return nil
	}), "wait for created topics")
}

// DescribeConfigs returns the topics' configurations, defaults included.
func (c *Cluster) DescribeConfigs(ctx context.Context, names ...string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	if len(names) == 0 {
		return out, nil
	}
	err := c.ask(ctx, func(ctx context.Context) error {
		list, err := c.adm.DescribeTopicConfigs(ctx, names...)
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.Err != nil {
				return fmt.Errorf("topic %s: %w", r.Name, r.Err)
			}
			out[r.Name] = configValues(r)
		}
		return nil
	})
	return out, wrap(err, "describe topics' configurations")
}

func configValues(r kadm.ResourceConfig) map[string]string {
	values := map[string]string{}
	for _, c := range r.Configs {
		if c.Value != nil {
			values[c.Key] = *c.Value
		}
	}
	return values
}

// Where a ListOffsets request looks.
const (
	logEndTime   = -1
	logStartTime = -2
)

// EndOffsets returns where the partitions end: the high watermark, open transactions included.
func (c *Cluster) EndOffsets(ctx context.Context, tps ...TP) (map[TP]int64, error) {
	return c.offsets(ctx, kmsg.ListOffsetsRequest{IsolationLevel: 0}, at(logEndTime, tps))
}

// StableOffsets returns where the partitions end for a reader of committed records: the last stable offset.
func (c *Cluster) StableOffsets(ctx context.Context, tps ...TP) (map[TP]int64, error) {
	return c.offsets(ctx, kmsg.ListOffsetsRequest{IsolationLevel: 1}, at(logEndTime, tps))
}

// StartOffsets returns the offset of the first record that is still there.
func (c *Cluster) StartOffsets(ctx context.Context, tps ...TP) (map[TP]int64, error) {
	return c.offsets(ctx, kmsg.ListOffsetsRequest{}, at(logStartTime, tps))
}

// OffsetsForTime returns, per partition, the first offset whose timestamp is at or after a time, or the end.
func (c *Cluster) OffsetsForTime(ctx context.Context, t time.Time, tps ...TP) (map[TP]int64, error) {
	return offsetsForTime(ctx, c.set, c.cl, t, tps)
}

func (c *Cluster) offsets(ctx context.Context, kind kmsg.ListOffsetsRequest, times map[TP]int64) (map[TP]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.set.requestTimeout())
	defer cancel()
	return listOffsets(ctx, c.cl, kind.IsolationLevel, times)
}

func offsetsForTime(ctx context.Context, set *Settings, cl *kgo.Client, t time.Time, tps []TP) (map[TP]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, set.requestTimeout())
	defer cancel()
	found, err := listOffsets(ctx, cl, 0, at(t.UnixMilli(), tps))
	if err != nil {
		return nil, err
	}
	var none []TP
	for tp, o := range found {
		if o < 0 {
			none = append(none, tp)
		}
	}
	ends, err := listOffsets(ctx, cl, 0, at(logEndTime, none))
	maps.Copy(found, ends)
	return found, err
}

func at(time int64, tps []TP) map[TP]int64 {
	times := make(map[TP]int64, len(tps))
	for _, tp := range tps {
		times[tp] = time
	}
	return times
}

// listOffsets asks for one offset of each partition, again for those whose leader could not say.
func listOffsets(ctx context.Context, cl *kgo.Client, isolation int8, times map[TP]int64) (map[TP]int64, error) {
	found := make(map[TP]int64, len(times))
	if len(times) == 0 {
		return found, nil
	}
	missing := maps.Clone(times)
	err := retry(ctx, func(ctx context.Context) error {
		req := listRequest(isolation, missing)
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		var last error
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				tp := TP{Topic: t.Topic, Partition: p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					last = fmt.Errorf("%s: %w", tp, err)
					continue
				}
				found[tp] = p.Offset
				delete(missing, tp)
			}
		}
		if last == nil && len(missing) > 0 {
			last = fmt.Errorf("no answer for %s: %w", slices.Collect(maps.Keys(missing))[0], kerr.UnknownTopicOrPartition)
		}
		return last
	})
	return found, wrap(err, "list offsets of %s", some(slices.Collect(maps.Keys(missing))))
}

// some names partitions for an error; there may be thousands.
func some(tps []TP) string {
	slices.SortFunc(tps, TP.Compare)
	switch len(tps) {
	case 0:
		return "nothing"
	case 1:
		return tps[0].String()
	}
	return fmt.Sprintf("%s and %d more", tps[0], len(tps)-1)
}

func listRequest(isolation int8, times map[TP]int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	byTopic := map[string][]kmsg.ListOffsetsRequestTopicPartition{}
	for tp, time := range times {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = tp.Partition, time
		byTopic[tp.Topic] = append(byTopic[tp.Topic], p)
	}
	for topic, ps := range byTopic {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic, t.Partitions = topic, ps
		req.Topics = append(req.Topics, t)
	}
	return req
}

// CommittedOffsets returns what the group committed, for every partition asked for. It waits for transactions that hold
// a commit of the group (Kafka's "stable" offsets).
func (c *Cluster) CommittedOffsets(ctx context.Context, group string, tps ...TP) (map[TP]Committed, error) {
	var out map[TP]Committed
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		out, err = committed(ctx, c.cl, c.adm, group, tps)
		return err
	})
	return out, wrap(err, "committed offsets of group %s", group)
}

// committed asks once; kerr.UnstableOffsetCommit passes.
func committed(ctx context.Context, cl *kgo.Client, adm *kadm.Client, group string, tps []TP) (map[TP]Committed, error) {
	out := make(map[TP]Committed, len(tps))
	if len(tps) == 0 {
		return out, nil
	}
	ids, err := topics(ctx, adm, topicsOf(tps)...)
	if err != nil {
		return nil, err
	}
	names := map[[16]byte]string{}
	for _, t := range ids {
		names[t.ID] = t.Name
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	for topic, ps := range byTopic(tps) {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = topic, ids[topic].ID, ps
		g.Topics = append(g.Topics, t)
	}
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	err = readCommitted(resp, names, out)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound): // nobody committed anything
		return noneCommitted(tps), nil
	case err != nil:
		return nil, err
	}
	for _, tp := range tps {
		if _, ok := out[tp]; !ok {
			return nil, fmt.Errorf("%s: the broker left it out of its answer", tp)
		}
	}
	return out, nil
}

func noneCommitted(tps []TP) map[TP]Committed {
	out := make(map[TP]Committed, len(tps))
	for _, tp := range tps {
		out[tp] = Committed{Offset: -1, LeaderEpoch: -1}
	}
	return out
}

// readCommitted adds what an OffsetFetch answered. Versions from 10 on name topics by id.
func readCommitted(resp *kmsg.OffsetFetchResponse, names map[[16]byte]string, out map[TP]Committed) error {
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return err
		}
		for _, t := range g.Topics {
			topic := t.Topic
			if topic == "" {
				topic = names[t.TopicID]
			}
			for _, p := range t.Partitions {
				tp := TP{Topic: topic, Partition: p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("%s: %w", tp, err)
				}
				out[tp] = committedOf(p)
			}
		}
	}
	return nil
}

func committedOf(p kmsg.OffsetFetchResponseGroupTopicPartition) Committed {
	c := Committed{Offset: max(p.Offset, -1), LeaderEpoch: p.LeaderEpoch}
	if p.Metadata != nil {
		c.Metadata = *p.Metadata
	}
	return c
}

// DeleteRecords deletes everything below an offset of each partition. Partitions it could not do it for are in the
// error; below an offset that is deleted already there is nothing to do.
func (c *Cluster) DeleteRecords(ctx context.Context, below map[TP]int64) error {
	if len(below) == 0 {
		return nil
	}
	offsets := kadm.Offsets{}
	for tp, o := range below {
		offsets.AddOffset(tp.Topic, tp.Partition, o, -1)
	}
	return wrap(c.ask(ctx, func(ctx context.Context) error {
		resp, err := c.adm.DeleteRecords(ctx, offsets)
		if err != nil {
			return err
		}
		var errs []error
		for _, r := range resp.Sorted() {
			if !errors.Is(r.Err, kerr.OffsetOutOfRange) {
				errs = append(errs, wrap(r.Err, "%s", TP{Topic: r.Topic, Partition: r.Partition}))
			}
		}
		return errors.Join(errs...)
	}), "delete records of %s", some(slices.Collect(maps.Keys(below))))
}

func byTopic(tps []TP) map[string][]int32 {
	m := map[string][]int32{}
	for _, tp := range tps {
		m[tp.Topic] = append(m[tp.Topic], tp.Partition)
	}
	return m
}

func topicsOf(tps []TP) []string {
	names := slices.Collect(maps.Keys(byTopic(tps)))
	slices.Sort(names)
	return names
}

func flatten(m map[string][]int32) []TP {
	var tps []TP
	for topic, ps := range m {
		for _, p := range ps {
			tps = append(tps, TP{Topic: topic, Partition: p})
		}
	}
	slices.SortFunc(tps, TP.Compare)
	return tps
}
