package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/state"
)

// overlayRun compares an overlay with a map of what was written, and says where they differ.
func overlayRun(seed uint64, scans bool, harm func(*overlay)) error {
	r := rand.New(rand.NewPCG(seed, 3))
	o := overlay{scans: scans}
	model := map[string]string{}
	for i := range 3000 {
		k := []byte(fmt.Sprint("key", r.IntN(400)))
		switch r.IntN(4) {
		case 0:
			o.write(k, nil, true)
			model[string(k)] = "-"
		default:
			v := strings.Repeat("v", r.IntN(20)) + fmt.Sprint(i)
			if r.IntN(500) == 0 {
				v = strings.Repeat("large", 20_000)
			}
			o.write(k, []byte(v), false)
			model[string(k)] = "+" + v
		}
		if err := overlayGet(&o, model, []byte(fmt.Sprint("key", r.IntN(400)))); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if r.IntN(1000) == 0 {
			o.reset()
			clear(model)
		}
	}
	harm(&o)
	return errors.Join(overlayDrain(&o, model), overlayIter(&o, model))
}

func overlayGet(o *overlay, model map[string]string, k []byte) error {
	val, del, known := o.get(k)
	want, ok := model[string(k)]
	if known != ok || ok && del != (want == "-") || known && !del && "+"+string(val) != want {
		return fmt.Errorf("key %s: %q, %v, %v, want %q", k, val, del, known, want)
	}
	return nil
}

func overlayDrain(o *overlay, model map[string]string) error {
	var b state.Batch
	o.drain(&b)
	var got []string
	for _, op := range b.Ops() {
		if op.Kind == state.OpDelete {
			got = append(got, string(op.Key)+"-")
		} else {
			got = append(got, string(op.Key)+"+"+string(op.Value))
		}
	}
	return sameAs(got, model)
}

func sameAs(got []string, model map[string]string) error {
	var want []string
	for _, k := range slices.Sorted(maps.Keys(model)) {
		want = append(want, k+model[k])
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%d writes in order, want %d, or they differ", len(got), len(want))
	}
	return nil
}

func overlayIter(o *overlay, model map[string]string) error {
	it := o.iter(nil, nil, false)
	if it == nil {
		return sameAs(nil, model)
	}
	defer it.close()
	var got []string
	for w, ok := it.next(); ok; w, ok = it.next() {
		if w.del {
			got = append(got, string(w.key)+"-")
		} else {
			got = append(got, string(w.key)+"+"+string(w.val))
		}
	}
	return sameAs(got, model)
}

func TestOverlayAgainstMap(t *testing.T) {
	for seed := range uint64(6) {
		if err := overlayRun(seed, seed%2 == 0, func(*overlay) {}); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestOverlaySaboteurs(t *testing.T) {
	for name, harm := range map[string]func(*overlay){
		"a write more":       func(o *overlay) { o.write([]byte("zzz"), nil, false) },
		"a deletion that is": func(o *overlay) { o.write([]byte("key1"), []byte("x"), false) },
		"all forgotten":      func(o *overlay) { o.reset() },
	} {
		for _, scans := range []bool{false, true} {
			if overlayRun(1, scans, harm) == nil {
				t.Errorf("%s, and nobody noticed", name)
			}
		}
	}
}

// TestIteratorsKeepTheirMoment opens iterators between writes.
func TestIteratorsKeepTheirMoment(t *testing.T) {
	o := newOrdered()
	var its []*orderedIter
	for i := range 50 {
		its = append(its, o.iter(nil, nil, i%2 == 0))
		o.write(fmt.Appendf(nil, "k%02d", i), nil, i%3 == 0)
	}
	for i, it := range its {
		n := 0
		for _, ok := it.next(); ok; _, ok = it.next() {
			n++
		}
		it.close()
		it.close()
		if n != i {
			t.Errorf("the iterator made after %d writes saw %d", i, n)
		}
	}
	last := o.iter([]byte("k10"), []byte("k20"), true)
	var keys [][]byte
	for w, ok := last.next(); ok; w, ok = last.next() {
		keys = append(keys, w.key)
	}
	last.close()
	if len(keys) != 10 || !bytes.Equal(keys[0], []byte("k19")) {
		t.Errorf("a range from the end: %q", keys)
	}
}
