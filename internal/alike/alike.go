package alike

import (
	"fmt"

	"github.com/weirstream/weir/internal/murmur2"
)

const (
	perPartition = 200  // records with a key that are looked at
	perTopic     = 1000 // likewise
	mostTopics   = 32   // of a group that is read by a pattern
	enough       = 100  // different keys of each topic by which two are judged
	enoughShared = 10   // different keys that are in both
	agrees       = 95   // percent of the keys, at least, that are where they are on purpose
	chance       = 75   // percent of the keys, below which they are where they are by chance: half of them in a topic of two partitions, fewer in others
)

// Group is topics that must be partitioned alike.
type Group struct {
	partitions int32
	topics     []*topic
	shared     map[[2]*topic]*meeting // by two topics, the earlier first
}

// topic is what is known of one.
type topic struct {
	name    string
	at      int // in the group's topics
	samples map[int32]*Sample
	left    int              // records that are looked at yet
	keys    map[uint32]int32 // by hash, the partition in which each was seen first
	inPlace int              // of keys, those in the partition of the default partitioner
	told    bool
}

// meeting is of keys that were seen in two topics.
type meeting struct{ keys, together int }

// New is a group of topics that have n partitions each.
func New(n int32) *Group { return &Group{partitions: n, shared: map[[2]*topic]*meeting{}} }

// Sample is what is looked at of one partition.
type Sample struct {
	g    *Group
	t    *topic
	at   int32
	left int
}

// Sample is that of a partition, always the same; nil where nothing is looked at, or not any more.
func (g *Group) Sample(name string, partition int32) *Sample {
	if g.partitions < 2 || partition >= g.partitions {
		return nil
	}
	t := g.topic(name)
	if t == nil {
		return nil
	}
	s := t.samples[partition]
	if s == nil {
		s = &Sample{g: g, t: t, at: partition, left: perPartition}
		t.samples[partition] = s
	}
	if s.done() {
		return nil
	}
	return s
}

func (g *Group) topic(name string) *topic {
	for _, t := range g.topics {
		if t.name == name {
			return t
		}
	}
	if len(g.topics) == mostTopics {
		return nil
	}
	t := &topic{name: name, at: len(g.topics), samples: map[int32]*Sample{}, left: perTopic, keys: map[uint32]int32{}}
	g.topics = append(g.topics, t)
	return t
}

func (s *Sample) done() bool { return s.left == 0 || s.t.left == 0 }

// Add looks at a record's key. It returns false when no further ones need be added.
func (s *Sample) Add(key []byte) (more bool) {
	if s.done() {
		return false
	}
	s.left--
	s.t.left--
	hash := uint32(murmur2.Sum(key))
	if _, ok := s.t.keys[hash]; !ok {
		s.t.keys[hash] = s.at
		if murmur2.Partition(key, s.g.partitions) == s.at {
			s.t.inPlace++
		}
		s.g.meet(s.t, hash, s.at)
	}
	return !s.done()
}

// meet notes a topic's new key where other topics have it.
func (g *Group) meet(t *topic, hash uint32, at int32) {
	for _, other := range g.topics {
		there, ok := other.keys[hash]
		if !ok || other == t {
			continue
		}
		m := g.met(t, other)
		m.keys++
		if there == at {
			m.together++
		}
	}
}

// met is what two topics have in common so far.
func (g *Group) met(a, b *topic) *meeting {
	if a.at > b.at {
		a, b = b, a
	}
	m := g.shared[[2]*topic{a, b}]
	if m == nil {
		m = &meeting{}
		g.shared[[2]*topic{a, b}] = m
	}
	return m
}

// Difference is between two topics. Where Default is set the first is partitioned as Kafka's default partitioner does it, the second is not; else their keys
// alone tell that they differ.
type Difference struct {
	Topics           [2]string
	Keys, InPlace    [2]int // different keys that were looked at; of these, those in the partition of the default partitioner
	Shared, Together int    // keys that both topics have; of these, those in the same partition of both
	Default          bool
}

// String has the figures.
func (d Difference) String() string {
	return fmt.Sprintf("keys where Kafka's default partitioner puts them: %d of %d in %q, %d of %d in %q; of %d keys in both, %d are in the same partition",
		d.InPlace[0], d.Keys[0], d.Topics[0], d.InPlace[1], d.Keys[1], d.Topics[1], d.Shared, d.Together)
}

// Difference is one that has not been told of. Each topic that is not like others is told of once.
func (g *Group) Difference() (d Difference, ok bool) {
	for i, b := range g.topics {
		for _, a := range g.topics[:i] {
			if a.told || b.told {
				continue
			}
			if d, ok = g.compare(a, b); ok {
				return d, true
			}
		}
	}
	return Difference{}, false
}

func (g *Group) compare(a, b *topic) (d Difference, ok bool) {
	if b.inPlaceAlways() && a.inPlaceByChance() {
		a, b = b, a
	}
	m := g.met(a, b)
	d = Difference{
		Topics: [2]string{a.name, b.name}, Keys: [2]int{len(a.keys), len(b.keys)}, InPlace: [2]int{a.inPlace, b.inPlace},
		Shared: m.keys, Together: m.together, Default: a.inPlaceAlways() && b.inPlaceByChance(),
	}
	judged := d.Default && min(len(a.keys), len(b.keys)) >= enough
	apart := m.keys >= enoughShared && below(m.together, m.keys, chance)
	if !judged && !apart {
		return d, false
	}
	a.told, b.told = !d.Default, true
	return d, true
}

// inPlaceAlways says that a topic's producers seem to use the default partitioner, inPlaceByChance that they seem not to. They may be neither.
func (t *topic) inPlaceAlways() bool   { return !below(t.inPlace, len(t.keys), agrees) }
func (t *topic) inPlaceByChance() bool { return below(t.inPlace, len(t.keys), chance) }

func below(part, whole, percent int) bool { return part*100 < whole*percent }
