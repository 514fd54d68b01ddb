package rows

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestOpenRecordOnTheWire(t *testing.T) {
	from := Context{Topic: "in", Partition: 3, Offset: 7, Time: 1}
	for _, x := range []struct {
		r    OpenRecord
		want string
	}{
		{
			OpenRecord{Context: from, Written: 2, At: 4, RawHeaders: AppendHeader(nil, "h", []byte("h6")), Key: []byte("k"), Value: []byte("v"), FromKey: []byte("k"), FromValue: []byte("raw")},
			"0000000000000004 0000000000000001 0000000000000002 0000000000000007 00000002 696e 00000003 00000001 00000001 68 00000002 6836 00000001 6b 00000001 76 fffffffe 00000003 726177",
		},
		{
			OpenRecord{Context: from, Value: []byte{}, FromValue: []byte{}},
			"0000000000000000 0000000000000001 0000000000000000 0000000000000007 00000002 696e 00000003 00000000 ffffffff 00000000 ffffffff fffffffe",
		},
		{
			OpenRecord{Context: from, Value: []byte{}, FromKey: []byte{}},
			"0000000000000000 0000000000000001 0000000000000000 0000000000000007 00000002 696e 00000003 00000000 ffffffff 00000000 00000000 ffffffff",
		},
	} {
		got := x.r.Append(nil)
		if want := strings.ReplaceAll(x.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("got  %x\nwant %s", got, want)
		}
		back, err := DecodeOpen(got)
		if again := back.Append(nil); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%x came back as %x: %v", got, again, err)
		}
		for n := range got {
			if _, err := DecodeOpen(got[:n]); err == nil {
				t.Errorf("%d of %d bytes are taken for a record", n, len(got))
			}
		}
		if _, err := DecodeOpen(append(got, 0)); err == nil {
			t.Error("a byte too much is taken for a record")
		}
	}
}

func FuzzDecodeOpen(f *testing.F) {
	r := OpenRecord{Context: Context{Topic: "in"}, RawHeaders: AppendHeader(nil, "h", nil), Key: []byte("k"), FromKey: []byte("k")}
	f.Add(r.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeOpen(b)
		if err != nil {
			return
		}
		again, err := DecodeOpen(r.Append(nil))
		if err != nil || !bytes.Equal(again.Append(nil), r.Append(nil)) {
			t.Errorf("%+v came back as %+v: %v", r, again, err)
		}
	})
}
