package topology

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"pgregory.net/rapid"
)

// drawGraph is a legal graph: edges lead forward, repartition topics anywhere. Explicit counts are all 4.
func drawGraph(t *rapid.T) *Graph {
	g := NewGraph()
	typ := kinds[""]
	var open []*Node // what can have children
	add := func(n *Node) *Node {
		n.Name = fmt.Sprintf("n%d", len(g.nodes))
		g.Add(n)
		if n.Kind != Sink {
			n.Outs = map[string]reflect.Type{"": typ}
			open = append(open, n)
		}
		if n.Kind != Source {
			n.In = typ
		}
		return n
	}
	parents := func(most int) (ps []Parent) {
		for range rapid.IntRange(1, most).Draw(t, "parents") {
			ps = append(ps, Parent{Node: rapid.SampledFrom(open).Draw(t, "parent")})
		}
		return ps
	}
	stores := rapid.IntRange(0, 4).Draw(t, "stores")
	for i := range stores {
		g.AddStore(&Store{Spec: &rows.Spec{Name: fmt.Sprintf("s%d", i), Logged: rapid.Bool().Draw(t, "logged")}})
	}
	add(&Node{Kind: Source, Topics: []Topic{{Name: "in0"}}})
	for i := range rapid.IntRange(1, 25).Draw(t, "nodes") {
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			add(&Node{Kind: Source, Topics: []Topic{{Name: fmt.Sprintf("in%d", i+1)}}})
		case 1:
			r := &Repartition{Name: fmt.Sprintf("r%d", i), Partitions: rapid.SampledFrom([]int32{0, 0, 0, 4}).Draw(t, "explicit")}
			g.AddRepartition(r)
			add(&Node{Kind: Sink, Topics: []Topic{r.Topic()}, Parents: parents(1)})
			add(&Node{Kind: Source, Topics: []Topic{r.Topic()}})
		case 2:
			if len(g.repartitions) > 0 {
				add(&Node{Kind: Sink, Topics: []Topic{rapid.SampledFrom(g.repartitions).Draw(t, "to").Topic()}, Parents: parents(1)})
			}
		case 3:
			if stores > 0 {
				add(&Node{Kind: Processor, Parents: parents(1), Stores: []string{fmt.Sprintf("s%d", rapid.IntRange(0, stores-1).Draw(t, "store"))}})
			}
		case 4:
			g.Copartition(fmt.Sprintf("Join %d", i), rapid.SampledFrom(open).Draw(t, "left"), rapid.SampledFrom(open).Draw(t, "right"))
		default:
			add(&Node{Kind: Processor, Parents: parents(2)})
		}
	}
	return g
}

// checkSubs says what is wrong with sub-topologies, by a model that spreads labels until nothing changes.
func checkSubs(nodes []*Node, subs []*Sub) error {
	label := map[*Node]int{}
	for i, n := range nodes {
		label[n] = i
	}
	for again := true; again; {
		again = false
		for _, a := range nodes {
			for _, b := range nodes {
				if joined(a, b) && label[a] != label[b] {
					low := min(label[a], label[b])
					label[a], label[b], again = low, low, true
				}
			}
		}
	}
	want := map[int]string{}
	for _, n := range nodes {
		want[label[n]] += " " + n.Name
	}
	var all []string
	for _, first := range slices.Sorted(maps.Keys(want)) {
		all = append(all, want[first])
	}
	var got []string
	for i, s := range subs {
		if s.ID != int32(i) {
			return fmt.Errorf("sub-topology %d has the number %d", i, s.ID)
		}
		var names string
		for _, n := range s.Nodes {
			names += " " + n.Name
		}
		got = append(got, names)
	}
	if !slices.Equal(all, got) {
		return fmt.Errorf("sub-topologies %q, want %q", got, all)
	}
	return nil
}

// joined says that two nodes must run in one task.
func joined(a, b *Node) bool {
	return slices.ContainsFunc(b.Parents, func(p Parent) bool { return p.Node == a }) ||
		slices.ContainsFunc(b.Stores, func(s string) bool { return slices.Contains(a.Stores, s) })
}

func TestSubsAreComponents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		top, err := g.Build()
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSubs(g.nodes, top.Subs()); err != nil {
			t.Fatal(err)
		}
		again, err := g.Build()
		if err != nil || again.Describe() != top.Describe() || again.Hash("app") != top.Hash("app") {
			t.Fatalf("built twice, it is not the same: %v", err)
		}
		for _, s := range g.stores {
			checkOwner(t, top, s)
		}
	})
}

