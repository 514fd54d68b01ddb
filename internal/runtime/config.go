package runtime

import (
	"time"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/state"
	"github.com/weirstream/weir/topology"
)

// Config is what an app runs with. The root package has checked it.
type Config struct {
	App      string
	Graph    *topology.Topology
	Settings kafka.Settings // but for ProcessID, which the state directory keeps

	StateDir string         // of the app
	Provider state.Provider // of durable engines

	Workers           int
	CommitInterval    time.Duration
	CacheBytes        int64 // all workers together
	MaxIdle           time.Duration
	EmitEvery         time.Duration
	CloseIdle         time.Duration
	MaxProcessingTime time.Duration
	CleanupDelay      time.Duration // how long the state of a task that is elsewhere is kept
	MaxStateAge       time.Duration // of state that is used at the start; 0: any
	Replication       int16         // −1: the broker's
	TopicConfig       map[string]string
	Reset             topology.Reset

	OnError   flow.Handler
	Recovers  bool // OnError, or an operator's own, may let a task go on
	OnDropped flow.DropHandler
	Around    flow.Wrapper
	OnState   func(from, to State)
	Log       *zap.Logger
}

const (
	turn       = 20 * time.Millisecond // how long a worker processes before it looks at its client again
	starting   = 10 * time.Millisecond // how often a worker looks whether the positions of a new task have come
	stepSize   = 512                   // records of one task before the next has its turn
	queueBytes = 2 << 20               // of one partition, before it is paused: two fetches
	purgeEvery = 30 * time.Second      // consumed records of repartition topics (Kafka's repartition.purge.interval.ms)
	handOver   = 10 * time.Second      // how long the stores of a task that was given up stay open for the next worker
	tidyEvery  = time.Minute           // how often, at least, it is looked what may be deleted
	listing    = 5 * time.Second       // how long a plan waits for the ends of changelogs
	openAtOnce = 8                     // directories that are read at the same time at the start
	keepOpen   = 64                    // of those that are read at the start
)
