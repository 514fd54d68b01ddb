package store_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
)

// ttlLife is how long rows live in these tests, in ms.
const ttlLife = 10

// mortal is a row of the model: since is when its life began, −1 where that is not known.
type mortal struct {
	v         string
	at, since int64
}

// ttlMachine compares a store whose rows leave with a map that is looked through whole.
type ttlMachine struct {
	*world
	fresh     func() state.Provider
	byWall    bool
	now, wall int64
	kept      int64 // now, as committed
	rows, old map[string]mortal
}

func (m *ttlMachine) store() state.KeyValue[string, string] {
	return facade[state.KeyValue[string, string]](m.world, "kv")
}

func (m *ttlMachine) clock() int64 {
	if m.byWall {
		return m.wall
	}
	return m.now
}

func (m *ttlMachine) seen(r mortal) bool { return r.since < 0 || r.since > m.clock()-ttlLife }

// visible is what a reader must see.
func (m *ttlMachine) visible() map[string]string {
	all := map[string]string{}
	for k, r := range m.rows {
		if m.seen(r) {
			all[k] = r.v
		}
	}
	return all
}

func (m *ttlMachine) step(t *rapid.T) string {
	m.ctx.Time, m.ctx.Offset = max(0, m.now+rapid.Int64Range(-2*ttlLife, 6).Draw(t, "at")), m.ctx.Offset+1
	return kvKey(t)
}

func (m *ttlMachine) put(t *rapid.T) {
	k, v := m.step(t), rapid.StringN(0, 2, -1).Draw(t, "v")
	m.must(m.store().Put(k, v))
	m.now = max(m.now, m.ctx.Time)
	r := mortal{v, m.ctx.Time, m.ctx.Time}
	if m.byWall {
		r.since = m.wall
	}
	if m.seen(r) {
		m.rows[k] = r
	}
}

func (m *ttlMachine) delete(t *rapid.T) {
	k := m.step(t)
	m.must(m.store().Delete(k))
	m.now = max(m.now, m.ctx.Time)
	delete(m.rows, k)
}

func (m *ttlMachine) get(t *rapid.T) {
	k := kvKey(t)
	got, ok, err := m.store().Get(k)
	m.must(err)
	if want, has := m.visible()[k]; ok != has || got != want {
		t.Fatalf("Get(%q) = %q, %v at %d, want %q, %v", k, got, ok, m.clock(), want, has)
	}
}

func (m *ttlMachine) all(t *rapid.T) {
	if got, want := maps.Collect(m.store().All()), m.visible(); !maps.Equal(got, want) {
		t.Fatalf("All() = %q at %d, want %q", got, m.clock(), want)
	}
	var back []string
	for k := range m.store().ReverseAll() {
		back = append(back, k)
	}
	slices.Reverse(back)
	if want := slices.Sorted(maps.Keys(m.visible())); !slices.Equal(back, want) {
		t.Fatalf("ReverseAll() = %q, want the opposite of %q", back, want)
	}
}

func (m *ttlMachine) ranges(t *rapid.T) {
	lo, hi := kvKey(t), kvKey(t)
	want := map[string]string{}
	starts := map[string]string{}
	for k, v := range m.visible() {
		if k >= lo && k <= hi {
			want[k] = v
		}
		if len(k) >= len(lo) && k[:len(lo)] == lo {
			starts[k] = v
		}
	}
	if got := maps.Collect(m.store().Range(lo, hi)); !maps.Equal(got, want) {
		t.Fatalf("Range(%q, %q) = %q, want %q", lo, hi, got, want)
	}
	if got := maps.Collect(m.store().Prefix([]byte(lo))); !maps.Equal(got, starts) {
		t.Fatalf("Prefix(%q) = %q, want %q", lo, got, starts)
	}
}

// pass lets the wall clock go on, and the task have its turn.
func (m *ttlMachine) pass(t *rapid.T) {
	m.wall += rapid.Int64Range(0, ttlLife).Draw(t, "by")
	m.set.SetWall(m.wall)
	most := rapid.IntRange(1, 3).Draw(t, "max")
	if m.byWall { // which of the restored rows it looks at is not the model's affair
		most = 1000
		m.adopt()
	}
	_, err := m.set.Expire(most)
	m.must(err)
}

// adopt begins the lives of rows that were restored.
func (m *ttlMachine) adopt() {
	for k, r := range m.rows {
		if r.since < 0 {
			r.since = m.wall
			m.rows[k] = r
		}
	}
}

