package task_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/topology"
)

// stores is what a crash leaves: an engine's rows and the changelog on the broker. The one store is counts, whose rows are texts.
type stores struct {
	kind                string // empty for none, plain, cached, source (a source topic is its changelog)
	failInit, failClose bool
	disk                *mem.Disk
	set                 *store.Set
	broker              []store.LogRecord
	committed           int // how much of the changelog belongs to committed transactions
}

func newStores() *stores { return &stores{disk: &mem.Disk{}} }

func (s *stores) declare(kind string) { s.kind = kind }

func (s *stores) declared() []*topology.Store {
	if s.kind == "" {
		return nil
	}
	spec := &rows.Spec{
		Name: "counts", Kind: rows.CustomKind, Format: "texts", Cached: s.kind == "cached", Logged: s.kind != "source", Sourced: s.kind == "source",
		Open: func(h rows.Host) (any, error) { return openCounts(h, s.kind == "cached"), nil },
		View: func(r rows.Reader, observed int64) (any, error) { return readCounts(r) },
		Row: func(to rows.Restorer, key, val []byte, at int64) error {
			to.Observe(at)
			if val == nil {
				to.Delete(key)
				return nil
			}
			to.Set(key, val)
			return nil
		},
	}
	st := &topology.Store{Spec: spec}
	if s.kind == "source" {
		st.SourceTopic = "clicks"
	}
	return []*topology.Store{st}
}

// open opens the stores of a new task: it restores what the changelog has beyond the rows.
func (s *stores) open() (*store.Set, error) {
	e, err := s.disk.Open("0_0", "0_0")
	if err != nil {
		return nil, err
	}
	var specs []*rows.Spec
	for _, st := range s.declared() {
		specs = append(specs, st.Spec)
	}
	if s.set, err = store.Open(e, nil, specs); err != nil || s.kind == "" || s.kind == "source" {
		return s.set, err
	}
	at, _ := s.set.Position("counts")
	return s.set, s.set.Replay("counts", s.broker[at:], int64(len(s.broker)))
}

func (s *stores) log(name string, key, value []byte, at int64) {
	s.broker = append(s.broker, store.LogRecord{Key: slices.Clone(key), Value: slices.Clone(value), Time: at})
}

func (s *stores) acknowledged() map[string]int64 {
	s.committed = len(s.broker)
	if s.kind == "" || s.kind == "source" || s.committed == 0 {
		return nil
	}
	return map[string]int64{"counts": int64(s.committed)}
}

// crash loses what a crash loses: with kept the changelog stays beyond the commit, as under at least once; with disk the rows are gone.
func (s *stores) crash(how []string) error {
	if !slices.Contains(how, "kept") {
		s.broker = s.broker[:s.committed]
	}
	err := s.set.Close()
	if slices.Contains(how, "disk") {
		s.disk.Remove("0_0")
	}
	return err
}

// print shows what is committed, and what the task sees.
func (s *stores) print() string {
	view, release, err := s.set.View("counts")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = release() }()
	f, _ := s.set.Store("counts")
	now, err := readCounts(f.(*countStore).host)
	if err != nil {
		return err.Error()
	}
	at, _ := s.set.Position("counts")
	return fmt.Sprintf("committed %v at %d, now %v, cached %v, mark %s", view, at, now, f.(*countStore).dirty(), known(s.set.Mark("counts")))
}

func readCounts(r rows.Reader) (all []string, err error) {
	it, err := r.Iter(nil, nil, false)
	if err != nil {
		return nil, err
	}
	for it.Next() {
		all = append(all, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	slices.Sort(all)
	return all, it.Close()
}

// countStore adds numbers by key, through a cache or not.
type countStore struct {
	host    rows.Host
	cached  map[string]countEntry // dirty ones only
	order   []string
	forward func(key, value string, at int64) error
}

type countEntry struct {
	value int64
	ctx   rows.Context
}

func openCounts(h rows.Host, cached bool) *countStore {
	c := &countStore{host: h}
	if cached {
		c.cached = map[string]countEntry{}
		h.Attach(c)
	}
	return c
}

// bind is the task's store, which forwards what it flushes.
func (s *stores) bind(set *store.Set, forward func(key, value string, at int64) error) *countStore {
	f, ok := set.Store("counts")
	if !ok {
		return nil
	}
	c := f.(*countStore)
	c.forward = forward
	return c
}

func (c *countStore) get(key string) (int64, error) {
	if e, ok := c.cached[key]; ok {
		return e.value, nil
	}
	raw, ok, err := c.host.Get(nil, []byte(key))
	if err != nil || !ok {
		return 0, err
	}
	return strconv.ParseInt(string(raw), 10, 64)
}

func (c *countStore) add(key string, n int64) error {
	old, err := c.get(key)
	if err != nil {
		return err
	}
	e := countEntry{old + n, *c.host.Context()}
	if c.cached == nil {
		return c.write(key, e)
	}
	if _, ok := c.cached[key]; !ok {
		c.order = append(c.order, key)
	}
	c.cached[key] = e
	return nil
}

func (c *countStore) write(key string, e countEntry) error {
	val := strconv.AppendInt(nil, e.value, 10)
	c.host.Observe(e.ctx.Time)
	if err := c.host.Set([]byte(key), val); err != nil {
		return err
	}
	return c.host.Log([]byte(key), val, e.ctx.Time, true)
}

func (c *countStore) dirty() []string { return slices.Sorted(maps.Keys(c.cached)) }

// Dirty to Clear are the cache's face.
func (c *countStore) Dirty() int { return len(c.order) }

func (c *countStore) Flush() error {
	for len(c.order) > 0 {
		key := c.order[0]
		e := c.cached[key]
		c.order = c.order[1:]
		delete(c.cached, key)
		*c.host.Context() = e.ctx
		if err := c.write(key, e); err != nil {
			return err
		}
		if err := c.forward(key, strconv.FormatInt(e.value, 10), e.ctx.Time); err != nil {
			return err
		}
	}
	return nil
}

func (c *countStore) Shrink(int64) {}
func (c *countStore) Bytes() int64 { return int64(100 * len(c.cached)) }
func (c *countStore) Clear()       { c.cached, c.order = map[string]countEntry{}, nil }

// putNumber reads what follows put:.
func putNumber(arg string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(arg), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}
