package rows

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstream/weir/serde"
)

// Local keys sort by side, time and key; changelog keys are Kafka's, and come back the same.
func TestPendingKeys(t *testing.T) {
	keys := pendingKeys[string]{serde.String()}
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) Lone[string] {
			return Lone[string]{Side: rapid.IntRange(0, 1).Draw(t, "side"), At: rapid.Int64Range(0, 1<<42).Draw(t, "at"), Key: rapid.String().Draw(t, "key")}
		})
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		la, log := sameAgain(t, keys, a)
		lb, _ := sameAgain(t, keys, b)
		if less := a.Side < b.Side || a.Side == b.Side && (a.At < b.At || a.At == b.At && a.Key < b.Key); less != (bytes.Compare(la, lb) < 0) {
			t.Fatalf("%x and %x are in another order than %v and %v", la, lb, a, b)
		}
		if timeAt(log) != a.At || log[8] != byte(a.Side) || string(log[9:]) != a.Key {
			t.Fatalf("the changelog key of %v is %x", a, log)
		}
	})
	for _, bad := range [][]byte{nil, make([]byte, 8), {0, 0, 0, 0, 0, 0, 0, 0, 2}} {
		if _, err := keys.AppendLocal(nil, bad); err == nil {
			t.Errorf("%x was taken for a changelog key", bad)
		}
	}
}

func sameAgain(t *rapid.T, keys pendingKeys[string], l Lone[string]) (local, log []byte) {
	local, err := keys.Append(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	back, err := keys.Decode(local)
	if err != nil || back.Side != l.Side || back.At != l.At || back.Key != l.Key {
		t.Fatalf("%v came back as %v (%v)", l, back, err)
	}
	if log, err = keys.AppendLog(nil, local); err != nil {
		t.Fatal(err)
	}
	if again, err := keys.AppendLocal(nil, log); err != nil || !bytes.Equal(again, local) {
		t.Fatalf("%x came back from the changelog as %x (%v)", local, again, err)
	}
	return local, log
}

// A damaged list is an error, not a panic and not a result.
func FuzzPendingList(f *testing.F) {
	f.Add([]byte("00000000\x01\x00\x00\x00\x01\x00\x00\x00\x02\x01a"))
	f.Add([]byte("00000000\x01\x00\x00\x00\x02\x00\x00\x00\x02\x01a"))
	f.Add([]byte("00000000\x01\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, row []byte) {
		n := 0
		err := entries(row, func([]byte) error { n++; return nil })
		if err == nil && len(row) < stampLen+listHead+n*entryHead {
			t.Errorf("%d entries of %d bytes", n, len(row))
		}
	})
}
