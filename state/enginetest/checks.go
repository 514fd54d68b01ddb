package enginetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/weirstream/weir/state"
)

func getMissing(t T, e state.Engine) {
	wantGet(t, e, "a", nil)
	apply(t, e, batch(pair{"ab", "1"}))
	wantGet(t, e, "a", nil)
	wantGet(t, e, "abc", nil)
	dst := []byte("kept")
	got, ok, err := e.Get(dst, []byte("a"))
	if err != nil || ok || string(got) != "kept" {
		t.Errorf("get of a missing row: %q, %v, %v; want dst as it was and false", got, ok, err)
	}
}

func getAppends(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1234"}))
	dst := make([]byte, 2, 16)
	copy(dst, "d:")
	got, ok, err := e.Get(dst, []byte("a"))
	if err != nil || !ok || string(got) != "d:1234" {
		t.Fatalf("get into d: %q, %v, %v; want \"d:1234\"", got, ok, err)
	}
	if &got[0] != &dst[0] {
		t.Errorf("get did not use the room that dst had")
	}
	if got, _, _ := e.Get([]byte("d:"), []byte("a")); string(got) != "d:1234" {
		t.Errorf("get into a full dst: %q, want \"d:1234\"", got)
	}
}

func getCopies(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1234"}))
	got, _, _ := e.Get(nil, []byte("a"))
	apply(t, e, batch(pair{"a", "5678"}))
	if string(got) != "1234" {
		t.Errorf("a value that was got became %q when its row was set anew", got)
	}
	for i := range got {
		got[i] = 'x'
	}
	wantGet(t, e, "a", p("5678"))
}

func emptyValues(t T, e state.Engine) {
	var b state.Batch
	b.Set([]byte("a"), nil)
	b.Set([]byte("b"), []byte{})
	apply(t, e, &b)
	wantGet(t, e, "a", p(""))
	wantGet(t, e, "b", p(""))
	wantRows(t, e, "", "", false, pair{"a", ""}, pair{"b", ""})
}

func setReplaces(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "1"}))
	apply(t, e, batch(pair{"a", "longer"}))
	wantRows(t, e, "", "", false, pair{"a", "longer"}, pair{"b", "1"})
}

func deleteRow(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}))
	var b state.Batch
	b.Delete([]byte("b"))
	b.Delete([]byte("missing"))
	apply(t, e, &b)
	wantGet(t, e, "b", nil)
	wantRows(t, e, "", "", false, pair{"a", "1"}, pair{"c", "3"})
	apply(t, e, batch(pair{"b", "again"}))
	wantGet(t, e, "b", p("again"))
}

func deleteRange(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"bb", "3"}, pair{"c", "4"}, pair{"d", "5"}))
	ranges := func(lo, hi string) *state.Batch {
		var b state.Batch
		b.DeleteRange([]byte(lo), []byte(hi))
		return &b
	}
	apply(t, e, ranges("x", "y")) // nothing there
	apply(t, e, ranges("c", "c")) // no width
	apply(t, e, ranges("d", "a")) // backwards
	wantRows(t, e, "", "", false, pair{"a", "1"}, pair{"b", "2"}, pair{"bb", "3"}, pair{"c", "4"}, pair{"d", "5"})
	apply(t, e, ranges("b", "c"))
	wantRows(t, e, "", "", false, pair{"a", "1"}, pair{"c", "4"}, pair{"d", "5"})
	wantGet(t, e, "bb", nil)
	apply(t, e, ranges("", "d")) // from the start
	wantRows(t, e, "", "", false, pair{"d", "5"})
}

// batchInOrder sets, deletes and sets again, in one batch: the last word wins.
func batchInOrder(t T, e state.Engine) {
	var b state.Batch
	b.Set([]byte("a"), []byte("1"))
	b.Set([]byte("a"), []byte("2"))
	b.Set([]byte("b"), []byte("1"))
	b.Delete([]byte("b"))
	b.Delete([]byte("c"))
	b.Set([]byte("c"), []byte("1"))
	apply(t, e, &b)
	wantRows(t, e, "", "", false, pair{"a", "2"}, pair{"c", "1"})
}

