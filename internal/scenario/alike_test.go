package scenario_test

import (
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/murmur2"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/window"
)

// where is how a producer chooses the partition of a key.
type where func(key []byte, n int32) int32

// byCRC is librdkafka's default.
func byCRC(key []byte, n int32) int32 { return int32(crc32.ChecksumIEEE(key) % uint32(n)) }

// putBy writes count records to a topic of 4 partitions, whose keys begin with prefix.
func (s *scenario) putBy(topic string, by where, prefix string, count int) {
	s.t.Helper()
	cl, err := kgo.NewClient(append(quick(), kgo.SeedBrokers(s.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	var recs []*kgo.Record
	for i := range count {
		key := fmt.Append(nil, prefix, i)
		recs = append(recs, &kgo.Record{Topic: topic, Partition: by(key, 4), Key: key, Value: []byte(topic)})
	}
	if err := cl.ProduceSync(s.ctx, recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// unlike are the warnings of topics that are partitioned differently: "left and right", the first as by default.
func unlike(logs *observer.ObservedLogs) (all []string) {
	for _, e := range logs.FilterMessageSnippet("are partitioned differently").All() {
		all = append(all, strings.Join(strings.Fields(fmt.Sprint(e.ContextMap()["topics"])), " and "))
	}
	return all
}

var (
	leftSide, rightSide = weir.NewTopic("left", serde.String(), serde.String()), weir.NewTopic("right", serde.String(), serde.String())
	joinedSides         = weir.NewTopic("out", serde.String(), serde.String())
)

var sharedReadOnly = state.KeyValueStore("rows", serde.String(), serde.String())

// looking forwards what it is given, and could look it up.
type looking struct {
	rows state.KeyValue[string, string]
	out  processor.Forward[string, string]
}

func (p *looking) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.rows, p.out = sharedReadOnly.Bind(ctx), out
	return nil
}

func (p *looking) Process(r weir.Record[string, string]) error { return p.out(r) }

func both(_, l, r string) string { return l + r }

// sides are operators at which the records of left and right meet by key. out gets something for each record of left.
var sides = map[string]func(b *weir.Builder){
	"stream and table": func(b *weir.Builder) {
		weir.LeftJoinTable(weir.From(b, leftSide), weir.TableFrom(b, rightSide, "rows"), func(_, l string, _ *string) string { return l }).To(joinedSides)
	},
	"streams": func(b *weir.Builder) {
		l := weir.From(b, leftSide)
		weir.Join(l, weir.From(b, rightSide), "joined", window.Within(1e9), both)
		l.To(joinedSides)
	},
	"tables": func(b *weir.Builder) {
		weir.LeftJoinTables(weir.TableFrom(b, leftSide, "l"), weir.TableFrom(b, rightSide, "r"), func(_, l string, _ *string) string { return l }).ToStream().To(joinedSides)
	},
	"processors that share a store": func(b *weir.Builder) {
		shares(weir.From(b, rightSide))
		shares(weir.From(b, leftSide)).To(joinedSides)
	},
	"a read-only store": func(b *weir.Builder) {
		weir.ReadOnlyStore(b, rightSide, sharedReadOnly)
		l := weir.From(b, leftSide)
		weir.Process(l, func() *looking { return &looking{} }, weir.Stores(sharedReadOnly)).To(joinedSides)
	},
	"cogroup": func(b *weir.Builder) {
		l, add := weir.From(b, leftSide), func(_, v, _ string) string { return v }
		weir.AggregateCogroup(weir.Cogroup(func() string { return "" }, weir.Adding(l.GroupByKey(), add), weir.Adding(weir.From(b, rightSide).GroupByKey(), add)), "sums")
		l.To(joinedSides)
	},
}

// joinedBy runs an app until it has taken what is in left and right, and says of what it warned.
func (s *scenario) joinedBy(name string, declare func(b *weir.Builder), opts ...weir.AppOption) []string {
	s.t.Helper()
	core, logs := observer.New(zapcore.WarnLevel)
	app := s.start(name, built(s.t, declare), append([]weir.AppOption{weir.WithLogger(zap.New(core))}, opts...)...)
	s.until("the end of both topics", func() bool {
		stats := app.app.Stats()
		return stats.Records >= 2000 && stats.Lag["left"].Records == 0 && stats.Lag["right"].Records == 0
	})
	s.end(app)
	return unlike(logs)
}

// Topics whose producers choose partitions differently are told of, once, where their records are to meet; those that are partitioned alike are not.
func TestSidesThatArePartitionedDifferently(t *testing.T) {
	for name, c := range map[string]struct {
		left, right where
		prefix      string // of right's keys
		want        string
	}{
		"alike":                  {murmur2.Partition, murmur2.Partition, "k", "[]"},
		"alike, not by default":  {byCRC, byCRC, "k", "[]"},
		"right differs":          {murmur2.Partition, byCRC, "k", "[[left and right]]"},
		"left differs, no match": {byCRC, murmur2.Partition, "x", "[[right and left]]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScenario(t, false, "left", "right")
			s.putBy("left", c.left, "k", 1000)
			s.putBy("right", c.right, c.prefix, 1000)
			for op, declare := range sides {
				if got := fmt.Sprint(s.joinedBy(strings.ReplaceAll(op, " ", "-"), declare, weir.Workers(2))); got != c.want {
					t.Errorf("%s: warned of %s, want %s", op, got, c.want)
				}
			}
		})
	}
}

// Where no records meet by key nothing is told of: a topic alone, two that are merged, and a side that is repartitioned.
func TestPartitioningThatHarmsNobody(t *testing.T) {
	s := newScenario(t, false, "left", "right")
	s.putBy("left", murmur2.Partition, "k", 1000)
	s.putBy("right", byCRC, "k", 1000)
	for op, declare := range map[string]func(b *weir.Builder){
		"apart": func(b *weir.Builder) {
			weir.From(b, leftSide).To(joinedSides)
			weir.Count(weir.From(b, rightSide).GroupByKey(), "n")
		},
		"merged": func(b *weir.Builder) {
			weir.From(b, leftSide).Merge(weir.From(b, rightSide)).To(joinedSides)
		},
		"repartitioned": func(b *weir.Builder) {
			again := weir.From(b, rightSide).Repartition("again").ToTable("rows")
			weir.LeftJoinTable(weir.From(b, leftSide), again, func(_, l string, _ *string) string { return l }).To(joinedSides)
		},
	} {
		if got := s.joinedBy(op, declare); len(got) != 0 {
			t.Errorf("%s: warned of %s", op, got)
		}
	}
}

// Windowed keys go where the inner key goes: a topic of them is partitioned as one of the keys alone.
func TestWindowedKeysArePartitionedByWhatIsInThem(t *testing.T) {
	s := newScenario(t, false, "left", "right")
	s.putBy("left", murmur2.Partition, "k", 1000)
	inner := func(key []byte, n int32) int32 { return murmur2.Partition(key[:len(key)-8], n) }
	windowed := window.KeySerde(serde.String(), 1e9)
	cl, err := kgo.NewClient(append(quick(), kgo.SeedBrokers(s.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range 1000 {
		key := fmt.Append(nil, "k", i, "\x00\x00\x00\x00\x00\x00\x00\x00")
		cl.Produce(s.ctx, &kgo.Record{Topic: "right", Partition: inner(key, 4), Key: key, Value: []byte("v")}, nil)
	}
	if err := cl.Flush(s.ctx); err != nil {
		t.Fatal(err)
	}
	got := s.joinedBy("windowed", func(b *weir.Builder) {
		counts := weir.Reduce(weir.From(b, leftSide).GroupByKey().WindowedBy(window.Tumbling(1e9)), "counts", func(sum, _ string) string { return sum })
		rows := weir.TableFrom(b, weir.NewTopic("right", windowed, serde.String()), "rows")
		weir.JoinTables(counts, rows, func(_ window.Key[string], l, r string) string { return l + r })
	})
	if len(got) != 0 {
		t.Errorf("warned of %s", got)
	}
}
