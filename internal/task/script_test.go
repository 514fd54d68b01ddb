package task_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/internal/offsetmeta"
	"github.com/weirstream/weir/processor"
	"github.com/weirstream/weir/topology"
)

// TestScripts runs the scenarios in testdata. A script is blocks of commands; under each command that has something to tell stands what
// happened.
//
//	source NAME [topics=a,b] [pattern=p] [partitions=2] [skip|partition-time|wall-clock]
//	config [idle=1s] [queue=300] [cache=0] [decide=skip,retry,dead,fail] [store] [store=source]
//	start
//	in TOPIC PARTITION k=ann v=1 @0s [offset=7] [h=x]     without k or v it is null; control instead of k and v is a marker
//	end TOPIC PARTITION OFFSET, position TOPIC PARTITION OFFSET
//	step [MAX], advance 1s, punctuate, wake, status, resumable
//	needed, commit, prepare, committed, store
//	crash [kept] [disk]   abandon the task and start a new one from what was committed; the changelog's tail may be kept, the rows lost
//	retake                the same on the stores as they are
//	abandon, close
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "reset" {
				w = newWorld()
				return ""
			}
			var out strings.Builder
			for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
				w.trace = nil
				head := w.run(t, strings.Fields(line))
				if head == "" && len(w.trace) == 0 {
					continue
				}
				fmt.Fprintf(&out, "%s: %s\n", line, head)
				for _, s := range w.trace {
					fmt.Fprintf(&out, "  %s\n", s)
				}
			}
			return strings.ReplaceAll(out.String(), ": \n", ":\n")
		})
	})
}

func (w *world) run(t *testing.T, f []string) string {
	cmd, args := f[0], f[1:]
	switch cmd {
	case "source":
		w.source(args)
	case "config":
		w.configure(args)
	case "start":
		return failed(w.start())
	case "in":
		return w.in(args)
	case "end":
		p := partition(args)
		w.task.SetEnd(p, number(args[2]))
	case "position":
		w.task.SetPosition(partition(args), number(args[2]))
	case "step":
		return w.step(args)
	case "advance":
		w.now += parse(args[0])
	case "punctuate":
		return failed(w.task.Punctuate(w.now))
	case "wake":
		if at, ok := w.task.Wake(); ok {
			return "at " + ms(at)
		}
		return "never"
	case "status":
		return w.status()
	case "resumable":
		return fmt.Sprint(w.task.Resumable())
	case "needed":
		return fmt.Sprintf("%v, wanted %v", w.task.CommitNeeded(), w.task.CommitWanted())
	case "prepare":
		return w.prepare()
	case "committed":
		return w.finish()
	case "commit":
		text := w.prepare()
		if w.pending == nil {
			return text
		}
		return text + w.finish()
	case "abandon":
		return failed(w.task.Abandon())
	case "close":
		return failed(w.task.Close())
	case "crash":
		return failed(w.task.Abandon()) + failed(w.stores.crash(args)) + failed(w.start())
	case "retake":
		return failed(w.task.Abandon()) + failed(w.startOn(w.stores.set))
	case "store":
		return w.stores.print()
	default:
		t.Fatalf("unknown command %q", cmd)
	}
	return ""
}

