package flow

import (
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/processor"
)

// started are the stores of a task, and a node of it.
func started(t testing.TB, specs ...*rows.Spec) *Node {
	engine := mem.New()
	set, err := store.Open(nil, engine, specs)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Start(nil, &rows.Context{}, func(err error) { t.Error(err) }, func(string) {}); err != nil {
		t.Fatal(err)
	}
	return NewNode(&Env{Stores: set, Stats: &Stats{}, StreamTime: -1}, "node", nil, nil)
}

func counting[K, V any]() Folding[K, V, int64] {
	return Folding[K, V, int64]{Add: func(_ processor.Record[K, V], n int64, _ bool) (int64, error) { return n + 1, nil }}
}
