package topology

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/rows"
)

// Plan is what a topology needs in an app whose source topics have these partition counts: the counts of internal topics, and per
// sub-topology the number of tasks.
type Plan struct {
	Internal []InternalTopic // repartition topics, then changelogs, in the order of declaration
	Tasks    []int32         // by sub-topology; none for one that fills a global store
}

// InternalTopic is an internal topic as it must be on the broker.
type InternalTopic struct {
	Name       string // the real one
	Partitions int32
	Config     map[string]string
	Changelog  bool
}

// Plan derives partition counts and settings of internal topics (Kafka's InternalTopicManager, CopartitionedTopicsEnforcer). counts are those
// of every existing topic that Sources names or matches, and may hold others: a pattern reads all that it matches, and an internal topic that
// exists must have the count that is planned. overrides are topic settings for all internal topics; those of a store or a repartition win.
// Every fault is reported, joined: missing source topics, sources that must be partitioned alike and are not.
func (t *Topology) Plan(app string, counts map[string]int32, overrides map[string]string) (*Plan, error) {
	l := t.layout(app, counts)
	p := &Plan{}
	for _, s := range t.subs {
		p.Tasks = append(p.Tasks, l.widest(s))
	}
	for _, r := range t.repartitions {
		name := r.Topic().In(app)
		l.add(p, InternalTopic{Name: name, Partitions: l.repartitions[name], Config: repartitionConfig(r, overrides)})
	}
	for _, sub := range t.subs {
		for _, s := range sub.Stores {
			if topic, ok := s.Changelog(); ok && topic.Internal && !sub.Global {
				l.add(p, InternalTopic{Name: topic.In(app), Partitions: l.widest(sub), Config: changelogConfig(s, overrides), Changelog: true})
			}
		}
	}
	if err := errors.Join(l.faults...); err != nil {
		return nil, err
	}
	return p, nil
}

// add notes an internal topic that has a reader, and checks it against what exists.
func (l *layout) add(p *Plan, t InternalTopic) {
	if t.Partitions == 0 {
		return
	}
	if err := nameFault(t.Name); err != nil {
		l.fault("internal topic %q: %w", t.Name, err)
	}
	if l.external[t.Name] {
		l.fault("internal topic %q: the topology names a topic of its own so", t.Name)
	}
	if has, ok := l.counts[t.Name]; ok && has != t.Partitions && !l.external[t.Name] {
		l.fault("internal topic %q: it has %d partitions, and needs %d", t.Name, has, t.Partitions)
	}
	p.Internal = append(p.Internal, t)
}

// layout is which partitions every topic has, and which source reads it, in one app.
type layout struct {
	*Topology
	app          string
	counts       map[string]int32 // of the topics that exist
	external     map[string]bool  // the names of topics of sources and sinks that are not internal
	own          map[string]bool  // the real names of the app's internal topics
	reads        map[*Node][]string
	repartitions map[string]int32 // by real name; shadows the topology's
	faults       []error
}

// ungrouped are topics of Kafka itself, which no pattern matches.
var ungrouped = map[string]bool{"__consumer_offsets": true, "__transaction_state": true, "__share_group_state": true, "__cluster_metadata": true}

func (t *Topology) layout(app string, counts map[string]int32) *layout {
	l := &layout{Topology: t, app: app, counts: counts, external: map[string]bool{}, own: map[string]bool{}, reads: map[*Node][]string{}, repartitions: map[string]int32{}}
	if err := nameFault(app); err != nil {
		l.fault("the app's name: %w", err)
	}
	l.names()
	l.resolve()
	l.solve(l.classes())
	return l
}

func (l *layout) fault(format string, args ...any) {
	l.faults = append(l.faults, fmt.Errorf(format, args...))
}

func (l *layout) names() {
	for _, r := range l.Topology.repartitions {
		l.own[r.Topic().In(l.app)] = true
		l.repartitions[r.Topic().In(l.app)] = r.Partitions
	}
	for _, sub := range l.subs {
		for _, s := range sub.Stores {
			if topic, ok := s.Changelog(); ok && topic.Internal {
				l.own[topic.In(l.app)] = true
			}
		}
	}
	for _, n := range l.nodes {
		for _, t := range n.Topics {
			if !t.Internal {
				l.external[t.Name] = true
			}
		}
	}
}

// resolve finds the real topics that each source reads.
func (l *layout) resolve() {
	var missing []string
	for _, n := range l.nodes {
		if n.Kind != Source || n.Global {
			continue
		}
		for _, t := range n.Topics {
			if !t.Internal && l.counts[t.Name] <= 0 {
				missing = append(missing, fmt.Sprintf("%q (%s)", t.Name, n))
				continue
			}
			l.reads[n] = append(l.reads[n], t.In(l.app))
		}
	}
	if len(missing) > 0 {
		l.fault("these source topics do not exist: %s: create them first, for weir creates internal topics only", strings.Join(missing, ", "))
	}
	taken := map[string]*Node{}
	for _, sub := range l.subs {
		for _, p := range sub.patterns {
			l.match(p, taken)
		}
	}
}

func (l *layout) match(p pattern, taken map[string]*Node) {
	for _, name := range slices.Sorted(maps.Keys(l.counts)) {
		if l.own[name] || ungrouped[name] || l.counts[name] <= 0 || !p.MatchString(name) {
			continue
		}
		if first := taken[name]; first != nil {
			l.fault("%s: topic %q also matches the pattern %q of %s", p.node, name, first.Pattern, first)
			continue
		}
		taken[name] = p.node
		l.reads[p.node] = append(l.reads[p.node], name)
	}
}

// count is a topic's number of partitions, 0 while it is not known.
func (l *layout) count(topic string) int32 {
	if n, ok := l.repartitions[topic]; ok {
		return n
	}
	return l.counts[topic]
}

