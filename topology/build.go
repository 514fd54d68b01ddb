package topology

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/internal/rows"
)

// Build checks the graph and returns the topology, or every fault, joined: first those that the DSL noted, then those of the graph.
func (g *Graph) Build() (*Topology, error) {
	g.prune()
	c := newChecker(g)
	c.names()
	c.edges()
	c.storeDeclarations()
	c.storeUses()
	c.sources()
	c.sourceTopics()
	c.sinks()
	c.repartitions()
	c.groups()
	c.globals()
	if len(c.readers)+len(c.patterns) == 0 && len(g.faults)+len(c.faults) == 0 {
		c.fault("the topology reads no topic")
	}
	if err := errors.Join(append(slices.Clone(g.faults), c.faults...)...); err != nil {
		return nil, err
	}
	return c.topology(), nil
}

// prune takes optional nodes without children out.
func (g *Graph) prune() {
	parents := map[*Node]bool{}
	for _, n := range g.nodes {
		for _, p := range n.Parents {
			parents[p.Node] = true
		}
	}
	g.nodes = slices.DeleteFunc(g.nodes, func(n *Node) bool { return n.Optional && !parents[n] })
}

// checker looks at a graph of which nothing is known yet: each check must survive what the others complain about.
type checker struct {
	*Graph
	faults   []error // shadows the graph's
	index    map[*Node]int
	stores   map[string]*Store // by name; shadows the graph's
	order    []string          // of the stores
	readers  map[Topic]*Node
	patterns []pattern
	feeds    map[Topic]*Repartition
	parts    *parts
	warned   []string
	global   map[string]int // the component that fills a global store
}

// pattern is the pattern of a source, compiled to match whole names as Kafka's do.
type pattern struct {
	node *Node
	*regexp.Regexp
}

func compilePattern(n *Node) (pattern, error) {
	if _, err := regexp.Compile(n.Pattern); err != nil {
		return pattern{}, err
	}
	re, err := regexp.Compile("^(?:" + n.Pattern + ")$")
	return pattern{n, re}, err
}

func newChecker(g *Graph) *checker {
	c := &checker{Graph: g, index: map[*Node]int{}, stores: map[string]*Store{}, readers: map[Topic]*Node{}, feeds: map[Topic]*Repartition{}, global: map[string]int{}}
	for i, n := range g.nodes {
		if _, ok := c.index[n]; ok {
			c.fault("%s: it was added twice", n)
		}
		c.index[n] = i
	}
	c.parts = c.components()
	return c
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// incomplete says that the DSL gave up on some operators: what they would have added is missing, and that is no fault of its own.
func (c *checker) incomplete() bool { return len(c.Graph.faults) > 0 }

// nameFault says what is wrong with a name of a node, a store or a topic; nil when nothing is (Kafka's Named and Topic).
func nameFault(s string) error {
	const most = 249
	switch {
	case s == "":
		return errors.New("the name is empty")
	case s == "." || s == "..":
		return fmt.Errorf("the name %q means a folder", s)
	case len(s) > most:
		return fmt.Errorf("the name has %d characters, more than %d", len(s), most)
	}
	if i := strings.IndexFunc(s, illegal); i >= 0 {
		return fmt.Errorf("the name %q has the character %q: only ASCII letters, digits, '.', '_' and '-' are legal", s, []rune(s[i:])[0])
	}
	return nil
}

func illegal(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}

func (c *checker) names() {
	seen := map[string]*Node{}
	for _, n := range c.nodes {
		if err := nameFault(n.Name); err != nil {
			c.fault("%s: %w", n, err)
		}
		if first := seen[n.Name]; first != nil && first != n {
			c.fault("%s: the name is taken by %s", n, first)
			continue
		}
		seen[n.Name] = n
	}
}

func (c *checker) edges() {
	for _, n := range c.nodes {
		switch {
		case n.Kind == Source && len(n.Parents) > 0:
			c.fault("%s: a source has no parents", n)
		case n.Kind != Source && len(n.Parents) == 0:
			c.fault("%s: it has no parent", n)
		}
		for _, p := range n.Parents {
			c.edge(n, p)
		}
	}
}

func (c *checker) edge(n *Node, p Parent) {
	if p.Node == nil {
		if !c.incomplete() {
			c.fault("%s: a parent is nil", n)
		}
		return
	}
	at, ok := c.index[p.Node]
	if !ok {
		c.fault("%s: its parent, %s, is not in the topology", n, p.Node)
		return
	}
	if at >= c.index[n] {
		c.backward(n, p.Node)
		return
	}
	if p.Node.Kind == Sink {
		c.fault("%s: its parent, %s, is a sink", n, p.Node)
		return
	}
	c.wiring(n, p)
}

// backward reports an edge from a node that was added later, or from the node itself.
func (c *checker) backward(n, parent *Node) {
	path := pathUp(parent, n, map[*Node]bool{})
	if path == nil {
		c.fault("%s: its parent, %s, was added after it", n, parent)
		return
	}
	names := []string{n.Name}
	for _, p := range path {
		names = append(names, p.Name)
	}
	slices.Reverse(names)
	c.fault("%s: it is its own ancestor: %s", n, strings.Join(names, " → "))
}

// pathUp is a way from a node through parents to another, both included; nil when there is none.
func pathUp(from, to *Node, seen map[*Node]bool) []*Node {
	if from == to {
		return []*Node{to}
	}
	if from == nil || seen[from] {
		return nil
	}
	seen[from] = true
	for _, p := range from.Parents {
		if path := pathUp(p.Node, to, seen); path != nil {
			return append([]*Node{from}, path...)
		}
	}
	return nil
}

func (c *checker) wiring(n *Node, p Parent) {
	sends, ok := p.Node.Outs[p.Output]
	switch {
	case !ok && p.Output == "":
		c.fault("%s: its parent, %s, sends nothing", n, p.Node)
	case !ok:
		c.fault("%s: its parent, %s, has no output %q", n, p.Node, p.Output)
	case sends != n.In:
		c.fault("%s: it is %s, but %s sends to %s", n, typeName(n.In), p.Node, typeName(sends))
	}
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "of no type"
	}
	return t.String()
}

