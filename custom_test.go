package weir_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/weirtest"
)

// wordCounts is a store of the user's own: how often each word came. It counts in memory, and keeps the counts in rows of bytes.
type wordCounts struct {
	rows   state.Rows
	counts map[string]byte
	closed func(*wordCounts) error
}

func (t *wordCounts) add(word string) (byte, error) {
	t.counts[word]++
	return t.counts[word], t.rows.Put([]byte(word), []byte{t.counts[word]})
}

func (t *wordCounts) Close() error { return t.closed(t) }

// tallyStore declares one whose ends are told to closed.
func tallyStore(closed func(*wordCounts) error, opts ...state.Option) state.CustomDesc[*wordCounts] {
	return state.CustomStore("tally", func(r state.Rows) (*wordCounts, error) {
		t := &wordCounts{r, map[string]byte{}, closed}
		for word, n := range r.Scan(nil, nil) {
			t.counts[string(word)] = n[0]
		}
		return t, nil
	}, opts...)
}

// tallier tells how often each key came.
type tallier struct {
	desc  state.CustomDesc[*wordCounts]
	tally *wordCounts
	out   processor.Forward[string, int64]
}

func (p *tallier) Init(ctx processor.Context, out processor.Forward[string, int64]) error {
	p.tally, p.out = p.desc.Bind(ctx), out
	return nil
}

func (p *tallier) Process(r weir.Record[string, int64]) error {
	n, err := p.tally.add(r.Key)
	if err != nil {
		return err
	}
	return p.out(processor.WithValue(r, int64(n)))
}

func tallied(t *testing.T, desc state.CustomDesc[*wordCounts]) *weir.Topology {
	return built(t, func(b *weir.Builder) {
		weir.Process(weir.From(b, limits), func() *tallier { return &tallier{desc: desc} }, weir.Stores(desc), weir.Named("tallier")).To(outLimits)
	})
}

// tallyRows are the rows of all partitions, as weirtest reads them.
func tallyRows(d *weirtest.Driver, desc state.CustomDesc[*wordCounts]) string {
	rows := weirtest.Store(d, desc)
	var all []string
	for word, n := range rows.Scan(nil, nil) {
		all = append(all, fmt.Sprintf("%s=%d", word, n[0]))
	}
	if err := rows.Err(); err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, " ")
}

// A custom store goes on where it was after a restart, a crash and a rebuild from its changelog, can be read, and is closed with each life of its task.
func TestCustomStore(t *testing.T) {
	for name, opts := range map[string][]state.Option{"on disk": nil, "in memory": {state.InMemory()}} {
		t.Run(name, func(t *testing.T) {
			opened, closed := map[*wordCounts]bool{}, 0
			desc := tallyStore(func(s *wordCounts) error {
				if opened[s] {
					t.Error("closed twice")
				}
				opened[s] = true
				closed++
				return nil
			}, opts...)
			d := weirtest.New(t, tallied(t, desc))
			in := weirtest.In(d, limits)
			in.SendAt("a", 0, at(1))
			d.Restart()
			in.SendAt("a", 0, at(2))
			in.SendAt("b", 0, at(3))
			d.Rebuild()
			in.SendAt("a", 0, at(4))
			d.Commit()
			d.Crash()
			in.SendAt("b", 0, at(5))
			d.Commit()
			expect(t, weirtest.Out(d, outLimits), "a=1@1, a=2@2, b=1@3, a=3@4, b=2@5")
			if got := tallyRows(d, desc); got != "a=3 b=2" {
				t.Errorf("rows %s", got)
			}
			if v, ok, err := weirtest.Store(d, desc).Get(nil, []byte("a")); string(v) != "\x03" || !ok || err != nil {
				t.Errorf("a is %v, %v, %v", v, ok, err)
			}
			if _, ok, err := weirtest.Store(d, desc).Get(nil, []byte("none")); ok || err != nil {
				t.Errorf("a row that there is not: %v, %v", ok, err)
			}
			if n := len(d.Changelog("tally")); n != 5 {
				t.Errorf("%d changelog records", n)
			}
			if closed < 3 {
				t.Errorf("closed %d times in four lives", closed)
			}
		})
	}
}

// What goes wrong in a custom store names it.
func TestCustomStoreFails(t *testing.T) {
	for name, c := range map[string]struct {
		desc  state.CustomDesc[*wordCounts]
		wants []string
	}{
		"open":        {state.CustomStore("tally", func(state.Rows) (*wordCounts, error) { return nil, errBad }), []string{`store "tally"`, "open", errBad.Error()}},
		"open panics": {state.CustomStore("tally", func(state.Rows) (*wordCounts, error) { panic("no store") }), []string{"no store"}},
	} {
		_, err := weirtest.TryNew(t, tallied(t, c.desc))
		for _, want := range c.wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", name, err, want)
			}
		}
	}
}

// A descriptor of another kind does not find a custom store's rows.
func TestCustomStoreReadOtherwise(t *testing.T) {
	d := weirtest.New(t, tallied(t, tallyStore(func(*wordCounts) error { return nil })))
	_, err := state.KeyValueStore("tally", limits.KeySerde(), limits.ValueSerde()).View(d)
	if err == nil || !strings.Contains(err.Error(), `store "tally"`) || errors.Is(err, errBad) {
		t.Errorf("%v", err)
	}
}
