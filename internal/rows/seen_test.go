package rows

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// below is rows that one goroutine changes and others read: a number per key that only grows.
type below struct {
	n    [32]atomic.Int64
	told [32]atomic.Int64 // what readers must at least see: Changed has returned
}

// race has a writer raise numbers while readers read them through a cache, and returns the first read that found a number of before.
func race(s *Seen[int64], changed func(key []byte)) error {
	var b below
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }
	var group sync.WaitGroup
	var done atomic.Bool
	errs := make(chan error, 4)
	for i := range b.n { // seen before they change
		_, p := s.find(key(i))
		s.put(p, &seenRow[int64]{key: string(key(i)), cost: 8, has: true})
	}
	for range 4 {
		group.Go(func() {
			last := len(b.n) // reads after the last change
			for i := 0; last > 0; i = (i + 7) % len(b.n) {
				if done.Load() {
					last--
				}
				least := b.told[i].Load()
				r, p := s.find(key(i))
				if r == nil {
					r = &seenRow[int64]{key: string(key(i)), cost: 8, value: b.n[i].Load(), has: true}
					s.put(p, r)
				}
				if r.value < least {
					errs <- fmt.Errorf("row %d is %d, and was %d before it was looked for", i, r.value, least)
					return
				}
			}
		})
	}
	for n := range int64(2000) {
		i := int(n*13) % len(b.n)
		b.n[i].Store(n)
		changed(key(i))
		b.told[i].Store(n)
		if n%64 == 0 {
			runtime.Gosched()
		}
	}
	done.Store(true)
	group.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

func TestSeenIsNeverOld(t *testing.T) {
	for _, most := range []int64{1 << 20, 100, 0} {
		s := NewSeen[int64](most)
		if err := race(s, s.Changed); err != nil {
			t.Errorf("%d bytes: %v", most, err)
		}
	}
	s := NewSeen[int64](1 << 20)
	if err := race(s, func([]byte) { s.Reset() }); err != nil {
		t.Errorf("reset: %v", err)
	}
	s = NewSeen[int64](1 << 20)
	if race(s, func([]byte) {}) == nil {
		t.Error("a cache that is not told of changes went unnoticed")
	}
}

func TestSeenKeepsItsSize(t *testing.T) {
	s := NewSeen[int](50 * 1000)
	for i := range 100_000 {
		k := fmt.Append(nil, "key", i)
		if r, p := s.find(k); r == nil {
			s.put(p, &seenRow[int]{key: string(k), cost: 100, value: i, has: true})
		}
	}
	in := s.now.Load()
	if bytes := in.bytes.Load(); bytes > 50*1000 || bytes < 10*1000 {
		t.Errorf("it holds %d bytes", bytes)
	}
	var n, bytes int64
	for i := range in.buckets {
		for j := range in.buckets[i].rows {
			if r := in.buckets[i].rows[j].Load(); r != nil {
				n++
				bytes += r.cost
			}
		}
	}
	if n != in.n.Load() || bytes != in.bytes.Load() {
		t.Errorf("%d rows of %d bytes are counted as %d of %d", n, bytes, in.n.Load(), in.bytes.Load())
	}
}

func TestSeenFindsWhatFits(t *testing.T) {
	s := NewSeen[int](1 << 30)
	const n = 20_000
	put := func() (missed int) {
		for i := range n {
			k := fmt.Append(nil, "key", i)
			r, p := s.find(k)
			if r == nil {
				missed++
				s.put(p, &seenRow[int]{key: string(k), cost: 100, value: i})
			} else if r.value != i {
				t.Fatalf("key %d has the row of %d", i, r.value)
			}
		}
		return missed
	}
	for range 4 { // it begins anew each time that it grows
		put()
	}
	if missed := put(); missed > n/10 {
		t.Errorf("%d of %d rows were not found", missed, n)
	}
}
