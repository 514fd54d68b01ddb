//go:build kafka

package soak

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/kafkatest"
	"github.com/weirstream/weir/serde"
)

// TestCountTV1 counts over a kill where transactions are of version 1: there offsets are added to a transaction by a
// request of their own, and a commit keeps the epoch.
func TestCountTV1(t *testing.T) {
	for name, exactly := range map[string]bool{"exactly once": true, "at least once": false} {
		t.Run(name, func(t *testing.T) { testCount(t, kafkatest.BrokerTV1(t), exactly) })
	}
}

func testCount(t *testing.T, addr string, exactly bool) {
	const records, keys = 20_000, 50
	b := dial(t, addr)
	in, out := kafkatest.TopicAt(t, addr, "words", 3, nil), kafkatest.TopicAt(t, addr, "counts", 3, nil)
	app := kafkatest.Name("count")
	b.internal(app)
	p := start(t, launch{Program: "count", App: app, Kafka: addr, State: t.TempDir(), ExactlyOnce: exactly, Commit: 500 * time.Millisecond, Topics: []string{in, out}})

	model := map[string]int64{}
	send := func(n int) {
		for i := range n {
			key := fmt.Sprint("k", i%keys)
			model[key]++
			b.client.Produce(t.Context(), &kgo.Record{Topic: in, Key: []byte(key), Value: []byte("v")}, nil)
		}
		if err := b.client.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	send(records / 2)
	waitFor(t, "a first commit", time.Minute, func() bool { p.mustLive(); return b.behind(app, 0, in) < records/2 })
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range records / 2 / keys {
			send(keys)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if exactly {
		if !b.killInTransaction(p) {
			t.Error("the kill found no transaction open")
		}
	} else {
		p.kill()
	}
	p = p.again()
	<-sent
	waitFor(t, "all is counted", time.Minute, func() bool { p.mustLive(); return b.behind(app, 0, in) == 0 })
	p.stop()

	got := map[string][]int64{}
	b.read(out, func(r *kgo.Record) {
		n, err := serde.Int64().Decode(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		got[string(r.Key)] = append(got[string(r.Key)], n)
	})
	if err := judgeCounts(model, got, exactly); err != nil {
		t.Error(err)
	}
}