// widest is the greatest count among the topics that a sub-topology's tasks read: it has as many tasks.
func (l *layout) widest(s *Sub) (most int32) {
	for _, n := range s.Nodes {
		for _, topic := range l.reads[n] {
			most = max(most, l.count(topic))
		}
	}
	return most
}

// class is repartition topics that must have one count: a co-partition group's, or a single one.
type class struct {
	open    []string // those whose count is derived
	writers []*Sub
	fixed   bool
}

// classes puts every repartition topic into its class, and gives those their count whose class has one for sure: that of a topic which
// exists, or an explicit one.
func (l *layout) classes() (all []class) {
	grouped := map[string]bool{}
	for _, g := range l.groups {
		all = append(all, l.class(g, grouped))
	}
	for _, r := range l.Topology.repartitions {
		if name := r.Topic().In(l.app); r.Partitions == 0 && !grouped[name] {
			all = append(all, class{open: []string{name}, writers: l.writers(name)})
		}
	}
	return all
}

func (l *layout) class(g group, grouped map[string]bool) (c class) {
	known := map[string]int32{}
	for _, n := range g.sources {
		for _, topic := range l.reads[n] {
			grouped[topic] = true
			if count := l.count(topic); count > 0 {
				known[topic] = count
				continue
			}
			c.open = append(c.open, topic)
			c.writers = append(c.writers, l.writers(topic)...)
		}
	}
	counts := slices.Sorted(maps.Values(known))
	if len(counts) == 0 {
		return c
	}
	if counts[0] != counts[len(counts)-1] {
		l.fault("%s: its topics must have equally many partitions: %s", strings.Join(g.ops, ", "), countsText(known))
	}
	c.fixed = true
	l.set(c.open, counts[0])
	return c
}

func (l *layout) set(topics []string, n int32) {
	for _, topic := range topics {
		l.repartitions[topic] = n
	}
}

// writers are the sub-topologies with a sink to a repartition topic.
func (l *layout) writers(topic string) (subs []*Sub) {
	for _, s := range l.subs {
		if slices.ContainsFunc(s.Nodes, func(n *Node) bool {
			return n.Kind == Sink && slices.ContainsFunc(n.Topics, func(t Topic) bool { return t.Internal && t.In(l.app) == topic })
		}) {
			subs = append(subs, s)
		}
	}
	return subs
}

// solve gives every open class the greatest count that its writers read, until nothing changes. Counts only grow, and no count is greater than
// the greatest that was given: so it ends, though topics lead back to themselves.
func (l *layout) solve(classes []class) {
	for again := true; again; {
		again = false
		for _, c := range classes {
			again = l.raise(c) || again
		}
	}
	if len(l.faults) > 0 {
		return
	}
	for _, c := range classes {
		for _, topic := range c.open {
			if l.repartitions[topic] == 0 {
				l.fault("repartition topic %q: no topic above it has a known number of partitions", topic)
			}
		}
	}
}

func (l *layout) raise(c class) bool {
	if c.fixed || len(c.open) == 0 {
		return false
	}
	most := l.repartitions[c.open[0]]
	for _, s := range c.writers {
		most = max(most, l.widest(s))
	}
	if most == l.repartitions[c.open[0]] {
		return false
	}
	l.set(c.open, most)
	return true
}

// countsText is topics and their partitions, in the order of names.
func countsText(counts map[string]int32) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q has %d", name, counts[name])
	}
	return b.String()
}

const (
	cleanup   = "cleanup.policy"
	retention = "retention.ms"

	compactionLag = "min.compaction.lag.ms"
	day           = int64(24 * time.Hour / time.Millisecond)
)

// layer puts settings over settings: the later win. A record that was taken from its source must fit, however far ahead its time is: brokers
// refuse by default what is an hour ahead of their clocks (KIP-937).
func layer(layers ...map[string]string) map[string]string {
	all := map[string]string{"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": strconv.Itoa(math.MaxInt64)}
	for _, l := range layers {
		maps.Copy(all, l)
	}
	return all
}

// repartitionConfig is Kafka's RepartitionTopicConfig: nothing is lost before it is consumed.
func repartitionConfig(r *Repartition, overrides map[string]string) map[string]string {
	return layer(map[string]string{cleanup: "delete", "segment.bytes": "52428800", retention: "-1"}, overrides, r.Config)
}

// changelogConfig is Kafka's UnwindowedUnversionedChangelogTopicConfig or WindowedChangelogTopicConfig. A computed retention yields only to the
// store's own setting, as in Kafka. A join's window store has many rows of one key: compaction would lose some, whatever is asked for.
func changelogConfig(s *Store, overrides map[string]string) map[string]string {
	computed, must := map[string]string{}, map[string]string{}
	base := map[string]string{cleanup: "compact"}
	if s.Kind == rows.WindowKind || s.Kind == rows.SessionKind {
		base[cleanup] = "compact,delete"
		computed[retention] = strconv.FormatInt(retained(s.Retention), 10)
	}
	if s.Kind == rows.VersionedKind { // Kafka's VersionedChangelogTopicConfig
		computed[compactionLag] = strconv.FormatInt(max(retained(s.History), day), 10)
	}
	if s.Joins {
		must[cleanup] = "delete"
	}
	return layer(base, overrides, computed, s.Config, must)
}

// retained is a store's retention and a day, for clocks that differ (Kafka's windowstore.changelog.additional.retention.ms). What is kept for
// ever is kept in the topic, too.
func retained(ms int64) int64 {
	switch {
	case ms <= 0:
		return -1
	case ms > math.MaxInt64-day:
		return math.MaxInt64
	}
	return ms + day
}
