package window_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/serde"
	"github.com/weirstream/weir/window"
	"pgregory.net/rapid"
)

type inner interface{ InnerKey(encoded []byte) []byte }

// roundTrip checks one windowed key: what is decoded equals what was encoded, the inner key is cut out of it, and dst is kept.
func roundTrip(s serde.Serde[window.Key[string]], k window.Key[string]) error {
	b, err := s.Append([]byte("x"), k)
	if err != nil {
		return err
	}
	if b[0] != 'x' {
		return fmt.Errorf("dst was overwritten: %q", b)
	}
	b = b[1:]
	back, err := s.Decode(b)
	if err != nil {
		return err
	}
	if back != k {
		return fmt.Errorf("decoded %v, want %v", back, k)
	}
	if got := s.(inner).InnerKey(b); string(got) != k.Key {
		return fmt.Errorf("inner key %q, want %q", got, k.Key)
	}
	return nil
}

func TestKeySerdesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		size := rapid.Int64Range(0, 1e12).Draw(t, "size")
		start := rapid.Int64Range(0, math.MaxInt64).Draw(t, "start")
		end := start + min(size, math.MaxInt64-start)
		for _, c := range []struct {
			serde serde.Serde[window.Key[string]]
			end   int64
		}{
			{window.KeySerde(serde.String(), time.Duration(size)*ms), end},
			{window.UnlimitedKeySerde(serde.String()), math.MaxInt64},
			{window.SessionKeySerde(serde.String()), end},
		} {
			if err := roundTrip(c.serde, window.NewKey(key, start, c.end)); err != nil {
				t.Fatalf("%s: %v", c.serde.Name(), err)
			}
		}
	})
}

// wrongEnd gives back windows of another size.
type wrongEnd struct {
	serde.Serde[window.Key[string]]
}

func (wrongEnd) InnerKey(b []byte) []byte { return b[:len(b)-8] }

func (w wrongEnd) Decode(b []byte) (window.Key[string], error) {
	return window.KeySerde(serde.String(), time.Minute).Decode(b)
}

func TestRoundTripCatchesAWrongSize(t *testing.T) {
	k := window.NewKey("k", 0, 1000)
	if err := roundTrip(window.KeySerde(serde.String(), time.Second), k); err != nil {
		t.Fatal(err)
	}
	if roundTrip(wrongEnd{window.KeySerde(serde.String(), time.Second)}, k) == nil {
		t.Error("a serde that gives back another end passed")
	}
}

func TestKeysOnTheWire(t *testing.T) {
	k := window.NewKey("k", 1, 258)
	for _, c := range []struct {
		serde serde.Serde[window.Key[string]]
		want  string
	}{
		{window.KeySerde(serde.String(), time.Second), "6b0000000000000001"},
		{window.UnlimitedKeySerde(serde.String()), "6b0000000000000001"},
		{window.SessionKeySerde(serde.String()), "6b00000000000001020000000000000001"},
	} {
		b, err := c.serde.Append(nil, k)
		if got := fmt.Sprintf("%x", b); err != nil || got != c.want {
			t.Errorf("%s: %v is %s, %v; want %s", c.serde.Name(), k, got, err, c.want)
		}
	}
}

func TestKeySerdeNames(t *testing.T) {
	for want, s := range map[string]serde.Serde[window.Key[string]]{
		"window(1m0s):string":      window.KeySerde(serde.String(), time.Minute),
		"window(unlimited):string": window.UnlimitedKeySerde(serde.String()),
		"session:string":           window.SessionKeySerde(serde.String()),
	} {
		if s.Name() != want {
			t.Errorf("name %q, want %q", s.Name(), want)
		}
	}
}

func TestKeysPrintAsKafkas(t *testing.T) {
	if got := fmt.Sprint(window.NewKey("k", 10, 20)); got != "[k@10/20]" {
		t.Errorf("%q", got)
	}
}

func TestKeysOfEqualWindowsAreEqual(t *testing.T) {
	k := window.NewKey("k", 10, 20)
	local := window.Key[string]{Key: "k", Start: time.UnixMilli(10), End: time.UnixMilli(20).In(time.FixedZone("x", 3600))}
	b, err := window.SessionKeySerde(serde.String()).Append(nil, local)
	if err != nil {
		t.Fatal(err)
	}
	if back, _ := window.SessionKeySerde(serde.String()).Decode(b); back != k || back.Start.Location() != time.UTC {
		t.Errorf("decoded %#v, want %#v in UTC", back, k)
	}
}

