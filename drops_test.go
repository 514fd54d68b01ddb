package weir_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// drop is a topology whose node "drops" drops the record at offset 1, and no other.
type drop struct {
	declare func(b *weir.Builder)
	decide  weir.Decision // of the app
	feed    func(d *weirtest.Driver)
	node    string           // where it is not "drops"
	source  processor.Source // where it is not "in", offset 1
}

// before1970 gives the second of two records, at 1 and at 2 s, a time that there is not.
var before1970 = badIn.EventTimeBy(func(r weir.Record[string, int64], _ time.Time) time.Time { return at(-r.Time.UnixMilli() + 1500) })

// word is a key for 0 alone.
func word(v int64) *string {
	if v != 0 {
		return nil
	}
	zero := "zero"
	return &zero
}

// groupsTo counts rows by what f makes of them.
func groupsTo(b *weir.Builder, f func(int64) (*string, *int64), opts ...weir.OpOption) {
	t := weir.TableFrom(b, badIn, "s", opts...)
	groups := weir.GroupTableBy(t, func(_ string, v int64) (*string, *int64) { return f(v) }, weir.Named("drops"), weir.KeySerde(serde.Nullable(serde.String())), weir.ValueSerde(serde.Nullable(serde.Int64())))
	weir.Count(groups, "n", opts...)
}

func joinsStreams(b *weir.Builder) {
	weir.Join(weir.From(b, badIn), weir.From(b, badOut), "drops", window.Within(time.Second), func(string, int64, int64) int64 { return 0 })
}

// raw feeds a good record and then one of these bytes.
func rawFeed(key, value []byte) func(*weirtest.Driver) {
	return func(d *weirtest.Driver) {
		d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(1000))
		d.SendRaw("in", 0, key, value, at(2000))
	}
}

// times feeds two good records at these times.
func times(first, second int64) func(*weirtest.Driver) {
	return func(d *weirtest.Driver) {
		d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(first))
		d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(second))
	}
}

// second is a value function that fails for the second record.
func failsAtSecond() func(int64) int64 {
	n := 0
	return func(v int64) int64 {
		if n++; n == 2 {
			panic(errBad)
		}
		return v
	}
}

var windowStore = state.WindowStore("kept", serde.String(), serde.Int64(), time.Second, state.Retention(time.Minute))

// keeper puts each record into a window store.
type keeper struct{ kept state.Window[string, int64] }

func (k *keeper) Init(ctx processor.Context, _ processor.Forward[string, int64]) error {
	k.kept = windowStore.Bind(ctx)
	return nil
}

func (k *keeper) Process(r weir.Record[string, int64]) error {
	return k.kept.Put(r.Key, r.Time, r.Value)
}

