package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirstream/weir/state"
)

func show(b *state.Batch) (lines []string) {
	for _, op := range b.Ops() {
		lines = append(lines, fmt.Sprintf("%d %q %q", op.Kind, op.Key, op.Value))
	}
	return lines
}

func TestBatchKeepsOrder(t *testing.T) {
	var b state.Batch
	b.Set([]byte("k"), []byte("v"))
	b.Delete([]byte("gone"))
	b.DeleteRange([]byte("a"), []byte("b"))
	b.Set(nil, nil)
	want := []string{`0 "k" "v"`, `1 "gone" ""`, `2 "a" "b"`, `0 "" ""`}
	if got := show(&b); !slices.Equal(got, want) {
		t.Errorf("ops %v, want %v", got, want)
	}
	if b.Len() != 4 || b.Bytes() != 8 {
		t.Errorf("Len %d, Bytes %d, want 4, 8", b.Len(), b.Bytes())
	}
}

func TestBatchCopies(t *testing.T) {
	var b state.Batch
	key, value := []byte("key"), []byte("value")
	b.Set(key, value)
	b.DeleteRange(key, value)
	copy(key, "xxx")
	copy(value, "xxxxx")
	want := []string{`0 "key" "value"`, `2 "key" "value"`}
	if got := show(&b); !slices.Equal(got, want) {
		t.Errorf("ops %v, want %v", got, want)
	}
}

// TestBatchGrows compares a batch that outgrows its buffer many times with a list, at the end only: earlier slices must have stayed valid.
func TestBatchGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	var b state.Batch
	for round := range 3 {
		b.Reset()
		var want []string
		size := 0
		for i := range 2000 {
			k, v := fmt.Append(nil, r.IntN(1000)), fmt.Append(nil, i, r.Uint64())
			b.Set(k, v)
			want = append(want, fmt.Sprintf("0 %q %q", k, v))
			size += len(k) + len(v)
		}
		if !slices.Equal(show(&b), want) || b.Len() != 2000 || b.Bytes() != size {
			t.Fatalf("round %d: a batch of 2000 rows differs from what was put into it", round)
		}
	}
}

// TestBatchSlicesAreApart appends to an op's slices, which must not reach into its neighbours.
func TestBatchSlicesAreApart(t *testing.T) {
	var b state.Batch
	b.Set([]byte("a"), []byte("1"))
	b.Set([]byte("b"), []byte("2"))
	op := b.Ops()[0]
	_, _ = append(op.Key, 'x'), append(op.Value, 'x')
	if got := show(&b); !slices.Equal(got, []string{`0 "a" "1"`, `0 "b" "2"`}) {
		t.Errorf("ops after appends to the first's slices: %v", got)
	}
}

func TestBatchReset(t *testing.T) {
	var b state.Batch
	b.Set([]byte("a"), []byte("1"))
	b.Reset()
	if b.Len() != 0 || b.Bytes() != 0 || len(b.Ops()) != 0 {
		t.Errorf("after Reset: Len %d, Bytes %d, %d ops", b.Len(), b.Bytes(), len(b.Ops()))
	}
}