func (m *ttlMachine) commit(t *rapid.T) {
	m.adopt()
	m.world.commit()
	for k, r := range m.rows {
		if !m.seen(r) {
			delete(m.rows, k)
		}
	}
	m.old, m.kept = maps.Clone(m.rows), m.now
	viewOf(m.world, "kv", func(v state.ReadOnlyKeyValue[string, string]) {
		if got, want := maps.Collect(v.All()), m.visible(); !maps.Equal(got, want) {
			t.Fatalf("committed are %q, want %q", got, want)
		}
	})
	log := map[string]string{}
	for _, r := range m.log["kv"] {
		if delete(log, string(r.Key)); r.Value != nil {
			log[string(r.Key)] = string(r.Value)
		}
	}
	if want := m.visible(); !maps.Equal(log, want) {
		t.Fatalf("the changelog says %q, want %q", log, want)
	}
}

func (m *ttlMachine) back() { m.rows, m.now = maps.Clone(m.old), m.kept }

func (m *ttlMachine) crash(*rapid.T) {
	m.world.reopen()
	m.set.SetWall(m.wall)
	m.back()
}

// elsewhere is a restart without the engine.
func (m *ttlMachine) elsewhere(*rapid.T) {
	m.lost(m.fresh())
	m.set.SetWall(m.wall)
	m.back()
	if m.byWall {
		for k, r := range m.rows {
			r.since = -1
			m.rows[k] = r
		}
	}
	m.now = -1
	for _, r := range m.log["kv"] {
		m.now = max(m.now, r.Time)
	}
	m.old, m.kept = maps.Clone(m.rows), m.now
}

func TestRowsLeaveAsTheModelSays(t *testing.T) {
	onEngines(t, func(t *testing.T, p func() state.Provider, opts []state.Option) {
		for _, byWall := range []bool{false, true} {
			t.Run(fmt.Sprintf("wall=%v", byWall), rapid.MakeCheck(func(t *rapid.T) {
				life := state.TTL(ttlLife * time.Millisecond)
				if byWall {
					life = state.WallTTL(ttlLife * time.Millisecond)
				}
				d := state.KeyValueStore("kv", serde.String(), serde.String(), append([]state.Option{life}, opts...)...)
				m := &ttlMachine{world: newWorld(t, p(), spec(d)), fresh: p, byWall: byWall, now: -1, kept: -1, wall: 100, rows: map[string]mortal{}, old: map[string]mortal{}}
				defer m.close()
				m.set.SetWall(m.wall)
				actions := map[string]func(*rapid.T){
					"put": m.put, "put more": m.put, "delete": m.delete, "get": m.get, "all": m.all, "ranges": m.ranges, "pass": m.pass, "commit": m.commit, "elsewhere": m.elsewhere,
				}
				if spec(d).InMemory {
					actions["crash"] = m.elsewhere
				} else {
					actions["crash"] = m.crash
				}
				t.Repeat(actions)
			}))
		}
	})
}

// More rows are over at once than are looked at in one go, and their index rows are more than are read ahead.
func TestManyRowsLeaveBitByBit(t *testing.T) {
	for name, p := range providers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, p(), spec(state.KeyValueStore("kv", serde.Int64(), serde.Int64(), state.TTL(time.Second))))
			defer w.close()
			s := facade[state.KeyValue[int64, int64]](w, "kv")
			const many = 1000
			for i := range int64(many) {
				w.ctx.Time = 1000 + i%7
				w.must(s.Put(i, i))
			}
			w.commit()
			w.ctx.Time = 5000
			w.must(s.Put(-1, 0))
			if n := len(w.pending["kv"]); n < 2 || n > 300 {
				t.Errorf("one record let %d rows go", n-1)
			}
			if n := len(maps.Collect(s.All())); n != 1 {
				t.Errorf("%d rows are seen, want 1", n)
			}
			w.commit()
			if n := len(w.log["kv"]); n != 2*many+1 {
				t.Errorf("%d changelog records, want %d", n, 2*many+1)
			}
			for _, r := range w.log["kv"][many+1:] {
				if r.Time != 5000 && (r.Value != nil || r.Time < 2000 || r.Time > 2006) {
					t.Fatalf("%+v is not a tombstone at the row's deadline", r)
				}
			}
		})
	}
}

func TestAStoreWithoutTTLAsksForNothing(t *testing.T) {
	w := newWorld(t, providers["mem"](), spec(state.KeyValueStore("kv", serde.Int64(), serde.Int64())))
	defer w.close()
	if _, ok := w.set.NextExpiry(); ok {
		t.Error("there is a next expiry")
	}
	if n, err := w.set.Expire(1); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
