package weir_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
	"github.com/weirstream/weir/window"
)

// secondOf is the second with which a reading begins: "12 warm".
func secondOf(reading string) time.Time {
	text, _, _ := strings.Cut(reading, " ")
	n, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0)
}

var readings = weir.NewTopic("readings", serde.String(), serde.String(), weir.EventTime(secondOf))

func printTimes(out *weirtest.Output[string, string]) {
	for _, r := range out.All() {
		fmt.Printf("%s %q at %ds\n", r.Key, r.Value, r.Time.Unix())
	}
}

// A topic says where the time of its records is: in the value, or, by EventTimeBy, in anything that a record has.
func ExampleEventTime() {
	delayed := weir.NewTopic("delayed", serde.String(), serde.String()).EventTimeBy(func(r weir.Record[string, string], _ time.Time) time.Time {
		return r.Time.Add(-time.Minute) // the broker's time, less what the way here takes
	})
	b := weir.NewBuilder()
	weir.From(b, readings).Merge(weir.From(b, delayed)).To(output)

	d := driven(b)
	weirtest.In(d, readings).SendAt("kitchen", "12 warm", time.Unix(500, 0))
	weirtest.In(d, delayed).SendAt("garden", "cold", time.Unix(100, 0))
	printTimes(weirtest.Out(d, output))
	// Output:
	// kitchen "12 warm" at 12s
	// garden "cold" at 40s
}

// A time before 1970 is an error, unless the source says what to do: drop the record, take the partition's greatest time so far, or the wall clock's.
func ExampleSkipInvalidTime() {
	for _, policy := range []weir.OpOption{weir.SkipInvalidTime(), weir.UsePartitionTime(), weir.WallClockTime()} {
		b := weir.NewBuilder()
		weir.From(b, readings, policy).To(output)

		d := weirtest.New(theTest{}, mustBuild(b), weirtest.StartTime(time.Unix(1000, 0)))
		in := weirtest.In(d, readings)
		in.Send("kitchen", "12 warm")
		in.Send("garden", "-1 cold")
		printTimes(weirtest.Out(d, output))
		fmt.Println(d.Dropped())
	}
	// Output:
	// kitchen "12 warm" at 12s
	// map[from-1:map[invalid time:1]]
	// kitchen "12 warm" at 12s
	// garden "-1 cold" at 12s
	// map[]
	// kitchen "12 warm" at 1000s
	// garden "-1 cold" at 1000s
	// map[]
}

// One source reads every topic whose whole name matches.
func ExampleTopicsMatching() {
	b := weir.NewBuilder()
	weir.From(b, weir.TopicsMatching("views-[a-z]+", serde.String(), serde.String())).To(output)

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.Partitions("views-eu", 1), weirtest.Partitions("views-us", 1))
	weirtest.In(d, weir.NewTopic("views-eu", serde.String(), serde.String())).Send("ann", "/tea")
	weirtest.In(d, weir.NewTopic("views-us", serde.String(), serde.String())).Send("bob", "/jam")
	printAll(weirtest.Out(d, output))
	// Output:
	// ann /tea
	// bob /jam
}

// Where records are written: to a partition, to none, to the one of the key's hash, or to several.
func ExampleTopic_PartitionBy() {
	b := weir.NewBuilder()
	s := weir.From(b, pageViews)
	s.To(output.PartitionBy(func(_, page string, partitions int) int {
		switch page {
		case "/secret":
			return -1
		case "/last":
			return partitions - 1
		}
		return weir.DefaultPartition
	}))
	s.To(answers.Multicast(func(_, page string, partitions int) (all []int) {
		for p := range partitions {
			if page == "/all" || p == 0 {
				all = append(all, p)
			}
		}
		return all
	}))

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.Partitions("out", 4), weirtest.Partitions("answers", 2))
	in := weirtest.In(d, pageViews)
	for _, page := range []string{"/secret", "/last", "/tea", "/all"} {
		in.Send("ann", page)
	}
	for _, r := range append(d.Records("out"), d.Records("answers")...) {
		fmt.Printf("%s-%d %s\n", r.Topic, r.Partition, r.Value)
	}
	// Unordered output:
	// out-3 /last
	// out-2 /tea
	// out-2 /all
	// answers-0 /secret
	// answers-0 /last
	// answers-0 /tea
	// answers-0 /all
	// answers-1 /all
}

