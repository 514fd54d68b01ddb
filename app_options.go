package weir

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// AppOption is a setting of an App.
type AppOption interface{ appOption(*appConfig) }

// appConfig is what an App's options say; New checks it whole.
type appConfig struct {
	kafka             []kgo.Opt
	stateDir          string
	provider          state.Provider
	exactlyOnce       bool
	workers           int
	commitInterval    time.Duration
	cacheBytes        int64
	sessionTimeout    time.Duration
	replication       int
	maxTaskIdle       time.Duration
	maxProcessingTime time.Duration
	cleanupDelay      time.Duration
	maxStateAge       time.Duration
	logger            *zap.Logger
	onState           func(from, to AppState)

	onError     flow.Handler
	onDropped   flow.DropHandler
	reset       topology.Reset
	topicConfig map[string]string
	emitEvery   *time.Duration
	closeIdle   time.Duration
	around      flow.Wrapper
	failpoint   func(name string) // for crash tests
}

type appOption func(*appConfig)

func (f appOption) appOption(c *appConfig) { f(c) }

// WithKafka passes options to every client. Options that weir owns (group, transactional id, balancer, isolation, …) are refused by name.
func WithKafka(opts ...kgo.Opt) AppOption {
	return appOption(func(c *appConfig) { c.kafka = append(c.kafka, opts...) })
}

// StateDir is where Pebble keeps state; without it $XDG_STATE_HOME/weir/<app>.
func StateDir(path string) AppOption { return appOption(func(c *appConfig) { c.stateDir = path }) }

// StateCleanupDelay is how long the state of a task that has moved to another process is kept on the disk, in case that the task comes back;
// the default is 10 minutes (Kafka's state.cleanup.delay.ms). It is counted while the app is running, from its start or from the task's leaving.
func StateCleanupDelay(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.cleanupDelay = d })
}

// StateMaxAge deletes state at the start that was last written longer ago, so that it is restored whole: after the changelog's
// delete.retention.ms it may have forgotten deletions. The default, 0, is any age (Kafka's state.cleanup.dir.max.age.ms).
func StateMaxAge(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.maxStateAge = d })
}

// WithState takes another engine than Pebble.
func WithState(p state.Provider) AppOption { return appOption(func(c *appConfig) { c.provider = p }) }

// ExactlyOnce commits outputs, state and offsets in transactions; the default is at least once.
func ExactlyOnce() AppOption { return appOption(func(c *appConfig) { c.exactlyOnce = true }) }

// Workers is the number of goroutines that run tasks; the default is GOMAXPROCS.
func Workers(n int) AppOption { return appOption(func(c *appConfig) { c.workers = n }) }

// CommitInterval is the time between commits; the default is 1 s, with ExactlyOnce 100 ms.
func CommitInterval(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.commitInterval = d })
}

// CacheBytes is the size of all write-back caches together; with 0 there are none, as if every store had NoCache.
func CacheBytes(n int64) AppOption { return appOption(func(c *appConfig) { c.cacheBytes = n }) }

// SessionTimeout is how long a silent member keeps its tasks.
func SessionTimeout(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.sessionTimeout = d })
}

// ReplicationFactor is that of internal topics; the default is the broker's.
func ReplicationFactor(n int) AppOption { return appOption(func(c *appConfig) { c.replication = n }) }

// MaxTaskIdle is how long a task waits for an empty input beyond a lag of zero (KIP-695); -1 never waits.
func MaxTaskIdle(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.maxTaskIdle = d })
}

// MaxProcessingTime is how long user code may take before the watchdog reports the worker as stuck.
func MaxProcessingTime(d time.Duration) AppOption {
	return appOption(func(c *appConfig) { c.maxProcessingTime = d })
}

// WithLogger logs there; the default is silent.
func WithLogger(l *zap.Logger) AppOption { return appOption(func(c *appConfig) { c.logger = l }) }

// OnState is called at each change of the app's state.
func OnState(f func(from, to AppState)) AppOption {
	return appOption(func(c *appConfig) { c.onState = f })
}

// Around runs every node's work for a record inside f: cross-cutting concerns. f must call next exactly once and return its error; one that does not ends
// the worker with an error that names the node. next has returned when the node and all that are below it have done their work; a node's retries are within
// one call. Of a source it is what follows decoding. f runs on the tasks' goroutines, of several tasks at once. Without Around it costs nothing.
func Around(f func(ctx processor.Context, next func() error) error) AppOption {
	return appOption(func(c *appConfig) { c.around = f })
}
