package weir_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

var (
	leftTopic  = weir.NewTopic("left", serde.String(), serde.String())
	rightTopic = weir.NewTopic("right", serde.String(), serde.String())
	joinTopic  = weir.NewTopic("joined", serde.String(), serde.String())
	toldTopic  = weir.NewTopic("told", serde.String(), serde.String())
)

// orDash is a side of a join as text.
func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// tableJoins are the joins by key, each with its definition: what rows of equal key make, "" for none.
var tableJoins = map[string]struct {
	join func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string]
	of   func(l, r *string) string
}{
	"inner": {
		func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string] {
			return weir.JoinTables(l, r, func(k, x, y string) string { return k + x + y }, opts...)
		},
		func(l, r *string) string {
			if l == nil || r == nil {
				return ""
			}
			return orDash(l) + orDash(r)
		},
	},
	"left": {
		func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string] {
			return weir.LeftJoinTables(l, r, func(k, x string, y *string) string { return k + x + orDash(y) }, opts...)
		},
		func(l, r *string) string {
			if l == nil {
				return ""
			}
			return orDash(l) + orDash(r)
		},
	},
	"outer": {
		func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string] {
			return weir.OuterJoinTables(l, r, func(k string, x, y *string) string { return k + orDash(x) + orDash(y) }, opts...)
		},
		func(l, r *string) string {
			if l == nil && r == nil {
				return ""
			}
			return orDash(l) + orDash(r)
		},
	},
}

// pair is two tables of which rows come and go at random.
type pair struct {
	d           *weirtest.Driver
	left, right map[string]string
	at          int64
}

// step does one thing to the tables, or to the tasks.
func (p *pair) step(r *rapid.T, keys, values []string) {
	p.at += rapid.Int64Range(0, 2).Draw(r, "later")
	now := at(p.at - rapid.Int64Range(0, min(1, p.at)).Draw(r, "earlier"))
	topic, table := leftTopic, p.left
	if rapid.Bool().Draw(r, "right") {
		topic, table = rightTopic, p.right
	}
	k := rapid.SampledFrom(keys).Draw(r, "key")
	switch what := rapid.SampledFrom([]string{"put", "put", "put", "delete", "commit", "restart", "rebuild"}).Draw(r, "what"); what {
	case "put":
		table[k] = rapid.SampledFrom(values).Draw(r, "value")
		weirtest.In(p.d, topic).SendAt(k, table[k], now)
	case "delete":
		delete(table, k)
		weirtest.In(p.d, topic).SendRecord(weir.Tombstone[string](k, now))
	default:
		befall(p.d, what)
	}
}

// ref is a row, if there is one.
func ref(table map[string]string, k string) *string {
	if v, ok := table[k]; ok {
		return &v
	}
	return nil
}

// joined is the result by its definition.
func (p *pair) joined(of func(l, r *string) string) map[string]string {
	all := map[string]string{}
	for _, k := range append(slices.Collect(maps.Keys(p.left)), slices.Collect(maps.Keys(p.right))...) {
		if v := of(ref(p.left, k), ref(p.right, k)); v != "" {
			all[k] = k + v
		}
	}
	return all
}

// joinedStores are options of the two tables' stores, and of a store for the result, if there is one.
func joinedStores(r *rapid.T) (left, right, kept []weir.OpOption) {
	cached := func(which string) []weir.OpOption {
		if rapid.Bool().Draw(r, which+" uncached") {
			return []weir.OpOption{weir.NoCache()}
		}
		return nil
	}
	left, right = cached("left"), cached("right")
	if rapid.Bool().Draw(r, "kept") {
		kept = append(cached("result"), weir.Materialized("kept"))
	}
	return left, right, kept
}

// became checks what the updates of a result, and its store, have led to.
func (p *pair) became(r *rapid.T, result weir.Table[string, string], kept bool, want map[string]string) {
	if got := weirtest.Table(weirtest.Out(p.d, joinTopic)); !maps.Equal(got, want) {
		r.Fatalf("got  %v\nwant %v", got, want)
	}
	if !kept {
		return
	}
	if got := maps.Collect(weirtest.Store(p.d, result.Store()).All()); !maps.Equal(got, want) {
		r.Fatalf("kept %v\nwant %v", got, want)
	}
}

// Whatever comes in whatever order, with caches or without, kept or not, over restarts: what the updates leave is the join of the two tables, and each
// change says what was before.
func TestTableJoinsAgainstTheirDefinition(t *testing.T) {
	for name, kind := range tableJoins {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				left, right, kept := joinedStores(r)
				var result weir.Table[string, string]
				topo := built(t, func(b *weir.Builder) {
					result = kind.join(weir.TableFrom(b, leftTopic, "l", left...), weir.TableFrom(b, rightTopic, "r", right...), kept...)
					result.ToStream().To(joinTopic)
					told(weir.Changes(result)).To(toldTopic)
				})
				p := &pair{d: weirtest.New(t, topo, weirtest.Partitions("left", 2), weirtest.Partitions("right", 2), weirtest.CommitEvery(rapid.IntRange(0, 3).Draw(r, "every"))),
					left: map[string]string{}, right: map[string]string{}}
				for range rapid.IntRange(1, 30).Draw(r, "steps") {
					p.step(r, []string{"a", "b", "c"}, []string{"1", "2"})
				}
				p.d.Commit()
				want := p.joined(kind.of)
				p.became(r, result, kept != nil, want)
				chained(r, weirtest.Out(p.d, toldTopic).All(), want)
			})
		})
	}
}

