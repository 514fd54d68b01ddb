package badinput

import (
	"testing"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/devbroker"
)

func TestAMissingSourceTopic(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "out"))
	w.start(passing()).fails("source topics do not exist", `"in"`, `"from-1"`, "create")
}

// TestAMissingSinkTopic fails at the first record, and goes on when the topic has been made. Without a key the client finds it out, later.
func TestAMissingSinkTopic(t *testing.T) {
	for name, key := range map[string][]byte{"key": []byte("k"), "null key": nil} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, devbroker.Topics(1, "in"))
			w.sendRecord(record(key, "v"))
			w.start(passing()).fails(`node "sink"`, `topic "in"`, "offset 0", `topic "out"`, "create", "internal topics only")
			if _, err := w.admin.CreateTopic(w.ctx, 1, 1, nil, "out"); err != nil {
				t.Fatal(err)
			}
			a := w.start(passing())
			w.wants("out", string(key)+"=v")
			a.ends()
		})
	}
}

// TestAMissingSinkTopicIsSkipped counts what could not be written.
func TestAMissingSinkTopicIsSkipped(t *testing.T) {
	guarantees(t, func(t *testing.T, opts ...weir.AppOption) {
		w := newWorld(t, devbroker.Topics(1, "in"))
		w.sendRecord(record([]byte("k"), "v"))
		w.sendRecord(record(nil, "v"))
		a := w.start(passing(decide(weir.Skip())), opts...)
		w.until("two drops", func() bool { return a.Stats().Dropped["sink"]["unwritable"] == 2 })
		w.until("a commit", func() bool { return w.committed(t) == 2 })
		a.ends()
	})
}

// committed is the app's committed offset of partition 0 of topic in.
func (w *world) committed(t *testing.T) int64 {
	t.Helper()
	all, err := w.admin.FetchOffsets(w.ctx, w.app)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := all.Lookup("in", 0)
	return o.At
}

// TestOtherPartitionsAtStart has a stateful app come back to a topic with more partitions: its state would not fit the keys.
func TestOtherPartitionsAtStart(t *testing.T) {
	w := newWorld(t, devbroker.Topics(2, "in", "out"))
	w.send("in", "a=1")
	a := w.start(reducing())
	w.read("out", 1)
	a.ends()
	w.grow("in")
	w.start(reducing()).fails(`internal topic "app-last-changelog"`, "2 partitions", "needs 4", "source topic", "delete")
}

// TestOtherPartitionsWhileRunning has it happen under the app.
func TestOtherPartitionsWhileRunning(t *testing.T) {
	w := newWorld(t, devbroker.Topics(2, "in", "out"))
	w.send("in", "a=1")
	a := w.start(reducing())
	w.read("out", 1)
	w.grow("in")
	a.fails(`internal topic "app-last-changelog"`, "2 partitions", "needs 4", "source topic", "delete")
}

// TestMorePartitionsWithoutState are read as they come.
func TestMorePartitionsWithoutState(t *testing.T) {
	w := newWorld(t, devbroker.Topics(2, "in", "out"))
	w.send("in", "a=1")
	a := w.start(passing())
	w.grow("in")
	r := record([]byte("b"), "2")
	r.Partition = 3
	w.until("the new partition", func() bool { return w.client.ProduceSync(w.ctx, r).FirstErr() == nil })
	w.until("the new partition's record", func() bool { return a.Stats().Records == 2 })
	a.ends()
}

// grow gives a topic four partitions.
func (w *world) grow(topic string) {
	w.t.Helper()
	if _, err := w.admin.UpdatePartitions(w.ctx, 4, topic); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnInternalTopicOfOthers(t *testing.T) {
	for _, topic := range []string{"app-last-changelog", "app-by-repartition"} {
		t.Run(topic, func(t *testing.T) {
			w := newWorld(t, devbroker.Topics(2, "in", "out"), devbroker.Topics(3, topic))
			w.start(func(b *weir.Builder) {
				g := weir.GroupBy(weir.From(b, in), func(k, _ string) string { return k }, weir.Named("by"))
				weir.Count(g, "last")
			}).fails(`internal topic "`+topic+`"`, "3 partitions", "needs 2", "made by hand")
		})
	}
}

// TestAnotherTopologyInTheGroup starts another program under the same name: it is turned away, and those that run go on.
func TestAnotherTopologyInTheGroup(t *testing.T) {
	w := newWorld(t, devbroker.Topics(1, "in", "out"))
	w.send("in", "a=1")
	first := w.start(passing())
	w.read("out", 1)
	w.dir = t.TempDir()
	w.start(reducing()).fails(`group "app"`, "has topology", "but the group runs topology", "stop all members")
	w.send("in", "b=2")
	w.read("out", 2)
	first.ends()
}