// batchMixed puts range deletes between sets, in one batch.
func batchMixed(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "old"}, pair{"b", "old"}, pair{"c", "old"}, pair{"d", "old"}))
	var b state.Batch
	b.Set([]byte("a"), []byte("lost"))
	b.DeleteRange([]byte("a"), []byte("d"))
	b.Set([]byte("b"), []byte("new"))
	b.Set([]byte("bb"), []byte("lost"))
	b.DeleteRange([]byte("bb"), []byte("c"))
	b.Delete([]byte("d"))
	b.Set([]byte("e"), []byte("new"))
	apply(t, e, &b)
	wantRows(t, e, "", "", false, pair{"b", "new"}, pair{"e", "new"})
	wantGet(t, e, "b", p("new"))
	wantGet(t, e, "bb", nil)
	wantGet(t, e, "a", nil)
}

func batchReuse(t T, e state.Engine) {
	var b state.Batch
	key, value := []byte("key"), []byte("value")
	b.Set(key, value)
	key[0], value[0] = 'x', 'x' // the batch has copied them
	apply(t, e, &b)
	b.Reset()
	b.Set([]byte("abc"), []byte("other")) // over the same memory
	wantRows(t, e, "", "", false, pair{"key", "value"})
	apply(t, e, &b)
	apply(t, e, &b) // once more changes nothing
	wantRows(t, e, "", "", false, pair{"abc", "other"}, pair{"key", "value"})
}

func emptyBatch(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}))
	apply(t, e, &state.Batch{})
	wantRows(t, e, "", "", false, pair{"a", "1"})
}

// largeBatch is beyond what engines usually hold in memory before they write.
func largeBatch(t T, e state.Engine) {
	var b state.Batch
	value := bytes.Repeat([]byte("v"), 1000)
	for i := range 3000 {
		b.Set(binary.BigEndian.AppendUint32(nil, uint32(i)), value)
	}
	b.DeleteRange(binary.BigEndian.AppendUint32(nil, 1000), binary.BigEndian.AppendUint32(nil, 2000))
	apply(t, e, &b)
	rows := walk(t, e, nil, nil, false)
	if len(rows) != 2000 {
		t.Errorf("%d rows of 2000 after a batch of 3 MB", len(rows))
	}
}

func iterOrder(t T, e state.Engine) {
	rows := []pair{{"\x00", "zero"}, {"\x00\x00", "zeros"}, {"a", "1"}, {"a\x00", "2"}, {"a\xff", "3"}, {"b", "4"}, {"\xff", "5"}, {"\xff\xff", "6"}}
	for _, i := range []int{3, 0, 7, 5, 1, 6, 2, 4} {
		apply(t, e, batch(rows[i]))
	}
	wantRows(t, e, "", "", false, rows...)
	wantRows(t, e, "", "", true, reversed(rows)...)
}

func iterBounds(t T, e state.Engine) {
	a, b, c, d := pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}, pair{"d", "4"}
	apply(t, e, batch(a, b, c, d))
	for _, w := range []struct {
		lo, hi string
		want   []pair
	}{
		{"b", "d", []pair{b, c}}, {"b", "", []pair{b, c, d}}, {"", "c", []pair{a, b}},
		{"aa", "cc", []pair{b, c}}, {"b", "b\x00", []pair{b}}, {"b", "b", nil},
		{"d", "b", nil}, {"e", "", nil}, {"", "a", nil}, {"bb", "c", nil},
	} {
		wantRows(t, e, w.lo, w.hi, false, w.want...)
		wantRows(t, e, w.lo, w.hi, true, reversed(w.want)...)
	}
	if rows := walk(t, e, []byte{}, []byte{}, false); rows != nil {
		t.Errorf("iter below the empty key: %v, want nothing", rows)
	}
	if rows := walk(t, e, []byte{}, []byte{}, true); rows != nil {
		t.Errorf("reverse iter below the empty key: %v, want nothing", rows)
	}
}

func reversed(rows []pair) (r []pair) {
	for i := range rows {
		r = append(r, rows[len(rows)-1-i])
	}
	return r
}

