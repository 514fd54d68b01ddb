package store_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

func kvSpec(name string) *rows.Spec { return rows.NewKeyValue(name, serde.String(), serde.Int64()) }

func openSet(t *testing.T, disk state.Provider, specs ...*rows.Spec) *store.Set {
	t.Helper()
	e, err := disk.Open("dir", "0_0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(e, nil, specs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("error %v, want one that says %q", err, p)
		}
	}
}

// TestNumbersStay opens with other stores before the known ones: each still finds its own rows.
func TestNumbersStay(t *testing.T) {
	disk := &mem.Disk{}
	put := func(names ...string) {
		var specs []*rows.Spec
		for _, n := range names {
			specs = append(specs, kvSpec(n))
		}
		w := newWorld(t, disk, specs...)
		for _, n := range names {
			s := facade[*rows.KeyValue[string, int64]](w, n)
			if v, ok, err := s.Get(n); ok && v != int64(len(n)) || err != nil {
				t.Errorf("store %q holds %d, %v", n, v, err)
			}
			w.must(s.Put(n, int64(len(n))))
		}
		w.commit()
		w.close()
	}
	put("b", "ccc")
	put("a", "ccc", "b")
	put("ccc", "dddd")
	w := newWorld(t, disk, kvSpec("dddd"), kvSpec("a"), kvSpec("b"), kvSpec("ccc"))
	for _, n := range []string{"a", "b", "ccc", "dddd"} {
		var all []string
		for k := range facade[*rows.KeyValue[string, int64]](w, n).All() {
			all = append(all, k)
		}
		if len(all) != 1 || all[0] != n {
			t.Errorf("store %q holds %q", n, all)
		}
	}
}

func TestMarks(t *testing.T) {
	disk := &mem.Disk{}
	s := openSet(t, disk, kvSpec("kv"))
	if got := s.Mark("m"); got != -1 {
		t.Errorf("a mark that was never set is %d", got)
	}
	s.SetMark("m", 5)
	check(t, s.Commit(nil))
	s.SetMark("m", 7)
	if got := s.Mark("m"); got != 7 {
		t.Errorf("mark %d, want 7", got)
	}
	check(t, s.Discard())
	if got := s.Mark("m"); got != 5 {
		t.Errorf("mark %d after Discard, want 5", got)
	}
	check(t, s.Close())
	if got := openSet(t, disk, kvSpec("kv")).Mark("m"); got != 5 {
		t.Errorf("mark %d after a restart, want 5", got)
	}
}

func TestPositions(t *testing.T) {
	disk := &mem.Disk{}
	s := openSet(t, disk, kvSpec("a"), kvSpec("b"))
	if _, ok := s.Position("a"); ok {
		t.Error("a new store has a position")
	}
	check(t, s.Replay("a", []store.LogRecord{{Key: []byte("k"), Value: make([]byte, 8)}, {Key: nil, Value: []byte("control")}}, 7))
	check(t, s.Commit(map[string]int64{"b": 3}))
	check(t, s.Close())
	s = openSet(t, disk, kvSpec("a"), kvSpec("b"))
	for name, want := range map[string]int64{"a": 7, "b": 3} {
		if got, ok := s.Position(name); got != want || !ok {
			t.Errorf("position of %q is %d, %v, want %d", name, got, ok, want)
		}
	}
	check(t, s.Forget("a"))
	if _, ok := s.Position("a"); ok {
		t.Error("a forgotten store has a position")
	}
	view, release, err := s.View("a")
	check(t, err)
	for k := range view.(state.ReadOnlyKeyValue[string, int64]).All() {
		t.Errorf("a forgotten store has a row %q", k)
	}
	check(t, release())
	wantError(t, s.Commit(map[string]int64{"nobody": 1}), `store "nobody"`)
	wantError(t, s.Replay("nobody", nil, 1), `store "nobody"`)
}

// TestNewerFormat refuses an engine that another version wrote, and one that is not ours.
func TestNewerFormat(t *testing.T) {
	e := mem.New()
	var b state.Batch
	b.Set([]byte{0, 0, 0}, []byte{0, 0, 0, 0, 0, 0, 0, 2})
	check(t, e.Apply(&b))
	_, err := store.Open(e, nil, nil)
	wantError(t, err, "format 2", "format 1", "task's directory")
	e = mem.New()
	b.Reset()
	b.Set([]byte("x"), nil)
	check(t, e.Apply(&b))
	_, err = store.Open(e, nil, nil)
	wantError(t, err, "not a task's state")
}

