package weirtest

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/seal"
	"github.com/weirstream/weir/state"
)

// An Option changes how a Driver is set up.
type Option func(*config)

type config struct {
	weir.TestSettings
	app        string
	partitions map[string]int32
	start      int64 // ms
	every      int   // records per commit; 0 for none
	dir        string
	faults     []error
}

func (c *config) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// defaultCache is what the caches may hold when nobody says.
const defaultCache = 10 << 20

// Partitions gives a topic its number of partitions; the default is one, and internal topics follow from those that feed them. It also brings a
// topic into being that only a pattern names.
func Partitions(topic string, n int) Option {
	return func(c *config) {
		if n < 1 {
			c.fault("Partitions(%q, %d): at least one is needed", topic, n)
			return
		}
		c.partitions[topic] = int32(n)
	}
}

// StartTime is where the driver's clock stands at first; the default is 1970-01-01T00:00:00Z.
func StartTime(t time.Time) Option {
	return func(c *config) {
		c.start = t.UnixMilli()
		if c.start < 0 {
			c.fault("StartTime(%s): it is before 1970", t)
		}
	}
}

// CommitEvery commits after every n records; a call of AdvanceWallClock counts as one. The default is 1; with 0 only Commit commits.
func CommitEvery(n int) Option {
	return func(c *config) {
		if c.every = n; n < 0 {
			c.fault("CommitEvery(%d): it cannot be negative", n)
		}
	}
}

// Engine keeps stores in another engine than memory; each task has a folder below the test's TempDir.
func Engine(p state.Provider) Option { return func(c *config) { c.Provider = p } }

// Cache is the size of all write-back caches of a task together, 10 MiB by default; with 0 there are none. A size can be seen between commits only.
func Cache(bytes int64) Option {
	return func(c *config) { c.Task.CacheBytes = bytes }
}

// AppName is the prefix of internal topics; the default is "test".
func AppName(name string) Option { return func(c *config) { c.app = name } }

// With takes options of an App: OnError, OnDropped, Around, EmitEvery, CloseIdleAfter, MaxTaskIdle, ExactlyOnce, TopicConfig, and WithState and CacheBytes, which are Engine
// and Cache. Others mean nothing without a broker. A second With replaces the first.
func With(opts ...weir.AppOption) Option {
	return func(c *config) {
		s := weir.ReadTestSettings(seal.Token{}, opts...)
		s.Task.CacheBytes = cmp.Or(s.Task.CacheBytes, c.Task.CacheBytes)
		if s.Provider == nil {
			s.Provider = c.Provider
		}
		c.TestSettings = s
	}
}

func configured(opts []Option) (*config, error) {
	c := &config{TestSettings: weir.ReadTestSettings(seal.Token{}), app: "test", partitions: map[string]int32{}, every: 1}
	c.Task.CacheBytes = defaultCache
	for _, o := range opts {
		o(c)
	}
	return c, errors.Join(c.faults...)
}
