package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// past is the dumbest versioned store: all points of time at which something was put, by key; nil is nothing.
type past struct {
	history  int64
	observed int64
	points   map[string]map[int64]*string
	ends     map[string]map[int64]bool // times at which something is known to have ended
}

func newPast(history int64) *past {
	return &past{history: history, observed: -1, points: map[string]map[int64]*string{}, ends: map[string]map[int64]bool{}}
}

func (p *past) clone() *past {
	c := newPast(p.history)
	c.observed = p.observed
	for k := range p.points {
		c.points[k], c.ends[k] = maps.Clone(p.points[k]), maps.Clone(p.ends[k])
	}
	return c
}

// next is the first point after a time, −1 without one; last the last one up to it.
func (p *past) next(k string, at int64) int64 {
	next := int64(-1)
	for t := range p.points[k] {
		if t > at && (next < 0 || t < next) {
			next = t
		}
	}
	return next
}

func (p *past) last(k string, at int64) int64 {
	last := int64(-1)
	for t := range p.points[k] {
		if t <= at {
			last = max(last, t)
		}
	}
	return last
}

func (p *past) put(k string, v *string, at int64) string {
	if at < p.observed-p.history {
		return "late"
	}
	p.observed = max(p.observed, at)
	if p.points[k] == nil {
		p.points[k], p.ends[k] = map[int64]*string{}, map[int64]bool{}
	}
	next, before := p.next(k, at), p.last(k, at)
	switch {
	case next >= 0:
		p.ends[k][next] = true
	case before >= 0 && before < at && p.points[k][before] != nil:
		p.ends[k][at] = true
	case v == nil && before == at && p.points[k][at] != nil && !p.ends[k][at]:
		delete(p.points[k], at) // a deletion at the time of the current version, where nothing ended
		return "until -1"
	case v == nil:
		p.ends[k][at] = true
	}
	p.points[k][at] = v
	return fmt.Sprintf("until %d", next)
}

func (p *past) asOf(k string, at int64) string {
	last := p.last(k, at)
	if last < 0 || p.points[k][last] == nil {
		return "none"
	}
	next := p.next(k, last)
	if at < p.observed-p.history && next >= 0 {
		return "none"
	}
	return fmt.Sprintf("%s from %d to %d", *p.points[k][last], last, next)
}

// between lists what held at any moment of [from, to], the newest first.
func (p *past) between(k string, from, to int64) (all []string) {
	floor := p.observed - p.history
	for _, t := range slices.Backward(slices.Sorted(maps.Keys(p.points[k]))) {
		v, next := p.points[k][t], p.next(k, t)
		if v == nil || t > to || next >= 0 && (next <= max(from, floor) || to < floor) {
			continue
		}
		all = append(all, fmt.Sprintf("%s from %d to %d", *v, t, next))
	}
	return all
}

// histories plays random puts, deletions, commits, restarts and losses, and compares each answer with the model's.
func histories(p func() state.Provider, seed uint64, host func(rows.Host) rows.Host, opts ...state.Option) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("seed %d: %v", seed, x)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 1))
	history := []int64{0, 300, 60_000, 400_000}[r.IntN(4)]
	s := spec(state.VersionedStore("v", serde.String(), serde.String(), time.Duration(history)*time.Millisecond, opts...))
	open := s.Open
	s.Open = func(h rows.Host) (any, error) {
		if host != nil {
			h = host(h)
		}
		return open(h)
	}
	w := newWorld(panicker{}, p(), s)
	model := newPast(history)
	kept := model.clone()
	now := int64(r.IntN(2) * 1_000_000)
	for range 120 {
		got := facade[*rows.Versions[string, string]](w, "v")
		now += int64(r.IntN(1 + int(max(history/8, 40))))
		at := max(0, now-int64(r.IntN(4))*int64(r.IntN(1+int(history*3/4+60))))
		if r.IntN(4) == 0 && model.observed >= 0 {
			at = model.observed
		}
		k := string(rune('a' + r.IntN(3)))
		if r.IntN(8) == 0 {
			k = "\x00" + k
		}
		switch n := r.IntN(20); {
		case n < 9:
			v := fmt.Sprint("v", r.IntN(100))
			same("put", putText(got.Put(k, v, at)), model.put(k, &v, at))
		case n < 14:
			had := "none"
			if at >= model.observed-history {
				had = model.asOf(k, at)
			}
			same("delete", versionText(got.Delete(k, at)), had)
			model.put(k, nil, at)
		case n == 14:
			w.commit()
			kept = model.clone()
		case n == 15:
			w.discard()
			w.reopen()
			model = kept.clone()
		case n == 16:
			w.commit()
			w.lost(p())
			kept = model.clone()
		default:
			compareVersions(&got.VersionsView, model, k, at, at+int64(r.IntN(1+int(history))))
		}
	}
	w.commit()
	viewOf(w, "v", func(v *rows.VersionsView[string, string]) {
		for k := range model.points {
			for at := range model.points[k] {
				compareVersions(v, model, k, at, now)
			}
		}
	})
	return w.stuck
}

