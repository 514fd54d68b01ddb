package devbroker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// A Broker is one running cluster of brokers. Its methods may be called by many goroutines at once.
type Broker struct {
	cluster *kfake.Cluster
	addrs   []string
	close   func()
}

// Start starts the brokers and creates the topics; when it returns, clients can connect. A fault in the options, a port that is taken or
// a topic that cannot be created is an error, and then nothing runs.
func Start(opts ...Option) (*Broker, error) {
	c := config{brokers: 1}
	for _, opt := range opts {
		opt(&c)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("devbroker: %w", err)
	}
	cluster, err := kfake.NewCluster(c.options()...)
	if err != nil {
		return nil, fmt.Errorf("devbroker: start: %w", err)
	}
	if err := create(cluster, c.topics); err != nil {
		cluster.Close()
		return nil, fmt.Errorf("devbroker: %w", err)
	}
	return &Broker{cluster: cluster, addrs: cluster.ListenAddrs(), close: sync.OnceFunc(cluster.Close)}, nil
}

func create(cluster *kfake.Cluster, topics []topic) error {
	for _, t := range topics {
		err := cluster.CreateTopic(t.name, t.partitions, t.configs)
		// It can only exist already in a DataDir.
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.name, err)
		}
	}
	return nil
}

// Addrs returns where the brokers listen, each as host:port: what a client takes as seed brokers.
func (b *Broker) Addrs() []string { return slices.Clone(b.addrs) }

// String returns the addresses, separated by commas, as Kafka's bootstrap.servers takes them.
func (b *Broker) String() string { return strings.Join(b.addrs, ",") }

// Cluster returns the kfake cluster itself: tests inject faults through it. Its API is not covered by this library's promises.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the brokers and cuts their connections. A second call waits for the first, and does nothing more.
func (b *Broker) Close() { b.close() }
