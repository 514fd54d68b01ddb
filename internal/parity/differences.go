package parity

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is something that weir does otherwise than Kafka Streams, on purpose. It edits what was recorded into exactly what weir does instead.
type Difference struct {
	Name string // of its row in docs/semantics.md
	Why  string // in one sentence
	// Cases are where it occurs, each with the case that was given the same inputs and does what weir does here; "" where there is none.
	Cases map[string]string
	// Whole are cases, other than Cases, of which weir makes all of another one that was given the same inputs, its description too.
	Whole map[string]string
	// Run edits one run, which is its own, with the help of the other case's; Describe edits the description. Nil leaves it as it is.
	Run      func(r, other Run) Run
	Of       func(c *Case, r Run) Run // Run, where the case says how
	Describe func(text string) string
}

// MaxDifferences is how many there may be at most.
const MaxDifferences = 12

// Differences are all of them.
var Differences = []Difference{
	{
		Name: "Optimisations",
		Why: "Kafka Streams loses null keys below merged repartition topics, and matches of self-joins in one store, and repartitions a group without a name once for each " +
			"aggregation: an optimisation must not change results",
		Cases: map[string]string{"optimizer/self-join-edge": "optimizer/self-join-edge-not"},
		Run:   withTopic("out"),
		Whole: map[string]string{
			"optimizer/repartitions-null-keys":   "optimizer/repartitions-null-keys-not",
			"optimizer/repartitions-unnamed-not": "optimizer/repartitions-unnamed",
			"optimizer/self-join-left":           "optimizer/self-join-left-not",
			"optimizer/self-join-outer":          "optimizer/self-join-outer-not",
		},
	},
	{
		Name: "Windows that close late",
		Why:  "Kafka Streams looks for closed windows only as far back as the retention reaches, and never emits those that a jump of time has put beyond",
		Cases: map[string]string{
			"windows/tumbling-close-default-retention": "windows/tumbling-close",
			"sessions/close-default-retention":         "sessions/close",
			"sliding/close-default-retention":          "sliding/close",
		},
		Run: withTopic("out"),
	},
	{
		Name:  "The first result of an aggregate",
		Why:   "Kafka Streams gives the initializer's value as the value before the first result, so that what follows takes back what was never there",
		Cases: map[string]string{"aggregates/count-filtered": "", "tables/group-of-count": "", "windows/windowed-table-group-by": ""},
		Run:   withoutInitialValues,
	},
	{
		Name:  "Null keys of a left join with grace",
		Why:   "Kafka Streams fails with a NullPointerException where a left join without grace joins a null key with nothing",
		Cases: map[string]string{"stream-table/grace-left-null-key": ""},
		Run:   joinedWithNothing,
	},
	{
		Name: "Joined with nothing, late",
		Why:  "Kafka Streams forgets which record of a left or outer join has waited longest, and emits many long after their windows have closed",
		Cases: together(alike("stream-stream", "left", "left-after", "left-before", "left-key", "left-negative-after", "left-negative-before", "left-no-grace",
			"left-null-keys", "left-rekeyed", "left-throttled", "no-changelog", "outer", "outer-after", "outer-before",
			"outer-key", "outer-negative-after", "outer-negative-before", "outer-no-grace", "outer-null-keys", "outer-rekeyed",
			"outer-throttled", "self-outer"),
			alike("optimizer", "self-join-left", "self-join-left-not", "self-join-outer", "self-join-outer-not")),
		Of: lateJoins,
	},
	{
		Name:  "Stores in memory",
		Why:   "Kafka Streams' window stores in memory refuse records one by one, persistent ones by segments; an engine must not change results",
		Cases: alike("stream-stream", "in-memory"),
		Of:    memoryStores(13_000),
		Whole: map[string]string{"stores/window-scans-in-memory": "stores/window-scans", "stores/session-scans-in-memory": "stores/session-scans"},
	},
	{
		Name:  "A table joined with itself",
		Why:   "Kafka Streams forwards the same result from both sides, and no tombstone when the row is deleted",
		Cases: map[string]string{"table-table/self": ""},
		Run:   onceFromItself,
	},
	{
		Name:  "Windows that close too soon after a look",
		Why:   "Kafka Streams waits for another record, which may never come",
		Cases: map[string]string{"windows/tumbling-close-throttled": "", "sessions/close-throttled": "", "sliding/close-throttled": ""},
		Of:    lookedForLater,
	},
	{
		Name:  "Dead letters",
		Why:   "Kafka Streams forgets the source's key and value once a sink has sent something: what cannot be replayed is no dead letter",
		Cases: alike("errors", "process-dead-letter-after-sink"),
		Run:   withSource("dead"),
	},
	heldOlds,
	{
		Name:  "Equal times without grace",
		Why:   "Kafka Streams keeps nothing for a join within 0 without grace, which then joins nothing",
		Whole: map[string]string{"stream-stream/inner-zero-no-grace": "stream-stream/inner-zero-shortest-grace"},
	},
	{
		Name:  "Rows deleted in a cache",
		Why:   "Kafka Streams shows a row that was deleted in the cache, and not yet below it, to who scans backwards as if it were there, with null or its last value",
		Cases: alike("stores", "window-cached", "session-cached"),
		Run:   asForwards,
	},
}

