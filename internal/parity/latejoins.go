package parity

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The records of a left or outer join that meet nothing are emitted by Kafka Streams 4.3.1 when it comes by them: its gate takes the time of the row
// that it looked at last for the least one, and tests it with the window of the side whose record came. So closed ones wait, some for ever, and some are
// matched after they were closed. Here they are emitted at the first record at which they are closed.
//
// lateJoins edits a run into that. What waits is taken from the changelog of the store that both sides share, where it is put and deleted; without a
// changelog, from the inputs that led to nothing.
func lateJoins(c *Case, r Run) Run {
	e := lateEdit{c: c, wait: waits(c.What), every: c.emitEvery().Milliseconds(), time: -1, keyed: strings.HasSuffix(c.Name, "-key"), logged: !strings.HasSuffix(c.Name, "/no-changelog")}
	for i := range r.Steps {
		s := &r.Steps[i]
		e.wall += s.Advance
		if s.In != nil {
			s.Out = e.step(s)
		}
	}
	for name, s := range r.Stores {
		if strings.HasSuffix(name, "-shared-join-store") {
			s.Rows = e.rows()
			r.Stores[name] = s
		}
	}
	return r
}

// span says how the time of the other record may differ from this one's, in ms.
type span struct{ before, after, grace int64 }

var (
	spanWithin = regexp.MustCompile(`within (\d+)`)
	spanSides  = regexp.MustCompile(`before (-?\d+), after (-?\d+)`)
	spanGrace  = regexp.MustCompile(`grace (\d+)`)
)

// spanOf reads the windows of a join out of a case's definition, which has seconds.
func spanOf(what string) (s span) {
	ms := func(text string) int64 {
		n, _ := strconv.ParseInt(text, 10, 64)
		return n * 1000
	}
	if m := spanWithin.FindStringSubmatch(what); m != nil {
		s.before, s.after = ms(m[1]), ms(m[1])
	}
	if m := spanSides.FindStringSubmatch(what); m != nil {
		s.before, s.after = ms(m[1]), ms(m[2])
	}
	if m := spanGrace.FindStringSubmatch(what); m != nil {
		s.grace = ms(m[1])
	}
	return s
}

// waits are how long records of the right and the left side wait.
func waits(what string) [2]int64 {
	s := spanOf(what)
	return [2]int64{s.before + s.grace, s.after + s.grace}
}

// waiting is what was put under one key of the store: time ‖ side (1) ‖ key, so that keys sort as they are emitted.
type waiting struct {
	key    Bytes
	side   byte
	at     int64
	values []Bytes
}

type lateEdit struct {
	c      *Case
	wait   [2]int64
	every  int64
	keyed  bool // results begin with the key
	logged bool
	open   []waiting
	time   int64 // the join's
	wall   int64
	due    int64
	topic  string // of the shared store's changelog
}

func (e *lateEdit) has(key Bytes) bool {
	return slices.ContainsFunc(e.open, func(w waiting) bool { return bytes.Equal(w.key, key) })
}

// rows are what waits at the end.
func (e *lateEdit) rows() (all []Row) {
	for _, w := range e.open {
		for _, v := range w.values {
			all = append(all, Row{Key: w.key, Value: append(Bytes{w.side}, v...), Start: -1, End: -1, Time: -1})
		}
	}
	return all
}

// closed says whether a record waits no more at a time.
func (e *lateEdit) closed(w waiting, time int64) bool { return w.at+e.wait[w.side] < time }

// step is what comes of a step: what has closed, and all that Kafka Streams sent but for what it emitted late.
func (e *lateEdit) step(s *Step) (out []Record) {
	e.time = max(e.time, s.In.Time)
	if e.wall >= e.due {
		out = e.emit(s)
	}
	met := false
	for _, r := range s.Out {
		switch {
		case r.Topic == "out":
			if r.Time < s.In.Time { // of a record that had waited
				continue
			}
			met = true
		case strings.HasSuffix(r.Topic, "-shared-join-store-changelog"):
			if !e.logs(s, r) {
				continue
			}
		}
		out = append(out, r)
	}
	if !e.logged {
		e.infer(s, met)
	}
	return out
}

// emit forwards and deletes what has closed.
func (e *lateEdit) emit(s *Step) (out []Record) {
	slices.SortFunc(e.open, func(a, b waiting) int { return bytes.Compare(a.key, b.key) })
	e.open = slices.DeleteFunc(e.open, func(w waiting) bool {
		if !e.closed(w, e.time) {
			return false
		}
		e.due = e.wall + e.every
		for _, v := range w.values {
			out = append(out, Record{Topic: "out", Key: w.key[stamp+1:], Value: e.alone(w, v), Time: w.at, Headers: s.In.Headers})
		}
		if e.logged {
			out = append(out, Record{Topic: e.topic, Key: w.key, Time: s.In.Time})
		}
		return true
	})
	return out
}

// alone is the result of a value and nothing.
func (e *lateEdit) alone(w waiting, v Bytes) Bytes {
	text := string(v) + "/null"
	if w.side == 0 {
		text = "null/" + string(v)
	}
	if e.keyed {
		text = string(w.key[stamp+1:]) + ":" + text
	}
	return Bytes(text)
}

// logs takes a record of the shared store's changelog, and says whether it stays: a deletion does where something was matched that still waits.
func (e *lateEdit) logs(s *Step, r Record) bool {
	e.topic = r.Topic
	w := waiting{key: r.Key, side: r.Key[stamp], at: int64(binary.BigEndian.Uint64(r.Key))}
	if r.Value == nil && (e.closed(w, s.In.Time) || !e.has(r.Key)) {
		return false
	}
	e.open = slices.DeleteFunc(e.open, func(o waiting) bool { return bytes.Equal(o.key, r.Key) })
	if r.Value != nil {
		for _, row := range unlist(r.Value) {
			w.values = append(w.values, row[1:])
		}
		e.open = append(e.open, w)
	}
	return true
}

// infer finds what waits without a changelog: an input that meets something ends the waiting of what it meets, one that leads to nothing waits itself.
func (e *lateEdit) infer(s *Step, met bool) {
	if s.In.Key == nil || s.In.Value == nil {
		return
	}
	w := waiting{side: 1, at: s.In.Time, values: []Bytes{s.In.Value}}
	windows := spanOf(e.c.What)
	from, to := w.at-windows.before, w.at+windows.after
	if s.In.Topic == "in2" {
		w.side, from, to = 0, w.at-windows.after, w.at+windows.before
	}
	w.key = append(binary.BigEndian.AppendUint64(nil, uint64(w.at)), w.side)
	w.key = append(w.key, s.In.Key...)
	if met {
		e.open = slices.DeleteFunc(e.open, func(o waiting) bool {
			return o.side != w.side && o.at >= from && o.at <= to && bytes.Equal(o.key[stamp+1:], s.In.Key)
		})
		return
	}
	e.open = append(e.open, w)
}
