package task

import (
	"slices"
	"strings"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/store"
)

// Changelogs are the destinations of the task's changelog records, by store. The collector keeps what it knows of them in Attached.
func (t *Task) Changelogs() []*flow.Dest {
	all := make([]*flow.Dest, 0, len(t.changelogs))
	for _, d := range t.changelogs {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *flow.Dest) int { return strings.Compare(a.Store, b.Store) })
	return all
}

// Stores are the task's stores.
func (t *Task) Stores() *store.Set { return t.c.Stores }

// SetCacheBytes changes how much the task's caches may hold; whether it has any was decided when it was made.
func (t *Task) SetCacheBytes(n int64) { t.c.CacheBytes = n }
