package weir

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// Builder collects a topology and its faults. One goroutine uses it, until Build.
type Builder struct {
	graph    *topology.Graph
	counters map[string]int
	serdes   map[reflect.Type]any   // RegisterSerde: serde.Serde of the type
	declared map[reflect.Type][]any // of the topics used here
	stores   map[string]bool
	read     map[string]reading // by the topics of From
	late     []func()           // run by Build, in order, when every serde is known
	built    bool
	recovers bool
	warnings warnings
	rules    rules
}

// NewBuilder starts a topology.
func NewBuilder() *Builder {
	return &Builder{graph: topology.NewGraph(), counters: map[string]int{}, serdes: map[reflect.Type]any{}, declared: map[reflect.Type][]any{}, stores: map[string]bool{}, read: map[string]reading{}}
}

// Build checks and returns the topology, or every fault, joined. Optimizations are applied only when named. A Builder builds once.
func (b *Builder) Build(rules ...Optimization) (*Topology, error) {
	if b.built {
		return nil, errors.New("weir: Build was called twice")
	}
	b.built = true
	b.take(rules)
	for i := 0; i < len(b.late); i++ {
		b.late[i]()
	}
	if b.rules.mergeRepartitions {
		b.graph.MergeRepartitions()
	}
	t, err := b.graph.Build()
	if err != nil {
		return nil, fmt.Errorf("weir: the topology cannot be built:\n%w", err)
	}
	return &Topology{t, b.recovers}, nil
}

// Topology is a checked graph, ready to run; it may run in many apps.
type Topology struct {
	t        *topology.Topology
	recovers bool // some operator has an OnError of its own
}

// Describe is Kafka's text format.
func (t *Topology) Describe() string { return t.t.Describe() }

// Mermaid is a Mermaid flowchart.
func (t *Topology) Mermaid() string { return t.t.Mermaid() }

// DOT is a Graphviz graph.
func (t *Topology) DOT() string { return t.t.DOT() }

// Warnings says what is legal and often wrong.
func (t *Topology) Warnings() []string { return t.t.Warnings() }

// Graph is the topology as data, for weir's own rooms.
func (t *Topology) Graph(seal.Token) *topology.Topology { return t.t }

// RegisterSerde makes a serde the default of the Go type T in this topology.
func RegisterSerde[T any](b *Builder, s serde.Serde[T]) { b.serdes[reflect.TypeFor[T]()] = s }

func (b *Builder) faultf(o *op, format string, args ...any) {
	b.graph.Fault(fmt.Errorf("%s: %w", o, fmt.Errorf(format, args...)))
}

// atBuild runs f in Build, after what was registered before it.
func (b *Builder) atBuild(f func()) { b.late = append(b.late, f) }

// nodeName is the user's name, or a readable one of the operator and a number: filter-2.
func (b *Builder) nodeName(o *op) string {
	if o.name != "" {
		return o.name
	}
	kind := kebab(o.kind)
	b.counters[kind]++
	return fmt.Sprintf("%s-%d", kind, b.counters[kind])
}

// kebab turns MapValues into map-values.
func kebab(s string) string {
	var out strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte('-')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// makeNode builds a node for a task: its own part and its children are typed.
type makeNode[K, V, KO, VO any] func(n *flow.Node, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error)

// addNode adds a processor node with one output.
func addNode[K, V, KO, VO any](b *Builder, o *op, name string, parents []topology.Parent, make makeNode[K, V, KO, VO]) *topology.Node {
	return addLinked(b, o, name, parents, alone(make))
}

// alone is how a node of one output is made.
func alone[K, V, KO, VO any](make makeNode[K, V, KO, VO]) makeLinked[K, V, KO, VO] {
	return func(n *flow.Node, _ []flow.Link, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error) {
		return make(n, next)
	}
}

// makeLinked is makeNode for a node that may have further outputs: it is given all children.
type makeLinked[K, V, KO, VO any] func(n *flow.Node, links []flow.Link, next flow.Receiver[KO, VO]) (flow.Receiver[K, V], error)

// addLinked is addNode for a node that may have further outputs.
func addLinked[K, V, KO, VO any](b *Builder, o *op, name string, parents []topology.Parent, make makeLinked[K, V, KO, VO]) *topology.Node {
	n := newNode(o, name, parents, make)
	b.graph.Add(n)
	return n
}

// newNode is a node that was not added yet.
func newNode[K, V, KO, VO any](o *op, name string, parents []topology.Parent, make makeLinked[K, V, KO, VO]) *topology.Node {
	n := &topology.Node{
		Name: name, Op: o.kind, Kind: topology.Processor, Parents: parents,
		In:   reflect.TypeFor[flow.Receiver[K, V]](),
		Outs: map[string]reflect.Type{"": reflect.TypeFor[flow.Receiver[KO, VO]]()},
	}
	n.Make = func(env *flow.Env, links []flow.Link) (any, error) {
		next, err := flow.Children[KO, VO](links)
		if err != nil {
			return nil, err
		}
		node := flow.NewNode(env, name, o.onError, o.onDropped)
		r, err := make(node, links, next)
		if err != nil {
			return nil, err
		}
		return flow.Around(node, r), nil
	}
	return n
}

// addStore declares an operator's store at Build, when its serdes are known. spec returns nil after a fault.
func (b *Builder) addStore(o *op, name string, spec func() *topology.Store) {
	if b.stores[name] {
		b.faultf(o, "store %q exists already", name)
		return
	}
	b.stores[name] = true
	b.atBuild(func() {
		if s := spec(); s != nil {
			b.graph.AddStore(s)
		}
	})
}

// connect adds the stores that an operator's Stores option names: those declared by hand are added once, those of tables exist.
func (b *Builder) connect(o *op, own []state.Descriptor) (names []string) {
	for _, d := range append(own, o.stores...) {
		if d == nil {
			b.faultf(o, "Stores: a nil store")
			continue
		}
		name := d.StoreName()
		names = append(names, name)
		spec := d.Spec(seal.Token{})
		if b.stores[name] {
			if spec.Fault != nil {
				b.faultf(o, "Stores: %w", spec.Fault)
			}
			continue
		}
		b.stores[name] = true
		b.graph.AddStore(&topology.Store{Spec: spec})
	}
	return names
}
