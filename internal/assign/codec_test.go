package assign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawIDs(t *rapid.T, name string) []TaskID {
	id := rapid.Custom(func(t *rapid.T) TaskID {
		number := rapid.OneOf(rapid.Int32Range(0, 20), rapid.Int32())
		return TaskID{number.Draw(t, "sub"), number.Draw(t, "partition")}
	})
	ids := rapid.SliceOfDistinct(id, rapid.ID).Draw(t, name)
	slices.SortFunc(ids, TaskID.Compare)
	return slices.Clip(append([]TaskID(nil), ids...))
}

func drawMemberData(t *rapid.T) MemberData {
	d := MemberData{Rack: rapid.String().Draw(t, "rack"), Endpoint: rapid.String().Draw(t, "endpoint"), Topology: rapid.Uint64().Draw(t, "topology")}
	copy(d.Process[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "process"))
	for _, id := range drawIDs(t, "states") {
		if d.Positions == nil {
			d.Positions = map[TaskID]int64{}
		}
		d.Positions[id] = rapid.OneOf(rapid.Int64Range(0, math.MaxInt64), rapid.Just(int64(Latest))).Draw(t, "position")
	}
	return d
}

func drawAssignmentData(t *rapid.T) AssignmentData {
	d := AssignmentData{Error: rapid.String().Draw(t, "error")}
	d.Active, d.Standby, d.Warmup = drawIDs(t, "active"), drawIDs(t, "standby"), drawIDs(t, "warmup")
	for range rapid.IntRange(0, 3).Draw(t, "peers") {
		d.Group = append(d.Group, Peer{rapid.String().Draw(t, "endpoint"), drawIDs(t, "peer active"), drawIDs(t, "peer standby")})
	}
	return d
}

func TestMemberDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawMemberData(t)
		b := want.Append([]byte("kept"))
		got, err := DecodeMember(b[4:])
		if diff := cmp.Diff(want, got); err != nil || diff != "" || string(b[:4]) != "kept" {
			t.Fatalf("%v\n%s", err, diff)
		}
		if again := got.Append(nil); !bytes.Equal(again, b[4:]) {
			t.Fatal("the same data, other bytes")
		}
		everyCutFails(t, b[4:], func(b []byte) error { _, err := DecodeMember(b); return err })
	})
}

func TestAssignmentDataRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawAssignmentData(t)
		b := want.Append([]byte("kept"))
		got, err := DecodeAssignment(b[4:])
		if diff := cmp.Diff(want, got); err != nil || diff != "" || string(b[:4]) != "kept" {
			t.Fatalf("%v\n%s", err, diff)
		}
		everyCutFails(t, b[4:], func(b []byte) error { _, err := DecodeAssignment(b); return err })
	})
}

// everyCutFails also appends: in our own version a tail is a fault, in a newer one it is not.
func everyCutFails(t *rapid.T, b []byte, decode func([]byte) error) {
	for n := range min(len(b), 64) {
		if err := decode(b[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d of %d: %v", n, len(b), err)
		}
	}
	if b[1] != plain {
		return
	}
	tail := append(slices.Clone(b), "what version 2 added"...)
	if err := decode(tail); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a tail in our own version: %v", err)
	}
	tail[0] = version + 1
	if err := decode(tail); err != nil {
		t.Fatalf("a tail in a newer version: %v", err)
	}
}

// A newer version packs its body too.
func TestNewerVersionsTailIsIgnoredWhenDeflated(t *testing.T) {
	want := MemberData{Rack: "r", Topology: 7}
	for p := range int32(2000) {
		if want.Positions == nil {
			want.Positions = map[TaskID]int64{}
		}
		want.Positions[TaskID{1, p}] = 100
	}
	b := want.Append(nil)
	if b[1] != deflated {
		t.Fatal("want a deflated body")
	}
	body, err := inflate(b[2:])
	if err != nil {
		t.Fatal(err)
	}
	body = append(body, "what version 2 added"...)
	newer := append([]byte{version + 1, deflated}, deflate(body)...)
	got, err := DecodeMember(newer)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	own := append([]byte{version, deflated}, deflate(body)...)
	if _, err := DecodeMember(own); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a tail in our own version: %v", err)
	}
}

