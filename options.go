package weir

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// OpOption is a setting of one operator. One that does not fit its operator, or whose types do not, is a Build error.
type OpOption interface{ opOption(*op) }

// CommonOption may be given to an App, for every operator, and to one operator, which wins.
type CommonOption interface {
	AppOption
	OpOption
}

// TopicOption is a setting of a topic with values of type V.
type TopicOption[V any] interface{ topicOption(*topicConfig[V]) }

// op is one operator under construction: its name and what its options say.
type op struct {
	kind  string // the operator: "Filter"
	name  string // the user's, by Named
	given []string
	fault error

	key, value, other any // serde.Serde of a type that the operator checks
	partitioner       any // func(K, V, int) int
	onError           flow.Handler
	onDropped         flow.DropHandler
	reset             topology.Reset
	time              flow.TimePolicy
	partitions        int
	store             storeOptions
	stores            []state.Descriptor
	topicConfig       map[string]string
	emitOnClose       bool
	emitEvery         *time.Duration
	lateTo            any            // Topic[K, Late[V]]
	closeIdle         *time.Duration // nil: as the app says
	grace             *time.Duration // of a stream-table join; nil without Grace
	nullKeys          bool           // of a left join: null keys pass its repartition topic
	async             asyncSettings
	quiet             bool // of a table's filter: what was nothing and is nothing is left out, where the values of before are known
}

// storeOptions are the options of an operator's store.
type storeOptions struct {
	inMemory, noCache, noChangelog bool
	retention                      *time.Duration
	name                           *string // Materialized's
	ifNeeded                       bool
	lru                            int
	history                        *time.Duration // of a versioned store; nil without Versioned
	refill                         *refill        // of a table that is read from a topic
	ttl                            []ttlOption
}

// opOption is an option that only operators take.
type opOption struct {
	name string
	set  func(*op)
}

func (o opOption) opOption(to *op) {
	to.given = append(to.given, o.name)
	o.set(to)
}

// commonOption is an option that apps and operators take.
type commonOption struct {
	op  opOption
	app func(*appConfig)
}

func (o commonOption) opOption(to *op)        { o.op.opOption(to) }
func (o commonOption) appOption(c *appConfig) { o.app(c) }

// The groups of options that operators take beyond the first three, which fit every one.
var (
	anyOptions    = []string{"Named", "OnError", "OnDropped"}
	sourceOptions = []string{"StartAt", "SkipInvalidTime", "UsePartitionTime", "WallClockTime"}
	tableOptions  = []string{"KeySerde", "ValueSerde", "InMemory", "NoCache", "NoChangelog", "TopicConfig"}
)

// newOp reads an operator's options. One that is not allowed is a fault.
func (b *Builder) newOp(kind string, opts []OpOption, allowed ...[]string) *op {
	o := &op{kind: kind}
	for _, opt := range opts {
		if opt == nil {
			b.faultf(o, "a nil option")
			continue
		}
		opt.opOption(o)
	}
	fits := slices.Concat(append(allowed, anyOptions)...)
	for _, name := range o.given {
		if !slices.Contains(fits, name) {
			b.faultf(o, "option %s does not fit", name)
		}
	}
	b.recovers = b.recovers || o.onError != nil
	if o.fault != nil {
		b.faultf(o, "%v", o.fault)
	}
	return o
}

// String names the operator in a message.
func (o *op) String() string {
	if o.name != "" {
		return fmt.Sprintf("%s %q", o.kind, o.name)
	}
	return o.kind
}

// ---- of a topic ----

type topicConfig[V any] struct {
	eventTime func(V) time.Time
}

type topicOption[V any] func(*topicConfig[V])

func (f topicOption[V]) topicOption(c *topicConfig[V]) { f(c) }

// EventTime reads the event time from the value; without it the broker's timestamp is taken. A null value keeps the broker's.
func EventTime[V any](f func(V) time.Time) TopicOption[V] {
	return topicOption[V](func(c *topicConfig[V]) { c.eventTime = f })
}

// ---- of any operator ----

// Named names the node, and the repartition topic if it makes one (joins: <named>-left-repartition, <named>-right-repartition).
func Named(name string) OpOption { return opOption{"Named", func(o *op) { o.name = name }} }

// KeySerde is the serde of the result's key; the key's type is checked by Build.
func KeySerde[K any](s serde.Serde[K]) OpOption {
	return opOption{"KeySerde", func(o *op) { o.key = s }}
}

// ValueSerde is the serde of the result's, or store's, value; its type is checked by Build.
func ValueSerde[V any](s serde.Serde[V]) OpOption {
	return opOption{"ValueSerde", func(o *op) { o.value = s }}
}

// OtherSerde is the serde of the right side's value in a join; its type is checked by Build.
func OtherSerde[V any](s serde.Serde[V]) OpOption {
	return opOption{"OtherSerde", func(o *op) { o.other = s }}
}

// OnError decides what becomes of a record that fails; RecordError.Phase says whether decoding, processing or producing did.
func OnError(f func(context.Context, *RecordError) Decision) CommonOption {
	return commonOption{opOption{"OnError", func(o *op) { o.onError = f }}, func(c *appConfig) { c.onError = f }}
}

// Dropped is a record that was dropped without an error.
type Dropped struct {
	Reason string
	Node   string
	Source processor.Source
	Time   time.Time
}

