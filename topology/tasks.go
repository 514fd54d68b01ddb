package topology

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/weirstream/weir/internal/flow"
)

// TaskSpec is one task of a topology in an app.
type TaskSpec struct {
	Sub       int32
	Partition int32
	// Inputs are what the task reads, in the order of the sources' declaration; a source's own topics come in their order, those of a pattern sorted.
	Inputs []flow.TopicPartition
	// Changelogs are the real changelog topics, by store. The partition is the task's.
	Changelogs map[string]string
	Stateful   bool // it has a changelog
}

// String is the task's name: subtopology_partition.
func (t TaskSpec) String() string { return fmt.Sprintf("%d_%d", t.Sub, t.Partition) }

// Tasks are all tasks of an app, by sub-topology and partition, where topics have these counts. It returns Plan's faults.
func (t *Topology) Tasks(app string, counts map[string]int32) (all []TaskSpec, err error) {
	l := t.layout(app, counts)
	if err := errors.Join(l.faults...); err != nil {
		return nil, err
	}
	for _, s := range t.subs {
		for p := range l.widest(s) {
			all = append(all, l.task(s, p))
		}
	}
	return all, nil
}

func (l *layout) task(s *Sub, partition int32) TaskSpec {
	t := TaskSpec{Sub: s.ID, Partition: partition, Changelogs: map[string]string{}}
	for _, n := range s.Sources() {
		for _, topic := range l.reads[n] {
			if partition < l.count(topic) {
				t.Inputs = append(t.Inputs, flow.TopicPartition{Topic: topic, Partition: partition})
			}
		}
	}
	for _, store := range s.Stores {
		topic, ok := store.Changelog()
		if ok && (topic.Internal || partition < l.count(topic.Name)) {
			t.Changelogs[store.Name] = topic.In(l.app)
		}
	}
	t.Stateful = len(t.Changelogs) > 0
	return t
}

// Hash is of what the members of an app must agree on to share its tasks: per sub-topology the topics that it reads, its repartition topics
// and its stores. Two topologies that differ in other nodes have one hash, so that a filter can be added while the app runs (as in the
// topology that Kafka's streams groups compare, KIP-1071).
func (t *Topology) Hash(app string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q\n", app)
	for _, s := range t.subs {
		s.hash(h)
	}
	for _, r := range t.repartitions {
		fmt.Fprintf(h, "repartition %q %d\n", r.Topic().Name, r.Partitions)
	}
	for _, g := range t.groups {
		fmt.Fprint(h, "alike")
		for _, n := range g.sources {
			fmt.Fprintf(h, " %q %q", topicNames(n.Topics), n.Pattern)
		}
		fmt.Fprintln(h)
	}
	return h.Sum64()
}

func (s *Sub) hash(w io.Writer) {
	fmt.Fprintf(w, "sub %d %t\n", s.ID, s.Global)
	for _, n := range s.Nodes {
		switch n.Kind {
		case Source:
			fmt.Fprintf(w, "source %q %q\n", topicNames(n.Topics), n.Pattern)
		case Sink:
			for _, t := range n.Topics {
				if t.Internal {
					fmt.Fprintf(w, "sink %q\n", t.Name)
				}
			}
		}
	}
	for _, st := range s.Stores {
		topic, logged := st.Changelog()
		fmt.Fprintf(w, "store %q %d %t %v\n", st.Name, st.Kind, logged, topic)
	}
}

func topicNames(topics []Topic) (names []string) {
	for _, t := range topics {
		names = append(names, t.Name)
	}
	return names
}
