package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/weirstream/weir/internal/assign"
	"github.com/weirstream/weir/internal/kafka"
	"github.com/weirstream/weir/topology"
)

// plan is the leader's: what there is to give away. It runs on a goroutine of the client.
func (r *Runtime) plan(j kafka.Joined) (work kafka.Work, err error) {
	err = guarded(func() (err error) {
		work, err = r.planning(j)
		return err
	})
	return work, err
}

func (r *Runtime) planning(j kafka.Joined) (kafka.Work, error) {
	runs := ruling(j.Members)
	work := kafka.Work{Misfits: r.misfits(j.Members, runs), Foreign: runs.topology != r.hash}
	if work.Foreign {
		return work, nil
	}
	counts := r.counts(j, work.Misfits)
	plan, err := r.c.Graph.Plan(r.c.App, counts, r.c.TopicConfig)
	if err == nil {
		err = r.unchanged(plan)
	}
	if err != nil {
		work.Refusal = err.Error()
		return work, nil
	}
	if refusal, err := r.makeNew(plan); err != nil || refusal != nil {
		if refusal != nil {
			work.Refusal = refusal.Error()
		}
		return work, err
	}
	work.Tasks, err = r.tasks(j.Members, counts)
	if err != nil {
		work.Refusal = err.Error()
	}
	work.Options = assign.Options{AcceptableLag: 10_000}
	return work, nil
}

func (r *Runtime) tasks(members []kafka.JoinedMember, counts map[string]int32) (all []assign.Task, err error) {
	specs, err := r.c.Graph.Tasks(r.c.App, counts)
	if err != nil {
		return nil, err
	}
	end := r.logEnds(members, specs)
	for _, s := range specs {
		t := assign.Task{ID: assign.TaskID{Sub: s.Sub, Partition: s.Partition}, Stateful: s.Stateful, LogEnd: end(s)}
		for _, in := range s.Inputs {
			t.Sources = append(t.Sources, assign.TopicPartition(in))
		}
		all = append(all, t)
	}
	return all, nil
}

// stake is what the members with one topology have in a group.
type stake struct {
	topology            uint64
	partitions, members int
}

func (s stake) String() string {
	return fmt.Sprintf("%016x (members: %d, their partitions: %d)", s.topology, s.members, s.partitions)
}

// ruling is the topology that a group goes on with where members differ: of those who have most of the partitions, for they are the running
// app; else of the most members; else the one with the smaller hash.
func ruling(members []kafka.JoinedMember) stake {
	stakes, of := map[uint64]*stake{}, map[string]*stake{}
	var plain []assign.Member
	for _, m := range members {
		s := stakes[m.Data.Topology]
		if s == nil {
			s = &stake{topology: m.Data.Topology}
			stakes[s.topology] = s
		}
		s.members++
		of[m.ID] = s
		plain = append(plain, m.Member)
	}
	for _, member := range assign.Owners(plain) {
		of[member].partitions++
	}
	all := slices.Collect(maps.Values(stakes))
	return *slices.MinFunc(all, func(a, b *stake) int {
		return cmp.Or(cmp.Compare(b.partitions, a.partitions), cmp.Compare(b.members, a.members), cmp.Compare(a.topology, b.topology))
	})
}

// misfits are the members whose topology is not the one that the group runs, and what they are told.
func (r *Runtime) misfits(members []kafka.JoinedMember, runs stake) map[string]string {
	out := map[string]string{}
	for _, m := range members {
		if m.Data.Topology == runs.topology {
			continue
		}
		r.c.Log.Warn("a member with another topology is turned away", zap.String("member", m.ID), zap.String("topology", fmt.Sprintf("%016x", m.Data.Topology)), zap.Stringer("group", runs))
		out[m.ID] = fmt.Sprintf("member %s of group %q has topology %016x, but the group runs topology %s, and a task must mean the same to all: "+
			"either stop all members and start them with the new topology, or run it under another application id", m.ID, r.c.App, m.Data.Topology, runs)
	}
	return out
}

// counts are the partitions of the topics that are read. A pattern's topic counts when all know it: the client of a member that does not
// would not read it, and its tasks would move to the members that do, and soon back.
func (r *Runtime) counts(j kafka.Joined, misfits map[string]string) map[string]int32 {
	known, all := map[string]int{}, 0
	for _, m := range j.Members {
		if _, misfit := misfits[m.ID]; misfit {
			continue
		}
		all++
		for _, topic := range m.Topics {
			known[topic]++
		}
	}
	counts := maps.Clone(j.Partitions)
	maps.DeleteFunc(counts, func(topic string, _ int32) bool {
		return known[topic] < all && !slices.Contains(r.subscribe, topic)
	})
	return counts
}

// unchanged refuses a plan in which internal topics have other counts than they were given.
func (r *Runtime) unchanged(plan *topology.Plan) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var faults []error
	for _, t := range plan.Internal {
		if had := r.planned[t.Name]; had != 0 && had != t.Partitions {
			faults = append(faults, wrongCount(t.Name, had, t.Partitions))
		}
	}
	return errors.Join(faults...)
}

// makeNew makes internal topics that were not needed before: a pattern has matched its first topic.
func (r *Runtime) makeNew(plan *topology.Plan) (refusal, err error) {
	r.mu.Lock()
	fresh := slices.DeleteFunc(slices.Clone(plan.Internal), func(t topology.InternalTopic) bool { return r.planned[t.Name] != 0 })
	r.mu.Unlock()
	if len(fresh) == 0 {
		return nil, nil
	}
	return r.provide(r.ctx, fresh)
}

// provide makes those internal topics that do not exist; a refusal is about one that exists with another count.
func (r *Runtime) provide(ctx context.Context, internal []topology.InternalTopic) (refusal, err error) {
	names := make([]string, len(internal))
	for i, t := range internal {
		names[i] = t.Name
	}
	exist, err := r.cluster.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	missing, refusal := r.compared(internal, exist)
	if refusal != nil {
		return refusal, nil
	}
	if err := r.cluster.CreateTopics(ctx, missing...); err != nil {
		return nil, fmt.Errorf("internal topics: %w", err)
	}
	for _, t := range missing {
		r.c.Log.Info("internal topic made", zap.String("topic", t.Name), zap.Int32("partitions", t.Partitions))
	}
	r.warnSettings(internal, r.topics.learn(ctx, names...))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range internal {
		r.planned[t.Name] = t.Partitions
	}
	return nil, nil
}

// compared holds internal topics against what exists.
func (r *Runtime) compared(internal []topology.InternalTopic, exist map[string]kafka.TopicInfo) (missing []kafka.NewTopic, refusal error) {
	var faults []error
	for _, t := range internal {
		have := exist[t.Name].Partitions
		switch {
		case have == 0:
			missing = append(missing, kafka.NewTopic{Name: t.Name, Partitions: t.Partitions, Replication: r.c.Replication, Configs: t.Config})
		case have != t.Partitions:
			faults = append(faults, wrongCount(t.Name, have, t.Partitions))
		}
	}
	return missing, errors.Join(faults...)
}