// byReason has a case, or several, for every reason.
var byReason = map[flow.Reason]map[string]drop{
	flow.NullKey: {
		"aggregation": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey(), "s", weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"global join": {declare: func(b *weir.Builder) {
			weir.JoinGlobal(weir.From(b, badIn), weir.GlobalFrom(b, badOut, "s"), func(k string, v int64) (string, bool) { return k, k != "" }, func(string, int64, int64) int64 { return 0 }, weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"windows": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Tumbling(time.Second)), "s", weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"table": {declare: func(b *weir.Builder) {
			weir.TableFrom(b, badIn, "s", weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"map": {declare: func(b *weir.Builder) {
			weir.Map(weir.From(b, badIn), func(k string, v int64) (string, int64) { return k, v }, weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"join": {declare: func(b *weir.Builder) {
			weir.JoinTable(weir.From(b, badIn), weir.TableFrom(b, badOut, "s"), func(string, int64, int64) int64 { return 0 }, weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"streams": {node: "drops-this-join", declare: joinsStreams, feed: rawFeed(nil, make([]byte, 8))},
		"global table": {declare: func(b *weir.Builder) {
			weir.GlobalFrom(b, badIn, "s", weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"read-only store": {declare: func(b *weir.Builder) {
			weir.ReadOnlyStore(b, badIn, state.KeyValueStore("s", serde.String(), serde.Int64()), weir.Named("drops"))
		}, feed: rawFeed(nil, make([]byte, 8))},
		"grouped table": {declare: func(b *weir.Builder) {
			groupsTo(b, func(v int64) (*string, *int64) { return word(v), &v }, weir.NoCache())
		}, feed: rawFeed([]byte("l"), []byte("12345678"))},
	},
	flow.NullValue: {
		"streams": {node: "drops-this-join", declare: joinsStreams, feed: rawFeed([]byte("k"), nil)},
		"grouped table": {declare: func(b *weir.Builder) {
			key := "k"
			groupsTo(b, func(v int64) (*string, *int64) {
				if v != 0 {
					return &key, nil
				}
				return &key, &v
			}, weir.NoCache())
		}, feed: rawFeed([]byte("l"), []byte("12345678"))},
		"aggregation": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey(), "s", weir.Named("drops"))
		}, feed: rawFeed([]byte("k"), nil)},
		"global join": {declare: func(b *weir.Builder) {
			weir.LeftJoinGlobal(weir.From(b, badIn), weir.GlobalFrom(b, badOut, "s"), func(k string, v int64) (string, bool) { return k, true }, func(string, int64, *int64) int64 { return 0 }, weir.Named("drops"))
		}, feed: rawFeed([]byte("k"), nil)},
		"map": {declare: func(b *weir.Builder) {
			weir.Map(weir.From(b, badIn), func(k string, v int64) (string, int64) { return k, v }, weir.Named("drops"))
		}, feed: rawFeed([]byte("k"), nil)},
		"sliding windows": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Sliding(time.Second)), "s", weir.Named("drops"))
		}, feed: rawFeed([]byte("k"), nil)},
	},
	flow.Late: {
		"sliding windows": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Sliding(time.Second)), "s", weir.Named("drops"))
		}, feed: times(5000, 1000)},
		"a sliding window": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Sliding(time.Second)), "s", weir.Named("drops"))
		}, feed: times(5000, 4500)},
		"windows": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Tumbling(time.Second)), "s", weir.Named("drops"))
		}, feed: times(5000, 1000)},
		"sessions": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Session(time.Second)), "s", weir.Named("drops"))
		}, feed: times(5000, 1000)},
		"suppression": {declare: func(b *weir.Builder) {
			sums := weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Tumbling(time.Second)), "s", weir.NoCache())
			sums.Suppress("drops", weir.UntilWindowCloses(), weir.CloseIdleAfter(time.Minute))
		}, feed: func(d *weirtest.Driver) {
			d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(1000))
			d.AdvanceWallClock(time.Minute) // the suppression takes the window for closed, the aggregation does not
			d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(1500))
		}},
	},
	flow.Expired: {
		"streams": {node: "drops-this-windowed", declare: joinsStreams, feed: times(int64(time.Hour/time.Millisecond), 1000)},
		"window store": {declare: func(b *weir.Builder) {
			weir.Process(weir.From(b, badIn), func() *keeper { return &keeper{} }, weir.Stores(windowStore), weir.Named("drops"))
		}, feed: times(int64(time.Hour/time.Millisecond), 1000)},
		"versioned table": {declare: func(b *weir.Builder) {
			weir.TableFrom(b, badIn, "s", weir.Versioned(time.Second), weir.Named("drops"))
		}, feed: times(int64(time.Hour/time.Millisecond), 1000)},
	},
	flow.Undecodable: {
		"source": {declare: func(b *weir.Builder) { weir.From(b, badIn, weir.Named("drops")) }, decide: weir.Skip(), feed: rawFeed([]byte("k"), []byte("abc"))},
		"time": {declare: func(b *weir.Builder) {
			weir.From(b, badIn.EventTimeBy(func(r weir.Record[string, int64], _ time.Time) time.Time { return at(-r.Time.UnixMilli() + 1500) }), weir.Named("drops"))
		}, decide: weir.Skip(), feed: times(1000, 2000)},
	},
	flow.InvalidTime: {
		"source": {declare: func(b *weir.Builder) {
			weir.From(b, before1970, weir.SkipInvalidTime(), weir.Named("drops"))
		}, feed: times(1000, 2000)},
		"global table": {declare: func(b *weir.Builder) {
			weir.GlobalFrom(b, before1970, "s", weir.SkipInvalidTime(), weir.Named("drops"))
		}, node: "drops-source", feed: times(1000, 2000)},
		"global store": {declare: func(b *weir.Builder) {
			weir.GlobalStore(b, before1970, windowStore, func() *keeper { return &keeper{} }, weir.SkipInvalidTime(), weir.Named("drops"))
		}, node: "drops-source", feed: times(1000, 2000)},
		"read-only store": {declare: func(b *weir.Builder) {
			weir.ReadOnlyStore(b, before1970, state.KeyValueStore("s", serde.String(), serde.Int64()), weir.SkipInvalidTime(), weir.Named("drops"))
		}, node: "drops-source", feed: times(1000, 2000)},
	},
	flow.Failed: {
		"user code": {declare: func(b *weir.Builder) {
			weir.MapValues(weir.From(b, badIn), failsAtSecond(), weir.Named("drops"))
		}, decide: weir.Skip(), feed: times(1000, 2000)},
	},
	flow.Unwritable: {
		"serde": {declare: func(b *weir.Builder) {
			encode := failsAtSecond()
			codec := serde.New("bad", func(dst []byte, v int64) ([]byte, error) { return serde.Int64().Append(dst, encode(v)) }, serde.Int64().Decode)
			weir.From(b, badIn).To(weir.NewTopic("out", serde.String(), codec), weir.Named("drops"))
		}, decide: weir.Skip(), feed: times(1000, 2000)},
		"partitioner": {declare: func(b *weir.Builder) {
			choose := failsAtSecond()
			weir.From(b, badIn).To(badOut.PartitionBy(func(_ string, v int64, _ int) int { return int(choose(v)) }), weir.Named("drops"))
		}, decide: weir.Skip(), feed: times(1000, 2000)},
	},
	flow.DeadLettered: {
		"source": {declare: func(b *weir.Builder) { weir.From(b, badIn, weir.Named("drops")) }, decide: weir.DeadLetter("dead"), feed: rawFeed([]byte("k"), []byte("abc"))},
		"user code": {declare: func(b *weir.Builder) {
			weir.MapValues(weir.From(b, badIn), failsAtSecond(), weir.Named("drops"))
		}, decide: weir.DeadLetter("dead"), feed: times(1000, 2000)},
	},
	flow.NoPartition: {
		"partitioner": {declare: func(b *weir.Builder) {
			n := 1
			weir.From(b, badIn).To(badOut.PartitionBy(func(string, int64, int) int { n--; return n }), weir.Named("drops"))
		}, feed: times(1000, 2000)},
		"multicast": {declare: func(b *weir.Builder) {
			parts := []int{0}
			weir.From(b, badIn).To(badOut.Multicast(func(string, int64, int) []int { p := parts; parts = nil; return p }), weir.Named("drops"))
		}, feed: times(1000, 2000)},
	},
	flow.NoTopic: {
		"sink": {declare: func(b *weir.Builder) {
			weir.From(b, badIn).ToFunc(func(r weir.Record[string, int64]) weir.Topic[string, int64] {
				if r.Time.Equal(at(1000)) {
					return badOut
				}
				return weir.Topic[string, int64]{}
			}, weir.Named("drops"))
		}, feed: times(1000, 2000)},
	},
	flow.OutOfOrder: {
		"changes": {declare: func(b *weir.Builder) {
			weir.Changes(weir.TableFrom(b, badIn, "s", weir.Versioned(time.Hour)), weir.Named("drops"))
		}, feed: times(2000, 1000)},
		"grouped table": {declare: func(b *weir.Builder) {
			weir.Count(weir.GroupTableBy(weir.TableFrom(b, badIn, "s", weir.Versioned(time.Hour)), func(k string, v int64) (string, int64) { return k, v }, weir.Named("drops")), "n")
		}, feed: times(2000, 1000)},
	},
	flow.BeforeStart: {
		"unlimited": {declare: func(b *weir.Builder) {
			weir.Count(weir.From(b, badIn).GroupByKey().WindowedBy(window.Unlimited(at(1500))), "s", weir.Named("drops"))
		}, feed: times(3000, 1000)},
	},
	flow.NullForeignKey: {
		"foreign-key join": {declare: func(b *weir.Builder) { badForeign(b) }, node: "drops-subscription-registration-processor", feed: rawFeed([]byte("k"), []byte("1234567-"))},
	},
	flow.Stale: {
		"foreign-key join": {declare: func(b *weir.Builder) { badForeign(b) }, feed: func(d *weirtest.Driver) {
			d.SendRaw("out", 0, make([]byte, 8), make([]byte, 8), at(1000))
			d.Together(func() { // the second changes the row before the answer to the first is there
				d.SendRaw("in", 0, []byte("k"), make([]byte, 8), at(2000))
				d.SendRaw("in", 0, []byte("k"), []byte("1234567+"), at(2000))
			})
		}, node: "drops-subscription-response-resolver", source: processor.Source{Topic: "test-drops-subscription-response-topic"}},
	},
}