func iterEmpty(t T, e state.Engine) {
	wantRows(t, e, "", "", false)
	wantRows(t, e, "", "", true)
	wantRows(t, e, "a", "b", true)
}

func iterClosedEarly(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}))
	closeIter(t, iter(t, e, nil, nil, false)) // never begun
	it := iter(t, e, nil, nil, true)
	if !it.Next() || string(it.Key()) != "b" {
		t.Errorf("the greatest row is not b")
	}
	closeIter(t, it)
}

func iterCopiesBounds(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}))
	lo, hi := []byte("b"), []byte("c")
	it := iter(t, e, lo, hi, false)
	lo[0], hi[0] = 'a', 'z'
	if rows := drain(t, it); len(rows) != 1 || rows[0].key != "b" {
		t.Errorf("an iterator of [b, c) walked %v after its caller used the bounds' memory anew", rows)
	}
}

func iterStable(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}))
	begun, fresh := iter(t, e, nil, nil, false), iter(t, e, nil, nil, true)
	if !begun.Next() {
		t.Fatalf("no row")
	}
	key, value := begun.Key(), begun.Value()
	var b state.Batch
	b.Set([]byte("a"), []byte("x"))
	b.Set([]byte("bb"), []byte("x"))
	b.Delete([]byte("c"))
	b.DeleteRange([]byte("b"), []byte("ba"))
	apply(t, e, &b)
	if string(key) != "a" || string(value) != "1" {
		t.Errorf("the current row became %q=%q under a later batch", key, value)
	}
	wantPairs(t, "an iterator begun before a batch", drain(t, begun), pair{"b", "2"}, pair{"c", "3"})
	wantPairs(t, "an iterator made before a batch", drain(t, fresh), pair{"c", "3"}, pair{"b", "2"}, pair{"a", "1"})
	wantRows(t, e, "", "", false, pair{"a", "x"}, pair{"bb", "x"})
}

func wantPairs(t T, what string, got []pair, want ...pair) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s walked %v, want %v", what, got, want)
	}
}

// iterDeletes deletes each row that it meets.
func iterDeletes(t T, e state.Engine) {
	for i := range 100 {
		apply(t, e, batch(pair{fmt.Sprintf("k%03d", i), "v"}))
	}
	it, n := iter(t, e, nil, nil, false), 0
	var b state.Batch
	for ; it.Next(); n++ {
		b.Reset()
		b.Delete(it.Key())
		apply(t, e, &b)
	}
	closeIter(t, it)
	if n != 100 {
		t.Errorf("deleting while iterating met %d rows of 100", n)
	}
	wantRows(t, e, "", "", false)
}

func snapshotIsolated(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"}))
	s := e.Snapshot()
	var b state.Batch
	b.Set([]byte("a"), []byte("x"))
	b.Set([]byte("new"), []byte("x"))
	b.Delete([]byte("b"))
	b.DeleteRange([]byte("c"), []byte("d"))
	apply(t, e, &b)
	wantGet(t, s, "a", p("1"))
	wantGet(t, s, "b", p("2"))
	wantGet(t, s, "c", p("3"))
	wantGet(t, s, "new", nil)
	wantRows(t, s, "", "", false, pair{"a", "1"}, pair{"b", "2"}, pair{"c", "3"})
	wantRows(t, s, "b", "", true, pair{"c", "3"}, pair{"b", "2"})
	wantRows(t, e, "", "", false, pair{"a", "x"}, pair{"new", "x"})
	if got, ok, err := s.Get([]byte("d:"), []byte("a")); err != nil || !ok || string(got) != "d:1" {
		t.Errorf("get from a snapshot into \"d:\": %q, %v, %v", got, ok, err)
	}
	closeSnapshot(t, s)
}

func snapshotIter(t T, e state.Engine) {
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}))
	s := e.Snapshot()
	it := iter(t, s, nil, nil, true)
	apply(t, e, batch(pair{"a", "x"}, pair{"c", "x"}))
	late := iter(t, s, nil, nil, true)
	wantPairs(t, "an iterator of a snapshot", drain(t, it), pair{"b", "2"}, pair{"a", "1"})
	wantPairs(t, "a later iterator of a snapshot", drain(t, late), pair{"b", "2"}, pair{"a", "1"})
	closeSnapshot(t, s)
}

