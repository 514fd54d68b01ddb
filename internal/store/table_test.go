package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/serde"
)

// bag is an aggregate that its aggregator changes in place.
type bag = map[string]int

type bagTable = rows.Table[string, bag]

// bags is a table of bags in a world of its own, with what it told.
type bags struct {
	*world
	table   *bagTable
	told    map[string]string // by key: the last update's New, as text; absent is none
	kept    map[string]string // told, at the last commit
	origins map[string]int64  // by key: the offset of the last change
	given   []given
	failed  error
}

// given is an object that went out, with what it said then.
type given struct {
	v    bag
	text string
}

func text(b bag) string {
	raw, _ := json.Marshal(b)
	return string(raw)
}

// plan is how the property's table is made; saboteurs change it.
type plan struct {
	cached  bool
	prepare func(*bagTable)
	host    func(rows.Host) rows.Host
}

func newBags(p plan) *bags {
	b := &bags{told: map[string]string{}, kept: map[string]string{}, origins: map[string]int64{}}
	s := rows.NewKeyValue("bags", serde.String(), serde.JSON[bag]())
	s.Cached = p.cached
	open := s.Open
	s.Open = func(h rows.Host) (any, error) {
		if p.host != nil {
			h = p.host(h)
		}
		return open(h)
	}
	b.world = newWorld(panicker{}, &mem.Disk{}, s)
	b.table = facade[*rows.KeyValue[string, bag]](b.world, "bags").T
	b.table.Recover()
	if p.prepare != nil {
		p.prepare(b.table)
	}
	b.table.OnUpdate(b.update, true)
	return b
}

// panicker fails a run of the property from deep inside.
type panicker struct{}

func (panicker) Helper()                           {}
func (panicker) Fatalf(format string, args ...any) { panic(fmt.Errorf(format, args...)) }

func (b *bags) fail(format string, args ...any) {
	b.failed = errors.Join(b.failed, fmt.Errorf(format, args...))
}

// update checks that updates of a key are a chain, carry the context of the last change, and say something.
func (b *bags) update(u rows.Update[string, bag]) error {
	was, had := b.told[u.Key]
	if u.HasOld != had || had && text(u.Old) != was {
		b.fail("key %s: old is %s %v, was told %s %v", u.Key, text(u.Old), u.HasOld, was, had)
	}
	if at := b.table.Host().Context().Offset; at != b.origins[u.Key] {
		b.fail("key %s: forwarded under offset %d, changed under %d", u.Key, at, b.origins[u.Key])
	}
	if b.table.Cached() && !u.HasOld && !u.HasNew {
		b.fail("key %s: nothing became nothing", u.Key)
	}
	delete(b.told, u.Key)
	if u.HasNew {
		b.told[u.Key] = text(u.New)
	}
	b.given = append(b.given, given{u.Old, text(u.Old)}, given{u.New, text(u.New)})
	return nil
}

// add counts in place, as an aggregator may; a broken one fails after it has changed the object.
func (b *bags) add(k, field string, at int64, broken bool) {
	r, err := b.table.Ref(k)
	b.must(err)
	v := r.Value
	if v == nil {
		v = bag{}
	}
	v[field]++
	if broken {
		b.must(b.table.Undo(r))
		return
	}
	b.origins[k] = b.ctx.Offset
	if r.Has {
		at = max(at, r.At)
	}
	b.must(b.table.Put(r, v, at))
}

func (b *bags) drop(k string, at int64) {
	b.origins[k] = b.ctx.Offset
	b.must(b.table.Delete(k, at))
}

func (b *bags) row(k string) string {
	v, at, ok, err := b.table.Get(k)
	b.must(err)
	return fmt.Sprint(text(v), at, ok)
}

func (b *bags) all() string {
	var s strings.Builder
	for k, v := range facade[*rows.KeyValue[string, bag]](b.world, "bags").All() {
		fmt.Fprintf(&s, "%s=%s ", k, text(v))
	}
	return s.String()
}

func (b *bags) commitAll() {
	b.commit()
	b.kept = maps.Clone(b.told)
}

