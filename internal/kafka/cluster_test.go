package kafka

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestDialNamesTheBrokerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	set := settingsFor("app", false, addr)
	set.RequestTimeout = 200 * time.Millisecond
	_, err = Dial(testContext(t), set)
	if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "no Kafka broker answers") {
		t.Errorf("got %v", err)
	}
}

func TestDialNamesWhatAnOldBrokerLacks(t *testing.T) {
	c := fakeCluster(t, kfake.MaxVersions(kversion.V3_8_0()))
	_, err := Dial(testContext(t), settingsFor("app", false, c.ListenAddrs()...))
	if err == nil || !strings.Contains(err.Error(), "too old") || !strings.Contains(err.Error(), "Fetch only to version 16 (17 needed)") {
		t.Errorf("got %v", err)
	}
	c = fakeCluster(t, kfake.MaxVersions(kversion.V3_9_0()))
	dial(t, settingsFor("app", false, c.ListenAddrs()...))
}

func TestTopics(t *testing.T) {
	c := dial(t, settingsFor("app", false, fakeCluster(t).ListenAddrs()...))
	ctx := testContext(t)
	want := NewTopic{Name: "app-counts-changelog", Partitions: 3, Configs: map[string]string{"cleanup.policy": "compact"}}
	for range 2 { // the second time it is there
		if err := c.CreateTopics(ctx, want, NewTopic{Name: "other", Partitions: 1, Replication: 1}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.Topics(ctx, want.Name, "nowhere")
	if err != nil || len(found) != 1 || found[want.Name].Partitions != 3 || found[want.Name].ID == [16]byte{} {
		t.Errorf("found %v, %v", found, err)
	}
	found, err = c.TopicsMatching(ctx, regexp.MustCompile("o.*r|count"))
	if err != nil || len(found) != 1 || found["other"].Name != "other" {
		t.Errorf("matching: %v, %v", found, err)
	}
	configs, err := c.DescribeConfigs(ctx, want.Name)
	if err != nil || configs[want.Name]["cleanup.policy"] != "compact" {
		t.Errorf("configs %v, %v", configs, err)
	}
	err = c.CreateTopics(ctx, NewTopic{Name: "bad-name", Partitions: 1, Replication: 7}, NewTopic{Name: "worse-name", Partitions: 1, Replication: 8})
	if err == nil || !strings.Contains(err.Error(), "bad-name") || !strings.Contains(err.Error(), "worse-name") {
		t.Errorf("got %v", err)
	}
}

func TestOffsets(t *testing.T) {
	cl := seeded(t, 2, "in")
	set := settingsFor("app", false, cl.ListenAddrs()...)
	set.RequestTimeout = time.Second
	c := dial(t, set)
	produce(t, set, "in", 0, "a", "b", "c")
	tps := []TP{{Topic: "in"}, {Topic: "in", Partition: 1}}
	check := func(what string, got map[TP]int64, err error, first int64) {
		t.Helper()
		if diff := cmp.Diff(map[TP]int64{tps[0]: first, tps[1]: 0}, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", what, err, diff)
		}
	}
	ctx := testContext(t)
	got, err := c.EndOffsets(ctx, tps...)
	check("end", got, err, 3)
	got, err = c.StableOffsets(ctx, tps...)
	check("stable end", got, err, 3)
	if err := c.DeleteRecords(ctx, map[TP]int64{tps[0]: 2}); err != nil {
		t.Fatal(err)
	}
	got, err = c.StartOffsets(ctx, tps...)
	check("start", got, err, 2)
	got, err = c.OffsetsForTime(ctx, time.Now().Add(time.Hour), tps...)
	check("in an hour", got, err, 3)
	got, err = c.OffsetsForTime(ctx, time.Now().Add(-time.Hour), tps...)
	check("an hour ago", got, err, 2)
	none, err := c.CommittedOffsets(ctx, "app", tps...)
	if err != nil || none[tps[0]].Offset != -1 || len(none) != 2 {
		t.Errorf("committed: %v, %v", none, err)
	}
	if err := c.DeleteRecords(ctx, map[TP]int64{{Topic: "nowhere"}: 1}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("deleted from a topic that is not there: %v", err)
	}
}

func TestOffsetsOfAMissingTopicNameIt(t *testing.T) {
	set := settingsFor("app", false, seeded(t, 1, "in").ListenAddrs()...)
	set.RequestTimeout = 300 * time.Millisecond
	_, err := dial(t, set).EndOffsets(testContext(t), TP{Topic: "nowhere", Partition: 7})
	if err == nil || !strings.Contains(err.Error(), "nowhere-7") {
		t.Errorf("got %v", err)
	}
}
