package kafka

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// countEnds counts the ends of transactions that a cluster is asked for.
func countEnds(c *kfake.Cluster) *atomic.Int64 {
	n := new(atomic.Int64)
	c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		n.Add(1)
		return nil, nil, false
	})
	return n
}

// A client may have written the first records of a topic before EndTransaction can see it: that would then abort, and say
// nothing.
func TestTransactionEndsOnlyWhenTheClientKeepsWhatItWroteTo(t *testing.T) {
	at, c := fakePlaceAnd(t)
	set := at.settings(true)
	p := newProducer(t, set)
	l := p.life.Load()
	ends, asked, really := countEnds(c), 0, l.topics.keeps
	l.topics.keeps = func(topic string, partition int32) bool {
		asked++
		if n := ends.Load(); n > 0 {
			t.Errorf("%d transactions had ended before the client kept %s", n, topic)
		}
		return asked > 3 && really(topic, partition)
	}
	transaction := func(value string) {
		mustSend(t, p, NewDest(nil), Out{Topic: at.out, Value: []byte(value)})
		mustFlush(t, p)
		if err := l.end(testContext(t), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	transaction("a")
	before := asked
	transaction("b")
	if before < 4 || asked != before {
		t.Errorf("asked %d times in the first transaction, %d in all", before, asked)
	}
	if got := readCommittedValues(t, set, at.out, 0); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("committed %v", got)
	}
}

func TestTransactionOfATopicThatTheClientNeverKeeps(t *testing.T) {
	at, c := fakePlaceAnd(t)
	p := newProducer(t, at.settings(true))
	l := p.life.Load()
	ends := countEnds(c)
	l.topics.keeps = func(string, int32) bool { return false }
	mustSend(t, p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
	mustFlush(t, p)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := l.end(ctx, kgo.TryCommit); err == nil || !strings.Contains(err.Error(), at.out) {
		t.Errorf("got %v", err)
	}
	if n := ends.Load(); n > 0 {
		t.Errorf("%d transactions were ended", n)
	}
}