// chained checks that each change begins where the one before ended, and that the last ones are the table.
func chained(r *rapid.T, changes []weir.Record[string, string], want map[string]string) {
	last := map[string]string{}
	for _, c := range changes {
		old, now, _ := strings.Cut(c.Value, ">")
		if before, ok := last[c.Key]; old != before && (ok || old != "none") {
			r.Fatalf("change %s of %s follows %q", c.Value, c.Key, before)
		}
		last[c.Key] = now
	}
	for k, v := range last {
		if v == "none" {
			delete(last, k)
		}
	}
	if !maps.Equal(last, want) {
		r.Fatalf("the last changes say %v, want %v", last, want)
	}
}

// A table joined with itself says each update once, and a deletion too.
func TestTableJoinedWithItself(t *testing.T) {
	for name, kind := range tableJoins {
		t.Run(name, func(t *testing.T) {
			topo := built(t, func(b *weir.Builder) {
				table := weir.TableFrom(b, leftTopic, "l", weir.NoCache())
				result := kind.join(table, table)
				result.ToStream().To(joinTopic)
				told(weir.Changes(result)).To(toldTopic)
			})
			d := weirtest.New(t, topo)
			in := weirtest.In(d, leftTopic)
			in.SendRecord(weir.Tombstone[string]("a", at(1)))
			in.SendAt("a", "1", at(2))
			in.SendAt("a", "2", at(3))
			in.SendRecord(weir.Tombstone[string]("a", at(4)))
			expect(t, weirtest.Out(d, joinTopic), "a=a11@2, a=a22@3, a=null@4")
			expect(t, weirtest.Out(d, toldTopic), "a=none>a11@2, a=a11>a22@3, a=a22>none@4")
		})
	}
}

// A join of a join looks up rows that lie in two stores, and a result has the greatest time of all its rows.
func TestTableJoinOfJoin(t *testing.T) {
	third := weir.NewTopic("third", serde.String(), serde.String())
	topo := built(t, func(b *weir.Builder) {
		first := weir.OuterJoinTables(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r", weir.NoCache()),
			func(_ string, x, y *string) string { return orDash(x) + orDash(y) })
		all := weir.JoinTables(weir.TableFrom(b, third, "t", weir.NoCache()), first, func(_, x, y string) string { return x + ":" + y })
		all.ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo)
	l, r, last := weirtest.In(d, leftTopic), weirtest.In(d, rightTopic), weirtest.In(d, third)
	l.SendAt("a", "1", at(5))
	last.SendAt("a", "x", at(3))
	r.SendAt("a", "2", at(9))
	last.SendAt("a", "y", at(4))
	l.SendRecord(weir.Tombstone[string]("a", at(6)))
	r.SendRecord(weir.Tombstone[string]("a", at(7)))
	expect(t, weirtest.Out(d, joinTopic), "a=x:1-@5, a=x:12@9, a=y:12@9, a=y:-2@9, a=null@7")
}

// A joiner that fails meets its decision at the side's node.
func TestTableJoinerFails(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		fails := func(_, x, y string) string {
			if x == y {
				panic(errBad)
			}
			return x + y
		}
		weir.JoinTables(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r", weir.NoCache()), fails, weir.Named("j"),
			(&always{decision: weir.Skip()}).option()).ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo)
	l, r := weirtest.In(d, leftTopic), weirtest.In(d, rightTopic)
	l.SendAt("a", "1", at(1))
	r.SendAt("a", "1", at(2))
	r.SendAt("a", "2", at(3))
	l.SendAt("a", "2", at(4))
	expect(t, weirtest.Out(d, joinTopic), "a=12@3")
	if got := fmt.Sprint(d.Dropped()); got != "map[j-join-other:map[failed:1] j-join-this:map[failed:1]]" {
		t.Error(got)
	}
}

func TestTablesOfTwoBuilders(t *testing.T) {
	other := weir.NewBuilder()
	foreign := weir.TableFrom(other, rightTopic, "r")
	b := weir.NewBuilder()
	weir.JoinTables(weir.TableFrom(b, leftTopic, "l"), foreign, func(_, x, y string) string { return x + y })
	weir.JoinForeign(weir.TableFrom(b, leftTopic, "l2"), foreign, "fk", letter, func(_, x, y string) string { return x + y })
	_, err := b.Build()
	if err == nil || strings.Count(err.Error(), "another Builder") != 2 {
		t.Error(err)
	}
}
