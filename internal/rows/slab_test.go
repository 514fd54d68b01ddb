package rows

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

// dirtyRun changes rows at random, and compares the list with a slice of the last changes.
func dirtyRun(seed uint64, note func(d *dirtyList, row, mark uint32, c *Context) uint32) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var d dirtyList
	marks := make([]uint32, 600)
	type change struct {
		row uint32
		c   Context
	}
	var want []change
	for i := range 5000 {
		row := uint32(rnd.IntN(len(marks)))
		if rnd.IntN(3) > 0 {
			row %= 20 // often the same
		}
		c := Context{Topic: fmt.Sprint("t", i%3), Partition: int32(i % 5), Offset: int64(i), Time: int64(-i)}
		if i%7 == 0 {
			c.Headers = i
		}
		marks[row] = note(&d, row+1, marks[row], &c)
		want = append(slices.DeleteFunc(want, func(w change) bool { return w.row == row+1 }), change{row + 1, c})
		if d.sparse() {
			d.compact(func(row, mark uint32) { marks[row-1] = mark })
		}
	}
	var got []change
	for i := range d.n {
		if e := d.at(i); e.row != 0 {
			got = append(got, change{e.row, d.context(e)})
			if int(marks[e.row-1]) != i+1 {
				return fmt.Errorf("row %d has mark %d, want %d", e.row, marks[e.row-1], i+1)
			}
		}
	}
	switch {
	case !slices.Equal(got, want):
		return fmt.Errorf("the list has\n%v, want\n%v", got, want)
	case d.live != len(want) || d.n > 2*d.live+dirtyRows:
		return fmt.Errorf("%d entries, %d live, want %d", d.n, d.live, len(want))
	}
	d.reset()
	if d.n != 0 || d.bytes() > 20_000 {
		return fmt.Errorf("after reset %d entries, %d bytes", d.n, d.bytes())
	}
	return nil
}

func TestDirtyListAgainstItsDefinition(t *testing.T) {
	for seed := range uint64(20) {
		if err := dirtyRun(seed, (*dirtyList).note); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestDirtyListSaboteur(t *testing.T) {
	inPlace := func(d *dirtyList, row, mark uint32, c *Context) uint32 { // in the order of first changes
		if mark == 0 {
			return d.note(row, mark, c)
		}
		e := d.at(int(mark) - 1)
		e.offset, e.time, e.source = c.Offset, c.Time, d.source(c)
		d.noteHeaders(e, c.Headers)
		return mark
	}
	if dirtyRun(1, inPlace) == nil {
		t.Error("rows in the order of their first changes, and nobody noticed")
	}
}
