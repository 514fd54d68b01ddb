package soak

import (
	"fmt"
	"slices"
	"strings"
)

// slot is a merchant's minute.
type slot struct {
	Merchant string
	Minute   int64 // its start, ms
}

// sums are what a payments app wrote, by slot, in order.
type sums map[slot][]int64

// The faults of a run are many when there are any: these are shown.
const faultsShown = 5

// faults collects what is wrong, and forgets all but the first few.
type faults struct {
	all []string
	n   int
}

func (f *faults) addf(format string, args ...any) {
	if f.n++; f.n <= faultsShown {
		f.all = append(f.all, fmt.Sprintf(format, args...))
	}
}

func (f *faults) err() error {
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d faults, such as %s", f.n, strings.Join(f.all, "; "))
}

// judgeExactly wants one sum for each slot of the model, its own, and no others.
func judgeExactly(model map[slot]int64, got sums) error {
	var f faults
	for s, want := range model {
		if !slices.Equal(got[s], []int64{want}) {
			f.addf("%v has %v, want %d once", s, got[s], want)
		}
	}
	for s := range got {
		if _, ok := model[s]; !ok {
			f.addf("%v has %v, and no payment", s, got[s])
		}
	}
	return f.err()
}

// judgeAtLeast wants every slot of the model, none other, and nowhere a sum that lacks a payment.
func judgeAtLeast(model map[slot]int64, got sums) error {
	var f faults
	for s, want := range model {
		if len(got[s]) == 0 {
			f.addf("%v is missing", s)
		} else if slices.Min(got[s]) < want {
			f.addf("%v has %v, want %d or more", s, got[s], want)
		}
	}
	for s := range got {
		if _, ok := model[s]; !ok {
			f.addf("%v has %v, and no payment", s, got[s])
		}
	}
	return f.err()
}

// judgeCounts wants the counts of each key to be 1, 2, … up to the model's, each once; or, at least once, the last not
// to be below the model's: what a kill left in the changelog counts, though its output may never have been written.
func judgeCounts(model map[string]int64, got map[string][]int64, exactly bool) error {
	var f faults
	for key, want := range model {
		counts := got[key]
		switch {
		case exactly && !slices.Equal(counts, upTo(want)):
			f.addf("key %s has %d counts, want 1 to %d", key, len(counts), want)
		case len(counts) == 0 || counts[len(counts)-1] < want:
			f.addf("key %s ends with %v, want at least %d", key, counts[max(0, len(counts)-1):], want)
		}
	}
	for key := range got {
		if model[key] == 0 {
			f.addf("key %s was never written", key)
		}
	}
	return f.err()
}

func upTo(n int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i) + 1
	}
	return all
}

// judgeReplay wants at most a tenth of what the changelogs hold to have been read again: the rest was on disk.
func judgeReplay(inChangelogs, replayed int64) error {
	if replayed*10 > inChangelogs {
		return fmt.Errorf("%d of %d changelog records were replayed, want at most a tenth", replayed, inChangelogs)
	}
	return nil
}
