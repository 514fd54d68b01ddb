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
