package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where a group's partitions begin to be read: what was committed, what the log still has, the reset policy.

// ResetPolicy says where to begin a partition for which nothing is committed, or whose committed offset is not in the
// log any more (Kafka's auto.offset.reset).
type ResetPolicy struct {
	kind resetKind
	back time.Duration
}

type resetKind uint8

const (
	resetEarliest resetKind = iota
	resetLatest
	resetBack
	resetNone
)

// ResetEarliest begins at the log's start; it is the zero ResetPolicy.
func ResetEarliest() ResetPolicy { return ResetPolicy{} }

// ResetLatest begins at the log's end.
func ResetLatest() ResetPolicy { return ResetPolicy{kind: resetLatest} }

// ResetBack begins at the first record that is not older than d (KIP-1106).
func ResetBack(d time.Duration) ResetPolicy { return ResetPolicy{kind: resetBack, back: d} }

// ResetNone fails.
func ResetNone() ResetPolicy { return ResetPolicy{kind: resetNone} }

// Started is where reading of a partition begins.
type Started struct {
	TP
	Offset    int64     // the first to be read
	Committed Committed // what the group had committed
	End       int64     // the partition's end then: the last stable offset under exactly once, else the high watermark
	Reset     bool      // Offset comes from the reset policy, or is where the log was cut off
}

func (s Started) String() string {
	return fmt.Sprintf("%s from %d (committed %d, end %d)", s.TP, s.Offset, s.Committed.Offset, s.End)
}

// Rewind forgets where partitions were read to. Poll fetches their committed offsets, waiting for transactions that hold
// them, and says where each begins anew in Polled.Started; until then it brings no records of them. One of which nothing
// was committed begins where it began before. Without arguments it rewinds all.
func (g *Group) Rewind(tps ...TP) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(tps) == 0 {
		tps = slices.Collect(maps.Keys(g.parts))
	}
	for _, tp := range tps {
		// One whose offsets the client is fetching was not read yet.
		if p := g.parts[tp]; p != nil && p.state == live {
			p.state = rewinding
		}
	}
	g.started = slices.DeleteFunc(g.started, func(s Started) bool { return g.parts[s.TP].state != live })
}

