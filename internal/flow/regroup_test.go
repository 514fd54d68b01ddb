package flow_test

import (
	"testing"

	"github.com/weirstream/weir/internal/flow"
	"github.com/weirstream/weir/serde"
)

type textChange = flow.Change[string]

// TestChangeSerde holds the bytes of Kafka's ChangedSerializer, and reads those that Kafka Streams 3.5 wrote.
func TestChangeSerde(t *testing.T) {
	s := flow.ChangeSerde(serde.String())
	long := string(make([]byte, 70))
	for _, c := range []struct {
		change textChange
		bytes  string
	}{
		{textChange{New: "ab", HasNew: true}, "ab\x01"},
		{textChange{Old: "ab", HasOld: true}, "ab\x00"},
		{textChange{New: "ab", Old: "c", HasNew: true, HasOld: true}, "\x04abc\x02"},
		{textChange{New: "", HasNew: true}, "\x01"},
		{textChange{New: "", Old: "", HasNew: true, HasOld: true}, "\x00\x02"},
		{textChange{New: long, Old: "c", HasNew: true, HasOld: true}, "\x8c\x01" + long + "c\x02"},
	} {
		b, err := s.Append([]byte("before"), c.change)
		if err != nil || string(b) != "before"+c.bytes {
			t.Errorf("%+v is %q, want %q: %v", c.change, b, c.bytes, err)
		}
		latest := []byte(c.bytes[:len(c.bytes)-1] + "\x01" + string(c.bytes[len(c.bytes)-1]+3))
		for _, b := range [][]byte{[]byte(c.bytes), latest} {
			if got, err := s.Decode(b); err != nil || got != c.change {
				t.Errorf("%q is %+v, want %+v: %v", b, got, c.change, err)
			}
		}
	}
	if _, err := s.Append(nil, textChange{}); err == nil {
		t.Error("nothing was encoded")
	}
	for _, wrong := range []string{"", "a\x06", "\x03", "\x04a\x02", "\x01ab\x02", "\xff\x02"} {
		if c, err := s.Decode([]byte(wrong)); err == nil {
			t.Errorf("%q is %+v", wrong, c)
		}
	}
}

func FuzzChangeSerde(f *testing.F) {
	f.Add([]byte("\x04abc\x02"))
	s := flow.ChangeSerde(serde.String())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := s.Decode(b)
		if err != nil {
			return
		}
		again, err := s.Append(nil, c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Decode(again); err != nil || got != c {
			t.Fatalf("%+v became %+v: %v", c, got, err)
		}
	})
}
