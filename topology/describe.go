package topology

import (
	"fmt"
	"slices"
	"strings"
)

// Describe is Kafka's text format (TopologyDescription.toString), byte for byte what Kafka Streams prints for a topology of these nodes, but for
// sinks without a topic, where Kafka prints a Java object and we the operator. Internal topics are named without the app.
func (t *Topology) Describe() string {
	var b strings.Builder
	b.WriteString("Topologies:\n ")
	for _, s := range t.subs {
		if s.Global {
			fmt.Fprintf(&b, "  Sub-topology: %d for global store (will not generate tasks)\n", s.ID)
		} else {
			fmt.Fprintf(&b, "  Sub-topology: %d\n", s.ID)
		}
		for _, n := range s.described() {
			fmt.Fprintf(&b, "    %s\n", n)
		}
		if !s.Global {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// described is a node with its neighbours, ordered as Kafka orders them.
type described struct {
	*Node
	at            int   // in the sub-topology
	size          int32 // the paths that start here, as far as they are known; an int of Java, which may overflow
	parents, next treeSet[*described]
	stores        []string
}

// bigger is the order of nodes in a description: those with more below them come first (Kafka's NodeComparator).
func bigger(a, b *described) bool {
	if a.size != b.size {
		return b.size-a.size < 0
	}
	return a.Name < b.Name
}

// described are the nodes in the order in which Kafka prints them. Kafka takes them in the order of a hash map to connect them, edge by edge;
// the sets of neighbours are ordered by the sizes of that moment.
func (s *Sub) described() []*described {
	all := make([]*described, len(s.Nodes))
	byName := map[string]*described{}
	var names []string
	for i, n := range s.Nodes {
		d := &described{Node: n, at: i, size: 1, stores: s.shown(n)}
		d.parents.less, d.next.less = bigger, bigger
		all[i], byName[n.Name] = d, d
		names = append(names, n.Name)
	}
	for _, name := range javaOrder(names, 0) {
		d := byName[name]
		for _, p := range d.Parents {
			parent := byName[p.Node.Name]
			d.parents.add(parent)
			parent.next.add(d)
			grow(all, parent, d.size)
		}
	}
	slices.SortFunc(all, func(a, b *described) int {
		if bigger(a, b) {
			return -1
		}
		return 1
	})
	return all
}

// grow adds to the size of a node and, along every path, of its ancestors. Ancestors stand before their descendants.
func grow(all []*described, d *described, by int32) {
	add := make([]int32, d.at+1)
	add[d.at] = by
	for i := d.at; i >= 0; i-- {
		all[i].size += add[i]
		for _, p := range all[i].parents.values() {
			add[p.at] += add[i]
		}
	}
}

// shown are the stores that Kafka prints for a node, in the order of its hash set: not the global ones that it only reads.
func (s *Sub) shown(n *Node) []string {
	var own []string
	for _, name := range n.Stores {
		if slices.ContainsFunc(s.Stores, func(st *Store) bool { return st.Name == name }) {
			own = append(own, name)
		}
	}
	return javaCopy(javaOrder(own, 0))
}

// String is the node as Kafka prints it, without the indent of its first line.
func (d *described) String() string {
	const next, parents = "\n      --> ", "\n      <-- "
	switch {
	case d.Kind == Sink && len(d.Topics) == 0:
		return fmt.Sprintf("Sink: %s (extractor class: %s)", d.Name, d.Op) + parents + names(d.parents)
	case d.Kind == Sink:
		return fmt.Sprintf("Sink: %s (topic: %s)", d.Name, strings.Join(topicNames(d.Topics), ", ")) + parents + names(d.parents)
	case d.Kind == Processor:
		return fmt.Sprintf("Processor: %s (stores: [%s])", d.Name, strings.Join(d.stores, ", ")) + next + names(d.next) + parents + names(d.parents)
	case d.Pattern != "":
		return fmt.Sprintf("Source: %s (topics: %s)", d.Name, d.Pattern) + next + names(d.next)
	}
	return fmt.Sprintf("Source: %s (topics: [%s])", d.Name, strings.Join(javaCopy(topicNames(d.Topics)), ", ")) + next + names(d.next)
}

func names(set treeSet[*described]) string {
	var all []string
	for _, d := range set.values() {
		all = append(all, d.Name)
	}
	if all == nil {
		return "none"
	}
	return strings.Join(all, ", ")
}
