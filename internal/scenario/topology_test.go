package scenario_test

import (
	"testing"

	"github.com/weirstream/weir"
)

// built is a topology that must be right.
func built(t testing.TB, declare func(b *weir.Builder)) *weir.Topology {
	t.Helper()
	b := weir.NewBuilder()
	declare(b)
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return topo
}