// A repartition topic with as many partitions, and the partitioner, that it is given.
func ExamplePartitionBy() {
	b := weir.NewBuilder()
	byLength := func(_, page string, partitions int) int { return len(page) % partitions }
	weir.From(b, pageViews).Repartition("spread", weir.Partitions(3), weir.PartitionBy(byLength)).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.Send("ann", "/tea")
	in.Send("ann", "/cups")
	for _, r := range d.Records("test-spread-repartition") {
		fmt.Printf("%s-%d %s\n", r.Topic, r.Partition, r.Value)
	}
	// Unordered output:
	// test-spread-repartition-1 /tea
	// test-spread-repartition-2 /cups
}

// An empty input is waited for, so that records are taken in the order of their times over all inputs.
func ExampleMaxTaskIdle() {
	b := weir.NewBuilder()
	weir.From(b, pageViews).Merge(weir.From(b, placedOrders)).To(output)

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.With(weir.MaxTaskIdle(time.Second)))
	out := weirtest.Out(d, output)
	weirtest.In(d, pageViews).SendAt("ann", "pays at 20", time.Unix(20, 0))
	weirtest.In(d, placedOrders).SendAt("ann", "orders at 10", time.Unix(10, 0))
	printTimes(out)
	d.AdvanceWallClock(time.Second) // no order came in the meantime
	printTimes(out)
	// Output:
	// ann "orders at 10" at 10s
	// ann "pays at 20" at 20s
}

// Closed windows are looked for at most so often; what a record closed too soon after a look is emitted by a timer. A store keeps windows for longer than it must
// if it is to be asked for them.
func ExampleEmitEvery() {
	b := weir.NewBuilder()
	perSecond := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Tumbling(time.Second))
	counts := weir.Count(perSecond, "views", weir.EmitOnClose(), weir.EmitEvery(time.Minute), weir.Retention(time.Hour))
	weir.Unwindow(counts.ToStream()).To(tallies)

	d := driven(b)
	in, out := weirtest.In(d, pageViews), weirtest.Out(d, tallies)
	in.SendAt("ann", "/tea", time.Unix(1, 0))
	in.SendAt("ann", "/jam", time.Unix(2, 0)) // closes the first second, too soon after the first look
	fmt.Println(len(out.All()))
	d.AdvanceWallClock(time.Minute)
	printAll(out)
	in.SendAt("ann", "/rye", time.Unix(1800, 0))
	n, ok, err := weirtest.Store(d, weir.WindowStoreOf(counts)).Get("ann", time.Unix(1, 0)) // half an hour later it is there
	fmt.Println(n, ok, err)
	// Output:
	// 0
	// ann 1
	// 1 true <nil>
}

// A store in memory is filled from its changelog at each start. A table that nobody looks into needs none.
func ExampleInMemory() {
	b := weir.NewBuilder()
	table := weir.TableFrom(b, prices, "prices", weir.InMemory())
	weir.TableFrom(b, orders, "orders", weir.IfNeeded()).ToStream().To(tallies)

	d := driven(b)
	weirtest.In(d, prices).Send("tea", 3)
	d.Restart()
	price, ok, err := weirtest.Store(d, table.Store()).Get("tea")
	fmt.Println(price, ok, err)
	fmt.Println(d.Topics())
	// Output:
	// 3 true <nil>
	// [orders prices test-prices-changelog]
}

// A payment is joined with what its customer ordered in the ten seconds before it. The other side's values are kept with a serde that says so.
func ExampleOtherSerde() {
	paid := weir.NewTopic("paid", serde.String(), serde.String())
	b := weir.NewBuilder()
	upToTenBefore := window.Within(0).Before(10 * time.Second).After(0)
	weir.Join(weir.From(b, paid), weir.From(b, placedOrders), "paid-orders", upToTenBefore, func(_, payment, article string) string {
		return article + " for " + payment
	}, weir.OtherSerde(serde.JSON[string]())).To(output)

	d := driven(b)
	order, pay := weirtest.In(d, placedOrders), weirtest.In(d, paid)
	order.SendAt("ann", "tea", time.Unix(1, 0))
	order.SendAt("ann", "jam", time.Unix(5, 0))
	pay.SendAt("ann", "7", time.Unix(12, 0))
	order.SendAt("ann", "rye", time.Unix(13, 0)) // after the payment
	printTimes(weirtest.Out(d, output))
	fmt.Printf("%s\n", d.Changelog("paid-orders-other-join-store")[0].Value)
	// Output:
	// ann "jam for 7" at 12s
	// "tea"
}

