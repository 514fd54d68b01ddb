package parity

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Diff says how a run differs from what is wanted of it, a line for each difference, in the order of the steps; nothing when they agree.
func Diff(want, got Run) []string {
	var d differ
	for i := range max(len(want.Steps), len(got.Steps)) {
		if i >= len(want.Steps) || i >= len(got.Steps) {
			d.add("%d steps, want %d", len(got.Steps), len(want.Steps))
			break
		}
		d.at = fmt.Sprintf("step %d, %s", i, want.Steps[i].cause())
		d.step(want.Steps[i], got.Steps[i])
	}
	d.at = "stores"
	if want.Stores != nil {
		d.stores(want.listed(), got.Stores)
	}
	return d.found
}

// cause is what the step was given.
func (s Step) cause() string {
	if s.In == nil {
		return fmt.Sprintf("advance %d ms", s.Advance)
	}
	return s.In.String()
}

// differ collects differences.
type differ struct {
	at    string
	found []string
}

func (d *differ) add(format string, args ...any) {
	d.found = append(d.found, d.at+": "+fmt.Sprintf(format, args...))
}

func (d *differ) step(want, got Step) {
	if !sameFailure(want.Error, got.Error) {
		d.add("error %q, want %q", got.Error, want.Error)
	}
	d.topics(want.Out, got.Out)
	if want.Dropped != got.Dropped {
		d.add("%d dropped, want %d", got.Dropped, want.Dropped)
	}
}

// exceptions are what our errors say where Kafka Streams throws an exception of a class: of its own classes there is one for much.
var exceptions = map[string]*regexp.Regexp{
	"IllegalStateException":  regexp.MustCompile(`^weirtest: task \d_\d: processing: node .*: h$`), // the user's own
	"SerializationException": regexp.MustCompile(`^weirtest: task \d_\d: decoding: node .*: value: int64: `),
	"StreamsException":       regexp.MustCompile(`: (event time: -\d+ ms is before the epoch|store "s-store": suppression buffer is full: )`),
}

// sameFailure says that an error of ours, "" for none, is of the kind of an exception. A class that is not known is like no error.
func sameFailure(class, ours string) bool {
	if class == "" || ours == "" {
		return class == ours
	}
	kind := exceptions[class]
	return kind != nil && kind.MatchString(ours)
}

// topics compares the records of each topic, those of a changelog key by key.
func (d *differ) topics(want, got []Record) {
	whole := unplaced(want)
	wanted, gotten := lanes(want, whole), lanes(got, whole)
	for _, lane := range both(wanted, gotten) {
		d.records(lane, wanted[lane], gotten[lane])
	}
}

// unplaced are the topics with records for which Kafka Streams left the partition to the producer: which that is was not recorded.
func unplaced(all []Record) map[string]bool {
	topics := map[string]bool{}
	for _, r := range all {
		if r.Partition == nil {
			topics[r.Topic] = true
		}
	}
	return topics
}

// lanes are the records that have an order among each other: those of a partition, or of a whole topic where partitions are not known.
func lanes(all []Record, whole map[string]bool) map[string][]Record {
	by := map[string][]Record{}
	for _, r := range all {
		lane := r.Topic
		if IsChangelog(r.Topic) {
			lane += " of " + r.Key.String()
		} else if r.Partition != nil && !whole[r.Topic] {
			lane += fmt.Sprintf("-%d", *r.Partition)
		}
		by[lane] = append(by[lane], r)
	}
	return by
}

// IsChangelog reports whether a topic is a changelog.
func IsChangelog(topic string) bool { return strings.HasSuffix(topic, "-changelog") }

func (d *differ) records(lane string, want, got []Record) {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			d.add("%s: missing %s", lane, want[i])
		case i >= len(want):
			d.add("%s: extra %s", lane, got[i])
		case !want[i].equal(got[i]):
			d.add("%s: record %d is %s, want %s", lane, i, got[i], want[i])
		}
	}
}

// Unset is the time of records that Kafka Streams sends without one: the broker gives them its own.
const Unset = -1

// equal compares what was recorded with what came.
func (r Record) equal(o Record) bool {
	placed := r.Partition == nil || o.Partition != nil && *r.Partition == *o.Partition
	return placed && r.Topic == o.Topic && (r.Time == o.Time || r.Time == Unset) && same(r.Key, o.Key) && same(r.Value, o.Value) &&
		slices.EqualFunc(r.Headers, o.Headers, func(a, b Header) bool { return a.Key == b.Key && same(a.Value, b.Value) })
}

// same tells null from empty.
func same(a, b Bytes) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func (d *differ) stores(want, got map[string]Store) {
	for _, name := range both(want, got) {
		w, wanted := want[name]
		g, has := got[name]
		switch {
		case !has:
			d.add("no store %q", name)
		case !wanted:
			d.add("a store %q too many", name)
		case w.Kind == "unreadable":
		case w.Kind == "buffer":
			if w.Count != g.Count || w.Count > 0 && w.From != g.From {
				d.add("%s: %d from %d, want %d from %d", name, g.Count, g.From, w.Count, w.From)
			}
			if w.Rows != nil {
				d.rows(name, w.Rows, g.Rows)
			}
		default:
			d.rows(name, w.bared().shown(w.Kind), g.shown(w.Kind))
		}
	}
}

// listed are the stores with the rows of buffers that have changelogs, which Kafka Streams does not list: what a changelog has left of each key.
func (r Run) listed() map[string]Store {
	all := maps.Clone(r.Stores)
	for name, s := range all {
		if s.Kind == "buffer" {
			s.Rows = r.left("app-" + name + "-changelog")
			all[name] = s
		}
	}
	return all
}

// left are the last values of the keys of a changelog, without those that were deleted; nil where it has no records.
func (r Run) left(changelog string) (rows []Row) {
	last := map[string]Bytes{}
	for _, s := range r.Steps {
		for _, rec := range s.Out {
			if rec.Topic == changelog {
				last[string(rec.Key)] = rec.Value
				rows = []Row{}
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(last)) {
		if v := last[key]; v != nil {
			rows = append(rows, Row{Key: Bytes(key), Value: v, Start: -1, End: -1, Time: -1})
		}
	}
	return rows
}

// shown are the rows without what a kind of store in Kafka Streams does not have: a window's end, which follows from its start, and, where the kind does
// not say timestamped, a time.
func (s Store) shown(kind string) (all []Row) {
	for _, r := range s.Rows {
		if strings.HasSuffix(kind, "window") {
			r.End = -1
		}
		if !strings.HasPrefix(kind, "timestamped") {
			r.Time = -1
		}
		all = append(all, r)
	}
	return all
}

// rows compares rows whatever their order.
func (d *differ) rows(name string, want, got []Row) {
	counts := map[string]int{}
	for _, r := range want {
		counts[r.String()]++
	}
	for _, r := range got {
		counts[r.String()]--
	}
	d.uneven(name+": ", "row", counts)
}

// uneven tells of what there is more of on one side: more than 0 where it is missing.
func (d *differ) uneven(where, what string, counts map[string]int) {
	for _, one := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[one]; n > 0 {
			d.add("%smissing %s %s", where, what, one)
		} else if n < 0 {
			d.add("%sextra %s %s", where, what, one)
		}
	}
}

func both[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
