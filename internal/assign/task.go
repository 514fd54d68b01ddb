package assign

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// TaskID names a task: a sub-topology and the number of the partition it reads from each of its topics.
type TaskID struct{ Sub, Partition int32 }

// String returns the id as Kafka Streams writes it: 0_3.
func (id TaskID) String() string {
	return strconv.Itoa(int(id.Sub)) + "_" + strconv.Itoa(int(id.Partition))
}

// ParseTaskID reads what String wrote.
func ParseTaskID(s string) (TaskID, error) {
	sub, part, found := strings.Cut(s, "_")
	a, errA := strconv.ParseInt(sub, 10, 32)
	b, errB := strconv.ParseInt(part, 10, 32)
	id := TaskID{int32(a), int32(b)}
	if !found || errA != nil || errB != nil || a < 0 || b < 0 || id.String() != s {
		return TaskID{}, fmt.Errorf("task id %q: want sub-topology_partition, as in 0_3", s)
	}
	return id, nil
}

// Compare orders ids by sub-topology, then by partition.
func (id TaskID) Compare(other TaskID) int {
	return cmp.Or(cmp.Compare(id.Sub, other.Sub), cmp.Compare(id.Partition, other.Partition))
}

// TopicPartition names one partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String returns topic-partition, as Kafka prints it.
func (tp TopicPartition) String() string { return tp.Topic + "-" + strconv.Itoa(int(tp.Partition)) }

// Compare orders partitions by topic, then by number.
func (tp TopicPartition) Compare(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// Task is one task to be placed.
type Task struct {
	ID       TaskID
	Sources  []TopicPartition // the partition of that number of every source topic that has one
	Stateful bool
	LogEnd   int64 // what a process without state has to restore: the sum of the changelogs' ends, as offsets; negative is unknown
}

// Member is one member of the group, as it described itself when it joined.
type Member struct {
	ID         string
	Process    string // members of one process share its state; empty: a process of its own
	Rack       string
	Owned      []TopicPartition // what it had when it joined
	Generation int32            // the generation in which it was given Owned
	Positions  map[TaskID]int64 // how far each state on the process is, see MemberData
	Topics     []string         // what it subscribes to
}

// Latest is the position of a task that runs: nothing is left to restore, wherever its changelogs end by now.
const Latest = math.MaxInt64

// Assignment is one member's share, each list in the order of task ids.
type Assignment struct{ Active, Standby, Warmup []TaskID }

// Options are the plan's knobs; the zero value is no standby and no warm-up.
type Options struct {
	// Standbys is how many other processes keep a copy of each task's state. Fewer processes, fewer copies.
	Standbys int
	// AcceptableLag is how many records a state may be behind and still count as caught up (Kafka Streams' acceptable.recovery.lag).
	AcceptableLag int64
	// Warmups is how many tasks in the whole group may warm up at once, before they move to a process without their state (max.warmup.replicas).
	// With 0 tasks move at once and restore there.
	Warmups int
}

// Partitions returns what a member must be assigned to run the tasks ids, sorted.
func Partitions(tasks []Task, ids []TaskID) []TopicPartition {
	wanted := make(map[TaskID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var all []TopicPartition
	for _, t := range tasks {
		if wanted[t.ID] {
			all = append(all, t.Sources...)
		}
	}
	slices.SortFunc(all, TopicPartition.Compare)
	return slices.Compact(all)
}
