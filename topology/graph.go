package topology

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
)

// Kind is what a node does.
type Kind uint8

// The kinds of nodes.
const (
	Source Kind = iota
	Processor
	Sink
)

// Topic is a topic by name. An internal one is prefixed by the app's name when it runs.
type Topic struct {
	Name     string
	Internal bool
}

// In is the topic's real name in an app.
func (t Topic) In(app string) string {
	if t.Internal {
		return app + "-" + t.Name
	}
	return t.Name
}

// Node is a node of the graph. It is filled by the DSL and not changed after Build.
type Node struct {
	Name    string
	Op      string // the operator that made it, for messages: "Filter"
	Kind    Kind
	Topics  []Topic // of a source: what it reads; of a sink: where it writes, none if the topic is chosen per record
	Pattern string  // of a source: a regular expression instead of Topics
	Reset   Reset   // of a source
	// InnerKey is, of a source, the part of an encoded key by which its records are partitioned: the key without its window. Nil for the whole.
	InnerKey func(key []byte) []byte
	// Global says of a source that every instance reads all partitions of its topic, into a global store: the store of the processor below it.
	// Other nodes may name that store too; they only read it, and it does not join them.
	Global bool
	// Optional says that the node is left out of the topology if it has no children when it is built.
	Optional bool
	// Passes is what the node does to keys and values, for MergeRepartitions.
	Passes  Passing
	Stores  []string
	Parents []Parent
	In      reflect.Type            // the Receiver type that the node is, nil for a source
	Outs    map[string]reflect.Type // the Receiver types that its children must be, by output
	// Outputs holds what the DSL keeps per named output, for Make.
	Outputs map[string]any
	// Make builds the node for a task. links are its children, in the order of their declaration. A source returns a flow.Source, every other
	// node a flow.Receiver of its type.
	Make func(env *flow.Env, links []flow.Link) (any, error)
}

// Parent is an edge into a node from one output of another: empty for its main one.
type Parent struct {
	Node   *Node
	Output string
}

// Reset says where a source starts without a committed offset.
type Reset struct {
	Policy ResetPolicy
	Ago    time.Duration
}

// ResetPolicy is the kind of a Reset.
type ResetPolicy uint8

// The policies. ResetDefault is the app's.
const (
	ResetDefault ResetPolicy = iota
	ResetEarliest
	ResetLatest
	ResetNone
	ResetAgo
)

// Store is a store of the graph.
type Store struct {
	*rows.Spec
	// SourceTopic is set when the store is filled from a source topic that serves as its changelog; then there is no other.
	SourceTopic string
	// Reader is what read SourceTopic before the store is restored from it; nil where nothing was decided there.
	Reader *Reader
	// Joins says that the changelog is cleaned by deletion only: the window stores of stream joins.
	Joins bool
}

// Reader is a source as restores need it: its node's name, and its own decision about errors.
type Reader struct {
	Node    string
	OnError flow.Handler
}

// Changelog is the store's changelog topic; ok is false where it has none.
func (s *Store) Changelog() (t Topic, ok bool) {
	switch {
	case s.SourceTopic != "":
		return Topic{Name: s.SourceTopic}, true
	case s.Logged:
		return Topic{Name: s.Name + "-changelog", Internal: true}, true
	}
	return Topic{}, false
}

// Repartition is an internal topic through which records pass to other tasks.
type Repartition struct {
	Name       string // without prefix and suffix
	Suffix     string // "-repartition" where empty; the topics of foreign-key joins end in "-topic"
	Partitions int32  // 0: the greatest count upstream
	Config     map[string]string
	// Merges says that MergeRepartitions may let it share a topic with others: its topic has no settings of its own.
	Merges bool
	// Serdes says how keys and values are written in it, where Merges is set: those that share a topic write alike.
	Serdes [2]string
	// NullKeys says that records without a key pass it.
	NullKeys bool
}

// Topic is the repartition topic.
func (r *Repartition) Topic() Topic {
	return Topic{Name: r.Name + cmp.Or(r.Suffix, "-repartition"), Internal: true}
}

// Graph is a topology under construction. One goroutine uses it.
type Graph struct {
	nodes        []*Node
	stores       []*Store
	repartitions []*Repartition
	copartitions []copartition
	faults       []error
	warnings     []string
}

// copartition says that the sources above some nodes must have equally many partitions.
type copartition struct {
	op    string // the operator, by name, that needs it
	nodes []*Node
}

// NewGraph returns an empty graph.
func NewGraph() *Graph { return &Graph{} }

// Add adds a node; its parents must have been added before, or Behind be called.
func (g *Graph) Add(n *Node) { g.nodes = append(g.nodes, n) }

// Behind moves a node, and those below it, behind its parents, if some of these were added later.
func (g *Graph) Behind(n *Node) {
	at := slices.Index(g.nodes, n)
	if !slices.ContainsFunc(n.Parents, func(p Parent) bool { return slices.Index(g.nodes, p.Node) > at }) {
		return
	}
	moved := map[*Node]bool{n: true}
	var stay, behind []*Node
	for _, m := range g.nodes {
		if m != n && slices.ContainsFunc(m.Parents, func(p Parent) bool { return moved[p.Node] }) {
			moved[m] = true
		}
		if moved[m] {
			behind = append(behind, m)
		} else {
			stay = append(stay, m)
		}
	}
	g.nodes = append(stay, behind...)
}

// Remove takes nodes out that no node names as its parent any more.
func (g *Graph) Remove(nodes ...*Node) {
	g.nodes = slices.DeleteFunc(g.nodes, func(n *Node) bool { return slices.Contains(nodes, n) })
}

// AddStore adds a store; nodes use it by name.
func (g *Graph) AddStore(s *Store) { g.stores = append(g.stores, s) }

// AddRepartition declares a repartition topic, which a sink and a source of the graph then name.
func (g *Graph) AddRepartition(r *Repartition) { g.repartitions = append(g.repartitions, r) }

// Copartition says that an operator needs the sources above these nodes to be partitioned alike.
func (g *Graph) Copartition(op string, nodes ...*Node) {
	g.copartitions = append(g.copartitions, copartition{op, nodes})
}

// Fault notes a mistake of the user; Build reports all.
func (g *Graph) Fault(err error) { g.faults = append(g.faults, err) }

// Warn notes what is legal and often wrong.
func (g *Graph) Warn(text string) { g.warnings = append(g.warnings, text) }

// String is the node as messages name it: its operator and its name.
func (n *Node) String() string { return fmt.Sprintf("%s %q", cmp.Or(n.Op, n.Kind.String()), n.Name) }

// String is the kind's name, as Describe prints it.
func (k Kind) String() string { return [...]string{"Source", "Processor", "Sink"}[k] }