func (c *checker) storeDeclarations() {
	for _, s := range c.Graph.stores {
		if s.Spec == nil {
			c.fault("a store without a declaration")
			continue
		}
		if err := nameFault(s.Name); err != nil {
			c.fault("store %q: %w", s.Name, err)
		}
		if err := s.Fault; err != nil {
			c.fault("store %q: %w", s.Name, err)
		}
		if first := c.stores[s.Name]; first != nil {
			if *first != *s {
				c.fault("store %q: two stores have this name", s.Name)
			}
			continue
		}
		c.stores[s.Name] = s
		c.order = append(c.order, s.Name)
		c.changelogKeeps(s)
	}
}

// changelogKeeps checks that the changelog of a store of windows is not told to forget what the store still has: a restored store would lack it.
func (c *checker) changelogKeeps(s *Store) {
	if topic, ok := s.Changelog(); !ok || !topic.Internal || s.Kind != rows.WindowKind && s.Kind != rows.SessionKind {
		return
	}
	config := changelogConfig(s, nil)
	kept, err := strconv.ParseInt(config[retention], 10, 64)
	if err != nil || kept < 0 || kept == math.MaxInt64 || !strings.Contains(config[cleanup], "delete") || s.Retention > 0 && kept >= s.Retention {
		return
	}
	span, need := "for ever", "-1"
	if s.Retention > 0 {
		span, need = fmt.Sprintf("for %v", inTime(s.Retention)), fmt.Sprint(s.Retention, " at least")
	}
	c.fault("store %q: its changelog would be kept for %v (%s=%d, %s=%s), but the store keeps its rows %s: what is restored would lack the rest. "+
		"Give %s=%s, or none, for what the store needs and a day", s.Name, inTime(kept), retention, kept, cleanup, config[cleanup], span, retention, need)
}

