package weir_test

import (
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
)

var (
	homes  = weir.NewTopic("homes", serde.String(), serde.String()) // person → town
	people = weir.NewTopic("people", serde.String(), serde.Int64()) // town → how many
)

// Who moves leaves one town and enters another.
func ExampleGroupTableBy() {
	b := weir.NewBuilder()
	byTown := weir.GroupTableBy(weir.TableFrom(b, homes, "homes"), func(person, town string) (string, string) { return town, person }, weir.Named("by-town"))
	weir.Count(byTown, "people").ToStream().To(people)

	d := driven(b)
	moves := weirtest.In(d, homes)
	at := time.Unix(0, 0).UTC()
	moves.SendAt("ann", "Oslo", at)
	moves.SendAt("bob", "Oslo", at)
	moves.SendAt("ann", "Rome", at)
	for _, r := range weirtest.Out(d, people).All() {
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// Oslo 1
	// Oslo 2
	// Oslo 1
	// Rome 1
}

// moved counts how often somebody has moved, in a store of its own.
type moved struct{ times state.KeyValue[string, int64] }

var timesMoved = state.KeyValueStore("times-moved", serde.String(), serde.Int64())

func (m *moved) Stores() []state.Descriptor { return []state.Descriptor{timesMoved} }

func (m *moved) Init(ctx processor.Context) error {
	m.times = timesMoved.Bind(ctx)
	return nil
}

func (m *moved) Transform(r weir.Record[string, string]) (string, bool, error) {
	if r.IsNull() {
		return "", false, m.times.Delete(r.Key)
	}
	n, _, err := m.times.Get(r.Key)
	if err != nil {
		return "", false, err
	}
	return fmt.Sprintf("%s, home %d", r.Value, n+1), true, m.times.Put(r.Key, n+1)
}

// A row for each row, made by a processor with a store of its own: at each update, and at each tombstone, which it sees.
func ExampleTransformTable() {
	b := weir.NewBuilder()
	numbered := weir.TransformTable(weir.TableFrom(b, homes, "homes"), func() *moved { return &moved{} }, weir.Materialized("numbered"))
	numbered.ToStream().To(weir.NewTopic("out", serde.String(), serde.String()))

	d := driven(b)
	moves := weirtest.In(d, homes)
	at := time.Unix(0, 0).UTC()
	moves.SendAt("ann", "Oslo", at)
	moves.SendAt("ann", "Rome", at)
	d.Restart()
	moves.SendAt("ann", "Bern", at)
	home, _, _ := weirtest.Store(d, numbered.Store()).Get("ann")
	fmt.Println(home)
	// Output: Bern, home 3
}
