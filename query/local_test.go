package query

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

var (
	names  = state.KeyValueStore("names", serde.String(), serde.String())
	visits = state.WindowStore("visits", serde.String(), serde.Int64(), time.Minute, state.Retention(time.Hour))
)

// here makes a registry of tasks, each with stores that hold what fill puts.
func here(t *testing.T, fill ...func(state.KeyValue[string, string], state.Window[string, int64])) (*Local, []*store.Set) {
	t.Helper()
	l, sets := new(Local), []*store.Set{}
	for i, f := range fill {
		set, err := store.Open(mem.New(), nil, []*rows.Spec{names.Spec(seal.Token{}), visits.Spec(seal.Token{})})
		if err != nil {
			t.Fatal(err)
		}
		nothing := func(string, []byte, []byte, int64, bool) error { return nil }
		if err := set.Start(nothing, &rows.Context{}, func(err error) { t.Error(err) }, func(string) {}); err != nil {
			t.Fatal(err)
		}
		kv, _ := set.Store("names")
		win, _ := set.Store("visits")
		f(kv.(state.KeyValue[string, string]), win.(state.Window[string, int64]))
		if err := set.Commit(nil); err != nil {
			t.Fatal(err)
		}
		l.Add(string(rune('a'+i)), set)
		sets = append(sets, set)
	}
	return l, sets
}

func minute(n int) time.Time { return time.UnixMilli(int64(n) * 60_000).UTC() }

func TestViewIsOneStoreOverAllTasks(t *testing.T) {
	l, sets := here(t,
		func(kv state.KeyValue[string, string], w state.Window[string, int64]) {
			_ = errors.Join(kv.Put("ann", "A"), kv.Put("cid", "C"), w.Put("ann", minute(40), 1))
		},
		func(kv state.KeyValue[string, string], w state.Window[string, int64]) {
			_ = errors.Join(kv.Put("bob", "B"), w.Put("bob", minute(3), 2))
		},
		func(state.KeyValue[string, string], state.Window[string, int64]) {}, // has seen nothing
	)
	v, err := l.View(names.Spec(seal.Token{}))
	if err != nil {
		t.Fatal(err)
	}
	view := v.(state.ReadOnlyKeyValue[string, string])
	if got, ok, err := view.Get("bob"); got != "B" || !ok || err != nil {
		t.Errorf("Get of bob: %q %v %v", got, ok, err)
	}
	if got := keys(view.All()); !slices.Equal(got, []string{"ann", "bob", "cid"}) {
		t.Errorf("All: %q", got)
	}
	if got := keys(view.ReverseAll()); !slices.Equal(got, []string{"cid", "bob", "ann"}) {
		t.Errorf("ReverseAll: %q", got)
	}
	w, err := l.View(visits.Spec(seal.Token{}))
	if err != nil {
		t.Fatal(err)
	}
	windows := w.(state.ReadOnlyWindow[string, int64])
	var seen []string
	for k := range windows.All() {
		seen = append(seen, k.Key)
	}
	if slices.Sort(seen); !slices.Equal(seen, []string{"ann", "bob"}) {
		t.Errorf("windows of %q, want ann's and bob's though one task is far behind and one has seen nothing", seen)
	}
	for range windows.Fetch("ann", minute(0), minute(100)) {
		seen = nil
	}
	if seen != nil {
		t.Error("Fetch finds nothing of ann")
	}

	for _, s := range sets {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := view.Get("ann"); !errors.Is(err, ErrNotHere) {
		t.Errorf("after the tasks are gone: error %v, want ErrNotHere", err)
	}
}

// TestViewGoesOn: a view sees what is committed after it was made.
func TestViewGoesOn(t *testing.T) {
	var w state.Window[string, int64]
	l, sets := here(t, func(_ state.KeyValue[string, string], win state.Window[string, int64]) { w = win })
	v, err := l.View(visits.Spec(seal.Token{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Put("ann", minute(7), 1), sets[0].Commit(nil)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range v.(state.ReadOnlyWindow[string, int64]).All() {
		n++
	}
	if n != 1 {
		t.Errorf("the view shows %d rows, want the one of after it", n)
	}
}

func TestNothingHere(t *testing.T) {
	if _, err := new(Local).View(names.Spec(seal.Token{})); !errors.Is(err, ErrNotHere) {
		t.Errorf("error %v, want ErrNotHere", err)
	}
}

func keys[V any](all func(yield func(string, V) bool)) (ks []string) {
	for k := range all {
		ks = append(ks, k)
	}
	return ks
}