func TestDecodersNameTheFault(t *testing.T) {
	head := []byte{version, plain}
	zero := func(n int) []byte { return make([]byte, n) }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	upToStates := join(head, zero(16), zero(1), zero(1), zero(8))
	for _, c := range []struct {
		want string
		b    []byte
	}{
		{"cut off", nil},
		{"version 0", []byte{0, plain}},
		{"packing 7", []byte{version, 7}},
		{"inflate", []byte{version, deflated, 0xff}},
		{"inflates to more", join([]byte{version, deflated}, deflate(zero(maxBody+1)))},
		{"ends early", join(head, zero(3))},
		{"a length of 9", join(head, zero(16), []byte{9, 'a'})},
		{"without tasks", join(upToStates, []byte{1, 0, 0})},
		{"out of order", join(upToStates, []byte{1, 0, 2, 2, 5, 0, 5})},
		{"out of order or range", join(upToStates, []byte{1}, binary.AppendVarint(nil, math.MaxInt32+1), []byte{1, 0, 0})},
		{"a position of", join(upToStates, []byte{1, 0, 1, 0}, binary.AppendUvarint(nil, math.MaxUint64))},
		{"1 bytes too many", join(upToStates, []byte{0, 0})},
	} {
		_, err := DecodeMember(c.b)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "member data: ") {
			t.Errorf("%v: %v, want %q", c.b[:min(len(c.b), 40)], err, c.want)
		}
	}
	if _, err := DecodeAssignment([]byte{version, plain, 1}); !errors.Is(err, ErrCorrupt) || !strings.HasPrefix(err.Error(), "assignment data: ") {
		t.Error(err)
	}
}

func TestNegativePositionIsWrittenAsZero(t *testing.T) {
	d, err := DecodeMember(MemberData{Positions: map[TaskID]int64{{0, 1}: -2}}.Append(nil))
	if err != nil || d.Positions[TaskID{0, 1}] != 0 || len(d.Positions) != 1 {
		t.Fatal(d, err)
	}
}

// Group metadata is one record in __consumer_offsets, at most 1 MB by default, and holds what all members sent and got.
func TestUserDataFitsGroupMetadata(t *testing.T) {
	const limit = 1 << 20
	g := &group{opts: Options{Standbys: 1}}
	for i := range int32(1000) {
		g.tasks = append(g.tasks, Task{ID: TaskID{i / 100, i % 100}, Sources: []TopicPartition{{fmt.Sprint("t", i/100), i % 100}}, Stateful: true, LogEnd: 1 << 40})
	}
	for i := range 64 { // the worst: each a process of its own, so that all report states
		g.addMember(fmt.Sprintf("p%02d", i), "m")
	}
	sizes := g.userData(t)
	t.Logf("64 members, 1000 tasks: joins %d bytes, assignments %d", sizes[0], sizes[1])
	if sizes[0]+sizes[1] > limit {
		t.Fatalf("joins take %d bytes, assignments %d: together more than %d", sizes[0], sizes[1], limit)
	}
}

// userData encodes what members with a state of every task, at random positions, would exchange.
func (g *group) userData(t *testing.T) (sizes [2]int) {
	r := rand.New(rand.NewSource(1))
	plan := g.plan()
	var peers []Peer
	for i, m := range g.members {
		d := MemberData{Rack: "eu-west-1a", Endpoint: fmt.Sprintf("10.0.0.%d:8080", i), Topology: 1, Positions: map[TaskID]int64{}}
		r.Read(d.Process[:])
		for _, task := range g.tasks {
			d.Positions[task.ID] = r.Int63n(1 << 34)
		}
		b := d.Append(nil)
		if _, err := DecodeMember(b); err != nil {
			t.Fatal(err)
		}
		sizes[0] += len(b)
		peers = append(peers, Peer{d.Endpoint, plan[m.ID].Active, plan[m.ID].Standby})
	}
	for _, m := range g.members {
		b := AssignmentData{Assignment: plan[m.ID], Group: peers}.Append(nil)
		if _, err := DecodeAssignment(b); err != nil {
			t.Fatal(err)
		}
		sizes[1] += len(b)
	}
	return sizes
}

func FuzzDecodeMember(f *testing.F) {
	f.Add(MemberData{Rack: "r1", Endpoint: "h:1", Topology: 5, Positions: map[TaskID]int64{{0, 1}: 7, {2, 3}: 1 << 40, {3, 0}: Latest}}.Append(nil))
	f.Add([]byte{version, deflated, 0x4a, 0x4c, 0x04, 0x04, 0x00, 0x00, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeMember(b)
		if err != nil {
			return
		}
		again, err := DecodeMember(d.Append(nil))
		if diff := cmp.Diff(d, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}

func FuzzDecodeAssignment(f *testing.F) {
	f.Add(AssignmentData{Assignment: Assignment{Active: []TaskID{{0, 1}, {0, 2}, {5, 0}}, Warmup: []TaskID{{1, 1}}}, Group: []Peer{{"h:1", []TaskID{{0, 1}}, nil}}, Error: "no topic in"}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeAssignment(b)
		if err != nil {
			return
		}
		again, err := DecodeAssignment(d.Append(nil))
		if diff := cmp.Diff(d, again); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	})
}