// One count per user, from a moment on, without end.
func ExampleGrouped_WindowedBy_unlimited() {
	b := weir.NewBuilder()
	fromThenOn := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Unlimited(time.Unix(100, 0)))
	weir.Unwindow(weir.Count(fromThenOn, "views").ToStream()).To(tallies)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", time.Unix(99, 0))
	in.SendAt("ann", "/jam", time.Unix(100, 0))
	in.SendAt("ann", "/rye", time.Unix(1e9, 0))
	printAll(weirtest.Out(d, tallies))
	fmt.Println(d.Dropped())
	// Output:
	// ann 1
	// ann 2
	// map[count-1:map[before start:1]]
}

// At most one change of a price in ten seconds, and no more than two that wait.
func ExampleUntilTimeLimit() {
	b := weir.NewBuilder()
	calm := weir.UntilTimeLimit(10 * time.Second).MaxRecords(2).MaxBytes(1 << 20).EmitEarlyWhenFull()
	weir.TableFrom(b, prices, "prices", weir.NoCache()).Suppress("calm", calm).ToStream().To(tallies)

	d := driven(b)
	in, out := weirtest.In(d, prices), weirtest.Out(d, tallies)
	in.SendAt("tea", 3, time.Unix(1, 0))
	in.SendAt("tea", 4, time.Unix(2, 0))
	in.SendAt("jam", 7, time.Unix(3, 0))
	fmt.Println("waiting:", len(out.All()))
	in.SendAt("rye", 2, time.Unix(4, 0)) // one too many: the oldest goes
	printAll(out)
	in.SendAt("rye", 5, time.Unix(13, 0)) // jam has waited long enough
	printAll(out)
	// Output:
	// waiting: 0
	// tea 4
	// jam 7
}

// A buffer that must hold all stops the task when it cannot. It is no use to go on: what did not fit would be lost.
func ExampleSuppression_StopWhenFull() {
	b := weir.NewBuilder()
	small := weir.UntilTimeLimit(time.Hour).MaxRecords(1).StopWhenFull()
	weir.TableFrom(b, prices, "prices", weir.NoCache()).Suppress("small", small).ToStream().To(tallies)

	d := driven(b)
	in := weirtest.In(d, prices)
	in.SendAt("tea", 3, time.Unix(1, 0))
	err := in.TrySendRecord(processor.NewRecord("jam", int64(7), time.Unix(2, 0)))
	fmt.Println(errors.Is(err, weir.ErrSuppressFull))
	// Output: true
}

// patience counts a user's views in a store that it names itself, tells the counts every minute of event time, and has them committed before others see them.
type patience struct {
	ctx   processor.Context
	out   processor.Forward[string, string]
	views state.KeyValue[string, int64]
}

var viewsSoFar = state.KeyValueStore("views", serde.String(), serde.Int64(), state.Cached())

func (p *patience) Stores() []state.Descriptor { return []state.Descriptor{viewsSoFar} }

func (p *patience) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	p.ctx, p.out, p.views = ctx, out, viewsSoFar.Bind(ctx)
	ctx.Schedule(processor.StreamTime(time.Minute).From(time.Unix(60, 0)), p.tell)
	return nil
}

func (p *patience) Process(r weir.Record[string, string]) error {
	n, _, err := p.views.Get(r.Key)
	if err != nil {
		return err
	}
	return p.views.Put(r.Key, n+1)
}

func (p *patience) tell(now time.Time) error {
	for user, n := range p.views.All() {
		if err := p.out(processor.NewRecord(user, strconv.FormatInt(n, 10), now)); err != nil {
			return err
		}
	}
	p.ctx.RequestCommit()
	return p.views.Err()
}