func compareVersions(v *rows.VersionsView[string, string], m *past, k string, from, to int64) {
	same(fmt.Sprintf("get %q", k), versionText(v.Latest(k)), m.asOf(k, 1<<60))
	same(fmt.Sprintf("get %q as of %d", k, from), versionText(v.AsOf(k, from)), m.asOf(k, from))
	var all []string
	for ver := range v.Between(k, from, to) {
		all = append(all, versionText(ver, true, nil))
	}
	same(fmt.Sprintf("versions of %q from %d to %d", k, from, to), strings.Join(all, ", "), strings.Join(m.between(k, from, to), ", "))
}

func same(what, got, want string) {
	if got != want {
		panic(fmt.Sprintf("%s: %s, want %s", what, got, want))
	}
}

func putText(until int64, kept bool, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !kept:
		return "late"
	}
	return fmt.Sprintf("until %d", until)
}

func versionText(v rows.Version[string], ok bool, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !ok:
		return "none"
	}
	return fmt.Sprintf("%s from %d to %d", v.Value, v.From, v.To)
}

func TestVersionedStoreAgainstModel(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 15
	}
	for name, p := range providers {
		for _, opts := range [][]state.Option{nil, {state.InMemory()}} {
			t.Run(fmt.Sprintf("%s %d", name, len(opts)), func(t *testing.T) {
				for seed := range seeds {
					if err := histories(p, seed, nil, opts...); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// forgetful is a host that loses earlier versions.
type forgetful struct{ rows.Host }

func (f forgetful) Set(key, val []byte) error {
	if len(key) > 10 && key[0] == 0 {
		return nil
	}
	return f.Host.Set(key, val)
}

func TestVersionedModelCatchesLostHistory(t *testing.T) {
	for seed := range uint64(20) {
		err := histories(providers["mem"], seed, func(h rows.Host) rows.Host { return forgetful{h} })
		if err != nil {
			return
		}
	}
	t.Error("a store that loses history passes")
}

// Versions that nobody can see are deleted, also those of keys that are not put any more.
func TestExpiredVersionsAreDeleted(t *testing.T) {
	s := spec(state.VersionedStore("v", serde.String(), serde.Int64(), time.Minute))
	w := newWorld(t, &mem.Disk{}, s)
	v := facade[*rows.Versions[string, int64]](w, "v")
	put := func(k string, at int64) {
		t.Helper()
		if _, kept, err := v.Put(k, at, at); err != nil || !kept {
			t.Fatal(kept, err)
		}
	}
	for i := range int64(500) {
		put(fmt.Sprint("key", i), i)
		put(fmt.Sprint("key", i), i+1000)
	}
	for i := range int64(100) {
		put("clock", 1_000_000+i*1_000)
	}
	w.commit()
	if n := rowsOf(t, w, "v"); n > 500+2*190 {
		t.Errorf("%d rows are left of 500 current versions and a minute or two of history", n)
	}
	late, kept, err := v.Put("key1", 5, 2000)
	if late != 0 || kept || err != nil || w.expired != 1 {
		t.Errorf("a late put: until %d, kept %v, %v; %d counted", late, kept, err, w.expired)
	}
}

func rowsOf(t *testing.T, w *world, store string) (n int) {
	r, _, release, err := w.set.Snapshot(store)
	if err != nil {
		t.Fatal(err)
	}
	it, err := r.Iter(nil, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestVersionedFacade(t *testing.T) {
	d := state.VersionedStore("v", serde.String(), serde.Nullable(serde.String()), time.Minute)
	w := newWorld(t, &mem.Disk{}, spec(d))
	s := d.Bind(binder{w})
	at := func(sec int64) time.Time { return time.Unix(sec, 0).UTC() }
	a, b := "a", "b"
	if until, kept, err := s.Put("k", &a, at(10)); !until.IsZero() || !kept || err != nil {
		t.Error(until, kept, err)
	}
	if until, kept, err := s.Put("k", &b, at(5)); until != at(10) || !kept || err != nil {
		t.Error(until, kept, err)
	}
	if _, _, err := s.Put("k", nil, at(20)); err != nil {
		t.Error(err)
	}
	if v, ok, err := s.GetAsOf("k", at(7)); !ok || err != nil || *v.Value != "b" || v.From != at(5) || v.To != at(10) {
		t.Error(v, ok, err)
	}
	if v, ok, err := s.Get("k"); ok || err != nil {
		t.Error("a deleted key:", v, err)
	}
	if old, had, err := s.Delete("k", at(12)); !had || err != nil || *old.Value != "a" {
		t.Error(old, had, err)
	}
	if _, _, err := s.Put("k", &a, time.UnixMilli(-1)); err == nil {
		t.Error("a time before 1970 was taken")
	}
	n := 0
	for v := range s.Versions("k", at(0), at(100)) {
		n++
		if n == 1 && (*v.Value != "a" || v.From != at(10) || v.To != at(12)) {
			t.Error("the newest is", v)
		}
	}
	if n != 2 || s.Err() != nil {
		t.Error(n, s.Err())
	}
}

// binder binds a world's stores.
type binder struct{ w *world }

func (b binder) BindStore(d state.Descriptor) any {
	s, _ := b.w.set.Store(d.StoreName())
	return s
}
