package topology

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/weirstream/weir/internal/flow"
)

// parts is a partition of the nodes, by index, into sets that only grow.
type parts struct{ up []int }

func newParts(n int) *parts {
	p := &parts{make([]int, n)}
	for i := range p.up {
		p.up[i] = i
	}
	return p
}

func (p *parts) root(i int) int {
	for p.up[i] != i {
		p.up[i] = p.up[p.up[i]]
		i = p.up[i]
	}
	return i
}

func (p *parts) unite(a, b int) { p.up[p.root(b)] = p.root(a) }

// components are the nodes that must run in one task: joined by edges and by stores, but not by topics nor by global stores.
func (c *checker) components() *parts {
	p := newParts(len(c.nodes))
	for i, n := range c.nodes {
		for _, parent := range n.Parents {
			if at, ok := c.index[parent.Node]; ok {
				p.unite(at, i)
			}
		}
	}
	c.fillers(p)
	first := map[string]int{}
	for i, n := range c.nodes {
		for _, s := range n.Stores {
			if _, global := c.global[s]; global {
				continue
			}
			if at, ok := first[s]; ok {
				p.unite(at, i)
				continue
			}
			first[s] = i
		}
	}
	return p
}

// fillers notes the stores that are used below global sources.
func (c *checker) fillers(p *parts) {
	global := map[int]bool{}
	for i, n := range c.nodes {
		if n.Kind == Source && n.Global {
			global[p.root(i)] = true
		}
	}
	for i, n := range c.nodes {
		if root := p.root(i); global[root] {
			c.fill(n, root)
		}
	}
}

func (c *checker) fill(n *Node, root int) {
	for _, s := range n.Stores {
		if at, ok := c.global[s]; ok && at != root {
			c.fault("%s: the global store %q is filled from another source already", n, s)
			continue
		}
		c.global[s] = root
	}
}

// globals checks what stands below global sources.
func (c *checker) globals() {
	filled := map[int]bool{}
	for _, root := range c.global {
		filled[root] = true
	}
	for i, n := range c.nodes {
		if n.Kind == Source && n.Global {
			c.globalSource(n, filled[c.parts.root(i)])
		}
	}
	for _, n := range c.nodes {
		above := sourcesAbove([]*Node{n})
		if !slices.ContainsFunc(above, func(s *Node) bool { return s.Global }) {
			continue
		}
		if n.Kind == Sink {
			c.fault("%s: nothing can be written from a global source", n)
		}
		if slices.ContainsFunc(above, func(s *Node) bool { return !s.Global }) {
			c.fault("%s: a global source and another cannot meet", n)
		}
	}
}

func (c *checker) globalSource(n *Node, filled bool) {
	if n.Pattern != "" || len(n.Topics) != 1 || n.Topics[0].Internal {
		c.fault("%s: a global source reads one topic, and not an internal one", n)
	}
	if !filled && !c.incomplete() {
		c.fault("%s: it fills no store", n)
	}
}

// topology is the checked graph, cut into sub-topologies, which are numbered in the order of their first nodes.
func (c *checker) topology() *Topology {
	t := &Topology{nodes: slices.Clone(c.nodes), repartitions: slices.Clone(c.Graph.repartitions), warnings: slices.Concat(c.warnings, c.warned)}
	byRoot := map[int]*Sub{}
	for i, n := range c.nodes {
		root := c.parts.root(i)
		s := byRoot[root]
		if s == nil {
			s = &Sub{ID: int32(len(t.subs))}
			byRoot[root] = s
			t.subs = append(t.subs, s)
		}
		s.Nodes = append(s.Nodes, n)
		s.Global = s.Global || n.Global
	}
	for _, p := range c.patterns {
		s := byRoot[c.parts.root(c.index[p.node])]
		s.patterns = append(s.patterns, p)
	}
	c.placeStores(byRoot)
	t.groups, t.meetings = c.joinGroups(1), c.joinGroups(2)
	t.sharings = c.shared(t.meetings)
	return t
}

// placeStores gives every store to the sub-topology that uses it, in the order of declaration.
func (c *checker) placeStores(byRoot map[int]*Sub) {
	owner := maps.Clone(c.global)
	for i, n := range c.nodes {
		for _, s := range n.Stores {
			if _, ok := owner[s]; !ok {
				owner[s] = c.parts.root(i)
			}
		}
	}
	for _, name := range c.order {
		if root, ok := owner[name]; ok {
			s := byRoot[c.parts.root(root)]
			s.Stores = append(s.Stores, c.stores[name])
		}
	}
	for i, n := range c.nodes {
		c.borrow(byRoot[c.parts.root(i)], n)
	}
}

// borrow notes the global stores that a node reads and its sub-topology does not fill.
func (c *checker) borrow(sub *Sub, n *Node) {
	for _, s := range n.Stores {
		_, global := c.global[s]
		own := slices.ContainsFunc(sub.Stores, func(own *Store) bool { return own.Name == s })
		if global && !own && !slices.Contains(sub.Borrows, s) {
			sub.Borrows = append(sub.Borrows, s)
		}
	}
}

