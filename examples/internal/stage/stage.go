package stage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
	"github.com/weirstream/weir/processor"
)

// Stage is where an example runs.
type Stage struct {
	Brokers     []string // after Open
	State       string   // the folder of local state, after Open
	ExactlyOnce bool
	Workers     int
	Seed        uint64
	Speed       float64 // event time per time
	For         time.Duration

	brokers string
	client  *kgo.Client
	closers []func() error
}

// Parse reads a program's flags. flag.ErrHelp says that help was asked for, and given.
func Parse(name string, args []string, out io.Writer) (*Stage, error) {
	s := &Stage{}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&s.brokers, "brokers", "", "Kafka's addresses, host:port, separated by commas; none starts a broker inside the process")
	f.StringVar(&s.State, "state", "", "folder of local state; without one a temporary folder that is deleted at the end")
	f.BoolVar(&s.ExactlyOnce, "exactly-once", false, "commit outputs, state and offsets in transactions")
	f.IntVar(&s.Workers, "workers", 2, "goroutines that process")
	f.Uint64Var(&s.Seed, "seed", 1, "of the traffic: equal seeds, equal traffic")
	f.Float64Var(&s.Speed, "speed", 60, "seconds of traffic in a second")
	f.DurationVar(&s.For, "for", 0, "how long to run; 0 is until interrupted")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%s takes no arguments: %q", name, f.Args())
	}
	return s, nil
}

// Open connects to the brokers, or starts one, and makes what topics are missing.
func (s *Stage) Open(ctx context.Context, partitions int32, topics ...string) error {
	if err := s.open(ctx, partitions, topics); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

func (s *Stage) open(ctx context.Context, partitions int32, topics []string) (err error) {
	if s.State == "" {
		if s.State, err = os.MkdirTemp("", "weir-example-"); err != nil {
			return err
		}
		s.closers = append(s.closers, func() error { return os.RemoveAll(s.State) })
	}
	if s.Brokers = strings.FieldsFunc(s.brokers, func(r rune) bool { return r == ',' }); len(s.Brokers) == 0 {
		b, err := devbroker.Start()
		if err != nil {
			return err
		}
		s.Brokers = b.Addrs()
		s.closers = append(s.closers, func() error { b.Close(); return nil })
	}
	if s.client, err = kgo.NewClient(kgo.SeedBrokers(s.Brokers...), kgo.ProducerLinger(0)); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.client.Close(); return nil })
	return s.create(ctx, partitions, topics)
}

func (s *Stage) create(ctx context.Context, partitions int32, topics []string) error {
	made, err := kadm.NewClient(s.client).CreateTopics(ctx, partitions, -1, nil, topics...)
	if ctx.Err() != nil {
		err = ctx.Err() // whatever came of it before it ended
	}
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	for _, t := range made {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
		}
	}
	return nil
}

// Close ends what Open started, last first.
func (s *Stage) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Run runs parts of a program until one of them ends, ctx does, or the time that -for gives is over; then it stops the others and waits. An end by ctx is
// no error.
func (s *Stage) Run(ctx context.Context, parts ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.For > 0 {
		ctx, stop = context.WithTimeout(ctx, s.For)
		defer stop()
	}
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		group.Go(func() {
			defer stop()
			if err := part(ctx); err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
				errs[i] = err
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// Running is an option that closes the channel when the app runs for the first time: what is sent before waits, and is then read one
// partition faster than the other.
func Running() (weir.AppOption, <-chan struct{}) {
	running := make(chan struct{})
	first := sync.OnceFunc(func() { close(running) })
	return weir.OnState(func(_, to weir.AppState) {
		if to == weir.Running {
			first()
		}
	}), running
}

// Send writes a record, and returns when the broker has it.
func Send[K, V any](ctx context.Context, s *Stage, to weir.Topic[K, V], key K, value V, at time.Time) error {
	k, err := to.KeySerde().Append(nil, key)
	if err != nil {
		return fmt.Errorf("topic %s: the key: %w", to.Name(), err)
	}
	v, err := to.ValueSerde().Append(nil, value)
	if err != nil {
		return fmt.Errorf("topic %s: the value: %w", to.Name(), err)
	}
	r := &kgo.Record{Topic: to.Name(), Key: k, Value: v, Timestamp: at}
	return s.client.ProduceSync(ctx, r).FirstErr()
}

// Read hands over every committed record of a topic, from its start, until ctx ends or f fails.
func Read[K, V any](ctx context.Context, s *Stage, from weir.Topic[K, V], f func(weir.Record[K, V]) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...), kgo.ConsumeTopics(from.Name()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(250*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetched := client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetched.Err()); err != nil {
			return err
		}
		for raw := range fetched.RecordsAll() {
			r, err := decode(from, raw)
			if err != nil {
				return err
			}
			if err := f(r); err != nil {
				return err
			}
		}
	}
}

func decode[K, V any](from weir.Topic[K, V], raw *kgo.Record) (weir.Record[K, V], error) {
	k, err := from.KeySerde().Decode(raw.Key)
	if err != nil {
		return weir.Record[K, V]{}, fmt.Errorf("topic %s: the key: %w", from.Name(), err)
	}
	if raw.Value == nil {
		return weir.Tombstone[V](k, raw.Timestamp), nil
	}
	v, err := from.ValueSerde().Decode(raw.Value)
	if err != nil {
		return weir.Record[K, V]{}, fmt.Errorf("topic %s: the value: %w", from.Name(), err)
	}
	return processor.NewRecord(k, v, raw.Timestamp), nil
}
