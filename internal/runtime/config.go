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
	MaxProcessingTime time.Duration
	Replication       int16 // −1: the broker's
	TopicConfig       map[string]string
	Reset             topology.Reset

	OnError   flow.Handler
	Recovers  bool // OnError, or an operator's own, may let a task go on
	OnDropped flow.DropHandler
	OnState   func(from, to State)
	Log       *zap.Logger
}

const (
	turn       = 20 * time.Millisecond // how long a worker processes before it looks at its client again
	starting   = 10 * time.Millisecond // how often a worker looks whether the positions of a new task have come
	stepSize   = 512                   // records of one task before the next has its turn
	queueBytes = 4 << 20               // of one partition, before it is paused: four fetches
	purgeEvery = 30 * time.Second      // consumed records of repartition topics (Kafka's repartition.purge.interval.ms)
)
