package rows

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestSlabAgainstMap adds, finds and compacts at random.
func TestSlabAgainstMap(t *testing.T) {
	for seed := range uint64(5) {
		if err := slabRun(seed, func(*slab[int64]) {}); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

// slabRun compares a slab with a map, and says where they differ. harm is done to the slab after each compaction.
func slabRun(seed uint64, harm func(*slab[int64])) error {
	r := rand.New(rand.NewPCG(seed, 2))
	var s slab[int64]
	model := map[string]int64{}
	for i := range 20_000 {
		k := fmt.Sprint("key", r.IntN(3000), "-", seed)
		row := s.find([]byte(k))
		want, ok := model[k]
		if (row != nil) != ok || ok && row.Value != want {
			return fmt.Errorf("step %d: key %s: %v, want %d, %v", i, k, row, want, ok)
		}
		if row == nil {
			row = s.add([]byte(k))
		}
		row.Value, model[k] = int64(i), int64(i)
		if r.IntN(2000) == 0 {
			s.compact(func(r *Row[int64]) bool { return r.Value%3 != 0 })
			for k, v := range model {
				if v%3 == 0 {
					delete(model, k)
				}
			}
			harm(&s)
		}
	}
	return slabWhole(&s, model)
}

func slabWhole(s *slab[int64], model map[string]int64) error {
	if s.n != len(model) {
		return fmt.Errorf("%d rows, want %d", s.n, len(model))
	}
	for k, v := range model {
		r := s.find([]byte(k))
		if r == nil || r.Value != v || string(s.keyOf(r)) != k || s.at(r.idx) != r {
			return fmt.Errorf("key %s: %v, want %d", k, r, v)
		}
	}
	return nil
}

func TestSlabSaboteurs(t *testing.T) {
	for name, harm := range map[string]func(*slab[int64]){
		"an index entry is lost": func(s *slab[int64]) {
			for i := range s.index {
				s.index[i] = 0
			}
		},
		"a key is overwritten": func(s *slab[int64]) { copy(s.keys, "kez") },
		"a row is mixed up":    func(s *slab[int64]) { s.at(1).Value, s.at(2).Value = s.at(2).Value, s.at(1).Value },
	} {
		if slabRun(1, harm) == nil {
			t.Errorf("%s, and nobody noticed", name)
		}
	}
}

func TestDirtyListKeepsContexts(t *testing.T) {
	var d dirtyList
	var marks [600]uint32
	for round := range 3 {
		for i := range marks {
			c := Context{Topic: fmt.Sprint("t", i%3), Partition: int32(i % 5), Offset: int64(i + 1000*round), Time: int64(-i)}
			if i%7 == 0 {
				c.Headers = i
			}
			marks[i] = d.note(uint32(i+1), marks[i], &c)
		}
	}
	for i, m := range marks {
		c := d.context(d.at(int(m) - 1))
		want := Context{Topic: fmt.Sprint("t", i%3), Partition: int32(i % 5), Offset: int64(i + 2000), Time: int64(-i)}
		if i%7 == 0 {
			want.Headers = i
		}
		if c != want {
			t.Fatalf("entry %d: %v, want %v", i, c, want)
		}
	}
	if d.n != len(marks) || d.live != len(marks) {
		t.Errorf("%d entries, %d live, want %d", d.n, d.live, len(marks))
	}
	d.reset()
	if d.n != 0 || d.bytes() > 20_000 {
		t.Errorf("after reset %d entries, %d bytes", d.n, d.bytes())
	}
}
