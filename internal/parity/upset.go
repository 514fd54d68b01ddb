package parity

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/state/pebble"
	"github.com/weirstream/weir/weirtest"
)

// Upset is what may change how many updates there are, but not what comes of them, exactly once: caches that write back, many records in a commit, an
// engine on disk, and an end in the middle.
type Upset struct {
	Cache       int64 // bytes
	CommitEvery int   // records
	Pebble      bool
	After       int // the step after which the tasks end and start anew
	End         End
}

// End is how tasks end.
type End uint8

// The ends: after a commit, in the middle of a transaction, and with the loss of the machine.
const (
	Stopped End = iota
	Crashed
	Moved
)

func (e End) String() string { return [...]string{"stopped", "crashed", "moved"}[e] }

// Upsetting chooses one by chance for a run.
func Upsetting(r *rand.Rand, steps int) Upset {
	return Upset{Cache: []int64{0, 1 << 10, 1 << 20}[r.IntN(3)], CommitEvery: 1 + r.IntN(20), Pebble: r.IntN(2) == 0, After: r.IntN(steps), End: End(r.IntN(3))}
}

// PlayUpset is Play with an Upset. Of what comes of it only the stores at the end are told.
func PlayUpset(t testing.TB, c *Case, build Build, inputs Run, u Upset) (map[string]Store, error) {
	t.Helper()
	opts := []weirtest.Option{weirtest.Cache(u.Cache), weirtest.CommitEvery(u.CommitEvery), weirtest.With(weir.ExactlyOnce())}
	if u.Pebble {
		opts = append(opts, weirtest.Engine(pebble.New(pebble.FS(vfs.NewMem()), pebble.MemTable(0))))
	}
	p, err := start(t, c, build, inputs, true, opts...)
	if err != nil {
		return nil, err
	}
	for i, s := range inputs.Steps {
		if err := p.take(s); err != nil {
			return nil, err
		}
		if i == u.After {
			u.End.of(p.d)
		}
	}
	if err := p.d.TryCommit(); err != nil {
		return nil, err
	}
	var got Run
	got.Stores, err = p.stores.dump(p.d)
	return c.comparable(got).Stores, err
}

func (e End) of(d *weirtest.Driver) {
	switch e {
	case Stopped:
		d.Restart()
	case Crashed:
		d.Crash()
	case Moved:
		d.Rebuild()
	}
}

// DiffStores is Diff of the stores alone.
func DiffStores(want, got map[string]Store) []string {
	d := differ{at: "stores"}
	d.stores(want, got)
	return d.found
}
