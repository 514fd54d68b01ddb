package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func newReader(t testing.TB, set *Settings) *Reader {
	t.Helper()
	r, err := NewReader(set, ReaderConfig{Committed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// next polls until a partition comes, and returns its offsets.
func next(t *testing.T, r *Reader, tp TP) (offsets []int64, f Fetched) {
	t.Helper()
	for {
		fetched, err := r.Poll(testContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range fetched {
			if f.TP != tp {
				continue
			}
			for _, rec := range f.Records {
				offsets = append(offsets, rec.Offset)
			}
			return offsets, f
		}
	}
}

func TestReaderAddsAndRemoves(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 2, "log").ListenAddrs()...)
	zero, one := TP{Topic: "log"}, TP{Topic: "log", Partition: 1}
	produce(t, set, "log", 0, "a", "b", "c", "d")
	produce(t, set, "log", 1, "x", "y", "z")
	r := newReader(t, set)
	r.Add(map[TP]int64{zero: 0})
	if got, f := next(t, r, zero); !slices.Equal(got, []int64{0, 1, 2, 3}) || f.End != 4 {
		t.Errorf("got %v, %v", got, f)
	}
	r.Remove(zero)
	r.Add(map[TP]int64{one: 1})
	if got, _ := next(t, r, one); !slices.Equal(got, []int64{1, 2}) {
		t.Errorf("got %v", got)
	}
	r.Add(map[TP]int64{zero: 2})
	if got, _ := next(t, r, zero); !slices.Equal(got, []int64{2, 3}) {
		t.Errorf("added again: %v", got)
	}
	r.Add(map[TP]int64{zero: 3}) // while it is read
	if got, _ := next(t, r, zero); !slices.Equal(got, []int64{3}) {
		t.Errorf("moved: %v", got)
	}
	r.Pause(zero)
	produce(t, set, "log", 0, "e")
	produce(t, set, "log", 1, "w")
	if got, _ := next(t, r, one); !slices.Equal(got, []int64{3}) {
		t.Errorf("the other one: %v", got)
	}
	r.Resume(zero)
	if got, _ := next(t, r, zero); !slices.Equal(got, []int64{4}) {
		t.Errorf("resumed: %v", got)
	}
}

func TestReaderReportsOffsetsThatAreNotInTheLog(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "log").ListenAddrs()...)
	tp := TP{Topic: "log"}
	produce(t, set, "log", 0, "a", "b", "c", "d")
	if err := dial(t, set).DeleteRecords(testContext(t), map[TP]int64{tp: 2}); err != nil {
		t.Fatal(err)
	}
	r := newReader(t, set)
	for _, offset := range []int64{0, 100} {
		r.Add(map[TP]int64{tp: offset})
		if got, f := next(t, r, tp); len(got) > 0 || !f.OutOfRange() {
			t.Errorf("from %d: %v, %v", offset, got, f)
		}
	}
	r.Add(map[TP]int64{tp: 2})
	if got, f := next(t, r, tp); !slices.Equal(got, []int64{2, 3}) || f.Err != nil {
		t.Errorf("from the start: %v, %v", got, f)
	}
}

func TestReaderCloses(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "log").ListenAddrs()...)
	r := newReader(t, set)
	r.Add(map[TP]int64{{Topic: "log"}: 0})
	done := make(chan error)
	go func() {
		for {
			if _, err := r.Poll(context.Background()); err != nil {
				done <- err
				return
			}
		}
	}()
	r.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	r.Close()
}

func TestEveryClientFetchesWithShortWaitsAndSeesMarkers(t *testing.T) {
	set := &Settings{App: "app", Options: []kgo.Opt{kgo.SeedBrokers("localhost:1")}}
	g, err := NewGroup(set, GroupConfig{Topics: []string{"in"}, Data: balancerWith0})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for name, cl := range map[string]*kgo.Client{"group": g.cl, "reader": newReader(t, set).cl} {
		if w := cl.OptValue(kgo.FetchMaxWait); w != 250*time.Millisecond {
			t.Errorf("%s: FetchMaxWait %v", name, w)
		}
		if k := cl.OptValue(kgo.KeepControlRecords); k != true {
			t.Errorf("%s: control records %v", name, k)
		}
		if o := cl.OptValue(kgo.ConsumeResetOffset); o != kgo.NoResetOffset() {
			t.Errorf("%s: reset offset %v", name, o)
		}
	}
}