// asForwards makes a store's answer of rows backwards the one of the same rows forwards, turned round.
func asForwards(r, _ Run) Run {
	const turn = " back:"
	for _, s := range r.Steps {
		for i, rec := range s.Out {
			if forwards, _, ok := strings.Cut(string(rec.Value), turn); ok && rec.Topic == "out" {
				rows := strings.SplitAfter(forwards, ",")
				slices.Reverse(rows)
				s.Out[i].Value = Bytes(forwards + turn + strings.Join(rows, ""))
			}
		}
	}
	return r
}

// onceFromItself takes the second of equal results away, and adds the tombstone of a row that was there.
func onceFromItself(r, _ Run) Run {
	rows := map[string]bool{}
	for i, s := range r.Steps {
		r.Steps[i].Out = slices.CompactFunc(s.Out, func(a, b Record) bool { return a.equal(b) })
		if s.In == nil || s.In.Key == nil {
			continue
		}
		k := string(s.In.Key)
		if s.In.Value == nil && rows[k] {
			r.Steps[i].Out = append(r.Steps[i].Out, Record{Topic: "out", Key: s.In.Key, Time: s.In.Time, Headers: s.In.Headers})
		}
		rows[k] = s.In.Value != nil
	}
	return r
}

// withSource gives a topic's records the key and value of the record that came in.
func withSource(topic string) func(r, _ Run) Run {
	return func(r, _ Run) Run {
		for _, s := range r.Steps {
			for i, rec := range s.Out {
				if rec.Topic == topic {
					s.Out[i].Key, s.Out[i].Value = s.In.Key, s.In.Value
				}
			}
		}
		return r
	}
}

// joinedWithNothing puts the result of a left join in place of Kafka's failure, with which a run ends.
func joinedWithNothing(r, _ Run) Run {
	last := &r.Steps[len(r.Steps)-1]
	if last.Error != "" && last.In.Key == nil && last.In.Value != nil {
		last.Error = ""
		last.Out = []Record{{Topic: "out", Value: append(slices.Clone(last.In.Value), "/null"...), Time: last.In.Time, Headers: last.In.Headers}}
	}
	return r
}

// withoutInitialValues leaves out what came of the value before the first result of a count, which is 0: the group of 0, tombstones in out that
// delete nothing, and where 0 was taken out of an aggregate that writes down what it does.
func withoutInitialValues(r, _ Run) Run {
	there := map[string]bool{}
	for i := range r.Steps {
		s := &r.Steps[i]
		s.Out = slices.DeleteFunc(s.Out, func(rec Record) bool {
			if rec.Topic != "out" {
				return string(rec.Key) == "0"
			}
			was := there[string(rec.Key)]
			there[string(rec.Key)] = rec.Value != nil
			return !was && rec.Value == nil
		})
		for j, rec := range s.Out {
			s.Out[j].Value = withoutZero(rec.Value)
		}
	}
	for _, s := range r.Stores {
		for j, row := range s.Rows {
			s.Rows[j].Value = withoutZero(row.Value)
		}
	}
	return r
}

// alike are cases of a family that have no other case to be compared with.
func alike(family string, names ...string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		all[family+"/"+name] = ""
	}
	return all
}

