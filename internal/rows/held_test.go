package rows

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// What Kafka Streams wrote: golden/testdata/topologies/suppress/tumbling, and a header.
func TestHeldOnTheWire(t *testing.T) {
	headers := AppendHeader(nil, "h", []byte("h6"))
	for _, x := range []struct {
		h    Held
		want string
	}{
		{
			Held{Context: Context{Topic: "in", Time: 0x34e15f}, Prior: make([]byte, 8), Old: make([]byte, 8), New: []byte("12345678"), At: 0x34f2b0},
			"000000000034e15f 0000000000000000 00000002 696e 00000000 00000000 00000008 0000000000000000 fffffffe 00000008 3132333435363738 000000000034f2b0",
		},
		{
			Held{Context: Context{Topic: "in", Offset: 7, Partition: 1, Time: 1}, RawHeaders: headers, Old: []byte{}, At: 2},
			"0000000000000001 0000000000000007 00000002 696e 00000001 00000001 00000001 68 00000002 6836 ffffffff 00000000 ffffffff 0000000000000002",
		},
	} {
		got := x.h.Append(nil)
		if want := strings.ReplaceAll(x.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("got  %x\nwant %s", got, want)
		}
		back, err := DecodeHeld(got)
		if again := back.Append(nil); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%x came back as %x: %v", got, again, err)
		}
	}
}

// The sizes of Kafka's test of its in-memory buffer are not known here: these follow its definition.
func TestHeldSize(t *testing.T) {
	for _, x := range []struct {
		h    Held
		want int64
	}{
		{Held{}, 28 + 3},
		{Held{Context: Context{Topic: "in"}, New: []byte("1234")}, 28 + 3 + 2 + 4},
		{Held{Prior: []byte("12"), Old: []byte("12"), New: []byte("3")}, 28 + 3 + 2 + 1},
		{Held{Prior: []byte("12"), Old: []byte("13"), New: []byte("3")}, 28 + 3 + 4 + 1},
		{Held{RawHeaders: AppendHeader(AppendHeader(nil, "ä𝄞", nil), "k", []byte("123"))}, 28 + 3 + 3 + 1 + 3},
	} {
		h, err := cutHeld(x.h.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := h.size(3); got != x.want {
			t.Errorf("%+v: %d bytes, want %d", x.h, got, x.want)
		}
	}
}

func TestEachHeader(t *testing.T) {
	raw := AppendHeader(AppendHeader(nil, "a", nil), "b", []byte{})
	var got []string
	if err := EachHeader(raw, func(k, v []byte) { got = append(got, fmt.Sprintf("%s %q %v", k, v, v == nil)) }); err != nil {
		t.Error(err)
	}
	if s := strings.Join(got, ", "); s != `a "" true, b "" false` {
		t.Error(s)
	}
	if err := EachHeader(raw[:len(raw)-1], func(_, _ []byte) {}); err == nil {
		t.Error("cut headers were read")
	}
}

// What is not a whole update of version 3 is refused, and nothing panics.
func FuzzHeld(f *testing.F) {
	h := Held{Context: Context{Topic: "in", Time: 1}, RawHeaders: AppendHeader(nil, "h", []byte("v")), Prior: []byte("p"), Old: []byte("o"), New: []byte("n"), At: 2}
	whole := h.Append(nil)
	f.Add(whole)
	f.Add((&Held{}).Append(nil))
	for i := range whole {
		f.Add(whole[:i])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHeld(b)
		if err != nil {
			return
		}
		if again, err := DecodeHeld(h.Append(nil)); err != nil || fmt.Sprint(again) != fmt.Sprint(h) {
			t.Errorf("%+v came back as %+v: %v", h, again, err)
		}
	})
}