// Topology is a checked graph. It does not change; any number of goroutines may use it.
type Topology struct {
	nodes        []*Node
	subs         []*Sub
	repartitions []*Repartition
	warnings     []string
	groups       []group
	meetings     []group // of groups, those of operators with several inputs
	sharings     []Sharing
}

// Sub is a sub-topology: what one task runs. Its tasks are as many as the partitions of its widest source topic.
type Sub struct {
	ID     int32
	Nodes  []*Node  // parents before children, in the order of declaration
	Stores []*Store // in the order of declaration; not those of global tables that it reads
	Global bool     // every instance runs it once, for all partitions: it fills a global store, and has no tasks
	// Borrows are the global stores of other sub-topologies that its nodes read, in the order of their first use.
	Borrows []string

	patterns []pattern
}

// Subs are the sub-topologies, by number.
func (t *Topology) Subs() []*Sub { return t.subs }

// Repartitions are the repartition topics.
func (t *Topology) Repartitions() []*Repartition { return t.repartitions }

// Warnings says what is legal and often wrong.
func (t *Topology) Warnings() []string { return t.warnings }

// Sources are the nodes that read topics.
func (s *Sub) Sources() (sources []*Node) {
	for _, n := range s.Nodes {
		if n.Kind == Source {
			sources = append(sources, n)
		}
	}
	return sources
}

// Source finds the source node that reads a topic, by its real name in an app.
func (s *Sub) Source(app, topic string) (*Node, bool) {
	for _, n := range s.Sources() {
		for _, t := range n.Topics {
			if t.In(app) == topic {
				return n, true
			}
		}
	}
	for _, p := range s.patterns {
		if p.MatchString(topic) {
			return p.node, true
		}
	}
	return nil, false
}

// Sources are the topics outside of the app that its tasks read, sorted: names, and patterns, which match whole names. They are what the
// counts of Plan and Tasks must be known of.
func (t *Topology) Sources() (names, patterns []string) {
	for _, n := range t.nodes {
		if n.Kind != Source || n.Global {
			continue
		}
		if n.Pattern != "" {
			patterns = append(patterns, n.Pattern)
		}
		for _, topic := range n.Topics {
			if !topic.Internal {
				names = append(names, topic.Name)
			}
		}
	}
	slices.Sort(names)
	slices.Sort(patterns)
	return names, patterns
}

// Globals are the topics of global stores, sorted. No task reads them, and Plan does not look for them.
func (t *Topology) Globals() (names []string) {
	for _, n := range t.nodes {
		if n.Kind == Source && n.Global {
			names = append(names, n.Topics[0].Name)
		}
	}
	slices.Sort(names)
	return names
}

// Store finds a store of the topology by name, and its sub-topology.
func (t *Topology) Store(name string) (*Store, *Sub, bool) {
	for _, sub := range t.subs {
		for _, s := range sub.Stores {
			if s.Name == name {
				return s, sub, true
			}
		}
	}
	return nil, nil, false
}

// Instance is what a task of a sub-topology runs: the source of each of its source nodes.
type Instance struct {
	Sources []InstanceSource // in the order of declaration
}

// InstanceSource is a source node, made.
type InstanceSource struct {
	Node   *Node
	Source flow.Source
}

// Make builds the nodes of a sub-topology for one task, children first. After an error, what was made is closed by env.Close.
func (s *Sub) Make(env *flow.Env) (*Instance, error) {
	made := map[*Node]any{}
	for i := len(s.Nodes) - 1; i >= 0; i-- {
		n := s.Nodes[i]
		got, err := n.make(env, s.links(n, made))
		if err != nil {
			return nil, fmt.Errorf("task %s: %s: %w", env.Task, n, err)
		}
		made[n] = got
	}
	inst := &Instance{}
	for _, n := range s.Sources() {
		inst.Sources = append(inst.Sources, InstanceSource{n, made[n].(flow.Source)})
	}
	return inst, nil
}

// links are a node's children, in the order of their declaration.
func (s *Sub) links(n *Node, made map[*Node]any) (links []flow.Link) {
	for _, child := range s.Nodes {
		for _, p := range child.Parents {
			if p.Node == n {
				links = append(links, flow.Link{Output: p.Output, To: made[child]})
			}
		}
	}
	return links
}

// make calls Make and checks that it returned what the node declares.
func (n *Node) make(env *flow.Env, links []flow.Link) (got any, err error) {
	if n.Make == nil {
		return nil, fmt.Errorf("it cannot be made")
	}
	defer flow.Catch(&err)
	got, err = n.Make(env, links)
	if err != nil {
		return nil, err
	}
	if n.Kind == Source {
		if _, ok := got.(flow.Source); !ok {
			return nil, fmt.Errorf("it made %T, which is no source", got)
		}
		return got, nil
	}
	if t := reflect.TypeOf(got); t != n.In {
		return nil, fmt.Errorf("it made %T, but declares %s", got, typeName(n.In))
	}
	return got, nil
}
