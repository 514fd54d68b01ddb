//go:build kafka

package scenario_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/kafkatest"
)

// onKafka is a scenario on a real broker; what it makes there goes in the end.
func onKafka(t *testing.T, eos bool, topics ...string) *scenario {
	t.Helper()
	s := scenarioAt(t, eos, kafkatest.Name("scenario")+"-", kafkatest.Broker(t))
	t.Cleanup(s.sweep)
	for _, topic := range append(topics, "out") {
		s.create(topic, 4)
	}
	return s
}

func (s *scenario) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	all, err := admin.ListTopics(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	mine := slices.DeleteFunc(all.Names(), func(topic string) bool { return !strings.HasPrefix(topic, s.prefix) })
	if _, err := admin.DeleteTopics(ctx, mine...); err != nil {
		s.t.Error(err)
	}
}

// TestPatternsOnKafka has what the embedded broker's tests have of topics that come and go.
func TestPatternsOnKafka(t *testing.T) {
	for _, eos := range []bool{false, true} {
		for name, run := range map[string]func(*scenario){
			"count grows":   countGrows,
			"pass grows":    passGrows,
			"count shrinks": func(s *scenario) { shrinks(s, s.counting(), s.counted) },
		} {
			t.Run(fmt.Sprintf("%s, exactly once %v", name, eos), func(t *testing.T) {
				t.Parallel()
				run(onKafka(t, eos))
			})
		}
	}
}