func failed(err error) string {
	if err == nil {
		return ""
	}
	return "error: " + brief(err)
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func partition(args []string) flow.TopicPartition {
	return flow.TopicPartition{Topic: args[0], Partition: int32(number(args[1]))}
}

func (w *world) source(args []string) {
	s := &sourceSpec{name: args[0]}
	partitions, topics := int64(1), []string{args[0]}
	for _, a := range args[1:] {
		key, val, _ := strings.Cut(a, "=")
		switch key {
		case "topics":
			topics = strings.Split(val, ",")
		case "pattern":
			s.pattern = val
		case "partitions":
			partitions = number(val)
		case "skip":
			s.policy = flow.SkipInvalidTime
		case "partition-time":
			s.policy = flow.UsePartitionTime
		case "wall-clock":
			s.policy = flow.WallClockTime
		}
	}
	for _, name := range topics {
		if s.pattern == "" {
			s.topics = append(s.topics, topology.Topic{Name: name})
		}
		for i := range partitions {
			w.pushed[flow.TopicPartition{Topic: name, Partition: int32(i)}] = 0
		}
	}
	w.sources = append(w.sources, s)
}

func (w *world) configure(args []string) {
	for _, a := range args {
		key, val, _ := strings.Cut(a, "=")
		switch key {
		case "idle":
			w.config.MaxIdle = -1
			if val != "never" {
				w.config.MaxIdle = parse(val)
			}
		case "queue":
			w.config.QueueBytes = number(val)
		case "cache":
			w.config.CacheBytes = number(val)
		case "store":
			w.stores.declare(val)
		case "fail-init":
			w.stores.failInit = val != "no"
		case "fail-close":
			w.stores.failClose = val != "no"
		case "decide":
			w.decisions = nil
			for _, d := range strings.Split(val, ",") {
				w.decisions = append(w.decisions, map[string]processor.Decision{"skip": processor.Skip(), "retry": processor.Retry(time.Second),
					"dead": processor.DeadLetter("dead"), "fail": processor.Fail()}[d])
			}
		}
	}
}

func (w *world) in(args []string) string {
	p := partition(args)
	raw := flow.Raw{Offset: w.pushed[p], LeaderEpoch: 1}
	for _, a := range args[2:] {
		key, val, _ := strings.Cut(a, "=")
		switch {
		case key == "k":
			raw.Key = []byte(val)
		case key == "v":
			raw.Value = []byte(val)
		case key == "control":
			raw.Control = true
		case key == "offset":
			raw.Offset = number(val)
		case strings.HasPrefix(key, "@"):
			raw.Time = parse(key[1:])
		default:
			raw.Headers = append(raw.Headers, processor.Header{Key: key, Value: []byte(val)})
		}
	}
	w.pushed[p] = raw.Offset + 1
	full, err := w.task.Push(p, []flow.Raw{raw})
	if full {
		return "full"
	}
	return failed(err)
}

func (w *world) step(args []string) string {
	most := 1000
	if len(args) > 0 {
		most = int(number(args[0]))
	}
	n, err := w.task.Step(w.now, most)
	if err != nil {
		return fmt.Sprintf("took %d, %s", n, failed(err))
	}
	return fmt.Sprintf("took %d", n)
}

func (w *world) status() string {
	s := w.task.Status()
	out := "stream time " + known(s.StreamTime)
	for _, in := range s.Inputs {
		out += fmt.Sprintf("; %s at %d of %d, %d wait", in.TopicPartition, in.Position, in.End, in.Records)
	}
	return out
}

// prepare is the first half of a commit, as text.
func (w *world) prepare() string {
	offsets, err := w.task.PrepareCommit()
	if err != nil {
		return failed(err)
	}
	w.pending = offsets
	var all []string
	for p, o := range offsets {
		m, err := offsetmeta.Decode(o.Metadata)
		if err != nil {
			return err.Error()
		}
		text := fmt.Sprintf("%s at %d, epoch %d, time %s", p, o.Next, o.Epoch, known(m.PartitionTime))
		for _, name := range slices.Sorted(maps.Keys(m.Watermarks)) {
			text += fmt.Sprintf(", %s %s", name, ms(m.Watermarks[name]))
		}
		all = append(all, text)
	}
	slices.Sort(all)
	if all == nil {
		return "nothing"
	}
	return strings.Join(all, "; ")
}

// finish commits the offsets, then lets the task apply its state.
func (w *world) finish() string {
	for p, o := range w.pending {
		w.committed[p] = o
	}
	w.pending = nil
	return failed(w.task.Committed(w.stores.acknowledged()))
}
