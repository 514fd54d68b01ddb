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
