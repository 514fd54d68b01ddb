package topology

import "slices"

// Passing is what a node does to the keys and values that pass it, as far as rules must know.
type Passing uint8

// What nodes do. A node of which nothing is known may send anything.
const (
	Unknown Passing = iota
	Same            // it sends what it was given, or some of it
	Rekeyed         // it sends other keys: a repartition below may be moved up to it
)

// MergeRepartitions makes one repartition topic of those that write down the same records (Kafka's merge.repartition.topics): those below one node that
// changes keys, or below the merge of several streams, with only nodes between that pass on what they are given. The first gives its name and its
// nodes, which move up; what stood between stands below, and reads what comes back. Only repartitions that Merges marks are touched.
//
// A node moves below the topic if all that it feeds is behind it already: nothing else is sent through a topic for it.
func (g *Graph) MergeRepartitions() {
	if len(g.faults) > 0 {
		return
	}
	g.prune()
	m := merger{g, g.children(), map[*Node]bool{}}
	for _, s := range m.sites() {
		g.merge(s)
	}
}

// crossing is a repartition topic with the nodes before and behind it.
type crossing struct {
	*Repartition
	filter, sink, source *Node
}

// site is where one topic takes the place of several: below one output of a node.
type site struct {
	at        Parent
	crossings []crossing
}

// merger finds what can be merged.
type merger struct {
	*Graph
	below map[*Node][]*Node
	ends  map[*Node]bool // the filters of crossings that may be moved up
}

func (g *Graph) children() map[*Node][]*Node {
	below := map[*Node][]*Node{}
	for _, n := range g.nodes {
		for _, p := range n.Parents {
			below[p.Node] = append(below[p.Node], n)
		}
	}
	return below
}

// sites are the places of all crossings that may be moved or merged, each with its crossings in the order of declaration.
func (m *merger) sites() (all []*site) {
	candidates := m.candidates()
	for _, c := range candidates {
		m.ends[c.filter] = true
	}
	index := map[Parent]*site{}
	for _, c := range candidates {
		at := c.filter.Parents[0]
		for m.movable(at.Node) {
			at = at.Node.Parents[0]
		}
		s := index[at]
		if s == nil {
			s = &site{at: at}
			index[at] = s
			all = append(all, s)
		}
		s.crossings = append(s.crossings, c)
	}
	return all
}

// candidates are the crossings below a change of keys or a merge of streams. Those whose records are written otherwise than the first's stay apart.
func (m *merger) candidates() (all []crossing) {
	first := map[Parent]*Repartition{}
	for _, r := range m.repartitions {
		c, ok := m.crossing(r)
		if !ok {
			continue
		}
		top := c.filter.Parents[0]
		for top.Node.Passes == Same && len(top.Node.Parents) == 1 {
			top = top.Node.Parents[0]
		}
		if top.Node.Passes == Unknown {
			continue
		}
		if first[top] == nil {
			first[top] = r
		}
		if first[top].Serdes == r.Serdes {
			all = append(all, c)
		}
	}
	return all
}

// crossing finds the nodes of a repartition topic that may be merged.
func (m *merger) crossing(r *Repartition) (c crossing, ok bool) {
	if !r.Merges {
		return c, false
	}
	for _, n := range m.nodes {
		switch {
		case !slices.Equal(n.Topics, []Topic{r.Topic()}):
		case n.Kind == Sink && c.sink == nil:
			c.sink = n
		case n.Kind == Source && c.source == nil:
			c.source = n
		default:
			return c, false
		}
	}
	if c.sink == nil || c.source == nil || len(c.sink.Parents) != 1 {
		return c, false
	}
	c.Repartition, c.filter = r, c.sink.Parents[0].Node
	return c, len(c.filter.Parents) == 1 && len(m.below[c.filter]) == 1
}

// movable reports whether a node can stand below the topic: it passes on what it is given, and feeds nothing but what is or will be there.
func (m *merger) movable(n *Node) bool {
	if n.Passes != Same || len(n.Parents) != 1 || len(m.below[n]) == 0 {
		return false
	}
	for _, child := range m.below[n] {
		if !m.ends[child] && !m.movable(child) {
			return false
		}
	}
	return true
}

// merge puts the first crossing's topic in place of all.
func (g *Graph) merge(s *site) {
	first := s.crossings[0]
	behind := Parent{Node: first.source}
	heirs := map[*Node]Parent{} // what stood before a topic, or the topic, stands in place of its source
	moved := map[*Node]bool{}
	for _, c := range s.crossings {
		first.NullKeys = first.NullKeys || c.NullKeys
		heir := c.filter.Parents[0]
		for at := heir; at != s.at; at = at.Node.Parents[0] {
			moved[at.Node] = true
		}
		if heir == s.at {
			heir = behind
		}
		heirs[c.source] = heir
	}
	for _, n := range g.nodes {
		n.Parents = slices.Clone(n.Parents) // nodes may share theirs
		for i, p := range n.Parents {
			if heir, ok := heirs[p.Node]; ok {
				n.Parents[i] = heir
			} else if moved[n] && p == s.at {
				n.Parents[i] = behind
			}
		}
	}
	for i := range g.copartitions {
		nodes := slices.Clone(g.copartitions[i].nodes)
		for j, n := range nodes {
			if heir, ok := heirs[n]; ok {
				nodes[j] = heir.Node
			}
		}
		g.copartitions[i].nodes = slices.Compact(nodes)
	}
	first.filter.Parents[0] = s.at
	g.drop(s.crossings[1:])
	g.raise(s.at.Node, first)
}

// drop takes crossings out of the graph.
func (g *Graph) drop(all []crossing) {
	for _, c := range all {
		g.Remove(c.filter, c.sink, c.source)
		g.repartitions = slices.DeleteFunc(g.repartitions, func(r *Repartition) bool { return r == c.Repartition })
	}
}

// raise puts a crossing's nodes right behind the node that feeds it, before all that may stand below them now.
func (g *Graph) raise(above *Node, c crossing) {
	own := []*Node{c.filter, c.sink, c.source}
	g.Remove(own...)
	g.nodes = slices.Insert(g.nodes, slices.Index(g.nodes, above)+1, own...)
}
