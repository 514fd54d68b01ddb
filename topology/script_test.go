package topology

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
)

// TestScripts builds graphs from texts. The first lines declare, one thing each:
//
//	source a topics=t1,t2 | pattern=re [reset=-5s] [global]
//	node b parents=a,c/output [stores=s] [in=int] [out=string] [outs=x,y]
//	sink c parents=b topics=t
//	store s [kind=window] [retention=1h] [logged] [joins] [source=t] [fault]
//	repartition r [partitions=4] [suffix=-topic] [cleanup.policy=compact]
//	copartition op nodes=a,b
//	fault text / warn text / forget a / parent a of=b
//
// A topic that begins with @ is internal. Types default to int.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var top *Topology
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "build":
				var err error
				if top, err = parse(t, d.Input).Build(); err != nil {
					return err.Error() + "\n"
				}
				return print(top)
			}
			return query(t, top, d)
		})
	})
}

var kinds = map[string]reflect.Type{
	"": reflect.TypeFor[flow.Receiver[string, int]](), "int": reflect.TypeFor[flow.Receiver[string, int]](), "string": reflect.TypeFor[flow.Receiver[string, string]](),
}

// script is a graph under construction, by names.
type script struct {
	*Graph
	t     *testing.T
	nodes map[string]*Node
}

func parse(t *testing.T, input string) *Graph {
	s := &script{NewGraph(), t, map[string]*Node{}}
	for _, line := range strings.Split(input, "\n") {
		if words := strings.Fields(line); len(words) > 0 {
			s.line(words[0], words[1:])
		}
	}
	return s.Graph
}

// args are the name and the settings of a line.
func args(words []string) (name string, set map[string]string) {
	set = map[string]string{}
	for i, w := range words {
		k, v, found := strings.Cut(w, "=")
		if !found && i == 0 {
			name = w
			continue
		}
		set[k] = v
	}
	if name == `""` {
		name = ""
	}
	return name, set
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func (s *script) line(what string, words []string) {
	name, set := args(words)
	switch what {
	case "source", "node", "sink":
		s.node(what, name, set)
	case "store":
		s.store(name, set)
	case "repartition":
		s.repartition(name, set)
	case "copartition":
		var nodes []*Node
		for _, n := range list(set["nodes"]) {
			nodes = append(nodes, s.nodes[n])
		}
		s.Copartition(fmt.Sprintf("Join %q", name), nodes...)
	case "fault":
		s.Fault(errors.New(strings.Join(words, " ")))
	case "warn":
		s.Warn(strings.Join(words, " "))
	case "forget":
		s.Graph.nodes = slices.DeleteFunc(s.Graph.nodes, func(n *Node) bool { return n.Name == name })
	case "parent":
		of := s.nodes[set["of"]]
		of.Parents = append(of.Parents, Parent{Node: s.nodes[name]})
	default:
		s.t.Fatalf("unknown line %q", what)
	}
}

func (s *script) node(what, name string, set map[string]string) {
	n := &Node{Name: name, Op: map[string]string{"source": "From", "node": "Map", "sink": "To"}[what], In: kinds[set["in"]], Pattern: set["pattern"], Stores: list(set["stores"])}
	n.Kind = map[string]Kind{"source": Source, "node": Processor, "sink": Sink}[what]
	_, n.Global = set["global"]
	if n.Kind == Source {
		n.In = nil
	}
	if n.Kind != Sink {
		n.Outs = map[string]reflect.Type{"": kinds[set["out"]]}
		for _, out := range list(set["outs"]) {
			n.Outs[out] = kinds[""]
		}
	}
	if d, err := time.ParseDuration(set["reset"]); err == nil {
		n.Reset = Reset{ResetAgo, d}
	}
	for _, t := range list(set["topics"]) {
		n.Topics = append(n.Topics, topicOf(t))
	}
	for _, p := range list(set["parents"]) {
		parent, output, _ := strings.Cut(p, "/")
		n.Parents = append(n.Parents, Parent{s.nodes[parent], output})
	}
	s.nodes[name] = n
	s.Add(n)
}

func topicOf(s string) Topic {
	name, internal := strings.CutPrefix(s, "@")
	return Topic{name, internal}
}

func (s *script) store(name string, set map[string]string) {
	spec := &rows.Spec{Name: name}
	spec.Kind = map[string]rows.Kind{"window": rows.WindowKind, "session": rows.SessionKind, "custom": rows.CustomKind}[set["kind"]]
	_, spec.Logged = set["logged"]
	if d, err := time.ParseDuration(set["retention"]); err == nil {
		spec.Retention = d.Milliseconds()
	}
	if _, ok := set["fault"]; ok {
		spec.Fault = errors.New("the declaration is wrong")
	}
	_, joins := set["joins"]
	spec.Config = settings(set)
	s.AddStore(&Store{Spec: spec, SourceTopic: set["source"], Joins: joins})
}

func (s *script) repartition(name string, set map[string]string) {
	n, _ := strconv.Atoi(set["partitions"])
	s.AddRepartition(&Repartition{Name: name, Suffix: set["suffix"], Partitions: int32(n), Config: settings(set)})
}

// settings are those of a topic: their names have dots.
func settings(set map[string]string) map[string]string {
	config := map[string]string{}
	for k, v := range set {
		if strings.Contains(k, ".") {
			config[k] = v
		}
	}
	return config
}

func print(top *Topology) string {
	var b strings.Builder
	for _, s := range top.Subs() {
		fmt.Fprintf(&b, "%d:", s.ID)
		for _, n := range s.Nodes {
			fmt.Fprintf(&b, " %s", n.Name)
		}
		if len(s.Stores) > 0 {
			b.WriteString(" |")
		}
		for _, st := range s.Stores {
			fmt.Fprintf(&b, " %s", st.Name)
		}
		if s.Global {
			b.WriteString(" (global)")
		}
		b.WriteByte('\n')
	}
	for _, w := range top.Warnings() {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

// query asks the topology that was built last. Its input is lines "topic count" and "set name value".
func query(t *testing.T, top *Topology, d *datadriven.TestData) string {
	counts, overrides := map[string]int32{}, map[string]string{}
	for _, line := range strings.Split(d.Input, "\n") {
		switch words := strings.Fields(line); len(words) {
		case 2:
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatalf("a count: %v", err)
			}
			counts[words[0]] = int32(n)
		case 3:
			overrides[words[1]] = words[2]
		}
	}
	app := "app"
	if d.HasArg("app") {
		d.ScanArgs(t, "app", &app)
	}
	switch d.Cmd {
	case "plan":
		return planText(top.Plan(app, counts, overrides))
	case "tasks":
		return tasksText(top.Tasks(app, counts))
	case "describe":
		return top.Describe()
	case "mermaid":
		return top.Mermaid()
	case "dot":
		return top.DOT()
	case "sources":
		names, patterns := top.Sources()
		return fmt.Sprintf("%q %q %q\n", names, patterns, top.Globals())
	}
	t.Fatalf("unknown command %q", d.Cmd)
	return ""
}

func planText(p *Plan, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tasks %v\n", p.Tasks)
	for _, i := range p.Internal {
		fmt.Fprintf(&b, "%s %d %s\n", i.Name, i.Partitions, configText(i.Config))
	}
	return b.String()
}

func tasksText(all []TaskSpec, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "%s %v", s, s.Inputs)
		if s.Stateful {
			fmt.Fprintf(&b, " %v", s.Changelogs)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func configText(config map[string]string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(config)) {
		words = append(words, k+"="+config[k])
	}
	return strings.Join(words, " ")
}
