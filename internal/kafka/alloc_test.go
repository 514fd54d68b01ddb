//go:build !race

package kafka

import (
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The broker lives in this process, so its allocations are counted too.
func TestSendAllocatesAtMostTwicePerRecord(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "out").ListenAddrs()...)
	set.Options = append(set.Options, kgo.MaxBufferedRecords(1<<20))
	p := newProducer(t, set)
	d := NewDest(nil)
	key, value := []byte("key-0123456789"), make([]byte, 100)
	send := func(n int) {
		for range n {
			mustSend(t, p, d, Out{Topic: "out", Key: key, Value: value, Timestamp: 1})
		}
		mustFlush(t, p)
	}
	send(50_000) // pools and slabs warm up
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 50_000
	send(n)
	runtime.ReadMemStats(&after)
	per := float64(after.Mallocs-before.Mallocs) / n
	t.Logf("%.2f allocations a record, broker included", per)
	if per > 2 {
		t.Errorf("%.2f allocations a record", per)
	}
}
