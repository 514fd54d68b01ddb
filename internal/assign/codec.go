package assign

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// Both kinds of user data are: version (uvarint), packing (one byte: 0 plain, 1 deflated), body. A body is fields in a fixed order: numbers as uvarints, texts with
// their length in front, tasks grouped by sub-topology, each id as the (zigzag) distance from the one before.
//
// A later version may only add fields at the end. A reader takes the fields it knows from a newer version and ignores the rest; bytes left over in its own
// version are a fault.
const (
	version = 1

	plain    = 0
	deflated = 1

	// packFrom is the size from which deflating is worth its buffers.
	packFrom = 1 << 10
	// maxBody bounds what a deflated body may grow to: a broken member must not take the leader's memory.
	maxBody = 2 << 20
)

// ErrCorrupt is wrapped by every error of a decoder.
var ErrCorrupt = errors.New("corrupt user data")

// MemberData is what a member tells the leader when it joins.
type MemberData struct {
	Process  [16]byte // lives in the state directory
	Rack     string
	Endpoint string // where other processes may query this one's state; empty: nowhere
	Topology uint64 // a hash of the topology: members of one group must agree
	// Positions are those of every state on the process: the sum over its stores of the next changelog offset to read, or Latest where the task
	// runs. It is nil but for one member of a process. A negative position is written as 0.
	Positions map[TaskID]int64
}

// AssignmentData is what the leader tells a member besides its partitions. It says nothing of a generation: the same plan is the same bytes.
type AssignmentData struct {
	Assignment        // what the member shall have in the end: Active may hold tasks whose partitions are still withheld
	Group      []Peer // where everybody's state is, for queries
	Error      string // why the leader assigns nothing, to the whole group (a missing source topic) or to the member (another topology); empty: it does
}

// Peer is a process of the group that can be queried.
type Peer struct {
	Endpoint        string
	Active, Standby []TaskID
}

// Append appends the encoding of d to dst.
func (d MemberData) Append(dst []byte) []byte {
	body := slices.Clone(d.Process[:])
	body = appendText(body, d.Rack)
	body = appendText(body, d.Endpoint)
	body = binary.BigEndian.AppendUint64(body, d.Topology)
	body = appendTasks(body, slices.Collect(maps.Keys(d.Positions)), func(dst []byte, id TaskID) []byte {
		if d.Positions[id] == Latest {
			return append(dst, 0) // the most frequent one is the shortest
		}
		return binary.AppendUvarint(dst, 1+uint64(max(d.Positions[id], 0)))
	})
	return seal(dst, body)
}

// DecodeMember reads what Append wrote. It keeps no reference to b.
func DecodeMember(b []byte) (MemberData, error) {
	var d MemberData
	r := open(b)
	copy(d.Process[:], r.bytes(len(d.Process)))
	d.Rack, d.Endpoint = r.text(), r.text()
	d.Topology = r.fixed64()
	r.tasks(func(id TaskID) {
		if d.Positions == nil {
			d.Positions = map[TaskID]int64{}
		}
		d.Positions[id] = r.position()
	})
	if err := r.end(); err != nil {
		return MemberData{}, fmt.Errorf("member data: %w", err)
	}
	return d, nil
}

// Append appends the encoding of d to dst. Lists of tasks are sets: they come back sorted, without duplicates, and nil when empty.
func (d AssignmentData) Append(dst []byte) []byte {
	var body []byte
	for _, ids := range [][]TaskID{d.Active, d.Standby, d.Warmup} {
		body = appendTasks(body, ids, nil)
	}
	body = appendText(body, d.Error)
	body = binary.AppendUvarint(body, uint64(len(d.Group)))
	for _, peer := range d.Group {
		body = appendText(body, peer.Endpoint)
		body = appendTasks(body, peer.Active, nil)
		body = appendTasks(body, peer.Standby, nil)
	}
	return seal(dst, body)
}

