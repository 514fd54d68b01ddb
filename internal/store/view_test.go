package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/state"
)

// TestViewsBesideCommits reads from many goroutines while the task writes, commits and closes: every view shows one commit.
func TestViewsBesideCommits(t *testing.T) {
	for name, p := range providers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, p(), kvSpec("kv"))
			kv := facade[*rows.KeyValue[string, int64]](w, "kv")
			var readers sync.WaitGroup
			for range 3 {
				readers.Go(func() {
					for {
						if err := oneCommit(w.set); errors.Is(err, store.ErrClosed) {
							return
						} else if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for i := range int64(100) {
				for k := range 10 {
					w.must(kv.Put(fmt.Sprint(k), i))
				}
				w.commit()
			}
			w.must(w.set.Close())
			readers.Wait()
		})
	}
}

func oneCommit(set *store.Set) error {
	view, release, err := set.View("kv")
	if err != nil {
		return err
	}
	seen := map[int64]int{}
	v := view.(state.ReadOnlyKeyValue[string, int64])
	for _, n := range v.All() {
		seen[n]++
	}
	if len(seen) > 1 {
		err = fmt.Errorf("a view shows rows of %d commits: %v", len(seen), seen)
	}
	return errors.Join(err, v.Err(), release())
}