func inTime(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

func (c *checker) storeUses() {
	used := map[string]bool{}
	for _, n := range c.nodes {
		if len(n.Stores) > 0 && n.Kind != Processor {
			c.fault("%s: sources and sinks have no stores, but it names %q", n, n.Stores)
		}
		for _, name := range n.Stores {
			used[name] = true
			if c.stores[name] == nil && !c.incomplete() {
				c.fault("%s: store %q is not in the topology", n, name)
			}
		}
	}
	for _, name := range c.order {
		if !used[name] {
			c.warned = append(c.warned, fmt.Sprintf("store %q is used by no operator", name))
		}
	}
}

func (c *checker) sources() {
	for _, r := range c.Graph.repartitions {
		c.feeds[r.Topic()] = r
	}
	for _, n := range c.nodes {
		if n.Kind == Source {
			c.source(n)
		}
	}
	for _, p := range c.patterns {
		c.overlaps(p)
	}
}

func (c *checker) source(n *Node) {
	switch {
	case n.Pattern != "" && len(n.Topics) > 0:
		c.fault("%s: it has topics and a pattern", n)
	case n.Pattern != "":
		c.pattern(n)
	case len(n.Topics) == 0:
		c.fault("%s: it reads no topic", n)
	}
	if n.Reset.Policy == ResetAgo && n.Reset.Ago <= 0 {
		c.fault("%s: it starts %v ago: only a positive duration is legal", n, n.Reset.Ago)
	}
	for _, t := range n.Topics {
		c.topic(n, t)
		if first := c.readers[t]; first != nil {
			c.fault("%s: topic %q is read by %s already", n, t.Name, first)
			continue
		}
		c.readers[t] = n
	}
}

func (c *checker) pattern(n *Node) {
	p, err := compilePattern(n)
	if err != nil {
		c.fault("%s: the pattern %q: %w", n, n.Pattern, err)
		return
	}
	for _, q := range c.patterns {
		if q.node.Pattern == n.Pattern {
			c.fault("%s: the pattern %q is read by %s already", n, n.Pattern, q.node)
		}
	}
	c.patterns = append(c.patterns, p)
}

func (c *checker) overlaps(p pattern) {
	for _, n := range c.nodes {
		for _, t := range n.Topics {
			if t.Internal || !p.MatchString(t.Name) {
				continue
			}
			if n.Kind == Sink {
				c.fault("%s: it writes to topic %q, which the pattern %q of %s reads", n, t.Name, p.node.Pattern, p.node)
			} else {
				c.fault("%s: topic %q is also read by the pattern %q of %s", n, t.Name, p.node.Pattern, p.node)
			}
		}
	}
}

// topic checks a topic that a source or a sink names.
func (c *checker) topic(n *Node, t Topic) {
	if err := nameFault(t.Name); err != nil {
		c.fault("%s: topic %q: %w", n, t.Name, err)
	}
	if t.Internal && c.feeds[t] == nil {
		c.fault("%s: the internal topic %q is not in the topology", n, t.Name)
	}
}

// sourceTopics checks the stores that have a source topic as their changelog: the same task must read it.
func (c *checker) sourceTopics() {
	for i, n := range c.nodes {
		for _, name := range n.Stores {
			s := c.stores[name]
			if root, global := c.global[name]; s == nil || s.SourceTopic == "" || global && root != c.parts.root(i) {
				continue
			}
			r := c.readers[Topic{Name: s.SourceTopic}]
			if r == nil || c.parts.root(c.index[r]) != c.parts.root(i) {
				c.fault("%s: store %q is filled from topic %q, which no source above reads", n, name, s.SourceTopic)
			}
		}
	}
}

func (c *checker) sinks() {
	for _, n := range c.nodes {
		if n.Kind != Sink {
			continue
		}
		for _, t := range n.Topics {
			c.topic(n, t)
		}
	}
}

func (c *checker) repartitions() {
	seen := map[Topic]bool{}
	for _, r := range c.Graph.repartitions {
		t := r.Topic()
		if err := nameFault(r.Name); err != nil {
			c.fault("repartition topic %q: %w", t.Name, err)
		}
		if r.Partitions < 0 {
			c.fault("repartition topic %q: it has %d partitions", t.Name, r.Partitions)
		}
		if seen[t] {
			c.fault("repartition topic %q: two have this name", t.Name)
			continue
		}
		seen[t] = true
		if c.incomplete() {
			continue
		}
		if c.readers[t] == nil {
			c.fault("repartition topic %q: nobody reads it", t.Name)
		}
		if !slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.Kind == Sink && slices.Contains(n.Topics, t) }) {
			c.fault("repartition topic %q: nobody writes it", t.Name)
		}
	}
}

// groups checks what is known of co-partitioned sources without a broker: explicit counts of repartition topics.
func (c *checker) groups() {
	for _, g := range c.copartitions {
		known := g.nodes[:0:0]
		for _, n := range g.nodes {
			if _, ok := c.index[n]; ok {
				known = append(known, n)
			} else if n != nil || !c.incomplete() {
				c.fault("%s: a node that it joins is not in the topology", g.op)
			}
		}
		c.explicitCounts(g.op, known)
	}
}

func (c *checker) explicitCounts(op string, nodes []*Node) {
	counts := map[string]int32{}
	same := true
	first := int32(0)
	for _, n := range sourcesAbove(nodes) {
		for _, t := range n.Topics {
			r := c.feeds[t]
			if r == nil || r.Partitions == 0 {
				continue
			}
			counts[t.Name] = r.Partitions
			if first == 0 {
				first = r.Partitions
			}
			same = same && r.Partitions == first
		}
	}
	if !same {
		c.fault("%s: its topics must have equally many partitions: %s", op, countsText(counts))
	}
}

// sourcesAbove are the sources among nodes and their ancestors, each once.
func sourcesAbove(nodes []*Node) (above []*Node) {
	seen := map[*Node]bool{}
	var up func(*Node)
	up = func(n *Node) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		if n.Kind == Source {
			above = append(above, n)
		}
		for _, p := range n.Parents {
			up(p.Node)
		}
	}
	for _, n := range nodes {
		up(n)
	}
	return above
}
