package topology

import (
	"fmt"
	"strings"
)

// Mermaid is a Mermaid flowchart: a subgraph for each sub-topology, stores as cylinders, topics between subgraphs. Dotted edges are stores.
func (t *Topology) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	t.draw(&mermaid{&b})
	return b.String()
}

// DOT is a Graphviz graph: a cluster for each sub-topology, stores as cylinders, topics between clusters. Dotted edges are stores.
func (t *Topology) DOT() string {
	var b strings.Builder
	b.WriteString("digraph topology {\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n")
	t.draw(&dot{&b})
	b.WriteString("}\n")
	return b.String()
}

// shape is what a thing in a diagram is.
type shape uint8

const (
	processorShape shape = iota
	sourceShape
	sinkShape
	storeShape
	topicShape
)

// pen writes a diagram. Identifiers are letters and digits; labels are any text.
type pen interface {
	open(id, label string)
	close()
	thing(id, label string, s shape)
	edge(from, to, label string)
	uses(from, to string)
}

// drawing gives every node, store and topic an identifier that no name can break.
type drawing struct {
	pen
	*Topology
	nodes  map[*Node]string
	stores map[string]string
	topics map[Topic]string
}

func (t *Topology) draw(p pen) {
	d := &drawing{p, t, map[*Node]string{}, map[string]string{}, map[Topic]string{}}
	for _, s := range t.subs {
		d.sub(s)
	}
	d.outside()
	for _, n := range t.nodes {
		d.edges(n)
	}
}

func (d *drawing) sub(s *Sub) {
	label := fmt.Sprintf("Sub-topology %d", s.ID)
	if s.Global {
		label += " (global)"
	}
	d.open(fmt.Sprintf("sub%d", s.ID), label)
	for _, n := range s.Nodes {
		d.nodes[n] = fmt.Sprintf("n%d", len(d.nodes))
		d.thing(d.nodes[n], n.Name, [...]shape{sourceShape, processorShape, sinkShape}[n.Kind])
	}
	for _, st := range s.Stores {
		d.stores[st.Name] = fmt.Sprintf("s%d", len(d.stores))
		d.thing(d.stores[st.Name], st.Name, storeShape)
	}
	d.close()
}

// outside draws the topics that stand outside of the app. A repartition topic is an edge.
func (d *drawing) outside() {
	for _, n := range d.Topology.nodes {
		for _, t := range endpoints(n) {
			if _, ok := d.topics[t]; !ok && !t.Internal {
				d.topics[t] = fmt.Sprintf("t%d", len(d.topics))
				d.thing(d.topics[t], t.Name, topicShape)
			}
		}
	}
}

// endpoints are the topics of a source or a sink; a pattern is one, and topics chosen per record are none.
func endpoints(n *Node) []Topic {
	if n.Pattern != "" {
		return []Topic{{Name: n.Pattern}}
	}
	return n.Topics
}

func (d *drawing) edges(n *Node) {
	for _, p := range n.Parents {
		d.edge(d.nodes[p.Node], d.nodes[n], p.Output)
	}
	for _, name := range n.Stores {
		d.uses(d.nodes[n], d.stores[name])
	}
	for _, t := range endpoints(n) {
		switch {
		case t.Internal && n.Kind == Sink:
			d.edge(d.nodes[n], d.nodes[d.reader(t)], t.Name)
		case t.Internal:
		case n.Kind == Sink:
			d.edge(d.nodes[n], d.topics[t], "")
		default:
			d.edge(d.topics[t], d.nodes[n], "")
		}
	}
}

// reader is the source of an internal topic, which a checked graph has.
func (d *drawing) reader(t Topic) *Node {
	for _, n := range d.Topology.nodes {
		for _, read := range n.Topics {
			if n.Kind == Source && read == t {
				return n
			}
		}
	}
	panic("topology: nobody reads " + t.Name)
}

type mermaid struct{ *strings.Builder }

// mermaidText is a label that Mermaid shows as it is: what would end a string or begin markup is an entity.
var mermaidText = strings.NewReplacer("#", "#35;", `"`, "#quot;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;", `\`, "#92;", "|", "#124;", "\n", " ")

func (m *mermaid) open(id, label string) {
	fmt.Fprintf(m, "  subgraph %s[\"%s\"]\n", id, mermaidText.Replace(label))
}

func (m *mermaid) close() { m.WriteString("  end\n") }

func (m *mermaid) thing(id, label string, s shape) {
	ends := [...][2]string{processorShape: {"[", "]"}, sourceShape: {"([", "])"}, sinkShape: {"([", "])"}, storeShape: {"[(", ")]"}, topicShape: {"[/", "/]"}}[s]
	indent := "    "
	if s == topicShape {
		indent = "  "
	}
	fmt.Fprintf(m, "%s%s%s\"%s\"%s\n", indent, id, ends[0], mermaidText.Replace(label), ends[1])
}

func (m *mermaid) edge(from, to, label string) {
	if label == "" {
		fmt.Fprintf(m, "  %s --> %s\n", from, to)
		return
	}
	fmt.Fprintf(m, "  %s -->|\"%s\"| %s\n", from, mermaidText.Replace(label), to)
}

func (m *mermaid) uses(from, to string) { fmt.Fprintf(m, "  %s -.- %s\n", from, to) }

type dot struct{ *strings.Builder }

// dotText is a label in a quoted string of Graphviz, which has escapes of its own after a backslash.
var dotText = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ")

func (d *dot) open(id, label string) {
	fmt.Fprintf(d, "  subgraph cluster_%s {\n    label=\"%s\";\n", id, dotText.Replace(label))
}

func (d *dot) close() { d.WriteString("  }\n") }

func (d *dot) thing(id, label string, s shape) {
	look := [...]string{processorShape: "box", sourceShape: "ellipse", sinkShape: "ellipse", storeShape: "cylinder", topicShape: "parallelogram"}[s]
	indent := "    "
	if s == topicShape {
		indent = "  "
	}
	fmt.Fprintf(d, "%s%s [shape=%s, label=\"%s\"];\n", indent, id, look, dotText.Replace(label))
}

func (d *dot) edge(from, to, label string) {
	if label == "" {
		fmt.Fprintf(d, "  %s -> %s;\n", from, to)
		return
	}
	fmt.Fprintf(d, "  %s -> %s [label=\"%s\"];\n", from, to, dotText.Replace(label))
}

func (d *dot) uses(from, to string) {
	fmt.Fprintf(d, "  %s -> %s [style=dotted, dir=none];\n", from, to)
}