// together are the cases of several families.
func together(parts ...map[string]string) map[string]string {
	one := map[string]string{}
	for _, p := range parts {
		maps.Copy(one, p)
	}
	return one
}

// withoutZero takes an old value of 0 out of a change, and what it did out of an aggregate.
func withoutZero(v Bytes) Bytes {
	if old, ok := bytes.CutSuffix(v, []byte("0\x02")); ok && int(old[0]) == 2*(len(old)-1) {
		return append(slices.Clone(old[1:]), 1)
	}
	return bytes.ReplaceAll(v, []byte("-0"), nil)
}

// withTopic takes a topic's records from the other case.
func withTopic(topic string) func(r, other Run) Run {
	return func(r, other Run) Run {
		elsewhere := func(rec Record) bool { return rec.Topic == topic }
		for i := range r.Steps {
			r.Steps[i].Out = slices.DeleteFunc(r.Steps[i].Out, elsewhere)
			for _, rec := range other.Steps[i].Out {
				if elsewhere(rec) {
					r.Steps[i].Out = append(r.Steps[i].Out, rec)
				}
			}
		}
		return r
	}
}

// Expected is a case as weir does it: as recorded, after all differences that concern it.
func (r *Recorded) Expected(name string) (*Case, error) {
	c, err := r.Case(name)
	if names, ok := Renamed[name]; ok && err == nil {
		c = c.withStores(names)
	}
	for _, d := range Differences {
		if d.concerns(name) && err == nil {
			c, err = r.edited(c, d)
		}
	}
	if err != nil {
		return nil, err
	}
	for i, run := range c.Runs {
		c.Runs[i] = c.comparable(run)
	}
	return c, nil
}

// Concerned are the names of the cases in which the difference occurs.
func (d Difference) Concerned() []string {
	return slices.AppendSeq(slices.Collect(maps.Keys(d.Cases)), maps.Keys(d.Whole))
}

func (d Difference) concerns(name string) bool { return slices.Contains(d.Concerned(), name) }

// other is the case with which one is compared; itself where there is none.
func (r *Recorded) other(c *Case, name string) (*Case, error) {
	if name == "" {
		return c, nil
	}
	other, err := r.Case(name)
	if err != nil {
		return nil, err
	}
	for i, run := range c.Runs {
		if other.Runs[i].Seed != run.Seed {
			return nil, fmt.Errorf("parity: %s and %s have other inputs", c.Name, other.Name)
		}
	}
	return other, nil
}

// edited is a case after one difference.
func (r *Recorded) edited(c *Case, d Difference) (*Case, error) {
	whole := d.Whole[c.Name]
	other, err := r.other(c, d.Cases[c.Name]+whole)
	if err != nil {
		return nil, err
	}
	e := *c
	if whole != "" {
		e.Describe, e.Runs = other.Describe, other.Runs
		return &e, nil
	}
	if d.Describe != nil {
		e.Describe = d.Describe(c.Describe)
	}
	e.Runs = nil
	for i, run := range c.Runs {
		if run = run.clone(); d.Run != nil {
			run = d.Run(run, other.Runs[i])
		}
		if d.Of != nil {
			run = d.Of(c, run)
		}
		e.Runs = append(e.Runs, run)
	}
	return &e, nil
}

// Occurs reports whether a difference changes a recorded case.
func (r *Recorded) Occurs(d Difference, name string) (bool, error) {
	c, err := r.Case(name)
	if err != nil {
		return false, err
	}
	e, err := r.edited(c, d)
	if err != nil {
		return false, err
	}
	changed := e.Describe != c.Describe
	for i := range c.Runs {
		changed = changed || len(Diff(c.Runs[i], e.Runs[i])) > 0
	}
	return changed, nil
}

// clone copies what an edit may change: steps, their records' lists, and the stores' rows. Bytes are shared.
func (r Run) clone() Run {
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		r.Steps[i].Out = slices.Clone(s.Out)
	}
	stores := map[string]Store{}
	for name, s := range r.Stores {
		s.Rows = slices.Clone(s.Rows)
		stores[name] = s
	}
	if r.Stores != nil {
		r.Stores = stores
	}
	return r
}
