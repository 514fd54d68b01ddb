package parity

import (
	"slices"
	"strings"
)

// Renamed are, by case, the stores whose names cannot be given here: those of a join follow from the join's.
var Renamed = map[string]map[string]string{
	"stream-stream/in-memory": {"this": "j-this-join-store", "other": "j-other-join-store"},
}

// Renames reports whether a case's stores have the names of which Renamed says that they are Kafka's, and others when they are renamed.
func (r *Recorded) Renames(name string) (bool, error) {
	c, err := r.Case(name)
	if err != nil {
		return false, err
	}
	changed := len(Renamed[name]) > 0
	for old := range Renamed[name] {
		_, has := c.Runs[0].Stores[old]
		changed = changed && has && strings.Contains(c.Describe, "["+old+"]")
	}
	return changed && len(Diff(c.Runs[0], c.Runs[0].clone().withStores(Renamed[name]))) > 0, nil
}

// withStores is the case with other names for stores and their changelogs.
func (c *Case) withStores(names map[string]string) *Case {
	made := *c
	made.Runs = nil
	for old, name := range names {
		made.Describe = strings.ReplaceAll(made.Describe, "(stores: ["+old+"])", "(stores: ["+name+"])")
	}
	for _, run := range c.Runs {
		made.Runs = append(made.Runs, run.clone().withStores(names))
	}
	return &made
}

func (r Run) withStores(names map[string]string) Run {
	for old, name := range names {
		if s, ok := r.Stores[old]; ok {
			delete(r.Stores, old)
			r.Stores[name] = s
		}
		for _, s := range r.Steps {
			for i := range s.Out {
				if s.Out[i].Topic == "app-"+old+"-changelog" {
					s.Out[i].Topic = "app-" + name + "-changelog"
				}
			}
		}
	}
	return r
}

// memoryStores edits a run of a join of in and in2 whose stores of a retention, in ms, are in memory: Kafka Streams' refuse each record that has expired,
// ours those whose whole segment has, as persistent stores do; and in Kafka Streams' null values move the time.
func memoryStores(retention int64) func(c *Case, r Run) Run {
	return func(_ *Case, r Run) Run {
		for topic, store := range map[string]string{"in": "j-this-join-store", "in2": "j-other-join-store"} {
			r.Stores[store] = Store{Kind: "window", Rows: memoryRows(topic, r.Steps, retention)}
		}
		return r
	}
}

// memoryRows puts right what the steps count as dropped from a topic's store, and returns what the store shows in the end.
func memoryRows(topic string, steps []Step, retention int64) (rows []Row) {
	const segment = 60_000
	kafka, ours := int64(0), int64(0)
	for i := range steps {
		s := &steps[i]
		if s.In == nil || s.In.Key == nil || s.In.Topic != topic {
			continue
		}
		at := s.In.Time
		if kafka = max(kafka, at); at <= kafka-retention {
			s.Dropped--
		}
		if s.In.Value == nil {
			continue
		}
		ours = max(ours, at)
		if floor := ours - retention; floor >= 0 && at/segment < floor/segment {
			s.Dropped++
			continue
		}
		rows = append(rows, Row{Key: s.In.Key, Value: s.In.Value, Start: at, End: -1, Time: -1})
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Start <= ours-retention })
}