func TestKeySerdesSayWhatIsWrong(t *testing.T) {
	timed, session := window.KeySerde(serde.Int64(), time.Second), window.SessionKeySerde(serde.Int64())
	early := window.Key[int64]{Key: 1}
	refuseAppend(t, timed, early, "window(1s):int64: window starts before 1970, at -62135596800000 ms")
	refuseAppend(t, session, early, "session:int64: window starts before 1970, at -62135596800000 ms")
	refuseAppend(t, session, window.NewKey(int64(1), 5, 4), "session:int64: window ends at 4 ms, before its start 5 ms")
	refuseAppend(t, window.KeySerde(serde.Int64(), -1), window.NewKey(int64(1), 0, 0), "window(-1ns):int64: size -1ns is negative")
	refuseAppend(t, window.KeySerde(serde.Nullable(serde.Int64()), time.Second), window.NewKey((*int64)(nil), 0, 0),
		"window(1s):nullable-int64: nullable-int64: nil has no bytes: null is decided before the serde")

	refuseDecode(t, timed, []byte("1234567"), "window(1s):int64: 7 bytes, want at least 8 for the window")
	refuseDecode(t, session, make([]byte, 15), "session:int64: 15 bytes, want at least 16 for the window")
	refuseDecode(t, timed, make([]byte, 11), "window(1s):int64: int64: 3 bytes, want 8")
	refuseDecode(t, timed, bytes.Repeat([]byte{0xff}, 16), "window(1s):int64: window starts before 1970, at -1 ms")
	backwards := binary.BigEndian.AppendUint64(make([]byte, 16), 9)
	refuseDecode(t, session, backwards, "session:int64: window ends at 0 ms, before its start 9 ms")
	refuseDecode(t, window.KeySerde(serde.Int64(), 1500*time.Microsecond), make([]byte, 16),
		"window(1.5ms):int64: size 1.5ms is not a whole number of milliseconds")
}

func refuseAppend[K any](t *testing.T, s serde.Serde[window.Key[K]], k window.Key[K], want string) {
	t.Helper()
	dst, err := s.Append([]byte("kept"), k)
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if string(dst) != "kept" {
		t.Errorf("dst is %q after the error", dst)
	}
}

func refuseDecode[K any](t *testing.T, s serde.Serde[window.Key[K]], b []byte, want string) {
	t.Helper()
	if _, err := s.Decode(b); err == nil || err.Error() != want {
		t.Errorf("%x: error %q, want %q", b, err, want)
	}
}

func TestInnerKeyOfWhatIsTooShort(t *testing.T) {
	for _, s := range []serde.Serde[window.Key[string]]{window.KeySerde(serde.String(), time.Second), window.SessionKeySerde(serde.String())} {
		if got := s.(inner).InnerKey([]byte("short")); string(got) != "short" {
			t.Errorf("%s: inner key %q", s.Name(), got)
		}
	}
}

// A windowed key of windowed keys is partitioned by the whole inner windowed key, as Kafka's partitioner does.
func TestInnerKeyOfNestedWindows(t *testing.T) {
	one := window.KeySerde(serde.String(), time.Second)
	two := window.SessionKeySerde(one)
	k := window.NewKey("k", 0, 1000)
	b, err := two.Append(nil, window.NewKey(k, 5, 6))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := one.Append(nil, k)
	if got := two.(inner).InnerKey(b); !bytes.Equal(got, want) {
		t.Errorf("inner key %x, want %x", got, want)
	}
}

func FuzzKeySerdes(f *testing.F) {
	f.Add([]byte("k\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("k\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte(strings.Repeat("\xff", 20)))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []serde.Serde[window.Key[string]]{
			window.KeySerde(serde.String(), time.Second), window.UnlimitedKeySerde(serde.String()), window.SessionKeySerde(serde.String()),
		} {
			k, err := s.Decode(b)
			if err != nil {
				continue
			}
			if out, err := s.Append(nil, k); err != nil || !bytes.Equal(out, b) {
				t.Errorf("%s: %x decodes to %v, which encodes to %x, %v", s.Name(), b, k, out, err)
			}
		}
	})
}
