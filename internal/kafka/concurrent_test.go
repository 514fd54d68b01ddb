package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A commit waits while the coordinator still writes the markers of the transaction before.
func TestCommitWaitsForConcurrentTransactions(t *testing.T) {
	for _, versions := range []*kversion.Versions{kversion.V3_9_0(), kversion.V4_0_0()} {
		t.Run(fmt.Sprint(versions.VersionGuess()), func(t *testing.T) {
			c := fakeCluster(t, kfake.MaxVersions(versions), kfake.SeedTopics(1, "in", "out"))
			at := place{brokers: c.ListenAddrs(), app: "app", in: "in", out: "out", session: 6 * time.Second}
			w := newTester(t, at.settings(true), 0, at.in).withProducer(0)
			w.untilStarted(1)
			mustSend(t, w.p, NewDest(nil), Out{Topic: at.out, Value: []byte("v")})
			h := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit}, Err: kerr.ConcurrentTransactions, Count: 3})
			if out, err := w.commit(1); err != nil || out != OffsetsCommitted {
				t.Fatal(out, err)
			}
			if h.Hits() != 3 {
				t.Errorf("%d answers", h.Hits())
			}
		})
	}
}
