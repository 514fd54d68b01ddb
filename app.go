package weir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/kafka"
	weirruntime "github.com/weirstream/weir/internal/runtime"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/state/pebble"
)

// App runs a topology. Its methods may be called from any goroutine.
type App struct {
	name string
	r    *weirruntime.Runtime
}

// New checks the options and returns an app that does nothing yet. name is the consumer group and the prefix of internal topics.
// Every fault is reported, joined.
func New(name string, t *Topology, opts ...AppOption) (*App, error) {
	c := defaults()
	var faults []error
	for _, o := range opts {
		if o == nil {
			faults = append(faults, errors.New("a nil option"))
			continue
		}
		o.appOption(c)
	}
	faults = append(faults, c.check(name, t)...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("weir: app %q cannot be made:\n%w", name, err)
	}
	return &App{name: name, r: weirruntime.New(c.runtime(name, t))}, nil
}

func defaults() *appConfig {
	return &appConfig{workers: runtime.GOMAXPROCS(0), cacheBytes: 64 << 20, replication: -1, maxProcessingTime: 5 * time.Minute, cleanupDelay: 10 * time.Minute, logger: zap.NewNop()}
}

var appName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,200}$`)

// check returns everything that is wrong with the options.
func (c *appConfig) check(name string, t *Topology) (faults []error) {
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !appName.MatchString(name) || name == "." || name == ".." {
		bad("the name must be 1 to 200 of a-z, A-Z, 0-9, '.', '_' and '-': it begins the names of topics")
	}
	if t == nil {
		bad("no topology: check the error of Build")
	}
	if c.workers < 1 {
		bad("Workers(%d): at least one is needed", c.workers)
	}
	if c.cacheBytes < 0 {
		bad("CacheBytes(%d) is negative", c.cacheBytes)
	}
	if c.replication != -1 && (c.replication < 1 || c.replication > 1<<15-1) {
		bad("ReplicationFactor(%d): at least one replica is needed", c.replication)
	}
	if c.logger == nil {
		bad("WithLogger(nil)")
	}
	for what, d := range map[string]time.Duration{"CommitInterval": c.commitInterval, "SessionTimeout": c.sessionTimeout, "MaxProcessingTime": c.maxProcessingTime, "StateCleanupDelay": c.cleanupDelay, "StateMaxAge": c.maxStateAge} {
		if d < 0 {
			bad("%s(%v) is negative", what, d)
		}
	}
	if err := validIdle(c.closeIdle); err != nil {
		faults = append(faults, err)
	}
	if c.maxTaskIdle < 0 {
		c.maxTaskIdle = -time.Millisecond
	}
	set := c.settings(name)
	set.ProcessID = "unknown yet"
	if err := set.Validate(); err != nil {
		faults = append(faults, err)
	}
	return faults
}

func (c *appConfig) settings(name string) kafka.Settings {
	return kafka.Settings{App: name, Options: c.kafka, ExactlyOnce: c.exactlyOnce, SessionTimeout: c.sessionTimeout, Failpoint: c.failpoint}
}

// runtime is the configuration, with what was left open.
func (c *appConfig) runtime(name string, t *Topology) weirruntime.Config {
	interval := time.Second
	if c.exactlyOnce {
		interval = 100 * time.Millisecond
	}
	emitEvery := time.Second
	if c.emitEvery != nil {
		emitEvery = *c.emitEvery
	}
	provider := c.provider
	if provider == nil {
		log := c.logger
		provider = pebble.New(pebble.OnError(func(dir string, err error) { log.Error("state", zap.String("dir", dir), zap.Error(err)) }))
	}
	var onState func(from, to weirruntime.State)
	if c.onState != nil {
		onState = func(from, to weirruntime.State) { c.onState(AppState(from), AppState(to)) }
	}
	return weirruntime.Config{
		App: name, Graph: t.t, Settings: c.settings(name), StateDir: filepath.Join(c.baseDir(), name), Provider: provider,
		Workers: c.workers, CommitInterval: cmp.Or(c.commitInterval, interval), CacheBytes: c.cacheBytes, MaxIdle: c.maxTaskIdle, EmitEvery: emitEvery, CloseIdle: c.closeIdle,
		MaxProcessingTime: c.maxProcessingTime, CleanupDelay: c.cleanupDelay, MaxStateAge: c.maxStateAge, Replication: int16(c.replication), TopicConfig: c.topicConfig, Reset: c.reset,
		OnError: c.onError, OnDropped: c.onDropped, Around: c.around, Recovers: c.onError != nil || t.recovers, OnState: onState, Log: c.logger,
	}
}

// baseDir is the folder of state directories: StateDir, else $XDG_STATE_HOME/weir, else under the home, else, with a warning, the temporary folder.
func (c *appConfig) baseDir() string {
	if c.stateDir != "" {
		return c.stateDir
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "weir")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "weir")
	}
	dir := filepath.Join(os.TempDir(), "weir")
	c.logger.Warn("there is no home: state is kept in the temporary folder, which may be emptied; name a weir.StateDir", zap.String("dir", dir))
	return dir
}

// Run blocks. Cancelling ctx drains, commits and leaves the group; it returns nil then, else every error, joined. It can be called once.
// It fails when no broker answers for 30 s at the start; brokers that go away later are waited for. A panic of user code is an error
// that names the node and the record.
func (a *App) Run(ctx context.Context) error { return a.r.Run(ctx) }

// State returns the current state.
func (a *App) State() AppState { return AppState(a.r.State()) }

// AppState is a state of an App.
type AppState uint8

// The states of an App.
const (
	Created AppState = iota
	Rebalancing
	Restoring
	Running
	Stopping
	Stopped
	Failed
)

// String is the state's name.
func (s AppState) String() string { return weirruntime.State(s).String() }

// Stats are an app's numbers since its start.
type Stats struct {
	Records, Commits, Aborts int64
	Open                     int64                       // records that wait for a call of an asynchronous operator, or are in one
	Lag                      map[string]Lag              // by topic
	Dropped                  map[string]map[string]int64 // by node and reason
	Restores                 []Restore
}

// Lag is how far behind a topic's end the app is, summed over partitions; Time is the oldest.
type Lag struct {
	Records int64
	Time    time.Duration
}

// Restore is a store that is being restored.
type Restore struct {
	Store     string
	Partition int32
	Done, End int64
}

// Stats returns the numbers of this moment.
func (a *App) Stats() Stats {
	now := a.r.Stats()
	s := Stats{Records: now.Records, Commits: now.Commits, Aborts: now.Aborts, Open: now.Open, Lag: map[string]Lag{}, Dropped: maps.Clone(now.Dropped)}
	for tp, l := range now.Lags {
		sum := s.Lag[tp.Topic]
		s.Lag[tp.Topic] = Lag{sum.Records + l.Records, max(sum.Time, l.Time)}
	}
	for _, r := range now.Restores {
		s.Restores = append(s.Restores, Restore(r))
	}
	return s
}

// ViewStore makes an App a state.Viewer, for ReadStore.
func (a *App) ViewStore(d state.Descriptor) (any, error) {
	view, err := a.r.View(d.StoreName())
	if err != nil {
		return nil, fmt.Errorf("app %q: %w", a.name, err)
	}
	return view, nil
}

// ReadStore reads this instance's committed state, from any goroutine: weir.ReadStore(app, totals.Store()). A view stays good over rebalances: each
// read sees the partitions that this instance has then. Without any, ReadStore and reads end in query.ErrNotHere.
func ReadStore[R any](app *App, store state.Readable[R]) (R, error) { return store.View(app) }
