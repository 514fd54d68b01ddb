package chaos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/rows"
	"github.com/weirstream/weir/internal/store"
	"github.com/weirstream/weir/internal/store/mem"
	"github.com/weirstream/weir/state/pebble"
	"github.com/weirstream/weir/topology"
)

// reckon compares what is there with what should be, and stops the app.
func (w *world) reckon() error {
	for range 2 { // what closes is looked for at records, but not more often than each second
		time.Sleep(2 * time.Second)
		last := w.scene.round(w, w.plan.rounds)
		w.fed = append(w.fed, last...)
		w.write(last)
		if err := w.settled(); err != nil {
			return fmt.Errorf("the last round: %w", err)
		}
	}
	if err := w.awaken(); err != nil {
		return err
	}
	var errs []error
	for _, p := range w.processes {
		if err := p.quit(); err != nil {
			errs = append(errs, fmt.Errorf("process %s did not stop well: %w", p.name, err))
		}
	}
	time.Sleep(20 * time.Second) // transactions of those that died time out
	if w.last != nil {
		w.last()
	}
	out, err := w.readCommitted("out")
	errs = append(errs, err, w.scene.check(w, w.fed, out), w.checkTransactions(), w.checkRelics())
	if behind := w.behind(); len(behind) > 0 {
		errs = append(errs, fmt.Errorf("what was committed at the end is not what was read:\n%s", strings.Join(behind, "\n")))
	}
	if g := w.cluster.GroupInfo(app); g != nil {
		w.counts["rebalances"] = int(g.Epoch)
	}
	return errors.Join(errs...)
}

// checkTransactions: none is open, and counts those that were aborted.
func (w *world) checkTransactions() error {
	var errs []error
	for _, topic := range w.topics() {
		all, err := w.readAll(topic, kgo.ReadUncommitted())
		errs = append(errs, err)
		for _, r := range all {
			if r.Attrs.IsControl() && len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 0 {
				w.counts["aborted"]++
			}
		}
		for _, p := range w.cluster.PartitionInfos(topic) {
			if p.LastStableOffset != p.HighWatermark {
				errs = append(errs, fmt.Errorf("%s/%d: a transaction is open: stable to %d, end %d", topic, p.Partition, p.LastStableOffset, p.HighWatermark))
			}
		}
	}
	return errors.Join(errs...)
}

// topics are all that the app reads and writes.
func (w *world) topics() []string {
	all := append(w.read(), "out")
	for _, s := range w.graph.Subs() {
		for _, st := range s.Stores {
			if topic, ok := st.Changelog(); ok {
				all = append(all, topic.In(app))
			}
		}
	}
	return all
}

func (w *world) readCommitted(topic string) ([]*kgo.Record, error) {
	all, err := w.readAll(topic, kgo.ReadCommitted())
	return slices.DeleteFunc(all, func(r *kgo.Record) bool { return r.Attrs.IsControl() }), err
}

// readAll reads a topic from its start to its end, partition by partition, markers too.
func (w *world) readAll(topic string, level kgo.IsolationLevel) (all []*kgo.Record, err error) {
	ends, from := map[int32]int64{}, map[int32]kgo.Offset{}
	for _, p := range w.cluster.PartitionInfos(topic) {
		if p.LastStableOffset > p.LogStartOffset {
			ends[p.Partition], from[p.Partition] = p.LastStableOffset, kgo.NewOffset().AtStart()
		}
	}
	if len(ends) == 0 {
		return nil, nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.Dialer(w.network.DialContext), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := w.ctx()
	defer cancel()
	for len(ends) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			if r.Offset+1 >= ends[r.Partition] {
				delete(ends, r.Partition)
			}
		})
	}
	slices.SortStableFunc(all, func(a, b *kgo.Record) int { return int(a.Partition - b.Partition) })
	return all, nil
}

