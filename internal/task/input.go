package task

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/offsetmeta"
	"github.com/weirstream/weir/topology"
)

// input is one partition that the task reads.
type input struct {
	flow.TopicPartition
	node   string // the source's
	rank   rank
	queue  flow.Queue
	begin  flow.Beginner // the queue
	time   int64         // the partition's, as committed
	at     int64         // event time of the head
	next   int64         // nothing before it will be pushed any more
	end    int64         // −1 unknown
	asked  int64         // what Confirm said of it, open transactions included
	until  int64         // when an empty queue of zero lag ceases to hold the others back; −1 while that is not counted
	mark   int64         // the position that need not be committed; −1 before anything was pushed
	paused bool
}

// rank orders inputs for ties: by source, then by the source's topics.
type rank struct{ source, topic int }

func (a rank) compare(b rank) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.topic, b.topic))
}

// addInputs restores the partitions' times and, from them, stream time. The watermarks are the greatest of all partitions'.
func (t *Task) addInputs() error {
	t.watermarks = map[string]int64{}
	for _, c := range t.c.Inputs {
		if t.byName[c.TopicPartition] != nil {
			return fmt.Errorf("input %s is given twice", c.TopicPartition)
		}
		meta, _ := offsetmeta.Decode(c.Metadata) // unreadable is unknown: anyone may commit an offset
		in := &input{TopicPartition: c.TopicPartition, time: meta.PartitionTime, next: c.Start, end: -1, until: -1, mark: -1}
		t.inputs = append(t.inputs, in)
		t.env.Starts[c.TopicPartition] = c.Start
		t.byName[c.TopicPartition] = in
		t.env.StreamTime = max(t.env.StreamTime, meta.PartitionTime)
		for name, at := range meta.Watermarks {
			t.watermarks[name] = max(at, t.watermarks[name])
		}
	}
	return nil
}

// join gives every input the queue of the source that reads its topic.
func (t *Task) join(sources []topology.InstanceSource) error {
	for _, in := range t.inputs {
		s, ok := t.reader(sources, in)
		if !ok {
			return fmt.Errorf("no source reads topic %q", in.Topic)
		}
		in.node = s.Node.Name
		in.queue = s.Source.Queue(in.Topic, in.Partition)
		if in.begin, ok = in.queue.(flow.Beginner); !ok {
			return fmt.Errorf("source %q: its queue, %T, cannot say what is in process", in.node, in.queue)
		}
		in.queue.SetPartitionTime(in.time)
	}
	slices.SortFunc(t.inputs, func(a, b *input) int {
		return cmp.Or(a.rank.compare(b.rank), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return nil
}

// reader finds the source of an input: one that names the topic, before one whose pattern fits.
func (t *Task) reader(sources []topology.InstanceSource, in *input) (topology.InstanceSource, bool) {
	for i, s := range sources {
		for j, topic := range s.Node.Topics {
			if topic.In(t.c.App) == in.Topic {
				in.rank = rank{i, j}
				return s, true
			}
		}
	}
	for i, s := range sources {
		if s.Node.Pattern != "" && regexp.MustCompile("^(?:"+s.Node.Pattern+")$").MatchString(in.Topic) {
			in.rank = rank{i, 0}
			return s, true
		}
	}
	return topology.InstanceSource{}, false
}

// Push adds fetched records, in the order of their offsets, to the queue of a partition. full asks for the partition to be paused; records that
// come nevertheless are taken.
func (t *Task) Push(p flow.TopicPartition, recs []flow.Raw) (full bool, err error) {
	in, err := t.input(p)
	if err != nil {
		return false, err
	}
	if len(recs) > 0 {
		t.quiet = -1
	}
	for i := range recs {
		if err := in.push(&recs[i]); err != nil {
			return false, t.named(err)
		}
	}
	if t.c.QueueBytes > 0 && in.queue.Bytes() > t.c.QueueBytes {
		in.paused = true
	}
	return in.paused, nil
}

func (in *input) push(raw *flow.Raw) error {
	if raw.Offset < in.next {
		return fmt.Errorf("%s: offset %d is pushed where %d or a later one is due", in.TopicPartition, raw.Offset, in.next)
	}
	if in.mark < 0 {
		in.mark = raw.Offset
	}
	in.next = raw.Offset + 1
	in.queue.Push(*raw)
	return nil
}

func (t *Task) input(p flow.TopicPartition) (*input, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	in := t.byName[p]
	if in == nil {
		return nil, t.named(fmt.Errorf("%s is none of its inputs", p))
	}
	return in, nil
}

// SetEnd says where a partition is known to end: lag = end − position of what was pushed. Until it is known an empty queue waits.
// Partitions that the task does not read are ignored.
func (t *Task) SetEnd(p flow.TopicPartition, end int64) {
	if in := t.byName[p]; in != nil {
		in.end = end
	}
}

// SetPosition says that nothing before an offset will be pushed any more: where reading begins, once a reset policy has found it out, or the
// end of a gap in the log. It counts for the lag alone.
func (t *Task) SetPosition(p flow.TopicPartition, next int64) {
	if in := t.byName[p]; in != nil {
		in.next = max(in.next, next)
	}
}

// Resumable are paused partitions whose queue has fallen under half its limit; each is returned once.
func (t *Task) Resumable() (some []flow.TopicPartition) {
	for _, in := range t.inputs {
		if in.paused && 2*in.queue.Bytes() < t.c.QueueBytes {
			in.paused = false
			some = append(some, in.TopicPartition)
		}
	}
	return some
}

// choose is the input whose head comes next, nil while the task waits. All heads are decoded, so that records that are dropped there hold
// nothing up.
func (t *Task) choose(now int64) (first *input, err error) {
	wait, until := false, int64(-1)
	for _, in := range t.inputs {
		t.node = in.node
		at, ok, err := in.queue.Head()
		if err != nil {
			return nil, err
		}
		switch {
		case ok:
			in.at, in.until = at, -1
			if first == nil || at < first.at {
				first = in
			}
		case t.c.MaxIdle < 0:
		case in.end < 0 || in.end > in.next:
			in.until, wait = -1, true
		default:
			if in.until < 0 {
				in.until = now + t.c.MaxIdle
			}
			if in.until > now {
				until = max(until, in.until)
			}
		}
	}
	t.idleUntil = -1
	if first == nil || wait {
		return nil, nil
	}
	if until >= 0 {
		t.idleUntil = until
		return nil, nil
	}
	return first, nil
}
