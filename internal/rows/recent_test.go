package rows

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naive is what recent must show: all that was added, in the order of coming.
type naive struct {
	key   string
	at    int64
	value string
}

// between says what a walk should show, from the latest to the earliest.
func (r *recent) shown(t *rapid.T, all []naive, key string, from, to int64) {
	var want, got []string
	some := slices.DeleteFunc(slices.Clone(all), func(n naive) bool { return n.key != key || n.at < from || n.at > to })
	slices.SortStableFunc(some, func(a, b naive) int { return cmp.Compare(a.at, b.at) })
	for _, n := range some {
		want = append(want, fmt.Sprint(n.at, n.value[:3], len(n.value)))
	}
	places := r.between(nil, []byte(key), from, to)
	slices.Reverse(places)
	for _, p := range places {
		m := r.at(p)
		got = append(got, fmt.Sprint(m.at(), string(m.value()[:3]), len(m.value())))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q from %d to %d: got %v, want %v", key, from, to, got, want)
	}
}

// What is after since is all there, whatever was dropped, in any order of times, over many chunks and keys.
func TestRecentHoldsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &recent{since: -1}
		var all []naive
		now := int64(0)
		for i := range rapid.IntRange(1, 300).Draw(t, "steps") {
			now += rapid.Int64Range(0, 3).Draw(t, "on")
			n := naive{key: fmt.Sprint("k", rapid.IntRange(0, 80).Draw(t, "key")), at: max(0, now-rapid.Int64Range(0, 20).Draw(t, "late"))}
			n.value = fmt.Sprintf("%03d", i) + string(bytes.Repeat([]byte{'v'}, rapid.SampledFrom([]int{0, 100, 9_000, 70_000}).Draw(t, "more")))
			if n.at > r.since {
				r.add([]byte(n.key), n.at, []byte(n.value), i%2 == 0, now-40)
				all = append(all, n)
			}
			if rapid.IntRange(0, 40).Draw(t, "shrinks") == 0 {
				r.shrink(max(1, r.bytes()*rapid.Int64Range(0, 10).Draw(t, "to")/10))
			}
			r.shown(t, all, n.key, r.since+1, now)
			r.shown(t, all, n.key, max(r.since+1, n.at-5), n.at)
		}
		for k := range 81 {
			r.shown(t, all, fmt.Sprint("k", k), r.since+1, now-3)
		}
		if r.since >= now && len(r.chunks) > 1 {
			t.Fatal("several chunks, and nothing is said to be there")
		}
		r.shrink(0)
		if r.bytes() != 0 || r.since < now-20 && len(all) > 0 && r.since < all[len(all)-1].at {
			t.Fatalf("%d bytes after all was let go; since %d", r.bytes(), r.since)
		}
	})
}

// A record remembers that it waits until it is matched.
func TestRecentWaits(t *testing.T) {
	r := &recent{since: -1}
	r.add([]byte("a"), 1, []byte("x"), true, 0)
	m := r.at(r.between(nil, []byte("a"), 0, 9)[0])
	if waits := m.waits(); !waits {
		t.Error("it does not wait")
	}
	if m.match(); m.waits() || string(m.value()) != "x" || string(m.key()) != "a" {
		t.Errorf("matched: waits %v, %s=%s", m.waits(), m.key(), m.value())
	}
}
