//go:build !race

package mem_test

import (
	"testing"

	"github.com/weirstream/weir/internal/store/mem"
)

func TestGetAllocatesNothing(t *testing.T) {
	e := mem.New()
	set(t, e, "key", "value")
	dst, key := make([]byte, 0, 64), []byte("key")
	if n := testing.AllocsPerRun(100, func() { e.Get(dst, key) }); n != 0 {
		t.Errorf("Get allocates %v times, want 0", n)
	}
}
