package topology

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
)

type receiver = flow.Receiver[string, int]

// entry is a source node that shows what it was linked to.
type entry struct{ to receiver }

func (entry) Queue(string, int32) flow.Queue { return nil }

// trail makes the nodes of a graph note, in the order in which they run, the records that pass them.
func trail(g *Graph, made, ran *[]string) {
	for _, n := range g.nodes {
		n.Make = func(_ *flow.Env, links []flow.Link) (any, error) {
			*made = append(*made, n.Name)
			main, err := flow.Children[string, int](links)
			if err != nil {
				return nil, err
			}
			side, err := flow.Output[string, int](links, "side")
			if err != nil {
				return nil, err
			}
			if n.Kind == Source {
				return entry{main}, nil
			}
			return receiver(func(r processor.Record[string, int]) error {
				*ran = append(*ran, n.Name)
				if err := main(r); err != nil {
					return err
				}
				return side(r)
			}), nil
		}
	}
}

func TestMakeLinksChildrenInOrder(t *testing.T) {
	g := parse(t, `
source a topics=in
source b topics=in2
node c parents=a outs=side
node d parents=a
node e parents=c/side
node f parents=c
node g parents=d,f,b
sink h parents=g topics=out`)
	var made, ran []string
	trail(g, &made, &ran)
	top, err := g.Build()
	if err != nil {
		t.Fatal(err)
	}
	inst, err := top.Subs()[0].Make(&flow.Env{Task: "0_0"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"h", "g", "f", "e", "d", "c", "b", "a"}; !slices.Equal(made, want) {
		t.Errorf("made %v, want %v", made, want)
	}
	var sources []string
	for _, s := range inst.Sources {
		sources = append(sources, s.Node.Name)
		if err := s.Source.(entry).to(processor.Record[string, int]{}); err != nil {
			t.Error(err)
		}
		ran = append(ran, "|")
	}
	if want := []string{"a", "b"}; !slices.Equal(sources, want) {
		t.Errorf("sources %v, want %v", sources, want)
	}
	if want := strings.Fields("c f g h e d g h | g h |"); !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
}

func TestMakeFails(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name, node string
		make       func(*flow.Env, []flow.Link) (any, error)
		want       string
	}{
		{"error", "b", func(*flow.Env, []flow.Link) (any, error) { return nil, boom }, `task 0_1: Map "b": boom`},
		{"panic", "b", func(*flow.Env, []flow.Link) (any, error) { panic(boom) }, `task 0_1: Map "b": panic: boom`},
		{"nil", "b", func(*flow.Env, []flow.Link) (any, error) { return nil, nil }, `task 0_1: Map "b": it made <nil>, but declares flow.Receiver[string,int]`},
		{"type", "b", func(*flow.Env, []flow.Link) (any, error) { return flow.Receiver[string, string](nil), nil }, `task 0_1: Map "b": it made flow.Receiver[string,string], but declares`},
		{"source", "a", func(*flow.Env, []flow.Link) (any, error) { return receiver(nil), nil }, `task 0_1: From "a": it made flow.Receiver[string,int], which is no source`},
		{"absent", "a", nil, `task 0_1: From "a": it cannot be made`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := parse(t, "source a topics=in\nnode b parents=a")
			trail(g, new([]string), new([]string))
			for _, n := range g.nodes {
				if n.Name == c.node {
					n.Make = c.make
				}
			}
			top, err := g.Build()
			if err != nil {
				t.Fatal(err)
			}
			_, err = top.Subs()[0].Make(&flow.Env{Task: "0_1"})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if c.name != "nil" && strings.Contains(c.want, "boom") && !errors.Is(err, boom) {
				t.Errorf("%v does not wrap its cause", err)
			}
		})
	}
}

// TestHash says which changes members may see between them.
func TestHash(t *testing.T) {
	const base = `
source a topics=in
node b parents=a stores=s
sink c parents=b topics=@x-repartition
source x topics=@x-repartition
store s logged
repartition x
`
	hash := func(text, app string) uint64 {
		top, err := parse(t, text).Build()
		if err != nil {
			t.Fatal(err)
		}
		return top.Hash(app)
	}
	for name, c := range map[string]struct {
		old, new string
		same     bool
	}{
		"nothing":     {"", "", true},
		"a filter":    {"sink c parents=b", "node f parents=b\nsink c parents=f", true},
		"a sink":      {"repartition x", "repartition x\nsink o parents=x topics=out", true},
		"a topic":     {"topics=in", "topics=in,in2", false},
		"a store":     {"store s", "store s2", false},
		"a changelog": {"logged", "", false},
		"a kind":      {"logged", "logged kind=window", false},
		"a count":     {"repartition x", "repartition x partitions=3", false},
		"a group":     {"repartition x", "repartition x\ncopartition j nodes=a,x", false},
		"a source":    {"repartition x", "repartition x\nsource y pattern=y", false},
	} {
		text := strings.Replace(base, c.old, c.new, 1)
		if c.old == "store s" {
			text = strings.ReplaceAll(strings.ReplaceAll(base, "store s", "store s2"), "stores=s", "stores=s2")
		}
		if same := hash(text, "app") == hash(base, "app"); same != c.same {
			t.Errorf("%s: the same hash: %t", name, same)
		}
	}
	if hash(base, "app") == hash(base, "other") {
		t.Error("two apps have one hash")
	}
}