// checkOwner fails unless a store stands in the sub-topology of every node that uses it.
func checkOwner(t *rapid.T, top *Topology, s *Store) {
	_, owner, _ := top.Store(s.Name)
	for _, sub := range top.Subs() {
		for _, n := range sub.Nodes {
			if slices.Contains(n.Stores, s.Name) && owner != sub {
				t.Fatalf("store %s is not in the sub-topology of %s", s.Name, n)
			}
		}
	}
}

func TestWrongSubsAreSeen(t *testing.T) {
	a, b, c := &Node{Name: "a"}, &Node{Name: "b"}, &Node{Name: "c"}
	b.Parents = []Parent{{Node: a}}
	nodes := []*Node{a, b, c}
	for _, wrong := range [][]*Sub{
		{{ID: 0, Nodes: []*Node{a}}, {ID: 1, Nodes: []*Node{b}}, {ID: 2, Nodes: []*Node{c}}},
		{{ID: 0, Nodes: []*Node{a, b, c}}},
		{{ID: 0, Nodes: []*Node{c}}, {ID: 1, Nodes: []*Node{a, b}}},
		{{ID: 0, Nodes: []*Node{b, a}}, {ID: 1, Nodes: []*Node{c}}},
		{{ID: 1, Nodes: []*Node{a, b}}, {ID: 0, Nodes: []*Node{c}}},
		{{ID: 0, Nodes: []*Node{a, b}}},
	} {
		if checkSubs(nodes, wrong) == nil {
			t.Errorf("%v passed", wrong)
		}
	}
}

// constraints are topics that must have one count, by real name, closed over those that groups share.
func constraints(g *Graph, app string) (all [][]string) {
	for _, r := range g.repartitions {
		all = append(all, []string{r.Topic().In(app)})
	}
	for _, c := range g.copartitions {
		var topics []string
		for _, n := range sourcesAbove(c.nodes) {
			topics = append(topics, n.Topics[0].In(app))
		}
		all = append(all, topics)
	}
	for i := 0; i < len(all); i++ {
		for j := i + 1; j < len(all); j++ {
			if slices.ContainsFunc(all[j], func(s string) bool { return slices.Contains(all[i], s) }) {
				all[i] = append(all[i], all[j]...)
				all = slices.Delete(all, j, j+1)
				i = -1
				break
			}
		}
	}
	return all
}

// known are the counts that nobody may change: those of topics that exist, and explicit ones.
func known(g *Graph, app string, counts map[string]int32) map[string]int32 {
	all := maps.Clone(counts)
	for _, r := range g.repartitions {
		if r.Partitions > 0 {
			all[r.Topic().In(app)] = r.Partitions
		}
	}
	return all
}

// checkCounts says which constraint the counts of all topics break.
func checkCounts(g *Graph, top *Topology, app string, fixed, counts map[string]int32) error {
	widest := func(s *Sub) (most int32) {
		for _, n := range s.Sources() {
			most = max(most, counts[n.Topics[0].In(app)])
		}
		return most
	}
	for _, topics := range constraints(g, app) {
		var most, given int32
		for _, topic := range topics {
			if counts[topic] != counts[topics[0]] || counts[topic] <= 0 {
				return fmt.Errorf("%v are not alike: %v", topics, counts)
			}
			given = max(given, fixed[topic])
			for _, s := range top.Subs() {
				for _, n := range s.Nodes {
					if n.Kind == Sink && n.Topics[0].In(app) == topic {
						most = max(most, widest(s))
					}
				}
			}
		}
		if given > 0 && counts[topics[0]] != given || given == 0 && counts[topics[0]] != most {
			return fmt.Errorf("%v have %d, want %d or else %d", topics, counts[topics[0]], given, most)
		}
	}
	return nil
}

func TestPlanKeepsConstraints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		top, err := g.Build()
		if err != nil {
			t.Fatal(err)
		}
		names, _ := top.Sources()
		counts := map[string]int32{}
		for _, name := range names {
			counts[name] = rapid.SampledFrom([]int32{4, 4, 4, 1, 9}).Draw(t, name)
		}
		fixed := known(g, "app", counts)
		plan, err := top.Plan("app", counts, nil)
		if err != nil {
			checkRefusal(t, g, fixed, err)
			return
		}
		all := maps.Clone(counts)
		for _, i := range plan.Internal {
			all[i.Name] = i.Partitions
		}
		if err := checkCounts(g, top, "app", fixed, all); err != nil {
			t.Fatal(err)
		}
		checkTasks(t, top, plan, counts, all)
	})
}

