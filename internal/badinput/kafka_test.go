//go:build kafka

package badinput

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/serde"
)

// newKafka is a world with a real broker, which has these topics of one partition, and none of their records from before.
func newKafka(t *testing.T, topics map[string]map[string]string) *world {
	t.Helper()
	w := worldAt(t, kafkatest.Name("app"), kafkatest.Broker(t))
	for name, configs := range topics {
		pointers := map[string]*string{}
		for k, v := range configs {
			pointers[k] = kadm.StringPtr(v)
		}
		w.until("topic "+name, func() bool { // one of a former test may still be going
			_, err := w.admin.CreateTopic(w.ctx, 1, 1, pointers, name)
			return err == nil
		})
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if _, err := w.admin.DeleteTopic(ctx, name); err != nil {
				t.Errorf("delete topic %s: %v", name, err)
			}
		})
		w.until("the leader of "+name, func() bool {
			all, err := w.admin.ListTopics(w.ctx, name)
			return err == nil && len(all[name].Partitions) == 1 && all[name].Partitions[0].Leader >= 0
		})
	}
	return w
}

func TestTooLargeForASinkOnKafka(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		tooLargeForASink(newKafka(t, map[string]map[string]string{"in": nil, "out": nil}), opts...)
	})
}

// TestTheBrokerRefusesOnKafka has the client's limit out of the way: the broker refuses a batch in the middle of a transaction.
func TestTheBrokerRefusesOnKafka(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newKafka(t, map[string]map[string]string{"in": nil, "out": nil})
		a := w.start(passing(decide(weir.Skip())), opts...) // learns the limit, which then falls
		w.send("in", "a=1")
		w.read("out", 1)
		less := "10000"
		if _, err := w.admin.AlterTopicConfigs(w.ctx, []kadm.AlterConfig{{Name: "max.message.bytes", Value: &less}}, "out"); err != nil {
			t.Fatal(err)
		}
		w.send("in", "k="+string(make([]byte, 20000)))
		w.until("the drop", func() bool { return a.Stats().Dropped["sink"]["unwritable"] == 1 })
		w.send("in", "b=2")
		w.wants("out", "a=1", "b=2")
		a.ends()
	})
}

func TestTooLargeForAChangelogOnKafka(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		tooLargeForAChangelog(newKafka(t, map[string]map[string]string{"in": nil, "out": nil}), nil, opts...)
	})
}

func TestATopicsOwnLimitOnKafka(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		topicsOwnLimit(newKafka(t, map[string]map[string]string{"in": nil, "out": small, "large": large}), opts...)
	})
}

func TestATimeBeforeTheEpochOnKafka(t *testing.T) {
	timeBeforeTheEpoch(newKafka(t, map[string]map[string]string{"in": nil, "out": nil, "dead": nil}))
}

// TestATimeFarAheadOnKafka takes the time from the value: no broker has seen it when the record comes to a repartition topic and a changelog.
func TestATimeFarAheadOnKafka(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		any := map[string]string{"message.timestamp.after.max.ms": "9223372036854775807"}
		w := newKafka(t, map[string]map[string]string{"in": nil, "out": any})
		ahead := weir.NewTopic("in", serde.String(), serde.String(), weir.EventTime(func(string) time.Time { return time.Now().AddDate(1, 0, 0) }))
		w.send("in", "a=1", "b=2")
		a := w.start(func(b *weir.Builder) {
			rekeyed := weir.KeyBy(weir.From(b, ahead), func(k, v string) string { return v + k })
			weir.Reduce(rekeyed.GroupByKey(), "last", func(_, v string) string { return v }).ToStream().To(out)
		}, opts...)
		w.wants("out", "1a=1", "2b=2")
		a.ends()
	})
}