// A schedule calls once, with the time of the call, however many of its times have passed. A cached store writes to its changelog when a commit comes.
func ExampleProcess_schedule() {
	b := weir.NewBuilder()
	weir.Process(weir.From(b, pageViews), func() *patience { return new(patience) }).To(output)

	d := weirtest.New(theTest{}, mustBuild(b), weirtest.CommitEvery(0))
	in, out := weirtest.In(d, pageViews), weirtest.Out(d, output)
	in.SendAt("ann", "/tea", time.Unix(10, 0))
	in.SendAt("ann", "/jam", time.Unix(50, 0))
	fmt.Println(len(d.Changelog("views")))
	in.SendAt("bob", "/tea", time.Unix(200, 0)) // 60, 120 and 180 have passed
	printTimes(out)
	fmt.Println(len(d.Changelog("views")))
	// Output:
	// 0
	// ann "2" at 200s
	// bob "1" at 200s
	// 2
}

// lastTen remembers views in windows, visits as sessions, and pages in a store of its own making.
type lastTen struct {
	out   processor.Forward[string, string]
	views state.Window[string, string]
	stays state.Session[string, string]
	pages *pages
}

// pages is a set of pages over the byte rows of a custom store.
type pages struct{ rows state.Rows }

func (p *pages) add(page string) (n int, err error) {
	if err := p.rows.Put([]byte(page), []byte{}); err != nil {
		return 0, err
	}
	for range p.rows.Scan(nil, bytes.Repeat([]byte{0xff}, 4)) {
		n++
	}
	return n, nil
}

var (
	viewsByTime = state.WindowStore("by-time", serde.String(), serde.String(), 10*time.Second, state.Retention(time.Minute))
	staysOf     = state.SessionStore("stays", serde.String(), serde.String(), state.Retention(time.Minute))
	allPages    = state.CustomStore("pages", func(r state.Rows) (*pages, error) { return &pages{r}, nil })
)

func (l *lastTen) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	l.out, l.views, l.stays, l.pages = out, viewsByTime.Bind(ctx), staysOf.Bind(ctx), allPages.Bind(ctx)
	return nil
}

func (l *lastTen) Process(r weir.Record[string, string]) error {
	if err := l.views.Put(r.Key, r.Time, r.Value); err != nil {
		return err
	}
	stay := window.NewKey(r.Key, r.Time.UnixMilli(), r.Time.Add(5*time.Second).UnixMilli())
	if err := l.stays.Put(stay, r.Value); err != nil {
		return err
	}
	n, err := l.pages.add(r.Value)
	if err != nil {
		return err
	}
	var seen []string
	for _, page := range l.views.Fetch(r.Key, r.Time.Add(-10*time.Second), r.Time) {
		seen = append(seen, page)
	}
	on := 0
	for range l.stays.FindSessions(r.Key, r.Time, r.Time) {
		on++
	}
	return l.out(processor.WithValue(r, fmt.Sprintf("%v, on %d pages now, %d pages in all", seen, on, n)))
}

// Stores of a processor: of windows, of sessions, and of its own making, over rows that weir keeps.
func ExampleProcess_stores() {
	b := weir.NewBuilder()
	weir.Process(weir.From(b, pageViews), func() *lastTen { return new(lastTen) }, weir.Stores(viewsByTime, staysOf, allPages)).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", time.Unix(10, 0))
	in.SendAt("ann", "/jam", time.Unix(13, 0))
	in.SendAt("ann", "/tea", time.Unix(22, 0))
	printAll(weirtest.Out(d, output))
	// Output:
	// ann [/tea], on 1 pages now, 1 pages in all
	// ann [/tea /jam], on 2 pages now, 2 pages in all
	// ann [/jam /tea], on 1 pages now, 2 pages in all
}

// What is legal, and often wrong.
func ExampleTopology_Warnings() {
	b := weir.NewBuilder()
	byPage := weir.KeyBy(weir.From(b, pageViews), func(_, page string) string { return page })
	weir.Process(byPage, func() *patience { return new(patience) }, weir.Named("count")).To(pageViews)
	for _, w := range mustBuild(b).Warnings() {
		fmt.Println(w)
	}
	// Output: Process "count": the key may have changed above "count", and a processor's input is not repartitioned: records of one key may meet the stores ["views"] of several tasks; Repartition sends them to one
}

