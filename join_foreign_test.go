package weir_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/weirtest"
)

// letter is a left value's first letter, which is its foreign key; a value that begins with none has none.
func letter(_, v string) (string, bool) { return v[:1], v[0] != '-' }

// foreignJoins are the joins by foreign key, and whether a left row needs a right one.
var foreignJoins = map[string]struct {
	join  func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string]
	inner bool
}{
	"inner": {func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string] {
		return weir.JoinForeign(l, r, "fk", letter, func(k, x, y string) string { return k + x + y }, opts...)
	}, true},
	"left": {func(l, r weir.Table[string, string], opts ...weir.OpOption) weir.Table[string, string] {
		return weir.LeftJoinForeign(l, r, "fk", letter, func(k, x string, y *string) string { return k + x + orDash(y) }, opts...)
	}, false},
}

// byForeignKey is the result by its definition.
func (p *pair) byForeignKey(inner bool) map[string]string {
	all := map[string]string{}
	for k, v := range p.left {
		var other *string
		if fk, ok := letter(k, v); ok {
			other = ref(p.right, fk)
		}
		if other != nil || !inner {
			all[k] = k + v + orDash(other)
		}
	}
	return all
}

// Whatever comes in whatever order, with tables of different numbers of partitions, over restarts: what the updates leave is the join of the two tables.
func TestForeignJoinsAgainstTheirDefinition(t *testing.T) {
	for name, kind := range foreignJoins {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				left, right, kept := joinedStores(r)
				var result weir.Table[string, string]
				topo := built(t, func(b *weir.Builder) {
					result = kind.join(weir.TableFrom(b, leftTopic, "l", left...), weir.TableFrom(b, rightTopic, "r", right...), kept...)
					result.ToStream().To(joinTopic)
					if kept != nil {
						told(weir.Changes(result)).To(toldTopic)
					}
				})
				settings := []weirtest.Option{weirtest.Partitions("left", 3), weirtest.Partitions("right", 2), weirtest.CommitEvery(rapid.IntRange(0, 3).Draw(r, "every"))}
				if rapid.Bool().Draw(r, "exactly once") {
					settings = append(settings, weirtest.With(weir.ExactlyOnce()))
				}
				p := &pair{d: weirtest.New(t, topo, settings...), left: map[string]string{}, right: map[string]string{}}
				keys := []string{"x", "y", "", "a\x00"}
				values := []string{"x", "x1", "y", "y1", "-", "z"}
				for range rapid.IntRange(1, 30).Draw(r, "steps") {
					wasLeft, wasRight := maps.Clone(p.left), maps.Clone(p.right)
					p.step(r, keys, values)
					if kind.inner && !(maps.Equal(wasLeft, p.left) && maps.Equal(wasRight, p.right)) { // what a row that goes is answered is stale when the row has changed again, as in Kafka
						p.d.Commit()
					}
				}
				p.d.Commit()
				want := p.byForeignKey(kind.inner)
				p.became(r, result, kept != nil, want)
				if kept != nil {
					chained(r, weirtest.Out(p.d, toldTopic).All(), want)
				}
				p.subscribed(r)
			})
		})
	}
}

// subscribed checks that the changelog of subscriptions leaves those of the left rows and no other.
func (p *pair) subscribed(r *rapid.T) {
	live := map[string]bool{}
	for _, c := range p.d.Changelog("fk-subscription-store") {
		if c.Value == nil {
			delete(live, string(c.Key))
		} else {
			live[string(c.Key)] = true
		}
	}
	want := map[string]bool{}
	for k, v := range p.left {
		if fk, ok := letter(k, v); ok {
			want["\x00\x00\x00"+string(rune(len(fk)))+fk+k] = true
		}
	}
	if !maps.Equal(live, want) {
		r.Fatalf("subscriptions %v\nwant %v", live, want)
	}
}

