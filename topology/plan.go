package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// group is topics that must have equally many partitions, with the operators that need it. Groups share no repartition topic.
type group struct {
	ops     []string
	sources []*Node
}

// joinGroups merges the co-partition groups that share a source.
func (c *checker) joinGroups() []group {
	p := newParts(len(c.nodes))
	ops := map[int][]string{}
	for _, g := range c.copartitions {
		sources := sourcesAbove(g.nodes)
		for _, n := range sources {
			p.unite(c.index[sources[0]], c.index[n])
		}
		if len(sources) > 0 {
			at := c.index[sources[0]]
			ops[at] = append(ops[at], g.op)
		}
	}
	byRoot := map[int]*group{}
	for i, n := range c.nodes {
		root := p.root(i)
		if byRoot[root] == nil {
			byRoot[root] = &group{}
		}
		g := byRoot[root]
		if n.Kind == Source {
			g.sources = append(g.sources, n)
		}
		g.ops = append(g.ops, ops[i]...)
	}
	var all []group
	for _, root := range slices.Sorted(maps.Keys(byRoot)) {
		if g := byRoot[root]; len(g.sources) > 0 && len(g.ops) > 0 {
			all = append(all, *g)
		}
	}
	return all
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

// Plan is what a topology needs in an app whose source topics have these partition counts: the counts of internal topics, and per
// sub-topology the number of tasks.
type Plan struct {
	Internal []InternalTopic
	Tasks    []int32 // by sub-topology
}

// InternalTopic is an internal topic as it must be on the broker.
type InternalTopic struct {
	Name       string // the real one
	Partitions int32
	Config     map[string]string
	Changelog  bool
}

// Plan derives partition counts and settings of internal topics (Kafka's InternalTopicManager, CopartitionedTopicsEnforcer). counts are those
// of the source topics, by name; overrides are topic settings for all internal topics. Every fault is reported, joined: a missing source
// topic, sources that must be partitioned alike and are not.
func (t *Topology) Plan(app string, counts map[string]int32, overrides map[string]string) (*Plan, error) {
	return nil, nil
}

// Describe is Kafka's text format (TopologyDescription.toString).
func (t *Topology) Describe() string { return "" }

// Mermaid is a Mermaid flowchart.
func (t *Topology) Mermaid() string { return "" }

// DOT is a Graphviz graph.
func (t *Topology) DOT() string { return "" }
