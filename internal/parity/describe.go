package parity

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// DiffDescribe compares two descriptions of a topology after renaming the nodes of each in the order in which they are found. Kafka's counter in the
// names of nodes is not compared; sub-topologies, sources, topics, stores and edges are. Nodes that stand in another order within a sub-topology are
// the same topology: their order comes from names. A sink with several parents is the same as one sink for each.
func DiffDescribe(want, got string) error { return diffDescribe(want, got, (*subtopology).splitSinks) }

// SharesSinks says that one of two descriptions of the same topology has a sink with several parents where the other has several sinks.
func SharesSinks(want, got string) bool {
	return DiffDescribe(want, got) == nil && diffDescribe(want, got, func(*subtopology) {}) != nil
}

func diffDescribe(want, got string, prepare func(*subtopology)) error {
	w, g := parseDescription(want), parseDescription(got)
	if len(w) != len(g) {
		return fmt.Errorf("%d sub-topologies, want %d", len(g), len(w))
	}
	for i := range w {
		prepare(w[i])
		prepare(g[i])
		if ws, gs := w[i].shape(), g[i].shape(); ws != gs {
			return fmt.Errorf("sub-topology %d is\n%swant\n%s", i, gs, ws)
		}
	}
	return nil
}

// subtopology are the nodes of one, by name.
type subtopology struct {
	head  string
	nodes map[string]*node
	order []string
}

type node struct {
	what           string // kind, topics or stores: all that is not a name of a node
	next, previous []string
}

var nodeLine = regexp.MustCompile(`^    (Source|Processor|Sink): (\S+) \((.*)\)$`)

func parseDescription(text string) (all []*subtopology) {
	var n *node
	for line := range strings.SplitSeq(text, "\n") {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, "Sub-topology: "):
			_, head, _ := strings.Cut(trimmed, ": ")
			all = append(all, &subtopology{head: head, nodes: map[string]*node{}})
		case nodeLine.MatchString(line):
			m := nodeLine.FindStringSubmatch(line)
			n = &node{what: m[1] + " (" + sortedList(m[3]) + ")"}
			s := all[len(all)-1]
			s.nodes[m[2]] = n
			s.order = append(s.order, m[2])
		case strings.HasPrefix(trimmed, "--> "):
			n.next = list(trimmed[len("--> "):])
		case strings.HasPrefix(trimmed, "<-- "):
			n.previous = list(trimmed[len("<-- "):])
		}
	}
	return all
}

// sortedList sorts what stands in brackets, which comes from a hash set.
func sortedList(s string) string {
	before, rest, ok := strings.Cut(s, "[")
	inside, after, closed := strings.Cut(rest, "]")
	if !ok || !closed {
		return s
	}
	items := strings.Split(inside, ", ")
	slices.Sort(items)
	return before + "[" + strings.Join(items, ", ") + "]" + after
}

func list(s string) []string {
	if s == "none" {
		return nil
	}
	return strings.Split(s, ", ")
}

// shape is a text that is the same for sub-topologies whose nodes can be renamed one to one so that all is equal. Where every node differs from every
// other in what it is or is connected with, other sub-topologies have other texts: the numbers in it are names, and it holds all edges.
func (s *subtopology) shape() string {
	colours := map[string]string{}
	for name, n := range s.nodes {
		colours[name] = n.what
	}
	for range s.nodes { // a node's colour becomes what it and its neighbours were: after n rounds it knows all that it is connected with
		colours = s.refine(colours)
	}
	number := numbered(colours)
	var lines []string
	for name, n := range s.nodes {
		lines = append(lines, fmt.Sprintf("  %03d %s --> %s <-- %s\n", number[colours[name]], n.what, edges(n.next, colours, number), edges(n.previous, colours, number)))
	}
	slices.Sort(lines)
	return s.head + "\n" + strings.Join(lines, "")
}

// splitSinks gives each parent of a sink a sink of its own.
func (s *subtopology) splitSinks() {
	for name, n := range maps.Clone(s.nodes) {
		if !strings.HasPrefix(n.what, "Sink ") || len(n.previous) < 2 {
			continue
		}
		delete(s.nodes, name)
		for _, parent := range n.previous {
			own := name + " of " + parent
			s.nodes[own] = &node{what: n.what, previous: []string{parent}}
			up := s.nodes[parent]
			up.next[slices.Index(up.next, name)] = own
		}
	}
}

// refine gives nodes a colour of their own and their neighbours' old ones. Colours are kept short by numbering them in the order of their texts.
func (s *subtopology) refine(old map[string]string) map[string]string {
	texts := map[string]string{}
	for name, n := range s.nodes {
		texts[name] = old[name] + ">" + strings.Join(coloured(n.next, old), ";") + "<" + strings.Join(coloured(n.previous, old), ";")
	}
	number := numbered(texts)
	next := map[string]string{}
	for name, text := range texts {
		next[name] = fmt.Sprintf("%03d", number[text])
	}
	return next
}

func coloured(names []string, colours map[string]string) (all []string) {
	for _, name := range names {
		all = append(all, colours[name])
	}
	slices.Sort(all)
	return all
}

func numbered(colours map[string]string) map[string]int {
	var texts []string
	for _, c := range colours {
		texts = append(texts, c)
	}
	slices.Sort(texts)
	number := map[string]int{}
	for i, c := range slices.Compact(texts) {
		number[c] = i
	}
	return number
}

func edges(names []string, colours map[string]string, number map[string]int) string {
	var all []string
	for _, c := range coloured(names, colours) {
		all = append(all, fmt.Sprintf("%03d", number[c]))
	}
	return "[" + strings.Join(all, " ") + "]"
}
