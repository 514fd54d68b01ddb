package parity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
	"github.com/weirstream/weir/weirtest"
)

// Build declares the topology of a case.
type Build func(b *weir.Builder)

// player drives one topology through one run.
type player struct {
	c      *Case
	d      *weirtest.Driver
	atomic bool // exactly once
	stores exposed
	seen   map[string]int  // records that were attributed, by topic
	lost   int64           // drops that were attributed
	groups map[string]bool // the nodes of GroupTableBy
}

// Play builds a case's topology anew and sends it the inputs of a run. What comes of them has the form of a recorded run; after a failure it ends.
//
// It plays at least once, where what a step has written that fails is seen, as in Kafka's test driver. A suppression writes its changelog as Kafka Streams only exactly
// once: with one a run is played so, and a step that fails at least once.
func Play(t testing.TB, c *Case, build Build, inputs Run, opts ...weirtest.Option) (Run, error) {
	t.Helper()
	got, err := PlayAsIs(t, c, build, inputs, opts...)
	return c.comparable(got), err
}

// PlayAsIs is Play that leaves what has come as it is where inputs are spread over partitions: see SpreadInputs.
func PlayAsIs(t testing.TB, c *Case, build Build, inputs Run, opts ...weirtest.Option) (Run, error) {
	t.Helper()
	got, atomic, err := play(t, c, build, inputs, true, opts)
	if err != nil || !atomic || !got.fails() {
		return got, err
	}
	seen, _, err := play(t, c, build, inputs, false, opts)
	if err != nil || len(seen.Steps) != len(got.Steps) {
		return seen, err
	}
	last := len(got.Steps) - 1
	got.Steps[last] = seen.Steps[last]
	return got, nil
}

// play is Play under one guarantee: atomic says which it was.
func play(t testing.TB, c *Case, build Build, inputs Run, suppressesAtomically bool, opts []weirtest.Option) (got Run, atomic bool, err error) {
	t.Helper()
	p, err := start(t, c, build, inputs, suppressesAtomically, opts...)
	if err != nil {
		return Run{}, false, err
	}
	got = Run{Seed: inputs.Seed}
	for _, want := range inputs.Steps {
		err := p.take(want)
		s := p.outcome(err)
		s.In, s.Advance = want.In, want.Advance
		got.Steps = append(got.Steps, s)
		if err != nil {
			return got, p.atomic, nil
		}
	}
	got.Stores, err = p.stores.dump(p.d)
	return got, p.atomic, err
}

// start builds a case's topology for a run, which may be played exactly once if there is a suppression.
func start(t testing.TB, c *Case, build Build, inputs Run, suppressesAtomically bool, opts ...weirtest.Option) (*player, error) {
	t.Helper()
	topo, err := c.Topology(build)
	if err != nil {
		return nil, err
	}
	stores := expose(topo)
	atomic := suppressesAtomically && stores.suppress()
	d, err := weirtest.TryNew(t, topo, append(c.options(atomic), opts...)...)
	if err != nil {
		return nil, err
	}
	p := &player{c: c, d: d, atomic: atomic, stores: stores, seen: map[string]int{}, groups: groupings(topo)}
	p.stores.times = inputs.times()
	return p, nil
}

// fails says that the last step has failed.
func (r Run) fails() bool { return len(r.Steps) > 0 && r.Steps[len(r.Steps)-1].Error != "" }

// times are those of the inputs, sorted.
func (r Run) times() (all []int64) {
	for _, s := range r.Steps {
		if s.In != nil {
			all = append(all, s.In.Time)
		}
	}
	slices.Sort(all)
	return all
}

// options set weirtest up as Kafka's test driver was.
func (c *Case) options(exactly bool) []weirtest.Option {
	app := append(c.wrapper(), weir.EmitEvery(c.emitEvery()))
	if exactly {
		app = append(app, weir.ExactlyOnce())
	}
	opts := []weirtest.Option{weirtest.AppName("app"), weirtest.With(app...), weirtest.Cache(c.number("statestore.cache.max.bytes"))}
	for topic, n := range c.Partitions {
		if !strings.HasSuffix(topic, "-repartition") { // those come from the topology
			opts = append(opts, weirtest.Partitions(topic, n))
		}
	}
	for _, topic := range c.Inputs { // a pattern does not name its topics
		opts = append(opts, weirtest.Partitions(topic, c.inputPartitions()))
	}
	return opts
}

func (c *Case) emitEvery() time.Duration {
	return time.Duration(c.number("__emit.interval.ms.kstreams.windowed.aggregation__")) * time.Millisecond
}

