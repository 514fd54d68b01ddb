package topology

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// merging is a graph from lines as parse has them, and "cross r parents=n": a repartition topic r below n, with its filter f-r, its sink s-r and its source r. Nodes
// that begin with f pass on what they are given, those that begin with k change keys, others may do anything.
func merging(t *testing.T, text string) *Graph {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(text), "; ") {
		if rest, ok := strings.CutPrefix(line, "cross "); ok {
			r, parents, _ := strings.Cut(rest, " ")
			line = fmt.Sprintf("repartition %[1]s\nnode f-%[1]s %[2]s\nsink s-%[1]s parents=f-%[1]s topics=@%[1]s-repartition\nsource %[1]s topics=@%[1]s-repartition", r, parents)
		}
		lines = append(lines, line)
	}
	g := parse(t, strings.Join(lines, "\n"))
	for _, n := range g.nodes {
		n.Passes = map[byte]Passing{'f': Same, 'k': Rekeyed}[n.Name[0]]
	}
	for _, r := range g.repartitions {
		r.Merges, r.Serdes = true, [2]string{"string", "int64"}
	}
	return g
}

// edges is every node with its parents, in order.
func edges(g *Graph) string {
	var all []string
	for _, n := range g.nodes {
		var above []string
		for _, p := range n.Parents {
			above = append(above, strings.TrimSuffix(p.Node.Name+"/"+p.Output, "/"))
		}
		all = append(all, strings.TrimSuffix(n.Name+"<"+strings.Join(above, ","), "<"))
	}
	return strings.Join(all, " ")
}

func topicsOf(g *Graph) (all []string) {
	for _, r := range g.repartitions {
		all = append(all, r.Name)
	}
	return all
}

