package offsetmeta_test

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/weirstream/weir/internal/offsetmeta"
	"pgregory.net/rapid"
)

func metadata() *rapid.Generator[offsetmeta.Metadata] {
	return rapid.Custom(func(t *rapid.T) offsetmeta.Metadata {
		m := offsetmeta.Metadata{PartitionTime: rapid.Int64Min(-1).Draw(t, "time")}
		if marks := rapid.MapOf(rapid.String(), rapid.Int64()).Draw(t, "watermarks"); len(marks) > 0 {
			m.Watermarks = marks
		}
		return m
	})
}

func roundTrip(encode func(offsetmeta.Metadata) string, m offsetmeta.Metadata) error {
	s := encode(m)
	back, err := offsetmeta.Decode(s)
	if err != nil {
		return err
	}
	if d := cmp.Diff(m, back); d != "" {
		return fmt.Errorf("want -, got +:\n%s", d)
	}
	if again := encode(back); again != s {
		return fmt.Errorf("equal metadata encodes to %q and %q", s, again)
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := roundTrip(offsetmeta.Encode, metadata().Draw(t, "metadata")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRoundTripCatchesLostWatermarks(t *testing.T) {
	forgetful := func(m offsetmeta.Metadata) string {
		return offsetmeta.Encode(offsetmeta.Metadata{PartitionTime: m.PartitionTime})
	}
	if roundTrip(forgetful, offsetmeta.Metadata{Watermarks: map[string]int64{"s": 1}}) == nil {
		t.Error("an encoder that loses watermarks passed")
	}
}

func TestLayout(t *testing.T) {
	for want, m := range map[string]offsetmeta.Metadata{
		"02ffffffffffffffff": {PartitionTime: offsetmeta.Unknown},
		"020000000000000102": {PartitionTime: 258, Watermarks: map[string]int64{}},
		"027fffffffffffffff" + "00000002" + "00000001" + "61" + "0000000000000007" + "00000002" + "c3b1" + "ffffffffffffffff": {
			PartitionTime: math.MaxInt64, Watermarks: map[string]int64{"ñ": -1, "a": 7},
		},
	} {
		b, err := base64.StdEncoding.DecodeString(offsetmeta.Encode(m))
		if got := fmt.Sprintf("%x", b); err != nil || got != want {
			t.Errorf("%v is %s, %v; want %s", m, got, err, want)
		}
	}
}

func TestOlderForms(t *testing.T) {
	for s, want := range map[string]int64{"": offsetmeta.Unknown, encoded("\x01\x00\x00\x00\x00\x00\x00\x01\x02"): 258} {
		m, err := offsetmeta.Decode(s)
		if err != nil || m.PartitionTime != want || m.Watermarks != nil {
			t.Errorf("%q: %v, %v; want time %d", s, m, err, want)
		}
	}
}

func encoded(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) }

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	const time = "\x02\x00\x00\x00\x00\x00\x00\x00\x05"
	for _, c := range []struct {
		s    string
		time int64
		want string
	}{
		{"not base64", -1, "illegal base64 data at input byte 3"},
		{encoded("\x02\x00"), -1, "2 bytes, want at least 9"},
		{encoded("\x03" + time[1:]), -1, "version 3, want 1 or 2"},
		{encoded("\x03"), -1, "version 3, want 1 or 2"},
		{encoded("\x01" + time[1:] + "x"), 5, "1 bytes left over"},
		{encoded(time + "\x00\x00"), 5, "number of watermarks: cut off"},
		{encoded(time + "\xff\xff\xff\xff"), 5, "-1 watermarks"},
		{encoded(time + "\x7f\xff\xff\xff"), 5, "watermark 1 of 2147483647: cut off"},
		{encoded(time + "\x00\x00\x00\x01\xff\xff\xff\xff12345678"), 5, "watermark 1 of 1: cut off"},
		{encoded(time + "\x00\x00\x00\x02\x00\x00\x00\x01s12345678"), 5, "watermark 2 of 2: cut off"},
		{encoded(time + "\x00\x00\x00\x00x"), 5, "1 bytes left over"},
	} {
		m, err := offsetmeta.Decode(c.s)
		if err == nil || !strings.HasPrefix(err.Error(), "offset metadata \"") || !strings.HasSuffix(err.Error(), ": "+c.want) {
			t.Errorf("%q: error %v, want %q", c.s, err, c.want)
		}
		if m.PartitionTime != c.time || m.Watermarks != nil {
			t.Errorf("%q: %v with the error, want time %d alone", c.s, m, c.time)
		}
	}
}

func TestErrorsStayShort(t *testing.T) {
	_, err := offsetmeta.Decode(strings.Repeat("?", 4096))
	if err == nil || len(err.Error()) > 120 {
		t.Errorf("error %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add(offsetmeta.Encode(offsetmeta.Metadata{PartitionTime: 5}))
	f.Add(offsetmeta.Encode(offsetmeta.Metadata{PartitionTime: 5, Watermarks: map[string]int64{"a": 1, "b": 2}}))
	f.Add(encoded("\x01\x00\x00\x00\x00\x00\x00\x01\x02"))
	f.Fuzz(func(t *testing.T, s string) {
		m, err := offsetmeta.Decode(s)
		if err != nil {
			return
		}
		if err := roundTrip(offsetmeta.Encode, m); err != nil {
			t.Errorf("%q decodes to %v: %v", s, m, err)
		}
	})
}
