//go:build kafka

package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// broker is a test's own look at Kafka.
type broker struct {
	t      *testing.T
	addr   string
	client *kgo.Client
	admin  *kadm.Client
}

func dial(t *testing.T, addr string) *broker {
	t.Helper()
	client := newClient(t, addr)
	return &broker{t, addr, client, kadm.NewClient(client)}
}

func newClient(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addr), kgo.MetadataMinAge(50*time.Millisecond), kgo.MaxBufferedRecords(1<<20))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// create makes topics whose names are not ours to choose, waits until they are there, and removes them when the test ends.
func (b *broker) create(partitions int32, names ...string) {
	b.t.Helper()
	made, err := b.admin.CreateTopics(b.t.Context(), partitions, 1, nil, names...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		b.t.Fatalf("create %v: %v", names, err)
	}
	b.t.Cleanup(func() { b.remove(names...) })
	waitFor(b.t, fmt.Sprintf("topics %v are there", names), 30*time.Second, func() bool {
		ends, err := b.admin.ListEndOffsets(b.t.Context(), names...)
		whole := err == nil && ends.Error() == nil
		for _, name := range names {
			whole = whole && len(ends[name]) == int(partitions)
		}
		return whole
	})
}

// internal removes an app's internal topics and its group when the test ends.
func (b *broker) internal(app string) {
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		topics, err := b.admin.ListTopics(ctx)
		if err != nil {
			b.t.Error(err)
		}
		var ours []string
		for _, name := range topics.Names() {
			if strings.HasPrefix(name, app+"-") {
				ours = append(ours, name)
			}
		}
		b.remove(ours...)
		// After a failure the killed members are still in it.
		if _, err := b.admin.DeleteGroup(ctx, app); err != nil && !b.t.Failed() {
			b.t.Errorf("delete group %s: %v", app, err)
		}
	})
}

func (b *broker) remove(topics ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if len(topics) == 0 {
		return
	}
	if _, err := b.admin.DeleteTopics(ctx, topics...); err != nil {
		b.t.Errorf("delete %v: %v", topics, err)
	}
}

// ends are the ends of topics' partitions, uncommitted records and markers included.
func (b *broker) ends(topics ...string) kadm.ListedOffsets {
	b.t.Helper()
	ends, err := b.admin.ListEndOffsets(b.t.Context(), topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		b.t.Fatalf("ends of %v: %v", topics, err)
	}
	return ends
}

// size is the sum of the ends of a topic that nobody deletes from.
func (b *broker) size(topic string) (n int64) {
	b.t.Helper()
	b.ends(topic).Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// ongoing says whether a process's transaction is open.
func (b *broker) ongoing(p *process) bool {
	b.t.Helper()
	open, err := b.admin.ListTransactions(b.t.Context(), nil, []string{"Ongoing"})
	if err != nil {
		b.t.Fatalf("list transactions: %v", err)
	}
	for _, txn := range open.Sorted() {
		if strings.HasPrefix(txn.TxnID, p.App+"-"+p.id()) {
			return true
		}
	}
	return false
}

// killInTransaction kills a process while its transaction is open: it is halted when it has one, so that it cannot end it before it dies. What it
// had asked for before may still end it; whether that happened shows afterwards, for a dead process ends none.
func (b *broker) killInTransaction(p *process) (found bool) {
	b.t.Helper()
	waitFor(b.t, "a transaction of "+p.App+" is open", 30*time.Second, func() bool {
		p.mustLive()
		if !b.ongoing(p) {
			return false
		}
		p.signal(syscall.SIGSTOP)
		if b.ongoing(p) {
			return true
		}
		p.signal(syscall.SIGCONT)
		return false
	})
	p.kill()
	return b.ongoing(p)
}

// behind is how many records of topics the group has not committed yet. Of each partition slack are none: a transaction's marker at its end.
func (b *broker) behind(group string, slack int64, topics ...string) (n int64) {
	b.t.Helper()
	committed, err := b.admin.FetchOffsets(b.t.Context(), group)
	if err != nil && !errors.Is(err, kerr.CoordinatorNotAvailable) { // none yet: nothing is committed
		b.t.Fatalf("offsets of %s: %v", group, err)
	}
	b.ends(topics...).Each(func(o kadm.ListedOffset) {
		at, _ := committed.Lookup(o.Topic, o.Partition) // −1 without one
		n += max(0, o.Offset-max(0, at.At)-slack)
	})
	return n
}

// read reads every committed record of a topic.
func (b *broker) read(topic string, each func(*kgo.Record)) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	left := map[int32]int64{}
	b.ends(topic).Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	// Markers come along: without them the position never reaches an end that is one.
	client := newClient(b.t, b.addr, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			b.t.Fatalf("read %s, %d partitions are left: %v", topic, len(left), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				each(r)
			}
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
}

// count is how many committed records a topic has.
func (b *broker) count(topic string) (n int) {
	b.t.Helper()
	b.read(topic, func(*kgo.Record) { n++ })
	return n
}

// setting reads a number from the environment.
func setting(t *testing.T, env string, otherwise int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: want a positive number", env, text)
	}
	return n
}