// checkRefusal fails unless some constraint cannot be kept, or some count cannot be known: topics that only feed each other.
func checkRefusal(t *rapid.T, g *Graph, fixed map[string]int32, err error) {
	if strings.Contains(err.Error(), "known number") {
		return // TestScripts shows which
	}
	for _, topics := range constraints(g, "app") {
		var seen []int32
		for _, topic := range topics {
			if n := fixed[topic]; n > 0 && !slices.Contains(seen, n) {
				seen = append(seen, n)
			}
		}
		if len(seen) > 1 {
			return
		}
	}
	t.Fatalf("a plan exists, but: %v", err)
}

// checkTasks fails unless every partition of every source topic is read by exactly one task, that of its number.
func checkTasks(t *rapid.T, top *Topology, plan *Plan, counts, all map[string]int32) {
	tasks, err := top.Tasks("app", counts)
	if err != nil {
		t.Fatal(err)
	}
	perSub := make([]int32, len(plan.Tasks))
	read := map[flow.TopicPartition]int{}
	for _, task := range tasks {
		perSub[task.Sub]++
		for _, in := range task.Inputs {
			read[in]++
			n, ok := top.Subs()[task.Sub].Source("app", in.Topic)
			if in.Partition != task.Partition || !ok || n.Topics[0].In("app") != in.Topic {
				t.Fatalf("task %s reads %s", task, in)
			}
		}
	}
	if !slices.Equal(perSub, plan.Tasks) {
		t.Fatalf("%v tasks, but the plan has %v", perSub, plan.Tasks)
	}
	for _, n := range top.nodes {
		for _, topic := range n.Topics {
			for p := range all[topic.In("app")] {
				if tp := (flow.TopicPartition{Topic: topic.In("app"), Partition: p}); n.Kind == Source && read[tp] != 1 {
					t.Fatalf("%s is read %d times", tp, read[tp])
				}
			}
		}
	}
}

func TestWrongCountsAreSeen(t *testing.T) {
	g := parse(t, `
source a topics=in
sink s parents=a topics=@x-repartition,@y-repartition
source x topics=@x-repartition
source y topics=@y-repartition
repartition x
repartition y
copartition j nodes=x,y`)
	g.nodes[1].Topics = g.nodes[1].Topics[:1]
	g.Add(&Node{Name: "s2", Kind: Sink, Topics: []Topic{g.repartitions[1].Topic()}, Parents: g.nodes[1].Parents, In: g.nodes[1].In})
	top, err := g.Build()
	if err != nil {
		t.Fatal(err)
	}
	for counts, good := range map[[3]int32]bool{{3, 3, 3}: true, {3, 3, 2}: false, {3, 4, 4}: false, {3, 2, 2}: false, {3, 0, 0}: false} {
		all := map[string]int32{"in": counts[0], "app-x-repartition": counts[1], "app-y-repartition": counts[2]}
		if err := checkCounts(g, top, "app", map[string]int32{"in": counts[0]}, all); (err == nil) != good {
			t.Errorf("%v: %v", counts, err)
		}
	}
}

func TestTreeSetSorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.IntRange(0, 50)).Draw(t, "values")
		set := treeSet[int]{less: func(a, b int) bool { return a < b }}
		for _, v := range values {
			set.add(v)
		}
		slices.Sort(values)
		if want := slices.Compact(values); !slices.Equal(set.values(), want) {
			t.Fatalf("got %v, want %v", set.values(), want)
		}
		if err := checkColours(set.root); err != nil {
			t.Fatal(err)
		}
	})
}

// checkColours says which rule of red-black trees is broken.
func checkColours[T any](root *leaf[T]) error {
	if root != nil && !root.black {
		return fmt.Errorf("the root is red")
	}
	_, err := blackHeight(root)
	return err
}

func blackHeight[T any](x *leaf[T]) (int, error) {
	if x == nil {
		return 1, nil
	}
	left, err := blackHeight(x.left)
	if err != nil {
		return 0, err
	}
	right, err := blackHeight(x.right)
	if err != nil {
		return 0, err
	}
	switch {
	case left != right:
		return 0, fmt.Errorf("at %v the heights are %d and %d", x.value, left, right)
	case !x.black && x.up != nil && !x.up.black:
		return 0, fmt.Errorf("%v and the one above are red", x.value)
	case x.black:
		left++
	}
	return left, nil
}

func TestWrongColoursAreSeen(t *testing.T) {
	red := func(v int) *leaf[int] { return &leaf[int]{value: v} }
	two := red(2)
	two.black = true
	two.left = red(1)
	two.left.up, two.left.black = two, true
	one := red(1)
	one.black = true
	one.left = red(0)
	one.left.up = one
	one.left.left = red(-1)
	one.left.left.up = one.left
	for _, wrong := range []*leaf[int]{red(1), two, one} {
		if checkColours(wrong) == nil {
			t.Errorf("%v passed", wrong.value)
		}
	}
}