// number is a setting of Kafka Streams; 0 where it is not set.
func (c *Case) number(setting string) int64 {
	n, _ := strconv.ParseInt(c.Config[setting], 10, 64)
	return n
}

func (p *player) take(s Step) error {
	if s.In == nil {
		return p.d.TryAdvanceWallClock(time.Duration(s.Advance) * time.Millisecond)
	}
	var headers []processor.Header
	for _, h := range s.In.Headers {
		headers = append(headers, processor.Header{Key: h.Key, Value: h.Value})
	}
	p.seen[s.In.Topic]++ // the input itself
	return p.d.TrySendRaw(s.In.Topic, p.c.inputPartition(s.In.Key), s.In.Key, s.In.Value, time.UnixMilli(s.In.Time).UTC(), headers...)
}

// outcome is what has come since the last one.
func (p *player) outcome(failed error) (s Step) {
	for _, topic := range p.d.Topics() {
		all := p.d.Records(topic)
		for _, r := range all[p.seen[topic]:] {
			s.Out = append(s.Out, p.produced(r))
		}
		p.seen[topic] = len(all)
	}
	lost := p.dropped(p.d.Dropped())
	s.Dropped, p.lost = lost-p.lost, lost
	if failed != nil {
		s.Error = fmt.Sprint(failed)
	}
	return s
}

// produced is a record as files have it: with its partition where the topic has several.
func (p *player) produced(r weirtest.RawRecord) Record {
	rec := Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Time: r.Time.UnixMilli()}
	if p.c.Partitions[r.Topic] > 1 {
		rec.Partition = &r.Partition
	}
	for _, h := range r.Headers {
		if ofJava(h.Key) {
			continue
		}
		rec.Headers = append(rec.Headers, Header{h.Key, h.Value})
	}
	return rec
}

// ofJava are the headers of dead letters that were not recorded, because only a Java program can have the same.
func ofJava(header string) bool {
	name, ok := strings.CutPrefix(header, "__streams.errors.")
	return ok && (name == "exception" || name == "message" || name == "stacktrace")
}

// groupings are the names of the nodes that group tables.
func groupings(topo *weir.Topology) map[string]bool {
	names := map[string]bool{}
	for _, sub := range topo.Graph(seal.Token{}).Subs() {
		for _, n := range sub.Nodes {
			if n.Op == "GroupTableBy" && n.Kind == topology.Processor {
				names[n.Name] = true
			}
		}
	}
	return names
}

// Silence are drops that Kafka Streams does not count, and a case that has some.
type Silence struct {
	Node   string // with which the name of the node ends
	Groups bool   // the node groups a table
	Reason string
	Case   string
}

// Silences are all of them. What fills a read-only store there is the user's own, and passes null keys over; what groups a table leaves out what is null,
// and earlier versions (KTableRepartitionMap).
var Silences = []Silence{
	{Node: "-repartition-filter", Reason: "null key", Case: "aggregates/count-group-by"},
	{Node: "fill", Reason: "null key", Case: "global/read-only-store"},
	{Groups: true, Reason: "null key", Case: "tables/group-null-key"},
	{Groups: true, Reason: "null value", Case: "tables/group-null-value"},
	{Groups: true, Reason: "out of order", Case: "versioned/group"},
	{Reason: "before start", Case: "windows/unlimited-start-on"},
}

func (p *player) silent(node, reason string) bool {
	return slices.ContainsFunc(Silences, func(s Silence) bool { return p.of(s, node, reason) })
}

func (p *player) of(s Silence, node, reason string) bool {
	return s.Reason == reason && strings.HasSuffix(node, s.Node) && (!s.Groups || p.groups[node])
}

// Drops plays a run, and returns how many drops there are of a kind, and of all.
func (s Silence) Drops(t testing.TB, c *Case, build Build, inputs Run) (such, all int64, err error) {
	t.Helper()
	p, err := start(t, c, build, inputs, false)
	if err != nil {
		return 0, 0, err
	}
	for _, step := range inputs.Steps {
		if err := p.take(step); err != nil {
			return 0, 0, err
		}
	}
	for node, reasons := range p.d.Dropped() {
		for reason, n := range reasons {
			if all += n; p.of(s, node, reason) {
				such += n
			}
		}
	}
	return such, all, nil
}

// dropped is how many drops Kafka Streams would have counted.
func (p *player) dropped(by map[string]map[string]int64) (n int64) {
	for node, reasons := range by {
		for reason, count := range reasons {
			if !p.silent(node, reason) {
				n += count
			}
		}
	}
	return n
}