// DecodeAssignment reads what Append wrote. It keeps no reference to b.
func DecodeAssignment(b []byte) (AssignmentData, error) {
	var d AssignmentData
	r := open(b)
	d.Active, d.Standby, d.Warmup = r.list(), r.list(), r.list()
	d.Error = r.text()
	for n := r.count(); n > 0 && r.err == nil; n-- {
		d.Group = append(d.Group, Peer{r.text(), r.list(), r.list()})
	}
	if err := r.end(); err != nil {
		return AssignmentData{}, fmt.Errorf("assignment data: %w", err)
	}
	return d, nil
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendTasks writes a set of tasks, and behind each what more appends.
func appendTasks(dst []byte, ids []TaskID, more func([]byte, TaskID) []byte) []byte {
	sorted := slices.Compact(slices.SortedFunc(slices.Values(ids), TaskID.Compare))
	subs := slices.Collect(chunks(sorted))
	dst = binary.AppendUvarint(dst, uint64(len(subs)))
	var sub int64
	for _, group := range subs {
		dst = binary.AppendVarint(dst, int64(group[0].Sub)-sub)
		dst = binary.AppendUvarint(dst, uint64(len(group)))
		sub = int64(group[0].Sub)
		var partition int64
		for _, id := range group {
			dst = binary.AppendVarint(dst, int64(id.Partition)-partition)
			partition = int64(id.Partition)
			if more != nil {
				dst = more(dst, id)
			}
		}
	}
	return dst
}

// chunks yields the runs of one sub-topology.
func chunks(sorted []TaskID) func(yield func([]TaskID) bool) {
	return func(yield func([]TaskID) bool) {
		for len(sorted) > 0 {
			n := slices.IndexFunc(sorted, func(id TaskID) bool { return id.Sub != sorted[0].Sub })
			if n < 0 {
				n = len(sorted)
			}
			if !yield(sorted[:n]) {
				return
			}
			sorted = sorted[n:]
		}
	}
}

func seal(dst, body []byte) []byte {
	dst = binary.AppendUvarint(dst, version)
	if len(body) >= packFrom {
		if packed := deflate(body); len(packed) < len(body) {
			return append(append(dst, deflated), packed...)
		}
	}
	return append(append(dst, plain), body...)
}

func deflate(body []byte) []byte {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("assign: deflate into memory: " + err.Error())
	}
	return buf.Bytes()
}

func inflate(packed []byte) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: inflate: %v", ErrCorrupt, err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("%w: inflates to more than %d bytes", ErrCorrupt, maxBody)
	}
	return body, nil
}

// reader reads a body. After the first fault it returns zero values; end tells the fault.
type reader struct {
	b     []byte
	newer bool
	err   error
}

// open strips the envelope.
func open(b []byte) *reader {
	r := &reader{b: b}
	v := r.uvarint()
	r.newer = v > version
	packing := r.bytes(1)
	switch {
	case r.err != nil:
	case v == 0:
		r.fail("version 0")
	case packing[0] == deflated:
		r.b, r.err = inflate(r.b)
	case packing[0] != plain:
		r.fail("packing %d", packing[0])
	}
	return r
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
	}
	r.b = nil
}

func (r *reader) end() error {
	if len(r.b) > 0 && !r.newer {
		r.fail("%d bytes too many", len(r.b))
	}
	return r.err
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail("ends early")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	return v * uint64(r.took(n))
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	return v * int64(r.took(n))
}

// took steps over a varint of n bytes; it returns 0 if there was none, else 1.
func (r *reader) took(n int) int {
	if n <= 0 {
		r.fail("a number is cut off or too large")
		return 0
	}
	r.b = r.b[n:]
	return 1
}

func (r *reader) fixed64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// count reads the length of something of which each element takes a byte or more.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail("a length of %d with %d bytes left", n, len(r.b))
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.bytes(r.count())) }

func (r *reader) position() int64 {
	v := r.uvarint()
	switch {
	case r.err == nil && v == 0:
		return Latest
	case v > math.MaxInt64:
		r.fail("a position of %d", v-1)
		return 0
	}
	return int64(v - 1)
}

func (r *reader) list() []TaskID {
	var ids []TaskID
	r.tasks(func(id TaskID) { ids = append(ids, id) })
	return ids
}

// tasks reads a set of tasks; each is called for every one, and reads what follows it.
func (r *reader) tasks(each func(TaskID)) {
	sub := number{}
	for groups := r.count(); groups > 0 && r.err == nil; groups-- {
		r.advance(&sub)
		r.group(sub.value, each)
	}
}

func (r *reader) group(sub int32, each func(TaskID)) {
	n := r.count()
	if n == 0 {
		r.fail("a sub-topology without tasks")
	}
	for partition := (number{}); n > 0; n-- {
		r.advance(&partition)
		if r.err != nil {
			return
		}
		each(TaskID{sub, partition.value})
	}
}

// number is one that is written as the distance from the one before; only the first distance may be zero or less.
type number struct {
	value int32
	begun bool
}

func (r *reader) advance(n *number) {
	d := r.varint()
	if d <= 0 && n.begun || d < math.MinInt32 || d > math.MaxInt32-int64(n.value) {
		r.fail("a task number is out of order or range")
		return
	}
	n.value, n.begun = int32(int64(n.value)+d), true
}