func snapshotsMany(t T, e state.Engine) {
	var all []state.Snapshot
	for i := range 10 {
		all = append(all, e.Snapshot())
		apply(t, e, batch(pair{"k", fmt.Sprint(i)}, pair{fmt.Sprint("row", i), ""}))
	}
	for i, s := range all {
		if rows := walk(t, s, []byte("row"), nil, false); len(rows) != i {
			t.Errorf("snapshot %d holds %d rows, want %d", i, len(rows), i)
		}
		if i > 0 {
			wantGet(t, s, "k", p(fmt.Sprint(i-1)))
		}
		closeSnapshot(t, s)
	}
}

func flushKeeps(t T, e state.Engine) {
	flush(t, e)
	apply(t, e, batch(pair{"a", "1"}, pair{"b", "2"}))
	s, it := e.Snapshot(), iter(t, e, nil, nil, false)
	flush(t, e)
	var b state.Batch
	b.Delete([]byte("a"))
	b.Set([]byte("b"), []byte("x"))
	apply(t, e, &b)
	flush(t, e)
	wantRows(t, e, "", "", false, pair{"b", "x"})
	wantRows(t, s, "", "", false, pair{"a", "1"}, pair{"b", "2"})
	wantPairs(t, "an iterator made before a flush", drain(t, it), pair{"a", "1"}, pair{"b", "2"})
	closeSnapshot(t, s)
}

func flush(t T, e state.Engine) {
	t.Helper()
	if err := e.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

// concurrentReaders applies batches that set all rows to one number, while readers look: a reader that sees two numbers has seen half
// a batch.
func concurrentReaders(t T, e state.Engine) {
	const rows, batches, readers = 20, 200, 3
	var wg sync.WaitGroup
	done := make(chan struct{})
	faults := make(chan string, readers)
	for range readers {
		wg.Go(func() {
			for looked := false; ; looked = true {
				if fault := lookOnce(e); fault != "" {
					faults <- fault
					return
				}
				select {
				case <-done:
					if looked {
						return
					}
				default:
				}
			}
		})
	}
	err := applyNumbers(e, rows, batches)
	close(done)
	wg.Wait()
	close(faults)
	if err != nil {
		t.Errorf("apply: %v", err)
	}
	for f := range faults {
		t.Errorf("%s", f)
	}
}

func applyNumbers(e state.Engine, rows, batches int) error {
	var b state.Batch
	for n := range batches {
		b.Reset()
		for r := range rows {
			b.Set(fmt.Appendf(nil, "k%02d", r), fmt.Append(nil, n))
		}
		if err := e.Apply(&b); err != nil {
			return err
		}
	}
	return nil
}

// lookOnce reads a snapshot by point and by scan, and the engine by scan; each must hold one number only.
func lookOnce(e state.Engine) string {
	if _, _, err := e.Get(nil, []byte("k00")); err != nil {
		return "get: " + err.Error()
	}
	s := e.Snapshot()
	defer s.Close()
	first, _, _ := s.Get(nil, []byte("k00"))
	last, _, _ := s.Get(nil, []byte("k19"))
	if string(first) != string(last) {
		return fmt.Sprintf("a snapshot holds k00=%q and k19=%q: half a batch", first, last)
	}
	for _, r := range []state.Reader{s, e} {
		if fault := oneNumber(r); fault != "" {
			return fault
		}
	}
	return ""
}

func oneNumber(r state.Reader) string {
	it, err := r.Iter(nil, nil, false)
	if err != nil {
		return "iter: " + err.Error()
	}
	defer it.Close()
	seen := map[string]bool{}
	for it.Next() {
		seen[string(it.Value())] = true
	}
	if len(seen) > 1 {
		return fmt.Sprintf("a scan saw %d numbers in rows that batches set to one", len(seen))
	}
	return ""
}