// OnDropped is called for every record that is dropped without an error, on the task's goroutine.
func OnDropped(f func(context.Context, Dropped)) CommonOption {
	h := func(ctx context.Context, r flow.Reason, node string, at time.Time, src processor.Source) {
		f(ctx, Dropped{Reason: r.String(), Node: node, Source: src, Time: at})
	}
	return commonOption{opOption{"OnDropped", func(o *op) { o.onDropped = h }}, func(c *appConfig) { c.onDropped = h }}
}

// ---- of a source ----

// ResetPolicy says where to start without a committed offset.
type ResetPolicy struct{ r topology.Reset }

// Earliest starts at the log's start; it is the default.
func Earliest() ResetPolicy { return ResetPolicy{topology.Reset{Policy: topology.ResetEarliest}} }

// Latest starts at the log's end.
func Latest() ResetPolicy { return ResetPolicy{topology.Reset{Policy: topology.ResetLatest}} }

// NoReset fails without a committed offset.
func NoReset() ResetPolicy { return ResetPolicy{topology.Reset{Policy: topology.ResetNone}} }

// Ago starts a duration before now.
func Ago(d time.Duration) ResetPolicy {
	return ResetPolicy{topology.Reset{Policy: topology.ResetAgo, Ago: d}}
}

// StartAt says where sources start without a committed offset.
func StartAt(p ResetPolicy) CommonOption {
	return commonOption{opOption{"StartAt", func(o *op) { o.reset = p.r }}, func(c *appConfig) { c.reset = p.r }}
}

// SkipInvalidTime drops records whose time, EventTime's too, is before the epoch; the default is to fail.
func SkipInvalidTime() OpOption {
	return opOption{"SkipInvalidTime", func(o *op) { o.time = flow.SkipInvalidTime }}
}

// UsePartitionTime gives records whose time is before the epoch the partition's time so far; without one it fails.
func UsePartitionTime() OpOption {
	return opOption{"UsePartitionTime", func(o *op) { o.time = flow.UsePartitionTime }}
}

// WallClockTime makes the time of reading the event time.
func WallClockTime() OpOption {
	return opOption{"WallClockTime", func(o *op) { o.time = flow.WallClockTime }}
}

// ---- of a repartition ----

// Partitions is the number of partitions of a repartition topic.
func Partitions(n int) OpOption {
	return opOption{"Partitions", func(o *op) {
		o.partitions = n
		if n < 1 {
			o.fault = errors.Join(o.fault, fmt.Errorf("Partitions(%d): at least one is needed", n))
		}
	}}
}

// PartitionBy chooses the partition in Repartition and in foreign-key joins, as Topic.PartitionBy does; the types are checked by Build.
func PartitionBy[K, V any](f func(key K, value V, partitions int) int) OpOption {
	return opOption{"PartitionBy", func(o *op) { o.partitioner = f }}
}

// ---- of a store ----

// InMemory keeps the store in memory; it is restored from its changelog at each start.
func InMemory() OpOption {
	return opOption{"InMemory", func(o *op) { o.store.inMemory = true }}
}

// NoCache takes the write-back cache away: every update is written and forwarded.
func NoCache() OpOption {
	return opOption{"NoCache", func(o *op) { o.store.noCache = true }}
}

// NoChangelog writes no changelog: what the machine loses is lost.
func NoChangelog() OpOption {
	return opOption{"NoChangelog", func(o *op) { o.store.noChangelog = true }}
}

// LRU keeps only the n rows used last, in memory and without a cache; an evicted row leaves nothing behind, in the changelog either, as in Kafka.
func LRU(n int) OpOption {
	return opOption{"LRU", func(o *op) {
		if o.store.lru = n; n < 1 {
			o.fault = errors.Join(o.fault, fmt.Errorf("LRU(%d) keeps nothing", n))
		}
	}}
}

// Retention is how long windows are kept. The default, and the least: size + grace; sliding 2 × difference + grace; session gap + grace.
func Retention(d time.Duration) OpOption {
	return opOption{"Retention", func(o *op) { o.store.retention = &d }}
}

// TopicConfig sets topic settings of the operator's internal topics, or of all.
func TopicConfig(settings map[string]string) CommonOption {
	return commonOption{opOption{"TopicConfig", func(o *op) { o.topicConfig = settings }}, func(c *appConfig) { c.topicConfig = settings }}
}

// Stores connects stores with a processor.
func Stores(stores ...state.Descriptor) OpOption {
	return opOption{"Stores", func(o *op) { o.stores = append(o.stores, stores...) }}
}

// ---- of windows ----

// EmitOnClose emits one result per window, when it closes, looked for as EmitEvery says; without it every update is emitted.
func EmitOnClose() OpOption { return opOption{"EmitOnClose", func(o *op) { o.emitOnClose = true }} }

// EmitEvery is how often at most, in wall-clock time, EmitOnClose and left and outer stream joins look for what has closed, which records close,
// or CloseIdleAfter; the default is 1 s, 0 is at each record.
func EmitEvery(d time.Duration) CommonOption {
	return commonOption{opOption{"EmitEvery", func(o *op) { o.emitEvery = &d }}, func(c *appConfig) { c.emitEvery = &d }}
}

// typeName is T's name in messages.
func typeName[T any]() string { return reflect.TypeFor[T]().String() }