// TestOtherRowFormat rebuilds a store whose rows look otherwise now, and refuses where nothing could bring them back.
func TestOtherRowFormat(t *testing.T) {
	windows := func(retention int64) *rows.Spec {
		return rows.NewWindow("w", serde.String(), serde.Int64(), rows.Windowing{Size: 1000, Retention: retention})
	}
	disk := &mem.Disk{}
	s := openSet(t, disk, windows(200_000))
	log := []store.LogRecord{{Key: []byte("k\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00"), Value: make([]byte, 8)}}
	check(t, s.Replay("w", log, 1))
	check(t, s.Close())
	s = openSet(t, disk, windows(200_000))
	if at, _ := s.Position("w"); at != 1 {
		t.Errorf("position %d, want 1", at)
	}
	check(t, s.Close())
	s = openSet(t, disk, windows(400_000))
	if _, ok := s.Position("w"); ok {
		t.Error("a store of another format has kept its position")
	}
	check(t, s.Close())
	if n := countRows(t, disk); n != 0 {
		t.Errorf("%d rows of the old format are left", n)
	}
	e, err := disk.Open("dir", "0_0")
	check(t, err)
	unlogged := windows(600_000)
	unlogged.Logged = false
	_, err = store.Open(e, nil, []*rows.Spec{unlogged})
	wantError(t, err, `store "w"`, "interval=200000", "interval=300000")
}

func TestDeclarations(t *testing.T) {
	_, err := store.Open(mem.New(), nil, []*rows.Spec{kvSpec("kv"), kvSpec("kv")})
	wantError(t, err, `store "kv" is declared twice`)
	inMemory := kvSpec("kv")
	inMemory.InMemory = true
	_, err = store.Open(mem.New(), nil, []*rows.Spec{inMemory})
	wantError(t, err, `store "kv"`, "engine")
	d := state.KeyValueStore("kv", serde.String(), serde.Int64(), state.TTL(1))
	_, err = store.Open(mem.New(), nil, []*rows.Spec{spec(d)})
	wantError(t, err, `store "kv": TTL(1ns) is not a whole number`)
	s, err := store.Open(mem.New(), nil, []*rows.Spec{kvSpec("kv")})
	check(t, err)
	if _, ok := s.Store("nobody"); ok {
		t.Error("a store that was never declared is there")
	}
	if _, _, err := s.View("nobody"); err == nil {
		t.Error("a store that was never declared has a view")
	}
}

// TestViewOutlivesClose reads on after Close, and the engine is closed with the last view.
func TestViewOutlivesClose(t *testing.T) {
	disk := &mem.Disk{}
	w := newWorld(t, disk, kvSpec("kv"))
	w.must(facade[*rows.KeyValue[string, int64]](w, "kv").Put("k", 1))
	w.commit()
	view, release, err := w.set.View("kv")
	w.must(err)
	w.must(w.set.Close())
	if v, ok, err := view.(state.ReadOnlyKeyValue[string, int64]).Get("k"); v != 1 || !ok || err != nil {
		t.Errorf("after Close the view reads %d, %v, %v", v, ok, err)
	}
	if _, err := disk.Open("dir", "0_0"); err == nil {
		t.Error("the engine was closed under a view")
	}
	if _, _, err := w.set.View("kv"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a view of a closed set: %v", err)
	}
	w.must(release())
	w.must(release())
	w.must(w.set.Close())
	e, err := disk.Open("dir", "0_0")
	w.must(err)
	w.must(e.Close())
}

// TestViewSeesCommittedOnly, at the moment in which it was made.
func TestViewSeesCommittedOnly(t *testing.T) {
	w := newWorld(t, &mem.Disk{}, kvSpec("kv"))
	kv := facade[*rows.KeyValue[string, int64]](w, "kv")
	w.must(kv.Put("k", 1))
	w.commit()
	w.must(kv.Put("k", 2))
	view, release, err := w.set.View("kv")
	w.must(err)
	w.commit()
	if v, _, err := view.(state.ReadOnlyKeyValue[string, int64]).Get("k"); v != 1 || err != nil {
		t.Errorf("the view reads %d, %v, want 1", v, err)
	}
	w.must(release())
}

// TestUnloggedStoreSurvives a restart with its rows, though nothing is in a changelog.
func TestUnloggedStoreSurvives(t *testing.T) {
	d := state.KeyValueStore("kv", serde.String(), serde.Int64(), state.NoChangelog())
	w := newWorld(t, &mem.Disk{}, spec(d))
	w.must(facade[state.KeyValue[string, int64]](w, "kv").Put("k", 1))
	w.commit()
	w.reopen()
	if len(w.log["kv"]) != 0 {
		t.Error("a store without a changelog has written to it")
	}
	if v, _, err := facade[state.KeyValue[string, int64]](w, "kv").Get("k"); v != 1 || err != nil {
		t.Errorf("after a restart: %d, %v", v, err)
	}
}

// TestTwoEngines commits a store in memory beside a durable one.
func TestTwoEngines(t *testing.T) {
	w := newWorld(t, &mem.Disk{}, kvSpec("disk"), spec(state.KeyValueStore("mem", serde.String(), serde.Int64(), state.InMemory())))
	for _, n := range []string{"disk", "mem"} {
		w.must(facade[state.KeyValue[string, int64]](w, n).Put("k", 1))
	}
	if w.set.PendingBytes() == 0 {
		t.Error("nothing is pending")
	}
	w.commit()
	if n := w.set.PendingBytes(); n > 4096 {
		t.Errorf("%d bytes are pending after a commit", n)
	}
	w.must(w.set.Flush())
	w.reopen()
	for _, n := range []string{"disk", "mem"} {
		if v, _, err := facade[state.KeyValue[string, int64]](w, n).Get("k"); v != 1 || err != nil {
			t.Errorf("store %q after a restart: %d, %v", n, v, err)
		}
	}
}