func (b *bags) discardAll() {
	b.discard()
	b.told = maps.Clone(b.kept)
}

// lastLogged is the changelog's last word on each key; a tombstone is as good as none.
func (b *bags) lastLogged() map[string]string {
	last := map[string]string{}
	for _, r := range b.log["bags"] {
		delete(last, string(r.Key))
		if r.Value != nil {
			last[string(r.Key)] = fmt.Sprint(string(r.Value), r.Time)
		}
	}
	return last
}

// tableRun drives a table as planned and one without a cache through the same random changes, and says where they differ.
func tableRun(seed uint64, p plan) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = errors.Join(err, fmt.Errorf("%v", x))
		}
	}()
	r := rand.New(rand.NewPCG(seed, 1))
	both := []*bags{newBags(p), newBags(plan{})}
	for range 200 {
		k, field, at, do := fmt.Sprint("k", r.IntN(5)), fmt.Sprint("f", r.IntN(3)), r.Int64N(100), r.IntN(22)
		for _, b := range both {
			b.ctx.Offset, b.ctx.Time = b.ctx.Offset+1, at
			b.one(do, k, field, at)
		}
		if a, b := both[0].row(k), both[1].row(k); a != b {
			return fmt.Errorf("key %s: %s, without a cache %s", k, a, b)
		}
		if do == 21 && both[0].all() != both[1].all() {
			return fmt.Errorf("rows: %s, without a cache %s", both[0].all(), both[1].all())
		}
	}
	for _, b := range both {
		b.commitAll()
	}
	return errors.Join(both[0].verdict(), both[1].verdict(), compareEnds(both[0], both[1]))
}

func (b *bags) one(do int, k, field string, at int64) {
	switch {
	case do < 12:
		b.add(k, field, at, false)
	case do < 14:
		b.add(k, field, at, true)
	case do < 16:
		b.drop(k, at)
	case do == 16:
		b.must(b.set.FlushCaches())
	case do == 17:
		b.must(b.set.Trim(0))
	case do == 18:
		b.commitAll()
	case do == 19:
		b.discardAll()
	}
}

// verdict is what a table did wrong; that what it gave out has changed since counts too.
func (b *bags) verdict() error {
	for _, g := range b.given {
		if text(g.v) != g.text {
			b.fail("an object that was given out as %s has become %s", g.text, text(g.v))
		}
	}
	return errors.Join(b.failed, b.stuck)
}

func compareEnds(a, b *bags) error {
	if a.all() != b.all() {
		return fmt.Errorf("final rows %s, without a cache %s", a.all(), b.all())
	}
	if la, lb := a.lastLogged(), b.lastLogged(); !maps.Equal(la, lb) {
		return fmt.Errorf("the changelog ends with %v, without a cache %v", la, lb)
	}
	if !maps.Equal(a.told, b.told) {
		return fmt.Errorf("updates end with %v, without a cache %v", a.told, b.told)
	}
	return nil
}