// rewind finds the positions of rewound partitions, trying once: if some transaction holds them, the next Poll tries
// again. It holds the gate, so that nothing is revoked meanwhile.
func (g *Group) rewind() {
	tps := g.inState(rewinding)
	if len(tps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(g.life, g.set.requestTimeout())
	defer cancel()
	from, err := committed(ctx, g.cl, g.adm, g.set.App, tps)
	if err == nil {
		err = g.begin(ctx, from)
	}
	switch {
	case err == nil:
		g.again = 0
	case passes(err):
		g.again = min(2*g.again+5*time.Millisecond, 200*time.Millisecond)
	default:
		g.fail(err)
	}
}

// onOffsets runs outside the gate, when the client has fetched the offsets of new partitions. It keeps the metadata,
// which the client does not.
func (g *Group) onOffsets(ctx context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	err := retry(ctx, func(ctx context.Context) error {
		_, err := g.idsOf(ctx, topicsOf(g.bal.take().owned))
		return err
	})
	if err != nil {
		return err
	}
	found := map[TP]Committed{}
	for _, gr := range resp.Groups {
		for _, t := range gr.Topics {
			topic := cmp.Or(t.Topic, g.topicOf(t.TopicID)) // by name before OffsetFetch version 10
			for _, p := range t.Partitions {
				// A partition with an error never gets here: the client retries it or reports it through the poll.
				found[TP{Topic: topic, Partition: p.Partition}] = committedOf(p)
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fetched = found
	return nil
}

// startPositions runs outside the gate, right after onOffsets, and before the client begins to read. It never fails but
// for the end of the session: an error would cost the client all its partitions, and the worker hears of it anyway.
func (g *Group) startPositions(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	g.mu.Lock()
	from := map[TP]Committed{}
	for topic, ps := range offsets {
		for p := range ps {
			from[TP{Topic: topic, Partition: p}] = g.fetched[TP{Topic: topic, Partition: p}]
		}
	}
	g.mu.Unlock()
	begin, err := g.resolve(ctx, from)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		g.fail(err)
	}
	exact := map[string]map[int32]kgo.Offset{}
	for _, s := range begin {
		if exact[s.Topic] == nil {
			exact[s.Topic] = map[int32]kgo.Offset{}
		}
		exact[s.Topic][s.Partition] = kgo.NewOffset().At(s.Offset).WithEpoch(s.epoch())
	}
	g.keep(begin, fetching)
	return exact, nil
}

// begin tells the client where rewound partitions begin anew.
func (g *Group) begin(ctx context.Context, from map[TP]Committed) error {
	begin, err := g.resolve(ctx, from)
	set := map[string]map[int32]kgo.EpochOffset{}
	for _, s := range begin {
		if set[s.Topic] == nil {
			set[s.Topic] = map[int32]kgo.EpochOffset{}
		}
		set[s.Topic][s.Partition] = kgo.EpochOffset{Epoch: s.epoch(), Offset: s.Offset}
	}
	g.cl.SetOffsets(set)
	g.keep(begin, rewinding)
	return err
}

// epoch lets the client detect that the log was cut off below the offset. It says nothing about an offset that is not the committed one.
func (s *Started) epoch() int32 {
	if s.Reset {
		return -1
	}
	return s.Committed.LeaderEpoch
}

// keep makes partitions live that are still in a state, for the worker to be told.
func (g *Group) keep(begin []Started, state partState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range begin {
		if p := g.parts[s.TP]; p != nil && p.state == state {
			p.state, p.cut = live, nil
			if p.first == nil {
				p.first = &s.Offset
			}
			g.started = append(g.started, s)
		}
	}
}

// resolve finds where to begin. It returns what it could find also with an error.
func (g *Group) resolve(ctx context.Context, from map[TP]Committed) ([]Started, error) {
	tps := slices.SortedFunc(maps.Keys(from), TP.Compare)
	starts, err := listOffsets(ctx, g.cl, 0, at(logStartTime, tps))
	if err != nil {
		return nil, err
	}
	highs, err := listOffsets(ctx, g.cl, 0, at(logEndTime, tps))
	if err != nil {
		return nil, err
	}
	ends := highs
	if g.set.ExactlyOnce {
		if ends, err = listOffsets(ctx, g.cl, 1, at(logEndTime, tps)); err != nil {
			return nil, err
		}
	}
	var begin []Started
	var errs []error
	for _, tp := range tps {
		s := Started{TP: tp, Offset: from[tp].Offset, Committed: from[tp], End: ends[tp]}
		if err := g.place(ctx, &s, starts[tp], highs[tp]); err != nil {
			errs = append(errs, err)
			continue
		}
		begin = append(begin, s)
	}
	return begin, errors.Join(errs...)
}

// place sets the offset where a partition, whose log goes from start to high, begins.
func (g *Group) place(ctx context.Context, s *Started, start, high int64) error {
	cut, first := g.readSoFar(s.TP)
	switch {
	case s.Offset < 0 && first >= start && first <= min(high, cut):
		s.Offset, s.Reset = first, true // the policy would say another place by now: records would be left out
		return nil
	case s.Offset > cut:
		return g.resume(s, max(cut, start))
	case s.Offset < start || s.Offset > high:
		return g.reset(ctx, s, start)
	}
	return nil
}

// readSoFar returns where a partition's log was cut off, the greatest offset if it was not, and where reading of it began first, −1 if it did not.
func (g *Group) readSoFar(tp TP) (cut, first int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	cut, first = math.MaxInt64, -1
	p := g.parts[tp]
	if p != nil && p.cut != nil {
		cut = *p.cut
	}
	if p != nil && p.first != nil {
		first = *p.first
	}
	return cut, first
}

// resume goes on where the log was cut off below the committed offset: what follows there was not read. The committed epoch is not used, for
// it would only find the same cut again.
func (g *Group) resume(s *Started, cut int64) error {
	if g.cfg.Reset(s.Topic).kind == resetNone {
		return fmt.Errorf("%s: %w: the committed offset is %d, the log was cut off at %d, and the topic's reset policy is none", s.TP, errGivenUp, s.Committed.Offset, cut)
	}
	s.Offset, s.Reset = cut, true
	return nil
}

// reset applies the topic's policy.
func (g *Group) reset(ctx context.Context, s *Started, start int64) error {
	policy := g.cfg.Reset(s.Topic)
	s.Reset = true
	switch policy.kind {
	case resetEarliest:
		s.Offset = start
	case resetLatest:
		s.Offset = s.End
	case resetBack:
		found, err := offsetsForTime(ctx, g.set, g.cl, time.Now().Add(-policy.back), []TP{s.TP})
		s.Offset = found[s.TP]
		return err
	case resetNone:
		return fmt.Errorf("%s: %w: the committed offset is %d, the log begins at %d, and the topic's reset policy is none", s.TP, errGivenUp, s.Committed.Offset, start)
	}
	return nil
}