// TestBadRowSticks: a scan cannot return its error, so it is the record's.
func TestBadRowSticks(t *testing.T) {
	w := newWorld(t, &mem.Disk{}, kvSpec("kv"))
	w.must(w.set.Replay("kv", []store.LogRecord{{Key: []byte("k"), Value: []byte("short")}}, 1))
	kv := facade[state.KeyValue[string, int64]](w, "kv")
	for range kv.All() {
		t.Error("a row that cannot be decoded was seen")
	}
	wantError(t, w.stuck, `store "kv": decode value`)
	viewOf(w, "kv", func(v state.ReadOnlyKeyValue[string, int64]) {
		for range v.All() {
			t.Error("a row that cannot be decoded was seen")
		}
		wantError(t, v.Err(), `store "kv": decode value`)
		_, _, err := v.Get("k")
		wantError(t, err, `store "kv": decode value`)
	})
}

// TestTrim brings caches under their budget and keeps what was used again.
func TestTrim(t *testing.T) {
	s := kvSpec("kv")
	s.Cached = true
	w := newWorld(t, &mem.Disk{}, s)
	kv := facade[*rows.KeyValue[string, int64]](w, "kv")
	names := make([]string, 20_000)
	for i := range names {
		names[i] = "key-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26%50) + string(rune('0'+i%10)) + string(rune(256+i))
		w.must(kv.Put(names[i], int64(i)))
	}
	const budget = 1 << 20
	if w.set.CacheBytes() <= budget {
		t.Fatalf("only %d bytes in the cache", w.set.CacheBytes())
	}
	w.must(w.set.Trim(budget))
	if n := w.set.CacheBytes(); n > budget || n < budget/4 {
		t.Errorf("%d bytes in the cache after Trim(%d)", n, budget)
	}
	for i, k := range names {
		if v, ok, err := kv.Get(k); v != int64(i) || !ok || err != nil {
			t.Fatalf("after Trim %q holds %d, %v, %v", k, v, ok, err)
		}
	}
}

// TestCustomStore keeps, logs and restores bytes for a store of the user's own.
func TestCustomStore(t *testing.T) {
	type ring struct{ rows state.Rows }
	d := state.CustomStore("ring", func(r state.Rows) (*ring, error) { return &ring{r}, nil })
	w := newWorld(t, &mem.Disk{}, spec(d))
	r := facade[*ring](w, "ring").rows
	w.must(r.Put([]byte("a"), []byte("1")))
	w.must(r.Put([]byte("b"), []byte("2")))
	w.must(r.Put([]byte("a"), nil))
	w.commit()
	w.lost(&mem.Disk{})
	var all string
	for k, v := range facade[*ring](w, "ring").rows.Scan(nil, nil) {
		all += string(k) + "=" + string(v) + " "
	}
	if all != "b=2 " {
		t.Errorf("restored %q", all)
	}
	if _, ok, err := facade[*ring](w, "ring").rows.Get(nil, []byte("a")); ok || err != nil {
		t.Errorf("a deleted row: %v, %v", ok, err)
	}
}

// bell is a custom store that has to be closed.
type bell struct{ close func() error }

func (b *bell) Close() error { return b.close() }

// TestCustomStoresAreClosed: each that was opened, whatever the others do; stores of other kinds are not the user's to close.
func TestCustomStoresAreClosed(t *testing.T) {
	var rung []string
	ringing := func(name string, close func() error) *rows.Spec {
		return spec(state.CustomStore(name, func(state.Rows) (*bell, error) {
			return &bell{func() error { rung = append(rung, name); return close() }}, nil
		}))
	}
	broken := errors.New("broken")
	w := newWorld(t, &mem.Disk{}, ringing("fine", func() error { return nil }), ringing("fails", func() error { return broken }), ringing("panics", func() error { panic("cracked") }),
		spec(state.KeyValueStore("kv", serde.String(), serde.Int64())))
	errs := w.set.CloseFacades()
	if err := errors.Join(errs...); len(errs) != 2 || !errors.Is(err, broken) || !strings.Contains(err.Error(), `store "fails": close`) || !strings.Contains(err.Error(), `store "panics": close: panic: cracked`) {
		t.Errorf("%v", errs)
	}
	if !slices.Equal(rung, []string{"fine", "fails", "panics"}) {
		t.Errorf("closed %q", rung)
	}
}

func TestMarksOfAStore(t *testing.T) {
	w := newWorld(t, providers["mem"](), rows.NewBuffer("s", "string", "bytes"))
	defer w.close()
	for name, at := range map[string]int64{"s": 1, "s\x00time": 2, "s\x00idle": -1, "s2": 4, "other": 5} {
		w.set.SetMark(name, at)
	}
	w.commit()
	w.set.SetMark("s", 7)
	w.set.SetMark("s\x00idle\x00in", 8)
	got := maps.Collect(w.set.MarksOf("s"))
	if want := map[string]int64{"s": 7, "s\x00time": 2, "s\x00idle\x00in": 8}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