// badForeign joins in by a foreign key of 0 with out. A value that ends in "-" has none.
func badForeign(b *weir.Builder) {
	right := weir.NewTopic("out", serde.Int64(), serde.Int64())
	on := func(_ string, v int64) (int64, bool) { return 0, byte(v) != '-' }
	weir.JoinForeign(weir.TableFrom(b, badIn, "s", weir.NoCache()), weir.TableFrom(b, right, "o", weir.NoCache()), "drops", on, func(_ string, x, y int64) int64 { return x + y })
}

// TestEveryReasonOfADrop has the case of every reason counted once by its node and reason, and told with the record's coordinates.
func TestEveryReasonOfADrop(t *testing.T) {
	for _, reason := range flow.Reasons() {
		if len(byReason[reason]) == 0 {
			t.Errorf("nothing is known to drop a record as %q: give it a case, or take the reason away", reason)
		}
		for _, name := range slices.Sorted(maps.Keys(byReason[reason])) {
			t.Run(reason.String()+"/"+name, func(t *testing.T) {
				if err := droppedAs(t, reason, byReason[reason][name]); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// droppedAs runs a case and says how it was not dropped for the reason.
func droppedAs(t *testing.T, reason flow.Reason, c drop) error {
	c.node = cmp.Or(c.node, "drops")
	c.source = cmp.Or(c.source, processor.Source{Topic: "in", Partition: 0, Offset: 1})
	var told []weir.Dropped
	note := weir.OnDropped(func(_ context.Context, x weir.Dropped) { told = append(told, x) })
	decide := (&always{decision: c.decide}).option()
	d := weirtest.New(t, built(t, c.declare), weirtest.With(note, decide))
	c.feed(d)
	var faults []error
	if got := d.Dropped(); len(got) != 1 || !maps.Equal(got[c.node], map[string]int64{reason.String(): 1}) {
		faults = append(faults, errors.New("the counters differ"))
		t.Logf("counted %v", got)
	}
	if len(told) != 1 || told[0].Reason != reason.String() || told[0].Node != c.node || told[0].Source != c.source || told[0].Time.IsZero() {
		faults = append(faults, errors.New("the handler was told otherwise"))
		t.Logf("told %+v", told)
	}
	return errors.Join(faults...)
}

// TestTheDropCheckComplains gives the check a case that drops for another reason, and one that drops nothing.
func TestTheDropCheckComplains(t *testing.T) {
	late := byReason[flow.Late]["windows"]
	if err := droppedAs(t, flow.Expired, late); err == nil || !strings.Contains(err.Error(), "counters") || !strings.Contains(err.Error(), "told") {
		t.Errorf("a drop for another reason: %v", err)
	}
	late.feed = times(1000, 1000)
	if err := droppedAs(t, flow.Late, late); err == nil {
		t.Error("no drop, and no complaint")
	}
}

// TestTheOperatorsOnDroppedWins has both handlers.
func TestTheOperatorsOnDroppedWins(t *testing.T) {
	var app, op int
	count := func(n *int) weir.CommonOption { return weir.OnDropped(func(context.Context, weir.Dropped) { *n++ }) }
	d := weirtest.New(t, built(t, func(b *weir.Builder) {
		s := weir.From(b, badIn)
		weir.Count(s.GroupByKey(), "s", count(&op))
		weir.Count(s.GroupByKey(), "t")
	}), weirtest.With(count(&app)))
	d.SendRaw("in", 0, nil, make([]byte, 8), at(0))
	if app != 1 || op != 1 {
		t.Errorf("the app's was told %d times, the operator's %d", app, op)
	}
}

// TestWhatAStoreDropsIsTheOperatorsToTell has the cases of stores that drop what is too old, with a handler of the operator's own.
func TestWhatAStoreDropsIsTheOperatorsToTell(t *testing.T) {
	for name, declare := range map[string]func(*weir.Builder, weir.OpOption){
		"streams": func(b *weir.Builder, own weir.OpOption) {
			weir.Join(weir.From(b, badIn), weir.From(b, badOut), "drops", window.Within(time.Second), func(string, int64, int64) int64 { return 0 }, own)
		},
		"window store": func(b *weir.Builder, own weir.OpOption) {
			weir.Process(weir.From(b, badIn), func() *keeper { return &keeper{} }, weir.Stores(windowStore), own)
		},
		"versioned table": func(b *weir.Builder, own weir.OpOption) {
			weir.TableFrom(b, badIn, "s", weir.Versioned(time.Second), own)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var told []weir.Dropped
			own := weir.OnDropped(func(_ context.Context, x weir.Dropped) { told = append(told, x) })
			app := weir.OnDropped(func(_ context.Context, x weir.Dropped) { t.Errorf("the app was told of %+v", x) })
			d := weirtest.New(t, built(t, func(b *weir.Builder) { declare(b, own) }), weirtest.With(app))
			times(int64(time.Hour/time.Millisecond), 1000)(d)
			want := processor.Source{Topic: "in", Offset: 1}
			if len(told) != 1 || told[0].Reason != flow.Expired.String() || told[0].Source != want || d.Dropped()[told[0].Node]["expired"] != 1 {
				t.Errorf("told %+v, counted %v", told, d.Dropped())
			}
		})
	}
}