// TestCacheChangesNothing compares a cached table with one that is not: rows, changelog, updates, and what user code may spoil in place.
func TestCacheChangesNothing(t *testing.T) {
	for seed := range uint64(150) {
		if err := tableRun(seed, plan{cached: true}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestCacheSaboteurs breaks one thing at a time; the comparison must notice.
func TestCacheSaboteurs(t *testing.T) {
	for name, p := range map[string]plan{
		"values given out are the cached ones": {cached: true, prepare: (*bagTable).Freeze},
		"deletes are lost":                     {cached: true, host: func(h rows.Host) rows.Host { return deaf{h} }},
		"the changelog forgets tombstones":     {cached: true, host: func(h rows.Host) rows.Host { return undying{h} }},
		"the context is whose turn it is":      {cached: true, host: func(h rows.Host) rows.Host { return &absentMinded{Host: h} }},
		"old rows are stale":                   {cached: true, host: func(h rows.Host) rows.Host { return &stale{Host: h} }},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(100) {
				if err := tableRun(seed, p); err != nil {
					return
				}
			}
			t.Error("100 runs found nothing wrong")
		})
	}
}

type deaf struct{ rows.Host }

func (deaf) Delete([]byte) error { return nil }

type undying struct{ rows.Host }

func (u undying) Log(key, val []byte, at int64, headers bool) error {
	if val == nil {
		return nil
	}
	return u.Host.Log(key, val, at, headers)
}

// absentMinded gives each caller a copy of the context, so that setting it has no effect.
type absentMinded struct{ rows.Host }

func (a *absentMinded) Context() *rows.Context {
	c := *a.Host.Context()
	return &c
}

// stale answers every third Get with nothing.
type stale struct {
	rows.Host
	n int
}

func (s *stale) Get(dst, key []byte) ([]byte, bool, error) {
	if s.n++; s.n%3 == 0 {
		return dst, false, nil
	}
	return s.Host.Get(dst, key)
}

// TestTenUpdatesOneRecord is what the cache is for.
func TestTenUpdatesOneRecord(t *testing.T) {
	b := newBags(plan{cached: true})
	for i := range int64(10) {
		b.ctx.Offset = i
		b.add("k", "f", 5*i, false)
	}
	b.commitAll()
	recs := b.log["bags"]
	if len(recs) != 1 || string(recs[0].Value) != `{"f":10}` || recs[0].Time != 45 {
		t.Errorf("the changelog holds %v", recs)
	}
	if len(b.given) != 2 {
		t.Errorf("%d updates, want 1", len(b.given)/2)
	}
}

// TestFlushInOrderOfLastChange checks the order of changelog records.
func TestFlushInOrderOfLastChange(t *testing.T) {
	b := newBags(plan{cached: true})
	for _, k := range []string{"b", "a", "c", "a", "b"} {
		b.add(k, "f", 0, false)
	}
	b.commitAll()
	var order string
	for _, r := range b.log["bags"] {
		order += string(r.Key)
	}
	if order != "cab" {
		t.Errorf("flushed in the order %q, want %q", order, "cab")
	}
}

// TestPutAndDropWithinACommit leaves no trace, spilled or not.
func TestPutAndDropWithinACommit(t *testing.T) {
	for _, spilled := range []bool{false, true} {
		b := newBags(plan{cached: true})
		b.add("k", "f", 0, false)
		if spilled {
			_ = b.all()
		}
		b.drop("k", 1)
		b.commitAll()
		if got := b.all(); got != "" || len(b.log["bags"]) != 0 || len(b.given) != 0 {
			t.Errorf("spilled=%v: rows %q, %d changelog records, %d objects given out", spilled, got, len(b.log["bags"]), len(b.given))
		}
	}
}

// TestUndoWithoutRecover is an error, not a wrong value.
func TestUndoWithoutRecover(t *testing.T) {
	s := rows.NewKeyValue("bags", serde.String(), serde.JSON[bag]())
	s.Cached = true
	w := newWorld(t, &mem.Disk{}, s)
	table := facade[*rows.KeyValue[string, bag]](w, "bags").T
	w.must(table.Set("k", bag{"f": 1}, 0))
	r, err := table.Ref("k")
	w.must(err)
	if err := table.Undo(r); err == nil || !strings.Contains(err.Error(), `store "bags"`) {
		t.Errorf("Undo: %v", err)
	}
}

// TestContextIsRestored after a flush, with the headers of each entry in between.
func TestContextIsRestored(t *testing.T) {
	b := newBags(plan{cached: true})
	var headers []any
	b.table.OnUpdate(func(rows.Update[string, bag]) error {
		headers = append(headers, b.ctx.Headers)
		return nil
	}, false)
	b.ctx.Headers = "one"
	b.add("a", "f", 0, false)
	b.ctx.Headers = nil
	b.add("b", "f", 0, false)
	b.ctx = rows.Context{Topic: "other", Partition: 3, Offset: 9, Headers: "now"}
	b.must(b.set.FlushCaches())
	if fmt.Sprint(headers) != "[one <nil>]" || b.ctx != (rows.Context{Topic: "other", Partition: 3, Offset: 9, Headers: "now"}) {
		t.Errorf("headers %v, then %v", headers, b.ctx)
	}
}