// The answer to a value that the left row no longer has is dropped; the one to the value that it has comes later.
func TestForeignJoinDropsStaleAnswers(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		foreignJoins["inner"].join(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r", weir.NoCache())).ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo, weirtest.CommitEvery(0))
	l, r := weirtest.In(d, leftTopic), weirtest.In(d, rightTopic)
	r.SendAt("x", "1", at(1))
	d.Together(func() { // both are taken before the answer to the first
		l.SendAt("a", "x1", at(2))
		l.SendAt("a", "x2", at(2))
	})
	expect(t, weirtest.Out(d, joinTopic), "a=ax21@2")
	if got := fmt.Sprint(d.Dropped()); got != "map[fk-subscription-response-resolver:map[stale:1]]" {
		t.Error(got)
	}
}

// Without a foreign key an inner join drops the row, and ends what it had asked for; a left join answers with nothing.
func TestForeignJoinWithoutForeignKey(t *testing.T) {
	for name, want := range map[string]string{"inner": "a=ax1@2, a=null@3", "left": "a=ax1@2, a=a--@3, a=null@5"} {
		topo := built(t, func(b *weir.Builder) {
			foreignJoins[name].join(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r", weir.NoCache())).ToStream().To(joinTopic)
		})
		d := weirtest.New(t, topo)
		l, r := weirtest.In(d, leftTopic), weirtest.In(d, rightTopic)
		r.SendAt("x", "1", at(1))
		l.SendAt("a", "x", at(2))
		l.SendAt("a", "-", at(3))
		r.SendAt("x", "2", at(4)) // nobody has asked any more
		l.SendRecord(weir.Tombstone[string]("a", at(5)))
		l.SendRecord(weir.Tombstone[string]("a", at(6)))
		expect(t, weirtest.Out(d, joinTopic), want)
		if n := dropped(d, "null foreign key"); (n == 1) != (name == "inner") {
			t.Errorf("%s: %d rows without a foreign key", name, n)
		}
	}
}

// A right topic that is partitioned in a way of its own is found by PartitionBy.
func TestForeignJoinPartitionBy(t *testing.T) {
	second := func(fk, _ string, n int) int { return int(fk[0]-'x') % n }
	right := rightTopic.PartitionBy(second)
	topo := built(t, func(b *weir.Builder) {
		foreignJoins["left"].join(weir.TableFrom(b, leftTopic, "l"), weir.TableFrom(b, right, "r"), weir.PartitionBy(second)).ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo, weirtest.Partitions("left", 2), weirtest.Partitions("right", 3))
	l, r := weirtest.In(d, leftTopic), weirtest.In(d, right)
	for _, k := range []string{"x", "y", "z"} {
		r.SendAt(k, k, at(1))
		l.SendAt(k, k, at(2))
	}
	l.SendAt("w", "-", at(3)) // which PartitionBy is not asked about
	expect(t, weirtest.Out(d, joinTopic), "x=xxx@2, y=yyy@2, z=zzz@2, w=w--@3")
}

// What Kafka calls topics and stores.
func TestForeignJoinNames(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		foreignJoins["inner"].join(weir.TableFrom(b, leftTopic, "l"), weir.TableFrom(b, rightTopic, "r"), weir.Materialized("kept")).ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo, weirtest.AppName("app"))
	weirtest.In(d, rightTopic).SendAt("x", "1", at(1))
	weirtest.In(d, leftTopic).SendAt("a", "x", at(1))
	d.Commit()
	var internal []string
	for _, topic := range d.Topics() {
		if strings.HasPrefix(topic, "app-") {
			internal = append(internal, topic)
		}
	}
	want := "[app-fk-subscription-registration-topic app-fk-subscription-response-topic app-fk-subscription-store-changelog app-kept-changelog app-l-changelog app-r-changelog]"
	if got := fmt.Sprint(internal); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestForeignJoinFaults(t *testing.T) {
	type key struct{ a string }
	for want, declare := range map[string]func(b *weir.Builder, l, r weir.Table[string, string]){
		"keep them with weir.Materialized": func(_ *weir.Builder, l, r weir.Table[string, string]) {
			weir.Changes(foreignJoins["inner"].join(l, r))
		},
		"rows, which come from another task": func(b *weir.Builder, l, r weir.Table[string, string]) {
			weir.JoinTable(weir.From(b, joinTopic), foreignJoins["inner"].join(l, r), func(_, x, y string) string { return x + y })
		},
		"needs a name": func(_ *weir.Builder, l, r weir.Table[string, string]) {
			weir.JoinForeign(l, r, "", letter, func(_, x, y string) string { return x + y })
		},
		"PartitionBy is a": func(_ *weir.Builder, l, r weir.Table[string, string]) {
			foreignJoins["inner"].join(l, r, weir.PartitionBy(func(int64, string, int) int { return 0 }))
		},
		"InMemory needs Materialized": func(_ *weir.Builder, l, r weir.Table[string, string]) {
			foreignJoins["inner"].join(l, r, weir.InMemory())
		},
		"the left value of foreign-key join fk: no serde for the type": func(_ *weir.Builder, l, r weir.Table[string, string]) {
			odd := weir.MapTable(l, func(_, v string) key { return key{v} })
			weir.JoinForeign(odd, r, "fk", func(_ string, k key) (string, bool) { return k.a, true }, func(_ string, x key, y string) string { return x.a + y })
		},
	} {
		b := weir.NewBuilder()
		declare(b, weir.TableFrom(b, leftTopic, "l"), weir.TableFrom(b, rightTopic, "r"))
		_, err := b.Build()
		contains(t, err, want)
	}
}

// A right value that is written as no bytes cannot be told from none: the protocol is Kafka's.
func TestForeignJoinOfEmptyValues(t *testing.T) {
	for name, want := range map[string]string{"inner": "a=null@2", "left": "a=ax-@2"} {
		topo := built(t, func(b *weir.Builder) {
			foreignJoins[name].join(weir.TableFrom(b, leftTopic, "l"), weir.TableFrom(b, rightTopic, "r")).ToStream().To(joinTopic)
		})
		d := weirtest.New(t, topo)
		weirtest.In(d, rightTopic).SendAt("x", "", at(1))
		weirtest.In(d, leftTopic).SendAt("a", "x", at(2))
		expect(t, weirtest.Out(d, joinTopic), want)
	}
}

// Foreign keys and joiners that fail meet their decisions at their nodes, and change nothing.
func TestForeignJoinFails(t *testing.T) {
	topo := built(t, func(b *weir.Builder) {
		on := func(_, v string) (string, bool) {
			if v == "bad" {
				panic(errBad)
			}
			return letter("", v)
		}
		join := func(_, x, y string) string {
			if x == "xx" {
				panic(errBad)
			}
			return x + y
		}
		weir.JoinForeign(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r", weir.NoCache()), "fk", on, join,
			(&always{decision: weir.Skip()}).option(), weir.KeySerde(serde.String())).ToStream().To(joinTopic)
	})
	d := weirtest.New(t, topo)
	l, r := weirtest.In(d, leftTopic), weirtest.In(d, rightTopic)
	r.SendAt("x", "1", at(1))
	l.SendAt("a", "bad", at(2))
	l.SendAt("b", "xx", at(3))
	l.SendAt("c", "x", at(4))
	expect(t, weirtest.Out(d, joinTopic), "c=x1@4")
	if got := fmt.Sprint(d.Dropped()); got != "map[fk-subscription-registration-processor:map[failed:1] fk-subscription-response-resolver:map[failed:1]]" {
		t.Error(got)
	}
}

// A right row that comes and goes between two flushes is never told of: what it would have answered meanwhile would stay.
func TestForeignJoinAnswersWhatWasTold(t *testing.T) {
	for name, kind := range foreignJoins {
		t.Run(name, func(t *testing.T) {
			topo := built(t, func(b *weir.Builder) {
				kind.join(weir.TableFrom(b, leftTopic, "l", weir.NoCache()), weir.TableFrom(b, rightTopic, "r")).ToStream().To(joinTopic)
			})
			p := &pair{d: weirtest.New(t, topo, weirtest.CommitEvery(0)), left: map[string]string{"a": "x"}, right: map[string]string{}}
			weirtest.In(p.d, rightTopic).SendAt("x", "1", at(0))
			weirtest.In(p.d, leftTopic).SendAt("a", "x", at(1))
			weirtest.In(p.d, rightTopic).SendRecord(weir.Tombstone[string]("x", at(2)))
			p.d.Commit()
			if got, want := weirtest.Table(weirtest.Out(p.d, joinTopic)), p.byForeignKey(kind.inner); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}
