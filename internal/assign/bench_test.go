package assign

import (
	"fmt"
	"testing"
)

// BenchmarkPlan: a group that starts, and one that a process joins.
func BenchmarkPlan(b *testing.B) {
	for _, size := range []struct{ procs, members, subs, partitions int }{{16, 4, 10, 100}, {64, 1, 10, 100}, {100, 2, 20, 500}} {
		g := &group{opts: Options{Standbys: 1}}
		for s := range int32(size.subs) {
			for p := range int32(size.partitions) {
				g.tasks = append(g.tasks, Task{ID: TaskID{s, p}, Sources: []TopicPartition{{fmt.Sprint("t", s), p}}, Stateful: true, LogEnd: 1000})
			}
		}
		for i := range size.procs * size.members {
			g.addMember(fmt.Sprintf("p%03d", i/size.members), "m")
		}
		name := fmt.Sprintf("%dx%d/%dx%d", size.procs, size.members, size.subs, size.partitions)
		b.Run(name+"/start", func(b *testing.B) { g.benchmark(b) })
		g.adopt(g.plan())
		g.addMember("new", "m")
		b.Run(name+"/join", func(b *testing.B) { g.benchmark(b) })
	}
}

func (g *group) benchmark(b *testing.B) {
	for b.Loop() {
		g.plan()
	}
}