// Where a stream begins that its group has never read, what a topic's changelog is told, and which one there is not.
func ExampleStartAt() {
	b := weir.NewBuilder()
	views := weir.From(b, pageViews, weir.StartAt(weir.Ago(24*time.Hour)))
	byPage := weir.GroupBy(views, func(_, page string) string { return page }, weir.KeySerde(serde.String()), weir.Named("pages"))
	weir.Count(byPage, "logged", weir.TopicConfig(map[string]string{"min.insync.replicas": "2"}))
	weir.Count(byPage, "lost-with-the-disk", weir.NoChangelog())
	fmt.Println(driven(b).Topics())
	// Output: [page-views test-logged-changelog test-pages-repartition]
}

// A window begins every five seconds and lasts for ten: a view is in two.
func ExampleGrouped_WindowedBy_hopping() {
	b := weir.NewBuilder()
	hops := weir.From(b, pageViews).GroupByKey().WindowedBy(window.Hopping(10*time.Second, 5*time.Second).Grace(2 * time.Second))
	counts := weir.Count(hops, "views")
	counts.ToStream().ForEach(func(k window.Key[string], n int64) { fmt.Println(k.Key, k.Start.Unix(), k.End.Unix(), n) })

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "/tea", time.Unix(7, 0))
	in.SendAt("ann", "/jam", time.Unix(11, 0))
	in.SendAt("ann", "/rye", time.Unix(3, 0)) // in time for the window that ends at 10
	// Output:
	// ann 0 10 1
	// ann 5 15 1
	// ann 5 15 2
	// ann 10 20 1
	// ann 0 10 2
}

// several keeps what a user said at one time, all of it, and what was said last for some time.
type several struct {
	out  processor.Forward[string, string]
	said state.Window[string, string]
	last state.KeyValue[string, string]
	few  state.KeyValue[string, string]
}

var (
	saidThen = state.WindowStore("said", serde.String(), serde.String(), 0, state.Duplicates(), state.Retention(time.Hour))
	saidLast = state.KeyValueStore("last", serde.String(), serde.String(), state.TTL(time.Minute))
	sayers   = state.KeyValueStore("sayers", serde.String(), serde.String(), state.LRU(1), state.NoChangelog())
)

func (s *several) Init(ctx processor.Context, out processor.Forward[string, string]) error {
	s.out, s.said, s.last, s.few = out, saidThen.Bind(ctx), saidLast.Bind(ctx), sayers.Bind(ctx)
	return nil
}

func (s *several) Process(r weir.Record[string, string]) error {
	last, _, err := s.last.Get(r.Key)
	if err := errors.Join(err, s.said.Put(r.Key, r.Time, r.Value), s.last.Put(r.Key, r.Value), s.few.Put(r.Key, r.Value)); err != nil {
		return err
	}
	var then []string
	for _, v := range s.said.Fetch(r.Key, r.Time, r.Time) {
		then = append(then, v)
	}
	known := 0
	for range s.few.All() {
		known++
	}
	return s.out(processor.WithValue(r, fmt.Sprintf("%v, before it %q; %d known", then, last, known)))
}

// A window store may keep several values of one key and time; rows of a key-value store may leave when they are old, or when others were used later.
func ExampleProcess_storeOptions() {
	b := weir.NewBuilder()
	weir.Process(weir.From(b, pageViews), func() *several { return new(several) }, weir.Stores(saidThen, saidLast, sayers)).To(output)

	d := driven(b)
	in := weirtest.In(d, pageViews)
	in.SendAt("ann", "hello", time.Unix(1, 0))
	in.SendAt("ann", "who?", time.Unix(1, 0))
	in.SendAt("bob", "me", time.Unix(2, 0))
	in.SendAt("bob", "still me", time.Unix(100, 0)) // moves the time of the store: what ann said is forgotten
	in.SendAt("ann", "oh", time.Unix(101, 0))
	printAll(weirtest.Out(d, output))
	// Output:
	// ann [hello], before it ""; 1 known
	// ann [hello who?], before it "hello"; 1 known
	// bob [me], before it ""; 1 known
	// bob [still me], before it "me"; 1 known
	// ann [oh], before it ""; 1 known
}
