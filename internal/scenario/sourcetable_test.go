package scenario_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/serde"
)

// A table that has no changelog but its topic comes back on another machine as it was processed: what could not be read is left out, and what was not
// committed finds the rows of before.
func TestSourceTableIsRestoredElsewhere(t *testing.T) {
	guarantees(t, func(t *testing.T, eos bool) {
		s := newScenario(t, eos, "rows")
		b := weir.NewBuilder()
		rows := weir.TableFrom(b, weir.NewTopic("rows", serde.String(), serde.Int64()), "rows", weir.NoCache(), weir.OnError(func(context.Context, *weir.RecordError) weir.Decision {
			return weir.Skip()
		}))
		weir.MapRecords(weir.Changes(rows), func(r weir.Record[string, weir.Change[int64]]) weir.Record[string, string] {
			return processor.WithValue(r, fmt.Sprintf("%d to %d", r.Value.Old, r.Value.New))
		}).To(weir.NewTopic("out", serde.String(), serde.String()))
		topo, err := b.Build(weir.ReuseSourceTopics())
		if err != nil {
			t.Fatal(err)
		}
		put := func(values ...any) {
			for _, v := range values {
				raw := []byte("unreadable")
				switch v := v.(type) {
				case nil:
					raw = nil
				case int64:
					raw, _ = serde.Int64().Append(nil, v)
				}
				r := &kgo.Record{Topic: "rows", Key: []byte("k"), Value: raw}
				if err := s.client.ProduceSync(s.ctx, r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		last := func(want string) {
			t.Helper()
			s.read(want, func() bool { return len(s.seen) > 0 && string(s.seen[len(s.seen)-1].Value) == want })
		}
		put(int64(1), nil, int64(2), "?")
		app := s.start("tables", topo)
		last("0 to 2")
		s.end(app)
		put(int64(3), "?", int64(4))  // past the commit
		app = s.start("tables", topo) // in another state directory
		last("3 to 4")
		s.end(app)
		if n := len(s.seen); string(s.seen[n-2].Value) != "2 to 3" {
			t.Errorf("what was not committed was restored: %q", s.seen[n-2].Value)
		}
		names, err := s.admin.ListTopics(s.ctx)
		if err != nil || names.Has("tables-rows-changelog") {
			t.Errorf("there is a changelog: %v (%v)", names.Names(), err)
		}
	})
}
