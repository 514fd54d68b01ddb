package task_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/internal/task"
	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// filler is a global store over a topic, on a disk that outlives it.
type filler struct {
	t    *testing.T
	sub  *topology.Sub
	disk *mem.Disk
	*task.Global
}

func newFiller(t *testing.T) *filler {
	t.Helper()
	b := weir.NewBuilder()
	weir.GlobalFrom(b, weir.NewTopic("rows", serde.String(), serde.String()), "g")
	topo, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	f := &filler{t: t, sub: topo.Graph(seal.Token{}).Subs()[0], disk: &mem.Disk{}}
	f.open(2)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// open is a new life on the same disk.
func (f *filler) open(partitions int32) {
	f.t.Helper()
	engine, err := f.disk.Open("g", "g")
	if err != nil {
		f.t.Fatal(err)
	}
	stores, err := store.Open(engine, mem.New(), []*rows.Spec{f.sub.Stores[0].Spec})
	if err != nil {
		f.t.Fatal(err)
	}
	if f.Global, err = task.NewGlobal(task.Config{App: "app", Sub: f.sub, Stores: stores, Stats: &flow.Stats{}}, partitions); err != nil {
		f.t.Fatal(err)
	}
}

func (f *filler) push(partition int32, offset int64, key, value string) {
	f.t.Helper()
	if err := f.Push(partition, []flow.Raw{{Key: []byte(key), Value: []byte(value), Offset: offset, Time: offset}}); err != nil {
		f.t.Fatal(err)
	}
}

// holds checks rows and positions, −1 for one that is not known.
func (f *filler) holds(when string, want map[string]string, next ...int64) {
	f.t.Helper()
	view, release, err := f.Stores().View("g")
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = release() }()
	if got := maps.Collect(view.(state.ReadOnlyKeyValue[string, string]).All()); !maps.Equal(got, want) {
		f.t.Errorf("%s: it holds %v, want %v", when, got, want)
	}
	var at []int64
	for p := range f.Partitions() {
		n, ok := f.Next(p)
		if !ok {
			n = -1
		}
		at = append(at, n)
	}
	if !slices.Equal(at, next) {
		f.t.Errorf("%s: it stands at %v, want %v", when, at, next)
	}
}

func (f *filler) do(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestGlobalPositionsAreOfItsRows over restarts that find work undone, more partitions, and a topic made anew (G1).
func TestGlobalPositionsAreOfItsRows(t *testing.T) {
	f := newFiller(t)
	f.holds("new", nil, -1, -1)
	f.push(0, 5, "a", "1")
	f.holds("pushed", nil, -1, -1)
	f.do(f.Work(0))
	f.holds("worked", map[string]string{"a": "1"}, 6, -1)
	f.push(1, 0, "b", "2")
	f.do(f.Close())
	f.open(2)
	f.holds("closed before it worked", map[string]string{"a": "1"}, 6, -1)
	f.push(1, 0, "b", "2")
	f.SetMark("id", 7)
	f.do(f.Work(0))
	f.do(f.Close())
	f.open(2)
	f.holds("again", map[string]string{"a": "1", "b": "2"}, 6, 1)
	if f.Mark("id") != 7 {
		t.Errorf("the reader's mark is %d", f.Mark("id"))
	}
	if err := f.Push(0, []flow.Raw{{Key: []byte("a"), Offset: 4}}); err == nil || !strings.Contains(err.Error(), "rows-0") {
		t.Errorf("a record of before was taken: %v", err)
	}
	f.do(f.Grow(3))
	f.push(2, 9, "c", "3")
	f.do(f.Work(0))
	f.holds("grown", map[string]string{"a": "1", "b": "2", "c": "3"}, 6, 1, 10)
	f.do(f.Reset(2))
	f.holds("reset", nil, -1, -1)
	f.do(f.Close())
	f.open(3)
	f.holds("closed after a reset", nil, -1, -1, -1)
	f.push(0, 0, "z", "9")
	f.do(f.Work(0))
	f.do(f.Close())
	f.open(3)
	f.holds("after all", map[string]string{"z": "9"}, 1, -1, -1)
}
