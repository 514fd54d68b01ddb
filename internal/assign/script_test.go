package assign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The scripts in testdata/scripts play scenes of a group's life:
//
//	members                      add, change or (with "gone") remove members, one a line:
//	  a process=p1 rack=r1 topics=(in,side) owned=(in-0) generation=3 at=(0_1:20,0_2:latest)
//	tasks                        set the tasks, a sub-topology a line, its topics with their numbers of partitions:
//	  0 in:4 side:2 stateful end=100
//	plan standbys=1 warmups=2 acceptable=10       print the plan
//	assignable                   print what of the last plan may be handed out now
//	adopt                        hand out and join again until nothing is withheld, printing rounds; states are then restored
//	read 50                      every warm-up and standby comes nearer by so many records
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &scene{group: &group{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
	})
}

type scene struct {
	*group
	target map[string]Assignment
}

func (s *scene) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "members":
		for line := range strings.Lines(d.Input) {
			s.member(t, d, line)
		}
		return ""
	case "tasks":
		s.tasks = nil
		for line := range strings.Lines(d.Input) {
			s.subTopology(t, d, line)
		}
		return ""
	case "plan":
		return s.planned(t, d)
	case "assignable":
		now, followUp := Assignable(s.target, s.members, s.tasks)
		return s.print(now) + fmt.Sprintf("follow-up: %v\n", followUp)
	case "adopt":
		return s.adopted()
	case "read":
		n, err := strconv.ParseInt(d.CmdArgs[0].Key, 10, 64)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return s.read(n)
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

func (s *scene) member(t *testing.T, d *datadriven.TestData, line string) {
	_, args, err := datadriven.ParseLine("member " + line)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	id := args[0].Key
	at := slices.IndexFunc(s.members, func(m Member) bool { return m.ID == id })
	if at < 0 {
		at = len(s.members)
		s.members = append(s.members, Member{ID: id, Process: id, Topics: []string{"in"}})
	}
	m := &s.members[at]
	for _, a := range args[1:] {
		a.Vals = slices.DeleteFunc(a.Vals, func(v string) bool { return v == "" }) // owned=()
		switch a.Key {
		case "gone":
			s.remove(id)
			return
		case "process":
			m.Process = a.Vals[0]
		case "rack":
			m.Rack = a.Vals[0]
		case "topics":
			m.Topics = a.Vals
		case "generation":
			n, err := strconv.ParseInt(a.Vals[0], 10, 32)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			m.Generation = int32(n)
		case "owned":
			m.Owned = parseEach(t, d, a.Vals, parsePartition)
		case "at":
			m.Positions = map[TaskID]int64{}
			for _, v := range a.Vals {
				id, at, _ := strings.Cut(v, ":")
				n, err := strconv.ParseInt(strings.ReplaceAll(at, "latest", strconv.Itoa(Latest)), 10, 64)
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				m.Positions[parseEach(t, d, []string{id}, ParseTaskID)[0]] = n
			}
		default:
			d.Fatalf(t, "unknown property %q", a.Key)
		}
	}
}

func parseEach[T any](t *testing.T, d *datadriven.TestData, texts []string, parse func(string) (T, error)) (all []T) {
	for _, text := range texts {
		v, err := parse(text)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		all = append(all, v)
	}
	return all
}

func parsePartition(text string) (TopicPartition, error) {
	at := strings.LastIndexByte(text, '-')
	n, err := strconv.ParseInt(text[at+1:], 10, 32)
	return TopicPartition{text[:max(at, 0)], int32(n)}, err
}

func (s *scene) subTopology(t *testing.T, d *datadriven.TestData, line string) {
	fields := strings.Fields(line)
	sub, err := strconv.ParseInt(fields[0], 10, 32)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	tasks := map[int32]Task{}
	common := Task{}
	for _, field := range fields[1:] {
		if field == "stateful" {
			common.Stateful = true
			continue
		}
		at := strings.IndexAny(field, ":=")
		n, err := strconv.ParseInt(field[at+1:], 10, 64)
		if at < 0 || err != nil {
			d.Fatalf(t, "%q: want stateful, end=records or topic:partitions", field)
		}
		if field[:at] == "end" {
			common.LogEnd = n
			continue
		}
		for p := range int32(n) {
			task := tasks[p]
			task.Sources = append(task.Sources, TopicPartition{field[:at], p})
			tasks[p] = task
		}
	}
	for p := range int32(len(tasks)) {
		s.tasks = append(s.tasks, Task{TaskID{int32(sub), p}, tasks[p].Sources, common.Stateful, common.LogEnd})
	}
}

func (s *scene) planned(t *testing.T, d *datadriven.TestData) string {
	s.opts = Options{}
	d.MaybeScanArgs(t, "standbys", &s.opts.Standbys)
	d.MaybeScanArgs(t, "warmups", &s.opts.Warmups)
	d.MaybeScanArgs(t, "acceptable", &s.opts.AcceptableLag)
	plan, left := Plan(s.members, s.tasks, s.opts)
	s.target = plan
	out := s.print(plan)
	if len(left) > 0 {
		out += fmt.Sprintf("nobody subscribes to the topics of %v\n", left)
	}
	return out
}

func (s *scene) print(plan map[string]Assignment) string {
	var b strings.Builder
	for _, m := range s.members {
		a := plan[m.ID]
		fmt.Fprintf(&b, "%-8s active %v", m.ID, a.Active)
		if len(a.Standby) > 0 {
			fmt.Fprintf(&b, "  standby %v", a.Standby)
		}
		if len(a.Warmup) > 0 {
			fmt.Fprintf(&b, "  warm-up %v", a.Warmup)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *scene) adopted() string {
	var b strings.Builder
	for round, followUp := 1, true; followUp; round++ {
		if round > 4 {
			return b.String() + "and so on\n"
		}
		var now map[string]Assignment
		now, followUp = Assignable(s.target, s.members, s.tasks)
		fmt.Fprintf(&b, "round %d\n%s", round, s.print(now))
		s.take(now)
		s.target = s.plan()
	}
	return b.String()
}

// take makes members own what they were given. Who was given state has it, a warm-up or a standby none of it yet; nobody loses any.
func (s *scene) take(now map[string]Assignment) {
	for i := range s.members {
		m := &s.members[i]
		m.Generation++
		m.Owned = Partitions(s.tasks, now[m.ID].Active)
		for _, id := range now[m.ID].Active {
			if s.task(id).Stateful {
				s.states(m)[id] = Latest
			}
		}
		for _, id := range slices.Concat(now[m.ID].Standby, now[m.ID].Warmup) {
			if _, has := s.states(m)[id]; !has {
				s.states(m)[id] = 0
			}
		}
	}
}

// states are the positions of a member's process, reported by its first member.
func (s *scene) states(m *Member) map[TaskID]int64 {
	first := &s.members[slices.IndexFunc(s.members, func(o Member) bool { return o.Process == m.Process })]
	if first.Positions == nil {
		first.Positions = map[TaskID]int64{}
	}
	return first.Positions
}

func (s *scene) read(n int64) string {
	var b strings.Builder
	for _, m := range s.members {
		var lags []string
		for _, t := range s.tasks {
			if at, has := m.Positions[t.ID]; has {
				if at != Latest {
					m.Positions[t.ID] = min(at+n, t.LogEnd)
				}
				lags = append(lags, fmt.Sprintf("%s:%d", t.ID, max(t.LogEnd-m.Positions[t.ID], 0)))
			}
		}
		fmt.Fprintf(&b, "%-8s %s\n", m.ID, strings.Join(lags, " "))
	}
	return b.String()
}
