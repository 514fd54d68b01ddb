package parity

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Case is a recorded topology.
type Case struct {
	Name       string            `json:"case"` // family/name
	What       string            // its definition in words
	Inputs     []string          // the topics that are sent to
	Config     map[string]string // of Kafka Streams
	Partitions map[string]int    // of topics that have more than one
	Describe   string            // Kafka's
	Runs       []Run             `json:"-"`
}

// Run is what one sequence of inputs led to.
type Run struct {
	Seed   int64
	Steps  []Step
	Stores map[string]Store // at the end; none when the last step failed
}

// Step is one input, or one advance of the wall clock, and what came of it.
type Step struct {
	In      *Record
	Advance int64 // ms
	Out     []Record
	Dropped int64
	Error   string // the class of the exception that ended the run
}

// Record is a record of a topic.
type Record struct {
	Topic     string
	Partition *int // where it was recorded
	Key       Bytes
	Value     Bytes
	Time      int64 // ms
	Headers   []Header
}

// Header is a header of a record.
type Header struct {
	Key   string
	Value Bytes
}

// Store is what a store holds.
type Store struct {
	Kind  string // key-value, timestamped, window, timestamped-window, session, versioned, buffer; unreadable where Kafka cannot list it
	Rows  []Row  // of a buffer as its changelog has them; Kafka lists none
	Count int    // of a buffer
	From  int64  // the least time in a buffer that is not empty, ms
}

// Row is a row of a store. Times are in ms, and −1 where the kind has none.
type Row struct {
	Key, Value Bytes
	Start, End int64 // of a window, of a session, or of the time in which a version is valid; an End of −1 is open
	Time       int64
}

// UnmarshalJSON fills in the times that are not there.
func (r *Row) UnmarshalJSON(b []byte) error {
	type plain Row
	p := plain{Start: -1, End: -1, Time: -1}
	err := strict(b, &p)
	*r = Row(p)
	return err
}

// UnmarshalJSON reads ["key", "value"].
func (h *Header) UnmarshalJSON(b []byte) error {
	var pair [2]Bytes
	err := json.Unmarshal(b, &pair)
	h.Key, h.Value = string(pair[0]), pair[1]
	return err
}

// Bytes are a key or a value; nil is null. In files and messages they are text where all of it is printable ASCII, else 0x and hex.
type Bytes []byte

// String is the bytes as files have them.
func (b Bytes) String() string {
	if b == nil {
		return "null"
	}
	if bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) || bytes.HasPrefix(b, []byte("0x")) {
		return "0x" + hex.EncodeToString(b)
	}
	return string(b)
}

// UnmarshalJSON is the opposite of String.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		*b = nil
		return err
	}
	digits, isHex := strings.CutPrefix(*s, "0x")
	if !isHex {
		*b = []byte(*s)
		return nil
	}
	raw, err := hex.DecodeString(digits)
	*b = raw
	return err
}

// String is the record on one line.
func (r Record) String() string {
	s := fmt.Sprintf("%s %s=%s @%d", r.Topic, r.Key, r.Value, r.Time)
	if r.Partition != nil {
		s += fmt.Sprintf(" partition %d", *r.Partition)
	}
	for _, h := range r.Headers {
		s += fmt.Sprintf(" %s:%s", h.Key, h.Value)
	}
	return s
}

// String is the row on one line.
func (r Row) String() string {
	s := fmt.Sprintf("%s=%s", r.Key, r.Value)
	for _, t := range []struct {
		name string
		at   int64
	}{{"start", r.Start}, {"end", r.End}, {"time", r.Time}} {
		if t.at >= 0 {
			s += fmt.Sprintf(" %s %d", t.name, t.at)
		}
	}
	return s
}

func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