// checkRelics compares every disk that was left, at any time, with the changelogs up to the positions that it names.
func (w *world) checkRelics() error {
	logs := map[string][]*kgo.Record{}
	var errs []error
	for _, s := range w.graph.Subs() {
		for _, st := range s.Stores {
			if topic, ok := st.Changelog(); ok {
				all, err := w.readCommitted(topic.In(app))
				errs = append(errs, err)
				logs[st.Name] = all
			}
		}
	}
	for _, r := range w.relics {
		dirs, err := r.fs.List("/")
		errs = append(errs, err)
		for _, dir := range dirs {
			if err := w.checkTask(r, dir, logs); err != nil {
				errs = append(errs, fmt.Errorf("disk of %s, task %s: %w", r.of, dir, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (w *world) checkTask(r relic, dir string, logs map[string][]*kgo.Record) error {
	id, err := assign.ParseTaskID(dir)
	if err != nil {
		return err
	}
	engine, err := pebble.New(pebble.FS(r.fs)).Open("/"+dir, dir)
	if err != nil {
		return err
	}
	sub := w.graph.Subs()[id.Sub]
	found, err := store.Open(engine, mem.New(), specsOf(sub))
	if err != nil {
		return errors.Join(err, engine.Close())
	}
	var errs []error
	for _, st := range sub.Stores {
		if err := compareStore(found, st, id.Partition, specsOf(sub), logs[st.Name]); err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", st.Name, err))
		}
	}
	return errors.Join(errors.Join(errs...), found.Close())
}

func specsOf(sub *topology.Sub) (specs []*rows.Spec) {
	for _, s := range sub.Stores {
		specs = append(specs, s.Spec)
	}
	return specs
}

// compareStore replays a store's changelog from its start to where the found one says to be.
func compareStore(found *store.Set, st *topology.Store, partition int32, specs []*rows.Spec, log []*kgo.Record) error {
	to, ok := found.Position(st.Name)
	if !ok {
		to = 0
	}
	model, err := store.Open(mem.New(), mem.New(), specs)
	if err != nil {
		return err
	}
	var recs []store.LogRecord
	for _, r := range log {
		if r.Partition == partition && r.Offset < to {
			recs = append(recs, store.LogRecord{Key: r.Key, Value: r.Value, Time: r.Timestamp.UnixMilli()})
		}
	}
	if err := model.Replay(st.Name, recs, to); err != nil {
		return err
	}
	got, observed, err := rowsOf(found, st.Name)
	if err != nil {
		return err
	}
	want, _, err := rowsOf(model, st.Name)
	if err != nil {
		return err
	}
	// What has expired is deleted now and then; the model's rows of it need not be there.
	var expired []rows.Span
	if spec := st.Spec; spec.Expire != nil && observed > spec.Retention {
		expired = spec.Expire(observed - spec.Retention + 1)
	}
	has := map[string]bool{}
	for _, r := range got {
		has[string(r.key)] = true
	}
	want = slices.DeleteFunc(want, func(r row) bool { return !has[string(r.key)] && within(expired, r.key) })
	return errors.Join(differ(got, want, to), model.Close())
}

func within(spans []rows.Span, key []byte) bool {
	return slices.ContainsFunc(spans, func(s rows.Span) bool { return bytes.Compare(s.Lo, key) <= 0 && bytes.Compare(key, s.Hi) < 0 })
}

type row struct{ key, value []byte }

func rowsOf(s *store.Set, name string) (all []row, observed int64, err error) {
	r, observed, release, err := s.Snapshot(name)
	if err != nil {
		return nil, 0, err
	}
	it, err := r.Iter(nil, nil, false)
	if err != nil {
		return nil, 0, errors.Join(err, release())
	}
	for it.Next() {
		all = append(all, row{bytes.Clone(it.Key()), bytes.Clone(it.Value())})
	}
	return all, observed, errors.Join(it.Err(), it.Close(), release())
}

func differ(got, want []row, to int64) error {
	same := func(a, b row) bool { return bytes.Equal(a.key, b.key) && bytes.Equal(a.value, b.value) }
	if slices.EqualFunc(got, want, same) {
		return nil
	}
	for i, r := range want {
		if i >= len(got) || !same(got[i], r) {
			return fmt.Errorf("%d rows, but the changelog up to offset %d makes %d; the first that differs is %q=%q", len(got), to, len(want), r.key, r.value)
		}
	}
	return fmt.Errorf("%d rows, but the changelog up to offset %d makes %d", len(got), to, len(want))
}
