//go:build !race

package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/weirstream/weir/state"
)

func TestGetAllocatesNothing(t *testing.T) {
	e := open(t, New(FS(vfs.NewMem())), "dir")
	defer e.Close()
	set(t, e, "key", "value")
	dst, key, missing := make([]byte, 0, 64), []byte("key"), []byte("missing")
	for name, k := range map[string][]byte{"present": key, "missing": missing} {
		if n := testing.AllocsPerRun(200, func() { e.Get(dst, k) }); n != 0 {
			t.Errorf("Get of a %s row allocates %v times, want 0", name, n)
		}
	}
}

// TestApplyAllocates has a budget for a whole commit, not for its rows. Some of it is Pebble's own, for the wait.
func TestApplyAllocates(t *testing.T) {
	e := open(t, New(FS(vfs.NewMem())), "dir")
	defer e.Close()
	var b state.Batch
	for i := range 100 {
		b.Set(row(i), []byte("value"))
	}
	if n := testing.AllocsPerRun(200, func() { e.Apply(&b) }); n > 5 {
		t.Errorf("Apply of 100 rows allocates %v times, want at most 5", n)
	}
}