func TestMergeRepartitions(t *testing.T) {
	const below = "source in topics=in; node k parents=in; "
	for name, c := range map[string]struct {
		text  string
		set   func(*Graph)
		want  string // the edges; "" for those that were there
		kept  string // topics
		heirs string // the nodes of the first co-partition group
	}{
		"two below one change": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b; copartition j nodes=a,b",
			want: "in k<in f-a<k s-a<f-a a n<a m<a", kept: "a", heirs: "a",
		},
		"three, the last behind a filter": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b; node f parents=k; cross c parents=f; node o parents=c; copartition j nodes=b,c",
			want: "in k<in f-a<k s-a<f-a a n<a m<a f<a o<f", kept: "a", heirs: "a f",
		},
		"the first behind filters": {
			text: below + "node f1 parents=k; node f2 parents=f1; cross a parents=f2; node n parents=a; cross b parents=k; node m parents=b",
			want: "in k<in f-a<k s-a<f-a a f1<a f2<f1 n<f2 m<a", kept: "a",
		},
		"one alone moves up": {
			text: below + "node f parents=k; cross a parents=f; node n parents=a",
			want: "in k<in f-a<k s-a<f-a a f<a n<f", kept: "a",
		},
		"below a merge of streams": {
			text: "source in topics=in; source in2 topics=in2; node f parents=in,in2; cross a parents=f; node n parents=a; cross b parents=f; node m parents=b",
			want: "in in2 f<in,in2 f-a<f s-a<f-a a n<a m<a", kept: "a",
		},
		"below a further output": {
			text: "source in topics=in; node k parents=in outs=side; cross a parents=k/side; node n parents=a; cross b parents=k/side; node m parents=b; cross c parents=k; node o parents=c",
			want: "in k<in f-c<k s-c<f-c c f-a<k/side s-a<f-a a n<a m<a o<c", kept: "a c",
		},
		"a filter that feeds something else": {
			text: below + "node f parents=k; sink o parents=f topics=out; cross a parents=f; node n parents=a; cross b parents=k; node m parents=b",
			want: "in k<in f-b<k s-b<f-b b f<k f-a<f s-a<f-a a o<f n<a m<b", kept: "a b",
		},
		"two below a filter that feeds something else": {
			text: below + "node f parents=k; sink o parents=f topics=out; cross a parents=f; node n parents=a; cross b parents=f; node m parents=b",
			want: "in k<in f<k f-a<f s-a<f-a a o<f n<a m<a", kept: "a",
		},
		"another value": {
			text: below + "node x parents=k; cross a parents=x; node n parents=a; cross b parents=x; node m parents=b", kept: "a b",
		},
		"keys as they came": {
			text: "source in topics=in; cross a parents=in; node n parents=a; cross b parents=in; node m parents=b", kept: "a b",
		},
		"another key below": {
			text: below + "cross a parents=k; node n parents=a; node k2 parents=k; cross b parents=k2; node m parents=b", kept: "a b",
		},
		"other serdes": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b", kept: "a b",
			set: func(g *Graph) { g.repartitions[1].Serdes[1] = "string" },
		},
		"settings of its own": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b", kept: "a b",
			set: func(g *Graph) { g.repartitions[0].Merges = false },
		},
		"a second writer": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b; sink w parents=k topics=@b-repartition", kept: "a b",
		},
		"a sink of two streams": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b; parent k of=s-b", kept: "a b",
		},
		"a fault": {
			text: below + "cross a parents=k; node n parents=a; cross b parents=k; node m parents=b", kept: "a b",
			set: func(g *Graph) { g.Fault(errors.New("a fault")) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := merging(t, c.text)
			if c.set != nil {
				c.set(g)
			}
			before := edges(g)
			g.MergeRepartitions()
			if c.want == "" {
				c.want = sorted(before)
				before = ""
			}
			got := edges(g)
			if before == "" {
				got = sorted(got) // what is not merged may stand elsewhere
			}
			if got != c.want || got == before {
				t.Errorf("got  %s\nwant %s\nfrom %s", got, c.want, before)
			}
			if kept := topicsOf(g); !slices.Equal(kept, strings.Fields(c.kept)) {
				t.Errorf("kept topics %v, want %s", kept, c.kept)
			}
			if c.heirs != "" {
				var heirs []string
				for _, n := range g.copartitions[0].nodes {
					heirs = append(heirs, n.Name)
				}
				if strings.Join(heirs, " ") != c.heirs {
					t.Errorf("partitioned alike: %v, want %s", heirs, c.heirs)
				}
			}
			if _, err := g.Build(); err != nil && len(g.faults) == 0 {
				t.Errorf("what came of it does not build: %v", err)
			}
		})
	}
}

func sorted(words string) string {
	all := strings.Fields(words)
	slices.Sort(all)
	return strings.Join(all, " ")
}

// A topic that took the place of others passes null keys if one of them did.
func TestMergedRepartitionsPassNullKeys(t *testing.T) {
	for _, at := range []int{0, 1} {
		g := merging(t, "source in topics=in; node k parents=in; cross a parents=k; node n parents=a; cross b parents=k; node m parents=b")
		g.repartitions[at].NullKeys = true
		g.MergeRepartitions()
		if len(g.repartitions) != 1 || !g.repartitions[0].NullKeys {
			t.Errorf("topic %d passed null keys, and what is left passes none", at)
		}
	}
}

// Nodes may share the slice of their parents: what moves for one must not move for another.
func TestMergeLeavesSharedParentsAlone(t *testing.T) {
	g := merging(t, "source in topics=in; node k parents=in; cross a parents=k; node n parents=a; cross b parents=k; node m parents=b; sink o parents=k topics=out")
	shared := []Parent{{Node: g.nodes[1]}}
	for _, n := range g.nodes {
		if len(n.Parents) == 1 && n.Parents[0] == shared[0] {
			n.Parents = shared
		}
	}
	g.MergeRepartitions()
	if want := "in k<in f-a<k s-a<f-a a n<a m<a o<k"; edges(g) != want || shared[0].Node.Name != "k" {
		t.Errorf("got %s", edges(g))
	}
}
