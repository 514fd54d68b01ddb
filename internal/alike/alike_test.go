package alike

import (
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/murmur2"
)

// partitioner is where a producer puts its i-th record.
type partitioner func(i int, key []byte, n int32) int32

func byDefault(_ int, key []byte, n int32) int32 { return murmur2.Partition(key, n) }

// byCRC is librdkafka's consistent partitioner.
func byCRC(_ int, key []byte, n int32) int32 { return int32(crc32.ChecksumIEEE(key) % uint32(n)) }

func byFNV(_ int, key []byte, n int32) int32 {
	h := fnv.New32a()
	h.Write(key)
	return int32(h.Sum32() % uint32(n))
}

func inTurn(i int, _ []byte, n int32) int32 { return int32(i) % n }

// mostly is as p but for each tenth key.
func mostly(p partitioner) partitioner {
	return func(i int, key []byte, n int32) int32 {
		if i%10 == 0 {
			return (p(i, key, n) + 1) % n
		}
		return p(i, key, n)
	}
}

// side is a topic's records: count with keys that begin with prefix, of which so many differ.
type side struct {
	p             partitioner
	prefix        string
	count, differ int
}

// found adds the sides' records by turns, and says what was told, with the topics' names put together: the one that is as by default first.
func found(n int32, sides ...side) (told []string) {
	g := New(n)
	for i := range 5000 {
		for at, s := range sides {
			if i >= s.count {
				continue
			}
			key := fmt.Append(nil, s.prefix, i%s.differ)
			p := s.p(i, key, n)
			if sample := g.Sample(name(at), p); sample != nil {
				sample.Add(key)
			}
		}
		for d, ok := g.Difference(); ok; d, ok = g.Difference() {
			as := "?"
			if d.Default {
				as = "!"
			}
			told = append(told, d.Topics[0]+as+d.Topics[1])
		}
	}
	return told
}

func name(i int) string { return string(rune('a' + i)) }

func TestDifferences(t *testing.T) {
	const n = 5000
	for what, c := range map[string]struct {
		partitions int32
		sides      []side
		want       string
	}{
		"both by default":               {4, []side{{byDefault, "k", n, n}, {byDefault, "k", n, n}}, ""},
		"both by another":               {4, []side{{byCRC, "k", n, n}, {byCRC, "k", n, n}}, ""},
		"one by another, other keys":    {4, []side{{byDefault, "k", n, n}, {byCRC, "x", n, n}}, "a!b"},
		"the first by another":          {4, []side{{byCRC, "k", n, n}, {byDefault, "x", n, n}}, "b!a"},
		"the same keys":                 {4, []side{{byCRC, "k", n, n}, {byDefault, "k", n, n}}, "b!a"},
		"two partitions":                {2, []side{{byDefault, "k", n, n}, {byCRC, "x", n, n}}, "a!b"},
		"one partition":                 {1, []side{{byDefault, "k", n, n}, {byCRC, "k", n, n}}, ""},
		"many partitions":               {300, []side{{byDefault, "k", n, n}, {byCRC, "x", n, n}}, "a!b"},
		"in turn":                       {4, []side{{inTurn, "k", n, n}, {byDefault, "x", n, n}}, "b!a"},
		"two others, the same keys":     {4, []side{{byFNV, "k", n, n}, {byCRC, "k", n, n}}, "a?b"},
		"two others, other keys":        {4, []side{{byFNV, "k", n, n}, {byCRC, "x", n, n}}, ""}, // nothing tells
		"few keys":                      {4, []side{{byDefault, "k", n, 99}, {byCRC, "x", n, n}}, ""},
		"few records":                   {4, []side{{byDefault, "k", 99, 99}, {byCRC, "x", n, n}}, ""},
		"few keys, the same":            {4, []side{{byDefault, "k", n, 10}, {byCRC, "k", n, 10}}, "a!b"},
		"too few keys, the same":        {4, []side{{byDefault, "k", n, 9}, {byCRC, "k", n, 9}}, ""},
		"a few are elsewhere":           {4, []side{{byDefault, "k", n, n}, {mostly(byDefault), "x", n, n}}, ""},
		"a few are elsewhere in theirs": {4, []side{{mostly(byCRC), "k", n, n}, {byCRC, "k", n, n}}, ""},
		"nothing on one side":           {4, []side{{byDefault, "k", n, n}, {byCRC, "k", 0, 1}}, ""},
		"each odd one once":             {4, []side{{byDefault, "k", n, n}, {byCRC, "x", n, n}, {byDefault, "y", n, n}, {byCRC, "z", n, n}}, "a!b a!d"},
	} {
		if got := strings.Join(found(c.partitions, c.sides...), " "); got != c.want {
			t.Errorf("%s: told of %q, want %q", what, got, c.want)
		}
	}
}

// The cases must see a hash that is not the partitioner's: were the names of partitions mixed up, all would be told of.
func TestTheCasesSeeAnotherHash(t *testing.T) {
	wrong := func(i int, key []byte, n int32) int32 { return n - 1 - byDefault(i, key, n) }
	if got := found(4, side{byDefault, "k", 500, 500}, side{wrong, "x", 500, 500}); len(got) != 1 {
		t.Errorf("a mirrored hash was told of as %q", got)
	}
	if got := found(4, side{wrong, "k", 500, 500}, side{wrong, "k", 500, 500}); len(got) != 0 {
		t.Errorf("two mirrored hashes were told of as %q", got)
	}
}

func TestSamplesEnd(t *testing.T) {
	g := New(8)
	for p := range int32(8) {
		s, n := g.Sample("a", p), 0
		if s == nil {
			if p != 5 {
				t.Errorf("partition %d: nothing is looked at", p)
			}
			break
		}
		for more := true; more; n++ {
			more = s.Add(fmt.Append(nil, p, n))
		}
		if n != perPartition || s.Add(nil) || g.Sample("a", p) != nil {
			t.Errorf("partition %d: %d records were looked at", p, n)
		}
	}
	if g.Sample("b", 8) != nil {
		t.Error("a partition that is not there")
	}
	for i := range 2 * mostTopics {
		if s := g.Sample(fmt.Sprint("t", i), 0); (s != nil) != (i < mostTopics-1) {
			t.Errorf("topic %d: %v", i, s)
		}
	}
}

func TestADifferenceHasFigures(t *testing.T) {
	d := Difference{Topics: [2]string{"a", "b"}, Keys: [2]int{100, 120}, InPlace: [2]int{99, 31}, Shared: 40, Together: 9, Default: true}
	const want = `keys where Kafka's default partitioner puts them: 99 of 100 in "a", 31 of 120 in "b"; of 40 keys in both, 9 are in the same partition`
	if got := d.String(); got != want {
		t.Errorf("got %s", got)
	}
}

// What is looked at already costs nothing, and a key that was seen before allocates nothing.
func TestAllocations(t *testing.T) {
	g := New(4)
	s, key := g.Sample("a", 0), []byte("k")
	s.Add(key)
	if n := testing.AllocsPerRun(100, func() { s.Add(key) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
