package topology

import (
	"maps"
	"slices"
)

// group is topics that must have equally many partitions, with the operators that need it. Groups share no repartition topic.
type group struct {
	ops     []string
	sources []*Node
}

// Meeting is sources whose records meet by key, at joins and in cogroups: their topics must be partitioned alike, in number and by their producers. Meetings
// share no source.
type Meeting struct {
	Ops     []string // the operators, by name
	Sources []*Node
}

// Meetings are those of the topology. A single stream that is merged of several topics is none.
func (t *Topology) Meetings() (all []Meeting) {
	for _, g := range t.meetings {
		all = append(all, Meeting{g.ops, g.sources})
	}
	return all
}

// joinGroups merges the co-partition groups that share a source, of operators with so many inputs at least.
func (c *checker) joinGroups(inputs int) []group {
	p := newParts(len(c.nodes))
	ops := map[int][]string{}
	for _, g := range c.copartitions {
		if len(g.nodes) < inputs {
			continue
		}
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

// Sharing is sources whose records meet in a store that several nodes look into. It runs however their topics are partitioned, as in Kafka Streams: a task has
// the rows of its partitions. Rows are found by key only where the topics are partitioned alike.
type Sharing struct {
	Store   string
	Ops     []string // the nodes, by operator and name
	Sources []*Node
}

// Sharings are those of the topology that no Meeting covers: there the topics must be alike anyway.
func (t *Topology) Sharings() []Sharing { return slices.Clone(t.sharings) }

// shared finds the stores, in the order of declaration, whose nodes are below different sources.
func (c *checker) shared(meetings []group) (all []Sharing) {
	for _, store := range c.order {
		if _, whole := c.global[store]; whole {
			continue
		}
		s := Sharing{Store: store}
		var nodes []*Node
		for _, n := range c.nodes {
			if slices.Contains(n.Stores, store) {
				nodes, s.Ops = append(nodes, n), append(s.Ops, n.String())
			}
		}
		s.Sources = sourcesAbove(nodes)
		apart := slices.ContainsFunc(nodes, func(n *Node) bool { return !within(sourcesAbove([]*Node{n}), s.Sources) })
		covered := slices.ContainsFunc(meetings, func(g group) bool { return within(g.sources, s.Sources) })
		if apart && !covered {
			all = append(all, s)
		}
	}
	return all
}

// within says that nodes hold all of some.
func within(nodes, some []*Node) bool {
	return !slices.ContainsFunc(some, func(n *Node) bool { return !slices.Contains(nodes, n) })
}
