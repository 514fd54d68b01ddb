package devbroker

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/twmb/franz-go/pkg/kfake"
)

// An Option changes what Start starts.
type Option func(*config)

type config struct {
	brokers int
	port    int
	topics  []topic
	kfake   []kfake.Opt
}

type topic struct {
	name       string
	partitions int32
	configs    map[string]string
}

// Topics creates topics of the given number of partitions before Start returns.
func Topics(partitions int32, names ...string) Option {
	return func(c *config) {
		for _, name := range names {
			c.topics = append(c.topics, topic{name: name, partitions: partitions})
		}
	}
}

// Topic creates one topic with configs of its own, such as cleanup.policy=compact, before Start returns.
func Topic(name string, partitions int32, configs map[string]string) Option {
	return func(c *config) { c.topics = append(c.topics, topic{name, partitions, configs}) }
}

// Port is where the first broker listens, the others on the ports after it; 0, the default, takes free ones.
func Port(port int) Option { return func(c *config) { c.port = port } }

// Brokers is the number of brokers; the default is one. Each listens on a port of its own and leads a share of the partitions.
func Brokers(n int) Option { return func(c *config) { c.brokers = n } }

// DataDir keeps topics, records and groups in a folder. A Start that finds them there goes on with them: topics that exist stay as they are.
func DataDir(dir string) Option { return With(kfake.DataDir(dir)) }

// With passes options through to kfake: a virtual network, SASL, TLS, a logger. They are applied after those of this package and win over
// them. kfake has no stable release yet, so they may change between versions of this library.
func With(opts ...kfake.Opt) Option {
	return func(c *config) { c.kfake = append(c.kfake, opts...) }
}

// legal is org.apache.kafka.common.internals.Topic's rule, which kfake does not apply.
var legal = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// validate returns all faults at once.
func (c *config) validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.brokers < 1 {
		fault("%d brokers: at least one is needed", c.brokers)
	}
	if c.port < 0 || c.port+max(c.brokers, 1)-1 > 65535 {
		fault("port %d for %d brokers: ports are 0 (free ones) to 65535", c.port, c.brokers)
	}
	seen := make(map[string]bool, len(c.topics))
	for _, t := range c.topics {
		if !legal.MatchString(t.name) || t.name == "." || t.name == ".." {
			fault("topic %q: Kafka's topic names are 1 to 249 letters, digits, dots, underscores and hyphens", t.name)
		}
		if t.partitions < 1 {
			fault("topic %s: %d partitions: at least one is needed", t.name, t.partitions)
		}
		if seen[t.name] {
			fault("topic %s is given twice", t.name)
		}
		seen[t.name] = true
	}
	return errors.Join(faults...)
}

func (c *config) options() []kfake.Opt {
	opts := []kfake.Opt{kfake.NumBrokers(c.brokers)}
	if c.port > 0 {
		ports := make([]int, c.brokers)
		for i := range ports {
			ports[i] = c.port + i
		}
		opts = append(opts, kfake.Ports(ports...))
	}
	return append(opts, c.kfake...)
}
