package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// What is evicted is what was used least recently, by reads too; after a restart by the rows' times.
func TestLRU(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		s := spec(state.KeyValueStore("kv", serde.String(), serde.Int64(), state.LRU(2)))
		s.Quiet = quiet
		w := newWorld(t, &mem.Disk{}, s)
		put := func(k string, at int64) {
			t.Helper()
			w.ctx.Time = at
			w.must(facade[*rows.KeyValue[string, int64]](w, "kv").Put(k, at))
		}
		there := func(want string) {
			t.Helper()
			var all []string
			for k := range facade[*rows.KeyValue[string, int64]](w, "kv").All() {
				all = append(all, k)
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("quiet %v: %s, want %s", quiet, got, want)
			}
		}
		put("a", 1)
		put("b", 2)
		if _, ok, err := facade[*rows.KeyValue[string, int64]](w, "kv").Get("a"); !ok || err != nil {
			t.Error(ok, err)
		}
		put("c", 3)
		there("a c")
		w.commit()
		w.reopen()
		there(map[bool]string{false: "a c", true: "b c"}[quiet]) // quietly evicted rows come back, if they are younger
		put("d", 4)
		there("c d")
		w.must(facade[*rows.KeyValue[string, int64]](w, "kv").Delete("c"))
		put("e", 5)
		there("d e")
		w.commit()
		var gone []string
		for _, r := range w.log["kv"] {
			if r.Value == nil {
				gone = append(gone, fmt.Sprintf("%s@%d", r.Key, r.Time))
			}
		}
		if got, want := strings.Join(gone, " "), map[bool]string{false: "b@3 a@4 c@4", true: "c@4"}[quiet]; got != want {
			t.Errorf("quiet %v: tombstones %s, want %s", quiet, got, want)
		}
	}
}
