package runtime

import (
	"context"

	"github.com/weirstream/weir/internal/kafka"
)

// Planner is the planning of a leader that has made its internal topics for partitions of these counts, and needs no others.
func Planner(c Config, counts map[string]int32) (hash uint64, plan kafka.Planner, err error) {
	r := New(c)
	r.ctx = context.Background()
	r.hash, r.planned = c.Graph.Hash(c.App), map[string]int32{}
	p, err := c.Graph.Plan(c.App, counts, nil)
	if err != nil {
		return 0, nil, err
	}
	for _, t := range p.Internal {
		r.planned[t.Name] = t.Partitions
	}
	return r.hash, r.plan, r.subscription()
}
